//! What is to be looked at, and when.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

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
    queue: BinaryHeap<Reverse<(Moment, Item)>>,
}

impl Agenda {
    /// Notes that `item` is to be looked at at `when`.
    pub(super) fn note(&mut self, when: Moment, item: Item) {
        self.queue.push(Reverse((when, item)));
    }

    /// The next entry's moment.
    pub(super) fn next(&self) -> Option<Moment> {
        self.queue.peek().map(|Reverse((when, _))| *when)
    }

    /// Drops what comes next for as long as it `is_stale`: nobody needs to wake up for it.
    pub(super) fn forget(&mut self, is_stale: impl Fn(Moment, Item) -> bool) {
        while let Some(Reverse((when, item))) = self.queue.peek()
            && is_stale(*when, *item)
        {
            self.queue.pop();
        }
    }

    /// Takes the next entry off if its moment has come.
    pub(super) fn take_due(&mut self, now: Moment) -> Option<(Moment, Item)> {
        if self.next()? > now {
            return None;
        }
        self.queue.pop().map(|Reverse(entry)| entry)
    }
}
