//! The drains in the state, by service.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::{MutexGuard, PoisonError};

use super::StateStore;
use crate::agent::calendar::{Calendar, Clocks};
use crate::agent::clock::{unix, wall};
use crate::agent::ids::Ids;
use crate::engine::Moment;
use crate::engine::event::Drain;
use crate::engine::ids::{ServiceId, TargetRef};
use crate::engine::settings::Settings;
use crate::state::{DEFAULT, SavedDrain};

/// The drains of one service.
#[derive(Debug, Default)]
struct ServiceDrains {
    /// The drains as they are saved.
    saved: Vec<SavedDrain>,
    /// Interprets their dates.
    calendar: Calendar,
}

/// Reads both clocks; `engine` is the time of the engine's clock.
fn clocks(engine: Moment) -> Clocks {
    Clocks { engine, wall: unix(wall()) }
}

/// The services of the configurations of this process, and the drains of all services.
#[derive(Debug, Default)]
pub(super) struct KnownServices {
    names: BTreeMap<ServiceId, String>,
    /// The services of the configuration in force.
    in_force: BTreeSet<ServiceId>,
    /// The drains by the name of the service. A service may be unknown: it may come back.
    drains: BTreeMap<String, ServiceDrains>,
}

impl KnownServices {
    /// Returns the drains of an earlier process.
    pub(super) fn remembered(saved: &[SavedDrain]) -> Self {
        let mut by_service: BTreeMap<String, Vec<SavedDrain>> = BTreeMap::new();
        for drain in saved {
            by_service.entry(drain.service.clone()).or_default().push(drain.clone());
        }
        let drains = by_service.into_iter().map(|(service, saved)| {
            (service, ServiceDrains { saved, calendar: Calendar::default() })
        });
        Self { drains: drains.collect(), ..Self::default() }
    }

    /// Returns the name of a service, and its drains.
    fn of(&mut self, service: ServiceId) -> (&str, &mut ServiceDrains) {
        // Only tests store drains of a service that no configuration named.
        let name = self.names.entry(service).or_insert_with(|| DEFAULT.to_owned());
        let drains = self.drains.entry(name.clone()).or_default();
        (name, drains)
    }

    /// Returns the drains of all services as they are saved, without the oldest ones of unknown services
    /// if there are very many.
    fn saved(&self) -> Vec<SavedDrain> {
        let in_force = self.names.iter().filter(|(id, _)| self.in_force.contains(id));
        let known: BTreeSet<&String> = in_force.map(|(_, name)| name).collect();
        let (mut all, mut unknown) = (Vec::new(), Vec::new());
        for (name, drains) in &self.drains {
            let list = if known.contains(name) { &mut all } else { &mut unknown };
            list.extend(drains.saved.iter().cloned());
        }
        super::keep_newest(&mut unknown, |drain| drain.since);
        all.extend(unknown);
        all
    }
}

impl StateStore {
    fn services(&self) -> MutexGuard<'_, KnownServices> {
        self.services.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Learns the services of a configuration.
    pub(in crate::agent) fn assign_services(&self, settings: &Settings) {
        let mut services = self.services();
        services.in_force = settings.services.keys().copied().collect();
        for (id, service) in settings.services() {
            services.names.insert(id, service.name.clone());
        }
    }

    /// Returns the drains that may still be in force, for an engine that starts at `start` with these
    /// settings. Those of services without settings are among them: the services may come back. An
    /// entry without a service is one of the service `default`.
    pub(in crate::agent) fn drains(
        &self,
        settings: &Settings,
        ids: &Ids,
        start: Moment,
    ) -> BTreeMap<TargetRef, Drain> {
        self.assign_services(settings);
        let now = clocks(start);
        let mut services = self.services();
        let mut drains = BTreeMap::new();
        let KnownServices { names, drains: by_name, .. } = &mut *services;
        for (name, ServiceDrains { saved, calendar }) in by_name.iter_mut() {
            let service = ids.service(name);
            names.insert(service, name.clone());
            for (address, drain) in calendar.adopt(saved, now) {
                drains.insert(TargetRef { service, address }, drain);
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
        let mut services = self.services();
        let (name, ServiceDrains { saved, calendar }) = services.of(service);
        *saved = calendar.date(name, saved, drains, clocks(now));
        memory.drains = services.saved();
    }

    /// Returns the new ends of those of a service's `drains` that move because the wall clock was
    /// set.
    pub(in crate::agent) fn clock_set(
        &self,
        service: ServiceId,
        drains: &BTreeMap<IpAddr, Drain>,
        now: Moment,
    ) -> BTreeMap<IpAddr, Moment> {
        let mut services = self.services();
        let ServiceDrains { saved, calendar } = services.of(service).1;
        calendar.clock_set(saved, drains, clocks(now))
    }
}
