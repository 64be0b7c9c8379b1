//! Requests waiting for their reply.

use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustc_hash::FxHashMap;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::message::Request;
use super::nonce::Nonce;
use crate::engine::ids::ProbeId;

/// The end of the wait for a reply.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The reply was received at this time.
    Reply(Instant),
    /// This machine could not send the request.
    Fault(String),
}

/// A waiting request, with its probe and the channel for its result.
#[derive(Debug)]
struct PendingRequest {
    probe: ProbeId,
    nonce: Nonce,
    /// Whether a message about it was reported.
    is_reported: bool,
    end: oneshot::Sender<End>,
}

/// All waiting requests of one socket.
#[derive(Debug, Clone, Default)]
pub(super) struct PendingRequests {
    requests: Arc<Mutex<FxHashMap<Request, PendingRequest>>>,
}

/// Registration of one waiting request; removed when it is dropped.
#[derive(Debug)]
pub(super) struct Registration {
    pending: PendingRequests,
    request: Request,
    probe: ProbeId,
    pub(super) end: oneshot::Receiver<End>,
}

impl PendingRequests {
    fn requests(&self) -> MutexGuard<'_, FxHashMap<Request, PendingRequest>> {
        // Code that can panic does not run while it is locked.
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Registers a request. `None` if another probe waits for the very same reply.
    pub(super) fn register(
        &self,
        request: Request,
        nonce: Nonce,
        probe: ProbeId,
    ) -> Option<Registration> {
        let (sender, end) = oneshot::channel();
        match self.requests().entry(request) {
            Entry::Occupied(_) => return None,
            Entry::Vacant(place) => {
                let pending = PendingRequest { probe, nonce, is_reported: false, end: sender };
                place.insert(pending);
            }
        }
        Some(Registration { pending: self.clone(), request, probe, end })
    }

    /// Returns the random bytes of a request if it is waiting.
    pub(super) fn nonce(&self, request: Request) -> Option<Nonce> {
        self.requests().get(&request).map(|pending| pending.nonce)
    }

    /// Returns the probe of a request if it is waiting, the first time only: of many messages about
    /// one request, one is worth reporting.
    pub(super) fn first_report(&self, request: Request) -> Option<ProbeId> {
        let mut requests = self.requests();
        let pending = requests.get_mut(&request).filter(|pending| !pending.is_reported)?;
        pending.is_reported = true;
        Some(pending.probe)
    }

    /// Ends the wait of a request if it is waiting.
    pub(super) fn end(&self, request: Request, end: End) {
        let pending = self.requests().remove(&request);
        if let Some(pending) = pending {
            // A probe that has given up needs no result.
            let _ = pending.end.send(end);
        }
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        // An end that was received has removed the request.
        if self.end.is_terminated() {
            return;
        }
        // After its end another probe may have registered the same request.
        if let Entry::Occupied(entry) = self.pending.requests().entry(self.request)
            && entry.get().probe == self.probe
        {
            entry.remove();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    fn probe(seq: u64) -> ProbeId {
        ProbeId { endpoint: 3.into(), seq: seq.into() }
    }

    fn request(sequence: u16) -> Request {
        Request { address: IpAddr::from([192, 0, 2, 1]), identifier: 1, sequence }
    }

    fn register(pending: &PendingRequests, seq: u64) -> Option<Registration> {
        pending.register(request(7), Nonce::random(), probe(seq))
    }

    #[test]
    fn a_place_is_taken_once_and_given_back() {
        let pending = PendingRequests::default();
        let first = register(&pending, 1).unwrap();
        let nonce = pending.nonce(request(7));
        assert!(nonce.is_some());
        assert!(register(&pending, 2).is_none(), "it is taken");
        assert_eq!(pending.nonce(request(7)), nonce);
        assert_eq!(pending.nonce(request(8)), None, "nobody waits for that");
        drop(first);
        assert!(register(&pending, 2).is_some());
        assert!(pending.requests().is_empty());
    }

    #[test]
    fn one_message_about_a_request_is_reported() {
        let pending = PendingRequests::default();
        for seq in [1, 2] {
            let _registration = register(&pending, seq).unwrap();
            assert_eq!(pending.first_report(request(7)), Some(probe(seq)));
            assert_eq!(pending.first_report(request(7)), None);
        }
        assert_eq!(pending.first_report(request(7)), None, "nobody waits any more");
    }

    #[test]
    fn an_end_removes_the_request() {
        let pending = PendingRequests::default();
        let mut first = register(&pending, 1).unwrap();
        pending.end(request(7), End::Fault("no".into()));
        assert!(pending.requests().is_empty());
        assert_eq!(first.end.try_recv(), Ok(End::Fault("no".into())));
    }

    #[test]
    fn a_late_end_does_not_release_the_place_of_the_next_probe() {
        let pending = PendingRequests::default();
        for is_received in [true, false] {
            let mut first = register(&pending, 1).unwrap();
            pending.end(request(7), End::Fault("no".into()));
            let second = register(&pending, 2).unwrap();
            if is_received {
                assert_eq!(first.end.try_recv(), Ok(End::Fault("no".into())));
            }
            drop(first);
            assert_eq!(pending.first_report(request(7)), Some(probe(2)));
            drop(second);
            assert!(pending.requests().is_empty());
        }
    }
}
