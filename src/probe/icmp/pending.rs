//! Requests waiting for their reply.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::message::Request;
use crate::engine::event::ProbeRequest;
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
    end: oneshot::Sender<End>,
}

/// All waiting requests of one socket.
#[derive(Debug, Clone, Default)]
pub(super) struct PendingRequests {
    requests: Arc<Mutex<HashMap<Request, PendingRequest>>>,
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
    fn requests(&self) -> MutexGuard<'_, HashMap<Request, PendingRequest>> {
        // Code that can panic does not run while it is locked.
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Registers a request. `None` if another probe waits for the very same reply.
    pub(super) fn register(&self, request: Request, probe: &ProbeRequest) -> Option<Registration> {
        let (sender, end) = oneshot::channel();
        let probe = probe.id;
        match self.requests().entry(request) {
            Entry::Occupied(_) => return None,
            Entry::Vacant(place) => {
                place.insert(PendingRequest { probe, end: sender });
            }
        }
        Some(Registration { pending: self.clone(), request, probe, end })
    }

    /// Returns the probe of a request if it is waiting.
    pub(super) fn probe(&self, request: Request) -> Option<ProbeId> {
        self.requests().get(&request).map(|pending| pending.probe)
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
    use std::time::Duration;

    use super::*;
    use crate::engine::ids::FlowId;
    use crate::engine::types::Endpoint;

    fn probe(seq: u64) -> ProbeRequest {
        let endpoint = Endpoint { address: IpAddr::from([192, 0, 2, 1]), port: None };
        let timeout = Duration::from_secs(1);
        let id = ProbeId { endpoint: 3.into(), seq: seq.into() };
        let flow = FlowId::default();
        ProbeRequest { id, endpoint, nth: 0, flow, timeout, listen_for: timeout }
    }

    fn request(sequence: u16) -> Request {
        Request { address: IpAddr::from([192, 0, 2, 1]), identifier: 1, sequence }
    }

    #[test]
    fn a_place_is_taken_once_and_given_back() {
        let pending = PendingRequests::default();
        let first = pending.register(request(7), &probe(1)).unwrap();
        assert!(pending.register(request(7), &probe(2)).is_none(), "it is taken");
        assert_eq!(pending.probe(request(7)), Some(probe(1).id));
        assert_eq!(pending.probe(request(8)), None, "nobody waits for that");
        drop(first);
        assert!(pending.register(request(7), &probe(2)).is_some());
        assert!(pending.requests().is_empty());
    }

    #[test]
    fn a_late_end_does_not_release_the_place_of_the_next_probe() {
        let pending = PendingRequests::default();
        let mut first = pending.register(request(7), &probe(1)).unwrap();
        pending.end(request(7), End::Fault("no".into()));
        let second = pending.register(request(7), &probe(2)).unwrap();
        assert_eq!(first.end.try_recv(), Ok(End::Fault("no".into())));
        drop(first);
        assert_eq!(pending.probe(request(7)), Some(probe(2).id));
        drop(second);
    }
}
