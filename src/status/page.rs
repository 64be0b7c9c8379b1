//! The page for people: one self-contained document, with problems first.
//!
//! It is complete without scripts. With them it fetches itself again and replaces the parts that
//! changed. All external text is escaped by [`html::text`].

mod chart;
mod effects;
mod html;
mod incidents;
mod targets;

use std::fmt::Write as _;
use std::sync::LazyLock;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD as STANDARD;
use sha2::{Digest, Sha256};

use super::concern::Concern;
use super::model::{Change, Failure, Health, Mode, Peer, Status, Time, WaitingDrain};
use crate::text::{counted, first_few};
use html::{age, text, time};
pub(super) use targets::ShownPast;

/// Maximum number of targets on the page by default. The worst come first, so the rest is fine.
pub(super) const ROWS_SHOWN: usize = 300;

/// Maximum number of targets on the page with `?all`: some 2 MB. `/status` has every one.
pub(super) const MOST_ROWS: usize = 1_000;

const STYLE: &str = include_str!("page/style.css");
const SCRIPT: &str = include_str!("page/refresh.js");

/// Returns the content security policy: the browser may apply this style, run this script and fetch the
/// page again, and nothing else. Style and script are named by their hashes (CSP Level 3, 2.3.1), so
/// that readers can share one page.
pub(super) fn policy() -> &'static str {
    static POLICY: LazyLock<String> = LazyLock::new(|| {
        format!(
            "default-src 'none'; style-src {}; script-src {}; connect-src 'self'; \
             base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
            hash(STYLE),
            hash(SCRIPT)
        )
    });
    &POLICY
}

fn hash(content: &str) -> String {
    format!("'sha256-{}'", STANDARD.encode(Sha256::digest(content)))
}

/// Renders the page. At most `shown` targets get a row.
pub(super) fn render(status: &Status, past: ShownPast<'_>, shown: usize) -> String {
    let mut out = String::with_capacity(16 * 1024 + 2_048 * status.targets.len().min(shown));
    let (title, mood) = headline(status);
    let name = text(&status.agent.name);
    out.extend([
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n",
        "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n",
        "<meta name=\"color-scheme\" content=\"light dark\">\n",
    ]);
    let _ = write!(
        out,
        "<title>{title} · {name}</title>\n<style>{STYLE}</style>\n</head>\n\
         <body>\n<p id=\"offline\" class=\"banner bad\" role=\"alert\" hidden></p>\n\
         <div id=\"view\">\n"
    );
    masthead(&mut out, status, &title, mood);
    banners(&mut out, status);
    targets::section(&mut out, status, past, shown);
    peers(&mut out, &status.peers, status.at);
    incidents::section(&mut out, status);
    effects::section(&mut out, status);
    changes(&mut out, &status.changes);
    footer(&mut out, status);
    let _ = write!(out, "</div>\n<script>{SCRIPT}</script>\n</body>\n</html>\n");
    out
}

/// Returns the overall state in a few words, and the class for its colour.
fn headline(status: &Status) -> (String, &'static str) {
    let down = status.targets.iter().filter(|target| target.health == Health::Down).count();
    let in_dns = count(status, Concern::DownInDns);
    let held = count(status, Concern::HeldOut);
    let unknown = count(status, Concern::Unknown);
    let losing = count(status, Concern::Losing);
    let noted = count(status, Concern::Noted);
    let assumed = count(status, Concern::Assumed);
    let all = status.targets.len();
    if down > 0 && in_dns > 0 {
        (format!("{down} of {all} down, {in_dns} still in DNS"), "bad")
    } else if down > 0 {
        (format!("{down} of {all} down, {}", targets::out_of_dns(status)), "bad")
    } else if status.agent.isolated {
        ("This agent is isolated".to_owned(), "bad")
    } else if held > 0 {
        (format!("{held} of {all} alive but held back"), "warn")
    } else if unknown > 0 {
        (format!("{unknown} of {all} not seen from here"), "warn")
    } else if losing > 0 {
        (format!("{losing} of {all} losing probes"), "warn")
    } else if noted > 0 {
        (format!("{noted} of {all} in service with a warning"), "warn")
    } else if assumed > 0 {
        (format!("{assumed} of {all} not yet confirmed"), "dull")
    } else {
        (format!("All {all} in service"), "good")
    }
}

fn count(status: &Status, concern: Concern) -> usize {
    status.targets.iter().filter(|target| Concern::of(target) == concern).count()
}

fn masthead(out: &mut String, status: &Status, title: &str, mood: &str) {
    let agent = &status.agent;
    let mode = match agent.mode {
        Mode::Single => "alone",
        Mode::Cluster => "in a cluster",
    };
    let extent = if status.names_services() {
        let services = counted(status.services.len(), "service", "services");
        format!("{services} in {}", counted(status.zones.len(), "zone", "zones"))
    } else {
        format!("{} · {} {}", text(&agent.r#type), text(&agent.provider), text(&agent.zone))
    };
    let _ = write!(
        out,
        "<header class=\"{mood}\">\n<p class=\"agent\">{} <span>goavail {} · {mode} · \
         {extent}</span></p>\n<h1>{title}</h1>\n<p class=\"asof\">as of {} UTC<span \
         id=\"pulse\"></span><noscript>. Load the page again for newer figures</noscript></p>\n\
         </header>\n",
        text(&agent.name),
        text(&agent.version),
        time(status.at, status.at),
    );
}

fn banners(out: &mut String, status: &Status) {
    if status.is_stale() {
        let old = age(Duration::try_from_secs_f64(status.silence_s).unwrap_or_default());
        let words = format!("has not run for {old}; this page is that old.");
        banner(out, "bad", &format!("<b>Stale.</b> The agent's event loop {words}"));
    }
    if let Some(cause) = status.isolation() {
        let so = "losses are no evidence and nothing is withdrawn.";
        banner(out, "bad", &format!("<b>Isolated:</b> {}, so {so}", text(cause)));
    }
    if status.agent.dry_run {
        let shown = "the records are shown as they would be.";
        let words = format!("<b>Dry run.</b> Nothing is written at the provider; {shown}");
        banner(out, "warn", &words);
    }
    for failure in &status.failing {
        banner(out, "bad", &format!("<b>Failing now.</b> {}", failed(failure, status.at)));
    }
}

fn banner(out: &mut String, kind: &str, words: &str) {
    let _ = writeln!(out, "<p class=\"banner {kind}\">{words}</p>");
}

fn failed(failure: &Failure, now: Time) -> String {
    let colon = if failure.error.is_empty() { "" } else { ": " };
    let at = time(failure.at, now);
    format!("{}{colon}{} <small>{at}</small>", text(&failure.what), text(&failure.error))
}

fn peers(out: &mut String, peers: &[Peer], now: Time) {
    if peers.is_empty() {
        return;
    }
    let alive = peers.iter().filter(|peer| peer.alive).count();
    let _ = write!(
        out,
        "<section id=\"peers\">\n<h2>Peers <small><data value=\"{alive}\">{alive}</data> of {} \
         alive</small></h2>\n<ul>\n",
        peers.len()
    );
    for peer in peers {
        let (mood, word) = if peer.alive { ("good", "alive") } else { ("bad", "not alive") };
        let signed = if peer.signed { "signed" } else { "unsigned" };
        let heard = peer
            .last_heard
            .map_or("never heard".into(), |at| format!("heard {} ago", age(at.until(now))));
        let none = match &peer.no_vote_on[..] {
            [] => String::new(),
            services => format!(", no vote on {}", text(&first_few(services, 10, ", "))),
        };
        let _ = writeln!(
            out,
            "<li><span class=\"state {mood}\">{word}</span> <b>{}</b> <small>{signed}, \
             {heard}{none}</small></li>",
            text(&peer.address)
        );
    }
    out.push_str("</ul>\n</section>\n");
}

fn changes(out: &mut String, changes: &[Change]) {
    out.push_str("<section id=\"changes\">\n<h2>Recent changes</h2>\n");
    if changes.is_empty() {
        out.push_str("<p class=\"none\">None since the agent started.</p>\n</section>\n");
        return;
    }
    out.push_str("<ol>\n");
    for change in changes {
        let _ = writeln!(
            out,
            "<li><time datetime=\"{}\">{}</time><div>{}<small>{}</small></div></li>",
            change.at,
            change.at.to_the_second(),
            text(&change.what),
            text(&change.evidence)
        );
    }
    out.push_str("</ol>\n</section>\n");
}

fn footer(out: &mut String, status: &Status) {
    let agent = &status.agent;
    out.push_str("<footer>\n");
    if !agent.guards_off.is_empty() {
        let guards: Vec<String> = agent.guards_off.iter().map(|guard| text(guard)).collect();
        let _ = writeln!(out, "<p><b>Guards off:</b> {}</p>", guards.join(", "));
    }
    for drain in &status.waiting_drains {
        let WaitingDrain { until, reason, .. } = drain;
        let end = until.map(|until| format!(", until {}", time(until, status.at)));
        let reason = reason.as_ref().map(|reason| format!(": {}", text(reason)));
        let _ = writeln!(
            out,
            "<p><b>Drain waits:</b> {} is not in the configuration{}{}</p>",
            text(&drain.target()),
            end.unwrap_or_default(),
            reason.unwrap_or_default()
        );
    }
    let last_error = match &status.last_error {
        Some(failure) => failed(failure, status.at),
        None => "none".into(),
    };
    let _ = write!(
        out,
        "<p><b>Last error:</b> {last_error}</p>\n<p><b>Running since</b> {}, configuration of {}. \
         All times are UTC. <a href=\"/status\">/status</a> <a href=\"/metrics\">/metrics</a></p>\n\
         </footer>\n",
        agent.started_at.to_the_second(),
        agent.config_loaded_at.to_the_second(),
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::history::Minute;
    use crate::status::model::{CheckFailure, Target};
    use crate::status::sample;

    fn rendered(status: &Status) -> String {
        let hours = &|_| vec![Minute::default(); 60];
        render(status, ShownPast { hours, has_days: false }, ROWS_SHOWN)
    }

    #[test]
    fn nothing_that_comes_from_elsewhere_becomes_markup() {
        let mut status = sample::status();
        let nasty = "<script>alert(1)</script><img src=x onerror='a'>&\"";
        status.agent.name = nasty.into();
        status.agent.zone = nasty.into();
        (status.agent.isolated, status.agent.isolation_cause) = (true, Some(nasty.into()));
        status.agent.guards_off = vec![nasty.into()];
        status.peers[0].address = nasty.into();
        status.changes[0].what = nasty.into();
        status.changes[0].evidence = nasty.into();
        status.failing[0].error = nasty.into();
        status.last_error.as_mut().unwrap().what = nasty.into();
        status.targets[0].records[0].name = nasty.into();
        status.targets[1].checks = vec![sample::check(nasty)];
        status.targets[1].failed =
            vec![CheckFailure { check: nasty.into(), said: Some(nasty.into()) }];
        status.targets[0].votes[0].peer = nasty.into();
        status.targets[2].drained.as_mut().unwrap().reason = Some(nasty.into());
        status.waiting_drains = vec![WaitingDrain {
            service: nasty.into(),
            address: [192, 0, 2, 9].into(),
            until: Some(status.at),
            reason: Some(nasty.into()),
        }];
        let page = rendered(&status);
        assert_eq!(page.matches("<script").count(), 1, "only our own");
        assert!(!page.contains("<img"), "{page}");
        assert!(page.matches("&lt;script&gt;alert(1)&lt;/script&gt;").count() >= 18);
    }

    #[test]
    fn the_page_asks_for_nothing_from_elsewhere() {
        let page = rendered(&sample::status());
        for outside in ["http:", "https:", "//", "@import", "url(", " src=", " style=", "onclick"] {
            let found =
                page.find(outside).map(|at| page[at..].chars().take(60).collect::<String>());
            assert_eq!(found, None, "{outside}");
        }
        let (policy, quoted) = (policy(), "'sha256-");
        assert!(policy.contains("; script-src 'sha256-") && !policy.contains("unsafe"), "{policy}");
        assert_eq!(policy.matches(quoted).count(), 2, "one style and one script: {policy}");
    }

    #[test]
    fn the_headline_says_the_worst() {
        type Change = fn(&mut Target);
        let cases: [(&str, Change, &str, &str); 5] = [
            ("nothing is wrong", |_| {}, "All 1 in service", "good"),
            (
                "down and still in DNS",
                |target| target.health = Health::Down,
                "1 of 1 down, 1 still in DNS",
                "bad",
            ),
            (
                "nothing is known yet",
                |target| target.health = Health::AssumedUp,
                "1 of 1 not yet confirmed",
                "dull",
            ),
            (
                "not seen",
                |target| target.health = Health::Unknown,
                "1 of 1 not seen from here",
                "warn",
            ),
            (
                "alive and not in DNS",
                |target| target.records[0].present = Some(false),
                "1 of 1 alive but held back",
                "warn",
            ),
        ];
        let mut status = sample::status();
        for (name, change, title, mood) in cases {
            status.targets = vec![sample::target("192.0.2.10")];
            change(&mut status.targets[0]);
            assert_eq!(headline(&status), (title.to_owned(), mood), "{name}");
        }
        status.targets = vec![sample::target("192.0.2.10")];
        status.agent.isolated = true;
        assert_eq!(headline(&status).0, "This agent is isolated", "while all seems well");
        status.agent.isolation_cause = Some("this machine can ask none of its targets".into());
        let banner = "<b>Isolated:</b> this machine can ask none of its targets, so losses";
        assert!(rendered(&status).contains(banner));
    }

    #[test]
    fn in_dry_run_a_dead_target_would_be_out_of_dns() {
        let mut status = sample::status();
        let mut dead = sample::target("192.0.2.10");
        (dead.health, dead.in_service) = (Health::Down, false);
        dead.records[0].present = Some(false);
        status.targets = vec![dead];
        for (dry_run, title, heading) in [
            (false, "1 of 1 down, out of DNS", ">Down, out of DNS <"),
            (true, "1 of 1 down, would be out of DNS", ">Down, would be out of DNS <"),
        ] {
            status.agent.dry_run = dry_run;
            assert_eq!(headline(&status), (title.to_owned(), "bad"));
            let page = rendered(&status);
            assert!(page.contains(heading), "{page}");
            assert_eq!(page.contains("the records are shown as they would be"), dry_run, "{page}");
        }
    }

    #[test]
    fn of_very_many_targets_the_worst_are_shown_and_the_rest_are_counted() {
        let mut status = sample::status();
        let dead = status.targets[1].clone();
        status.targets = (0..1_000)
            .map(|n| sample::target(&format!("198.18.{}.{}", n / 250, n % 250)))
            .chain([dead])
            .collect();
        let page = rendered(&status);
        assert_eq!(page.matches("<tr class=\"target").count(), ROWS_SHOWN);
        assert!(page.contains("192.0.2.11"), "the dead one is last in the list, first on the page");
        assert!(page.contains("<a href=\"?all\">701 more"), "{}", &page[page.len() - 4_000..]);
        let all = render(&status, ShownPast { hours: &|_| vec![], has_days: true }, MOST_ROWS);
        assert!(all.contains("1 more in <a href=\"/status\">/status</a>"), "no page without end");
        assert_eq!(all.matches("<a href=\"history/default/").count(), MOST_ROWS);
        assert!(!page.contains("last day"), "there is no history");
    }

    #[test]
    fn an_old_status_is_called_stale() {
        let mut status = sample::status();
        assert!(!rendered(&status).contains("<b>Stale.</b>"));
        status.silence_s = 75.0;
        assert!(rendered(&status).contains("has not run for 1m 15s"));
    }
}
