//! The operator's commands: targets taken out by hand, and given back.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::Engine;
use super::action::Action;
use super::drain::{Drain, DrainCommand, DrainRefusal};
use super::fact::Fact;
use super::ids::Ticket;
use super::moment::Moment;
use super::plan;
use super::schedule::Item;
use super::settings::Settings;

impl Engine {
    /// Handles the operator's command to take a target out.
    pub(super) fn drain(&mut self, command: DrainCommand) {
        let ticket = command.ticket;
        if self.service().id(command.target).is_none() {
            let answer = Err(DrainRefusal::NotATarget);
            self.context.act(Action::DrainAnswered { ticket, answer });
        } else if command.force || self.context.settings.floor == 0 {
            self.accept_drain(command);
        } else {
            // The command is answered once the zone has been listed.
            self.services[0].drains.await_listing(command);
            self.context.act(Action::Prepare);
        }
    }

    pub(super) fn drain_if_floor_allows(&mut self, command: DrainCommand) {
        let Settings { names, floor, .. } = &self.context.settings;
        // Targets with a withdrawal that is in progress, or was just requested, will be gone too.
        let mut left = self.zones[0].observed().clone();
        let leaving = self.drains();
        left.without(|address| leaving.contains_key(address));
        let broken = plan::floor_breaks(names, &left, command.target, *floor);
        if broken.is_empty() {
            self.accept_drain(command);
        } else {
            let answer = Err(DrainRefusal::Floor(broken));
            self.context.act(Action::DrainAnswered { ticket: command.ticket, answer });
        }
    }

    fn accept_drain(&mut self, command: DrainCommand) {
        let now = self.context.now;
        let drain = Drain { until: command.lasts.map(|lasts| now + lasts), reason: command.reason };
        self.begin_drain(command.target, drain.clone());
        self.context.report(Fact::Drained { target: command.target, drain });
        self.context.act(Action::DrainAnswered { ticket: command.ticket, answer: Ok(()) });
        self.context.act(Action::StoreDrains(self.drains()));
        if let Some(id) = self.service().id(command.target) {
            self.services[0].mark(id);
        }
    }

    /// Keeps a target out at the operator's command, given now or before a restart.
    pub(super) fn begin_drain(&mut self, address: IpAddr, drain: Drain) {
        let orders = &mut self.zones[0].orders;
        self.services[0].begin_drain(address, drain, orders, &mut self.context);
    }

    /// Handles the operator's command to give a target back.
    pub(super) fn undrain(&mut self, ticket: Ticket, target: IpAddr) {
        let id = self.service().id(target);
        let drains = &mut self.services[0].drains;
        let answer = if id.is_some() { drains.end(target) } else { drains.end_parked(target) };
        let done = answer.is_ok();
        self.context.act(Action::DrainAnswered { ticket, answer });
        if done {
            self.context.report(Fact::Undrained { target, expired: false });
            self.context.act(Action::StoreDrains(self.drains()));
        }
        if let Some(id) = id.filter(|_| done) {
            self.services[0].mark(id);
        }
    }

    /// Changes the times at which drains end. Drains without an end, and drains that are over, stay
    /// as they are.
    pub(super) fn set_drain_ends(&mut self, ends: &BTreeMap<IpAddr, Moment>) {
        let now = self.context.now;
        for (address, until) in self.services[0].drains.set_ends(ends) {
            if let Some(id) = self.service().id(address) {
                self.context.schedule.add(until.max(now), Item::Verdict(id));
            }
        }
        self.context.act(Action::StoreDrains(self.drains()));
    }

    /// Drains those parked addresses again that the settings name again.
    pub(super) fn unpark_drains(&mut self) {
        let back = self.services[0].unpark_drains(self.context.now);
        for (address, drain) in back {
            self.begin_drain(address, drain);
        }
    }

    /// Refuses the commands that wait for a listing but no longer name a watched target. Requests a
    /// listing for the others: the reload stopped the one in progress.
    pub(super) fn resume_waiting_drains(&mut self) {
        for command in self.services[0].take_unwatched_drains() {
            let answer = Err(DrainRefusal::NotATarget);
            self.context.act(Action::DrainAnswered { ticket: command.ticket, answer });
        }
        if self.service().drains.is_awaiting_listing() {
            self.context.act(Action::Prepare);
        }
    }

    /// Returns all drains: those in force, and those of addresses that are currently not watched.
    pub fn drains(&self) -> BTreeMap<IpAddr, Drain> {
        self.service().drains.all()
    }
}
