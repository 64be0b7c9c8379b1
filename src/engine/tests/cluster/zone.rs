//! The provider: one record set, with the semantics of Cloudflare or Route 53.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use crate::engine::plan::{Family, Observed, SetKey};
use crate::engine::tests::world::NAME;

/// Returns the key of the one record set.
pub(super) fn key() -> SetKey {
    SetKey { name: NAME.into(), family: Family::A }
}

/// The condition under which a change is refused because the zone has changed since its listing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A record to delete is gone, or one to create exists: Cloudflare's batch.
    ByRecord,
    /// Anything in the set has changed: Route 53's compare-and-swap.
    WholeSet,
}

/// A change that took effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Write {
    pub(super) at: Duration,
    pub(super) by: usize,
    pub(super) address: IpAddr,
    /// Whether the record was created; otherwise it was deleted.
    pub(super) came: bool,
}

/// The result of a listing.
#[derive(Debug, Clone)]
pub(super) struct Reading {
    records: BTreeMap<IpAddr, u64>,
    version: u64,
}

impl Reading {
    pub(super) fn observed(&self) -> Observed {
        [(key(), self.records.keys().copied().collect::<BTreeSet<_>>())].into_iter().collect()
    }
}

#[derive(Debug, Clone)]
pub(super) struct Zone {
    kind: Kind,
    /// The records at the provider, by address.
    records: BTreeMap<IpAddr, u64>,
    version: u64,
    pub(super) writes: Vec<Write>,
    /// The number of listings so far.
    pub(super) readings: usize,
    /// The number of changes that were refused because the set had changed.
    pub(super) refused: usize,
}

impl Zone {
    pub(super) fn new(kind: Kind, records: impl IntoIterator<Item = IpAddr>) -> Self {
        let records = records.into_iter().zip(1..).collect();
        Self { kind, records, version: 1_000, writes: vec![], readings: 0, refused: 0 }
    }

    pub(super) fn read(&mut self) -> Reading {
        self.readings += 1;
        Reading { records: self.records.clone(), version: self.version }
    }

    pub(super) fn holds(&self, address: IpAddr) -> bool {
        self.records.contains_key(&address)
    }

    pub(super) fn len(&self) -> usize {
        self.records.len()
    }

    /// Makes all of these changes or none; returns whether it made them.
    pub(super) fn apply(
        &mut self,
        (at, by): (Duration, usize),
        from: &Reading,
        create: &[IpAddr],
        delete: &[IpAddr],
    ) -> bool {
        let as_it_was = match self.kind {
            Kind::WholeSet => self.version == from.version,
            Kind::ByRecord => {
                let same =
                    |address: &IpAddr| self.records.get(address) == from.records.get(address);
                delete.iter().all(same) && !create.iter().any(|address| self.holds(*address))
            }
        };
        if !as_it_was {
            self.refused += 1;
            return false;
        }
        for (address, came) in
            delete.iter().map(|a| (*a, false)).chain(create.iter().map(|a| (*a, true)))
        {
            self.version += 1;
            if came {
                self.records.insert(address, self.version);
            } else {
                self.records.remove(&address);
            }
            self.writes.push(Write { at, by, address, came });
        }
        true
    }
}
