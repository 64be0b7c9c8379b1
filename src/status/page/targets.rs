//! The targets on the page, in groups with the worst first.

use std::fmt::Write as _;

use super::super::check_lines::{self, CheckLine};
use super::super::concern::{Concern, by_concern, by_service, health, loss, rtt, service, votes};
use super::super::history::Minute;
use super::super::model::{
    CheckStatus, CountedMode, Drained, Health, Reason, Status, Target, Time,
};
use super::html::{age, text, time};
use super::{MOST_ROWS, chart};

/// The past of targets, as far as the page has it.
#[derive(Clone, Copy)]
pub(in crate::status) struct ShownPast<'a> {
    /// Returns the last hour of the target with this index in [`Status::targets`].
    pub(in crate::status) hours: &'a dyn Fn(usize) -> Vec<Minute>,
    /// Whether there are drawings of the last day.
    pub(in crate::status) has_days: bool,
}

/// Writes the section of targets.
pub(super) fn section(out: &mut String, status: &Status, past: ShownPast<'_>, shown: usize) {
    out.push_str(
        "<section id=\"targets\">\n<h2 class=\"away\">Targets</h2>\n<table>\n<thead><tr>\
         <th scope=\"col\">Target</th><th scope=\"col\">In service</th><th scope=\"col\">Since</th>\
         <th scope=\"col\" class=\"figure\">RTT</th><th scope=\"col\" class=\"figure\">Lost, \
         <small>1 min</small></th><th scope=\"col\">Votes</th><th scope=\"col\">Last hour</th>\
         </tr></thead>\n",
    );
    let hidden = if status.names_services() {
        services(out, status, past, shown)
    } else {
        targets(out, status, past, shown)
    };
    out.push_str("</table>\n");
    if hidden > 0 {
        let rest = if shown < MOST_ROWS {
            format!("<a href=\"?all\">{hidden} more, show all</a>")
        } else {
            format!("{hidden} more in <a href=\"/status\">/status</a>")
        };
        let _ = writeln!(out, "<p class=\"none\">{rest}</p>");
    }
    out.push_str("</section>\n");
}

/// Writes the targets in groups of the same concern. Returns the number of those left out.
fn targets(out: &mut String, status: &Status, past: ShownPast<'_>, shown: usize) -> usize {
    let targets = by_concern(status);
    let shown_targets = &targets[..shown.min(targets.len())];
    for group in shown_targets.chunk_by(|one, next| Concern::of(one.1) == Concern::of(next.1)) {
        let concern = Concern::of(group[0].1);
        let all = targets.iter().filter(|(_, target)| Concern::of(target) == concern).count();
        let heading = title(concern, status);
        let _ = writeln!(
            out,
            "<tbody>\n<tr class=\"group\"><th colspan=\"7\" scope=\"rowgroup\">{heading} \
             <small>{all}</small></th></tr>"
        );
        for (place, target) in group {
            row(out, target, (&(past.hours)(*place), past.has_days), status.at);
        }
        out.push_str("</tbody>\n");
    }
    targets.len().saturating_sub(shown)
}

/// Writes the services, the worst first: each with its targets that are not fine, and a service with
/// fine targets alone as one line. With [`MOST_ROWS`] they have all of their targets. Returns the
/// number of targets left out that are not fine, or of all those left out.
fn services(out: &mut String, status: &Status, past: ShownPast<'_>, shown: usize) -> usize {
    let (mut room, mut hidden) = (shown, 0);
    for group in by_service(status) {
        let wanted = if shown < MOST_ROWS { group.concerning } else { group.targets.len() };
        let listed = wanted.min(room);
        (room, hidden) = (room - listed, hidden + wanted - listed);
        let mood = mood(group.worst());
        let _ = writeln!(
            out,
            "<tbody>\n<tr class=\"group\" data-service=\"{name}\"><th colspan=\"7\" \
             scope=\"rowgroup\"><span class=\"state {mood}\">{name}</span> \
             <small>{}</small></th></tr>",
            text(&group.summary()),
            name = text(&group.service.name),
        );
        for (place, target) in &group.targets[..listed] {
            row(out, target, (&(past.hours)(*place), past.has_days), status.at);
        }
        out.push_str("</tbody>\n");
    }
    hidden
}

/// Returns the class for the colour of a concern.
fn mood(concern: Concern) -> &'static str {
    match concern {
        Concern::DownInDns | Concern::Down => "bad",
        Concern::HeldOut | Concern::Unknown | Concern::Losing | Concern::Noted => "warn",
        Concern::Assumed => "dull",
        Concern::Fine => "good",
    }
}

/// Returns the end of a sentence about dead targets that are not in DNS. In dry-run the records are as
/// they would be.
pub(super) fn out_of_dns(status: &Status) -> &'static str {
    if status.agent.dry_run { "would be out of DNS" } else { "out of DNS" }
}

fn title(concern: Concern, status: &Status) -> String {
    let words = match concern {
        Concern::DownInDns => "Down, and still in DNS",
        Concern::Down => return format!("Down, {}", out_of_dns(status)),
        Concern::HeldOut => "Alive, but held back",
        Concern::Unknown => "Not seen",
        Concern::Losing => "Losing probes",
        Concern::Noted => "In service, with a warning",
        Concern::Assumed => "Not yet confirmed",
        Concern::Fine => "In service",
    };
    words.to_owned()
}

fn row(out: &mut String, target: &Target, (hour, has_day): (&[Minute], bool), now: Time) {
    let mood = mood(Concern::of(target));
    let address = target.address;
    let _ = writeln!(
        out,
        "<tr class=\"target\" data-address=\"{address}\">\
         <th scope=\"row\"><span class=\"state {mood}\">{}</span> <b>{}</b>{}</th>\
         <td class=\"service\" data-label=\"In service\"><data value=\"{}\">{}</data>{}</td>\
         <td class=\"since\" data-label=\"Since\">{} <small>{}</small></td>",
        health(target.health),
        // A long address may be broken at its colons alone.
        address.to_string().replace(':', ":<wbr>"),
        records(target),
        target.in_service,
        service(target),
        explanation(target, now),
        time(target.since, now),
        age(target.since.until(now)),
    );
    figures(out, target);
    let _ = write!(out, "<td class=\"hour\" data-label=\"Last hour\">");
    chart::draw(out, hour);
    let _ = write!(out, "<small>{}</small>", slowest(hour));
    if has_day {
        let service = text(&target.service);
        let _ = write!(out, " <a href=\"history/{service}/{address}\">last day</a>");
    }
    out.push_str("</td></tr>\n");
    checks(out, target, now);
}

/// Writes a row with the reasons of a failure and the checks of a target, if the configuration chooses how
/// it is asked.
fn checks(out: &mut String, target: &Target, now: Time) {
    let summary = check_lines::summary(target);
    if summary.is_empty() && target.checks.is_empty() {
        return;
    }
    out.push_str("<tr><td colspan=\"7\">");
    for line in summary {
        let _ = write!(out, "<small>{}</small>", text(&line));
    }
    for check in &target.checks {
        let CheckLine { name, health, streak, words } = CheckLine::of(check, now);
        let _ = write!(
            out,
            "<small><span class=\"state {}\">{health}</span> <b>{}</b> {streak}; {}</small>",
            check_mood(check),
            text(&name),
            text(&words)
        );
    }
    out.push_str("</td></tr>\n");
}

/// Returns the class for the colour of a check.
fn check_mood(check: &CheckStatus) -> &'static str {
    match check.health {
        Health::Down if check.mode == CountedMode::Count => "bad",
        Health::Down | Health::Unknown => "warn",
        Health::AssumedUp => "dull",
        Health::Up => "good",
    }
}

fn figures(out: &mut String, target: &Target) {
    let milliseconds = target.last_rtt_ms.map(|ms| ms.to_string()).unwrap_or_default();
    // A narrow screen leaves out a heading with nothing below it.
    let without = if target.votes.is_empty() { " without" } else { "" };
    let lossy = if target.loss_1m.is_some_and(|part| part > 0.0) { " lossy" } else { "" };
    let _ = writeln!(
        out,
        "<td class=\"figure rtt\" data-label=\"RTT\"><data value=\"{milliseconds}\">{}</data></td>\
         <td class=\"figure loss{lossy}\" data-label=\"Lost, 1 min\"><data \
         value=\"{}\">{}</data></td><td class=\"votes{without}\" data-label=\"Votes\">{}{}</td>",
        rtt(target.last_rtt_ms),
        target.loss_1m.map(|part| part.to_string()).unwrap_or_default(),
        loss(target.loss_1m),
        votes(target),
        ballots(target),
    );
}

/// Returns the names with the target's record, those without, and those not listed yet.
fn records(target: &Target) -> String {
    let mut out = String::new();
    for (present, before) in
        [(Some(true), ""), (Some(false), "<i>not at</i> "), (None, "<i>not read yet:</i> ")]
    {
        let records = target.records.iter().filter(|record| record.present == present);
        let names: Vec<String> = records.map(|record| text(&record.name)).collect();
        if !names.is_empty() {
            let _ = write!(out, "<small>{before}{}</small>", names.join(", "));
        }
    }
    out
}

/// Returns the votes, unless the target is fine and no vote is against it.
fn ballots(target: &Target) -> String {
    if Concern::of(target) == Concern::Fine
        && target.votes.iter().all(|vote| vote.health != Health::Down)
    {
        return String::new();
    }
    let mut out = String::new();
    for vote in &target.votes {
        let (peer, health) = (text(&vote.peer), health(vote.health));
        let _ = write!(out, "<small>{peer} {health} {:.0}s ago</small>", vote.age_s);
    }
    out
}

/// Returns the reason why a change that its health calls for is not made, in a sentence.
fn explanation(target: &Target, now: Time) -> String {
    let words = match (&target.drained, target.known_reason()) {
        (Some(drained), Some(Reason::Floor)) => {
            format!("{}; {}", drain(drained, now), sentence(Reason::Floor))
        }
        (Some(drained), _) => drain(drained, now),
        (None, Some(Reason::Returning)) => returning(target, now),
        (None, Some(reason)) => sentence(reason).to_owned(),
        (None, None) if target.health == Health::Unknown => unseen(target),
        (None, None) => return format!("{}{}", tier(target), limits(target)),
    };
    format!("<small>{words}</small>{}{}", tier(target), limits(target))
}

/// Returns the reason why a standby is published, or is not.
fn tier(target: &Target) -> String {
    let standby = target.standby.as_ref();
    standby.map_or_else(String::new, |standby| format!("<small>{}</small>", text(&standby.why)))
}

/// Returns the note on a target that limits its answers.
fn limits(target: &Target) -> String {
    target.limits.map_or_else(String::new, |limits| {
        let after = limits.noticed_after_s;
        format!("<small>limits what it answers: a death is noticed after {after} s</small>")
    })
}

fn unseen(target: &Target) -> String {
    match target.evidence_age_s {
        Some(seconds) => {
            let since = age(std::time::Duration::from_secs_f64(seconds.clamp(0.0, 1e9)));
            format!("no probe could be judged for {since}; the verdict stands")
        }
        None => "no probe could be judged; the verdict stands".to_owned(),
    }
}

fn drain(drained: &Drained, now: Time) -> String {
    let until = drained.until.map_or("until it is undrained".to_owned(), |until| {
        format!("for another {}", age(now.until(until)))
    });
    match &drained.reason {
        Some(reason) => format!("{}, {until}", text(reason)),
        None => until,
    }
}

/// The explanation of a target that waits.
const RETURNING: &str = "it has not been up for long enough";

/// Returns when a target that waits is put back.
fn returning(target: &Target, now: Time) -> String {
    let words = target.returning.as_ref().map(|returning| returning.in_words(now));
    words.unwrap_or_else(|| RETURNING.to_owned())
}

fn sentence(reason: Reason) -> &'static str {
    match reason {
        Reason::Isolated => "this agent's own network may be the cause",
        Reason::NoQuorum => "not enough peers agree",
        Reason::Contested => "enough peers say the opposite",
        Reason::Floor => "too few addresses would be left",
        Reason::Alike => "all targets of the service fail alike",
        Reason::Drained => "taken out by hand",
        Reason::Asked => "it asked to be taken out",
        Reason::DryRun => "dry run writes nothing",
        Reason::MaxOut => "as many addresses are out as may be",
        Reason::Returning => RETURNING,
        Reason::Standby => "a standby is needed and down, or others are not back yet",
    }
}

/// Returns the slowest round-trip time in the chart, and the number of losses.
fn slowest(hour: &[Minute]) -> String {
    let slowest = hour.iter().map(|minute| minute.mean_rtt_us).max().filter(|micros| *micros > 0);
    let lost: u32 = hour.iter().map(|minute| u32::from(minute.losses)).sum();
    let peak = slowest.map(|micros| format!("peak {}", rtt(Some(f64::from(micros) / 1e3))));
    let lost = Some(format!("{lost} lost")).filter(|_| lost > 0);
    [peak, lost].into_iter().flatten().collect::<Vec<_>>().join(", ")
}
