//! Numbered places, each occupied by one item for as long as it exists.

/// Items by the number of their place. A place is used again after its item is gone.
#[derive(Debug)]
pub(super) struct Places<T> {
    places: Vec<Option<T>>,
    free: Vec<usize>,
}

impl<T> Default for Places<T> {
    fn default() -> Self {
        Self { places: Vec::new(), free: Vec::new() }
    }
}

impl<T> Places<T> {
    /// Reserves room for `count` items in all, and no more: doubling would leave up to half of it
    /// unused.
    pub(super) fn reserve(&mut self, count: usize) {
        self.places.reserve_exact(count.saturating_sub(self.places.len()));
    }

    /// Adds an item. Returns its place.
    pub(super) fn insert(&mut self, item: T) -> usize {
        let place = self.free.pop().unwrap_or_else(|| {
            self.places.push(None);
            self.places.len() - 1
        });
        self.places[place] = Some(item);
        place
    }

    /// Removes and returns the item in a place.
    pub(super) fn remove(&mut self, place: usize) -> Option<T> {
        let item = self.places.get_mut(place).and_then(Option::take)?;
        self.free.push(place);
        Some(item)
    }

    /// Returns the item in a place, if there is one.
    pub(super) fn get(&self, place: usize) -> Option<&T> {
        self.places.get(place)?.as_ref()
    }

    /// Returns the item in a place for modification, if there is one.
    pub(super) fn get_mut(&mut self, place: usize) -> Option<&mut T> {
        self.places.get_mut(place)?.as_mut()
    }

    /// Iterates over all items, by their places.
    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.places.iter().flatten()
    }

    /// Iterates over all items for modification, by their places.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.places.iter_mut().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_used_again_and_never_by_two() {
        let mut places = Places::default();
        assert_eq!(["a", "b"].map(|item| places.insert(item)), [0, 1]);
        assert_eq!(places.remove(0), Some("a"));
        assert_eq!(places.remove(0), None, "it is gone");
        assert_eq!(places.get(0), None);
        assert_eq!(["c", "d"].map(|item| places.insert(item)), [0, 2]);
        assert_eq!(places.iter().copied().collect::<Vec<_>>(), ["c", "b", "d"]);
    }
}
