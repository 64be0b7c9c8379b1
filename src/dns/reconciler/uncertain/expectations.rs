//! The expected presence of addresses, from earlier listings and from this agent's own writes.

use std::collections::BTreeMap;
use std::net::IpAddr;

use tokio::time::Instant;

use crate::dns::Placement;
use crate::engine::plan::SetKey;

/// The expected presence of an address.
#[derive(Debug, Clone, Copy)]
pub(super) struct Expected {
    pub(super) present: bool,
    /// The time of the first of the newest listings that all contradict it.
    pub(super) contradicted: Option<Instant>,
}

impl Expected {
    fn new(present: bool) -> Self {
        Self { present, contradicted: None }
    }
}

/// The expected presence of addresses by place. A zone may have tens of thousands of them, so the key of
/// a set is kept once for all of its addresses.
#[derive(Debug, Default)]
pub(super) struct Expectations(BTreeMap<SetKey, BTreeMap<IpAddr, Expected>>);

impl Expectations {
    /// Records the expected presence of addresses in a set that have none recorded.
    pub(super) fn expect<'a>(
        &mut self,
        set: &SetKey,
        addresses: impl IntoIterator<Item = &'a IpAddr>,
        present: bool,
    ) {
        let mut addresses = addresses.into_iter().peekable();
        if addresses.peek().is_none() {
            return;
        }
        if !self.0.contains_key(set) {
            self.0.insert(set.clone(), BTreeMap::new());
        }
        let Some(its) = self.0.get_mut(set) else { return };
        for address in addresses {
            its.entry(*address).or_insert(Expected::new(present));
        }
    }

    /// Records the expected presence at a place.
    pub(super) fn insert(&mut self, (set, address): &Placement, present: bool) {
        self.0.entry(set.clone()).or_default().insert(*address, Expected::new(present));
    }

    /// Forgets a place.
    pub(super) fn remove(&mut self, (set, address): &Placement) {
        if let Some(its) = self.0.get_mut(set) {
            its.remove(address);
            if its.is_empty() {
                self.0.remove(set);
            }
        }
    }

    /// Forgets the places for which `keep` returns false.
    pub(super) fn retain(&mut self, mut keep: impl FnMut(&SetKey, IpAddr, &mut Expected) -> bool) {
        self.0.retain(|set, its| {
            its.retain(|address, expected| keep(set, *address, expected));
            !its.is_empty()
        });
    }

    /// Iterates over all places.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&SetKey, IpAddr, Expected)> {
        let sets = self.0.iter();
        sets.flat_map(|(set, its)| its.iter().map(move |(at, expected)| (set, *at, *expected)))
    }

    /// Whether nothing is expected.
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
