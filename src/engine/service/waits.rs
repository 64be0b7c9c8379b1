//! Waits: targets that are up again and are put back later.
//!
//! A target waits only while its record sets have enough without it. As soon as another address leaves, or
//! is down and stays for another reason, the one that would be back first goes in, with the same change.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use super::decision::Outside;
use super::returns::ReturnView;
use super::{Service, Target};
use crate::engine::context::Context;
use crate::engine::drain::DrainRefusal;
use crate::engine::fact::{Fact, Reason};
use crate::engine::health::HealthTracker;
use crate::engine::ids::{TargetId, Ticket};
use crate::engine::moment::Moment;
use crate::engine::plan::Family;
use crate::engine::types::{Health, Verdict, WithdrawalCause};

/// A change of the addresses in service that is only supposed.
#[derive(Debug, Clone, Copy, Default)]
struct Supposed<'a> {
    /// The address that leaves.
    leaving: Option<IpAddr>,
    /// The addresses that come back.
    coming: &'a [IpAddr],
}

/// The addresses that are enough for the record sets of each family, as they were last found.
#[derive(Debug, Default)]
pub(super) struct Enough(BTreeMap<Family, Vec<IpAddr>>);

impl Enough {
    /// Returns the addresses; `None` if there are too few, or they were not looked for.
    fn of(&self, family: Family) -> Option<&Vec<IpAddr>> {
        self.0.get(&family)
    }

    fn set(&mut self, family: Family, found: Option<Vec<IpAddr>>) {
        match found {
            Some(found) => _ = self.0.insert(family, found),
            None => _ = self.0.remove(&family),
        }
    }
}

impl Service {
    /// Whether targets that were withdrawn come back late.
    pub(super) fn delays_returns(&self) -> bool {
        !self.settings.returns.delay.is_zero()
    }

    /// Follows the health of a target that was withdrawn before. Without evidence it is not known to be
    /// up, so that its wait begins anew.
    pub(super) fn follow_return(&mut self, id: TargetId, health: &HealthTracker, now: Moment) {
        let Some(target) = self.targets.get(id).filter(|it| self.returns.knows(it.address)) else {
            return;
        };
        let is_known = self.unknown_checks_of(target, health) == 0;
        let its = self.health_of(target, health);
        let is_up = is_known && its.health != Health::Down;
        let replied = health.get(its.decisive).and_then(|subject| subject.streaks.last_reply());
        let (address, in_service) = (target.address, target.verdict.is_in_service());
        let times = (replied.unwrap_or(now), now);
        self.returns.follow(address, [is_up, in_service], times, self.settings.returns);
        self.review_enough(Family::of(address), health);
    }

    /// Marks a target that was withdrawn before, since its health has just become unknown.
    pub(super) fn review_return(&mut self, id: TargetId) {
        if self.targets.get(id).is_some_and(|it| self.returns.knows(it.address)) {
            self.mark(id);
        }
    }

    /// Records a verdict that has just changed. A standby never waits: it goes in only while too few
    /// others are in service.
    pub(super) fn note_return(&mut self, address: IpAddr, verdict: Verdict, now: Moment) {
        let is_standby = self.settings.standby.tiers.contains_key(&address);
        match verdict {
            Verdict::InService => self.returns.returned(address, self.settings.returns, now),
            Verdict::Withdrawn(WithdrawalCause::Down | WithdrawalCause::Asked)
                if self.delays_returns() && !is_standby =>
            {
                self.returns.withdrawn(address, self.settings.returns, now);
            }
            Verdict::Withdrawn(_) => {}
        }
    }

    /// Records that the operator takes a target out. If it fails while it is out, it waits afterwards.
    pub(super) fn note_drain(&mut self, address: IpAddr) {
        if self.delays_returns() && !self.settings.standby.tiers.contains_key(&address) {
            self.returns.drained(address);
        }
    }

    /// Ends all waits, since a reload begins without any.
    pub(in crate::engine) fn end_waits(&mut self) {
        self.enough = Enough::default();
        self.returns.reloaded(self.settings.returns);
    }

    /// Returns the wait of a target that is up, out of service and not needed there yet.
    pub(super) fn wait(&self, target: &Target, now: Moment) -> Option<ReturnView> {
        // A target that the floor keeps in DNS is there, and needed.
        let is_out = !target.verdict.is_in_service() && target.verdict.held.is_empty();
        let wait = self.returns.wait(target.address, self.settings.returns, now);
        let wait = wait.filter(|_| is_out && self.tier(target) == 0)?;
        self.enough.of(Family::of(target.address)).is_some().then_some(wait)
    }

    /// Returns the wait for which a target is not put back now.
    pub(in crate::engine) fn return_view(
        &self,
        target: &Target,
        now: Moment,
    ) -> Option<ReturnView> {
        let is_waiting = target.verdict.reason == Some(Reason::Returning);
        self.returns.wait(target.address, self.settings.returns, now).filter(|_| is_waiting)
    }

    /// Returns how often a target was withdrawn for its health in the last hour, if more than once.
    pub(in crate::engine) fn how_often(&self, address: IpAddr, now: Moment) -> Option<String> {
        self.returns.how_often(address, now)
    }

    /// Describes a wait as the evidence of its reason: `back in 58 s, third time in an hour`.
    pub(super) fn wait_in_words(wait: ReturnView, now: Moment) -> String {
        let left = wait.until.since(now).as_secs_f64().ceil();
        let often = wait.how_often().map(|often| format!(", {often}")).unwrap_or_default();
        format!("back in {left} s{often}")
    }

    /// Returns addresses that are enough for the record sets of a family: at least one, as many as the floor
    /// says, and so many primaries that no standby is needed. `None` if there are too few, or others are dead and
    /// stay since those that wait count as out. An address that is
    /// down does not count, even if a guard keeps it in service.
    fn find_enough(
        &self,
        family: Family,
        supposed: Supposed<'_>,
        health: &HealthTracker,
    ) -> Option<Vec<IpAddr>> {
        if self.dead_ones_wait_for_room() {
            return None;
        }
        let standby = &self.settings.standby;
        let standbys = standby.tiers.iter().filter(|(address, _)| Family::of(**address) == family);
        let below = standbys.map(|(_, tier)| standby.below(*tier)).max().unwrap_or_default();
        let floor = self.settings.floor.max(1);
        let coming = supposed.coming.len();
        let (mut found, mut primaries) = (Vec::new(), coming);
        for target in self.targets().filter(|it| Family::of(it.address) == family) {
            if coming + found.len() >= floor && primaries >= below {
                return Some(found);
            }
            if supposed.leaving != Some(target.address) && self.is_well(target, health) {
                found.push(target.address);
                primaries += usize::from(self.tier(target) == 0);
            }
        }
        (coming + found.len() >= floor && primaries >= below).then_some(found)
    }

    /// Whether a target is in service and not down.
    fn is_well(&self, target: &Target, health: &HealthTracker) -> bool {
        target.verdict.is_in_service() && self.health_of(target, health).health != Health::Down
    }

    /// Finds out whether the record sets of a family have enough addresses, if any target may wait. Those
    /// that were enough last time are looked at first: there may be thousands of targets.
    fn review_enough(&mut self, family: Family, health: &HealthTracker) {
        if !self.returns.is_any_waiting(family) {
            return;
        }
        let mut before = self.enough.of(family).into_iter().flatten();
        let stay = self.enough.of(family).is_some()
            && !self.dead_ones_wait_for_room()
            && before.all(|at| self.target(*at).is_some_and(|target| self.is_well(target, health)));
        if !stay {
            let found = self.find_enough(family, Supposed::default(), health);
            self.enough.set(family, found);
        }
    }

    /// Returns a target that no longer has to wait, since its record sets have too few addresses now: the one
    /// that would be back first.
    pub(super) fn next_return(&mut self, health: &HealthTracker, now: Moment) -> Option<TargetId> {
        for family in [Family::A, Family::Aaaa] {
            self.review_enough(family, health);
            if self.enough.of(family).is_some() || !self.returns.is_any_waiting(family) {
                continue;
            }
            let waiting = self.returns.waiting(self.settings.returns, now).into_iter();
            let mut waiting = waiting.filter_map(|address| self.target(address));
            let next = waiting.find(|target| {
                Family::of(target.address) == family
                    && target.verdict.reason == Some(Reason::Returning)
            });
            if let Some(next) = next {
                return self.id(next.address);
            }
        }
        None
    }

    /// Returns how long this agent leaves the return of a target to others. A return that is hastened by a
    /// withdrawal has the turn of the withdrawal, so that one agent makes both with one change.
    pub(super) fn turn_of_return(&self, target: &Target, after: Duration, now: Moment) -> Duration {
        let verdict = &target.verdict;
        let is_hastened = if verdict.is_in_service() {
            !verdict.confirmed && self.returns.was_hastened(target.address)
        } else {
            self.returns.wait(target.address, self.settings.returns, now).is_some()
        };
        if !is_hastened {
            return after;
        }
        let family = Family::of(target.address);
        let mut pending: Option<Moment> = None;
        for other in self.targets().filter(|it| Family::of(it.address) == family) {
            if other.address != target.address && !other.verdict.is_in_service() {
                pending = pending.into_iter().chain(other.verdict.pending_at()).min();
            }
        }
        let since = verdict.pending_since(Verdict::InService).unwrap_or(now);
        pending.map_or(after, |at| at.since(since))
    }

    /// Returns the targets that would be put back at once if an address left.
    pub(super) fn returns_after(
        &self,
        leaving: IpAddr,
        outside: Outside<'_>,
        context: &Context,
    ) -> Vec<IpAddr> {
        let (mut coming, family) = (Vec::new(), Family::of(leaving));
        for address in self.returns.waiting(self.settings.returns, context.now) {
            let Some(target) = self.target(address).filter(|it| {
                it.verdict.reason == Some(Reason::Returning) && Family::of(address) == family
            }) else {
                continue;
            };
            let supposed = Supposed { leaving: Some(leaving), coming: &coming };
            let is_needed = self.find_enough(family, supposed, outside.health).is_none();
            if target.address != leaving && is_needed {
                coming.push(address);
            }
        }
        coming
    }

    /// Handles the command to put a target back at once; with `undrain`, also to give it back to the agent.
    pub(in crate::engine) fn return_now(
        &mut self,
        ticket: Ticket,
        address: IpAddr,
        undrain: bool,
        context: &mut Context,
    ) {
        let drained = self.drains.is_drained(address);
        let wait = self.returns.wait(address, self.settings.returns, context.now);
        let is_waiting = wait.is_some() && (undrain || !drained);
        if is_waiting {
            self.returns.end_wait(address);
        }
        if undrain && (drained || !is_waiting) {
            self.undrain(ticket, address, context);
        } else if is_waiting {
            context.answer(ticket, Ok(()));
        } else {
            context.answer(ticket, Err(self.not_waiting(address)));
        }
        if let Some(id) = self.id(address).filter(|_| is_waiting) {
            context.report(Fact::WaitEnded { service: self.id, target: address });
            self.mark(id);
        }
    }

    /// Returns the reason why a target does not wait.
    fn not_waiting(&self, address: IpAddr) -> DrainRefusal {
        let Some(target) = self.target(address) else { return DrainRefusal::NotATarget };
        DrainRefusal::NotWaiting(if self.drains.is_drained(address) {
            "it is drained; goavail undrain --now gives it back and puts it back at once"
        } else if target.verdict.is_in_service() {
            "it is in service"
        } else if target.verdict.is_standing_by() {
            "it is a standby, which goes in when it is needed"
        } else {
            "it is not up, or something else keeps it out; see goavail status"
        })
    }
}
