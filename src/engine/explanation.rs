//! The explanation of a target: every guard in its order, with its answer and the evidence.

use std::net::IpAddr;
use std::time::Duration;

use super::fact::Reason;
use super::ids::ServiceId;
use super::moment::Moment;
use super::plan::Family;
use super::types::{Health, Verdict};

/// A guard, or another step between a probe and a change of DNS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Guard {
    /// The health of the target, from its checks.
    Health,
    /// Whether this process ran, and this machine could send the probes.
    Probing,
    /// The operator's drain.
    Drain,
    /// The place of a standby among the tiers.
    Standby,
    /// The canaries, and the trust in this agent's own network.
    Isolation,
    /// Wrong answers that all targets of the service give.
    Alike,
    /// The age of the evidence.
    Evidence,
    /// The agreement of the peers.
    Quorum,
    /// The time for which the target has to be up before it is put back.
    Returning,
    /// The share of the service that may be out.
    MaxOut,
    /// A target that was kept in DNS and has begun to answer again.
    Recovery,
    /// The place of this agent among those that agree.
    Rank,
    /// The listing of the zone, and the order to the reconciler.
    Order,
    /// The fewest addresses that stay in a record set.
    Floor,
    /// The provider, and the names that it rejects.
    Provider,
    /// Dry-run, which writes nothing.
    DryRun,
}

impl Guard {
    /// All guards, in the order in which they are asked.
    pub const ALL: [Self; 16] = [
        Self::Health,
        Self::Probing,
        Self::Drain,
        Self::Standby,
        Self::Isolation,
        Self::Alike,
        Self::Evidence,
        Self::Quorum,
        Self::Returning,
        Self::MaxOut,
        Self::Recovery,
        Self::Rank,
        Self::Order,
        Self::Floor,
        Self::Provider,
        Self::DryRun,
    ];

    /// Returns the word for the guard. A guard that gives one reason has the word of that reason.
    pub const fn as_label(self) -> &'static str {
        match self {
            Self::Health => "health",
            Self::Probing => "probing",
            Self::Drain => "drained",
            Self::Standby => "standby",
            Self::Isolation => "isolated",
            Self::Alike => "alike",
            Self::Evidence => "evidence",
            Self::Quorum => "quorum",
            Self::Returning => "returning",
            Self::MaxOut => "max_out",
            Self::Recovery => "recovery",
            Self::Rank => "rank",
            Self::Order => "order",
            Self::Floor => "floor",
            Self::Provider => "provider",
            Self::DryRun => "dry_run",
        }
    }
}

/// The answer of a guard about a change of DNS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum GuardVerdict {
    /// It calls for the change.
    Calls,
    /// It has no objection.
    Passes,
    /// It stops the change.
    Holds,
    /// It delays the change: something is still to come.
    Waits,
    /// It settles the matter: the guards of the gate after it are not asked.
    Settles,
    /// The change is not called for. If it were, the guard would have no objection.
    WouldPass,
    /// The change is not called for. If it were, the guard would stop it.
    WouldHold,
    /// It does not apply: it is off, or not asked about such a change.
    DoesNotApply,
}

impl GuardVerdict {
    /// Returns the word for the answer.
    pub const fn as_label(self) -> &'static str {
        match self {
            Self::Calls => "calls",
            Self::Passes => "passes",
            Self::Holds => "holds",
            Self::Waits => "waits",
            Self::Settles => "settles",
            Self::WouldPass => "would_pass",
            Self::WouldHold => "would_hold",
            Self::DoesNotApply => "does_not_apply",
        }
    }

    /// Whether the change is not made now because of it.
    pub const fn stops(self) -> bool {
        matches!(self, Self::Holds | Self::Waits)
    }
}

/// The answer of a guard, with the evidence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuardAnswer {
    /// The guard that was asked.
    pub guard: Guard,
    /// The answer of the guard.
    pub answer: GuardVerdict,
    /// The named reason, if the engine gives one for such an answer.
    pub reason: Option<Reason>,
    /// The evidence in words and numbers.
    pub evidence: String,
    /// More of it, a line for each check, canary, peer or name.
    pub details: Vec<String>,
    /// The time at which the answer changes by itself, if that is known.
    pub until: Option<Moment>,
}

impl GuardAnswer {
    /// Creates an answer with its evidence.
    pub(super) fn new(guard: Guard, answer: GuardVerdict, evidence: impl Into<String>) -> Self {
        let (evidence, details) = (evidence.into(), Vec::new());
        Self { guard, answer, reason: None, evidence, details, until: None }
    }

    /// Returns the same answer with a named reason.
    pub(super) fn because(self, reason: Reason) -> Self {
        Self { reason: Some(reason), ..self }
    }

    /// Returns the same answer with more lines.
    pub(super) fn with(self, details: Vec<String>) -> Self {
        Self { details, ..self }
    }

    /// Returns the same answer with the time at which it changes.
    pub(super) fn until(self, until: Option<Moment>) -> Self {
        Self { until, ..self }
    }
}

/// A change of DNS that an explanation is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExplainedChange {
    /// Whether the address would be put in; otherwise it would be taken out.
    pub puts_in: bool,
    /// Whether the change is called for now. Otherwise the answers say how it would be.
    pub is_called_for: bool,
}

/// The presence of an address in one record set, as it was last listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExplainedRecord {
    /// The owner name.
    pub name: String,
    /// The kind of record.
    pub family: Family,
    /// Whether the set has the address; `None` if that is not known.
    pub present: Option<bool>,
}

/// The explanation of one target of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// The time that the explanation is about.
    pub at: Moment,
    /// The service of the target.
    pub service: ServiceId,
    /// The target's address.
    pub address: IpAddr,
    /// The health, as seen from here.
    pub health: Health,
    /// Whether the health is unknown, since nothing was judged for too long.
    pub unknown: bool,
    /// The verdict in force.
    pub verdict: Verdict,
    /// The time at which health or verdict last changed.
    pub since: Moment,
    /// The reason that the engine gives in log, status, metrics and notices.
    pub reason: Option<Reason>,
    /// The change that the answers are about.
    pub change: ExplainedChange,
    /// The record sets of the target.
    pub records: Vec<ExplainedRecord>,
    /// The time of the listing that they are from.
    pub listed_at: Option<Moment>,
    /// All guards in their order.
    pub guards: Vec<GuardAnswer>,
}

impl Explanation {
    /// Returns the first guard that stops the change now.
    pub fn stopped_by(&self) -> Option<&GuardAnswer> {
        self.guards.iter().find(|it| it.answer.stops())
    }

    /// Returns the answer of a guard.
    pub fn answer_of(&self, guard: Guard) -> Option<&GuardAnswer> {
        self.guards.iter().find(|it| it.guard == guard)
    }
}

/// Formats a time span for people, coarser the longer it is: `0.25 s`, `6.2 s`, `12 s`, `3 min 5 s`, `2 h 3
/// min`, `4 d 2 h`.
pub(crate) fn span(duration: Duration) -> String {
    const MINUTE: u64 = 60;
    const HOUR: u64 = 60 * MINUTE;
    const DAY: u64 = 24 * HOUR;
    let (seconds, exact) = (duration.as_secs(), duration.as_secs_f64());
    match seconds {
        0 => format!("{} s", trimmed(&format!("{exact:.2}"))),
        1..10 => format!("{} s", trimmed(&format!("{exact:.1}"))),
        10..120 => format!("{seconds} s"),
        120..HOUR => pair((seconds / MINUTE, "min"), (seconds % MINUTE, "s")),
        HOUR..DAY => pair((seconds / HOUR, "h"), (seconds % HOUR / MINUTE, "min")),
        _ => pair((seconds / DAY, "d"), (seconds % DAY / HOUR, "h")),
    }
}

/// Returns a number of large units and one of small units, if there are any.
fn pair((large, unit): (u64, &str), (small, rest): (u64, &str)) -> String {
    if small == 0 { format!("{large} {unit}") } else { format!("{large} {unit} {small} {rest}") }
}

/// Returns a decimal number without zeros at its end.
fn trimmed(number: &str) -> String {
    number.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_the_coarser_the_longer_it_is() {
        let rows = [
            (0, "0 s"),
            (94, "0.09 s"),
            (6_240, "6.2 s"),
            (12_900, "12 s"),
            (119_000, "119 s"),
            (185_000, "3 min 5 s"),
            (7_380_000, "2 h 3 min"),
            (86_400_000, "1 d"),
            (352_800_000, "4 d 2 h"),
        ];
        for (milliseconds, want) in rows {
            assert_eq!(span(Duration::from_millis(milliseconds)), want, "{milliseconds}");
        }
    }

    #[test]
    fn every_guard_and_every_answer_has_a_word_of_its_own() {
        let words: std::collections::BTreeSet<_> =
            Guard::ALL.iter().map(|it| it.as_label()).collect();
        assert_eq!(words.len(), Guard::ALL.len());
        assert!(Guard::ALL.is_sorted(), "they stand in the order in which they are asked");
    }
}
