//! Echo requests on shared sockets (RFC 792, RFC 4443).
//!
//! A reply ends a probe at once if it returns the random bytes of the request ([`nonce`]). An ICMP
//! error does not end it: the reply may still follow. It is passed on as [`Event::Undelivered`], and
//! the wait continues. Only a report of this machine about its own route to the target ends a
//! probe, as a fault.
//!
//! That report comes late, because a kernel tries to reach a silent gateway for three seconds. The
//! kernel is therefore queried shortly before a probe would count as lost.

mod deadlines;
mod errors;
mod exchange;
mod identifiers;
pub(crate) mod message;
mod nonce;
mod options;
mod receive;
mod send;
mod socket;
mod table;
#[cfg(test)]
mod tests;

use std::hash::{BuildHasher as _, RandomState};
use std::io;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use surge_ping::ICMP;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

use super::route::{Routes, ask_after};
use super::{Check, Opens, Tools, now};
use crate::engine::event::{Event, ProbeRequest};
use crate::engine::ids::FlowId;
use crate::engine::types::{Answer, Endpoint, Method};
use exchange::{EchoExchange, Registration};
use identifiers::Identifiers;
use message::Request;
use nonce::Nonce;
use socket::{EchoSocket, OutgoingEcho};

/// Time for which the further flows of datagram sockets share one identifier.
const FRESH_FOR: Duration = Duration::from_secs(10);

/// The reason why no echo request can be sent from this machine.
#[derive(Debug, thiserror::Error)]
pub(crate) enum IcmpError {
    /// Neither kind of socket is permitted.
    #[error(
        "cannot open an ICMP socket; run as root, give the binary CAP_NET_RAW, or widen \
         net.ipv4.ping_group_range"
    )]
    Forbidden(#[source] io::Error),
    /// The machine does not support the protocol, or opening the socket failed for another reason.
    #[error("cannot open an {family} ICMP socket")]
    Unavailable {
        /// The address family, `IPv4` or `IPv6`.
        family: &'static str,
        /// The error of the operating system.
        #[source]
        source: io::Error,
    },
}

/// The echo sockets of this process, opened when they are first needed.
#[derive(Debug)]
pub(crate) struct Icmp {
    v4: Sockets,
    v6: Sockets,
    shared: Arc<Shared>,
    /// The requests that leave together.
    queue: Mutex<Vec<Queued>>,
    /// Hash that numbers each target's requests. Its key is random and private to this process: an
    /// observer of the requests to one target learns nothing about those to another.
    numbers: RandomState,
}

/// The parts that all echo sockets share.
#[derive(Debug)]
struct Shared {
    routes: Routes,
    exchange: EchoExchange,
    identifiers: Identifiers,
    /// The number of sockets that were opened, modulo 2^16.
    opened: AtomicU16,
}

impl Shared {
    /// Returns the number of the next socket.
    fn next_socket(&self) -> u16 {
        self.opened.fetch_add(1, Ordering::Relaxed)
    }
}

/// A request in the queue, with its socket.
#[derive(Debug)]
struct Queued {
    socket: Arc<EchoSocket>,
    outgoing: OutgoingEcho,
}

/// The sockets of one address family. A raw socket serves any number of flows. The kernel assigns
/// the identifier of a datagram socket: a second one stands by for the other flow, and all further
/// flows share one that is reopened every [`FRESH_FOR`].
#[derive(Debug)]
struct Sockets {
    family: ICMP,
    open: [OnceLock<Arc<EchoSocket>>; 2],
    fresh: Mutex<Option<(Instant, Arc<EchoSocket>)>>,
    shared: Arc<Shared>,
}

impl Sockets {
    fn new(family: ICMP, shared: &Arc<Shared>) -> Self {
        let shared = Arc::clone(shared);
        Self { family, open: Default::default(), fresh: Mutex::default(), shared }
    }

    /// Returns the socket for `flow`.
    fn socket(&self, flow: FlowId) -> Result<Arc<EchoSocket>, IcmpError> {
        let first = self.opened(0)?;
        match u16::from(flow) {
            0 => Ok(first),
            _ if first.is_raw() => Ok(first),
            1 => self.opened(1),
            _ => self.fresh(),
        }
    }

    fn opened(&self, place: usize) -> Result<Arc<EchoSocket>, IcmpError> {
        let place = &self.open[place];
        if let Some(socket) = place.get() {
            return Ok(Arc::clone(socket));
        }
        let socket = self.open()?;
        Ok(Arc::clone(place.get_or_init(|| socket)))
    }

    /// Returns a socket with an identifier that is at most [`FRESH_FOR`] old. Probes in flight keep
    /// the previous one open.
    fn fresh(&self) -> Result<Arc<EchoSocket>, IcmpError> {
        let mut fresh = self.fresh.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((opened, socket)) = &*fresh
            && opened.elapsed() < FRESH_FOR
        {
            return Ok(Arc::clone(socket));
        }
        let socket = self.open()?;
        *fresh = Some((now(), Arc::clone(&socket)));
        Ok(socket)
    }

    fn open(&self) -> Result<Arc<EchoSocket>, IcmpError> {
        EchoSocket::open(self.family, Arc::clone(&self.shared)).map(Arc::new)
    }
}

impl Icmp {
    /// Creates sockets that are opened when needed. Like everything here, this must be called inside a
    /// Tokio runtime.
    pub(crate) fn new() -> Self {
        let shared = Arc::new(Shared {
            routes: Routes::default(),
            exchange: EchoExchange::default(),
            identifiers: Identifiers::random(),
            opened: AtomicU16::default(),
        });
        let v4 = Sockets::new(ICMP::V4, &shared);
        let v6 = Sockets::new(ICMP::V6, &shared);
        Self { v4, v6, shared, queue: Mutex::default(), numbers: RandomState::new() }
    }

    /// Returns the cache of this machine's routes.
    pub(super) fn routes(&self) -> &Routes {
        &self.shared.routes
    }

    /// Opens the sockets that `addresses` need. If a family is unavailable its targets are in
    /// fault, as they would be if a reload added them.
    ///
    /// # Errors
    ///
    /// Fails with [`IcmpError`] if no socket can be opened.
    pub(crate) fn open_for(&self, addresses: &[IpAddr]) -> Result<(), IcmpError> {
        let families = [IpAddr::is_ipv4 as fn(&IpAddr) -> bool, IpAddr::is_ipv6];
        let needed = families.into_iter().filter_map(|is| addresses.iter().copied().find(is));
        let mut refusals = vec![];
        let mut opened = false;
        for address in needed {
            match self.sockets(address).socket(FlowId::default()) {
                Ok(_) => opened = true,
                Err(error) => refusals.push(error),
            }
        }
        match refusals.into_iter().next() {
            Some(error) if !opened => Err(error),
            _ => Ok(()),
        }
    }

    /// Returns the kind of the open sockets, `raw` or `datagram`, if any is open.
    pub(crate) fn kind(&self) -> Option<&'static str> {
        let open = self.v4.open[0].get().or_else(|| self.v6.open[0].get())?;
        Some(open.kind())
    }

    fn sockets(&self, address: IpAddr) -> &Sockets {
        if address.is_ipv4() { &self.v4 } else { &self.v6 }
    }

    /// Returns the numbers of a request: an identifier and a first sequence number for each target
    /// and flow.
    fn number(&self, probe: &ProbeRequest) -> Request {
        let address = probe.endpoint.address;
        let bits = match address {
            IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
            IpAddr::V6(address) => address.to_bits(),
        };
        let [high, low, first @ ..] =
            self.numbers.hash_one((bits, probe.id.endpoint, probe.flow)).to_be_bytes();
        let first = u16::from_be_bytes([first[0], first[1]]);
        Request {
            address,
            identifier: self.shared.identifiers.of(u16::from_be_bytes([high, low])),
            sequence: first.wrapping_add(probe.nth),
        }
    }

    /// Takes a probe, which leaves with others at the next [`Self::flush`]. Its answer is an event, unless
    /// it has a receiver of its own.
    fn enqueue(&self, probe: &ProbeRequest, receiver: Option<oneshot::Sender<Answer>>) {
        let socket = self.sockets(probe.endpoint.address).socket(probe.flow);
        let mut access = self.shared.exchange.access();
        let socket = match socket {
            Ok(socket) => socket,
            Err(error) => {
                let reason = crate::text::error_chain(&error);
                return access.refuse(probe.id, receiver, reason);
            }
        };
        let (request, nonce) = (socket.as_registered(self.number(probe)), Nonce::random());
        let registration = Registration { probe, receiver, socket: Arc::clone(&socket) as _ };
        if let Some(place) = access.register(request, nonce, registration) {
            let outgoing =
                OutgoingEcho { place, request, nonce, patience: ask_after(probe.timeout) };
            self.queue().push(Queued { socket, outgoing });
        }
    }

    fn queue(&self) -> MutexGuard<'_, Vec<Queued>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends the requests of the queue.
    pub(super) fn flush(&self) {
        let mut queue = std::mem::take(&mut *self.queue());
        if queue.is_empty() {
            return;
        }
        // Those of one socket leave together, in order.
        queue.sort_by_key(|queued| Arc::as_ptr(&queued.socket));
        for group in queue.chunk_by(|one, next| Arc::ptr_eq(&one.socket, &next.socket)) {
            let outgoing: Vec<_> = group.iter().map(|queued| queued.outgoing).collect();
            group[0].socket.send(&outgoing);
        }
    }

    /// Moves the events about probes to `into`, after those of the deadlines that have passed.
    pub(super) fn take_events(&self, into: &mut Vec<Event>) {
        let Shared { exchange, routes, .. } = &*self.shared;
        if let Some(deadline) = exchange.next_deadline() {
            let now = now();
            if deadline <= now {
                exchange.expire(now, routes);
            }
        }
        exchange.take_events(into);
    }

    /// Waits until there are events. One task may wait at a time.
    pub(super) fn poll_events(&self, context: &mut Context<'_>) -> Poll<()> {
        self.shared.exchange.poll_events(context)
    }

    /// Returns the time of the next deadline of a probe.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.shared.exchange.next_deadline()
    }

    /// Sends one echo request and waits for its reply.
    async fn probe(&self, probe: &ProbeRequest) -> Answer {
        let (sender, mut receiver) = oneshot::channel();
        self.enqueue(probe, Some(sender));
        self.flush();
        let Shared { exchange, routes, .. } = &*self.shared;
        loop {
            let deadline = exchange.next_deadline().unwrap_or_else(|| now() + probe.listen_for);
            match timeout_at(deadline, &mut receiver).await {
                Ok(Ok(answer)) => return answer,
                Ok(Err(_)) => return Answer::Fault("nobody listens any more".into()),
                Err(_) => exchange.expire(now(), routes),
            }
        }
    }
}

/// The check by echo requests.
#[derive(Debug)]
pub(crate) struct Echo;

impl Check for Echo {
    const NAME: &'static str = "ip";
    const OPENS: Opens = Opens::SharedSocket;

    fn covers(endpoint: Endpoint) -> bool {
        endpoint.method == Method::Echo
    }

    fn in_words(_: Endpoint) -> String {
        "by echo requests".to_owned()
    }

    fn probe(tools: &Tools, request: &ProbeRequest) -> impl Future<Output = Answer> + Send {
        tools.icmp.probe(request)
    }

    fn enqueue(tools: &Tools, request: &ProbeRequest) -> bool {
        tools.icmp.enqueue(request, None);
        true
    }
}
