//! The operator's commands: targets taken out by hand, and given back.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::{Outside, Service};
use crate::engine::action::Action;
use crate::engine::context::Context;
use crate::engine::drain::{Drain, DrainCommand, DrainRefusal, DrainStep};
use crate::engine::fact::Fact;
use crate::engine::ids::Ticket;
use crate::engine::moment::Moment;
use crate::engine::plan::{self, Observed};
use crate::engine::schedule::Item;

impl Service {
    /// Handles the command to take a target out. If the floor has to be checked, the command is
    /// answered once the zone has been listed.
    pub(in crate::engine) fn drain(&mut self, command: DrainCommand, context: &mut Context) {
        if self.id(command.target).is_none() {
            context.answer(command.ticket, Err(DrainRefusal::NotATarget));
        } else if command.force || command.step == DrainStep::Drain || self.settings.floor == 0 {
            self.accept_drain(command, context);
        } else {
            self.drains.await_listing(command);
            context.act(Action::Prepare(self.zone()));
        }
    }

    /// Answers the commands that waited for a listing of the zone.
    pub(in crate::engine) fn answer_waiting(
        &mut self,
        observed: &Observed,
        outside: Outside<'_>,
        context: &mut Context,
    ) {
        for command in self.drains.take_awaiting() {
            // Targets with a withdrawal that is in progress, or was just requested, will be gone too.
            let mut left = observed.clone();
            let leaving = self.drains.all();
            left.without(|address| leaving.contains_key(address));
            // Targets that wait, and standbys, go in with the same change if this makes them needed.
            let mut coming = self.returns_after(command.target, outside, context);
            coming.extend(self.standbys_after(command.target, &coming, outside, context));
            for set in plan::record_sets(&self.settings.names, &coming) {
                left.sets.entry(set).or_default().extend(&coming);
            }
            let (names, floor) = (&self.settings.names, self.settings.floor);
            let broken = plan::floor_breaks(names, &left, command.target, floor);
            if broken.is_empty() {
                self.accept_drain(command, context);
            } else {
                context.answer(command.ticket, Err(DrainRefusal::Floor(broken)));
            }
        }
    }

    /// Refuses the commands that wait for a listing of the zone.
    pub(in crate::engine) fn refuse_waiting(
        &mut self,
        refusal: &DrainRefusal,
        context: &mut Context,
    ) {
        for command in self.drains.take_awaiting() {
            context.answer(command.ticket, Err(refusal.clone()));
        }
    }

    fn accept_drain(&mut self, command: DrainCommand, context: &mut Context) {
        if command.step == DrainStep::Check {
            context.answer(command.ticket, Ok(()));
            return;
        }
        let DrainCommand { ticket, target, lasts, reason, force, .. } = command;
        let before = self.drains.get(target).filter(|drain| !drain.is_over(context.now));
        let before = before.cloned().unwrap_or_default();
        let until = lasts.map(|lasts| context.now + lasts).or(before.until);
        let (reason, forced) = (reason.or(before.reason), force || before.forced);
        let drain = Drain { until, reason, forced, ..Drain::default() };
        self.begin_drain(target, drain.clone(), context);
        self.note_drain(target);
        context.report(Fact::Drained { service: self.id, target, drain });
        context.answer(ticket, Ok(()));
        self.store_drains(context);
        if let Some(id) = self.id(target) {
            self.mark(id);
        }
    }

    /// Keeps a target out at the operator's command, given now or before a restart.
    pub(in crate::engine) fn begin_drain(
        &mut self,
        address: IpAddr,
        drain: Drain,
        context: &mut Context,
    ) {
        let Some(id) = self.id(address) else {
            self.drains.park(address, drain);
            return;
        };
        let key = self.key(id);
        context.schedule.add(drain.until.unwrap_or(context.now), Item::Verdict(key));
        context.schedule.add(context.now, Item::Verdict(key));
        self.drains.begin(address, drain);
        if let Some(target) = self.targets.get_mut(id) {
            // A target already withdrawn by verdict is now withdrawn by command, which is another
            // desired state.
            target.verdict.start_over(context.now);
        }
        self.orders.open(address);
    }

    /// Requests that all drains be stored.
    pub(in crate::engine) fn store_drains(&self, context: &mut Context) {
        context.act(Action::StoreDrains { service: self.id, drains: self.drains.all() });
    }

    /// Handles the command to give a target back.
    pub(in crate::engine) fn undrain(
        &mut self,
        ticket: Ticket,
        target: IpAddr,
        context: &mut Context,
    ) {
        let id = self.id(target);
        let ended =
            if id.is_some() { self.drains.end(target) } else { self.drains.end_parked(target) };
        let done = ended.is_ok();
        context.answer(ticket, ended);
        if !done {
            return;
        }
        if let Some(id) = id {
            self.mark(id);
        }
        context.report(Fact::Undrained { service: self.id, target, expired: false });
        self.store_drains(context);
    }

    /// Changes the times at which drains end. Drains without an end, and drains that are over, stay
    /// as they are.
    pub(in crate::engine) fn set_drain_ends(
        &mut self,
        ends: &BTreeMap<IpAddr, Moment>,
        context: &mut Context,
    ) {
        for (address, until) in self.drains.set_ends(ends) {
            if let Some(id) = self.id(address) {
                context.schedule.add(until.max(context.now), Item::Verdict(self.key(id)));
            }
        }
        self.store_drains(context);
    }

    /// Ends the drain of a target if it has expired.
    pub(super) fn end_drain_in_time(&mut self, target: IpAddr, context: &mut Context) {
        if self.drains.expire(target, context.now) {
            context.report(Fact::Undrained { service: self.id, target, expired: true });
            context.act(Action::StoreDrains { service: self.id, drains: self.drains.all() });
        }
    }

    /// Begins the parked drains of addresses that are watched again.
    pub(in crate::engine) fn begin_parked_drains(&mut self, context: &mut Context) {
        let watched = &self.by_address;
        let parked = self.drains.unpark(context.now, |address| watched.contains_key(&address));
        for (address, drain) in parked {
            self.begin_drain(address, drain, context);
        }
    }

    /// Refuses the commands that wait for a listing but no longer name a watched target. Requests a
    /// listing for the others: the reload stopped the one in progress.
    pub(in crate::engine) fn resume_waiting(&mut self, context: &mut Context) {
        let watched = &self.by_address;
        let unwatched = self.drains.take_unwatched(|address| watched.contains_key(&address));
        for command in unwatched {
            context.answer(command.ticket, Err(DrainRefusal::NotATarget));
        }
        if self.drains.is_awaiting_listing() {
            context.act(Action::Prepare(self.zone()));
        }
    }
}
