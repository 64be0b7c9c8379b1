//! Items under stable keys: indexes into a list.

use std::marker::PhantomData;

/// A list of items with stable keys of a type of their own. A key is used again after
/// its item is gone.
#[derive(Debug)]
pub(super) struct Slab<T, K = usize> {
    slots: Vec<Option<T>>,
    free: Vec<usize>,
    key: PhantomData<K>,
}

impl<T, K> Default for Slab<T, K> {
    fn default() -> Self {
        Self { slots: Vec::new(), free: Vec::new(), key: PhantomData }
    }
}

impl<T, K: From<usize> + Into<usize>> Slab<T, K> {
    /// Reserves room for `count` items in all, and no more: doubling would leave up to half of it
    /// unused.
    pub(super) fn reserve(&mut self, count: usize) {
        self.slots.reserve_exact(count.saturating_sub(self.slots.len()));
    }

    /// Adds an item. Returns its key.
    pub(super) fn insert(&mut self, item: T) -> K {
        let index = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            self.slots.len() - 1
        });
        self.slots[index] = Some(item);
        index.into()
    }

    /// Removes and returns the item with this key.
    pub(super) fn remove(&mut self, key: K) -> Option<T> {
        let index = key.into();
        let item = self.slots.get_mut(index).and_then(Option::take)?;
        self.free.push(index);
        Some(item)
    }

    /// Returns the item with this key, if there is one.
    pub(super) fn get(&self, key: K) -> Option<&T> {
        self.slots.get(key.into())?.as_ref()
    }

    /// Returns the item with this key for modification, if there is one.
    pub(super) fn get_mut(&mut self, key: K) -> Option<&mut T> {
        self.slots.get_mut(key.into())?.as_mut()
    }

    /// Iterates over all items, by their keys.
    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.slots.iter().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_used_again_and_never_by_two() {
        let mut slab: Slab<&str> = Slab::default();
        assert_eq!(["a", "b"].map(|item| slab.insert(item)), [0, 1]);
        assert_eq!(slab.remove(0), Some("a"));
        assert_eq!(slab.remove(0), None, "it is gone");
        assert_eq!(slab.get(0), None);
        assert_eq!(["c", "d"].map(|item| slab.insert(item)), [0, 2]);
        assert_eq!(slab.iter().copied().collect::<Vec<_>>(), ["c", "b", "d"]);
    }
}
