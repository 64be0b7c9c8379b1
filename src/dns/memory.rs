//! What withdrawn records carried, so that restoring brings all of it back.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::{Attributes, Changes};
use crate::engine::plan::SetKey;

/// The attributes of withdrawn records, by where they were.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Memory {
    records: BTreeMap<(SetKey, IpAddr), Attributes>,
}

impl Memory {
    /// What the record at `set` carried, if it was withdrawn by this agent.
    pub fn recall(&self, set: &SetKey, address: IpAddr) -> Option<&Attributes> {
        self.records.get(&(set.clone(), address))
    }

    /// Remembers what is about to be deleted. Of identical duplicates the first one is kept.
    pub(super) fn remember(&mut self, changes: &Changes) {
        let mut kept = std::collections::BTreeSet::new();
        for (set, record) in &changes.delete {
            let place = (set.clone(), record.address);
            if kept.insert(place.clone()) {
                self.records.insert(place, record.attributes.clone());
            }
        }
    }

    /// Forgets what is back.
    pub(super) fn forget(&mut self, changes: &Changes) {
        for new in &changes.create {
            self.records.remove(&(new.set.clone(), new.address));
        }
    }

    /// Everything that is remembered.
    pub fn records(&self) -> impl Iterator<Item = (&SetKey, IpAddr, &Attributes)> {
        self.records.iter().map(|((set, address), attributes)| (set, *address, attributes))
    }
}

impl FromIterator<(SetKey, IpAddr, Attributes)> for Memory {
    fn from_iter<I: IntoIterator<Item = (SetKey, IpAddr, Attributes)>>(records: I) -> Self {
        let entry = |(set, address, attributes)| ((set, address), attributes);
        Self { records: records.into_iter().map(entry).collect() }
    }
}
