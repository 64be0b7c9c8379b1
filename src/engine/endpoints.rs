//! The watched endpoints, each in a place of its own for as long as it is watched.

use super::Subject;
use super::event::Slot;

/// Places for endpoints. A place is used again after its endpoint is gone.
#[derive(Debug, Default)]
pub(super) struct Endpoints {
    places: Vec<Option<Subject>>,
    free: Vec<Slot>,
}

impl Endpoints {
    /// Makes room for `count` endpoints in all, and no more: doubling would leave up to half of it
    /// unused.
    pub(super) fn reserve(&mut self, count: usize) {
        self.places.reserve_exact(count.saturating_sub(self.places.len()));
    }

    /// Adds an endpoint. Returns its place.
    pub(super) fn insert(&mut self, subject: Subject) -> Slot {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.places.push(None);
            self.places.len() - 1
        });
        self.places[slot] = Some(subject);
        slot
    }

    /// Removes the endpoint in a place.
    pub(super) fn remove(&mut self, slot: Slot) {
        if self.places.get_mut(slot).and_then(Option::take).is_some() {
            self.free.push(slot);
        }
    }

    /// The endpoint in a place, if there is one.
    pub(super) fn get(&self, slot: Slot) -> Option<&Subject> {
        self.places.get(slot)?.as_ref()
    }

    /// The same, to be changed.
    pub(super) fn get_mut(&mut self, slot: Slot) -> Option<&mut Subject> {
        self.places.get_mut(slot)?.as_mut()
    }

    /// All endpoints, by their places.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Subject> {
        self.places.iter().flatten()
    }

    /// The same, to be changed.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Subject> {
        self.places.iter_mut().flatten()
    }
}
