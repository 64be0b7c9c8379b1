//! A shared echo socket, with its listeners.

use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::Duration;

use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg};
use socket2::Type;
use surge_ping::ICMP;
use tokio::io::Interest;
use tokio::net::UdpSocket;
use tokio::task::AbortHandle;

use super::message::{self, EchoMessage, Request, Response, parse};
use super::nonce::{Nonce, Quotation};
use super::options::{create, listen_for_answers_only, name, queue_errors, widen};
use super::pending::{End, PendingRequests};
use super::{IcmpError, Shared};
use crate::engine::event::Event;
use crate::probe::now;

/// Maximum number of attempts to send after errors about other requests.
const SENDS: usize = 3;

/// Maximum number of queued errors that are read before other tasks have their turn.
const ERRORS_AT_ONCE: usize = 128;

/// An open echo socket and its listeners.
#[derive(Debug)]
pub(super) struct EchoSocket {
    shared: Arc<SharedSocket>,
    listeners: Vec<AbortHandle>,
}

struct SharedSocket {
    family: ICMP,
    kind: Type,
    socket: UdpSocket,
    pending: PendingRequests,
    process: Arc<Shared>,
}

/// An ICMP error from the queue of a datagram socket.
struct QueuedError {
    /// The quoted request.
    request: Request,
    response: Response,
    /// The payload of the request, as far as it is quoted.
    payload: Vec<u8>,
    /// The sender of the error.
    source: IpAddr,
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
            Type::RAW => listen_for_answers_only(&socket, family),
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
        let pending = PendingRequests::default();
        let shared = Arc::new(SharedSocket { family, kind, socket, pending, process });
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

    /// Returns the requests waiting for a reply on this socket.
    pub(super) fn pending(&self) -> &PendingRequests {
        &self.shared.pending
    }

    /// Sends a request. Waits for room in the socket for at most `patience`.
    pub(super) async fn send(
        &self,
        request: Request,
        nonce: Nonce,
        patience: Duration,
    ) -> io::Result<()> {
        let (bytes, to) = (message::bytes(request, nonce), SocketAddr::new(request.address, 0));
        match self.shared.try_send(&bytes, to) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                // Boxed because it is rare: the task of each probe would have room for it.
                let sent = tokio::time::timeout(patience, self.shared.send(&bytes, to));
                let is_full = "the socket accepts no more packets";
                Box::pin(sent).await.map_err(|_| io::Error::other(is_full))?
            }
            sent => sent,
        }
    }
}

impl Drop for EchoSocket {
    fn drop(&mut self) {
        self.listeners.iter().for_each(AbortHandle::abort);
    }
}

impl SharedSocket {
    /// Sends a request as soon as the socket has room.
    async fn send(&self, bytes: &[u8], to: SocketAddr) -> io::Result<()> {
        loop {
            self.socket.writable().await?;
            match self.try_send(bytes, to) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                sent => return sent,
            }
        }
    }

    /// Sends a request if the socket has room. Otherwise the error is `WouldBlock`.
    fn try_send(&self, bytes: &[u8], to: SocketAddr) -> io::Result<()> {
        let mut sends = SENDS;
        loop {
            match self.socket.try_send_to(bytes, to) {
                Ok(_) => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Err(error),
                // On a datagram socket an ICMP error about any request fails the next call once.
                Err(_) if self.kind != Type::RAW && sends > 1 => {
                    sends -= 1;
                    let _ = self.socket.take_error();
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Receives messages for as long as the runtime exists.
    async fn listen(self: Arc<Self>) {
        let mut buffer = [0; 2048];
        loop {
            let Ok((length, source)) = self.socket.recv_from(&mut buffer).await else {
                // An error about a request, which the other listener reads.
                tokio::task::yield_now().await;
                continue;
            };
            let parsed = parse(self.kind, source.ip(), &buffer[..length]);
            let Some(message) = parsed else { continue };
            let request = self.as_registered(message.request);
            self.received(EchoMessage { request, ..message }, source.ip());
        }
    }

    /// Returns a request as registered. On a datagram socket the kernel chooses the identifiers and
    /// compares them itself.
    fn as_registered(&self, request: Request) -> Request {
        if self.kind == Type::RAW { request } else { Request { identifier: 0, ..request } }
    }

    /// Compares a message with the waiting requests.
    fn received(&self, message: EchoMessage<'_>, source: IpAddr) {
        let EchoMessage { request, response, payload } = message;
        let Some(nonce) = self.pending.nonce(request) else { return };
        match response {
            Response::Reply if nonce.is_returned_in(payload) => {
                self.pending.end(request, End::Reply(now()));
            }
            Response::Reply => {
                let report =
                    format!("an echo reply from {source} without the bytes of the request");
                self.report(request, report);
            }
            Response::Error { kind, code } => {
                let quotation = nonce.quotation(payload);
                if quotation != Quotation::Foreign {
                    let report = message::in_words(self.family, (kind, code), source);
                    self.received_error(request, quotation, source, report);
                }
            }
        }
    }

    /// Handles an ICMP error about a waiting request.
    fn received_error(
        &self,
        request: Request,
        quotation: Quotation,
        source: IpAddr,
        report: String,
    ) {
        // This machine quotes the whole request, and nobody else can.
        if quotation == Quotation::Complete
            && self.process.routes.is_own_fault(source, request.address, now())
        {
            let fault = End::Fault(format!("{report}, which is this machine"));
            return self.pending.end(request, fault);
        }
        self.report(request, report);
    }

    /// Passes on the first report about a waiting request, which goes on waiting for its reply.
    fn report(&self, request: Request, report: String) {
        let Some(probe) = self.pending.first_report(request) else { return };
        tracing::debug!(target = %request.address, what = report, "report about an echo request; \
            the reply may still follow");
        (self.process.hints)(Event::Undelivered { probe, report });
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

    fn received_from_queue(&self, error: Option<QueuedError>) {
        let Some(QueuedError { request, response, payload, source }) = error else { return };
        self.received(EchoMessage { request, response, payload: &payload }, source);
    }

    /// Returns the next error from the queue. `None` if it quotes no echo request or is not an ICMP
    /// error.
    fn next_error(&self) -> io::Result<Option<QueuedError>> {
        let mut quoted = [0; 64];
        let mut control = nix::cmsg_space!([u8; 64]);
        let mut slices = [IoSliceMut::new(&mut quoted)];
        let flags = MsgFlags::MSG_ERRQUEUE | MsgFlags::MSG_DONTWAIT;
        let fd = self.socket.as_raw_fd();
        let read = recvmsg::<SockaddrStorage>(fd, &mut slices, Some(&mut control), flags)?;
        let about = read.address.and_then(|to| address(&to));
        let error = read.cmsgs()?.find_map(|message| match message {
            ControlMessageOwned::Ipv4RecvErr(error, Some(source)) => {
                let source = u32::from_be(source.sin_addr.s_addr);
                Some((error, IpAddr::V4(source.into())))
            }
            ControlMessageOwned::Ipv6RecvErr(error, Some(source)) => {
                Some((error, IpAddr::V6(source.sin6_addr.s6_addr.into())))
            }
            _ => None,
        });
        let length = read.bytes;
        Ok(about.zip(error).and_then(|(address, (error, source))| {
            let quoted = quoted.get(..length)?;
            let sequence = u16::from_be_bytes([*quoted.get(6)?, *quoted.get(7)?]);
            let from_icmp = [2, 3].contains(&error.ee_origin);
            if !from_icmp || !message::is_echo_request(address, *quoted.first()?) {
                return None;
            }
            let request = Request { address, identifier: 0, sequence };
            let response = Response::Error { kind: error.ee_type, code: error.ee_code };
            let payload = quoted.get(8..)?.to_vec();
            Some(QueuedError { request, response, payload, source })
        }))
    }
}

fn address(address: &SockaddrStorage) -> Option<IpAddr> {
    let v4 = address.as_sockaddr_in().map(|address| IpAddr::V4(address.ip()));
    v4.or_else(|| address.as_sockaddr_in6().map(|address| IpAddr::V6(address.ip())))
}
