//! Echo requests on shared sockets (RFC 792, RFC 4443).

use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::OnceLock;
use std::time::Duration;

use socket2::{SockFilter, SockRef, Type};
use surge_ping::{Client, Config, ICMP, IcmpPacket, PingIdentifier, PingSequence, SurgeError};

use crate::engine::event::{Answer, ProbeRequest};

/// The receive buffer asked for, in bytes: room for the replies of thousands of targets that come
/// in while this process does not run for a moment. The kernel's usual 208 KiB hold 258 of them.
const RECEIVE_BUFFER: usize = 8 * 1024 * 1024;

/// What is sent along: as much as `ping` sends, so that it is treated alike on the way.
const PAYLOAD: [u8; 56] = [0x67; 56];

/// Why no echo request can be sent from here.
#[derive(Debug, thiserror::Error)]
pub enum IcmpError {
    /// Neither kind of socket is allowed.
    #[error(
        "cannot open an ICMP socket; run as root, give the binary CAP_NET_RAW, or widen \
         net.ipv4.ping_group_range"
    )]
    Forbidden(#[source] io::Error),
    /// The machine has no such protocol, or something else is wrong with it.
    #[error("cannot open an {family} ICMP socket")]
    Unavailable {
        /// `IPv4` or `IPv6`.
        family: &'static str,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// The echo sockets of this process, opened when they are first needed.
#[derive(Debug)]
pub struct Icmp {
    v4: Sockets,
    v6: Sockets,
    /// Where this process begins to count identifiers and sequence numbers, so that no two
    /// processes take each other's replies.
    first_identifier: u16,
    first_sequence: u16,
}

/// The sockets of one family. A raw socket serves any number of flows; a datagram socket has its
/// identifier from the kernel, so a second one stands by for the other flow.
struct Sockets {
    family: ICMP,
    clients: [OnceLock<Client>; 2],
}

impl std::fmt::Debug for Sockets {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Sockets").field("family", &self.family).finish_non_exhaustive()
    }
}

impl Sockets {
    fn new(family: ICMP) -> Self {
        Self { family, clients: [OnceLock::new(), OnceLock::new()] }
    }

    /// The socket for `flow`.
    fn client(&self, flow: u16) -> Result<&Client, IcmpError> {
        let first = self.opened(0)?;
        if first.get_socket().get_type() == Type::RAW { Ok(first) } else { self.opened(flow % 2) }
    }

    fn opened(&self, place: u16) -> Result<&Client, IcmpError> {
        let place = &self.clients[usize::from(place)];
        if let Some(client) = place.get() {
            return Ok(client);
        }
        let client = open(self.family)?;
        Ok(place.get_or_init(|| client))
    }
}

/// Opens a raw socket, else a datagram one.
fn open(family: ICMP) -> Result<Client, IcmpError> {
    let config = Config::builder().kind(family).sock_type_hint(Type::RAW).build();
    let client = Client::new(&config).map_err(|source| {
        let forbidden = source.kind() == io::ErrorKind::PermissionDenied;
        if forbidden { IcmpError::Forbidden(source) } else { unavailable(family, source) }
    })?;
    let socket = client.get_socket();
    let buffer = widen(&socket);
    let kind = kind(&client);
    if socket.get_type() == Type::RAW
        && let Err(error) = listen_for_answers_only(&borrow(&socket), family)
    {
        tracing::debug!(family = name(family), %error, "cannot filter what an ICMP socket hears");
    }
    tracing::debug!(family = name(family), kind, buffer, "opened an ICMP socket");
    Ok(client)
}

fn kind(client: &Client) -> &'static str {
    if client.get_socket().get_type() == Type::RAW { "raw" } else { "datagram" }
}

fn unavailable(family: ICMP, source: io::Error) -> IcmpError {
    IcmpError::Unavailable { family: name(family), source }
}

fn name(family: ICMP) -> &'static str {
    match family {
        ICMP::V4 => "IPv4",
        ICMP::V6 => "IPv6",
    }
}

fn borrow(socket: &surge_ping::AsyncSocket) -> BorrowedFd<'_> {
    #[expect(unsafe_code, reason = "surge-ping lends its socket as a bare number only")]
    // SAFETY: `socket` holds the descriptor open for as long as it is borrowed here.
    unsafe {
        BorrowedFd::borrow_raw(socket.get_native_sock())
    }
}

/// Which ICMP messages end the wait for a reply: the reply itself, and what says that the request
/// did not get there (unreachable, time exceeded, parameter problem).
///
/// Source: IANA's registries of ICMP and `ICMPv6` types.
fn answers(family: ICMP) -> [u8; 4] {
    match family {
        ICMP::V4 => [0, 3, 11, 12],
        ICMP::V6 => [129, 1, 3, 4],
    }
}

/// Keeps all other messages from a raw socket, own requests too. It matters most for a redirect: it
/// quotes a request that was passed on and will be answered, and `surge-ping` would take it for the
/// answer.
fn listen_for_answers_only(socket: &impl AsFd, family: ICMP) -> io::Result<()> {
    // Classic BPF, see the kernel's description of socket filters: load the type, jump to
    // the last line if it is one of these, else drop.
    const HEADER_LENGTH_TO_X: u16 = 0xb1;
    const BYTE_AT_X: u16 = 0x50;
    const BYTE_AT: u16 = 0x30;
    const JUMP_IF_EQUAL: u16 = 0x15;
    const RETURN: u16 = 0x06;
    let load = match family {
        // With the IP header in front.
        ICMP::V4 => [(HEADER_LENGTH_TO_X, 0), (BYTE_AT_X, 0)].as_slice(),
        ICMP::V6 => &[(BYTE_AT, 0)],
    };
    let load = load.iter().map(|(code, k)| SockFilter::new(*code, 0, 0, *k));
    let jumps = answers(family).into_iter().zip((1..=4).rev());
    let jumps = jumps.map(|(kind, ahead)| SockFilter::new(JUMP_IF_EQUAL, ahead, 0, kind.into()));
    let ends = [SockFilter::new(RETURN, 0, 0, 0), SockFilter::new(RETURN, 0, 0, u32::MAX)];
    let program: Vec<_> = load.chain(jumps).chain(ends).collect();
    SockRef::from(socket).attach_filter(&program)
}

/// Makes room for replies: with `CAP_NET_ADMIN` as much as is wanted, else as much as
/// `net.core.rmem_max` allows. Returns the bytes that the kernel granted.
fn widen(socket: &surge_ping::AsyncSocket) -> usize {
    use rustix::net::sockopt;
    let fd = borrow(socket);
    if sockopt::set_socket_recv_buffer_size_force(fd, RECEIVE_BUFFER).is_err() {
        // What cannot be had is not missed by a few hundred targets.
        let _ = sockopt::set_socket_recv_buffer_size(fd, RECEIVE_BUFFER);
    }
    sockopt::socket_recv_buffer_size(fd).unwrap_or_default()
}

impl Icmp {
    /// Sockets to be opened when they are needed. Must be called, like all of this, inside a
    /// Tokio runtime.
    pub fn new() -> Self {
        Self {
            v4: Sockets::new(ICMP::V4),
            v6: Sockets::new(ICMP::V6),
            first_identifier: rand::random(),
            first_sequence: rand::random(),
        }
    }

    /// Opens the sockets that `addresses` need.
    ///
    /// # Errors
    ///
    /// [`IcmpError`] if this process may not, or the machine cannot.
    pub fn open_for(&self, addresses: impl IntoIterator<Item = IpAddr>) -> Result<(), IcmpError> {
        for address in addresses {
            self.sockets(address).client(0)?;
        }
        Ok(())
    }

    /// Which kind of socket is open, `raw` or `datagram`, if any is.
    pub fn kind(&self) -> Option<&'static str> {
        let open = self.v4.clients[0].get().or_else(|| self.v6.clients[0].get())?;
        Some(kind(open))
    }

    fn sockets(&self, address: IpAddr) -> &Sockets {
        if address.is_ipv4() { &self.v4 } else { &self.v6 }
    }

    /// Sends one echo request and waits for its reply.
    pub(super) async fn probe(&self, request: ProbeRequest) -> Answer {
        let address = request.endpoint.address;
        let client = match self.sockets(address).client(request.flow) {
            Ok(client) => client,
            Err(error) => return Answer::Fault(crate::chain(&error)),
        };
        let identifier = PingIdentifier(self.first_identifier.wrapping_add(request.flow));
        let sequence = PingSequence(self.first_sequence.wrapping_add(request.nth));
        let mut pinger = client.pinger(address, identifier).await;
        pinger.timeout(request.patience);
        // Sending may wait for room in the socket; that wait has an end too.
        let all = request.patience * 2;
        match tokio::time::timeout(all, pinger.ping(sequence, &PAYLOAD)).await {
            Ok(Ok((packet, rtt))) => understand(&packet, rtt),
            Ok(Err(SurgeError::Timeout { .. })) => Answer::Silence,
            Ok(Err(error)) => Answer::Fault(error.to_string()),
            Err(_) => Answer::Fault("the socket takes no more packets".into()),
        }
    }
}

impl Default for Icmp {
    fn default() -> Self {
        Self::new()
    }
}

/// What a message that quotes or answers a request says.
fn understand(packet: &IcmpPacket, rtt: Duration) -> Answer {
    let (family, kind, code) = match packet {
        IcmpPacket::V4(packet) => (ICMP::V4, packet.get_icmp_type().0, packet.get_icmp_code().0),
        IcmpPacket::V6(packet) => {
            (ICMP::V6, packet.get_icmpv6_type().0, packet.get_icmpv6_code().0)
        }
    };
    let said = || format!("ICMP type {kind} code {code}");
    match answers(family) {
        [reply, ..] if kind == reply => Answer::Reply(rtt),
        known if known.contains(&kind) => Answer::Unreachable(said()),
        // Where it could not be kept out: the reply may well have come after it.
        _ => Answer::Fault(format!("{} took the place of an answer", said())),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixDatagram;

    use super::*;

    /// An ICMP message as a raw socket gets it.
    fn message(family: ICMP, kind: u8) -> Vec<u8> {
        let options = if kind.is_multiple_of(2) { 4 } else { 0 };
        let mut bytes = match family {
            ICMP::V4 => vec![0; 20 + options],
            ICMP::V6 => vec![],
        };
        if let Some(first) = bytes.first_mut() {
            *first = if options == 0 { 0x45 } else { 0x46 };
        }
        bytes.extend([kind, 0, 0, 0, 0, 0, 0, 0]);
        bytes
    }

    /// A pair of datagram sockets goes through the same filter as a raw one.
    #[test]
    fn a_raw_socket_hears_answers_and_nothing_else() {
        for (family, wanted) in [(ICMP::V4, [0, 3, 11, 12]), (ICMP::V6, [1, 3, 4, 129])] {
            let (near, far) = UnixDatagram::pair().unwrap();
            near.set_nonblocking(true).unwrap();
            listen_for_answers_only(&near, family).unwrap();
            let heard = (0..=u8::MAX).filter(|kind| {
                // What the filter drops is refused or lost, as the kernel pleases.
                let _ = far.send(&message(family, *kind));
                near.recv(&mut [0; 64]).is_ok()
            });
            assert_eq!(heard.collect::<Vec<_>>(), wanted, "{}", name(family));
        }
    }
}
