//! A shared echo socket, with its listeners.

use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::sync::Arc;
use std::time::Duration;

use socket2::Type;
use surge_ping::ICMP;
use tokio::io::Interest;
use tokio::net::UdpSocket;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::errors::{QueuedError, next_error};
use super::exchange::WaitingAccess;
use super::message::{self, EchoMessage, Request, Response, parse};
use super::nonce::{Nonce, Quotation};
use super::options::{create, listen_for_answers_only, name, queue_errors, widen};
use super::receive::{self, receive};
use super::send::{self, Packet, send};
use super::table::PlaceId;
use super::{IcmpError, Shared};
use crate::engine::types::Answer;
use crate::probe::now;

/// Maximum number of attempts to send after errors about other requests.
const SENDS: usize = 3;

/// Maximum number of queued errors that are read before other tasks have their turn.
const ERRORS_AT_ONCE: usize = 128;

/// Maximum number of batches that are received before other tasks have their turn.
const BATCHES_AT_ONCE: usize = 16;

/// An open echo socket and its listeners.
#[derive(Debug)]
pub(super) struct EchoSocket {
    shared: Arc<SharedSocket>,
    listeners: Vec<AbortHandle>,
}

struct SharedSocket {
    /// The number of the socket among those of this process.
    number: u16,
    family: ICMP,
    kind: Type,
    socket: UdpSocket,
    process: Arc<Shared>,
}

/// A registered request that is to leave.
#[derive(Debug, Clone, Copy)]
pub(super) struct OutgoingEcho {
    /// The place at which it waits.
    pub(super) place: PlaceId,
    /// The numbers of the request.
    pub(super) request: Request,
    /// The random bytes of the request.
    pub(super) nonce: Nonce,
    /// Time to wait for room in the socket. It ends before the probe would count as lost.
    pub(super) patience: Duration,
}

impl std::fmt::Debug for SharedSocket {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Shared").field("family", &self.family).finish_non_exhaustive()
    }
}

fn unavailable(family: ICMP, source: io::Error) -> IcmpError {
    IcmpError::Unavailable { family: name(family), source }
}

impl EchoSocket {
    /// Opens a raw socket, or a datagram socket if that fails, and starts to listen.
    pub(super) fn open(family: ICMP, process: Arc<Shared>) -> Result<Self, IcmpError> {
        let (kind, socket) = create(family).map_err(|source| match source.kind() {
            io::ErrorKind::PermissionDenied => IcmpError::Forbidden(source),
            _ => unavailable(family, source),
        })?;
        let buffer = widen(&socket);
        let prepared = match kind {
            Type::RAW => listen_for_answers_only(&socket, family, process.identifiers),
            _ => queue_errors(&socket, family),
        };
        if let Err(error) = prepared {
            tracing::debug!(family = name(family), %error, "cannot filter the messages of an ICMP \
                socket");
        }
        socket.set_nonblocking(true).map_err(|source| unavailable(family, source))?;
        // To the runtime it is a datagram socket like any other.
        let socket = std::net::UdpSocket::from(std::os::fd::OwnedFd::from(socket));
        let socket = UdpSocket::from_std(socket).map_err(|source| unavailable(family, source))?;
        let number = process.next_socket();
        let shared = Arc::new(SharedSocket { number, family, kind, socket, process });
        let mut listeners = vec![tokio::spawn(Arc::clone(&shared).listen()).abort_handle()];
        if kind != Type::RAW {
            listeners.push(tokio::spawn(Arc::clone(&shared).listen_for_errors()).abort_handle());
        }
        let opened = Self { shared, listeners };
        tracing::debug!(
            family = name(family),
            kind = opened.kind(),
            buffer,
            "opened an ICMP socket"
        );
        Ok(opened)
    }

    /// Whether it is a raw socket, on which this program chooses the identifiers.
    pub(super) fn is_raw(&self) -> bool {
        self.shared.kind == Type::RAW
    }

    /// Returns the kind of the socket, `raw` or `datagram`.
    pub(super) fn kind(&self) -> &'static str {
        if self.is_raw() { "raw" } else { "datagram" }
    }

    /// Returns a request as it is registered.
    pub(super) fn as_registered(&self, request: Request) -> Request {
        self.shared.as_registered(request)
    }

    /// Sends requests. Those for which the socket has no room leave later, or end as faults.
    pub(super) fn send(&self, outgoing: &[OutgoingEcho]) {
        let rest = self.shared.try_send(outgoing);
        if let Some(OutgoingEcho { patience, .. }) = rest.first() {
            let sender = Arc::clone(&self.shared).send_later(rest.to_vec(), *patience);
            tokio::spawn(sender);
        }
    }
}

impl Drop for EchoSocket {
    fn drop(&mut self) {
        self.listeners.iter().for_each(AbortHandle::abort);
    }
}

impl SharedSocket {
    /// Sends requests as soon as the socket has room. Those that cannot leave within `patience` end as
    /// faults.
    async fn send_later(self: Arc<Self>, outgoing: Vec<OutgoingEcho>, patience: Duration) {
        let mut rest = outgoing.as_slice();
        let sent = tokio::time::timeout(patience, async {
            while !rest.is_empty() {
                if let Err(error) = self.socket.writable().await {
                    self.cannot_send(&rest[0], &error);
                    rest = &rest[1..];
                    continue;
                }
                rest = self.try_send(rest);
            }
        });
        if sent.await.is_err() {
            let is_full = io::Error::other("the socket accepts no more packets");
            for outgoing in rest {
                self.cannot_send(outgoing, &is_full);
            }
        }
    }

    /// Sends requests while the socket has room. Returns the others.
    fn try_send<'a>(&self, outgoing: &'a [OutgoingEcho]) -> &'a [OutgoingEcho] {
        let (mut rest, mut sends) = (outgoing, SENDS);
        while !rest.is_empty() {
            let together = rest.iter().take(send::AT_ONCE);
            let packets: Vec<Packet> = together
                .map(|it| (it.request.address, message::bytes(it.request, it.nonce)))
                .collect();
            let sent =
                self.socket.try_io(Interest::WRITABLE, || send(self.socket.as_fd(), &packets));
            match sent {
                Ok(count) => {
                    let (now, mut access) = (now(), self.process.exchange.access());
                    rest[..count].iter().for_each(|outgoing| access.sent(outgoing.place, now));
                    drop(access);
                    rest = &rest[count..];
                    sends = SENDS;
                    // The first replies are here already, and there may be no room for all of them.
                    if !rest.is_empty() {
                        let _ = self.receive_batch();
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return rest,
                // On a datagram socket an ICMP error about any request fails the next call once.
                Err(_) if self.kind != Type::RAW && sends > 1 => {
                    sends -= 1;
                    let _ = self.socket.take_error();
                }
                Err(error) => {
                    self.cannot_send(&rest[0], &error);
                    rest = &rest[1..];
                    sends = SENDS;
                }
            }
        }
        rest
    }

    fn cannot_send(&self, outgoing: &OutgoingEcho, error: &io::Error) {
        self.process.exchange.access().end(outgoing.place, Answer::Fault(error.to_string()));
    }

    /// Receives messages for as long as the runtime exists.
    async fn listen(self: Arc<Self>) {
        loop {
            // An error is about a request, and the other listener reads it.
            let _ = self.socket.async_io(Interest::READABLE, || self.receive_all()).await;
            tokio::task::yield_now().await;
        }
    }

    /// Receives the messages that are there, or as many as other tasks can wait for. The error is
    /// `WouldBlock` if there are no more.
    fn receive_all(&self) -> io::Result<()> {
        for _ in 0..BATCHES_AT_ONCE {
            let count = self.receive_batch()?;
            // A pending error cuts a batch of a datagram socket short as well.
            if count < receive::AT_ONCE && self.kind == Type::RAW {
                return Err(io::ErrorKind::WouldBlock.into());
            }
        }
        Ok(())
    }

    /// Receives one batch of messages. Returns their number.
    fn receive_batch(&self) -> io::Result<usize> {
        let (mut access, mut heard) = (self.process.exchange.access(), None);
        receive(self.socket.as_raw_fd(), self.family, &mut |bytes, source| {
            // The messages of one batch were heard at the same time.
            let heard = *heard.get_or_insert_with(now);
            if let Some(message) = parse(self.kind, source, bytes) {
                let request = self.as_registered(message.request);
                self.received(&mut access, EchoMessage { request, ..message }, (source, heard));
            }
        })
    }

    /// Returns a request as registered. On a datagram socket the kernel chooses the identifiers and
    /// compares them itself.
    fn as_registered(&self, request: Request) -> Request {
        let identifier = if self.kind == Type::RAW { request.identifier } else { self.number };
        Request { identifier, ..request }
    }

    /// Compares a message with the waiting requests. It was heard from this sender at this time.
    fn received(
        &self,
        access: &mut WaitingAccess<'_>,
        message: EchoMessage<'_>,
        (source, heard): (IpAddr, Instant),
    ) {
        let EchoMessage { request, response, payload } = message;
        let Some((place, nonce)) = access.find(request) else { return };
        match response {
            Response::Reply if nonce.is_returned_in(payload) => access.replied(place, heard),
            Response::Reply => {
                let report =
                    format!("an echo reply from {source} without the bytes of the request");
                report_about(access, (place, request), &report);
            }
            Response::Error { kind, code } => {
                let quotation = nonce.quotation(payload);
                if quotation == Quotation::Foreign {
                    return;
                }
                let report = message::in_words(self.family, (kind, code), source);
                // This machine quotes the whole request, and nobody else can.
                let is_own = quotation == Quotation::Complete
                    && self.process.routes.is_own_fault(source, request.address, heard);
                if is_own {
                    let fault = format!("{report}, which is this machine");
                    access.end(place, Answer::Fault(fault));
                } else {
                    report_about(access, (place, request), &report);
                }
            }
        }
    }

    /// Receives the errors that the kernel queues separately on a datagram socket. They take room
    /// from the replies in the receive buffer, so many are read at once.
    async fn listen_for_errors(self: Arc<Self>) {
        loop {
            let mut read = self.socket.async_io(Interest::ERROR, || self.next_error()).await;
            for _ in 1..ERRORS_AT_ONCE {
                let Ok(error) = read else { break };
                self.received_from_queue(error);
                read = self.socket.try_io(Interest::ERROR, || self.next_error());
            }
            self.received_from_queue(read.ok().flatten());
            tokio::task::yield_now().await;
        }
    }

    fn next_error(&self) -> io::Result<Option<QueuedError>> {
        next_error(self.socket.as_raw_fd())
    }

    fn received_from_queue(&self, error: Option<QueuedError>) {
        let Some(QueuedError { request, response, payload, source }) = error else { return };
        let request = self.as_registered(request);
        let message = EchoMessage { request, response, payload: &payload };
        self.received(&mut self.process.exchange.access(), message, (source, now()));
    }
}

/// Passes on the first report about a waiting request, which goes on waiting for its reply.
fn report_about(
    access: &mut WaitingAccess<'_>,
    (place, request): (PlaceId, Request),
    report: &str,
) {
    if access.report(place, report) {
        tracing::debug!(target = %request.address, what = report, "report about an echo request; \
            the reply may still follow");
    }
}
