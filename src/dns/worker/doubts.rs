//! What may still change, or is not what it was: read again until that is settled.
//!
//! Two things are in doubt: what a write may still change although its answer was lost, and what a
//! reading shows that contradicts what was there before, though this agent did not change it. A
//! provider's listing can be untrue for a while: empty, or out of date. Were one such reading believed,
//! nothing would be done about a dead address, and nothing would ask again.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use tokio::time::Instant;

use crate::engine::plan::{Observed, Plan, SetKey};

/// How long after the doubt arose the zone is read again, in seconds. What was not carried out by
/// the last of these is taken never to be; what that one still shows is taken to be true.
const AFTER: [u64; 5] = [5, 15, 30, 60, 120];

/// An address at its place.
type Entry = (SetKey, IpAddr);

/// Whether an address should be at its place, by earlier readings and by this agent's own writes.
#[derive(Debug, Clone, Copy)]
struct Expected {
    there: bool,
    /// The time of the first of the newest readings that all say otherwise.
    contradicted: Option<Instant>,
}

/// The places at which it is not certain what is there.
#[derive(Debug, Default)]
pub(in crate::dns) struct Doubts {
    since: BTreeMap<Entry, Instant>,
    /// When the newest reading was asked for.
    looked: Option<Instant>,
    /// The places that a reading has shown, and those that a write of this agent has changed.
    expected: BTreeMap<Entry, Expected>,
}

impl Doubts {
    /// From now on it is in doubt what is at these places.
    pub(super) fn raise(&mut self, entries: impl IntoIterator<Item = Entry>, now: Instant) {
        self.since.extend(entries.into_iter().map(|entry| (entry, now)));
    }

    /// Takes note of a reading that was asked for at `asked`, and lets go of what it settles.
    pub(super) fn read(&mut self, asked: Instant, observed: &Observed) {
        self.looked = Some(asked);
        for (entry, _) in self.since.extract_if(.., |_, since| asked >= *since + last()) {
            self.expected.remove(&entry);
        }
        self.expected.retain(|entry, expected| match is_there(observed, entry) {
            Some(there) if there != expected.there => {
                let since = *expected.contradicted.get_or_insert(asked);
                asked < since + last()
            }
            Some(_) => {
                expected.contradicted = None;
                true
            }
            None => true,
        });
        for (set, there) in &observed.sets {
            self.expect(there.iter().map(|address| (set.clone(), *address)), true);
        }
    }

    /// Expects an address to be at these places, or not to be, unless something is expected already.
    pub(super) fn expect(&mut self, entries: impl IntoIterator<Item = Entry>, there: bool) {
        let expected = Expected { there, contradicted: None };
        for entry in entries {
            self.expected.entry(entry).or_insert(expected);
        }
    }

    /// Takes note of a write that is in force, or may be.
    pub(super) fn wrote(&mut self, plan: &Plan) {
        let gone = plan.delete.iter().map(|entry| (entry, false));
        for (entry, there) in gone.chain(plan.create.iter().map(|entry| (entry, true))) {
            self.expected.insert(entry.clone(), Expected { there, contradicted: None });
        }
    }

    /// The places at which a reading shows what is wished for, so that nothing would be done, although
    /// it contradicts what is expected there. `is_wished` says whether an address is to be there.
    pub(super) fn surprises(
        &self,
        observed: &Observed,
        is_wished: impl Fn(IpAddr) -> Option<bool>,
    ) -> Vec<(Entry, bool)> {
        let surprise = |(entry, expected): (&Entry, &Expected)| {
            let there = is_there(observed, entry)?;
            let is_new = there != expected.there && !self.contains(entry);
            (is_new && is_wished(entry.1) == Some(there)).then(|| (entry.clone(), there))
        };
        self.expected.iter().filter_map(surprise).collect()
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

/// Whether an address was read at its place; `None` if its set could not be read.
fn is_there(observed: &Observed, (set, address): &Entry) -> Option<bool> {
    let is_read = !observed.unfit.contains_key(set);
    is_read.then(|| observed.get(set).is_some_and(|there| there.contains(address)))
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

    /// A reading that shows the address, or does not.
    fn reading(there: bool) -> Observed {
        let (set, address) = entry();
        [(set, there.then_some(address).into_iter().collect())].into_iter().collect()
    }

    /// Whether `reading` is a surprise if that is how it should be.
    fn surprises(doubts: &Doubts, there: bool) -> bool {
        !doubts.surprises(&reading(there), |_| Some(there)).is_empty()
    }

    fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_doubt_is_read_five_times_and_then_over() {
        let now = super::super::now();
        let mut doubts = Doubts::default();
        doubts.raise([entry()], now);
        let mut read = vec![];
        while let Some(next) = doubts.next() {
            read.push((next - now).as_secs());
            doubts.read(next, &Observed::default());
        }
        assert_eq!(read, AFTER);
        assert!(!doubts.contains(&entry()));
    }

    #[test]
    fn a_reading_that_comes_late_counts_for_those_it_stands_for() {
        let now = super::super::now();
        let mut doubts = Doubts::default();
        doubts.raise([entry()], now);
        doubts.read(now + s(40), &Observed::default());
        assert_eq!(doubts.next(), Some(now + s(60)));
        doubts.read(now + s(540), &Observed::default());
        assert_eq!(doubts.next(), None);
    }

    #[test]
    fn what_vanishes_is_a_surprise_unless_this_agent_took_it_out() {
        let now = super::super::now();
        let mut doubts = Doubts::default();
        assert!(!surprises(&doubts, false), "nobody has ever seen it");
        doubts.read(now, &reading(true));
        assert!(!surprises(&doubts, true));
        assert!(surprises(&doubts, false));
        assert!(doubts.surprises(&reading(false), |_| None).is_empty(), "nothing is wished for");
        assert!(doubts.surprises(&reading(false), |_| Some(true)).is_empty(), "it is created");
        let mut unfit = Observed::default();
        unfit.unfit.insert(entry().0, "an alias".into());
        assert!(doubts.surprises(&unfit, |_| Some(false)).is_empty(), "it was not read");
        doubts.wrote(&Plan { delete: vec![entry()], ..Plan::default() });
        assert!(!surprises(&doubts, false));
        assert!(surprises(&doubts, true), "and now it is one if it is still there, or there again");
        doubts.wrote(&Plan { create: vec![entry()], ..Plan::default() });
        assert!(surprises(&doubts, false));
    }

    #[test]
    fn a_surprise_is_none_once_the_doubt_is_over_or_readings_agree_for_as_long() {
        let now = super::super::now();
        for doubted in [true, false] {
            let mut doubts = Doubts::default();
            doubts.read(now, &reading(true));
            if doubted {
                doubts.raise([entry()], now + s(1));
                assert!(!surprises(&doubts, false), "it is in doubt already");
            }
            doubts.read(now + s(1), &reading(false));
            doubts.read(now + s(61), &reading(false));
            assert_eq!(surprises(&doubts, false), !doubted);
            doubts.read(now + s(121), &reading(false));
            assert!(!surprises(&doubts, false));
            assert!(doubts.expected.is_empty(), "it is forgotten");
        }
        let mut doubts = Doubts::default();
        for (at, there) in [(0, true), (100, false), (101, true), (221, false)] {
            doubts.read(now + s(at), &reading(there));
        }
        assert!(surprises(&doubts, false), "it was shown in between");
    }
}
