//! The withdrawn records in the state, by zone.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;

use super::StateStore;
use crate::agent::clock::{unix, wall};
use crate::dns::Attributes;
use crate::dns::providers::ZoneConfig;
use crate::dns::reconciler::RecordStore;
use crate::dns::reconciler::record_memory::{RecordMemory, Remembered};
use crate::engine::ids::ZoneId;
use crate::engine::plan::{Family, SetKey};
#[cfg(test)]
use crate::state::DEFAULT;
use crate::state::{ManagedZone, ManagedZones, Pending, Withdrawn, ZoneKey};

impl StateStore {
    /// Follows the zones of a configuration: each entry belongs to the zone at its place from now on. The
    /// entries of zones that are not in it are kept, up to a bound.
    pub(in crate::agent) fn assign_zones(&self, zones: &BTreeMap<ZoneId, ZoneConfig>) {
        let zones = zones.values().map(|zone| {
            let managed = zone.names().into_values().flatten();
            ManagedZone::new(key_of(zone), managed)
        });
        self.assign(&zones.collect());
    }

    pub(super) fn assign(&self, zones: &ManagedZones) {
        let mut memory = self.memory();
        let mut unknown = memory.assign(zones);
        super::keep_newest(&mut unknown, |record| record.at);
        memory.withdrawn.extend(unknown);
    }

    /// Returns the withdrawn records as they are saved.
    pub(in crate::agent) fn withdrawn(&self) -> Vec<Withdrawn> {
        self.memory().withdrawn.clone()
    }

    /// Returns the settings of the withdrawn records of a zone.
    pub(super) fn records_of(&self, zone: &ZoneKey) -> RecordMemory {
        let memory = self.memory();
        let withdrawn = memory.withdrawn.iter().filter(|record| zone.is(&record.zone_key()));
        let records: RecordMemory = withdrawn.filter_map(read_record).collect();
        let pending = memory.pending.iter().filter(|it| zone.is(&it.zone_key()));
        records.with_pending(pending.map(|it| (set_of(&it.name, it.address), it.address)))
    }

    /// Stores the withdrawn records of a zone. Those of other zones stay as they are.
    pub(super) fn note_records(&self, zone: &ZoneKey, records: &RecordMemory) {
        let now = unix(wall());
        let mut memory = self.memory();
        let before: BTreeMap<(String, IpAddr), u64> = memory
            .withdrawn
            .extract_if(.., |old| zone.is(&old.zone_key()))
            .map(|old| ((old.name, old.address), old.at))
            .collect();
        for (set, address, record) in records.records() {
            let old = before.get(&(set.name.clone(), address));
            memory.withdrawn.push(Withdrawn {
                zone: zone.name.clone(),
                place: zone.place.clone(),
                name: set.name.clone(),
                r#type: set.family.to_string(),
                address,
                at: old.copied().unwrap_or(now),
                attributes: to_json(&record.attributes),
                came_back_as: record.came_back_as.as_ref().map(to_json),
            });
        }
        memory.pending.retain(|old| !zone.is(&old.zone_key()));
        for (set, address) in records.pending() {
            let (name, place) = (set.name.clone(), zone.place.clone());
            memory.pending.push(Pending {
                zone: zone.name.clone(),
                place,
                name,
                address: *address,
            });
        }
    }
}

/// Returns the key of a zone in the state.
fn key_of(zone: &ZoneConfig) -> ZoneKey {
    ZoneKey::new(&zone.name, &zone.provider.place())
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
    store: Arc<StateStore>,
    zone: ZoneKey,
}

impl Records {
    /// Returns the records of a zone in `store`.
    pub(in crate::agent) fn new(store: &Arc<StateStore>, zone: &ZoneConfig) -> Self {
        Self { store: Arc::clone(store), zone: key_of(zone) }
    }

    /// Returns the records of the zone of a file that names none.
    #[cfg(test)]
    pub(super) fn of_default(store: &Arc<StateStore>) -> Self {
        Self { store: Arc::clone(store), zone: ZoneKey::new(DEFAULT, "") }
    }
}

impl RecordStore for Records {
    fn load(&self) -> RecordMemory {
        self.store.records_of(&self.zone)
    }

    fn save<'a>(
        &'a self,
        memory: &'a RecordMemory,
    ) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        Box::pin(async move {
            self.store.note_records(&self.zone, memory);
            Arc::clone(&self.store).write_in_time().await;
        })
    }
}
