//! The age up to which this agent's observations of a target count as evidence.
//!
//! Repeating an observation does not renew it: an order, a vote and a verdict rest on a probe that
//! was judged a short while ago. A *fault* judges nothing. Without evidence the verdict stays as it
//! was, no new action is taken for it, and this agent has no vote.

use std::collections::BTreeMap;
use std::time::Duration;

use super::HealthTracker;
use crate::engine::context::Context;
use crate::engine::ids::{ServiceId, TargetId, TargetKey};
use crate::engine::moment::Moment;
use crate::engine::schedule::Item;

/// The minimum time for which a judged probe is evidence; with long intervals it is longer.
pub(crate) const LEAST_TERM: Duration = Duration::from_secs(10);

/// Time without evidence after which people are notified.
const NOTIFY_AFTER: Duration = Duration::from_mins(1);

/// The minimum time between two checks of the age of evidence.
const MIN_SWEEP_GAP: Duration = Duration::from_millis(100);

/// Returns the time for which a judged probe is evidence.
pub(crate) fn term(interval: Duration) -> Duration {
    interval.saturating_mul(3).max(LEAST_TERM)
}

/// This agent's evidence about one target.
#[derive(Debug, Clone, Copy)]
pub(in crate::engine) struct Evidence {
    /// The time at which a probe was last judged a reply or a loss; before the first, the time at
    /// which watching began.
    pub(in crate::engine) judged: Moment,
    /// The time of the newest evidence for the current health. A loss while isolated is none, and
    /// once the evidence has expired, only an observation that agrees with the health renews it.
    pub(in crate::engine) proof: Option<Moment>,
    /// The time from which the health counts as unknown, since nothing had been judged for a whole
    /// term.
    pub(in crate::engine) unknown_since: Option<Moment>,
    /// Whether people were notified that the health is unknown.
    pub(in crate::engine) notified: bool,
    /// Whether it is renewed all the time, by probes that a replay does not bring one by one.
    pub(in crate::engine) renewed: bool,
}

impl Evidence {
    /// Creates a record without any evidence.
    pub(super) fn none(now: Moment) -> Self {
        Self { judged: now, proof: None, unknown_since: None, notified: false, renewed: false }
    }

    /// Returns the time of the next check if nothing more is judged.
    fn next_look(&self, term: Duration) -> Option<Moment> {
        if self.renewed {
            return None;
        }
        let lapses = self.proof.map(|at| at + term);
        let unknown = match self.unknown_since {
            None => Some(self.judged + term),
            Some(since) => (!self.notified).then_some(since + NOTIFY_AFTER),
        };
        lapses.into_iter().chain(unknown).min()
    }
}

impl Evidence {
    /// Records that a probe was judged a reply or a loss. `proves` means that it is evidence;
    /// `agrees` that it agrees with the health.
    pub(super) fn record(&mut self, proves: bool, agrees: bool, now: Moment) -> EvidenceChange {
        self.judged = now;
        let regained = proves && agrees && self.proof.is_none();
        if proves && (self.proof.is_some() || agrees) {
            self.proof = Some(now);
        }
        let notified = std::mem::take(&mut self.notified);
        let back = self.unknown_since.take().map(|since| (now.since(since), notified));
        EvidenceChange { regained, back }
    }

    /// Expires the evidence that is too old.
    fn age(&mut self, term: Duration, now: Moment) -> Aged {
        if self.renewed {
            return Aged { lapsed: false, lost: false, lasting: false };
        }
        let lapsed = self.proof.take_if(|at| *at + term <= now).is_some();
        let lost = self.unknown_since.is_none() && self.judged + term <= now;
        if lost {
            self.unknown_since = Some(now);
        }
        let long = self.unknown_since.is_some_and(|since| since + NOTIFY_AFTER <= now);
        let lasting = long && !std::mem::replace(&mut self.notified, true);
        Aged { lapsed, lost, lasting }
    }
}

/// The changes that a judged probe made to the evidence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct EvidenceChange {
    /// Whether there is evidence for the health again.
    pub(super) regained: bool,
    /// Present if the health was unknown: for how long, and whether people were notified.
    pub(super) back: Option<(Duration, bool)>,
}

/// The changes that age made to the evidence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Aged {
    /// Whether the evidence for the health has just expired.
    lapsed: bool,
    /// Whether the health has just become unknown.
    lost: bool,
    /// Whether the health has been unknown for so long that people are notified.
    lasting: bool,
}

impl Aged {
    fn is_news(self) -> bool {
        self.lapsed || self.lost || self.lasting
    }
}

/// The targets with evidence that has aged, by service.
#[derive(Debug, Default)]
pub(in crate::engine) struct AgedTargets {
    /// Targets without evidence for their health from now on.
    pub(in crate::engine) lapsed: Vec<TargetKey>,
    /// Targets with a health that is unknown from now on.
    pub(in crate::engine) lost: BTreeMap<ServiceId, Vec<TargetId>>,
    /// Targets with a health that has been unknown for so long that people are notified.
    pub(in crate::engine) lasting: BTreeMap<ServiceId, Vec<TargetId>>,
}

impl HealthTracker {
    /// Schedules a check of the evidence for `at`, unless one is due earlier.
    pub(in crate::engine) fn schedule_sweep(&mut self, at: Moment, context: &mut Context) {
        if self.next_sweep.is_none_or(|next| at < next) {
            self.next_sweep = Some(at);
            context.schedule.add(at, Item::Evidence);
        }
    }

    /// Schedules a check of the evidence for when that of new subjects may expire first.
    pub(in crate::engine) fn schedule_first_sweep(&mut self, context: &mut Context) {
        let intervals = self.subjects.iter().flatten().map(|it| it.check.pace.interval);
        if let Some(shortest) = intervals.min() {
            self.schedule_sweep(context.now + term(shortest), context);
        }
    }

    /// Expires old evidence of all subjects, if that is due.
    pub(in crate::engine) fn sweep(&mut self, context: &mut Context) -> AgedTargets {
        let now = context.now;
        let mut targets = AgedTargets::default();
        let is_now = std::mem::take(&mut self.is_swept_now);
        if !is_now && self.next_sweep.is_none_or(|next| now < next) {
            return targets;
        }
        self.next_sweep = None;
        let mut next: Option<Moment> = None;
        for subject in self.subjects.iter_mut().flatten() {
            let term = term(subject.check.pace.interval);
            let aged = subject.evidence.age(term, now);
            if aged.is_news() {
                subject.watchers.iter().for_each(|key| targets.add(key, aged));
            }
            next = [next, subject.evidence.next_look(term)].into_iter().flatten().min();
        }
        if let Some(next) = next {
            self.schedule_sweep(next.max(now + MIN_SWEEP_GAP), context);
        }
        targets
    }
}

impl AgedTargets {
    /// Whether there are none.
    pub(in crate::engine) fn is_empty(&self) -> bool {
        self.lapsed.is_empty() && self.lost.is_empty() && self.lasting.is_empty()
    }

    fn add(&mut self, key: TargetKey, aged: Aged) {
        let TargetKey { service, target } = key;
        if aged.lapsed {
            self.lapsed.push(key);
        }
        if aged.lost {
            self.lost.entry(service).or_default().push(target);
        }
        if aged.lasting {
            self.lasting.entry(service).or_default().push(target);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn at(seconds: u32) -> Moment {
        Moment::START + SECOND * seconds
    }

    #[test]
    fn evidence_lapses_after_a_term_and_comes_back_with_what_agrees() {
        let mut evidence = Evidence::none(Moment::START);
        assert!(evidence.record(true, true, at(1)).regained);
        assert!(!evidence.record(true, true, at(2)).regained, "it was there");
        assert_eq!(evidence.next_look(SECOND * 10), Some(at(12)));
        let aged = evidence.age(SECOND * 10, at(12));
        assert_eq!(aged, Aged { lapsed: true, lost: true, lasting: false });
        assert!(!evidence.record(true, false, at(13)).regained, "that does not agree");
        assert!(!evidence.record(false, true, at(13)).regained, "that proves nothing");
        assert!(evidence.record(true, true, at(14)).regained);
    }

    #[test]
    fn people_are_notified_once_after_a_minute_without_any() {
        let mut evidence = Evidence::none(Moment::START);
        let term = SECOND * 10;
        assert_eq!(evidence.age(term, at(10)), Aged { lapsed: false, lost: true, lasting: false });
        assert_eq!(evidence.next_look(term), Some(at(70)));
        assert!(evidence.age(term, at(70)).lasting);
        assert!(!evidence.age(term, at(71)).lasting, "once");
        let back = evidence.record(true, true, at(80)).back;
        assert_eq!(back, Some((SECOND * 70, true)));
    }
}
