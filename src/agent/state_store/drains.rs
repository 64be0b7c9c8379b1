//! The drains in the state, by service.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{MutexGuard, PoisonError};

use super::StateStore;
use crate::agent::calendar::{Calendar, Clocks};
use crate::agent::clock::{unix, wall};
use crate::engine::Moment;
use crate::engine::event::Drain;
use crate::engine::ids::{ServiceId, TargetRef};
use crate::state::SavedDrain;

/// The drains of one service.
#[derive(Debug, Default)]
pub(super) struct ServiceDrains {
    /// The drains as they are saved.
    saved: Vec<SavedDrain>,
    /// Interprets their dates.
    calendar: Calendar,
}

impl ServiceDrains {
    /// Returns the drains of an earlier process.
    pub(super) fn remembered(saved: Vec<SavedDrain>) -> Self {
        Self { saved, calendar: Calendar::default() }
    }
}

/// Reads both clocks; `engine` is the time of the engine's clock.
fn clocks(engine: Moment) -> Clocks {
    Clocks { engine, wall: unix(wall()) }
}

impl StateStore {
    fn service_drains(&self) -> MutexGuard<'_, BTreeMap<ServiceId, ServiceDrains>> {
        self.drains.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the drains that may still be in force, for an engine that starts at `start`.
    pub(in crate::agent) fn drains(&self, start: Moment) -> BTreeMap<TargetRef, Drain> {
        let now = clocks(start);
        let mut drains = BTreeMap::new();
        for (service, ServiceDrains { saved, calendar }) in self.service_drains().iter_mut() {
            for (address, drain) in calendar.adopt(saved, now) {
                drains.insert(TargetRef { service: *service, address }, drain);
            }
        }
        drains
    }

    /// Stores the drains of a service; `now` is the time of the engine's clock.
    pub(in crate::agent) fn note_drains(
        &self,
        service: ServiceId,
        drains: &BTreeMap<IpAddr, Drain>,
        now: Moment,
    ) {
        let mut memory = self.memory();
        let mut all = self.service_drains();
        let ServiceDrains { saved, calendar } = all.entry(service).or_default();
        *saved = calendar.date(saved, drains, clocks(now));
        memory.drains = all.values().flat_map(|service| service.saved.iter().cloned()).collect();
    }

    /// Returns the new ends of those of a service's `drains` that move because the wall clock was
    /// set.
    pub(in crate::agent) fn clock_set(
        &self,
        service: ServiceId,
        drains: &BTreeMap<IpAddr, Drain>,
        now: Moment,
    ) -> BTreeMap<IpAddr, Moment> {
        let mut all = self.service_drains();
        let ServiceDrains { saved, calendar } = all.entry(service).or_default();
        calendar.clock_set(saved, drains, clocks(now))
    }
}
