//! The targets that are out for their health or are to go, as `max_out` counts them.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use super::decision::{LastListing, Outside};
use super::max_out::{MaxOutReached, OutPlace, OutStage, OutTargets};
use super::verdict::{DOWN, Ruling};
use super::{Service, Target};
use crate::engine::context::Context;
use crate::engine::fact::Reason;
use crate::engine::health::TargetHealth;
use crate::engine::ids::{TargetId, TargetRef};
use crate::engine::plan::{Desired, Family, Observed, SetKey};
use crate::engine::types::{Verdict, Vote};

/// The maximum age of a usable listing in a cluster.
const FRESH_FOR: Duration = Duration::from_secs(5);

/// The same while more addresses are out or are to go than may be, which several agents may see at once.
const FRESH_FOR_CHOICE: Duration = Duration::from_secs(1);

impl Service {
    /// Returns the most addresses that may be out for their health; `None` without a limit.
    fn max_out(&self) -> Option<usize> {
        self.settings.max_out
    }

    /// Returns the evidence that a target has to stay for now, since as many others are out as may be, or
    /// were until it began to answer again.
    pub(super) fn held_by_max_out(
        &self,
        target: &Target,
        outside: Outside<'_>,
    ) -> Option<MaxOutReached> {
        let limit = self.max_out()?;
        let was_held = target.verdict.reason == Some(Reason::MaxOut);
        let is_held = self.id(target.address).is_some_and(|id| self.out.holds(id))
            || was_held && self.answers_again(target, outside.health);
        let of = self.by_address.len().saturating_sub(self.settings.standby.tiers.len());
        is_held.then_some(MaxOutReached { limit, of })
    }

    /// Returns the evidence that a target would have to stay if this agent saw it down.
    pub(super) fn max_out_if_down(
        &self,
        target: &Target,
        outside: Outside<'_>,
        context: &Context,
    ) -> Option<MaxOutReached> {
        let (limit, id) = (self.max_out()?, self.id(target.address)?);
        let peers = outside.peers_that_say(self.target_ref(target.address), Vote::Down, context);
        let (votes, address) = (Reverse(peers + 1), Reverse(target.address));
        let place = OutPlace { stage: OutStage::Down, votes, address };
        let of = self.by_address.len().saturating_sub(self.settings.standby.tiers.len());
        self.out.would_hold(id, place).then_some(MaxOutReached { limit, of })
    }

    /// Whether more dead targets stay for now than others are on their way back.
    pub(super) fn dead_ones_wait_for_room(&self) -> bool {
        self.out.held() > self.out.returning()
    }

    /// Forgets the places of all targets, since the settings are new. They are looked at again with the
    /// next decision pass.
    pub(in crate::engine) fn forget_out(&mut self) {
        self.out = OutTargets::default();
    }

    /// Finds the places of all targets that the pass is about, before it decides about any of them.
    pub(super) fn review_out(&mut self, outside: Outside<'_>, context: &Context) {
        if self.max_out().is_none() {
            return;
        }
        if self.out.limit() != self.max_out() {
            self.out = OutTargets::within(self.max_out());
            self.mark_all();
        }
        let due: Vec<TargetId> = self.dirty.iter().copied().collect();
        for id in due {
            self.review_place(id, outside, context);
        }
    }

    /// Finds the place of a target again, after something about it changed. Marks the targets that may go
    /// now, and those that may not any more.
    pub(super) fn review_place(&mut self, id: TargetId, outside: Outside<'_>, context: &Context) {
        if self.max_out().is_none() {
            return;
        }
        let place = self.targets.get(id).and_then(|target| self.place(target, outside, context));
        for other in self.out.set(id, place) {
            self.mark(other);
        }
    }

    /// Returns the place of a target in the order; `None` if it is not out, and is not to go.
    fn place(&self, target: &Target, outside: Outside<'_>, context: &Context) -> Option<OutPlace> {
        if self.tier(target) > 0 || self.drains.is_drained(target.address) {
            return None;
        }
        let its = self.health_of(target, outside.health);
        let stage = self.out_stage(target, its, outside, context)?;
        let name = self.target_ref(target.address);
        let votes = Reverse(outside.votes_for_down(name, its, context));
        Some(OutPlace { stage, votes, address: Reverse(target.address) })
    }

    /// Returns how far a target is on its way out; `None` if it is neither out nor to go.
    fn out_stage(
        &self,
        target: &Target,
        its: TargetHealth,
        outside: Outside<'_>,
        context: &Context,
    ) -> Option<OutStage> {
        let (state, listed) = (&target.verdict, outside.listing.observed);
        // In a cluster, other agents may have withdrawn it for the health that they see.
        let may_be_gone = context.settings.cluster.is_some() || !state.is_settled();
        match state.verdict {
            DOWN if state.confirmed || self.is_absent(target.address, listed) => {
                Some(OutStage::Gone)
            }
            DOWN if !state.held.is_empty() => Some(OutStage::Kept),
            DOWN => Some(OutStage::Leaving),
            Verdict::InService if may_be_gone && self.is_absent(target.address, listed) => {
                Some(OutStage::Returning)
            }
            Verdict::InService if self.would_go(target, its, outside, context) => {
                Some(OutStage::Down)
            }
            Verdict::InService | Verdict::Withdrawn(_) => None,
        }
    }

    /// Whether no record set holds an address, as far as the last listing says.
    fn is_absent(&self, address: IpAddr, observed: Option<&Observed>) -> bool {
        let Some(observed) = observed else { return false };
        let family = Family::of(address);
        let mut is_known = false;
        for name in &self.settings.names {
            match observed.holds(&SetKey { name: name.clone(), family }, address) {
                Some(true) => return false,
                Some(false) => is_known = true,
                None => {}
            }
        }
        is_known
    }

    /// Whether this agent would withdraw a target without this guard, or enough others may.
    fn would_go(
        &self,
        target: &Target,
        its: TargetHealth,
        outside: Outside<'_>,
        context: &Context,
    ) -> bool {
        let ruling = self.rule_without_max_out(target, outside, context);
        matches!(ruling, Ruling::Decide { verdict: DOWN, .. })
            || outside.others_may_withdraw(self.target_ref(target.address), its, context)
    }

    /// Whether the zone has to be listed before an address may be withdrawn: without a listing it is not
    /// known how many are out already.
    pub(super) fn lists_before_withdrawing(
        &self,
        address: IpAddr,
        outside: Outside<'_>,
        context: &Context,
    ) -> bool {
        let LastListing { observed, listed_at } = outside.listing;
        let fresh_for = if self.out.is_over_limit() { FRESH_FOR_CHOICE } else { FRESH_FOR };
        let is_stale = listed_at.is_none_or(|at| context.now > at + fresh_for);
        let is_doubtful = observed.is_none() || context.settings.cluster.is_some() && is_stale;
        self.max_out().is_some() && is_doubtful && !self.orders.has_in_hand(address)
    }

    /// Whether a withdrawal is left out of an order until the zone was listed.
    pub(super) fn waits_for_listing(&self, desired: &BTreeMap<IpAddr, Desired>) -> bool {
        let mut staying = desired.iter().filter(|(_, state)| **state == Desired::Stay);
        staying
            .any(|(address, _)| self.target(*address).is_some_and(|it| it.verdict.verdict == DOWN))
    }

    /// Follows a new listing: targets that are in DNS now, or no longer, may have another place.
    /// `before` is the listing before it, if there was one of all names.
    pub(in crate::engine) fn review_listing(&mut self, before: Option<&Observed>, now: &Observed) {
        if self.max_out().is_none() {
            return;
        }
        let Some(before) = before else { return self.mark_all() };
        // Some of them may have waited for it.
        let open: Vec<IpAddr> = self.orders.all_open().collect();
        let mut changed: BTreeSet<IpAddr> = open.into_iter().collect();
        let none = BTreeSet::new();
        for name in &self.settings.names {
            for family in [Family::A, Family::Aaaa] {
                let key = SetKey { name: name.clone(), family };
                if before.unfit.contains_key(&key) != now.unfit.contains_key(&key) {
                    return self.mark_all();
                }
                let (before, now) = (before.get(&key), now.get(&key));
                let (before, now) = (before.unwrap_or(&none), now.unwrap_or(&none));
                changed.extend(before.symmetric_difference(now));
            }
        }
        for address in changed {
            if let Some(id) = self.id(address) {
                self.mark(id);
            }
        }
    }
}

impl Outside<'_> {
    /// Returns the number of agents that see a target down, this one included.
    fn votes_for_down(self, name: TargetRef, its: TargetHealth, context: &Context) -> usize {
        let own = usize::from(its.own_view() == Some(Vote::Down));
        self.peers_that_say(name, Vote::Down, context) + own
    }

    /// Whether enough peers see a target down to withdraw it without this agent.
    fn others_may_withdraw(self, name: TargetRef, its: TargetHealth, context: &Context) -> bool {
        let Some(cluster) = &context.settings.cluster else { return false };
        let needed = cluster.min_peers_agree;
        let own = usize::from(its.own_view() == Some(Vote::Up));
        let contrary = self.peers_that_say(name, Vote::Up, context) + own;
        self.peers_that_say(name, Vote::Down, context) > needed
            && (needed == 0 || contrary <= needed)
    }

    fn peers_that_say(self, name: TargetRef, vote: Vote, context: &Context) -> usize {
        if context.settings.cluster.is_none() {
            return 0;
        }
        self.peers.votes_on(name, context.now).filter(|ballot| ballot.vote == vote).count()
    }
}
