//! The sum of an explanation in words: the verdict, the records, the next change and the event that it
//! waits for.

use crate::engine::explanation::{Explanation, Guard, GuardAnswer, GuardVerdict, span};
use crate::engine::types::{Health, Verdict, WithdrawalCause};

/// Describes the verdict, the records and the health: `in service by its verdict, in DNS at
/// www.example.com, down; changed 6.2 s ago`.
pub(super) fn summary(explanation: &Explanation) -> String {
    let verdict = match explanation.verdict {
        Verdict::InService => "in service by its verdict",
        Verdict::Withdrawn(WithdrawalCause::Down) => "withdrawn, since it is down",
        Verdict::Withdrawn(WithdrawalCause::Drained) => "withdrawn, since it is drained",
        Verdict::Withdrawn(WithdrawalCause::Asked) => "withdrawn, since it asked for it",
        Verdict::Withdrawn(WithdrawalCause::StandingBy) => "standing by, since it is not needed",
    };
    // A target that is up again waits to be put back: it is not down any more.
    let verdict = match (explanation.verdict, explanation.health) {
        (Verdict::Withdrawn(WithdrawalCause::Down), Health::Up | Health::AssumedUp) => {
            "withdrawn, since it was down"
        }
        _ => verdict,
    };
    let health = match explanation.health {
        _ if explanation.unknown => "its health unknown",
        Health::AssumedUp => "assumed up",
        Health::Up => "up",
        Health::Down => "down",
    };
    let since = span(explanation.at.since(explanation.since));
    format!("{verdict}; {}; {health}; last changed {since} ago", records(explanation))
}

/// Describes the record sets that hold the target.
fn records(explanation: &Explanation) -> String {
    let records = &explanation.records;
    let there = records.iter().filter(|it| it.present == Some(true)).count();
    let unknown = records.iter().filter(|it| it.present.is_none()).count();
    match (&records[..], there, unknown) {
        (_, 0, unknown) if unknown == records.len() => "not known whether DNS has it".to_owned(),
        ([only], 1, _) => format!("in DNS at {}", only.name),
        ([only], _, _) => format!("not in DNS at {}", only.name),
        (all, 0, 0) => format!("in DNS at none of {} names", all.len()),
        (all, there, 0) => format!("in DNS at {there} of {} names", all.len()),
        (all, there, unknown) => {
            format!("in DNS at {there} of {} names, {unknown} not known", all.len())
        }
    }
}

/// Describes the next change, and the guard that stops it.
pub(super) fn next(explanation: &Explanation) -> String {
    let change = explanation.change;
    let stopped = explanation.stopped_by();
    let wanted = Some(change.puts_in);
    if change.is_called_for && explanation.records.iter().all(|it| it.present == wanted) {
        let is = if change.puts_in { "in" } else { "out" };
        return match stopped {
            Some(guard) => format!("it is {is} as it was last listed; {}", stops(guard)),
            None => format!(
                "it is {is} as it was last listed; the provider has the order to confirm it"
            ),
        };
    }
    match (change.is_called_for, change.puts_in, stopped) {
        (true, false, Some(guard)) => format!("it would be taken out, but {}", stops(guard)),
        (true, true, Some(guard)) => format!("it would be put in, but {}", stops(guard)),
        (true, false, None) => "it is being taken out: the provider has the order".to_owned(),
        (true, true, None) => "it is being put in: the provider has the order".to_owned(),
        (false, false, _) => {
            format!("it stays. If it failed now, {}", supposed(explanation, "taken out"))
        }
        (false, true, _) => stays_out(explanation),
    }
}

/// Describes the guard that stops a change.
fn stops(guard: &GuardAnswer) -> String {
    let (label, evidence) = (guard.guard.as_label(), &guard.evidence);
    let verb = if guard.answer == GuardVerdict::Waits { "waits" } else { "holds" };
    format!("{label} {verb}: {evidence}")
}

/// Describes the guard that would stop a change that is not called for.
fn supposed(explanation: &Explanation, done: &str) -> String {
    let mut guards = explanation.guards.iter();
    match guards.find(|it| it.answer == GuardVerdict::WouldHold) {
        Some(guard) => {
            let (label, evidence) = (guard.guard.as_label(), &guard.evidence);
            format!("{label} would hold it: {evidence}")
        }
        None => format!("it would be {done}"),
    }
}

/// Describes when a target that is out comes back.
fn stays_out(explanation: &Explanation) -> String {
    match explanation.verdict {
        Verdict::Withdrawn(WithdrawalCause::Drained) => {
            "it stays out while it is drained".to_owned()
        }
        Verdict::Withdrawn(WithdrawalCause::StandingBy) => {
            "it stays out while it is not needed".to_owned()
        }
        _ => format!("it stays out. If it were up now, {}", supposed(explanation, "put in")),
    }
}

/// Returns the event that the next change waits for, in words.
pub(super) fn waits_for(explanation: &Explanation) -> Option<&'static str> {
    let change = explanation.change;
    if explanation.answer_of(Guard::Drain).is_some_and(|it| it.answer == GuardVerdict::Settles)
        && !change.is_called_for
    {
        return Some("goavail undrain, or the end of the drain");
    }
    if !change.is_called_for {
        return match explanation.verdict {
            Verdict::InService => None,
            Verdict::Withdrawn(WithdrawalCause::StandingBy) => {
                Some("too few addresses of the tiers before it in service")
            }
            Verdict::Withdrawn(_) => Some("a full run of replies"),
        };
    }
    let Some(stopped) = explanation.stopped_by() else {
        return Some("the provider to confirm the change");
    };
    Some(match stopped.guard {
        Guard::Health => "a full run of replies",
        Guard::Probing => "this machine to send probes again",
        Guard::Drain => "goavail undrain, or the end of the drain",
        Guard::Standby => "the standby to be up, or the addresses of the tiers before it",
        Guard::Isolation => "a canary to answer; look at this agent's network",
        Guard::Alike => "another target to answer otherwise; look at the last deployment",
        Guard::Evidence => "a probe that is judged a reply or a loss",
        Guard::Quorum => "the votes of the peers; look at the agents that see it otherwise",
        Guard::Returning => "the end of its wait, or goavail return",
        Guard::MaxOut => "another address of the service to come back",
        Guard::Recovery => "it to be up, or to miss a reply",
        Guard::Rank => "its turn among the agents",
        Guard::Order => "the next order to the provider",
        Guard::Floor => "another address to come back at these names",
        Guard::Provider => "the provider to accept the change",
        Guard::DryRun => "--no-dry-run",
    })
}
