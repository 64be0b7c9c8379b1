//! What is to be looked at, and when.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use super::Moment;
use super::event::Slot;

/// What is to be looked at again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Item {
    /// The probes of one endpoint.
    Watch(Slot),
    /// What is to be done about one target.
    Verdict(Slot),
    /// What the floor held back.
    Held,
    /// An order that was put off for a moment, so that more can go with it.
    Order,
    /// All of DNS.
    Resync,
    /// The rehearsal.
    Rehearsal,
}

/// One ordered queue of moments. An entry that is stale by the time it comes up does no harm: what
/// is looked at is judged by the state it is in then.
#[derive(Debug, Default)]
pub(super) struct Agenda {
    queue: BinaryHeap<Reverse<Entry>>,
}

/// A moment in nanoseconds in the upper half, an item in the lower one, so that entries are ordered
/// by moment, then item. One number and not a pair, because comparing them is what each probe's two
/// entries cost most: without branches it takes a third of the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Entry(u128);

/// Below an item's kind there is room for a slot.
const SLOT_BITS: u32 = 56;

impl Entry {
    fn new(when: Moment, item: Item) -> Self {
        let (kind, slot) = match item {
            Item::Watch(slot) => (0, slot),
            Item::Verdict(slot) => (1, slot),
            Item::Held => (2, 0),
            Item::Order => (3, 0),
            Item::Resync => (4, 0),
            Item::Rehearsal => (5, 0),
        };
        Self(when.as_nanos() << 64 | kind << SLOT_BITS | slot as u128)
    }

    fn when(self) -> Moment {
        #[expect(clippy::cast_possible_truncation, reason = "a shift leaves 64 bits")]
        Duration::from_nanos((self.0 >> 64) as u64)
    }

    fn item(self) -> Item {
        #[expect(clippy::cast_possible_truncation, reason = "it was a slot when it was put in")]
        let slot = (self.0 & ((1 << SLOT_BITS) - 1)) as Slot;
        match (self.0 & u128::from(u64::MAX)) >> SLOT_BITS {
            0 => Item::Watch(slot),
            1 => Item::Verdict(slot),
            2 => Item::Held,
            3 => Item::Order,
            4 => Item::Resync,
            _ => Item::Rehearsal,
        }
    }
}

impl Agenda {
    /// Notes that `item` is to be looked at at `when`.
    pub(super) fn note(&mut self, when: Moment, item: Item) {
        self.queue.push(Reverse(Entry::new(when, item)));
    }

    /// The next entry's moment.
    pub(super) fn next(&self) -> Option<Moment> {
        self.queue.peek().map(|Reverse(entry)| entry.when())
    }

    /// Drops what comes next for as long as it `is_stale`: nobody needs to wake up for it.
    pub(super) fn forget(&mut self, is_stale: impl Fn(Moment, Item) -> bool) {
        while let Some(Reverse(entry)) = self.queue.peek()
            && is_stale(entry.when(), entry.item())
        {
            self.queue.pop();
        }
    }

    /// Takes the next entry off if its moment has come.
    pub(super) fn take_due(&mut self, now: Moment) -> Option<(Moment, Item)> {
        if self.next()? > now {
            return None;
        }
        self.queue.pop().map(|Reverse(entry)| (entry.when(), entry.item()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_come_back_as_they_were_in_the_order_of_moments_then_items() {
        let ms = Duration::from_millis;
        let far = Duration::from_secs(100 * 365 * 86_400);
        let sorted = [
            (ms(1), Item::Watch(9_999_999)),
            (ms(1), Item::Rehearsal),
            (ms(2), Item::Watch(0)),
            (ms(2), Item::Watch(1)),
            (ms(2), Item::Verdict(0)),
            (ms(2), Item::Held),
            (ms(2), Item::Order),
            (far, Item::Resync),
        ];
        let mut agenda = Agenda::default();
        sorted.iter().rev().for_each(|(when, item)| agenda.note(*when, *item));
        assert_eq!(agenda.take_due(Duration::ZERO), None, "nothing is due");
        let taken: Vec<_> = std::iter::from_fn(|| agenda.take_due(far)).collect();
        assert_eq!(taken, sorted);
    }

    #[test]
    fn only_what_comes_next_is_forgotten_and_only_while_it_is_stale() {
        let mut agenda = Agenda::default();
        for (second, slot) in [(1, 7), (2, 7), (3, 8), (4, 7)] {
            agenda.note(Duration::from_secs(second), Item::Watch(slot));
        }
        agenda.forget(|_, item| item == Item::Watch(7));
        assert_eq!(agenda.next(), Some(Duration::from_secs(3)));
        assert_eq!(agenda.queue.len(), 2);
    }
}
