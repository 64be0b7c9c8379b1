//! The services, by their ids.

use std::collections::BTreeMap;

use super::ids::ServiceId;
use super::service::Service;
use super::settings::ServiceSettings;

/// The services of the settings in force.
#[derive(Debug, Default)]
pub(super) struct Services {
    by_id: BTreeMap<ServiceId, Service>,
}

impl Services {
    /// Returns a service, if there is one with this id.
    pub(super) fn get(&self, id: ServiceId) -> Option<&Service> {
        self.by_id.get(&id)
    }

    /// Returns a service for modification, if there is one with this id.
    pub(super) fn get_mut(&mut self, id: ServiceId) -> Option<&mut Service> {
        self.by_id.get_mut(&id)
    }

    /// Iterates over all services, by their ids.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Service> {
        self.by_id.values()
    }

    /// Iterates over all services for modification, by their ids.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Service> {
        self.by_id.values_mut()
    }

    /// Adds the services that are new in `settings`. Removes and returns those that are gone.
    pub(super) fn follow(
        &mut self,
        settings: &BTreeMap<ServiceId, ServiceSettings>,
    ) -> Vec<Service> {
        let gone = self.by_id.extract_if(.., |id, _| !settings.contains_key(id));
        let gone = gone.map(|(_, service)| service).collect();
        for (id, its) in settings {
            self.by_id.entry(*id).or_insert_with(|| Service::new(*id, its.clone()));
        }
        gone
    }
}
