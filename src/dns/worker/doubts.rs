//! What a write may still change although its answer was lost: read again until that is settled.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use tokio::time::Instant;

use crate::engine::plan::SetKey;

/// How long after the doubt arose the zone is read again, in seconds. What was not carried out by
/// the last of these is taken never to be.
const AFTER: [u64; 5] = [5, 15, 30, 60, 120];

/// An address at its place.
type Entry = (SetKey, IpAddr);

/// The records that a write without an answer touched.
#[derive(Debug, Default)]
pub(in crate::dns) struct Doubts {
    since: BTreeMap<Entry, Instant>,
    /// When the newest reading was asked for.
    looked: Option<Instant>,
}

impl Doubts {
    /// From now on it is in doubt what is at these places.
    pub(super) fn raise(&mut self, entries: impl IntoIterator<Item = Entry>, now: Instant) {
        self.since.extend(entries.into_iter().map(|entry| (entry, now)));
    }

    /// Takes note of a reading that was asked for at `asked`, and lets go of what it settles.
    pub(super) fn read(&mut self, asked: Instant) {
        self.looked = Some(asked);
        self.since.retain(|_, since| asked < *since + last());
    }

    /// When the zone is to be read next for their sake.
    pub(super) fn next(&self) -> Option<Instant> {
        let looked = self.looked;
        let next = |since: &Instant| {
            let mut moments = AFTER.iter().map(|after| *since + Duration::from_secs(*after));
            moments.find(|at| looked.is_none_or(|looked| looked < *at))
        };
        self.since.values().filter_map(next).min()
    }

    /// Whether it is in doubt what is there.
    pub(super) fn contains(&self, entry: &Entry) -> bool {
        self.since.contains_key(entry)
    }

    /// All of them.
    pub(super) fn entries(&self) -> BTreeSet<Entry> {
        self.since.keys().cloned().collect()
    }
}

/// How long a doubt lasts.
fn last() -> Duration {
    Duration::from_secs(AFTER[AFTER.len() - 1])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::plan::Family;

    fn entry() -> Entry {
        let set = SetKey { name: "www.example.com".into(), family: Family::A };
        (set, IpAddr::from([192, 0, 2, 1]))
    }

    #[test]
    fn a_doubt_is_read_five_times_and_then_over() {
        let now = super::super::now();
        let mut doubts = Doubts::default();
        doubts.raise([entry()], now);
        let mut read = vec![];
        while let Some(next) = doubts.next() {
            read.push((next - now).as_secs());
            doubts.read(next);
        }
        assert_eq!(read, AFTER);
        assert!(!doubts.contains(&entry()));
    }

    #[test]
    fn a_reading_that_comes_late_counts_for_those_it_stands_for() {
        let now = super::super::now();
        let mut doubts = Doubts::default();
        doubts.raise([entry()], now);
        doubts.read(now + Duration::from_secs(40));
        assert_eq!(doubts.next(), Some(now + Duration::from_mins(1)));
        doubts.read(now + Duration::from_mins(9));
        assert_eq!(doubts.next(), None);
    }
}
