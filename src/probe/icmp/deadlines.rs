//! One timer for all waiting requests.
//!
//! Requests that wait for the same time are a list, in the order of sending, so that its first one is
//! the next that is due. There are as many lists as there are different waits: two for each timeout of
//! the configuration.

use std::time::Duration;

use tokio::time::Instant;

use super::table::PlaceId;

/// The index that stands for none.
const NONE: u32 = u32::MAX;

/// The deadlines of all places. A place has at most one.
#[derive(Debug, Default)]
pub(super) struct Deadlines {
    /// The deadline of each place, by its index.
    nodes: Vec<Option<Node>>,
    lists: Vec<DeadlineList>,
}

/// The deadline of one place, in its list.
#[derive(Debug, Clone, Copy)]
struct Node {
    since: Instant,
    list: usize,
    before: u32,
    after: u32,
}

/// The places that wait for the same time.
#[derive(Debug)]
struct DeadlineList {
    wait: Duration,
    first: u32,
    last: u32,
}

impl Deadlines {
    /// Sets the deadline of a place, which has none, to `wait` after `since`.
    pub(super) fn add(&mut self, place: PlaceId, since: Instant, wait: Duration) {
        let list = self.list(wait);
        // Usually the new one is the last.
        let mut before = self.lists[list].last;
        while let Some(node) = self.node(before)
            && node.since > since
        {
            before = node.before;
        }
        let after = self.node(before).map_or(self.lists[list].first, |node| node.after);
        let index = usize::from(place);
        if index >= self.nodes.len() {
            self.nodes.resize(index + 1, None);
        }
        self.nodes[index] = Some(Node { since, list, before, after });
        let place = u32::from(place);
        self.link(list, (before, after), place, place);
    }

    /// Removes the deadline of a place, if it has one.
    pub(super) fn remove(&mut self, place: PlaceId) {
        let node = self.nodes.get_mut(usize::from(place)).and_then(Option::take);
        if let Some(Node { list, before, after, .. }) = node {
            self.link(list, (before, after), after, before);
        }
    }

    /// Returns the time of the next deadline.
    pub(super) fn next(&self) -> Option<Instant> {
        self.lists.iter().filter_map(|list| self.due(list)).min()
    }

    /// Removes and returns a place with a deadline that is due.
    pub(super) fn take_due(&mut self, now: Instant) -> Option<PlaceId> {
        let list = self.lists.iter().find(|list| self.due(list).is_some_and(|due| due <= now))?;
        let first = PlaceId::from(list.first);
        self.remove(first);
        Some(first)
    }

    /// Returns the deadline of the first place of a list.
    fn due(&self, list: &DeadlineList) -> Option<Instant> {
        Some(self.node(list.first)?.since + list.wait)
    }

    fn node(&self, index: u32) -> Option<&Node> {
        self.nodes.get(index as usize)?.as_ref()
    }

    /// Makes `next` follow the first of two neighbours, and `previous` precede the second.
    fn link(&mut self, list: usize, (before, after): (u32, u32), next: u32, previous: u32) {
        match self.nodes.get_mut(before as usize) {
            Some(Some(node)) => node.after = next,
            _ => self.lists[list].first = next,
        }
        match self.nodes.get_mut(after as usize) {
            Some(Some(node)) => node.before = previous,
            _ => self.lists[list].last = previous,
        }
    }

    /// Returns the list of a wait; an empty one is used again.
    fn list(&mut self, wait: Duration) -> usize {
        let mut lists = self.lists.iter();
        if let Some(same) = lists.position(|list| list.wait == wait) {
            return same;
        }
        if let Some(empty) = self.lists.iter().position(|list| list.first == NONE) {
            self.lists[empty].wait = wait;
            return empty;
        }
        self.lists.push(DeadlineList { wait, first: NONE, last: NONE });
        self.lists.len() - 1
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::collections::btree_map::Entry;

    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_list_without_places_is_used_for_another_wait() {
        let (mut deadlines, now) = (Deadlines::default(), crate::probe::now());
        for wait in 1..1000 {
            let wait = Duration::from_millis(wait);
            deadlines.add(PlaceId::from(0), now, wait);
            assert_eq!(deadlines.next(), Some(now + wait));
            assert_eq!(deadlines.take_due(now), None);
            assert_eq!(deadlines.take_due(now + wait), Some(PlaceId::from(0)));
            assert_eq!(deadlines.next(), None);
        }
        assert_eq!(deadlines.lists.len(), 1);
    }

    proptest! {
        /// The next deadline is the least, and nothing is due before it.
        #[test]
        fn the_next_is_the_least(steps in vec((0_u32..20, 0_u64..9, 1_u64..5, 0_u8..4), 1..500)) {
            let (mut deadlines, mut all) = (Deadlines::default(), BTreeMap::new());
            let mut now = crate::probe::now();
            for (place, millis, wait, step) in steps {
                let [millis, wait] = [millis, 10 * wait].map(Duration::from_millis);
                if step == 0 {
                    deadlines.remove(PlaceId::from(place));
                    all.remove(&place);
                } else if step == 1 {
                    now += millis;
                    while let Some(due) = deadlines.take_due(now) {
                        let when = all.remove(&u32::from(due));
                        prop_assert!(when.is_some_and(|when| when <= now));
                    }
                    prop_assert!(all.values().all(|when| *when > now));
                } else if let Entry::Vacant(vacant) = all.entry(place) {
                    // Some are added for a little later than the next.
                    let since = now + if step == 2 { Duration::ZERO } else { millis };
                    deadlines.add(PlaceId::from(place), since, wait);
                    vacant.insert(since + wait);
                }
                prop_assert_eq!(deadlines.next(), all.values().min().copied());
            }
        }
    }
}
