//! What withdrawn records carried, so that restoring brings all of it back.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::{Attributes, Changes, Listing};
use crate::engine::plan::SetKey;

/// The attributes of withdrawn records, by where they were.
///
/// An entry is made before the record is deleted, and stays until a listing shows the address at
/// its place again: what a provider merely confirmed may still have to be asked for once more.
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
    /// Returns whether that is news.
    pub(super) fn remember(&mut self, changes: &Changes) -> bool {
        let mut kept = BTreeSet::new();
        let mut news = false;
        for (set, record) in &changes.delete {
            let place = (set.clone(), record.address);
            if kept.insert(place.clone()) {
                let before = self.records.insert(place, record.attributes.clone());
                news |= before.as_ref() != Some(&record.attributes);
            }
        }
        news
    }

    /// Forgets what is in the zone, whoever put it back: from now on it counts as it is there. What
    /// `is_doubted` may still go, and is kept. Returns whether that is news.
    pub(super) fn found(
        &mut self,
        listing: &Listing,
        is_doubted: impl Fn(&(SetKey, IpAddr)) -> bool,
    ) -> bool {
        let before = self.records.len();
        self.records.retain(|place, _| {
            let (set, address) = place;
            if is_doubted(place) {
                return true;
            }
            let there = listing.sets.get(set).into_iter().flatten();
            there.into_iter().all(|record| record.address != *address)
        });
        self.records.len() != before
    }

    /// Whether anything is remembered of an owner name.
    pub(super) fn knows(&self, name: &str) -> bool {
        self.records.keys().any(|(set, _)| set.name == name)
    }

    /// The places of all that is remembered.
    pub(super) fn places(&self) -> Vec<(SetKey, IpAddr)> {
        self.records.keys().cloned().collect()
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
