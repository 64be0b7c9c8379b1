//! The age up to which this agent's observations of a target count as evidence.
//!
//! Repeating an observation does not renew it: an order, a vote and a verdict rest on a probe that
//! was judged a short while ago. A *fault* judges nothing. Without evidence the verdict stays as it
//! was, no new action is taken for it, and this agent has no vote.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use super::Service;
use crate::engine::action::OwnVote;
use crate::engine::context::Context;
use crate::engine::fact::Fact;
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
    notified: bool,
}

impl Evidence {
    /// Creates a record without any evidence.
    pub(super) fn none(now: Moment) -> Self {
        Self { judged: now, proof: None, unknown_since: None, notified: false }
    }

    /// Returns the time of the next check if nothing more is judged.
    fn next_look(&self, term: Duration) -> Option<Moment> {
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

impl Service {
    /// Returns this agent's votes on the targets. Targets that are not yet confirmed are left out,
    /// and targets without evidence.
    pub(in crate::engine) fn votes(&self) -> BTreeMap<IpAddr, OwnVote> {
        let mut votes = BTreeMap::new();
        for target in self.targets() {
            if let (Some(vote), Some(evidence)) = (target.own_view(), target.evidence.proof) {
                votes.insert(target.address, OwnVote { vote, evidence });
            }
        }
        votes
    }

    /// Schedules a check of the evidence for `at`, unless one is due earlier.
    pub(in crate::engine) fn schedule_sweep(&mut self, at: Moment, context: &mut Context) {
        if self.next_sweep.is_none_or(|next| at < next) {
            self.next_sweep = Some(at);
            context.schedule.add(at, Item::Evidence(self.id));
        }
    }

    /// Expires old evidence of all targets. Returns whether any expired, which costs this agent a
    /// vote.
    pub(in crate::engine) fn sweep(&mut self, context: &mut Context) -> bool {
        let now = context.now;
        if self.next_sweep.is_none_or(|next| now < next) {
            return false;
        }
        self.next_sweep = None;
        let term = term(context.settings.canary_check.pace.interval);
        let (mut lapsed, mut lost, mut lasting) = (false, vec![], vec![]);
        let mut next: Option<Moment> = None;
        for (&address, &id) in &self.by_address {
            let Some(target) = self.targets.get_mut(id) else { continue };
            let aged = target.evidence.age(term, now);
            if aged.lapsed {
                lapsed = true;
                self.dirty.insert(id);
            }
            if aged.lost {
                target.since = now;
                lost.push(address);
            }
            if aged.lasting {
                lasting.push(address);
            }
            next = [next, target.evidence.next_look(term)].into_iter().flatten().min();
        }
        if !lost.is_empty() {
            context.report(Fact::EvidenceLost { service: self.id, targets: lost });
        }
        if !lasting.is_empty() {
            context.report(Fact::StillUnknown { service: self.id, targets: lasting });
        }
        if let Some(next) = next {
            self.schedule_sweep(next.max(now + MIN_SWEEP_GAP), context);
        }
        lapsed
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
