//! The targets that depend on one subject.

use crate::engine::ids::TargetKey;

/// The targets that depend on one subject, by their keys.
///
/// Nearly every subject has one, and there may be a million subjects: it is kept without an
/// allocation.
#[derive(Debug, Default)]
pub(super) struct Watchers {
    first: Option<TargetKey>,
    /// The others, in order, all of them after the first.
    #[expect(clippy::box_collection, reason = "absent for nearly every subject")]
    others: Option<Box<Vec<TargetKey>>>,
}

impl Watchers {
    /// Adds a target, unless it is there.
    pub(super) fn add(&mut self, target: TargetKey) {
        let Some(first) = self.first else {
            self.first = Some(target);
            return;
        };
        if target == first {
            return;
        }
        self.first = Some(first.min(target));
        let others = self.others.get_or_insert_default();
        let later = first.max(target);
        if let Err(place) = others.binary_search(&later) {
            others.insert(place, later);
        }
    }

    /// Removes a target.
    pub(super) fn remove(&mut self, target: TargetKey) {
        let Some(others) = &mut self.others else {
            self.first = self.first.filter(|first| *first != target);
            return;
        };
        if self.first == Some(target) {
            self.first = Some(others.remove(0));
        } else if let Ok(place) = others.binary_search(&target) {
            others.remove(place);
        }
        if others.is_empty() {
            self.others = None;
        }
    }

    /// Whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    /// Iterates over them in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = TargetKey> + '_ {
        let others = self.others.iter().flat_map(|others| others.iter().copied());
        self.first.into_iter().chain(others)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn they_are_a_sorted_set(steps in vec((0_usize..6, 0_usize..3, any::<bool>()), 0..60)) {
            let (mut watchers, mut set) = (Watchers::default(), BTreeSet::new());
            for (service, target, added) in steps {
                let key = TargetKey { service: service.into(), target: target.into() };
                if added {
                    watchers.add(key);
                    set.insert(key);
                } else {
                    watchers.remove(key);
                    set.remove(&key);
                }
                prop_assert!(watchers.iter().eq(set.iter().copied()));
                prop_assert_eq!(watchers.is_empty(), set.is_empty());
            }
        }
    }
}
