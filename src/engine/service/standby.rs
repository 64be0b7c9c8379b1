//! Standbys: when they are looked at, and in which turn.
//!
//! A standby goes in with the withdrawal that makes it needed, and out with the restoration that makes
//! it unneeded: by the same agent, at the same time, in the same order.

use std::net::IpAddr;
use std::time::Duration;

use super::decision::Outside;
use super::tiers::{Before, Need, TierMember};
use super::verdict::{Ruling, TierStanding};
use super::{Service, Target};
use crate::engine::context::Context;
use crate::engine::fact::Reason;
use crate::engine::ids::TargetId;
use crate::engine::moment::Moment;
use crate::engine::plan::{Desired, Family};
use crate::engine::quorum::Agreement;
use crate::engine::types::{Health, Verdict};

/// The reason for which a standby is published, or is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StandbyView {
    /// The tier of the standby, from 1 on.
    pub tier: usize,
    /// The number of addresses of its record sets in the tiers before.
    pub before: usize,
    /// The number of those that are in service.
    pub in_service: usize,
    /// Whether it is a last resort, which is put in unprobed.
    pub is_last_resort: bool,
}

impl Service {
    /// Whether the service has standbys.
    pub(super) fn has_standbys(&self) -> bool {
        !self.settings.standby.tiers.is_empty()
    }

    /// Returns the tier of a target.
    pub(super) fn tier(&self, target: &Target) -> usize {
        self.settings.standby.tier(target.address)
    }

    /// Returns the place of a target among the tiers, if it is a standby.
    pub(super) fn standing(&self, target: &Target) -> Option<TierStanding> {
        let tier = self.tier(target);
        let need = self.needs.of(tier, Family::of(target.address));
        let (in_service, is_unprobed) =
            (target.verdict.is_in_service(), self.settings.standby.is_last_resort(tier));
        (tier > 0).then_some(TierStanding { need, in_service, is_unprobed })
    }

    /// Decides about every target with a relevant change, tier by tier: each need follows from the
    /// verdicts on the tiers before.
    pub(super) fn decide_by_tier(&mut self, outside: Outside<'_>, context: &mut Context) {
        for tier in 0..=self.settings.standby.last_tier() {
            if tier > 0 {
                self.review_needs(tier, outside, context);
            }
            // A decision may let another target go.
            loop {
                let due = self.dirty_of(tier);
                if due.is_empty() {
                    break;
                }
                for id in due {
                    self.dirty.remove(&id);
                    self.decide_on(id, outside, context);
                }
            }
            // A primary that no longer waits may make the standbys unneeded.
            while tier == 0
                && let Some(id) = self.next_return(outside.health, context.now)
            {
                self.decide_on(id, outside, context);
            }
        }
    }

    fn dirty_of(&self, tier: usize) -> Vec<TargetId> {
        let mut due = Vec::new();
        for id in &self.dirty {
            if self.targets.get(*id).is_some_and(|target| self.tier(target) == tier) {
                due.push(*id);
            }
        }
        due
    }

    /// Finds out whether a tier is needed now. If that changed, its standbys are decided about, and
    /// compared with DNS: other agents may have put one in.
    fn review_needs(&mut self, tier: usize, outside: Outside<'_>, context: &Context) {
        for family in [Family::A, Family::Aaaa] {
            let earlier = self.targets_before(tier, family);
            let members = earlier.map(|target| self.member(target, outside, context));
            let need = self.need_of(tier, Before::of(members, tier, family));
            if !self.needs.set(tier, family, need) {
                continue;
            }
            let standbys = self.standbys_of(tier, family);
            for id in standbys {
                self.mark(id);
                if let Some(target) = self.targets.get_mut(id) {
                    target.verdict.unverified |= !target.verdict.is_in_service();
                }
            }
        }
    }

    /// Returns the need for a tier with these addresses before it.
    fn need_of(&self, tier: usize, before: Before) -> Need {
        if self.settings.standby.is_last_resort(tier) {
            before.need_of_last_resort()
        } else {
            before.need(self.settings.standby.below(tier))
        }
    }

    fn standbys_of(&self, tier: usize, family: Family) -> Vec<TargetId> {
        let standbys = self.settings.standby.tiers.iter();
        let addresses = standbys.filter(|(at, its)| **its == tier && Family::of(**at) == family);
        addresses.filter_map(|(address, _)| self.id(*address)).collect()
    }

    /// Returns a target as the tiers see it.
    fn member(&self, target: &Target, outside: Outside<'_>, context: &Context) -> TierMember {
        TierMember {
            tier: self.tier(target),
            family: Family::of(target.address),
            in_service: target.verdict.is_in_service(),
            is_out: target.verdict.is_taken_out(),
            confirmed: self.is_serving(target, outside, context),
        }
    }

    /// Whether a target is in service by its verdict, and this agent and its peers confirm now that it
    /// is up.
    fn is_serving(&self, target: &Target, outside: Outside<'_>, context: &Context) -> bool {
        let name = self.target_ref(target.address);
        let its = self.health_of(target, outside.health);
        target.verdict.is_in_service()
            && !outside.is_opposed(name, its, context)
            && matches!(
                self.rule(target, outside, context),
                Ruling::Decide { verdict: Verdict::InService, .. }
            )
    }

    /// Returns the targets that keep a standby from being needed, for an order in which one leaves.
    pub(super) fn serving(
        &self,
        outside: Outside<'_>,
        context: &Context,
    ) -> impl Iterator<Item = IpAddr> {
        let probed = self.targets().filter(|it| !self.settings.standby.is_unprobed(it.address));
        let serving = probed.filter(move |it| self.is_serving(it, outside, context));
        serving.map(|target| target.address)
    }

    /// Returns the desired state of a standby that is not needed.
    pub(super) fn desired_of_standby(&self, target: &Target) -> Desired {
        Desired::StandBy(self.settings.standby.below(self.tier(target)))
    }

    /// Returns how long this agent leaves a decision about a standby to others: as long as the one
    /// that makes it needed or unneeded, while that is not carried out yet.
    pub(super) fn turn_of_standby(
        &self,
        target: &Target,
        verdict: Verdict,
        after: Duration,
        now: Moment,
    ) -> Duration {
        let mut pending: Option<Moment> = None;
        for cause in self.earlier(target) {
            let is_opposite = cause.verdict.is_in_service() != verdict.is_in_service();
            if is_opposite && !cause.verdict.is_standing_by() {
                pending = pending.into_iter().chain(cause.verdict.pending_at()).min();
            }
        }
        let since = target.verdict.pending_since(verdict).unwrap_or(now);
        pending.map_or(after, |at| at.since(since))
    }

    /// Iterates over the targets of the same record sets in the tiers before that of a standby.
    pub(super) fn earlier(&self, standby: &Target) -> impl Iterator<Item = &Target> {
        self.targets_before(self.tier(standby), Family::of(standby.address))
    }

    fn targets_before(&self, tier: usize, family: Family) -> impl Iterator<Item = &Target> {
        self.targets().filter(move |it| self.tier(it) < tier && Family::of(it.address) == family)
    }

    /// Returns the reason why a standby is not published although it is needed, or is still published
    /// although it is not.
    pub(super) fn refusal_of_standby(
        &self,
        target: &Target,
        health: Health,
    ) -> Option<(Reason, String)> {
        let standing = self.standing(target)?;
        let verdict = &target.verdict;
        if verdict.is_standing_by() && !verdict.held.is_empty() {
            let names = verdict.held.join(", ");
            let detail = format!("still in service at {names}, where others are not back yet");
            return Some((Reason::Standby, detail));
        }
        let is_missing = standing.need == Need::Needed && !standing.in_service;
        (is_missing && health == Health::Down)
            .then(|| (Reason::Standby, format!("{}, and it is down", self.why_needed(target))))
    }

    /// Describes the need for a standby: `tier 1 is needed, since 0 of 2 of tier 0 are in service`.
    fn why_needed(&self, target: &Target) -> String {
        let Some(view) = self.standby_view(target) else { return String::new() };
        format!("tier {} is needed, {}", view.tier, view.since())
    }

    /// Returns the reason for which a standby is published, or is not; `None` for other targets.
    pub(in crate::engine) fn standby_view(&self, target: &Target) -> Option<StandbyView> {
        let tier = self.tier(target);
        if tier == 0 {
            return None;
        }
        let earlier = self.earlier(target);
        let (mut before, mut in_service) = (0, 0);
        for other in earlier {
            before += 1;
            in_service += usize::from(other.verdict.is_in_service());
        }
        let is_last_resort = self.settings.standby.is_last_resort(tier);
        Some(StandbyView { tier, before, in_service, is_last_resort })
    }

    /// Returns the standbys that would go in if an address left and others came `back`.
    pub(super) fn standbys_after(
        &self,
        leaving: IpAddr,
        back: &[IpAddr],
        outside: Outside<'_>,
        context: &Context,
    ) -> Vec<IpAddr> {
        let family = Family::of(leaving);
        let mut members: Vec<(IpAddr, TierMember)> = Vec::new();
        for target in self.targets() {
            let mut member = self.member(target, outside, context);
            let is_leaving = target.address == leaving || self.drains.is_drained(target.address);
            let is_back = back.contains(&target.address);
            member.in_service = is_back || member.in_service && !is_leaving;
            member.is_out = !is_back && (member.is_out || is_leaving);
            members.push((target.address, member));
        }
        let mut coming = Vec::new();
        for tier in 1..=self.settings.standby.last_tier() {
            let before = Before::of(members.iter().map(|(_, member)| *member), tier, family);
            if self.need_of(tier, before) != Need::Needed {
                continue;
            }
            for (address, member) in &mut members {
                if member.tier == tier
                    && member.family == family
                    && *address != leaving
                    && !member.in_service
                    && self.can_go_in(*address, outside, context)
                {
                    (member.in_service, member.is_out) = (true, false);
                    coming.push(*address);
                }
            }
        }
        coming
    }

    /// Whether a standby would go in if it were needed.
    fn can_go_in(&self, address: IpAddr, outside: Outside<'_>, context: &Context) -> bool {
        let Some(target) = self.target(address) else { return false };
        if self.drains.is_drained(address) || self.settings.standby.is_unprobed(address) {
            return !self.drains.is_drained(address);
        }
        let its = self.health_of(target, outside.health);
        its.health == Health::Up
            && its.proof.is_some()
            && matches!(outside.agreement(self, target, context), Agreement::Agreed { .. })
    }
}

impl StandbyView {
    /// Describes the reason in words: `since 0 of 2 of tier 0 are in service`.
    fn since(self) -> String {
        let tiers = match self.tier {
            1 => "tier 0".to_owned(),
            tier => format!("tiers 0 to {}", tier - 1),
        };
        let verb = if self.in_service == 1 { "is" } else { "are" };
        format!("since {} of {} of {tiers} {verb} in service", self.in_service, self.before)
    }

    /// Describes why the standby is published, or is not: `tier 1, since 0 of 2 of tier 0 are in
    /// service`.
    pub fn in_words(self) -> String {
        if self.is_last_resort {
            return format!("last resort, {}", self.since());
        }
        format!("tier {}, {}", self.tier, self.since())
    }
}
