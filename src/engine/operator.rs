//! The way of the operator's commands to the service that they name.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::Engine;
use super::drain::{Drain, DrainCommand, DrainRefusal};
use super::fact::Fact;
use super::ids::{ServiceId, TargetRef, Ticket};
use super::moment::Moment;

impl Engine {
    /// Passes on the command to take a target out.
    pub(super) fn drain(&mut self, command: DrainCommand) {
        match self.services.get_mut(command.service) {
            Some(service) => service.drain(command, &mut self.context),
            None => self.context.answer(command.ticket, Err(DrainRefusal::NotATarget)),
        }
    }

    /// Passes on the command to give a target back.
    pub(super) fn undrain(&mut self, ticket: Ticket, id: ServiceId, target: IpAddr) {
        match self.services.get_mut(id) {
            Some(service) => service.undrain(ticket, target, &mut self.context),
            None => self.undrain_removed(ticket, id, target),
        }
    }

    /// Passes on the command to put a target back at once; with `undrain`, also to give it back.
    pub(super) fn return_now(
        &mut self,
        ticket: Ticket,
        id: ServiceId,
        target: IpAddr,
        undrain: bool,
    ) {
        match self.services.get_mut(id) {
            Some(service) => service.return_now(ticket, target, undrain, &mut self.context),
            None if undrain => self.undrain_removed(ticket, id, target),
            None => self.context.answer(ticket, Err(DrainRefusal::NotATarget)),
        }
    }

    /// Ends a drain that is remembered of a service that is gone.
    fn undrain_removed(&mut self, ticket: Ticket, service: ServiceId, target: IpAddr) {
        let drains = self.services.removed_drains(service);
        let ended = drains.map_or(Err(DrainRefusal::NotATarget), |its| its.end_parked(target));
        let done = ended.is_ok();
        self.context.answer(ticket, ended);
        if done {
            self.context.report(Fact::Undrained { service, target, expired: false });
            self.services.store_removed(service, &mut self.context);
        }
    }

    /// Passes on other times at which drains end.
    pub(super) fn set_drain_ends(&mut self, id: ServiceId, ends: &BTreeMap<IpAddr, Moment>) {
        if let Some(service) = self.services.get_mut(id) {
            service.set_drain_ends(ends, &mut self.context);
        } else if let Some(drains) = self.services.removed_drains(id) {
            drains.set_ends(ends);
            self.services.store_removed(id, &mut self.context);
        }
    }

    /// Returns the drains of addresses and services that are not in the settings, and that may come back.
    pub fn waiting_drains(&self) -> Vec<(TargetRef, Drain)> {
        self.services.waiting_drains(self.context.now)
    }

    /// Returns all drains, by service: those in force, and those of addresses and services that are
    /// currently not watched. A service without any has an empty entry.
    pub fn drains(&self) -> BTreeMap<ServiceId, BTreeMap<IpAddr, Drain>> {
        self.services.drains()
    }
}
