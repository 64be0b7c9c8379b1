//! The withdrawn records in the state, by zone.

use std::collections::BTreeMap;
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
use crate::state::{Memory, Pending, Withdrawn};

impl StateStore {
    fn zones(&self) -> MutexGuard<'_, BTreeMap<String, ZoneId>> {
        self.zones.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Assigns the managed names to their zones. A name that was never managed belongs to the first
    /// zone.
    pub(in crate::agent) fn assign_names(&self, zones: &BTreeMap<ZoneId, ZoneConfig>) {
        let mut owners = self.zones();
        for (id, zone) in zones {
            for name in zone.names().into_values().flatten() {
                owners.insert(name, *id);
            }
        }
    }

    /// Returns the settings of all withdrawn records.
    pub(in crate::agent) fn records(&self) -> RecordMemory {
        read_records(&self.memory(), |_| true)
    }

    /// Returns the settings of the withdrawn records of a zone.
    fn records_of(&self, zone: ZoneId) -> RecordMemory {
        let memory = self.memory();
        let zones = self.zones();
        read_records(&memory, |name| is_of(zone, name, &zones))
    }

    /// Stores the withdrawn records of a zone. Those of other zones stay as they are.
    pub(super) fn note_records(&self, zone: ZoneId, records: &RecordMemory) {
        let now = unix(wall());
        let mut memory = self.memory();
        let zones = self.zones();
        let before: Vec<_> =
            memory.withdrawn.extract_if(.., |old| is_of(zone, &old.name, &zones)).collect();
        for (set, address, record) in records.records() {
            if !is_of(zone, &set.name, &zones) {
                continue;
            }
            let old = before.iter().find(|old| old.name == set.name && old.address == address);
            memory.withdrawn.push(Withdrawn {
                name: set.name.clone(),
                r#type: set.family.to_string(),
                address,
                at: old.map_or(now, |old| old.at),
                attributes: to_json(&record.attributes),
                came_back_as: record.came_back_as.as_ref().map(to_json),
            });
        }
        memory.pending.retain(|old| !is_of(zone, &old.name, &zones));
        for (set, address) in records.pending() {
            if is_of(zone, &set.name, &zones) {
                memory.pending.push(Pending { name: set.name.clone(), address: *address });
            }
        }
    }
}

/// Whether the records at `name` belong to a zone.
fn is_of(zone: ZoneId, name: &str, zones: &BTreeMap<String, ZoneId>) -> bool {
    *zones.get(name).unwrap_or(&ZoneId::DEFAULT) == zone
}

/// Returns the records at the names for which `is_selected` returns true.
fn read_records(memory: &Memory, is_selected: impl Fn(&str) -> bool) -> RecordMemory {
    let withdrawn = memory.withdrawn.iter().filter(|record| is_selected(&record.name));
    let pending = memory.pending.iter().filter(|pending| is_selected(&pending.name));
    let records: RecordMemory = withdrawn.filter_map(read_record).collect();
    records.with_pending(pending.map(|it| (set_of(&it.name, it.address), it.address)))
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
