//! A queue of the events to come in virtual time.

use std::collections::BTreeMap;
use std::time::Duration;

/// Events to come, by time; events of one time in the order in which they were added.
#[derive(Debug)]
pub(super) struct Upcoming<T> {
    events: BTreeMap<(Duration, u64), T>,
    count: u64,
}

impl<T> Default for Upcoming<T> {
    fn default() -> Self {
        Self { events: BTreeMap::new(), count: 0 }
    }
}

impl<T> Upcoming<T> {
    /// Adds an event at a time.
    pub(super) fn add(&mut self, at: Duration, event: T) {
        self.count += 1;
        self.events.insert((at, self.count), event);
    }

    /// Returns the time of the next event.
    pub(super) fn next_at(&self) -> Option<Duration> {
        self.events.first_key_value().map(|((at, _), _)| *at)
    }

    /// Removes and returns the next event.
    pub(super) fn pop(&mut self) -> Option<T> {
        self.events.pop_first().map(|(_, event)| event)
    }
}
