//! The waiting echo requests, indexed by identifier and sequence number.

use super::message::Request;

/// The index that stands for none.
const NONE: u32 = u32::MAX;

/// Number of buckets at the start, and the most: one for each number that both fields together make.
const BUCKETS: (usize, usize) = (64, 1 << 16);

/// The place of a waiting request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PlaceId(u32);

impl From<u32> for PlaceId {
    fn from(index: u32) -> Self {
        Self(index)
    }
}

impl From<PlaceId> for u32 {
    fn from(PlaceId(index): PlaceId) -> Self {
        index
    }
}

impl From<PlaceId> for usize {
    fn from(PlaceId(index): PlaceId) -> Self {
        index as Self
    }
}

/// Values by the requests that wait for a reply.
///
/// Identifiers and first sequence numbers are hashes with a key of this process, so they need no further
/// hash: a bucket is their exclusive or. Nothing that comes from the network adds an entry.
#[derive(Debug)]
pub(super) struct EchoTable<T> {
    places: Vec<EchoPlace<T>>,
    /// The first of the places that are free, linked by their `next`.
    free: u32,
    /// The first place of each bucket.
    buckets: Vec<u32>,
    /// The number of requests that wait.
    waiting: usize,
}

#[derive(Debug)]
struct EchoPlace<T> {
    request: Request,
    /// The next place of the same bucket, or the next free one.
    next: u32,
    value: Option<T>,
}

impl<T> Default for EchoTable<T> {
    fn default() -> Self {
        Self { places: vec![], free: NONE, buckets: vec![NONE; BUCKETS.0], waiting: 0 }
    }
}

impl<T> EchoTable<T> {
    /// Adds a request. `None` if the very same request waits already.
    pub(super) fn insert(&mut self, request: Request, value: T) -> Option<PlaceId> {
        if self.find(request).is_some() {
            return None;
        }
        if self.waiting >= self.buckets.len() && self.buckets.len() < BUCKETS.1 {
            self.double();
        }
        let bucket = self.bucket(request);
        let next = self.buckets[bucket];
        let place = EchoPlace { request, next, value: Some(value) };
        let id = if self.free == NONE {
            // More than 2^32 requests do not fit into memory.
            self.places.push(place);
            u32::try_from(self.places.len() - 1).ok()?
        } else {
            let id = self.free;
            self.free = std::mem::replace(&mut self.places[id as usize], place).next;
            id
        };
        self.buckets[bucket] = id;
        self.waiting += 1;
        Some(PlaceId(id))
    }

    /// Returns the place of a request if it waits.
    pub(super) fn find(&self, request: Request) -> Option<PlaceId> {
        let mut id = self.buckets[self.bucket(request)];
        while let Some(place) = self.places.get(id as usize) {
            if place.request == request {
                return Some(PlaceId(id));
            }
            id = place.next;
        }
        None
    }

    /// Returns the request at a place, and its value, if it waits.
    pub(super) fn get_mut(&mut self, id: PlaceId) -> Option<(Request, &mut T)> {
        let place = self.places.get_mut(id.0 as usize)?;
        let request = place.request;
        place.value.as_mut().map(|value| (request, value))
    }

    /// Removes the request at a place, and returns its value.
    pub(super) fn remove(&mut self, PlaceId(id): PlaceId) -> Option<T> {
        let place = self.places.get_mut(id as usize)?;
        let value = place.value.take()?;
        let (request, next) = (place.request, std::mem::replace(&mut place.next, self.free));
        self.free = id;
        self.waiting -= 1;
        let bucket = self.bucket(request);
        if self.buckets[bucket] == id {
            self.buckets[bucket] = next;
            return Some(value);
        }
        let mut before = self.buckets[bucket];
        while let Some(place) = self.places.get_mut(before as usize) {
            if place.next == id {
                place.next = next;
                break;
            }
            before = place.next;
        }
        Some(value)
    }

    /// Returns the number of requests that wait.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.waiting
    }

    fn bucket(&self, request: Request) -> usize {
        usize::from(request.identifier ^ request.sequence) & (self.buckets.len() - 1)
    }

    /// Doubles the number of buckets.
    fn double(&mut self) {
        self.buckets = vec![NONE; self.buckets.len() * 2];
        for id in 0..self.places.len() {
            if self.places[id].value.is_some() {
                let bucket = self.bucket(self.places[id].request);
                let index = u32::try_from(id).unwrap_or(NONE);
                self.places[id].next = std::mem::replace(&mut self.buckets[bucket], index);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::net::IpAddr;

    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn request(host: u8, identifier: u16, sequence: u16) -> Request {
        Request { address: IpAddr::from([192, 0, 2, host]), identifier, sequence }
    }

    #[test]
    fn a_place_is_taken_once_and_given_back() {
        let mut table = EchoTable::default();
        let first = table.insert(request(1, 7, 7), "first").unwrap();
        assert_eq!(table.insert(request(1, 7, 7), "second"), None, "it is taken");
        assert_eq!(table.find(request(1, 7, 7)), Some(first));
        for other in [request(2, 7, 7), request(1, 8, 7), request(1, 7, 8), request(1, 0, 0)] {
            assert_eq!(table.find(other), None, "nobody waits for that");
        }
        assert_eq!(table.remove(first), Some("first"));
        assert_eq!(table.remove(first), None);
        assert!(table.get_mut(first).is_none());
        assert_eq!(table.insert(request(1, 7, 7), "second"), Some(first));
        assert_eq!(table.len(), 1);
    }

    #[test]
    fn all_sequence_numbers_of_one_identifier_have_their_places() {
        let mut table = EchoTable::default();
        for sequence in 0..=u16::MAX {
            assert!(table.insert(request(1, 7, sequence), sequence).is_some());
        }
        assert_eq!((table.len(), table.buckets.len()), (1 << 16, BUCKETS.1));
        for sequence in 0..=u16::MAX {
            let place = table.find(request(1, 7, sequence)).unwrap();
            assert_eq!(table.remove(place), Some(sequence));
        }
        assert_eq!(table.len(), 0);
    }

    proptest! {
        /// The table is a map from requests to values.
        #[test]
        fn it_is_a_map(steps in vec((0_u8..3, 0_u16..300, 0_u16..3, any::<bool>()), 1..2000)) {
            let (mut table, mut map) = (EchoTable::default(), HashMap::new());
            for (step, (host, identifier, sequence, added)) in steps.into_iter().enumerate() {
                let request = request(host, identifier, sequence);
                if added {
                    let place = table.insert(request, step);
                    prop_assert_eq!(place.is_some(), !map.contains_key(&request));
                    map.entry(request).or_insert(step);
                } else {
                    let place = table.find(request);
                    prop_assert_eq!(place.and_then(|place| table.remove(place)), map.remove(&request));
                }
                prop_assert_eq!(table.len(), map.len());
            }
            for (request, step) in map {
                let place = table.find(request).unwrap();
                prop_assert_eq!(table.get_mut(place), Some((request, &mut { step })));
            }
        }
    }
}
