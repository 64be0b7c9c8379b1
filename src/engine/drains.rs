//! The operator's word: targets taken out by hand, and given back.

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
            self.laid_by.insert(address, drain);
            return;
        };
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
        let drain = match slot.and_then(|slot| self.target_mut(slot)) {
            Some(target) => Ok(target.drain.take()),
            None => self.laid_by.remove(&target).map(Some).ok_or(DrainRefusal::NotATarget),
        };
        let answer = drain.and_then(|drain| drain.map(drop).ok_or(DrainRefusal::NotDrained));
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
        let Some(target) = self.target_mut(slot) else { return };
        let until = target.drain.as_ref().and_then(|drain| drain.until);
        if until.is_some_and(|until| until <= now) {
            target.drain = None;
            let target = target.address;
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
        for (address, &until) in ends {
            let slot = self.targets.get(address).copied();
            let drain = match slot.and_then(|slot| self.target_mut(slot)) {
                Some(target) => target.drain.as_mut(),
                None => self.laid_by.get_mut(address),
            };
            let Some(drain) = drain.filter(|drain| drain.until.is_some()) else { continue };
            drain.until = Some(until);
            if let Some(slot) = slot {
                self.agenda.note(until.max(now), Item::Verdict(slot));
            }
        }
        out.push(Action::Remember(self.drains()));
    }

    /// Holds those out again that the settings name again.
    pub(super) fn take_up_what_was_laid_by(&mut self, now: Moment) {
        self.laid_by.retain(|_, drain| drain.until.is_none_or(|until| until > now));
        let back: Vec<_> = {
            let targets = &self.targets;
            self.laid_by.extract_if(.., |address, _| targets.contains_key(address)).collect()
        };
        for (address, drain) in back {
            self.take_up_drain(address, drain, now);
        }
    }

    /// Drops the orders that wait for the zone to be read and are about nobody who is watched any
    /// more, and has it read for the others: whoever was reading it was stopped by the reload.
    pub(super) fn ask_again(&mut self, out: &mut Vec<Action>) {
        let targets = &self.targets;
        for order in self.asked.extract_if(.., |order| !targets.contains_key(&order.target)) {
            let answer = Err(DrainRefusal::NotATarget);
            out.push(Action::DrainAnswered { ticket: order.ticket, answer });
        }
        if !self.asked.is_empty() {
            out.push(Action::Prepare);
        }
    }

    /// All drains: those in force, and those of addresses that are not watched for now.
    pub fn drains(&self) -> BTreeMap<IpAddr, Drain> {
        let targets = self.targets.values().filter_map(|slot| self.target(*slot));
        let drained = targets.filter_map(|target| Some((target.address, target.drain.clone()?)));
        drained.chain(self.laid_by.clone()).collect()
    }
}
