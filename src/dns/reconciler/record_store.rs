//! Saving the record memory outside of the process.

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;

use super::record_memory::RecordMemory;
use crate::dns::{Attributes, Listing, Placement, RecordChanges};
use crate::engine::plan::SetKey;

/// A store for the record memory that survives a restart.
pub trait RecordStore: fmt::Debug + Send + Sync {
    /// Returns the saved memory.
    fn load(&self) -> RecordMemory;

    /// Saves the whole memory. Called whenever it changes: before records are deleted, and when they
    /// are found in the zone again.
    ///
    /// The reconciler waits for it, and so does the withdrawal of a dead address: it must not take
    /// long.
    fn save<'a>(
        &'a self,
        memory: &'a RecordMemory,
    ) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>>;
}

/// A record memory that is saved whenever it changes.
#[derive(Debug)]
pub(super) struct SavedMemory {
    memory: RecordMemory,
    store: Option<Arc<dyn RecordStore>>,
}

impl SavedMemory {
    /// Creates a memory that is saved in `store`. Without a store it is kept in this process only.
    pub(super) fn new(memory: RecordMemory, store: Option<Arc<dyn RecordStore>>) -> Self {
        Self { memory, store }
    }

    /// Returns the memory at the end of the reconciler.
    pub(super) fn into_inner(self) -> RecordMemory {
        self.memory
    }

    /// Returns the settings of a withdrawn record; see [`RecordMemory::recall`].
    pub(super) fn recall(&self, set: &SetKey, address: IpAddr) -> Option<&Attributes> {
        self.memory.recall(set, address)
    }

    /// Whether anything is remembered of an owner name.
    pub(super) fn knows(&self, name: &str) -> bool {
        self.memory.knows(name)
    }

    /// Returns the places at which a write may still take effect; see [`RecordMemory::places`].
    pub(super) fn places(&self) -> Vec<Placement> {
        self.memory.places()
    }

    /// Returns the places of incompletely restored records.
    pub(super) fn incomplete(&self) -> Vec<Placement> {
        self.memory.incomplete()
    }

    /// Remembers the records that are about to be deleted or created.
    pub(super) async fn remember(&mut self, changes: &RecordChanges) {
        if self.memory.remember(changes) {
            self.save().await;
        }
    }

    /// Records the created records; see [`RecordMemory::created`].
    pub(super) fn created(&mut self, places: impl IntoIterator<Item = Placement>) {
        self.memory.created(places);
    }

    /// Forgets records that a listing shows; see [`RecordMemory::found`].
    pub(super) async fn found(
        &mut self,
        listing: &Listing,
        is_uncertain: impl Fn(&Placement) -> bool,
    ) {
        if self.memory.found(listing, is_uncertain) {
            self.save().await;
        }
    }

    /// Records places at which a write may still take effect.
    pub(super) async fn add_pending(&mut self, places: &BTreeSet<Placement>) {
        let mut has_changed = false;
        for place in places {
            has_changed |= self.memory.add_pending(place.clone());
        }
        if has_changed {
            self.save().await;
        }
    }

    async fn save(&self) {
        if let Some(store) = &self.store {
            store.save(&self.memory).await;
        }
    }
}
