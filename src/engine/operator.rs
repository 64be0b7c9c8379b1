//! The way of the operator's commands to the service that they name.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::Engine;
use super::drain::{Drain, DrainCommand, DrainRefusal};
use super::ids::{ServiceId, Ticket};
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
    pub(super) fn undrain(&mut self, ticket: Ticket, service: ServiceId, target: IpAddr) {
        match self.services.get_mut(service) {
            Some(service) => service.undrain(ticket, target, &mut self.context),
            None => self.context.answer(ticket, Err(DrainRefusal::NotATarget)),
        }
    }

    /// Passes on other times at which drains end.
    pub(super) fn set_drain_ends(&mut self, service: ServiceId, ends: &BTreeMap<IpAddr, Moment>) {
        if let Some(service) = self.services.get_mut(service) {
            service.set_drain_ends(ends, &mut self.context);
        }
    }

    /// Returns all drains of a service: those in force, and those of addresses that are currently
    /// not watched.
    pub fn drains(&self, service: ServiceId) -> BTreeMap<IpAddr, Drain> {
        self.services.get(service).map(|service| service.drains.all()).unwrap_or_default()
    }
}
