//! The echo requests that wait, and the events about them for the event loop.
//!
//! A probe is one entry of a table: no task, no channel and no timer of its own. It ends by a reply, by
//! a fault, or by its deadlines, which the event loop looks at whenever it wakes up.

use std::any::Any;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::task::AtomicWaker;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::deadlines::Deadlines;
use super::message::Request;
use super::nonce::Nonce;
use super::table::{EchoTable, PlaceId};
use crate::engine::event::{Event, ProbeRequest};
use crate::engine::ids::ProbeId;
use crate::engine::types::{Answer, Endpoint};
use crate::probe::route::{Routes, ask_after};

/// All waiting requests of this process, and the events about them that were not taken yet.
#[derive(Debug, Default)]
pub(super) struct EchoExchange {
    state: Mutex<ExchangeState>,
    ready: AtomicWaker,
}

#[derive(Debug, Default)]
struct ExchangeState {
    waiting: EchoTable<WaitingEcho>,
    deadlines: Deadlines,
    events: Vec<Event>,
}

/// A waiting request, with its probe.
#[derive(Debug)]
struct WaitingEcho {
    probe: ProbeId,
    nonce: Nonce,
    /// The time from which its reply is awaited; `None` while it has not left.
    sent: Option<Instant>,
    /// The wait after which the kernel was asked about the gateway, or is to be asked.
    ask_after: Option<Duration>,
    listen_for: Duration,
    /// Whether a message about it was reported.
    is_reported: bool,
    /// The receiver of its answer, if that is not the event loop.
    receiver: Option<oneshot::Sender<Answer>>,
    /// The socket, which stays open.
    _socket: Arc<dyn Any + Send + Sync>,
}

/// A request to be registered: its probe, the receiver of its answer unless that is the event loop, and
/// the socket that it needs.
pub(super) struct Registration<'a> {
    pub(super) probe: &'a ProbeRequest,
    pub(super) receiver: Option<oneshot::Sender<Answer>>,
    pub(super) socket: Arc<dyn Any + Send + Sync>,
}

/// Access to the waiting requests. When it ends, the event loop is woken if there are events for it.
pub(super) struct WaitingAccess<'a> {
    state: MutexGuard<'a, ExchangeState>,
    ready: &'a AtomicWaker,
}

impl EchoExchange {
    /// Locks the waiting requests.
    pub(super) fn access(&self) -> WaitingAccess<'_> {
        // Code that can panic does not run while it is locked.
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        WaitingAccess { state, ready: &self.ready }
    }

    /// Moves the events about probes to `into`, in order.
    pub(super) fn take_events(&self, into: &mut Vec<Event>) {
        into.append(&mut self.access().state.events);
    }

    /// Waits until there are events. One task may wait at a time.
    pub(super) fn poll_events(&self, context: &mut Context<'_>) -> Poll<()> {
        self.ready.register(context.waker());
        if self.access().state.events.is_empty() { Poll::Pending } else { Poll::Ready(()) }
    }

    /// Returns the time at which [`Self::expire`] has something to do.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.access().state.deadlines.next()
    }

    /// Handles the deadlines that have passed: shortly before a request would count as lost, its probe
    /// ends as a fault if the kernel knows that the gateway does not answer. After its time, nobody
    /// listens for the reply any more.
    pub(super) fn expire(&self, now: Instant, routes: &Routes) {
        let mut access = self.access();
        while let Some(place) = access.state.deadlines.take_due(now) {
            let ExchangeState { waiting, deadlines, .. } = &mut *access.state;
            let Some((request, entry)) = waiting.get_mut(place) else { continue };
            if entry.ask_after.take().is_none() {
                access.end(place, Answer::Silence);
                continue;
            }
            let endpoint = Endpoint::echo(request.address);
            if let Some(what) = routes.silent_gateway(endpoint, now) {
                access.end(place, Answer::Fault(what));
            } else {
                let since = entry.sent.unwrap_or(now);
                deadlines.add(place, since, entry.listen_for);
            }
        }
    }
}

impl WaitingAccess<'_> {
    /// Registers a request that is about to leave. `None` if another probe waits for the very same
    /// reply; its answer is a fault then.
    pub(super) fn register(
        &mut self,
        request: Request,
        nonce: Nonce,
        registration: Registration<'_>,
    ) -> Option<PlaceId> {
        let Registration { probe, receiver, socket } = registration;
        if self.state.waiting.find(request).is_some() {
            self.answer(probe.id, receiver, same_reply());
            return None;
        }
        let waiting = WaitingEcho {
            probe: probe.id,
            nonce,
            sent: None,
            ask_after: Some(ask_after(probe.timeout)),
            listen_for: probe.listen_for,
            is_reported: false,
            receiver,
            _socket: socket,
        };
        self.state.waiting.insert(request, waiting)
    }

    /// Ends a probe that cannot be registered.
    pub(super) fn refuse(
        &mut self,
        probe: ProbeId,
        receiver: Option<oneshot::Sender<Answer>>,
        reason: String,
    ) {
        self.answer(probe, receiver, Answer::Fault(reason));
    }

    /// Starts the wait of a request that has left.
    pub(super) fn sent(&mut self, place: PlaceId, now: Instant) {
        let ExchangeState { waiting, deadlines, .. } = &mut *self.state;
        let Some((_, entry)) = waiting.get_mut(place) else { return };
        if entry.sent.replace(now).is_none()
            && let Some(wait) = entry.ask_after
        {
            deadlines.add(place, now, wait);
        }
    }

    /// Returns the place and the random bytes of a request if it is waiting.
    pub(super) fn find(&mut self, request: Request) -> Option<(PlaceId, Nonce)> {
        let place = self.state.waiting.find(request)?;
        let (_, entry) = self.state.waiting.get_mut(place)?;
        Some((place, entry.nonce))
    }

    /// Reports about a waiting request, the first time only: of many messages about one request, one is
    /// worth reporting. Returns whether it was reported.
    pub(super) fn report(&mut self, place: PlaceId, report: &str) -> bool {
        let ExchangeState { waiting, events, .. } = &mut *self.state;
        let Some((_, entry)) = waiting.get_mut(place) else { return false };
        let is_first = !std::mem::replace(&mut entry.is_reported, true);
        if is_first && entry.receiver.is_none() {
            events.push(Event::Undelivered { probe: entry.probe, report: report.to_owned() });
        }
        is_first
    }

    /// Ends a probe by a reply that was heard at this time.
    pub(super) fn replied(&mut self, place: PlaceId, heard: Instant) {
        let sent = self.state.waiting.get_mut(place).and_then(|(_, entry)| entry.sent);
        let sent = sent.unwrap_or(heard);
        self.end(place, Answer::Reply(heard.saturating_duration_since(sent)));
    }

    /// Ends the wait of a request.
    pub(super) fn end(&mut self, place: PlaceId, answer: Answer) {
        self.state.deadlines.remove(place);
        if let Some(WaitingEcho { probe, receiver, .. }) = self.state.waiting.remove(place) {
            self.answer(probe, receiver, answer);
        }
    }

    fn answer(
        &mut self,
        probe: ProbeId,
        receiver: Option<oneshot::Sender<Answer>>,
        answer: Answer,
    ) {
        match receiver {
            // One that has given up needs no answer.
            Some(receiver) => _ = receiver.send(answer),
            None => self.state.events.push(Event::Answered { probe, answer }),
        }
    }
}

impl Drop for WaitingAccess<'_> {
    fn drop(&mut self) {
        if !self.state.events.is_empty() {
            self.ready.wake();
        }
    }
}

/// Returns the fault of a probe that would wait for the same reply as another.
fn same_reply() -> Answer {
    Answer::Fault("another probe waits for the same reply".into())
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    const LOCAL: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn request(sequence: u16) -> Request {
        Request { address: LOCAL, identifier: 1, sequence }
    }

    fn probe() -> ProbeRequest {
        let timeout = Duration::from_millis(100);
        ProbeRequest {
            listen_for: timeout * 2,
            ..ProbeRequest::first(Endpoint::echo(LOCAL), timeout)
        }
    }

    /// Registers a request of the event loop.
    fn register(exchange: &EchoExchange, sequence: u16) -> Option<PlaceId> {
        let probe = probe();
        let registration = Registration { probe: &probe, receiver: None, socket: Arc::new(()) };
        exchange.access().register(request(sequence), Nonce::random(), registration)
    }

    fn answers(exchange: &EchoExchange) -> Vec<Answer> {
        let mut events = vec![];
        exchange.take_events(&mut events);
        let answers = events.into_iter().filter_map(|event| match event {
            Event::Answered { answer, .. } => Some(answer),
            _ => None,
        });
        answers.collect()
    }

    #[test]
    fn two_probes_never_wait_for_the_same_reply() {
        let exchange = EchoExchange::default();
        let place = register(&exchange, 7).unwrap();
        assert!(register(&exchange, 7).is_none(), "it is taken");
        assert_eq!(answers(&exchange), [same_reply()]);
        exchange.access().end(place, Answer::Silence);
        assert!(register(&exchange, 7).is_some());
    }

    #[test]
    fn one_message_about_a_request_is_reported() {
        let exchange = EchoExchange::default();
        for _ in 0..2 {
            let place = register(&exchange, 7).unwrap();
            assert_eq!(
                [(); 3].map(|()| exchange.access().report(place, "no")),
                [true, false, false]
            );
            exchange.access().end(place, Answer::Silence);
            assert!(!exchange.access().report(place, "no"), "nobody waits any more");
            let mut events = vec![];
            exchange.take_events(&mut events);
            assert!(
                matches!(&events[..], [Event::Undelivered { report, .. }, Event::Answered { .. }]
                if report == "no")
            );
        }
    }

    #[test]
    fn silence_ends_after_the_time_of_a_late_reply() {
        let (exchange, routes, start) =
            (EchoExchange::default(), Routes::default(), crate::probe::now());
        let [first, second] = [1, 2].map(|sequence| register(&exchange, sequence).unwrap());
        assert_eq!(exchange.next_deadline(), None, "it has not left");
        for (place, wait) in [(first, 0), (second, 50)] {
            exchange.access().sent(place, start + Duration::from_millis(wait));
        }
        for (now, left) in [(90, 140), (140, 200), (199, 200), (200, 250)] {
            exchange.expire(start + Duration::from_millis(now), &routes);
            assert_eq!(
                exchange.next_deadline(),
                Some(start + Duration::from_millis(left)),
                "{now}"
            );
        }
        assert_eq!(answers(&exchange), [Answer::Silence]);
        exchange.access().replied(second, start + Duration::from_millis(249));
        assert_eq!(answers(&exchange), [Answer::Reply(Duration::from_millis(199))]);
        assert_eq!(exchange.next_deadline(), None);
    }
}
