//! The withdrawn records in the state, by zone.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, MutexGuard, PoisonError};

use super::StateStore;
use crate::agent::clock::{unix, wall};
use crate::dns::Attributes;
use crate::dns::providers::ZoneConfig;
use crate::dns::reconciler::RecordStore;
use crate::dns::reconciler::record_memory::{RecordMemory, Remembered};
use crate::engine::ids::ZoneId;
use crate::engine::plan::{Family, SetKey};
use crate::state::{DEFAULT, Pending, Withdrawn};

/// One zone of the configuration.
#[derive(Debug, Clone, Default)]
pub(super) struct ManagedZone {
    /// Its name in the configuration.
    name: String,
    /// The owner names that are managed in it.
    managed: BTreeSet<String>,
}

#[cfg(test)]
impl ManagedZone {
    pub(super) fn new(name: &str, managed: &[&str]) -> Self {
        let managed = managed.iter().map(|name| (*name).to_owned()).collect();
        Self { name: name.to_owned(), managed }
    }
}

/// Selects the entries of one zone: those with its name, and those of a zone that is not in the
/// configuration, at names that are managed in this zone alone. The latter is so after the zone was
/// renamed.
struct Selection<'a> {
    zone: Option<&'a ManagedZone>,
    zones: &'a BTreeMap<ZoneId, ManagedZone>,
}

impl<'a> Selection<'a> {
    fn new(zone: ZoneId, zones: &'a BTreeMap<ZoneId, ManagedZone>) -> Self {
        Self { zone: zones.get(&zone), zones }
    }

    /// Returns the name of the zone. Only tests have none for a zone.
    fn name(&self) -> &str {
        self.zone.map_or(DEFAULT, |zone| &zone.name)
    }

    fn has(&self, zone: &str, name: &str) -> bool {
        if zone == self.name() {
            return true;
        }
        let Some(own) = self.zone.filter(|own| own.managed.contains(name)) else { return false };
        self.zones.values().all(|other| {
            other.name != zone && (other.name == own.name || !other.managed.contains(name))
        })
    }
}

impl StateStore {
    fn zones(&self) -> MutexGuard<'_, BTreeMap<ZoneId, ManagedZone>> {
        self.zones.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Follows the zones of a configuration. The entries of others are kept, up to a bound.
    pub(in crate::agent) fn assign_zones(&self, zones: &BTreeMap<ZoneId, ZoneConfig>) {
        let mut memory = self.memory();
        let mut known = BTreeMap::new();
        for (id, zone) in zones {
            let managed = zone.names().into_values().flatten().collect();
            known.insert(*id, ManagedZone { name: zone.name.clone(), managed });
        }
        let names: BTreeSet<&str> = known.values().map(|zone| zone.name.as_str()).collect();
        let mut unknown: Vec<Withdrawn> = memory
            .withdrawn
            .extract_if(.., |record| !names.contains(record.zone.as_str()))
            .collect();
        super::keep_newest(&mut unknown, |record| record.at);
        memory.withdrawn.extend(unknown);
        drop(names);
        *self.zones() = known;
    }

    /// Returns the withdrawn records as they are saved.
    pub(in crate::agent) fn withdrawn(&self) -> Vec<Withdrawn> {
        self.memory().withdrawn.clone()
    }

    /// Returns the settings of the withdrawn records of a zone.
    pub(super) fn records_of(&self, zone: ZoneId) -> RecordMemory {
        let memory = self.memory();
        let zones = self.zones();
        let selection = Selection::new(zone, &zones);
        let withdrawn = memory.withdrawn.iter();
        let records: RecordMemory = withdrawn
            .filter(|record| selection.has(&record.zone, &record.name))
            .filter_map(read_record)
            .collect();
        let pending = memory.pending.iter().filter(|it| selection.has(&it.zone, &it.name));
        records.with_pending(pending.map(|it| (set_of(&it.name, it.address), it.address)))
    }

    /// Stores the withdrawn records of a zone. Those of other zones stay as they are.
    pub(super) fn note_records(&self, zone: ZoneId, records: &RecordMemory) {
        let now = unix(wall());
        let mut memory = self.memory();
        let zones = self.zones();
        let selection = Selection::new(zone, &zones);
        let before: BTreeMap<(String, IpAddr), u64> = memory
            .withdrawn
            .extract_if(.., |old| selection.has(&old.zone, &old.name))
            .map(|old| ((old.name, old.address), old.at))
            .collect();
        for (set, address, record) in records.records() {
            let old = before.get(&(set.name.clone(), address));
            memory.withdrawn.push(Withdrawn {
                zone: selection.name().to_owned(),
                name: set.name.clone(),
                r#type: set.family.to_string(),
                address,
                at: old.copied().unwrap_or(now),
                attributes: to_json(&record.attributes),
                came_back_as: record.came_back_as.as_ref().map(to_json),
            });
        }
        memory.pending.retain(|old| !selection.has(&old.zone, &old.name));
        for (set, address) in records.pending() {
            let (zone, name) = (selection.name().to_owned(), set.name.clone());
            memory.pending.push(Pending { zone, name, address: *address });
        }
    }
}

fn read_record(withdrawn: &Withdrawn) -> Option<(SetKey, IpAddr, Remembered)> {
    let attributes = serde_json::from_value(withdrawn.attributes.clone()).ok()?;
    let less = withdrawn.came_back_as.clone();
    let came_back_as = less.map(serde_json::from_value).transpose().ok()?;
    let set = set_of(&withdrawn.name, withdrawn.address);
    Some((set, withdrawn.address, Remembered { attributes, came_back_as }))
}

fn to_json(attributes: &Attributes) -> serde_json::Value {
    serde_json::to_value(attributes).unwrap_or_default()
}

/// Returns the set of an address at a name.
pub(super) fn set_of(name: &str, address: IpAddr) -> SetKey {
    SetKey { name: name.to_owned(), family: Family::of(address) }
}

/// Saves the withdrawn records of one zone in the state file.
#[derive(Debug)]
pub(in crate::agent) struct Records {
    pub(in crate::agent) store: Arc<StateStore>,
    pub(in crate::agent) zone: ZoneId,
}

impl RecordStore for Records {
    fn load(&self) -> RecordMemory {
        self.store.records_of(self.zone)
    }

    fn save<'a>(
        &'a self,
        memory: &'a RecordMemory,
    ) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        Box::pin(async move {
            self.store.note_records(self.zone, memory);
            Arc::clone(&self.store).write_in_time().await;
        })
    }
}
