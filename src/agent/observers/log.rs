//! What happened, as log lines: one event a line, the same field names everywhere.

use std::net::IpAddr;
use std::time::Duration;

use tracing::field::{DisplayValue, display};
use tracing::{debug, info, trace, warn};

use crate::engine::Engine;
use crate::engine::event::{Act, DnsProblem, DnsProblemKind, Fact, Gone, Reason};
use crate::engine::prober::watch::{Endpoint, Outcome};
use crate::engine::service::health::Health;
use crate::text::visible;

/// A health, as it is written everywhere.
pub fn word(health: Health) -> &'static str {
    match health {
        Health::AssumedUp => "assumed_up",
        Health::Up => "up",
        Health::Down => "down",
    }
}

/// A duration for people, to the millisecond.
pub fn brief(duration: Duration) -> String {
    let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    humantime::format_duration(Duration::from_millis(millis)).to_string()
}

fn list(items: impl IntoIterator<Item = impl ToString>) -> String {
    let items: Vec<_> = items.into_iter().map(|item| item.to_string()).collect();
    if items.is_empty() { "none".into() } else { items.join(",") }
}

/// The first three, and how many more there are.
fn few(targets: &[IpAddr]) -> String {
    let first = list(targets.iter().take(3));
    match targets.len().saturating_sub(3) {
        0 => first,
        more => format!("{first} and {more} more"),
    }
}

/// Writes one fact to the log. `engine` knows who is a canary.
pub fn write(engine: &Engine, fact: &Fact, dry_run: bool) {
    match fact {
        Fact::Judged { .. }
        | Fact::Late { .. }
        | Fact::Faulty { .. }
        | Fact::FaultOver { .. }
        | Fact::Faults { .. }
        | Fact::Limits { .. } => probed(fact, |endpoint| engine.is_canary(endpoint)),
        Fact::Stalled { lasted } => warn!(
            lasted = brief(*lasted),
            "this process did not run; what it did not hear meanwhile is no evidence"
        ),
        Fact::Flipped { target, from, to, count, silent_for, said } => {
            flipped(*target, (*from, *to), *count, *silent_for, said.as_deref());
        }
        Fact::Verdict { target, in_service, by_hand, agreeing, after } => info!(
            %target,
            verdict = if *in_service { "in service" } else { "out of service" },
            by_hand,
            agreeing = list(agreeing),
            acts_after = brief(*after),
            "verdict"
        ),
        Fact::Refused { target, reason, detail } => refused(*target, *reason, detail),
        Fact::RefusalOver { target, reason: Reason::Drained | Reason::DryRun } => {
            debug!(%target, "no longer out by hand or in rehearsal");
        }
        Fact::RefusalOver { target, reason } => {
            info!(%target, reason = reason.as_str(), "no longer refused");
        }
        Fact::Isolated { missing, cause } => warn!(
            reason = Reason::Isolated.as_str(),
            targets = list(missing),
            "isolated: {}, so nothing is withdrawn",
            cause.as_str()
        ),
        Fact::EvidenceLost { .. } | Fact::StillUnknown { .. } | Fact::EvidenceBack { .. } => {
            evidence(fact);
        }
        Fact::IsolationOver { lasted } => info!(
            lasted = brief(*lasted),
            "no longer isolated; every run of losses starts from zero"
        ),
        Fact::Applied { withdrawn, restored, created, took, .. } => {
            for (target, gone) in withdrawn {
                withdrew(*target, gone, *took, dry_run);
            }
            for (target, names) in restored {
                restore(*target, names, *took, dry_run);
            }
            for (target, names) in created {
                create(*target, names, *took, dry_run);
            }
        }
        Fact::Failing(problem) => failing(problem),
        Fact::NameFailing { name, what } => {
            warn!(name, "left alone, and tried again; all other names are looked after: {what}");
        }
        Fact::NameFailingOver { name } => info!(name, "looked after again"),
        Fact::FailingOver => info!("the DNS provider does as it is asked again"),
        Fact::Drained { target, drain } => info!(
            %target,
            why = &*visible(drain.reason.as_deref().unwrap_or("no reason given")),
            "drained by hand"
        ),
        Fact::Undrained { target, expired: true } => {
            info!(%target, "drain is over: its time is up");
        }
        Fact::Undrained { target, .. } => info!(%target, "drain is over: given back by hand"),
        Fact::Peer { peer, alive: true } => info!(%peer, "peer is alive"),
        Fact::Peer { peer, .. } => warn!(%peer, "peer is gone; it has no vote"),
        Fact::Rehearsal { target, act } => rehearsal(*target, *act),
    }
}

/// An endpoint as a field of a line: as `target`, or as `canary`.
struct Named {
    target: Option<DisplayValue<Endpoint>>,
    canary: Option<DisplayValue<Endpoint>>,
}

/// What became of probes.
fn probed(fact: &Fact, is_canary: impl Fn(Endpoint) -> bool) {
    let named = |endpoint: &Endpoint| {
        let (shown, is_canary) = (display(*endpoint), is_canary(*endpoint));
        if is_canary {
            Named { target: None, canary: Some(shown) }
        } else {
            Named { target: Some(shown), canary: None }
        }
    };
    match fact {
        Fact::Judged { slot, outcome: outcome @ Outcome::Reply, rtt } => {
            trace!(slot, ?outcome, ?rtt, "probe answered");
        }
        Fact::Judged { slot, outcome: outcome @ Outcome::Loss, .. } => {
            debug!(slot, ?outcome, "probe lost");
        }
        Fact::Judged { slot, outcome: outcome @ Outcome::Fault, .. } => {
            debug!(slot, ?outcome, "probe in vain");
        }
        Fact::Late { endpoint, rtt } => {
            let Named { target, canary } = named(endpoint);
            let rtt = brief(*rtt);
            debug!(target, canary, rtt, "reply came after the timeout and stays a loss");
        }
        Fact::Faulty { endpoint, what: cause, told: false } => {
            let Named { target, canary } = named(endpoint);
            debug!(target, canary, cause, "this machine cannot probe");
        }
        Fact::FaultOver { endpoint, told: false } => {
            let Named { target, canary } = named(endpoint);
            debug!(target, canary, "this machine can probe again");
        }
        Fact::Faults { count, endpoints, first, newest } => warn!(
            count,
            endpoints,
            first = list(first),
            cause = newest,
            "in the last minute this machine could not probe more often than was told"
        ),
        Fact::Limits { endpoint, noticed_after } => {
            limits(named(endpoint), *noticed_after);
        }
        Fact::Faulty { endpoint, what: cause, .. } => match named(endpoint) {
            Named { target, canary: None } => {
                warn!(target, cause, "this machine cannot probe; no evidence about the target");
            }
            Named { canary, .. } => warn!(canary, cause, "this machine cannot probe its canary"),
        },
        Fact::FaultOver { endpoint, .. } => {
            let Named { target, canary } = named(endpoint);
            info!(target, canary, "this machine can probe again");
        }
        _ => {}
    }
}

/// Whether an endpoint answers at the retry pace.
fn limits(named: Named, noticed_after: Option<Duration>) {
    match (named, noticed_after.map(brief)) {
        (Named { target, canary: None }, Some(death_noticed_after)) => warn!(
            target,
            death_noticed_after,
            "answers fewer probes than retry_interval asks for: it is probed at interval also while \
             a reply is missing, so its death is noticed later"
        ),
        (Named { canary, .. }, Some(silence_noticed_after)) => warn!(
            canary,
            silence_noticed_after,
            "answers fewer probes than retry_interval asks for: it is probed at interval also while \
             a target is suspect, so it proves this agent's network later"
        ),
        (Named { target, canary }, None) => {
            info!(target, canary, "answers at retry_interval after all");
        }
    }
}

/// Whether there is evidence about targets.
fn evidence(fact: &Fact) {
    match fact {
        Fact::EvidenceLost { targets } => info!(
            targets = few(targets),
            "nothing is seen of these targets any more: health unknown, the verdict stands"
        ),
        Fact::StillUnknown { targets } => warn!(
            targets = few(targets),
            "health still unknown: no probe of these targets could be judged for over a minute"
        ),
        Fact::EvidenceBack { target, lasted, told: true } => {
            info!(%target, lasted = brief(*lasted), "health known again: a probe was judged");
        }
        Fact::EvidenceBack { target, lasted, .. } => {
            debug!(%target, lasted = brief(*lasted), "health known again: a probe was judged");
        }
        _ => {}
    }
}

fn flipped(
    target: IpAddr,
    (from, to): (Health, Health),
    count: u32,
    silent_for: Option<Duration>,
    said: Option<&str>,
) {
    let silent = silent_for.map_or_else(|| "since the start".into(), brief);
    match (from, to) {
        (_, Health::Down) => {
            warn!(%target, losses = count, silent_for = silent, said, "target down");
        }
        (Health::AssumedUp, _) => info!(%target, replies = count, "target confirmed up"),
        _ => info!(%target, replies = count, "target up"),
    }
}

fn refused(target: IpAddr, reason: Reason, detail: &str) {
    let reason = reason.as_str();
    match reason {
        // Said already by the line about the whole agent, the order or the change.
        "isolated" | "drained" | "dry_run" => debug!(%target, reason, detail, "refused"),
        _ => warn!(%target, reason, detail, "refused to act"),
    }
}

fn withdrew(target: IpAddr, gone: &Gone, took: Duration, dry_run: bool) {
    let names = list(&gone.names);
    let silent = gone.silent_for.map_or_else(|| "since the start".into(), brief);
    let (losses, by_hand, took) = (gone.losses, gone.by_hand, brief(took));
    if dry_run {
        info!(%target, names, losses, silent_for = silent, by_hand, reason = "dry_run", "would withdraw");
    } else {
        info!(%target, names, losses, silent_for = silent, by_hand, took, "withdrew");
    }
}

fn restore(target: IpAddr, names: &[String], took: Duration, dry_run: bool) {
    let (names, took) = (list(names), brief(took));
    if dry_run {
        info!(%target, names, reason = "dry_run", "would restore");
    } else {
        info!(%target, names, took, "restored");
    }
}

fn create(target: IpAddr, names: &[String], took: Duration, dry_run: bool) {
    let (names, took) = (list(names), brief(took));
    let asks = "held no address, and nothing is remembered of it: is it misspelt?";
    if dry_run {
        warn!(%target, names, reason = "dry_run", "would create: the name {asks}");
    } else {
        warn!(%target, names, took, "created: the name {asks}");
    }
}

fn failing(problem: &DnsProblem) {
    let retry_in = problem.retry_in.map_or_else(|| "when it is needed".into(), brief);
    let what = &problem.what;
    if matches!(problem.kind, DnsProblemKind::Refused | DnsProblemKind::Defect) {
        tracing::error!(retry_in, "{what}");
    } else {
        warn!(retry_in, "{what}");
    }
}

fn rehearsal(target: IpAddr, act: Act) {
    match act {
        Act::Dead => {
            info!(%target, "rehearsal: from now on its replies are ignored, as if it were dead");
        }
        Act::Alive => info!(%target, "rehearsal: from now on its replies count again"),
        Act::Over => {
            info!(%target, "rehearsal: that was the whole story; the agent goes on watching");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::io::{self, Write};
    use std::num::{NonZeroU32, NonZeroUsize};
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::engine::event::Settings;
    use crate::engine::prober::watch::Pace;
    use crate::engine::service::health::Thresholds;

    const TARGET: Endpoint = endpoint(1, None);
    const CANARY: Endpoint = endpoint(9, None);
    /// A canary at the address of a target.
    const BESIDE: Endpoint = endpoint(1, Some(53));

    const fn endpoint(last: u8, port: Option<u16>) -> Endpoint {
        Endpoint { address: IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, last)), port }
    }

    fn engine() -> Engine {
        let one = NonZeroU32::MIN;
        let second = Duration::from_secs(1);
        let settings = Settings {
            targets: vec![TARGET.address],
            port: None,
            canaries: vec![CANARY, BESIDE],
            thresholds: Thresholds { failure: one, recovery: one },
            pace: Pace { interval: second, timeout: second, retry_interval: second },
            burst: NonZeroUsize::MIN,
            zone: "a zone".into(),
            names: vec![],
            floor: 0,
            resync_interval: None,
            most_in_flight: None,
            cluster: None,
            dry_run: false,
        };
        Engine::new(settings, BTreeMap::new(), Duration::ZERO)
    }

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// The line about `fact`.
    fn line(fact: &Fact) -> String {
        let written = Written::default();
        let writer = {
            let written = written.clone();
            move || written.clone()
        };
        let log = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::DEBUG)
            .with_ansi(false)
            .with_writer(writer)
            .finish();
        tracing::subscriber::with_default(log, || write(&engine(), fact, false));
        let bytes = written.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn what_is_said_of_a_canary_is_not_said_of_a_target() {
        let facts: [fn(Endpoint) -> Fact; 7] = [
            |endpoint| Fact::Limits { endpoint, noticed_after: Some(Duration::from_secs(4)) },
            |endpoint| Fact::Limits { endpoint, noticed_after: None },
            |endpoint| Fact::Late { endpoint, rtt: Duration::from_secs(1) },
            |endpoint| Fact::Faulty { endpoint, what: "no route".into(), told: true },
            |endpoint| Fact::Faulty { endpoint, what: "no route".into(), told: false },
            |endpoint| Fact::FaultOver { endpoint, told: true },
            |endpoint| Fact::FaultOver { endpoint, told: false },
        ];
        for fact in facts {
            let rows = [
                (TARGET, "target=192.0.2.1", "canary="),
                (CANARY, "canary=192.0.2.9", "target="),
                (BESIDE, "canary=192.0.2.1:53", "target="),
            ];
            for (endpoint, want, other) in rows {
                let line = line(&fact(endpoint));
                assert!(line.contains(want) && !line.contains(other), "{endpoint}: {line}");
                assert_eq!(line.matches("192.0.2.").count(), 1, "{endpoint}: {line}");
            }
        }
    }
}
