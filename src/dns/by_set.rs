//! Values that a zone has, and that services override at their record sets.

use std::collections::BTreeMap;

use crate::engine::plan::SetKey;

/// A value for each record set of a zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BySet<T> {
    of_zone: T,
    own: BTreeMap<SetKey, T>,
}

impl<T: Copy> BySet<T> {
    /// Returns the value of the zone for all of its sets.
    pub fn new(of_zone: T) -> Self {
        Self { of_zone, own: BTreeMap::new() }
    }

    /// Returns the value of the zone, and these ones for the sets that have their own.
    pub(crate) fn with(of_zone: T, own: &BTreeMap<SetKey, T>) -> Self {
        Self { of_zone, own: own.clone() }
    }

    /// Returns the value for a set.
    pub(crate) fn at(&self, set: &SetKey) -> T {
        self.own.get(set).copied().unwrap_or(self.of_zone)
    }

    /// Returns the value for a set that belongs to no service.
    pub(crate) fn of_zone(&self) -> T {
        self.of_zone
    }
}
