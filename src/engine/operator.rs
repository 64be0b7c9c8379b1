//! The operator's commands: targets taken out by hand, and given back.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::event::{Action, Drain, DrainOrder, DrainRefusal, Fact, Settings, Slot};
use super::plan;
use super::{Engine, Item, Moment};

impl Engine {
    /// The operator takes a target out.
    pub(super) fn drain(&mut self, order: DrainOrder) {
        let ticket = order.ticket;
        if !self.targets.contains_key(&order.target) {
            let answer = Err(DrainRefusal::NotATarget);
            self.context.act(Action::DrainAnswered { ticket, answer });
        } else if order.force || self.settings.floor == 0 {
            self.begin_drain(order);
        } else {
            // Answered when the zone has been read.
            self.drains.await_listing(order);
            self.context.act(Action::Prepare);
        }
    }

    pub(super) fn drain_if_floor_allows(&mut self, order: DrainOrder) {
        let Settings { names, floor, .. } = &self.settings;
        // Those whose withdrawal is on its way, or ordered a moment ago, will be gone too.
        let mut left = self.zone.observed().clone();
        let leaving = self.drains();
        left.without(|address| leaving.contains_key(address));
        let broken = plan::floor_breaks(names, &left, order.target, *floor);
        if broken.is_empty() {
            self.begin_drain(order);
        } else {
            let answer = Err(DrainRefusal::Floor(broken));
            self.context.act(Action::DrainAnswered { ticket: order.ticket, answer });
        }
    }

    fn begin_drain(&mut self, order: DrainOrder) {
        let now = self.context.now;
        let drain = Drain { until: order.lasts.map(|lasts| now + lasts), reason: order.reason };
        self.take_up_drain(order.target, drain.clone());
        self.context.report(Fact::Drained { target: order.target, drain });
        self.context.act(Action::DrainAnswered { ticket: order.ticket, answer: Ok(()) });
        self.context.act(Action::Remember(self.drains()));
        if let Some(slot) = self.targets.get(&order.target).copied() {
            self.mark(slot);
        }
    }

    /// Holds a target out by the operator's word, said now or before a restart.
    pub(super) fn take_up_drain(&mut self, address: IpAddr, drain: Drain) {
        let now = self.context.now;
        let Some(slot) = self.targets.get(&address).copied() else {
            self.drains.park(address, drain);
            return;
        };
        self.context.schedule.note(drain.until.unwrap_or(now), Item::Verdict(slot));
        self.context.schedule.note(now, Item::Verdict(slot));
        self.drains.begin(address, drain);
        if let Some(target) = self.target_mut(slot) {
            // Whoever was out by verdict before is out by hand now: another wish.
            target.settled = false;
            target.settled_on = now;
            target.act_at = now;
            target.held.clear();
        }
        self.zone.orders.open(address);
    }

    /// The operator gives a target back.
    pub(super) fn undrain(&mut self, ticket: u64, target: IpAddr) {
        let slot = self.targets.get(&target).copied();
        let answer = match slot {
            Some(_) => self.drains.end(target),
            None => self.drains.end_parked(target),
        };
        let done = answer.is_ok();
        self.context.act(Action::DrainAnswered { ticket, answer });
        if done {
            self.context.report(Fact::Undrained { target, expired: false });
            self.context.act(Action::Remember(self.drains()));
        }
        if let (true, Some(slot)) = (done, slot) {
            self.mark(slot);
        }
    }

    pub(super) fn end_drain_in_time(&mut self, slot: Slot) {
        let now = self.context.now;
        let Some(target) = self.target(slot).map(|target| target.address) else { return };
        if self.drains.expire(target, now) {
            self.context.report(Fact::Undrained { target, expired: true });
            self.context.act(Action::Remember(self.drains()));
        }
    }

    /// Has drains end at other moments. Those that do not end by themselves, or are over, stay so.
    pub(super) fn redate_drains(&mut self, ends: &BTreeMap<IpAddr, Moment>) {
        let now = self.context.now;
        for (address, until) in self.drains.redate(ends) {
            if let Some(slot) = self.targets.get(&address).copied() {
                self.context.schedule.note(until.max(now), Item::Verdict(slot));
            }
        }
        self.context.act(Action::Remember(self.drains()));
    }

    /// Holds those out again that the settings name again.
    pub(super) fn unpark_drains(&mut self) {
        let now = self.context.now;
        let targets = &self.targets;
        let back = self.drains.unpark(now, |address| targets.contains_key(&address));
        for (address, drain) in back {
            self.take_up_drain(address, drain);
        }
    }

    /// Refuses the commands that wait for the zone to be read and are about nobody who is watched any
    /// more, and has it read for the others: whoever was reading it was stopped by the reload.
    pub(super) fn ask_again(&mut self) {
        let targets = &self.targets;
        for order in self.drains.take_unwatched(|address| targets.contains_key(&address)) {
            let answer = Err(DrainRefusal::NotATarget);
            self.context.act(Action::DrainAnswered { ticket: order.ticket, answer });
        }
        if self.drains.is_awaiting_listing() {
            self.context.act(Action::Prepare);
        }
    }

    /// All drains: those in force, and those of addresses that are not watched for now.
    pub fn drains(&self) -> BTreeMap<IpAddr, Drain> {
        self.drains.all()
    }
}
