//! A queue of the items to look at, by time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::ids::{EndpointId, ServiceId, TargetKey};
use super::moment::Moment;

/// An item to look at again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Item {
    /// The probes of one endpoint.
    Watch(EndpointId),
    /// The verdict on one target.
    Verdict(TargetKey),
    /// The addresses of a service that the floor holds back.
    Held(ServiceId),
    /// An order that was delayed for a moment, so that more changes can join it.
    Order,
    /// Retries that wait for their budget.
    Retry,
    /// The faults of the last minute.
    Faults,
    /// The comparison of DNS with all verdicts of a service.
    Resync(ServiceId),
    /// The start of the rehearsal in a service.
    Rehearsal(ServiceId),
    /// The age of the evidence about all targets.
    Evidence,
    /// The announcement of this agent's votes.
    Announce,
}

/// A priority queue by time. An entry that is stale when it comes up does no harm: items are judged
/// by their state at that time.
///
/// Only the next few milliseconds are kept in order; later entries lie unsorted in buckets, one for
/// each tick, until their tick comes. Each probe makes two entries, and most of them are stale when
/// they come up: sorting all of them would cost more than every other decision about a probe.
///
/// Invariant: `soon` is empty only if the whole schedule is.
#[derive(Debug, Default)]
pub(super) struct Schedule {
    /// The entries due before the tick `horizon`, in order.
    soon: BinaryHeap<Reverse<Entry>>,
    /// The entries due within [`BUCKETS`] ticks from there; the bucket of a tick is its remainder.
    later: Vec<Vec<Entry>>,
    /// Empty buckets with their memory, for the next buckets that are used: few of them have entries at a
    /// time, and if each kept its memory, all would have that of the fullest tick in the end.
    spare: Vec<Vec<Entry>>,
    /// The number of entries in `later`.
    in_later: usize,
    /// The entries that were due after that when they were added, in order.
    far: BinaryHeap<Reverse<Entry>>,
    horizon: u128,
    /// Whether nothing is probed and nothing announced, so that entries about that are left out.
    replays: bool,
}

/// The number of ticks ahead with a bucket: a little over four seconds.
const BUCKETS: usize = 1024;

/// A tick has 2^22 nanoseconds, which is a little over four milliseconds.
const TICK_BITS: u32 = 22;

type Entry = (Moment, Item);

fn tick((when, _): &Entry) -> u128 {
    when.since_start().as_nanos() >> TICK_BITS
}

/// Returns the index of a tick's bucket.
fn place(tick: u128) -> usize {
    usize::try_from(tick % BUCKETS as u128).unwrap_or_default()
}

impl Schedule {
    /// Leaves out all entries about probes and announcements from now on.
    pub(super) fn replay(&mut self) {
        self.replays = true;
    }

    /// Schedules `item` for `when`.
    pub(super) fn add(&mut self, when: Moment, item: Item) {
        if self.replays
            && matches!(item, Item::Watch(_) | Item::Retry | Item::Faults | Item::Announce)
        {
            return;
        }
        let entry = (when, item);
        let tick = tick(&entry);
        if tick < self.horizon {
            self.soon.push(Reverse(entry));
        } else if tick < self.horizon + BUCKETS as u128 {
            // The buckets are allocated on first use.
            self.later.resize(BUCKETS, Vec::new());
            let bucket = &mut self.later[place(tick)];
            if bucket.capacity() == 0 {
                *bucket = self.spare.pop().unwrap_or_default();
            }
            bucket.push(entry);
            self.in_later += 1;
        } else {
            self.far.push(Reverse(entry));
        }
        self.sort_next();
    }

    /// Returns the time of the next entry.
    pub(super) fn next(&self) -> Option<Moment> {
        self.soon.peek().map(|Reverse((when, _))| *when)
    }

    /// Drops the next entries for as long as they are stale by `is_stale`, so that no wake-up is
    /// spent on them.
    pub(super) fn forget(&mut self, is_stale: impl Fn(Moment, Item) -> bool) {
        while let Some(Reverse((when, item))) = self.soon.peek()
            && is_stale(*when, *item)
        {
            self.soon.pop();
            self.sort_next();
        }
    }

    /// Removes and returns the next entry if it is due.
    pub(super) fn take_due(&mut self, now: Moment) -> Option<(Moment, Item)> {
        if self.next()? > now {
            return None;
        }
        let Reverse(entry) = self.soon.pop()?;
        self.sort_next();
        Some(entry)
    }

    /// Advances the horizon until something is due before it, or nothing is left.
    fn sort_next(&mut self) {
        while self.soon.is_empty() {
            if self.in_later > 0 {
                let mut bucket = std::mem::take(&mut self.later[place(self.horizon)]);
                self.in_later -= bucket.len();
                self.soon.extend(bucket.drain(..).map(Reverse));
                if bucket.capacity() > 0 {
                    self.spare.push(bucket);
                }
            } else {
                let Some(Reverse(entry)) = self.far.peek() else { return };
                // Nothing lies in between, so there is no need to advance tick by tick.
                self.horizon = self.horizon.max(tick(entry));
            }
            self.horizon += 1;
            while let Some(Reverse(entry)) = self.far.peek()
                && tick(entry) < self.horizon
            {
                self.soon.extend(self.far.pop());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::time::Duration;

    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn entries_come_back_as_they_were_in_the_order_of_moments_then_items() {
        let [one, two] = [1, 2].map(|n| Moment::after_start(Duration::from_millis(n)));
        let far = Moment::after_start(Duration::from_hours(100 * 365 * 24));
        let key = TargetKey { service: ServiceId::DEFAULT, target: 0.into() };
        let sorted = [
            (one, Item::Watch(9_999_999.into())),
            (one, Item::Rehearsal(ServiceId::DEFAULT)),
            (two, Item::Watch(0.into())),
            (two, Item::Watch(1.into())),
            (two, Item::Verdict(key)),
            (two, Item::Held(ServiceId::DEFAULT)),
            (two, Item::Order),
            (far, Item::Resync(ServiceId::DEFAULT)),
        ];
        let mut schedule = Schedule::default();
        for (when, item) in sorted.iter().rev() {
            schedule.add(*when, *item);
        }
        assert_eq!(schedule.take_due(Moment::START), None, "nothing is due");
        let taken: Vec<_> = std::iter::from_fn(|| schedule.take_due(far)).collect();
        assert_eq!(taken, sorted);
    }

    #[test]
    fn an_entry_takes_32_bytes() {
        assert_eq!(
            size_of::<Entry>(),
            32,
            "each probe makes two, and there may be a million targets"
        );
    }

    /// Ten thousand probes a second, in groups of two hundred.
    #[test]
    fn the_memory_of_the_buckets_is_that_of_the_entries_and_does_not_grow_with_time() {
        let mut schedule = Schedule::default();
        let (mut now, every) = (Moment::START, Duration::from_millis(20));
        for _ in 0..3_000 {
            for slot in 0..200 {
                schedule.add(now + Duration::from_secs(1), Item::Watch(slot.into()));
            }
            now += every;
            while schedule.take_due(now).is_some() {}
        }
        let buckets = schedule.later.iter().chain(&schedule.spare);
        let room: usize = buckets.map(Vec::capacity).sum();
        assert!(room < 4 * 50 * 200, "room for {room} entries");
    }

    #[test]
    fn only_the_next_entries_are_dropped_and_only_while_they_are_stale() {
        let mut schedule = Schedule::default();
        for (second, slot) in [(1, 7), (2, 7), (3, 8), (4, 7)] {
            let moment = Moment::after_start(Duration::from_secs(second));
            schedule.add(moment, Item::Watch(slot.into()));
        }
        schedule.forget(|_, item| item == Item::Watch(7.into()));
        let end = Moment::after_start(Duration::MAX);
        for slot in [8, 7] {
            let taken = schedule.take_due(end).map(|(_, item)| item);
            assert_eq!(taken, Some(Item::Watch(slot.into())));
        }
        assert_eq!((schedule.next(), schedule.in_later), (None, 0));
    }

    proptest! {
        /// Entries added for any time, before or after others were taken, come up in the order that
        /// one sorted list would have.
        #[test]
        fn it_is_one_sorted_list(
            steps in vec((0_u64..20_000, 0_u64..10, 0_usize..4, any::<bool>()), 1..200),
        ) {
            let (mut schedule, mut sorted) = (Schedule::default(), BTreeSet::new());
            let mut now = Moment::START;
            for (millis, far, slot, taken) in steps {
                // Some are due within the tick, some in the buckets, some beyond them.
                let ahead = Duration::from_millis(millis) / 10_u32.pow(u32::try_from(far % 4)?);
                if taken {
                    now += ahead;
                    let due = sorted.first().copied().filter(|(when, _)| *when <= now);
                    sorted.retain(|entry| Some(*entry) != due);
                    prop_assert_eq!(schedule.take_due(now), due);
                } else if sorted.insert((now + ahead, Item::Watch(slot.into()))) {
                    schedule.add(now + ahead, Item::Watch(slot.into()));
                }
                prop_assert_eq!(schedule.next(), sorted.first().map(|(when, _)| *when));
            }
        }
    }
}
