//! The ids of services, zones and requests, which they keep for the life of the process: a service by its
//! name, a zone by its place, a request by its settings.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::engine::ids::{ServiceId, ZoneId};
use crate::engine::types::{Endpoint, Method};
use crate::probe::requests::Requests;
use crate::settings::{CheckMethod, Config, DEFAULT, NamedZone};

/// The ids of all services and zones that the configurations of this process have named. Clones
/// share them.
///
/// No id is used for two services or zones. The state of one that is gone is thus never mistaken for
/// that of another one, and is found again when it comes back. Zones may swap their names, so a zone is
/// known by the place where it is managed; only the zone of a file that names none is always the same.
#[derive(Debug, Clone, Default)]
pub(super) struct Ids {
    assigned: Arc<Mutex<AssignedIds>>,
    requests: Arc<Requests>,
}

#[derive(Debug, Default)]
struct AssignedIds {
    services: NumberedNames,
    zones: NumberedNames,
}

/// Names or places with a number each, in the order of their first use. `default` has the number 0.
#[derive(Debug)]
struct NumberedNames(BTreeMap<String, usize>);

impl Default for NumberedNames {
    fn default() -> Self {
        Self([(DEFAULT.to_owned(), 0)].into())
    }
}

impl NumberedNames {
    /// Returns the number of a name. A new name gets the next one.
    fn number(&mut self, name: &str) -> usize {
        if let Some(number) = self.0.get(name) {
            return *number;
        }
        let next = self.0.len();
        self.0.insert(name.to_owned(), next);
        next
    }
}

impl Ids {
    fn assigned(&self) -> MutexGuard<'_, AssignedIds> {
        self.assigned.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the table of requests, from which the probers have their settings.
    pub(super) fn requests(&self) -> &Arc<Requests> {
        &self.requests
    }

    /// Returns how the engine knows the way in which a check asks an address.
    pub(super) fn method(&self, method: &CheckMethod) -> Method {
        match method {
            CheckMethod::Echo => Method::Echo,
            CheckMethod::Connect(port) => Method::Connect(*port),
            CheckMethod::Request(settings) => Method::Request(self.requests.id_of(settings)),
        }
    }

    /// Returns the endpoints of a configuration: canaries first, then the targets by each of their
    /// checks.
    pub(super) fn endpoints(&self, config: &Config) -> Vec<Endpoint> {
        let mut endpoints = Vec::new();
        for canary in &config.canaries {
            endpoints
                .push(Endpoint { address: canary.address, method: self.method(&canary.method) });
        }
        for service in &config.services {
            for check in &service.checks {
                let method = self.method(&check.method);
                let targets = service.probed().iter();
                endpoints.extend(targets.map(|address| Endpoint { address: *address, method }));
            }
        }
        endpoints
    }

    /// Returns the id of the service with this name.
    pub(super) fn service(&self, name: &str) -> ServiceId {
        self.assigned().services.number(name).into()
    }

    /// Returns the name of a service, also of one that is gone.
    pub(super) fn service_name(&self, service: ServiceId) -> Option<String> {
        let assigned = self.assigned();
        let number = usize::from(service);
        let (name, _) = assigned.services.0.iter().find(|(_, its)| **its == number)?;
        Some(name.clone())
    }

    /// Returns the id of a zone of the configuration.
    pub(super) fn zone(&self, zone: &NamedZone) -> ZoneId {
        self.zone_at(&zone.name, &zone.provider.place())
    }

    /// Returns the id of the zone with this name at this place.
    fn zone_at(&self, name: &str, place: &str) -> ZoneId {
        if name == DEFAULT {
            return ZoneId::DEFAULT;
        }
        self.assigned().zones.number(place).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_keeps_its_id_and_no_other_name_gets_it() {
        let ids = Ids::default();
        let [www, mx] = ["www", "mx"].map(|name| ids.service(name));
        assert_eq!([www, mx].map(usize::from), [1, 2]);
        let clone = ids.clone();
        assert_eq!(["mx", "api", "www"].map(|name| clone.service(name)), [mx, 3.into(), www]);
        assert_eq!(ids.service("api"), 3.into(), "clones share them");
        assert_eq!(ids.zone_at("mx", "a"), 1.into(), "a zone may bear the name of a service");
        assert_eq!(ids.service_name(mx).as_deref(), Some("mx"));
        assert_eq!(ids.service_name(9.into()), None);
    }

    #[test]
    fn the_name_of_the_only_service_and_zone_has_the_id_of_old_files() {
        let ids = Ids::default();
        assert_eq!(ids.service("www"), 1.into());
        assert_eq!(ids.service(DEFAULT), ServiceId::DEFAULT);
        assert_eq!(ids.zone_at(DEFAULT, "a"), ZoneId::DEFAULT);
        assert_eq!(ids.zone_at(DEFAULT, "b"), ZoneId::DEFAULT);
    }

    #[test]
    fn a_zone_keeps_its_id_when_it_is_renamed_and_when_two_swap_their_names() {
        let ids = Ids::default();
        let before = [("one", "a"), ("two", "b")].map(|(name, place)| ids.zone_at(name, place));
        let after = [("two", "a"), ("one", "b")].map(|(name, place)| ids.zone_at(name, place));
        assert_eq!(before.map(usize::from), [1, 2]);
        assert_eq!(after, before);
        assert_eq!(ids.zone_at("one", "c"), 3.into(), "another domain by a known name");
    }
}
