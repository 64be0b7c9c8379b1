//! The services by their ids, and the state that outlasts the removal of one.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::action::Action;
use super::context::Context;
use super::drain::{Drain, DrainRefusal};
use super::ids::{EndpointId, OrderNumber, ServiceId, TargetKey, TargetRef, ZoneId};
use super::service::{Drains, Service};
use super::settings::ServiceSettings;

/// The settings of all services, by their ids.
type AllSettings = BTreeMap<ServiceId, ServiceSettings>;

/// The services of the settings in force.
#[derive(Debug, Default)]
pub(super) struct Services {
    by_id: BTreeMap<ServiceId, Service>,
    /// The services that were handed out for modification since the last decision pass.
    touched: BTreeSet<ServiceId>,
    /// The services that are gone. They may come back.
    removed: BTreeMap<ServiceId, RemovedService>,
    /// The number of targets of all services.
    target_count: usize,
}

/// The state of a service that outlasts its removal.
#[derive(Debug, Default)]
struct RemovedService {
    drains: Drains,
    /// The number of its last order. Reports about earlier orders may still come.
    last_order: OrderNumber,
}

/// A drain that follows its address to another service.
struct MovedDrain {
    to: ServiceId,
    address: IpAddr,
    drain: Drain,
}

impl Services {
    /// Returns a service, if there is one with this id.
    pub(super) fn get(&self, id: ServiceId) -> Option<&Service> {
        self.by_id.get(&id)
    }

    /// Returns a service for modification, if there is one with this id.
    pub(super) fn get_mut(&mut self, id: ServiceId) -> Option<&mut Service> {
        let service = self.by_id.get_mut(&id)?;
        self.touched.insert(id);
        Some(service)
    }

    /// Iterates over all services, by their ids.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Service> {
        self.by_id.values()
    }

    /// Iterates over all services for modification, by their ids.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Service> {
        self.touched.extend(self.by_id.keys());
        self.by_id.values_mut()
    }

    /// Iterates over the services in a zone for modification, by their ids.
    pub(super) fn in_zone_mut(&mut self, zone: ZoneId) -> impl Iterator<Item = &mut Service> {
        let touched = &mut self.touched;
        let services = self.by_id.values_mut().filter(move |service| service.zone() == zone);
        services.inspect(|service| _ = touched.insert(service.id))
    }

    /// Returns the number of targets of all services.
    pub(super) fn target_count(&self) -> usize {
        self.target_count
    }

    /// Returns the services that a decision pass has to look at, and regards them as done.
    pub(super) fn take_touched(&mut self) -> BTreeSet<ServiceId> {
        std::mem::take(&mut self.touched)
    }

    /// Has a service do the work of a decision pass. It is regarded as touched again if some is
    /// left.
    pub(super) fn pass(&mut self, id: ServiceId, work: impl FnOnce(&mut Service)) {
        if let Some(service) = self.by_id.get_mut(&id) {
            work(service);
            if service.has_work() {
                self.touched.insert(id);
            }
        }
    }

    /// Follows other settings: services and targets that they do not name are removed, new services
    /// are added without targets. Returns the removed targets with their endpoints.
    pub(super) fn follow(
        &mut self,
        settings: &AllSettings,
        context: &mut Context,
    ) -> Vec<(TargetKey, EndpointId)> {
        let moved = self.take_moved_drains(settings, context);
        let mut gone = Vec::new();
        for (id, mut service) in self.by_id.extract_if(.., |id, _| !settings.contains_key(id)) {
            gone.extend(service.retain(&BTreeSet::new()));
            service.refuse_waiting(&DrainRefusal::NotATarget, context);
            let (drains, last_order) = (service.drains, service.orders.last());
            self.removed.insert(id, RemovedService { drains, last_order });
        }
        self.target_count = 0;
        for (id, its) in settings {
            let removed = &mut self.removed;
            let service = self.by_id.entry(*id).or_insert_with(|| {
                let RemovedService { drains, last_order } = removed.remove(id).unwrap_or_default();
                Service::again(*id, its.clone(), drains, last_order)
            });
            let keep: BTreeSet<IpAddr> = its.targets.iter().copied().collect();
            gone.extend(service.retain(&keep));
            service.settings = its.clone();
            service.reserve(keep.len());
            self.target_count += keep.len();
        }
        for MovedDrain { to, address, drain } in moved {
            if let Some(service) = self.by_id.get_mut(&to) {
                service.drains.park(address, drain);
                service.store_drains(context);
            }
        }
        self.touched.extend(self.by_id.keys());
        gone
    }

    /// Removes and returns the drains that follow their addresses: those of addresses that a service
    /// loses and another one gains.
    fn take_moved_drains(
        &mut self,
        settings: &AllSettings,
        context: &mut Context,
    ) -> Vec<MovedDrain> {
        let mut moved = Vec::new();
        for from in self.by_id.values() {
            let kept = settings.get(&from.id).map(|its| &its.targets);
            for (address, drain) in from.drains.active() {
                if kept.is_some_and(|targets| targets.contains(&address)) {
                    continue;
                }
                for (to, its) in settings {
                    let watched = self.by_id.get(to).is_some_and(|it| it.id(address).is_some());
                    if !watched && its.targets.contains(&address) {
                        let drain = drain.clone();
                        moved.push((from.id, MovedDrain { to: *to, address, drain }));
                    }
                }
            }
        }
        for (from, MovedDrain { address, .. }) in &moved {
            if let Some(from) = self.by_id.get_mut(from) {
                // An address with several new services was removed for the first of them.
                if from.drains.end(*address).is_ok() {
                    from.store_drains(context);
                }
            }
        }
        moved.into_iter().map(|(_, drain)| drain).collect()
    }

    /// Remembers the drain of a target that is not watched, for when it is.
    pub(super) fn park(&mut self, target: TargetRef, drain: Drain) {
        let TargetRef { service, address } = target;
        match self.by_id.get_mut(&service) {
            Some(service) => service.drains.park(address, drain),
            None => self.removed.entry(service).or_default().drains.park(address, drain),
        }
    }

    /// Returns the drains of a service that is gone, for modification.
    pub(super) fn removed_drains(&mut self, id: ServiceId) -> Option<&mut Drains> {
        Some(&mut self.removed.get_mut(&id)?.drains)
    }

    /// Returns all drains, by service: those in force, and those of addresses and services that are
    /// currently not watched. A service without any has an empty entry.
    pub(super) fn drains(&self) -> BTreeMap<ServiceId, BTreeMap<IpAddr, Drain>> {
        let mut drains = BTreeMap::new();
        for (id, service) in &self.by_id {
            drains.insert(*id, service.drains.all());
        }
        for (id, removed) in &self.removed {
            drains.insert(*id, removed.drains.all());
        }
        drains
    }

    /// Requests that the drains of a service that is gone be stored.
    pub(super) fn store_removed(&self, service: ServiceId, context: &mut Context) {
        if let Some(removed) = self.removed.get(&service) {
            let drains = removed.drains.all();
            context.act(Action::StoreDrains { service, drains });
        }
    }
}
