//! The table of `goavail status`: at most 100 columns, with problems first.

mod checks;
mod effects;
mod incidents;

use std::fmt::Write as _;

use super::concern::{
    Concern, ServiceGroup, by_concern, by_service, health, loss, rtt, service, votes,
};
use super::model::{Change, Drained, Failure, Limits, Mode, Status, Target, Time, WaitingDrain};
use crate::text::paint::{Paint, column_widths};
use crate::text::{counted, first_few, one_line};

/// The number of services that the line of a peer names.
const SERVICES_NAMED: usize = 3;

/// Maximum width of a line.
pub const WIDTH: usize = 100;

/// The number of listed targets up to which the checks of all of them are shown.
const FEW: usize = 10;

/// Maximum number of drained targets above the table, and of endpoints that limit their answers.
const NAMED: usize = 5;

/// Returns the table, ready to be printed.
pub(crate) fn table(status: &Status, colour: bool) -> String {
    let paint = Paint { colour };
    let mut lines = header(status, paint);
    lines.push(String::new());
    lines.extend(rows(status, paint));
    lines.push(String::new());
    lines.join("\n")
}

fn header(status: &Status, paint: Paint) -> Vec<String> {
    let agent = &status.agent;
    let mode = mode(agent.mode);
    let extent = if status.names_services() {
        let (services, zones) = (status.services.len(), status.zones.len());
        let services = counted(services, "service", "services");
        format!("{services} in {}", counted(zones, "zone", "zones"))
    } else {
        format!("{}  {} {}", agent.r#type, agent.provider, agent.zone)
    };
    let mut lines = vec![
        clip(&format!("{}  goavail {}  {mode}  {extent}", agent.name, agent.version)),
        clip(&format!(
            "at {} UTC  running since {}  configuration of {}",
            status.at.to_the_second(),
            agent.started_at.to_the_second(),
            agent.config_loaded_at.to_the_second()
        )),
    ];
    if status.is_stale() {
        let silence = status.silence_s;
        let words = format!("STALE: the agent's event loop has not run for {silence:.0} s");
        lines.push(paint.red(&words));
    }
    if let Some(cause) = status.isolation() {
        lines.push(paint.red(&clip(&format!("ISOLATED: {cause}, so nothing is withdrawn"))));
    }
    if agent.dry_run {
        let words =
            "DRY RUN: nothing is written at the provider; records are shown as they would be";
        lines.push(paint.yellow(words));
    }
    if !agent.guards_off.is_empty() {
        lines.push(clip(&format!("guards off: {}", agent.guards_off.join(", "))));
    }
    lines.extend(peers(status, paint));
    lines.extend(drains(status, paint));
    lines.extend(returns(status, paint));
    lines.extend(limiting(status, paint));
    lines.extend(events(status, paint));
    lines.extend(incidents::lines(status, paint));
    lines.extend(effects::lines(status, paint));
    lines
}

fn events(status: &Status, paint: Paint) -> Vec<String> {
    let change = status.last_change.as_ref().map_or_else(|| "none".to_owned(), done);
    let error = status.last_error.as_ref().map_or_else(|| "none".to_owned(), wrong);
    let last = [clip(&format!("last change: {change}")), clip(&format!("last error:  {error}"))];
    let failing = status.failing.iter().map(|failure| format!("failing now: {}", wrong(failure)));
    last.into_iter().chain(failing.map(|line| paint.red(&clip(&line)))).collect()
}

fn mode(mode: Mode) -> &'static str {
    match mode {
        Mode::Single => "single",
        Mode::Cluster => "cluster",
    }
}

fn done(change: &Change) -> String {
    format!("{}  {}", change.at.to_the_second(), change.what)
}

fn wrong(failure: &Failure) -> String {
    format!("{}  {}: {}", failure.at.to_the_second(), failure.what, failure.error)
}

fn peers(status: &Status, paint: Paint) -> Vec<String> {
    if status.peers.is_empty() {
        return vec![];
    }
    let missing: Vec<&str> =
        status.peers.iter().filter(|peer| !peer.alive).map(|peer| peer.address.as_str()).collect();
    let (all, alive) = (status.peers.len(), status.peers.len() - missing.len());
    let mut lines = vec![if missing.is_empty() {
        format!("peers: {alive} of {all} alive")
    } else {
        paint.yellow(&clip(&format!("peers: {alive} of {all} alive; not {}", missing.join(", "))))
    }];
    for peer in status.peers.iter().filter(|peer| peer.alive && !peer.no_vote_on.is_empty()) {
        let services = first_few(&peer.no_vote_on, SERVICES_NAMED, ", ");
        let line = format!("{} has no vote on {services}", peer.address);
        lines.push(paint.yellow(&clip(&line)));
    }
    lines
}

fn drains(status: &Status, paint: Paint) -> Vec<String> {
    let drained = status.targets.iter().filter_map(|at| Some((at, at.drained.as_ref()?)));
    let drained: Vec<(&Target, &Drained)> = drained.collect();
    let mut lines = Vec::new();
    for (target, drain) in drained.iter().take(NAMED) {
        let mut text = format!("drained: {}", status.name_of(target));
        if let Some(until) = drain.until {
            let _ = write!(text, " until {}", until.to_the_second());
        }
        if let Some(reason) = &drain.reason {
            let _ = write!(text, ": {reason}");
        }
        lines.push(paint.yellow(&clip(&text)));
    }
    let more = drained.len().saturating_sub(NAMED);
    if more > 0 {
        lines.push(format!("drained: {more} more"));
    }
    lines.extend(waiting_drains(status, paint));
    lines
}

/// Returns the lines about drains of addresses and services that are not in the configuration.
fn waiting_drains(status: &Status, paint: Paint) -> Vec<String> {
    let mut lines = Vec::new();
    for drain in status.waiting_drains.iter().take(NAMED) {
        let WaitingDrain { until, reason, .. } = drain;
        let mut text = format!("drain waits: {} is not in the configuration", drain.target());
        if let Some(until) = until {
            let _ = write!(text, ", until {}", until.to_the_second());
        }
        if let Some(reason) = reason {
            let _ = write!(text, ": {reason}");
        }
        lines.push(paint.yellow(&clip(&text)));
    }
    let more = status.waiting_drains.len().saturating_sub(NAMED);
    if more > 0 {
        lines.push(format!("drain waits: {more} more"));
    }
    lines
}

/// Returns the lines about targets that are up again and are put back later.
fn returns(status: &Status, paint: Paint) -> Vec<String> {
    let mut waiting = Vec::new();
    for target in &status.targets {
        if let Some(returning) = &target.returning {
            waiting.push((returning.at, target, returning));
        }
    }
    waiting.sort_by_key(|(at, ..)| *at);
    let mut lines = Vec::new();
    for (_, target, returning) in waiting.iter().take(NAMED) {
        let (name, words) = (status.name_of(target), returning.in_words(status.at));
        lines.push(paint.yellow(&clip(&format!("returning: {name} {words}"))));
    }
    let more = waiting.len().saturating_sub(NAMED);
    if more > 0 {
        lines.push(format!("returning: {more} more"));
    }
    lines
}

/// Returns the lines about endpoints that limit their answers, so that their failure is noticed later.
fn limiting(status: &Status, paint: Paint) -> Vec<String> {
    let few = "answers fewer probes than retry_interval asks for";
    let canaries = status.canaries.iter().filter_map(|at| Some((&at.address, at.limits.as_ref()?)));
    let targets = status.targets.iter().filter_map(|at| Some((at, at.limits.as_ref()?)));
    let targets: Vec<(&Target, &Limits)> = targets.collect();
    let mut lines = Vec::new();
    for (address, limits) in canaries.take(NAMED) {
        let after = limits.noticed_after_s;
        let words = format!("canary {address} {few}: seen late, after {after} s");
        lines.push(paint.yellow(&clip(&format!("limits: {words}"))));
    }
    for (target, limits) in targets.iter().take(NAMED) {
        let (name, after) = (status.name_of(target), limits.noticed_after_s);
        let words = format!("{name} {few}: a death is noticed after {after} s");
        lines.push(paint.yellow(&clip(&format!("limits: {words}"))));
    }
    let more = targets.len().saturating_sub(NAMED);
    if more > 0 {
        lines.push(format!("limits: {more} more"));
    }
    lines
}

const TITLES: [&str; 7] = ["ADDRESS", "HEALTH", "SINCE", "IN SERVICE", "RTT", "LOSS", "VOTES"];

/// Whether each column is aligned to the right.
const RIGHT: [bool; 7] = [false, false, false, false, true, true, false];

fn rows(status: &Status, paint: Paint) -> Vec<String> {
    if status.names_services() {
        return services(status, paint);
    }
    let targets: Vec<&Target> = by_concern(status).into_iter().map(|(_, target)| target).collect();
    let rows = TargetTable::new(status, &targets, paint);
    let each = targets.iter().flat_map(|target| rows.lines(target));
    rows.titles().into_iter().chain(each).collect()
}

/// Returns the services, the worst first: each with its targets that are not fine, and a service with
/// fine targets alone as one line. The only service of a status has all of its targets.
fn services(status: &Status, paint: Paint) -> Vec<String> {
    let groups = by_service(status);
    let is_only = groups.len() == 1;
    let mut listed = Vec::new();
    for group in &groups {
        let listed_here = if is_only { group.targets.len() } else { group.concerning };
        listed.push(group.targets[..listed_here].iter().map(|(_, target)| *target).collect());
    }
    let listed: Vec<Vec<&Target>> = listed;
    let rows = TargetTable::new(status, &listed.concat(), paint);
    let mut lines: Vec<String> = rows.titles().into_iter().collect();
    for (group, targets) in groups.iter().zip(listed) {
        let well = group.targets.len() - targets.len();
        lines.push(service_line(group, paint));
        lines.extend(targets.iter().flat_map(|target| rows.lines(target)));
        if well > 0 && !targets.is_empty() {
            lines.push(format!("and {well} more {}", well_in_words(group)));
        }
    }
    lines
}

/// Describes the targets of a service that are fine.
fn well_in_words(group: &ServiceGroup<'_>) -> &'static str {
    let well = &group.targets[group.concerning..];
    let is_standing_by = well.iter().any(|(_, target)| target.is_standing_by());
    if is_standing_by { "in service or standing by" } else { "in service" }
}

/// Returns the line of one service.
fn service_line(group: &ServiceGroup<'_>, paint: Paint) -> String {
    let text = clip(&format!("{}: {}", group.service.name, group.summary()));
    painted(group.worst(), &text, paint)
}

/// Returns a line in the colour of a concern.
fn painted(concern: Concern, text: &str, paint: Paint) -> String {
    match concern {
        Concern::DownInDns | Concern::Down => paint.red(text),
        Concern::HeldOut | Concern::Unknown | Concern::Losing | Concern::Noted => {
            paint.yellow(text)
        }
        Concern::Assumed | Concern::Fine => text.to_owned(),
    }
}

/// The columns of a table of targets.
struct TargetTable {
    at: Time,
    widths: [usize; 7],
    gap: &'static str,
    paint: Paint,
    is_empty: bool,
    /// Whether there are so few targets that the checks of those that are well are shown too.
    is_short: bool,
}

impl TargetTable {
    /// Returns columns that are as wide as the cells of `targets` need them.
    fn new(status: &Status, targets: &[&Target], paint: Paint) -> Self {
        let cells: Vec<[String; 7]> =
            targets.iter().map(|target| cells(target, status.at)).collect();
        let widths = column_widths(TITLES, &cells);
        let spacious = widths.iter().sum::<usize>() + 2 * (widths.len() - 1) <= WIDTH;
        let gap = if spacious { "  " } else { " " };
        let (is_empty, is_short) = (targets.is_empty(), targets.len() <= FEW);
        Self { at: status.at, widths, gap, paint, is_empty, is_short }
    }

    /// Returns the titles of the columns, if there are targets.
    fn titles(&self) -> Option<String> {
        let titles = line(&TITLES.map(str::to_owned), self.widths, self.gap);
        (!self.is_empty).then(|| self.paint.bold(&titles))
    }

    /// Returns the row of a target, and the lines about its checks.
    fn lines(&self, target: &Target) -> Vec<String> {
        let mut lines = vec![self.row(target)];
        if self.is_short || Concern::of(target) < Concern::Fine {
            lines.extend(checks::lines(target, self.at, self.paint));
        }
        lines
    }

    fn row(&self, target: &Target) -> String {
        let text = line(&cells(target, self.at), self.widths, self.gap);
        painted(Concern::of(target), &text, self.paint)
    }
}

fn cells(target: &Target, at: Time) -> [String; 7] {
    [
        target.address.to_string(),
        health(target.health).to_owned(),
        since(target.since, at),
        service(target),
        rtt(target.last_rtt_ms),
        loss(target.loss_1m),
        votes(target),
    ]
}

/// Returns the time of day, or the date if it is a day ago, in at most 10 characters.
fn since(since: Time, at: Time) -> String {
    let text = since.to_the_second();
    let (date, time) = text.split_once(' ').unwrap_or((&text, ""));
    let today = since.until(at) < std::time::Duration::from_hours(24);
    if today { time.to_owned() } else { date.to_owned() }
}

fn line(cells: &[String; 7], widths: [usize; 7], gap: &str) -> String {
    let padded: Vec<String> = (0..cells.len())
        .map(|column| {
            let (cell, width) = (&cells[column], widths[column]);
            if RIGHT[column] { format!("{cell:>width$}") } else { format!("{cell:<width$}") }
        })
        .collect();
    clip(padded.join(gap).trim_end())
}

/// Cuts a text to one line of [`WIDTH`] columns, without control characters: reasons and errors are
/// external text.
fn clip(text: &str) -> String {
    let mut clean = one_line(text, '?');
    if let Some((end, _)) = clean.char_indices().nth(WIDTH) {
        clean.truncate(end);
        clean.pop();
        clean.push('…');
    }
    clean
}

#[cfg(test)]
mod tests;
