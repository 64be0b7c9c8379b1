//! The probes of all endpoints together: their numbers, the room for them, and who waits for it.

use std::collections::VecDeque;
use std::num::NonZeroU32;

use super::event::Slot;
use super::faults::FaultLines;
use super::retries::Retries;

/// What all probes share.
#[derive(Debug, Default)]
pub(super) struct Prober {
    /// The budget that all retries share.
    pub(super) retries: Retries,
    /// Which faults are worth a line.
    pub(super) fault_lines: FaultLines,
    next_seq: u64,
    /// The number of probes that have not come to their end.
    in_flight: u32,
    /// Endpoints whose due probe waits for room.
    waiting: VecDeque<Slot>,
    /// The number of endpoints that rehearse the retry pace.
    rehearsing: usize,
}

impl Prober {
    /// Whether one more probe may be out, if there may be `most` at once.
    pub(super) fn has_room(&self, most: Option<NonZeroU32>) -> bool {
        most.is_none_or(|most| self.in_flight < most.get())
    }

    /// A probe is sent. Returns its number, which is never used twice.
    pub(super) fn send(&mut self) -> u64 {
        let seq = self.next_seq;
        self.next_seq += 1;
        self.in_flight += 1;
        seq
    }

    /// The number of the next probe.
    pub(super) fn next_seq(&self) -> u64 {
        self.next_seq
    }

    /// A probe has come to its end.
    pub(super) fn ended(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
    }

    /// Has an endpoint wait for room, after those that wait already.
    pub(super) fn wait(&mut self, slot: Slot) {
        self.waiting.push_back(slot);
    }

    /// Takes out the endpoint that waits longest.
    pub(super) fn next_waiting(&mut self) -> Option<Slot> {
        self.waiting.pop_front()
    }

    /// The number of endpoints that rehearse the retry pace.
    pub(super) fn rehearsing(&self) -> usize {
        self.rehearsing
    }

    /// Sets that number.
    pub(super) fn set_rehearsing(&mut self, count: usize) {
        self.rehearsing = count;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_room_for_as_many_probes_as_may_be_out() {
        let most = NonZeroU32::new(2);
        let mut prober = Prober::default();
        assert_eq!([prober.send(), prober.send()], [0, 1]);
        assert!(!prober.has_room(most));
        assert!(prober.has_room(None));
        prober.ended();
        assert!(prober.has_room(most));
        assert_eq!(prober.send(), 2, "no number is used twice");
    }

    #[test]
    fn who_waits_longest_is_next() {
        let mut prober = Prober::default();
        for slot in [7, 3, 5] {
            prober.wait(slot);
        }
        assert_eq!([(); 4].map(|()| prober.next_waiting()), [Some(7), Some(3), Some(5), None]);
    }
}
