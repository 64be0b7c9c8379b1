//! The text of `goavail plan`.

use std::fmt::Write as _;

use super::comparison::{Changes, ComparedRow, Comparison, LeftOut, PlannedChange, Set};
use super::records::ComparedRecord;
use super::verdicts::{FailureReason, Why};
use crate::commands::printable;
use crate::dns::providers::route53::preview::Sent;
use crate::text::paint::{Paint, column_widths};

const TITLES: [&str; 5] = ["ADDRESS", "WHOSE", "THERE", "IF HEALTHY", "BY THE AGENT"];

/// Returns the comparison as text, ready to be printed.
pub(super) fn render(comparison: &Comparison, colour: bool) -> String {
    let paint = Paint { colour };
    let mut out = head(comparison, paint);
    tables(&comparison.sets, paint, &mut out);
    let healthy = "if all targets were healthy";
    difference(healthy, &comparison.all_healthy, comparison.floor, paint, &mut out);
    if let Some(by_agent) = &comparison.by_agent {
        difference("by the agent's verdicts", by_agent, comparison.floor, paint, &mut out);
    }
    reasons(&comparison.reasons, &mut out);
    doubtful(comparison, paint, &mut out);
    let _ = writeln!(out, "\n{}", paint.bold(&summary(comparison)));
    out
}

fn head(comparison: &Comparison, paint: Paint) -> String {
    let Comparison { service, zone, provider, floor, agent, caution, .. } = comparison;
    let service = service.as_ref().map(|name| format!("service {name}\n")).unwrap_or_default();
    let floor = match floor {
        0 => "none".to_owned(),
        1 => "1 address stays in every record set".to_owned(),
        floor => format!("{floor} addresses stay in every record set"),
    };
    let who = match (&agent.name, &agent.place) {
        (Some(name), Some(place)) => format!("{name} on {place}"),
        _ => "none".to_owned(),
    };
    let use_of = if comparison.by_agent.is_some() {
        "its verdicts decide the exit code"
    } else {
        "the exit code takes all targets for healthy"
    };
    let note = agent.note.as_ref().map(|note| format!(": {note}")).unwrap_or_default();
    let agent = printable(&format!("{who}{note}; {use_of}"));
    let caution = caution.as_ref().map(|caution| {
        let line = format!("warning: {}", printable(caution));
        format!("{}\n", paint.yellow(&line))
    });
    let caution = caution.unwrap_or_default();
    format!("{service}zone   {zone} at {provider}\n{caution}floor  {floor}\nagent  {agent}\n")
}

/// Returns the sets, in columns as wide as their widest cell.
fn tables(sets: &[Set], paint: Paint, out: &mut String) {
    let with_agent = sets.iter().flat_map(|set| &set.addresses).any(|row| row.by_agent.is_some());
    let columns = if with_agent { TITLES.len() } else { TITLES.len() - 1 };
    let cells: Vec<Vec<[String; 5]>> =
        sets.iter().map(|set| set.addresses.iter().map(cells).collect()).collect();
    let widths = column_widths(TITLES, cells.iter().flatten());
    let widths = &widths[..columns];
    for (set, rows) in sets.iter().zip(&cells) {
        let title = format!("{} {}", set.name, set.r#type);
        let _ =
            writeln!(out, "\n{}\n{}", paint.bold(&title), line(&TITLES.map(str::to_owned), widths));
        for row in rows {
            let _ = writeln!(out, "{}", line(row, widths));
        }
    }
}

/// Returns the first cells of a row, as many as there are `widths`.
fn line(row: &[String; 5], widths: &[usize]) -> String {
    let padded = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
    let padded: Vec<String> = padded.collect();
    format!("  {}", padded.join("  ")).trim_end().to_owned()
}

fn cells(row: &ComparedRow) -> [String; 5] {
    let by_agent =
        row.by_agent.map(|future| format!("{}: {}", inside(future.present), future.why.as_str()));
    [
        row.address.to_string(),
        if row.managed { "managed" } else { "foreign" }.to_owned(),
        there(&row.records),
        inside(row.all_healthy).to_owned(),
        by_agent.unwrap_or_default(),
    ]
}

fn inside(present: bool) -> &'static str {
    if present { "in" } else { "out" }
}

/// Returns the records that hold an address now.
fn there(records: &[ComparedRecord]) -> String {
    let each: Vec<String> = records.iter().map(record).collect();
    match each.as_slice() {
        [] => "no".to_owned(),
        [one] => one.clone(),
        several => format!("{} records: {}", several.len(), several.join("; ")),
    }
}

fn record(record: &ComparedRecord) -> String {
    let ComparedRecord { ttl, proxied, set_identifier, routing } = record;
    let mut words = match (ttl, proxied) {
        (1, Some(_)) => "automatic TTL".to_owned(),
        _ => format!("TTL {ttl} s"),
    };
    if *proxied == Some(true) {
        words.push_str(", proxied");
    }
    if let Some(routing) = routing {
        let _ = write!(words, ", by {routing}");
    }
    if let Some(identifier) = set_identifier {
        let _ = write!(words, ", in set {}", printable(identifier));
    }
    words
}

fn difference(basis: &str, changes: &Changes, floor: usize, paint: Paint, out: &mut String) {
    let Changes { create, delete, held, .. } = changes;
    if create.is_empty() && delete.is_empty() && held.is_empty() {
        let _ = writeln!(out, "\n{basis}: no difference");
        return;
    }
    let _ = writeln!(out, "\n{basis}:");
    for change in create {
        let _ = writeln!(out, "{}", paint.green(&planned('+', change, None)));
    }
    for change in delete {
        let _ = writeln!(out, "{}", paint.red(&planned('-', change, duplicates(change))));
    }
    for change in held {
        let stays = match change.why {
            Some(Why::Standby) => "stays until others are back".to_owned(),
            _ => format!("stays: min_in_service is {floor}"),
        };
        let _ = writeln!(out, "{}", paint.yellow(&planned('!', change, Some(stays))));
    }
    for place in &changes.needs_memory {
        let line = format!("? {place}  (goes only into the routed set that the agent remembers)");
        let _ = writeln!(out, "{}", paint.yellow(&line));
    }
    sends(changes.sends.as_deref().unwrap_or_default(), out);
}

/// Writes the reasons of the targets that are down.
fn reasons(reasons: &[FailureReason], out: &mut String) {
    if !reasons.is_empty() {
        out.push_str("\nwhy, as the agent sees it:\n");
    }
    for FailureReason { address, why, said } in reasons {
        let _ = writeln!(out, "  {address} {}: {}", why.as_str(), printable(said));
    }
}

/// Returns the names to check: the ones left alone, and the ones that may be misspelt.
fn doubtful(comparison: &Comparison, paint: Paint, out: &mut String) {
    let Comparison { left_out, new_names, .. } = comparison;
    if !left_out.is_empty() || !new_names.is_empty() {
        out.push('\n');
    }
    for alike in left_out.chunk_by(|one, next| one.name == next.name && one.why == next.why) {
        let types: Vec<_> = alike.iter().map(|set| set.r#type.as_str()).collect();
        let (types, LeftOut { name, why, .. }) = (types.join(" and "), &alike[0]);
        let line = format!("! {name} {types} is left alone: {}", printable(why));
        let _ = writeln!(out, "{}", paint.yellow(&line));
    }
    for name in new_names {
        let line =
            format!("? {name} holds no address and nothing is remembered of it; is it misspelt?");
        let _ = writeln!(out, "{}", paint.yellow(&line));
    }
}

/// Returns the whole sets that would be sent.
fn sends(sends: &[Sent], out: &mut String) {
    if !sends.is_empty() {
        let _ = writeln!(out, "  in whole sets:");
    }
    for Sent { action, name, r#type, set_identifier, routing, ttl, values } in sends {
        let routing = routing.map(|routing| format!(", by {routing}")).unwrap_or_default();
        let set = set_identifier.as_deref().map(printable);
        let set = set.map(|set| format!(", set {set}")).unwrap_or_default();
        let values = printable(&values.join(" "));
        let _ = writeln!(out, "  {action} {name} {type} {values}  (TTL {ttl} s{routing}{set})");
    }
}

/// Returns the line of a change, with the agent's reason and a remark.
fn planned(sign: char, change: &PlannedChange, remark: Option<String>) -> String {
    let PlannedChange { name, r#type, address, why, .. } = change;
    let words: Vec<String> =
        why.map(|why| why.as_str().to_owned()).into_iter().chain(remark).collect();
    let because =
        if words.is_empty() { String::new() } else { format!("  ({})", words.join(", ")) };
    format!("{sign} {name} {type} {address}{because}")
}

fn duplicates(change: &PlannedChange) -> Option<String> {
    (change.records > 1).then(|| format!("{} records", change.records))
}

/// Returns the difference that decides the exit code, in a few words.
pub(super) fn summary(comparison: &Comparison) -> String {
    let basis = if comparison.by_agent.is_some() {
        "by the agent's verdicts"
    } else {
        "if all targets were healthy"
    };
    let Changes { create, delete, held, .. } = comparison.deciding();
    let held = match held.len() {
        0 => String::new(),
        held => format!(", {held} held by the floor"),
    };
    let left_out = match comparison.left_out.len() {
        0 => String::new(),
        1 => ", 1 set left alone".to_owned(),
        several => format!(", {several} sets left alone"),
    };
    let held = held + &left_out;
    if comparison.difference {
        format!("difference {basis}: {} to create, {} to delete{held}", create.len(), delete.len())
    } else {
        format!("no difference {basis}{held}")
    }
}
