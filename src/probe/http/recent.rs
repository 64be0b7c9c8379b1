//! A map that discards the entries that have not been used for long.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

use tokio::time::Instant;

/// Time without a use after which an entry is discarded.
const UNUSED_FOR: Duration = Duration::from_mins(10);

/// Time between two searches for such entries, so that their cost does not depend on the number of new
/// entries.
const LOOK_EVERY: Duration = Duration::from_mins(1);

/// A map of the values that were used in the last minutes.
#[derive(Debug)]
pub(super) struct RecentMap<K, V> {
    entries: HashMap<K, RecentEntry<V>>,
    /// Maximum number of entries.
    most: usize,
    looked: Option<Instant>,
}

#[derive(Debug)]
struct RecentEntry<V> {
    value: V,
    last_used: Instant,
}

impl<K: Hash + Eq, V: Clone> RecentMap<K, V> {
    /// Returns a map without entries. Beyond `most` of them, values are built and not kept.
    pub(super) fn new(most: usize) -> Self {
        Self { entries: HashMap::new(), most, looked: None }
    }

    /// Returns the value of a key, and builds it if there is none. The search for unused entries is made
    /// when one is built.
    pub(super) fn get_or_build(&mut self, key: K, now: Instant, build: impl FnOnce() -> V) -> V {
        if let Some(entry) = self.entries.get_mut(&key) {
            entry.last_used = now;
            return entry.value.clone();
        }
        if self.looked.is_none_or(|at| now.saturating_duration_since(at) >= LOOK_EVERY) {
            self.looked = Some(now);
            self.entries
                .retain(|_, entry| now.saturating_duration_since(entry.last_used) <= UNUSED_FOR);
        }
        let value = build();
        if self.entries.len() < self.most {
            self.entries.insert(key, RecentEntry { value: value.clone(), last_used: now });
        }
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unused_entries_make_room_for_new_ones() {
        let (mut map, start) = (RecentMap::new(2), crate::probe::now());
        assert_eq!(map.get_or_build("a", start, || 1), 1);
        assert_eq!(map.get_or_build("b", start, || 2), 2);
        assert_eq!(map.get_or_build("c", start, || 3), 3);
        assert_eq!(map.get_or_build("c", start, || 4), 4, "there was no room for it");
        let later = start + UNUSED_FOR;
        assert_eq!(map.get_or_build("a", later, || 5), 1, "it is kept");
        assert_eq!(map.get_or_build("c", later + LOOK_EVERY, || 6), 6);
        assert_eq!(map.get_or_build("c", later + LOOK_EVERY, || 7), 6, "b made room for it");
        assert_eq!(map.get_or_build("a", later + LOOK_EVERY, || 8), 1, "it was used since");
    }
}
