//! A target: its health, and the verdict on it.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::evidence::Evidence;
use super::health::{Health, Streaks};
use crate::engine::Moment;
use crate::engine::event::{Reason, Slot};

/// The id of a target in its service. It stays the same for as long as the target is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::engine) struct TargetId(usize);

impl From<usize> for TargetId {
    fn from(index: usize) -> Self {
        Self(index)
    }
}

impl From<TargetId> for usize {
    fn from(id: TargetId) -> Self {
        id.0
    }
}

/// A target of a service.
#[derive(Debug)]
pub(in crate::engine) struct Target {
    pub(in crate::engine) address: IpAddr,
    /// The slot of its endpoint in the prober.
    pub(in crate::engine) endpoint: Slot,
    pub(in crate::engine) streaks: Streaks,
    pub(in crate::engine) evidence: Evidence,
    /// The time at which health or verdict last changed.
    pub(in crate::engine) since: Moment,
    pub(in crate::engine) verdict: VerdictState,
}

/// The verdict on a target, and the progress of carrying it out.
#[derive(Debug)]
pub(in crate::engine) struct VerdictState {
    /// Whether the target belongs in DNS.
    pub(in crate::engine) in_service: bool,
    /// Whether the provider has confirmed the verdict, or there is nothing to do for it.
    pub(in crate::engine) confirmed: bool,
    /// Whether DNS may contradict the verdict: nothing was compared since this agent started, or
    /// since it or a quorum of others saw the target down.
    pub(in crate::engine) unverified: bool,
    /// The peers that agreed to the verdict.
    pub(in crate::engine) agreeing: Vec<SocketAddr>,
    /// The time at which the verdict was reached.
    pub(super) decided_at: Moment,
    /// The time at which this agent may act on the verdict, after the agents before it in rank.
    pub(super) act_at: Moment,
    /// The names at which the floor keeps the target.
    pub(in crate::engine) held: Vec<String>,
    /// The time since which the peers have opposed the change that its health calls for.
    pub(super) refused_since: Option<Moment>,
    pub(in crate::engine) reason: Option<Reason>,
}

/// A decision that may become the verdict.
#[derive(Debug, Clone, Copy)]
pub(super) struct Decision<'a> {
    pub(super) in_service: bool,
    pub(super) agreeing: &'a [SocketAddr],
    /// Time that this agent leaves to the agents before it in rank.
    pub(super) after: Duration,
    /// Whether the decision rests on the health, and too few other agents oppose it.
    pub(super) judged: bool,
}

/// Returns the next whole second. Changes that are not urgent wait for it, so that thousands of
/// targets confirmed at the start do not cause thousands of orders.
fn end_of_second(now: Moment) -> Moment {
    Duration::from_secs(now.as_secs() + 1)
}

impl Target {
    /// Creates a target that is assumed to be up and in DNS.
    pub(super) fn new(address: IpAddr, endpoint: Slot, now: Moment) -> Self {
        let verdict = VerdictState {
            in_service: true,
            confirmed: true,
            unverified: true,
            agreeing: Vec::new(),
            decided_at: now,
            act_at: now,
            held: Vec::new(),
            refused_since: None,
            reason: None,
        };
        let (streaks, evidence) = (Streaks::default(), Evidence::none(now));
        Self { address, endpoint, streaks, evidence, since: now, verdict }
    }

    /// Whether its health calls for another verdict than the one in force.
    pub(super) fn differs(&self) -> bool {
        match self.streaks.health() {
            Health::AssumedUp => false,
            Health::Up => !self.verdict.in_service,
            Health::Down => self.verdict.in_service,
        }
    }
}

impl VerdictState {
    /// Whether other agents come before this one in rank. Their changes are then listed before this
    /// agent acts.
    pub(super) fn waits_for_rank(&self) -> bool {
        self.act_at > self.decided_at
    }

    /// Whether the peers were enough for a quorum without this agent, so that one of them may have
    /// acted already, as the first in rank among themselves.
    pub(super) fn peers_may_have_acted(&self, needed: Option<usize>) -> bool {
        needed.is_some_and(|needed| self.agreeing.len() > needed)
    }

    /// Makes a decision the verdict. Returns whether the verdict changed.
    pub(super) fn adopt(&mut self, decision: Decision<'_>, now: Moment) -> bool {
        let Decision { in_service, agreeing, after, judged } = decision;
        let verifies = self.unverified && judged;
        let changed = self.in_service != in_service;
        if changed {
            self.in_service = in_service;
            self.agreeing = agreeing.to_vec();
            self.start_over(now);
            self.act_at = now + after;
        } else if verifies {
            // An agent that was restarted after a withdrawal restores the target here, and one that
            // saw the target down all along withdraws it after other agents had restored it.
            self.confirmed = false;
            self.decided_at = if in_service { end_of_second(now) } else { now };
            self.act_at = self.decided_at + after;
        } else if !self.confirmed {
            // The agents before this one in rank may have dropped out.
            self.act_at = self.act_at.min(self.decided_at + after);
        }
        self.unverified &= !judged;
        changed
    }

    /// Requests that the current verdict be carried out, regardless of earlier progress.
    pub(super) fn start_over(&mut self, now: Moment) {
        self.confirmed = false;
        self.decided_at = now;
        self.act_at = now;
        self.held.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn target() -> Target {
        Target::new([192, 0, 2, 1].into(), 0, Moment::ZERO)
    }

    fn decision(in_service: bool, after: u32, judged: bool) -> Decision<'static> {
        Decision { in_service, agreeing: &[], after: SECOND * after, judged }
    }

    #[test]
    fn a_decision_becomes_the_verdict_and_is_acted_on_in_turn() {
        let mut verdict = target().verdict;
        verdict.held = vec!["www".into()];
        assert!(verdict.adopt(decision(false, 5, true), SECOND));
        assert!(!verdict.in_service && !verdict.confirmed && !verdict.unverified);
        assert_eq!((verdict.act_at, verdict.held.len()), (SECOND * 6, 0));
        assert!(verdict.waits_for_rank());
        assert!(!verdict.adopt(decision(false, 0, true), SECOND * 2), "it stands");
        assert_eq!(verdict.act_at, SECOND, "nobody comes before it any more");
        assert!(!verdict.waits_for_rank());
    }

    #[test]
    fn an_unverified_verdict_is_compared_once_and_a_restoration_waits_for_the_second_to_end() {
        for (in_service, act_at) in [(true, SECOND * 2), (false, SECOND * 3 / 2)] {
            let mut verdict = target().verdict;
            verdict.in_service = in_service;
            let now = SECOND * 3 / 2;
            verdict.adopt(decision(in_service, 0, false), now);
            assert!(verdict.confirmed && verdict.unverified, "others stand against it");
            verdict.adopt(decision(in_service, 0, true), now);
            assert_eq!((verdict.confirmed, verdict.act_at), (false, act_at));
            verdict.confirmed = true;
            verdict.adopt(decision(in_service, 0, true), now);
            assert!(verdict.confirmed, "once");
        }
    }

    #[test]
    fn the_peers_may_have_acted_if_they_were_enough_without_this_agent() {
        let mut verdict = target().verdict;
        verdict.agreeing = vec![([10, 0, 0, 2], 1).into(), ([10, 0, 0, 3], 1).into()];
        assert_eq!(
            [None, Some(1), Some(2)].map(|n| verdict.peers_may_have_acted(n)),
            [false, true, false]
        );
    }
}
