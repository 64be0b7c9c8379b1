//! One echo request and its outcome, on a raw socket and without the agent's own code.

use std::io::{self, Read as _};
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, Socket, Type};

use super::Namespace;

/// The outcome of an echo request.
#[derive(Debug)]
pub(crate) enum Echo {
    /// The reply came after this long.
    Reply(Duration),
    /// Nothing at all came back.
    Silence,
    /// An ICMP error about it came back, of this type.
    Unreachable(u8),
    /// It could not be sent.
    Fault(io::Error),
}

impl Echo {
    /// Whether the reply came.
    pub(crate) fn is_reply(&self) -> bool {
        matches!(self, Self::Reply(_))
    }
}

/// Sends one echo request to `address` from inside `from` and waits for at most `timeout`.
pub(crate) fn ping(from: &Namespace, address: IpAddr, timeout: Duration) -> Echo {
    from.run(|| ask(address, timeout).unwrap_or_else(Echo::Fault))
}

#[expect(clippy::disallowed_methods, reason = "the lab measures real round trips")]
fn ask(address: IpAddr, timeout: Duration) -> io::Result<Echo> {
    static NEXT: AtomicU16 = AtomicU16::new(1);
    let id = NEXT.fetch_add(1, Ordering::Relaxed);
    let (domain, protocol) = match address {
        IpAddr::V4(_) => (Domain::IPV4, Protocol::ICMPV4),
        IpAddr::V6(_) => (Domain::IPV6, Protocol::ICMPV6),
    };
    let mut socket = Socket::new(domain, Type::RAW, Some(protocol))?;
    let sent = Instant::now();
    socket.send_to(&request(address.is_ipv4(), id), &SocketAddr::new(address, 0).into())?;
    let mut packet = [0; 2048];
    loop {
        let left = timeout.saturating_sub(sent.elapsed());
        if left.is_zero() {
            return Ok(Echo::Silence);
        }
        socket.set_read_timeout(Some(left))?;
        match socket.read(&mut packet) {
            Ok(length) => match answer(address.is_ipv4(), id, &packet[..length]) {
                Some(Answer::Reply) => return Ok(Echo::Reply(sent.elapsed())),
                Some(Answer::Error(kind)) => return Ok(Echo::Unreachable(kind)),
                None => {}
            },
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
}

/// An echo request with sequence number 1 and no payload (RFC 792, RFC 4443).
fn request(v4: bool, id: u16) -> [u8; 8] {
    let [high, low] = id.to_be_bytes();
    let kind = if v4 { 8 } else { 128 };
    // The one's complement sum of the words; for IPv6 the kernel puts in its own.
    let sum = (u32::from(kind) << 8) + u32::from(id) + 1;
    let folded = u16::try_from((sum & 0xffff) + (sum >> 16)).expect("two words and a carry");
    let [check_high, check_low] = (!folded).to_be_bytes();
    [kind, 0, check_high, check_low, high, low, 0, 1]
}

enum Answer {
    Reply,
    Error(u8),
}

/// The outcome of the request `id` by a packet; `None` if the packet concerns something else.
fn answer(v4: bool, id: u16, packet: &[u8]) -> Option<Answer> {
    let header = |bytes: &[u8]| if v4 { usize::from(bytes[0] & 15) * 4 } else { 40 };
    let icmp = if v4 { packet.get(header(packet)..)? } else { packet };
    let carries_id = |message: &[u8]| message.get(4..6) == Some(&id.to_be_bytes()[..]);
    match (v4, *icmp.first()?) {
        (true, 0) | (false, 129) => carries_id(icmp).then_some(Answer::Reply),
        (true, kind @ (3 | 11)) | (false, kind @ 1..=4) => {
            let quoted = icmp.get(8..).filter(|quoted| !quoted.is_empty())?;
            carries_id(quoted.get(header(quoted)..)?).then_some(Answer::Error(kind))
        }
        _ => None,
    }
}
