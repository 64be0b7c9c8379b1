//! The room for probes: how many may be under way at once, in all and of each kind.

use std::collections::{BTreeMap, VecDeque};
use std::num::NonZeroU32;

use crate::engine::ids::{EndpointId, ProbeSeq, RoomId};
use crate::engine::settings::RequestRoom;

/// The probes that hold a descriptor and have not ended, and the endpoints that wait for their end.
#[derive(Debug, Default)]
pub(super) struct ProbeRoom {
    /// The probes under way, each with the room that it takes besides.
    under_way: BTreeMap<ProbeSeq, Option<RoomId>>,
    /// The number of probes under way in each of these rooms.
    taken: BTreeMap<RoomId, u32>,
    /// The endpoints with a due probe, those that have waited longest first. Each waits for the end of a
    /// probe in its own room, or of any.
    waiting: BTreeMap<Option<RoomId>, VecDeque<EndpointId>>,
}

/// A probe is not under way, or holds no descriptor.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NotUnderWay;

impl ProbeRoom {
    /// Whether there is room for one more probe, among `most` in all and in its own room. If not,
    /// returns the room that has to be left before.
    pub(super) fn check(
        &self,
        own: Option<RequestRoom>,
        most: Option<NonZeroU32>,
    ) -> Result<(), Option<RoomId>> {
        if let Some(RequestRoom { id, most }) = own
            && self.taken.get(&id).is_some_and(|taken| *taken >= most.get())
        {
            return Err(Some(id));
        }
        let most = most.map_or(usize::MAX, |most| most.get().try_into().unwrap_or(usize::MAX));
        if self.under_way.len() < most { Ok(()) } else { Err(None) }
    }

    /// Counts a probe that is sent.
    pub(super) fn enter(&mut self, seq: ProbeSeq, own: Option<RoomId>) {
        self.under_way.insert(seq, own);
        if let Some(id) = own {
            *self.taken.entry(id).or_default() += 1;
        }
    }

    /// Counts the end of a probe. Returns the room that it has left besides.
    ///
    /// # Errors
    ///
    /// Fails if the probe is not under way, or holds no descriptor.
    pub(super) fn leave(&mut self, seq: ProbeSeq) -> Result<Option<RoomId>, NotUnderWay> {
        let own = self.under_way.remove(&seq).ok_or(NotUnderWay)?;
        if let Some(id) = own
            && let Some(taken) = self.taken.get_mut(&id)
        {
            *taken -= 1;
            if *taken == 0 {
                self.taken.remove(&id);
            }
        }
        Ok(own)
    }

    /// Lets an endpoint wait for the end of a probe in a room, or of any.
    pub(super) fn wait(&mut self, id: EndpointId, room: Option<RoomId>) {
        self.waiting.entry(room).or_default().push_back(id);
    }

    /// Returns the endpoint that has waited longest for the end of a probe in a room. Then come those
    /// that wait for the end of any.
    pub(super) fn next_waiting(&mut self, left: Option<RoomId>) -> Option<EndpointId> {
        [left, None].into_iter().find_map(|room| {
            let queue = self.waiting.get_mut(&room)?;
            let next = queue.pop_front();
            if queue.is_empty() {
                self.waiting.remove(&room);
            }
            next
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room(id: usize, most: u32) -> RequestRoom {
        RequestRoom { id: id.into(), most: NonZeroU32::new(most).unwrap() }
    }

    #[test]
    fn there_is_room_up_to_the_most_in_all_and_of_each_kind() {
        let (mut rooms, all) = (ProbeRoom::default(), NonZeroU32::new(3));
        let (narrow, wide) = (room(0, 1), room(1, 9));
        assert_eq!(rooms.check(Some(narrow), all), Ok(()));
        rooms.enter(0.into(), Some(narrow.id));
        assert_eq!(rooms.check(Some(narrow), all), Err(Some(narrow.id)));
        assert_eq!(rooms.check(Some(wide), all), Ok(()));
        assert_eq!(rooms.check(None, all), Ok(()));
        rooms.enter(1.into(), Some(wide.id));
        rooms.enter(2.into(), None);
        assert_eq!(rooms.check(Some(wide), all), Err(None));
        assert_eq!(rooms.check(None, all), Err(None));
        assert_eq!(rooms.check(None, None), Ok(()));
        assert_eq!(rooms.leave(0.into()), Ok(Some(narrow.id)));
        assert_eq!(rooms.leave(0.into()), Err(NotUnderWay), "it has left already");
        assert_eq!(rooms.check(Some(narrow), all), Ok(()));
        assert_eq!(rooms.leave(2.into()), Ok(None));
    }

    #[test]
    fn the_end_of_a_probe_is_for_those_that_wait_for_its_room_and_then_for_the_others() {
        let mut rooms = ProbeRoom::default();
        let (own, other) = (room(0, 1).id, room(1, 1).id);
        for (endpoint, room) in [(0, Some(own)), (1, None), (2, Some(own)), (3, Some(other))] {
            rooms.wait(EndpointId::from(endpoint), room);
        }
        let next: Vec<_> = std::iter::from_fn(|| rooms.next_waiting(Some(own))).collect();
        assert_eq!(next, [0, 2, 1].map(EndpointId::from));
        assert_eq!(rooms.next_waiting(None), None);
        assert_eq!(rooms.next_waiting(Some(other)), Some(3.into()));
    }
}
