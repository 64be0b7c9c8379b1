//! The services by their ids, and the state that outlasts the removal of one.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::action::Action;
use super::context::Context;
use super::drain::{Drain, DrainRefusal, DrainScope};
use super::ids::{EndpointId, OrderNumber, ServiceId, TargetKey, TargetRef, ZoneId};
use super::moment::Moment;
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

/// A drain that follows its names or its address to another service.
struct MovedDrain {
    to: ServiceId,
    address: IpAddr,
    drain: Drain,
}

/// Returns those of the services that watch each of these addresses.
fn watchers<'a>(
    services: impl Iterator<Item = (ServiceId, &'a ServiceSettings)>,
    addresses: BTreeSet<IpAddr>,
) -> BTreeMap<IpAddr, BTreeMap<ServiceId, &'a ServiceSettings>> {
    let none = addresses.into_iter().map(|address| (address, BTreeMap::new()));
    let mut watchers: BTreeMap<_, BTreeMap<_, _>> = none.collect();
    if watchers.is_empty() {
        return watchers;
    }
    for (id, its) in services {
        for target in its.targets.iter() {
            if let Some(watchers) = watchers.get_mut(target) {
                watchers.insert(id, its);
            }
        }
    }
    watchers
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
            service.forget_out();
            service.reserve(keep.len());
            self.target_count += keep.len();
        }
        for MovedDrain { to, address, drain } in moved {
            if let Some(service) = self.by_id.get_mut(&to).filter(|it| !it.drains.holds(address)) {
                service.drains.park(address, drain);
                service.store_drains(context);
            }
        }
        self.touched.extend(self.by_id.keys());
        gone
    }

    /// Returns the drains that belong to other services under other settings, and removes those that no
    /// longer belong to their own.
    fn take_moved_drains(
        &mut self,
        settings: &AllSettings,
        context: &mut Context,
    ) -> Vec<MovedDrain> {
        self.set_scopes();
        let mut drains = Vec::new();
        for (id, service) in &self.by_id {
            for (address, drain) in service.drains.all() {
                drains.push((*id, address, drain, service.drains.is_drained(address)));
            }
        }
        for (id, removed) in &self.removed {
            let parked = removed.drains.all().into_iter();
            drains.extend(parked.map(|(address, drain)| (*id, address, drain, false)));
        }
        let addresses = drains.iter().map(|(_, address, ..)| *address).collect();
        let watchers = watchers(settings.iter().map(|(id, its)| (*id, its)), addresses);
        let mut moved = Vec::new();
        for (from, address, drain, is_active) in drains {
            let heirs = drain.scope.heirs(from, is_active, &watchers[&address]);
            if !heirs.is_empty() && !heirs.contains(&from) {
                self.end_moved(from, address, context);
            }
            for to in heirs.into_iter().filter(|heir| *heir != from) {
                moved.push(MovedDrain { to, address, drain: drain.clone() });
            }
        }
        moved
    }

    /// Removes a drain that belongs to other services from now on.
    fn end_moved(&mut self, from: ServiceId, address: IpAddr, context: &mut Context) {
        if let Some(from) = self.by_id.get_mut(&from) {
            from.drains.take(address);
            from.store_drains(context);
        } else if let Some(removed) = self.removed.get_mut(&from) {
            removed.drains.take(address);
            self.store_removed(from, context);
        }
    }

    /// Adds the drains that an earlier process remembered, to the services that they belong to.
    pub(super) fn remember(&mut self, drains: BTreeMap<TargetRef, Drain>, context: &mut Context) {
        let services = self.by_id.iter().map(|(id, service)| (*id, &service.settings));
        let watchers = watchers(services, drains.keys().map(|at| at.address).collect());
        let (mut placed, mut changed) = (BTreeMap::new(), BTreeSet::new());
        let mut moved = Vec::new();
        for (TargetRef { service: from, address }, drain) in drains {
            let heirs = drain.scope.heirs(from, true, &watchers[&address]);
            if heirs.is_empty() || heirs.contains(&from) {
                placed.insert((from, address), drain.clone());
            } else {
                changed.insert(from);
            }
            moved.extend(
                heirs.into_iter().filter(|to| *to != from).map(|to| (to, address, drain.clone())),
            );
        }
        for (to, address, drain) in moved {
            changed.insert(to);
            placed.entry((to, address)).or_insert(drain);
        }
        for ((service, address), drain) in placed {
            match self.get_mut(service) {
                Some(service) => service.begin_drain(address, drain, context),
                None => self.park(TargetRef { service, address }, drain),
            }
        }
        for id in changed {
            if let Some(service) = self.by_id.get(&id) {
                service.store_drains(context);
            } else {
                self.removed.entry(id).or_default();
                self.store_removed(id, context);
            }
        }
    }

    /// Sets the scope of each drain in force to the settings in force.
    fn set_scopes(&mut self) {
        let mut scopes = Vec::new();
        for (id, service) in &self.by_id {
            for address in service.drains.all().into_keys() {
                scopes.extend(self.scope(*id, address).map(|scope| (*id, address, scope)));
            }
        }
        for (id, address, scope) in scopes {
            if let Some(service) = self.by_id.get_mut(&id) {
                service.drains.set_scope(address, scope);
            }
        }
    }

    /// Requests that the drains be stored of each service with drains whose scopes have changed since
    /// [`Self::follow`] began.
    pub(super) fn store_changed_scopes(&self, context: &mut Context) {
        for (id, service) in &self.by_id {
            let mut drains = service.drains.all().into_iter();
            if drains.any(|(at, drain)| self.scope(*id, at).is_some_and(|it| it != drain.scope)) {
                service.store_drains(context);
            }
        }
    }

    /// Returns the scope of a drain in force; `None` if the service does not watch the address.
    fn scope(&self, id: ServiceId, address: IpAddr) -> Option<DrainScope> {
        let service = self.by_id.get(&id).filter(|service| service.id(address).is_some())?;
        let watching = self.by_id.values().filter(|it| it.id != id && it.id(address).is_some());
        Some(DrainScope {
            names: service.settings.names.iter().cloned().collect(),
            others: watching.map(|other| other.settings.name.clone()).collect(),
        })
    }

    /// Completes the requests to store drains: those in force get the scope of now.
    pub(super) fn complete(&mut self, actions: &mut [Action]) {
        for action in actions {
            let Action::StoreDrains { service, drains } = action else { continue };
            for (address, drain) in drains {
                let Some(scope) = self.scope(*service, *address) else { continue };
                if let Some(service) = self.by_id.get_mut(service) {
                    service.drains.set_scope(*address, scope.clone());
                }
                drain.scope = scope;
            }
        }
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

    /// Returns the drains of addresses and services that are not watched at `now`, and that may be again.
    pub(super) fn waiting_drains(&self, now: Moment) -> Vec<(TargetRef, Drain)> {
        let known = self.by_id.iter().map(|(id, service)| (*id, &service.drains));
        let gone = self.removed.iter().map(|(id, removed)| (*id, &removed.drains));
        let mut waiting = Vec::new();
        for (service, drains) in known.chain(gone) {
            for (address, drain) in drains.parked().filter(|(_, drain)| !drain.is_over(now)) {
                waiting.push((TargetRef { service, address }, drain.clone()));
            }
        }
        waiting
    }

    /// Requests that the drains of a service that is gone be stored.
    pub(super) fn store_removed(&self, service: ServiceId, context: &mut Context) {
        if let Some(removed) = self.removed.get(&service) {
            let drains = removed.drains.all();
            context.act(Action::StoreDrains { service, drains });
        }
    }
}
