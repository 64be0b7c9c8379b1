//! Several services in one world. Each agent numbers them in an order of its own, as each file may
//! list them in another order, and each service has a zone and a port of its own.
//!
//! The world knows a target by one address: the targets of `default` by their own, those of the
//! service with number `n` by an address that lies `n` times [`STRIDE`] further. All services watch
//! the same machines.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use super::world::World;
use super::zone::Zone;
use crate::engine::TargetView;
use crate::engine::event::Fact;
use crate::engine::ids::{ServiceId, TargetRef, ZoneId};
use crate::engine::plan::Desired;
use crate::engine::quorum::{TargetName, ranking};
use crate::engine::settings::{CheckSettings, Settings};
use crate::engine::tests::world::{canary, ip, last};
use crate::engine::types::{Endpoint, Method};

/// The distance between the addresses of two services in the world.
pub(super) const STRIDE: u8 = 20;

/// The names of the services, by number.
const NAMES: [&str; 3] = ["default", "mail", "www"];

/// The services as one agent numbers them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Naming {
    services: usize,
    is_turned: bool,
}

impl Naming {
    /// Returns the numbering of an agent: every second one has the named services the other way
    /// round.
    pub(super) fn of(agent: usize, services: usize) -> Self {
        Self { services, is_turned: agent % 2 == 1 }
    }

    /// Returns the agent's number of the service with this number in the world, or vice versa.
    fn turn(self, number: usize) -> usize {
        if self.is_turned && number > 0 { self.services - number } else { number }
    }

    pub(super) fn id(self, service: usize) -> ServiceId {
        self.turn(service).into()
    }

    pub(super) fn zone(self, service: usize) -> ZoneId {
        self.turn(service).into()
    }

    /// Returns the number in the world of the service, or of its zone.
    pub(super) fn number(self, id: impl Into<usize>) -> usize {
        self.turn(id.into())
    }

    /// Returns the world's address of a target of an engine.
    pub(super) fn outer(self, target: TargetRef) -> IpAddr {
        in_world(self.number(target.service), target.address)
    }

    /// Returns the target of the engine that the world knows by an address.
    pub(super) fn inner(self, address: IpAddr) -> TargetRef {
        if self.services == 1 {
            return TargetRef::of_default(address);
        }
        let (service, address) = apart(address);
        TargetRef { service: self.id(service), address }
    }

    /// Returns the world's view of a target of an engine.
    pub(super) fn outer_view(self, view: TargetView) -> TargetView {
        let address = self.outer(TargetRef { service: view.service, address: view.address });
        TargetView { address, ..view }
    }

    /// Returns the world's view of desired states of a service.
    pub(super) fn outer_desired(
        self,
        service: ServiceId,
        desired: &BTreeMap<IpAddr, Desired>,
    ) -> BTreeMap<IpAddr, Desired> {
        let mut outer = BTreeMap::new();
        for (&address, &state) in desired {
            outer.insert(self.outer(TargetRef { service, address }), state);
        }
        outer
    }

    /// Returns the world's view of a fact, if it is about a single target.
    pub(super) fn outer_fact(self, mut fact: Fact) -> Fact {
        if let Fact::Flipped { service, target, .. }
        | Fact::Verdict { service, target, .. }
        | Fact::Refused { service, target, .. }
        | Fact::RefusalOver { service, target, .. } = &mut fact
        {
            *target = self.outer(TargetRef { service: *service, address: *target });
        }
        fact
    }

    /// Returns the settings of the world as an engine has them.
    pub(super) fn inner_settings(self, outer: &Settings) -> Settings {
        if self.services == 1 {
            return outer.clone();
        }
        let mut inner = outer.clone();
        let zone = outer.zones[&ZoneId::DEFAULT].clone();
        inner.services.clear();
        inner.zones.clear();
        for (number, its) in outer.services() {
            let number = usize::from(number);
            let mut its = its.clone();
            its.targets = its.targets.iter().map(|address| apart(*address).1).collect();
            its.zone = self.zone(number);
            let port = u16::try_from(number).ok().filter(|port| *port > 0);
            its.set_check(CheckSettings { method: Method::of_port(port), ..its.check() });
            inner.services.insert(self.id(number), its);
            inner.zones.insert(self.zone(number), zone.clone());
        }
        inner
    }
}

/// Returns the world's address of an address of the service with this number.
pub(super) fn in_world(service: usize, address: IpAddr) -> IpAddr {
    match service {
        0 => address,
        _ => ip(last(&address) + STRIDE * u8::try_from(service).unwrap()),
    }
}

/// Returns the world's address of a probed endpoint.
pub(super) fn probed(endpoint: Endpoint) -> IpAddr {
    let service = endpoint.method.port().map_or(0, usize::from);
    if endpoint.address == canary() { canary() } else { in_world(service, endpoint.address) }
}

/// Returns the number of the service and the address that the world knows by one address.
fn apart(address: IpAddr) -> (usize, IpAddr) {
    let number = last(&address) / STRIDE;
    (number.into(), ip(last(&address) - number * STRIDE))
}

/// Returns settings with all services, each of them with the targets of `default`.
pub(super) fn with_services(mut settings: Settings) -> Settings {
    let default = settings.default_service().clone();
    for (number, name) in NAMES.into_iter().enumerate().skip(1) {
        let mut its = default.clone();
        its.name = name.into();
        its.targets = its.targets.iter().map(|address| in_world(number, *address)).collect();
        settings.services.insert(number.into(), its);
    }
    settings
}

impl World {
    /// The number of services.
    pub(super) fn services(&self) -> usize {
        1 + self.named_zones.len()
    }

    pub(super) fn naming(&self, agent: usize) -> Naming {
        Naming::of(agent, self.services())
    }

    /// Returns the number of the service that the world knows a target of by this address.
    pub(super) fn service_of(&self, address: IpAddr) -> usize {
        if self.services() == 1 { 0 } else { apart(address).0 }
    }

    /// Returns the zone of the service with this number.
    pub(super) fn zone_of(&self, service: usize) -> &Zone {
        if service == 0 { &self.zone } else { &self.named_zones[service - 1] }
    }

    pub(super) fn zone_of_mut(&mut self, service: usize) -> &mut Zone {
        if service == 0 { &mut self.zone } else { &mut self.named_zones[service - 1] }
    }

    /// Whether the record of a target is in its zone.
    pub(super) fn is_published(&self, address: IpAddr) -> bool {
        match self.services() {
            1 => self.zone.holds(address),
            _ => self.zone_of(apart(address).0).holds(apart(address).1),
        }
    }

    /// Returns the changes of the zones that took effect, by the world's addresses.
    pub(super) fn changed(&self) -> impl Iterator<Item = IpAddr> {
        let zones = (0..self.services()).map(|service| (service, self.zone_of(service)));
        zones.flat_map(|(service, zone)| {
            zone.writes.iter().map(move |write| in_world(service, write.address))
        })
    }

    /// Returns the weight of an agent for a target.
    pub(super) fn weight(&self, target: IpAddr, agent: SocketAddr) -> u64 {
        let service = self.service_of(target);
        let address = if service == 0 { target } else { apart(target).1 };
        let named = (service > 0).then(|| NAMES[service]);
        ranking::weight(TargetName { service: named, address }, agent)
    }
}
