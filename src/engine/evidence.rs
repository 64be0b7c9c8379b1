//! How old what this agent saw of a target may be before it is no evidence any more.
//!
//! What is repeated is not seen: an order, a vote and a verdict rest on a probe that was judged a
//! short while ago. A *fault* judges nothing. Without evidence the verdict stands as it was, nothing
//! new is done for it, and this agent has no vote.

use std::net::IpAddr;
use std::time::Duration;

use super::event::{Fact, Slot};
use super::target::Health;
use super::watch::Outcome;
use super::{Engine, Item, Moment, Target};

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
pub(super) struct Evidence {
    /// When a probe was last judged a reply or a loss; before the first, when the watching began.
    pub(super) judged: Moment,
    /// The newest evidence for the health that it has. A loss while isolated is none, and once it is
    /// gone only what agrees with the health brings it back.
    pub(super) proof: Option<Moment>,
    /// Since when nothing was judged for a whole term.
    pub(super) unknown_since: Option<Moment>,
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

impl Engine {
    fn evidence_term(&self) -> Duration {
        term(self.settings.pace.interval)
    }

    /// A probe was judged a reply or a loss. `counts`: a loss of a probe that was sent after the
    /// newest reply was heard.
    pub(super) fn saw(&mut self, slot: Slot, outcome: Outcome, counts: bool) {
        let now = self.context.now;
        let isolated = self.canaries.is_isolated();
        let Some(target) = self.target_mut(slot) else { return };
        let address = target.address;
        let replied = outcome == Outcome::Reply;
        let agrees = replied == (target.streaks.health() != Health::Down);
        let evidence = &mut target.evidence;
        evidence.judged = now;
        let proves = replied || counts && !isolated;
        let regained = proves && agrees && evidence.proof.is_none();
        if proves && (evidence.proof.is_some() || agrees) {
            evidence.proof = Some(now);
        }
        let over = evidence.unknown_since.take();
        let told = std::mem::replace(&mut evidence.told, false);
        if let Some(since) = over {
            target.since = now;
            let lasted = now.saturating_sub(since);
            self.context.report(Fact::EvidenceBack { target: address, lasted, told });
        }
        if regained {
            self.peers.announce();
            self.mark(slot);
        }
        self.note_sweep(now + self.evidence_term());
    }

    /// Has evidence looked at by `at`.
    pub(super) fn note_sweep(&mut self, at: Moment) {
        if self.next_sweep.is_none_or(|next| at < next) {
            self.next_sweep = Some(at);
            self.context.schedule.note(at, Item::Evidence);
        }
    }

    /// Looks for evidence that has aged.
    pub(super) fn sweep(&mut self) {
        let now = self.context.now;
        if self.next_sweep.is_none_or(|next| now < next) {
            return;
        }
        self.next_sweep = None;
        let term = self.evidence_term();
        let (mut lapsed, mut lost, mut lasting) = (vec![], vec![], vec![]);
        let mut next: Option<Moment> = None;
        for (address, slot) in self.targets.clone() {
            let Some(target) = self.target_mut(slot) else { continue };
            let evidence = &mut target.evidence;
            if evidence.proof.is_some_and(|at| at + term <= now) {
                evidence.proof = None;
                lapsed.push(slot);
            }
            if evidence.unknown_since.is_none() && evidence.judged + term <= now {
                evidence.unknown_since = Some(now);
                target.since = now;
                lost.push(address);
            }
            let evidence = &mut target.evidence;
            let long = evidence.unknown_since.is_some_and(|since| since + TOLD_AFTER <= now);
            if long && !std::mem::replace(&mut evidence.told, true) {
                lasting.push(address);
            }
            next = [next, evidence.next_look(term)].into_iter().flatten().min();
        }
        if !lapsed.is_empty() {
            self.peers.announce();
        }
        if !lost.is_empty() {
            self.context.report(Fact::EvidenceLost { targets: lost });
        }
        if !lasting.is_empty() {
            self.context.report(Fact::StillUnknown { targets: lasting });
        }
        for slot in lapsed {
            self.mark(slot);
        }
        if let Some(next) = next {
            self.note_sweep(next.max(now + SWEEP_DISTANCE));
        }
    }

    /// What was seen before this moment proves nothing any more: this agent did not see straight.
    pub(super) fn void_evidence(&mut self) {
        for slot in self.targets.values().copied().collect::<Vec<_>>() {
            if let Some(target) = self.target_mut(slot) {
                target.evidence.proof = None;
            }
        }
        self.peers.announce();
    }
}

/// This agent's own vote on a target: what it sees, `true` for up, and the moment of its evidence.
/// None before the first flip or confirmation, and none without evidence.
pub(super) fn own_vote(target: &Target) -> Option<(bool, Moment)> {
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
