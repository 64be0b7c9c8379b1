//! The operator's commands: targets taken out by hand, and given back.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::event::{Action, Drain, DrainOrder, DrainRefusal, Fact, Settings, Slot};
use super::plan;
use super::{Engine, Item, Moment};

impl Engine {
    /// The operator takes a target out.
    pub(super) fn drain(&mut self, order: DrainOrder, now: Moment, out: &mut Vec<Action>) {
        let ticket = order.ticket;
        if !self.targets.contains_key(&order.target) {
            let answer = Err(DrainRefusal::NotATarget);
            out.push(Action::DrainAnswered { ticket, answer });
        } else if order.force || self.settings.floor == 0 {
            self.begin_drain(order, now, out);
        } else {
            // Answered when the zone has been read.
            self.drains.await_listing(order);
            out.push(Action::Prepare);
        }
    }

    pub(super) fn drain_if_floor_allows(
        &mut self,
        order: DrainOrder,
        now: Moment,
        out: &mut Vec<Action>,
    ) {
        let Settings { names, floor, .. } = &self.settings;
        // Those whose withdrawal is on its way, or ordered a moment ago, will be gone too.
        let mut left = self.zone.observed().clone();
        let leaving = self.drains();
        left.without(|address| leaving.contains_key(address));
        let broken = plan::floor_breaks(names, &left, order.target, *floor);
        if broken.is_empty() {
            self.begin_drain(order, now, out);
        } else {
            let answer = Err(DrainRefusal::Floor(broken));
            out.push(Action::DrainAnswered { ticket: order.ticket, answer });
        }
    }

    fn begin_drain(&mut self, order: DrainOrder, now: Moment, out: &mut Vec<Action>) {
        let drain = Drain { until: order.lasts.map(|lasts| now + lasts), reason: order.reason };
        self.take_up_drain(order.target, drain.clone(), now);
        out.push(Action::Tell(Fact::Drained { target: order.target, drain }));
        out.push(Action::DrainAnswered { ticket: order.ticket, answer: Ok(()) });
        out.push(Action::Remember(self.drains()));
        if let Some(slot) = self.targets.get(&order.target).copied() {
            self.review(slot, now, out);
        }
    }

    /// Holds a target out by the operator's word, said now or before a restart.
    pub(super) fn take_up_drain(&mut self, address: IpAddr, drain: Drain, now: Moment) {
        let Some(slot) = self.targets.get(&address).copied() else {
            self.drains.park(address, drain);
            return;
        };
        self.agenda.note(drain.until.unwrap_or(now), Item::Verdict(slot));
        self.agenda.note(now, Item::Verdict(slot));
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
    pub(super) fn undrain(
        &mut self,
        ticket: u64,
        target: IpAddr,
        now: Moment,
        out: &mut Vec<Action>,
    ) {
        let slot = self.targets.get(&target).copied();
        let answer = match slot {
            Some(_) => self.drains.end(target),
            None => self.drains.end_parked(target),
        };
        let done = answer.is_ok();
        out.push(Action::DrainAnswered { ticket, answer });
        if done {
            out.push(Action::Tell(Fact::Undrained { target, expired: false }));
            out.push(Action::Remember(self.drains()));
        }
        if let (true, Some(slot)) = (done, slot) {
            self.review(slot, now, out);
        }
    }

    pub(super) fn end_drain_in_time(&mut self, slot: Slot, now: Moment, out: &mut Vec<Action>) {
        let Some(target) = self.target(slot).map(|target| target.address) else { return };
        if self.drains.expire(target, now) {
            out.push(Action::Tell(Fact::Undrained { target, expired: true }));
            out.push(Action::Remember(self.drains()));
        }
    }

    /// Has drains end at other moments. Those that do not end by themselves, or are over, stay so.
    pub(super) fn redate_drains(
        &mut self,
        ends: &BTreeMap<IpAddr, Moment>,
        now: Moment,
        out: &mut Vec<Action>,
    ) {
        for (address, until) in self.drains.redate(ends) {
            if let Some(slot) = self.targets.get(&address).copied() {
                self.agenda.note(until.max(now), Item::Verdict(slot));
            }
        }
        out.push(Action::Remember(self.drains()));
    }

    /// Holds those out again that the settings name again.
    pub(super) fn unpark_drains(&mut self, now: Moment) {
        let targets = &self.targets;
        let back = self.drains.unpark(now, |address| targets.contains_key(&address));
        for (address, drain) in back {
            self.take_up_drain(address, drain, now);
        }
    }

    /// Refuses the commands that wait for the zone to be read and are about nobody who is watched any
    /// more, and has it read for the others: whoever was reading it was stopped by the reload.
    pub(super) fn ask_again(&mut self, out: &mut Vec<Action>) {
        let targets = &self.targets;
        for order in self.drains.take_unwatched(|address| targets.contains_key(&address)) {
            let answer = Err(DrainRefusal::NotATarget);
            out.push(Action::DrainAnswered { ticket: order.ticket, answer });
        }
        if self.drains.is_awaiting_listing() {
            out.push(Action::Prepare);
        }
    }

    /// All drains: those in force, and those of addresses that are not watched for now.
    pub fn drains(&self) -> BTreeMap<IpAddr, Drain> {
        self.drains.all()
    }
}
