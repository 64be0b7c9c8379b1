//! How old what this agent saw of a target may be before it is no evidence any more.
//!
//! What is repeated is not seen: an order, a vote and a verdict rest on a probe that was judged a
//! short while ago. A *fault* judges nothing. Without evidence the verdict stands as it was, nothing
//! new is done for it, and this agent has no vote.

use std::net::IpAddr;
use std::time::Duration;

use super::health::Health;
use super::{Service, Target};
use crate::engine::Moment;
use crate::engine::context::Context;
use crate::engine::event::Fact;
use crate::engine::schedule::Item;

/// The least time for which a judged probe is evidence; with long intervals it is longer.
pub const LEAST_TERM: Duration = Duration::from_secs(10);

/// After so long without evidence people are told.
const TOLD_AFTER: Duration = Duration::from_mins(1);

/// The least time between two looks for evidence that has aged.
const SWEEP_DISTANCE: Duration = Duration::from_millis(100);

/// For how long a judged probe is evidence.
pub fn term(interval: Duration) -> Duration {
    interval.saturating_mul(3).max(LEAST_TERM)
}

/// What this agent has to show for what it says of a target.
#[derive(Debug, Clone, Copy)]
pub(in crate::engine) struct Evidence {
    /// When a probe was last judged a reply or a loss; before the first, when the watching began.
    pub(in crate::engine) judged: Moment,
    /// The newest evidence for the health that it has. A loss while isolated is none, and once it is
    /// gone only what agrees with the health brings it back.
    pub(in crate::engine) proof: Option<Moment>,
    /// Since when nothing was judged for a whole term.
    pub(in crate::engine) unknown_since: Option<Moment>,
    /// People were told of that.
    told: bool,
}

impl Evidence {
    /// Nothing yet.
    pub(super) fn none(now: Moment) -> Self {
        Self { judged: now, proof: None, unknown_since: None, told: false }
    }

    /// When this has to be looked at next if nothing more is judged.
    fn next_look(&self, term: Duration) -> Option<Moment> {
        let lapses = self.proof.map(|at| at + term);
        let unknown = match self.unknown_since {
            None => Some(self.judged + term),
            Some(since) => (!self.told).then_some(since + TOLD_AFTER),
        };
        lapses.into_iter().chain(unknown).min()
    }
}

impl Evidence {
    /// A probe was judged a reply or a loss. `proves`: it is evidence; `agrees`: with the health.
    pub(super) fn saw(&mut self, proves: bool, agrees: bool, now: Moment) -> Seen {
        self.judged = now;
        let regained = proves && agrees && self.proof.is_none();
        if proves && (self.proof.is_some() || agrees) {
            self.proof = Some(now);
        }
        let told = std::mem::take(&mut self.told);
        let back = self.unknown_since.take().map(|since| (now.saturating_sub(since), told));
        Seen { regained, back }
    }

    /// Looks whether it has aged.
    fn age(&mut self, term: Duration, now: Moment) -> Aged {
        let lapsed = self.proof.take_if(|at| *at + term <= now).is_some();
        let lost = self.unknown_since.is_none() && self.judged + term <= now;
        if lost {
            self.unknown_since = Some(now);
        }
        let long = self.unknown_since.is_some_and(|since| since + TOLD_AFTER <= now);
        let lasting = long && !std::mem::replace(&mut self.told, true);
        Aged { lapsed, lost, lasting }
    }
}

/// What a judged probe changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seen {
    /// There is evidence for the health again.
    pub(super) regained: bool,
    /// The health was not known: for how long, and whether people were told.
    pub(super) back: Option<(Duration, bool)>,
}

/// What aged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Aged {
    /// There is no evidence for the health any more.
    lapsed: bool,
    /// The health is not known any more.
    lost: bool,
    /// That has lasted so long that people are told.
    lasting: bool,
}

impl Service {
    /// Has evidence looked at by `at`.
    pub(in crate::engine) fn note_sweep(&mut self, at: Moment, context: &mut Context) {
        if self.next_sweep.is_none_or(|next| at < next) {
            self.next_sweep = Some(at);
            context.schedule.note(at, Item::Evidence);
        }
    }

    /// Looks for evidence that has aged. Returns whether any has, so that this agent has no vote.
    pub(in crate::engine) fn sweep(&mut self, context: &mut Context) -> bool {
        let now = context.now;
        if self.next_sweep.is_none_or(|next| now < next) {
            return false;
        }
        self.next_sweep = None;
        let term = term(context.settings.pace.interval);
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
            context.report(Fact::EvidenceLost { targets: lost });
        }
        if !lasting.is_empty() {
            context.report(Fact::StillUnknown { targets: lasting });
        }
        if let Some(next) = next {
            self.note_sweep(next.max(now + SWEEP_DISTANCE), context);
        }
        lapsed
    }
}

/// This agent's own vote on a target: what it sees, `true` for up, and the moment of its evidence.
/// None before the first flip or confirmation, and none without evidence.
pub(in crate::engine) fn own_vote(target: &Target) -> Option<(bool, Moment)> {
    Some((own_word(target)?, target.evidence.proof?))
}

/// What this agent's probes last amounted to, `true` for up; `None` before the first flip or
/// confirmation.
pub(super) fn own_word(target: &Target) -> Option<bool> {
    match target.streaks.health() {
        Health::AssumedUp => None,
        Health::Up => Some(true),
        Health::Down => Some(false),
    }
}

/// The targets of a fact about evidence.
pub fn unseen(fact: &Fact) -> &[IpAddr] {
    match fact {
        Fact::EvidenceLost { targets } | Fact::StillUnknown { targets } => targets,
        Fact::EvidenceBack { target, .. } => std::slice::from_ref(target),
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn evidence_lapses_after_a_term_and_comes_back_with_what_agrees() {
        let mut evidence = Evidence::none(Moment::ZERO);
        assert!(evidence.saw(true, true, SECOND).regained);
        assert!(!evidence.saw(true, true, SECOND * 2).regained, "it was there");
        assert_eq!(evidence.next_look(SECOND * 10), Some(SECOND * 12));
        let aged = evidence.age(SECOND * 10, SECOND * 12);
        assert_eq!(aged, Aged { lapsed: true, lost: true, lasting: false });
        assert!(!evidence.saw(true, false, SECOND * 13).regained, "that does not agree");
        assert!(!evidence.saw(false, true, SECOND * 13).regained, "that proves nothing");
        assert!(evidence.saw(true, true, SECOND * 14).regained);
    }

    #[test]
    fn people_are_told_once_after_a_minute_without_any() {
        let mut evidence = Evidence::none(Moment::ZERO);
        let term = SECOND * 10;
        assert_eq!(evidence.age(term, term), Aged { lapsed: false, lost: true, lasting: false });
        assert_eq!(evidence.next_look(term), Some(SECOND * 70));
        assert!(evidence.age(term, SECOND * 70).lasting);
        assert!(!evidence.age(term, SECOND * 71).lasting, "once");
        let back = evidence.saw(true, true, SECOND * 80).back;
        assert_eq!(back, Some((SECOND * 70, true)));
    }
}
