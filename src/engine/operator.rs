//! The operator's commands: targets taken out by hand, and given back.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::Engine;
use super::action::Action;
use super::drain::{Drain, DrainCommand, DrainRefusal};
use super::fact::Fact;
use super::ids::{ServiceId, Ticket};
use super::moment::Moment;
use super::plan;
use super::schedule::Item;
use super::service::Service;
use super::settings::ServiceSettings;

impl Engine {
    fn answer(&mut self, ticket: Ticket, answer: Result<(), DrainRefusal>) {
        self.context.act(Action::DrainAnswered { ticket, answer });
    }

    /// Handles the operator's command to take a target out.
    pub(super) fn drain(&mut self, command: DrainCommand) {
        let service = self.services.get_mut(command.service);
        let Some(service) = service.filter(|service| service.id(command.target).is_some()) else {
            return self.answer(command.ticket, Err(DrainRefusal::NotATarget));
        };
        if command.force || service.settings.floor == 0 {
            self.accept_drain(command);
        } else {
            // The command is answered once the zone has been listed.
            let zone = service.zone();
            service.drains.await_listing(command);
            self.context.act(Action::Prepare(zone));
        }
    }

    pub(super) fn drain_if_floor_allows(&mut self, command: DrainCommand) {
        let Some(service) = self.services.get(command.service) else { return };
        let Some(zone) = self.zones.get(service.zone()) else { return };
        // Targets with a withdrawal that is in progress, or was just requested, will be gone too.
        let mut left = zone.observed().clone();
        let leaving = service.drains.all();
        left.without(|address| leaving.contains_key(address));
        let ServiceSettings { names, floor, .. } = &service.settings;
        let broken = plan::floor_breaks(names, &left, command.target, *floor);
        if broken.is_empty() {
            self.accept_drain(command);
        } else {
            self.answer(command.ticket, Err(DrainRefusal::Floor(broken)));
        }
    }

    fn accept_drain(&mut self, command: DrainCommand) {
        let DrainCommand { ticket, service, target, lasts, reason, .. } = command;
        let now = self.context.now;
        let drain = Drain { until: lasts.map(|lasts| now + lasts), reason };
        self.begin_drain(service, target, drain.clone());
        self.context.report(Fact::Drained { service, target, drain });
        self.answer(ticket, Ok(()));
        self.store_drains(service);
        if let Some(service) = self.services.get_mut(service)
            && let Some(id) = service.id(target)
        {
            service.mark(id);
        }
    }

    /// Keeps a target out at the operator's command, given now or before a restart.
    pub(super) fn begin_drain(&mut self, service: ServiceId, address: IpAddr, drain: Drain) {
        if let Some(service) = self.services.get_mut(service) {
            service.begin_drain(address, drain, &mut self.context);
        }
    }

    fn store_drains(&mut self, service: ServiceId) {
        let drains = self.drains(service);
        self.context.act(Action::StoreDrains { service, drains });
    }

    /// Handles the operator's command to give a target back.
    pub(super) fn undrain(&mut self, ticket: Ticket, service: ServiceId, target: IpAddr) {
        let Some(its) = self.services.get_mut(service) else {
            return self.answer(ticket, Err(DrainRefusal::NotATarget));
        };
        let id = its.id(target);
        let answer =
            if id.is_some() { its.drains.end(target) } else { its.drains.end_parked(target) };
        let done = answer.is_ok();
        if let Some(id) = id.filter(|_| done) {
            its.mark(id);
        }
        self.answer(ticket, answer);
        if done {
            self.context.report(Fact::Undrained { service, target, expired: false });
            self.store_drains(service);
        }
    }

    /// Changes the times at which drains end. Drains without an end, and drains that are over, stay
    /// as they are.
    pub(super) fn set_drain_ends(&mut self, service: ServiceId, ends: &BTreeMap<IpAddr, Moment>) {
        let now = self.context.now;
        let Some(its) = self.services.get_mut(service) else { return };
        for (address, until) in its.drains.set_ends(ends) {
            if let Some(id) = its.id(address) {
                self.context.schedule.add(until.max(now), Item::Verdict(its.key(id)));
            }
        }
        self.store_drains(service);
    }

    /// Refuses the commands that wait for a listing but no longer name a watched target. Requests a
    /// listing for the others: the reload stopped the one in progress.
    pub(super) fn resume_waiting_drains(&mut self, service: ServiceId) {
        let Some(service) = self.services.get_mut(service) else { return };
        let (zone, unwatched) = (service.zone(), service.take_unwatched_drains());
        let waits = service.drains.is_awaiting_listing();
        for command in unwatched {
            self.answer(command.ticket, Err(DrainRefusal::NotATarget));
        }
        if waits {
            self.context.act(Action::Prepare(zone));
        }
    }

    /// Refuses the commands that wait for a listing, and ends all drains, of a removed service.
    pub(super) fn end_drains(&mut self, removed: &mut Service) {
        for command in removed.drains.take_awaiting() {
            self.answer(command.ticket, Err(DrainRefusal::NotATarget));
        }
        let (service, drains) = (removed.id, removed.drains.all());
        for target in drains.keys().copied() {
            self.context.report(Fact::Undrained { service, target, expired: false });
        }
        if !drains.is_empty() {
            self.context.act(Action::StoreDrains { service, drains: BTreeMap::new() });
        }
    }

    /// Returns all drains of a service: those in force, and those of addresses that are currently
    /// not watched.
    pub fn drains(&self, service: ServiceId) -> BTreeMap<IpAddr, Drain> {
        self.services.get(service).map(|service| service.drains.all()).unwrap_or_default()
    }
}
