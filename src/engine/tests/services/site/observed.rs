//! The state of a site that scenes look at, and its claims.

use std::net::IpAddr;

use super::{Site, service, target};
use crate::engine::event::Reason;
use crate::engine::plan::{Family, SetKey};
use crate::engine::tests::world::ip;
use crate::engine::types::{Endpoint, Health, Method};

impl Site {
    /// Returns the last bytes of the addresses at the name of a service.
    pub(in crate::engine::tests::services) fn published(&self, number: usize) -> Vec<u8> {
        let addresses = self.published_of(number, Family::A);
        addresses.iter().map(crate::engine::tests::world::last).collect()
    }

    /// Returns the addresses of a family at the name of a service.
    pub(in crate::engine::tests::services) fn published_of(
        &self,
        number: usize,
        family: Family,
    ) -> Vec<IpAddr> {
        let its = &self.settings.services[&service(number)];
        let key = SetKey { name: its.names[0].clone(), family };
        let zone = self.zones.get(&its.zone);
        let set = zone.and_then(|zone| zone.records.sets.get(&key));
        set.into_iter().flatten().copied().collect()
    }

    /// Returns the reason of a target of a service.
    pub(in crate::engine::tests::services) fn reason(
        &self,
        number: usize,
        last: u8,
    ) -> Option<Reason> {
        self.engine.target_view(target(number, last)).unwrap().reason
    }

    /// Returns the health of a target.
    pub(in crate::engine::tests::services) fn health(
        &self,
        number: usize,
        last: u8,
    ) -> Option<Health> {
        Some(self.engine.target_view(target(number, last))?.health)
    }

    /// Returns the number of probes to a port so far, or of echo requests.
    pub(in crate::engine::tests::services) fn probes_of(
        &self,
        last: u8,
        port: Option<u16>,
    ) -> usize {
        self.probes_of_endpoint(Endpoint { address: ip(last), method: Method::of_port(port) })
    }

    /// Returns the number of probes to an endpoint so far.
    pub(in crate::engine::tests::services) fn probes_of_endpoint(
        &self,
        endpoint: Endpoint,
    ) -> usize {
        self.ledger.probes.iter().filter(|(_, its)| *its == endpoint).count()
    }

    /// Checks every claim so far.
    pub(in crate::engine::tests::services) fn assert_sound(&self, label: &str) {
        let zones = self.zones.values().flat_map(|zone| &zone.broken);
        let broken: Vec<&String> = self.ledger.broken.iter().chain(zones).collect();
        assert!(broken.is_empty(), "{label}: {broken:#?}");
    }
}
