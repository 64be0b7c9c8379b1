//! The services of this agent as its peers know them: by name.
//!
//! Two agents may give the same service different ids, so a vote names its service. Within the
//! agent a service is known by its id, which is never used for another name.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::engine::ids::{ServiceId, TargetRef};

/// A service that this agent watches.
#[derive(Debug, Clone)]
pub struct WatchedService {
    /// The id of the service.
    pub id: ServiceId,
    /// The name of the service, the same on all agents.
    pub name: String,
    /// The watched addresses.
    pub targets: Vec<IpAddr>,
}

impl WatchedService {
    /// Returns the service `default` with these targets.
    pub fn of_default(targets: impl IntoIterator<Item = IpAddr>) -> Self {
        let targets = targets.into_iter().collect();
        Self { id: ServiceId::DEFAULT, name: "default".into(), targets }
    }

    /// Iterates over the targets.
    pub(crate) fn target_refs(&self) -> impl Iterator<Item = TargetRef> {
        self.targets.iter().map(|&address| TargetRef { service: self.id, address })
    }
}

/// The names of all services that this agent has or had.
///
/// A removed service keeps its entry, since its votes are still to be retracted.
#[derive(Debug, Default)]
pub(crate) struct ServiceRegister(Mutex<BTreeMap<ServiceId, Arc<str>>>);

impl ServiceRegister {
    /// Adds services that are new.
    pub(crate) fn add(&self, services: &[WatchedService]) {
        let mut names = self.names();
        for service in services {
            names.entry(service.id).or_insert_with(|| service.name.as_str().into());
        }
    }

    /// Returns the name of a service.
    pub(crate) fn name(&self, service: ServiceId) -> Option<Arc<str>> {
        self.names().get(&service).cloned()
    }

    fn names(&self) -> MutexGuard<'_, BTreeMap<ServiceId, Arc<str>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
