//! Echo requests on shared sockets (RFC 792, RFC 4443).
//!
//! A reply ends a probe at once if it returns the random bytes of the request ([`nonce`]). An ICMP
//! error does not end it: the reply may still follow. It is passed on as [`Event::Undelivered`], and
//! the wait continues. Only a report of this machine about its own route to the target ends a
//! probe, as a fault.
//!
//! That report comes late, because a kernel tries to reach a silent gateway for three seconds. The
//! kernel is therefore queried shortly before a probe would count as lost.

pub(crate) mod message;
mod nonce;
mod options;
mod pending;
mod socket;

use std::hash::{BuildHasher as _, RandomState};
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use surge_ping::ICMP;
use tokio::time::Instant;

use super::route::{Routes, Waited};
use super::{Check, Opens, Tools, now};
use crate::engine::event::{Event, ProbeRequest};
use crate::engine::ids::FlowId;
use crate::engine::types::{Answer, Endpoint, Method};
use message::Request;
use nonce::Nonce;
use pending::End;
use socket::EchoSocket;

/// Time for which the further flows of datagram sockets share one identifier.
const FRESH_FOR: Duration = Duration::from_secs(10);

/// Receiver of a prober's events while a probe is in flight.
pub(crate) type HintSender = Arc<dyn Fn(Event) + Send + Sync>;

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
    /// Hash that numbers each target's requests. Its key is random and private to this process: an
    /// observer of the requests to one target learns nothing about those to another.
    numbers: RandomState,
}

/// The parts that all echo sockets share.
struct Shared {
    routes: Routes,
    hints: HintSender,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Shared").field("routes", &self.routes).finish_non_exhaustive()
    }
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
    /// Creates sockets that are opened when needed. Events about a probe in flight are sent to
    /// `hints`. Like everything here, this must be called inside a Tokio runtime.
    pub(crate) fn new(hints: &HintSender) -> Self {
        let shared = Arc::new(Shared { routes: Routes::default(), hints: Arc::clone(hints) });
        let v4 = Sockets::new(ICMP::V4, &shared);
        let v6 = Sockets::new(ICMP::V6, &shared);
        Self { v4, v6, shared, numbers: RandomState::new() }
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
            identifier: u16::from_be_bytes([high, low]),
            sequence: first.wrapping_add(probe.nth),
        }
    }

    /// Sends one echo request and waits for its reply.
    async fn probe(&self, probe: &ProbeRequest) -> Answer {
        let (mut request, nonce) = (self.number(probe), Nonce::random());
        let socket = match self.sockets(request.address).socket(probe.flow) {
            Ok(socket) => socket,
            Err(error) => return Answer::Fault(crate::text::error_chain(&error)),
        };
        if !socket.is_raw() {
            request.identifier = 0;
        }
        let Some(mut registration) = socket.pending().register(request, nonce, probe.id) else {
            return Answer::Fault("another probe waits for the same reply".into());
        };
        if let Err(error) = socket.send(request, nonce, probe.listen_for).await {
            return Answer::Fault(error.to_string());
        }
        let sent = now();
        match self.shared.routes.wait(probe, sent, &mut registration.end).await {
            Waited::Ended(Ok(End::Reply(heard))) => {
                Answer::Reply(heard.saturating_duration_since(sent))
            }
            Waited::Ended(Ok(End::Fault(what))) | Waited::Fault(what) => Answer::Fault(what),
            Waited::Ended(Err(_)) => Answer::Fault("nobody listens any more".into()),
            Waited::Silence => Answer::Silence,
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
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::time::Duration;

    use super::*;
    use crate::engine::ids::ProbeId;

    fn probe(last: u8, flow: u16, nth: u16) -> ProbeRequest {
        let endpoint = Endpoint::echo(IpAddr::from([192, 0, 2, last]));
        let timeout = Duration::from_secs(1);
        let id = ProbeId { endpoint: 0.into(), seq: 0.into() };
        let flow = FlowId::from(flow);
        ProbeRequest { id, endpoint, nth, flow, timeout, listen_for: timeout }
    }

    fn icmp() -> Icmp {
        Icmp::new(&(Arc::new(|_| {}) as HintSender))
    }

    #[test]
    fn each_target_and_flow_has_numbers_of_its_own() {
        let icmp = icmp();
        let all: Vec<_> = (0..=u8::MAX)
            .flat_map(|last| (0..4).map(move |flow| probe(last, flow, 0)))
            .map(|probe| icmp.number(&probe))
            .collect();
        let identifiers: BTreeSet<_> = all.iter().map(|request| request.identifier).collect();
        let sequences: BTreeSet<_> = all.iter().map(|request| request.sequence).collect();
        // 1,024 draws of 65,536: some eight of them are alike.
        assert!(identifiers.len() > 950, "{}", identifiers.len());
        assert!(sequences.len() > 950, "{}", sequences.len());
        let pairs: BTreeSet<_> = all.iter().map(|r| (r.identifier, r.sequence)).collect();
        assert!(pairs.len() >= 1023, "{}", pairs.len());
    }

    #[test]
    fn the_requests_of_one_flow_are_counted() {
        let icmp = icmp();
        let [first, next] = [0, 1].map(|nth| icmp.number(&probe(1, 0, nth)));
        assert_eq!(next.identifier, first.identifier);
        assert_eq!(next.sequence, first.sequence.wrapping_add(1));
    }

    #[test]
    fn another_process_has_other_numbers() {
        let probe = probe(1, 0, 0);
        let all: BTreeSet<_> = (0..100).map(|_| icmp().number(&probe).identifier).collect();
        assert!(all.len() > 90, "{}", all.len());
    }
}
