//! The operator's word: targets taken out by hand, and given back.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::event::{Action, Drain, DrainOrder, DrainRefusal, Fact, Settings, Slot};
use super::plan::{self, Wish};
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
            self.asked.push(order);
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
        // Those whose withdrawal is on its way will be gone too.
        let mut left = self.observed.clone();
        let leaving: BTreeSet<IpAddr> = self
            .ordered
            .iter()
            .filter(|(_, wish)| **wish == Wish::WithdrawAnyway)
            .map(|(address, _)| *address)
            .collect();
        for there in left.values_mut() {
            there.retain(|address| !leaving.contains(address));
        }
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
        let Some(slot) = self.targets.get(&address).copied() else { return };
        self.agenda.note(drain.until.unwrap_or(now), Item::Verdict(slot));
        self.agenda.note(now, Item::Verdict(slot));
        if let Some(target) = self.target_mut(slot) {
            target.drain = Some(drain);
            // Whoever was out by verdict before is out by hand now: another wish.
            target.settled = false;
            target.settled_on = now;
            target.act_at = now;
            target.held.clear();
        }
        self.unsettled.insert(address);
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
        let answer = match slot.and_then(|slot| self.target_mut(slot)) {
            None => Err(DrainRefusal::NotATarget),
            Some(target) => target.drain.take().map(|_| ()).ok_or(DrainRefusal::NotDrained),
        };
        let done = answer.is_ok();
        out.push(Action::DrainAnswered { ticket, answer });
        if let (true, Some(slot)) = (done, slot) {
            out.push(Action::Tell(Fact::Undrained { target, expired: false }));
            out.push(Action::Remember(self.drains()));
            self.review(slot, now, out);
        }
    }

    pub(super) fn end_drain_in_time(&mut self, slot: Slot, now: Moment, out: &mut Vec<Action>) {
        let Some(target) = self.target_mut(slot) else { return };
        let until = target.drain.as_ref().and_then(|drain| drain.until);
        if until.is_some_and(|until| until <= now) {
            target.drain = None;
            let target = target.address;
            out.push(Action::Tell(Fact::Undrained { target, expired: true }));
            out.push(Action::Remember(self.drains()));
        }
    }

    /// All drains in force.
    pub fn drains(&self) -> BTreeMap<IpAddr, Drain> {
        let targets = self.targets.values().filter_map(|slot| self.target(*slot));
        targets.filter_map(|target| Some((target.address, target.drain.clone()?))).collect()
    }
}
