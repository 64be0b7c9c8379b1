//! The table of `goavail status`: at most 100 columns, with problems first.

use std::fmt::Write as _;
use std::net::IpAddr;

use super::concern::{Concern, by_concern, health, loss, rtt, service, votes};
use super::model::{Change, Drained, Failure, Limits, Mode, Status, Target, Time};
use crate::text::paint::{Paint, column_widths};
use crate::text::{first_few, one_line};

/// The number of services that the line of a peer names.
const SERVICES_NAMED: usize = 3;

/// Maximum width of a line.
pub const WIDTH: usize = 100;

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
    let mut lines = vec![
        clip(&format!(
            "{}  goavail {}  {mode}  {}  {} {}",
            agent.name, agent.version, agent.r#type, agent.provider, agent.zone
        )),
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
        lines.push(paint.yellow("DRY RUN: nothing is written at the provider"));
    }
    if !agent.guards_off.is_empty() {
        lines.push(clip(&format!("guards off: {}", agent.guards_off.join(", "))));
    }
    lines.extend(peers(status, paint));
    lines.extend(drains(status, paint));
    lines.extend(limiting(status, paint));
    lines.extend(events(status, paint));
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
    let drained = status.targets.iter().filter_map(|at| Some((at.address, at.drained.as_ref()?)));
    let drained: Vec<(IpAddr, &Drained)> = drained.collect();
    let mut lines = Vec::new();
    for (address, drain) in drained.iter().take(NAMED) {
        let mut text = format!("drained: {address}");
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
    lines
}

/// Returns the lines about endpoints that limit their answers, so that their failure is noticed later.
fn limiting(status: &Status, paint: Paint) -> Vec<String> {
    let few = "answers fewer probes than retry_interval asks for";
    let canaries = status.canaries.iter().filter_map(|at| Some((&at.address, at.limits.as_ref()?)));
    let targets = status.targets.iter().filter_map(|at| Some((at.address, at.limits.as_ref()?)));
    let targets: Vec<(IpAddr, &Limits)> = targets.collect();
    let mut lines = Vec::new();
    for (address, limits) in canaries.take(NAMED) {
        let after = limits.noticed_after_s;
        let words = format!("canary {address} {few}: seen late, after {after} s");
        lines.push(paint.yellow(&clip(&format!("limits: {words}"))));
    }
    for (address, limits) in targets.iter().take(NAMED) {
        let after = limits.noticed_after_s;
        let words = format!("{address} {few}: a death is noticed after {after} s");
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
    let targets = by_concern(status);
    let cells: Vec<[String; 7]> =
        targets.iter().map(|(_, target)| cells(target, status.at)).collect();
    let widths = column_widths(TITLES, &cells);
    let spacious = widths.iter().sum::<usize>() + 2 * (widths.len() - 1) <= WIDTH;
    let gap = if spacious { "  " } else { " " };
    let titles = TITLES.map(str::to_owned);
    let mut lines = vec![paint.bold(&line(&titles, widths, gap))];
    lines.extend(cells.iter().zip(targets).map(|(row, (_, target))| {
        let text = line(row, widths, gap);
        match Concern::of(target) {
            Concern::DownInDns | Concern::Down => paint.red(&text),
            Concern::HeldOut | Concern::Unknown | Concern::Losing => paint.yellow(&text),
            Concern::Assumed | Concern::Fine => text,
        }
    }));
    lines
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
mod tests {
    use super::*;
    use crate::status::model::{Health, Peer, Reason, Vote};
    use crate::status::sample;

    #[test]
    fn the_table_reads_like_this() {
        let mut status = sample::status();
        status.agent.isolated = true;
        status.agent.isolation_cause = Some("no canary answers".into());
        status.agent.dry_run = true;
        let want = "\
eu-1  goavail 0.1.0  cluster  ip  Cloudflare example.com
at 2026-11-22 04:00:00 UTC  running since 2026-11-22 03:00:00  configuration of 2026-11-22 03:00:00
ISOLATED: no canary answers, so nothing is withdrawn
DRY RUN: nothing is written at the provider
guards off: canaries
peers: 1 of 1 alive
drained: 2001:db8:1234:5678:9abc:def0:1234:5678 until 2026-11-22 05:00:00: <script>alert(1)</script>
last change: 2026-11-22 03:58:22  withdrew 192.0.2.12 from www.example.com
last error:  2026-11-22 03:56:40  list the records of example.com: connection reset by peer
failing now: 2026-11-22 03:56:40  list the records of example.com: connection reset by peer

ADDRESS                                 HEALTH  SINCE     IN SERVICE       RTT  LOSS  VOTES
192.0.2.11                              down    03:58:20  kept: floor  12.3 ms  100%  up 1
2001:db8:1234:5678:9abc:def0:1234:5678  up      03:00:05  no: drained  12.3 ms    0%  up 1
192.0.2.10                              up      03:00:05  yes          12.3 ms    0%  up 1
";
        let got = table(&status, false);
        assert_eq!(got, want, "\n{got}");
    }

    #[test]
    fn an_isolated_agent_names_the_cause() {
        let asked = "this machine can ask none of its targets";
        let named = "ISOLATED: this machine can ask none of its targets, so nothing is withdrawn";
        let unnamed = "ISOLATED: its own network may be at fault, so nothing is withdrawn";
        let cases = [
            ("of this version", true, Some(asked), Some(named)),
            ("of an earlier version", true, None, Some(unnamed)),
            ("not isolated", false, None, None),
        ];
        for (name, isolated, cause, want) in cases {
            let mut status = sample::status();
            status.agent.isolated = isolated;
            status.agent.isolation_cause = cause.map(Into::into);
            let text = table(&status, false);
            assert_eq!(text.lines().find(|line| line.starts_with("ISOLATED")), want, "{name}");
        }
    }

    #[test]
    fn a_thousand_targets_with_the_longest_of_everything_fit_a_hundred_columns() {
        let mut status = sample::status();
        let up = Vote { peer: "p".into(), health: Health::Up, age_s: 0.0 };
        let down = Vote { health: Health::Down, ..up.clone() };
        status.targets = (0..1_000_u32)
            .map(|n| {
                let mut target =
                    sample::target(&format!("2001:db8:1234:5678:9abc:def0:1234:{:x}", 0x1000 + n));
                target.health = [Health::Up, Health::Down, Health::AssumedUp][n as usize % 3];
                target.reason = Some(Reason::ALL[n as usize % 6]);
                target.in_service = n % 2 == 0;
                target.since = sample::time(0);
                target.loss_1m = Some(0.0004);
                target.votes = vec![up.clone(); 10];
                target.votes.extend(vec![down.clone(); 10]);
                target
            })
            .collect();
        status.at = sample::time(1_000_000);
        let peer = Peer { alive: false, ..status.peers[0].clone() };
        status.peers = vec![peer; 20];
        status.failing[0].error = "x".repeat(500);
        let text = table(&status, false);
        let longest = text.lines().map(|line| line.chars().count()).max();
        assert_eq!(longest, Some(WIDTH), "{text}");
        assert!(text.lines().count() > 1_000);
        for target in &status.targets {
            assert!(text.contains(&target.address.to_string()), "{} is missing", target.address);
        }
    }

    #[test]
    fn a_peer_without_a_vote_on_some_services_is_named_while_it_is_alive() {
        let mut status = sample::status();
        let address = status.peers[0].address.clone();
        assert!(!table(&status, false).contains("no vote"));
        status.peers[0].no_vote_on = ["a", "b", "c", "d", "e"].map(String::from).into();
        let line = format!("\n{address} has no vote on a, b, c and 2 more\n");
        assert!(table(&status, false).contains(&line), "{}", table(&status, false));
        status.peers[0].alive = false;
        assert!(!table(&status, false).contains("no vote"), "it has none at all");
    }

    #[test]
    fn who_limits_its_replies_is_named_with_the_time_that_a_death_takes() {
        let mut status = sample::status();
        assert!(!table(&status, false).contains("limits:"));
        status.targets[0].limits = Some(Limits { noticed_after_s: 3.5 });
        let named = "limits: 192.0.2.10 answers fewer probes than retry_interval asks for: a death is \
                     noticed after 3.5 s";
        let text = table(&status, false);
        let line = text.lines().find(|line| line.starts_with("limits:"));
        assert_eq!(line, Some(named), "{text}");
        status.targets = (0..7)
            .map(|n| {
                let mut target = sample::target(&format!("192.0.2.{n}"));
                target.limits = Some(Limits { noticed_after_s: 4.0 });
                target
            })
            .collect();
        let text = table(&status, false);
        let lines: Vec<_> = text.lines().filter(|line| line.starts_with("limits:")).collect();
        assert_eq!((lines.len(), lines[5]), (6, "limits: 2 more"));
        status.canaries[0].limits = Some(Limits { noticed_after_s: 3.5 });
        let named = "limits: canary 192.0.2.1 answers fewer probes than retry_interval asks for: seen \
                     late, after 3.5 s";
        let text = table(&status, false);
        let line = text.lines().find(|line| line.starts_with("limits:"));
        assert_eq!(line, Some(named), "{text}");
    }

    #[test]
    fn what_comes_from_elsewhere_cannot_steer_the_terminal() {
        let mut status = sample::status();
        status.targets[2].drained.as_mut().unwrap().reason =
            Some("\u{1b}[2J\r\nall is well".into());
        status.last_error.as_mut().unwrap().error = "\u{9b}31m\u{7}".into();
        let text = table(&status, false);
        assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{text:?}");
        assert!(text.contains("?[2J??all is well"), "{text}");
    }

    #[test]
    fn colour_is_only_added_where_it_was_asked_for() {
        let status = sample::status();
        let painted = table(&status, true);
        assert!(painted.contains("\u{1b}[31m192.0.2.11 "), "{painted:?}");
        let mut plain = painted;
        for code in ["31", "33", "1", "0"] {
            plain = plain.replace(&format!("\u{1b}[{code}m"), "");
        }
        assert_eq!(plain, table(&status, false));
    }

    #[test]
    fn an_old_status_is_called_stale() {
        let mut status = sample::status();
        status.silence_s = 9.9;
        assert!(!table(&status, false).contains("STALE"));
        status.silence_s = 75.2;
        let stale = "STALE: the agent's event loop has not run for 75 s";
        assert!(table(&status, false).contains(stale));
    }
}
