//! A target: the endpoints that its health comes from, and the verdict on it.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::engine::fact::Reason;
use crate::engine::failed::FailedCheck;
use crate::engine::ids::EndpointId;
use crate::engine::moment::Moment;
use crate::engine::types::{Health, Verdict, WithdrawalCause};

/// A target of a service.
#[derive(Debug)]
pub(in crate::engine) struct Target {
    pub(in crate::engine) address: IpAddr,
    /// The endpoints that are probed for it. Targets of other services may depend on them, too.
    pub(in crate::engine) endpoints: Endpoints,
    /// The health that was last reported, if there are several checks.
    pub(super) health: Health,
    /// The time at which health or verdict last changed.
    pub(in crate::engine) since: Moment,
    pub(in crate::engine) verdict: VerdictState,
    /// Absent for nearly all targets with one echo request or connect.
    pub(super) notes: Option<Box<CheckNotes>>,
}

/// The facts about a target that has several checks, or a check that gives reasons.
#[derive(Debug, Default)]
pub(super) struct CheckNotes {
    /// The checks that made it go down, each with its reason at that time.
    pub(super) failed: Vec<FailedCheck>,
    /// Present while the health is unknown, if there are several checks.
    pub(super) unseen: Option<Unseen>,
}

/// The time in which the health of a target is unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unseen {
    pub(super) since: Moment,
    /// Whether people were notified.
    pub(super) notified: bool,
}

/// The endpoints of a target, in the order of the checks of its service.
///
/// Nearly every target has one, and there may be a million targets: it is kept without an
/// allocation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::engine) struct Endpoints {
    first: EndpointId,
    others: Box<[EndpointId]>,
}

impl Endpoints {
    /// Returns endpoints with these ids. `None` if there is none.
    pub(in crate::engine) fn of(ids: &[EndpointId]) -> Option<Self> {
        let (first, others) = ids.split_first()?;
        Some(Self { first: *first, others: others.into() })
    }

    /// Returns the endpoints of a target that is not probed: none.
    pub(in crate::engine) fn none() -> Self {
        Self { first: EndpointId::NONE, others: Box::default() }
    }

    /// Returns the endpoint of the first check.
    pub(in crate::engine) fn first(&self) -> EndpointId {
        self.first
    }

    /// Iterates over all endpoints, in the order of the checks.
    pub(in crate::engine) fn iter(&self) -> impl Iterator<Item = EndpointId> + '_ {
        let all = std::iter::once(self.first).chain(self.others.iter().copied());
        all.filter(|id| *id != EndpointId::NONE)
    }

    /// Replaces an endpoint by another one.
    pub(super) fn replace(&mut self, before: EndpointId, after: EndpointId) {
        let all = std::iter::once(&mut self.first).chain(&mut self.others);
        all.filter(|id| **id == before).for_each(|id| *id = after);
    }
}

/// The verdict on a target, and the progress of carrying it out.
#[derive(Debug)]
pub(in crate::engine) struct VerdictState {
    /// Whether the target belongs in DNS.
    pub(super) verdict: Verdict,
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
    pub(super) verdict: Verdict,
    pub(super) agreeing: &'a [SocketAddr],
    /// Time that this agent leaves to the agents before it in rank.
    pub(super) after: Duration,
    /// Whether the decision rests on the health, and too few other agents oppose it.
    pub(super) judged: bool,
}

/// Returns the next whole second. Changes that are not urgent wait for it, so that thousands of
/// targets confirmed at the start do not cause thousands of orders.
fn end_of_second(now: Moment) -> Moment {
    Moment::after_start(Duration::from_secs(now.since_start().as_secs() + 1))
}

impl Target {
    /// Creates a target that is assumed to be up and in DNS.
    pub(super) fn new(address: IpAddr, endpoints: Endpoints, now: Moment) -> Self {
        let verdict = VerdictState {
            verdict: Verdict::InService,
            confirmed: true,
            unverified: true,
            agreeing: Vec::new(),
            decided_at: now,
            act_at: now,
            held: Vec::new(),
            refused_since: None,
            reason: None,
        };
        Self { address, endpoints, health: Health::AssumedUp, since: now, verdict, notes: None }
    }

    /// Returns the facts about its checks for modification.
    pub(super) fn notes_mut(&mut self) -> &mut CheckNotes {
        self.notes.get_or_insert_default()
    }

    /// Creates a standby, which is assumed to be out of DNS.
    pub(super) fn standing_by(address: IpAddr, endpoints: Endpoints, now: Moment) -> Self {
        let mut target = Self::new(address, endpoints, now);
        target.verdict.verdict = Verdict::Withdrawn(WithdrawalCause::StandingBy);
        target
    }

    /// Whether its `health` calls for another verdict than the one in force.
    pub(super) fn differs(&self, health: Health) -> bool {
        match health {
            Health::AssumedUp => false,
            Health::Up => !self.verdict.is_in_service(),
            Health::Down => self.verdict.is_in_service(),
        }
    }
}

impl VerdictState {
    /// Returns the verdict.
    pub(in crate::engine) fn verdict(&self) -> Verdict {
        self.verdict
    }

    /// Whether the target belongs in DNS.
    pub(in crate::engine) fn is_in_service(&self) -> bool {
        self.verdict.is_in_service()
    }

    /// Whether the target is a standby that is not needed.
    pub(in crate::engine) fn is_standing_by(&self) -> bool {
        self.verdict.is_standing_by()
    }

    /// Whether nothing is to be done for the verdict, and DNS is not suspected to contradict it.
    pub(super) fn is_settled(&self) -> bool {
        self.confirmed && !self.unverified
    }

    /// Whether the target was taken out for its health, at its own request or by hand.
    pub(super) fn is_taken_out(&self) -> bool {
        !self.is_in_service() && !self.is_standing_by()
    }

    /// Returns the time at which this agent may carry the verdict out, if that is not done yet.
    pub(super) fn pending_at(&self) -> Option<Moment> {
        (!self.confirmed).then_some(self.act_at)
    }

    /// Returns the time since which a verdict that is not carried out yet has been in force, if it is
    /// the same as this one.
    pub(super) fn pending_since(&self, verdict: Verdict) -> Option<Moment> {
        (self.verdict == verdict && !self.confirmed).then_some(self.decided_at)
    }

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
        let Decision { verdict, agreeing, after, judged } = decision;
        let in_service = verdict.is_in_service();
        let verifies = self.unverified && judged;
        let changed = self.is_in_service() != in_service;
        self.verdict = verdict;
        if changed {
            self.agreeing = agreeing.to_vec();
            self.start_over(now);
            self.act_at = now + after;
        } else if verifies {
            // An agent that was restarted after a withdrawal restores the target here, and one that
            // saw the target down all along withdraws it after other agents had restored it.
            self.confirmed = false;
            let can_wait = in_service || verdict.is_standing_by();
            self.decided_at = if can_wait { end_of_second(now) } else { now };
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
    const OUT: Verdict = Verdict::Withdrawn(WithdrawalCause::Down);

    fn at(milliseconds: u64) -> Moment {
        Moment::after_start(Duration::from_millis(milliseconds))
    }

    fn target() -> Target {
        Target::new([192, 0, 2, 1].into(), Endpoints::of(&[0.into()]).unwrap(), Moment::START)
    }

    fn decision(verdict: Verdict, after: u32, judged: bool) -> Decision<'static> {
        Decision { verdict, agreeing: &[], after: SECOND * after, judged }
    }

    #[test]
    fn a_decision_becomes_the_verdict_and_is_acted_on_in_turn() {
        let mut verdict = target().verdict;
        verdict.held = vec!["www".into()];
        assert!(verdict.adopt(decision(OUT, 5, true), at(1000)));
        assert!(!verdict.is_in_service() && !verdict.confirmed && !verdict.unverified);
        assert_eq!((verdict.act_at, verdict.held.len()), (at(6000), 0));
        assert!(verdict.waits_for_rank());
        assert!(!verdict.adopt(decision(OUT, 0, true), at(2000)), "it stands");
        assert_eq!(verdict.act_at, at(1000), "nobody comes before it any more");
        assert!(!verdict.waits_for_rank());
    }

    #[test]
    fn an_unverified_verdict_is_compared_once_and_a_restoration_waits_for_the_second_to_end() {
        for (standing, act_at) in [(Verdict::InService, at(2000)), (OUT, at(1500))] {
            let mut verdict = target().verdict;
            verdict.verdict = standing;
            let now = at(1500);
            verdict.adopt(decision(standing, 0, false), now);
            assert!(verdict.confirmed && verdict.unverified, "others stand against it");
            verdict.adopt(decision(standing, 0, true), now);
            assert_eq!((verdict.confirmed, verdict.act_at), (false, act_at));
            verdict.confirmed = true;
            verdict.adopt(decision(standing, 0, true), now);
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
