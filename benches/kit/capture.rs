//! Requests and replies as they pass a network namespace, with the kernel's own time stamps: echo
//! requests, and connections to [`PORT`].

use std::io::IoSliceMut;
use std::net::Ipv4Addr;
use std::os::fd::AsRawFd as _;
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::cmsg_space;
use nix::sys::socket::{self, ControlMessageOwned, MsgFlags, sockopt};
use nix::sys::time::TimeSpec;
use socket2::{Domain, Protocol, Socket, Type};

use crate::lab::Namespace;

/// Every protocol, as `socket(2)` wants it: in network byte order (`ETH_P_ALL`).
const EVERYTHING: i32 = 3_u16.to_be() as i32;

/// Room for packets that arrive while the capturing thread does not run.
const BUFFER: usize = 64 * 1024 * 1024;

/// The port of the connections that are captured.
pub(crate) const PORT: u16 = 443;

/// One echo request or reply; or the first packet of a connection, and each packet that comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seen {
    /// When the kernel had it in hand, since 1970.
    pub(crate) at: Duration,
    /// A reply, not a request.
    pub(crate) reply: bool,
    /// The sender of the request.
    pub(crate) agent: Ipv4Addr,
    /// The receiver of the request.
    pub(crate) target: Ipv4Addr,
    /// The echo sequence number; 0 of a connection.
    pub(crate) sequence: u16,
}

/// A capture under way.
#[derive(Debug)]
pub(crate) struct Capture {
    /// Later time stamps of the kernel do not matter.
    until: Arc<OnceLock<Duration>>,
    thread: JoinHandle<Vec<Seen>>,
}

impl Capture {
    /// Captures all packets on the links of `namespace`: a packet is seen at each link it passes.
    pub(crate) fn start(namespace: &Namespace) -> Self {
        let socket = namespace.run(|| {
            let socket = Socket::new(Domain::PACKET, Type::DGRAM, Some(Protocol::from(EVERYTHING)));
            socket.expect("a namespace of our own may be listened to")
        });
        socket::setsockopt(&socket, sockopt::ReceiveTimestampns, &true).expect("the kernel stamps");
        if socket::setsockopt(&socket, sockopt::RcvBufForce, &BUFFER).is_err() {
            // Without the right to it: as much as is allowed.
            let _ = socket.set_recv_buffer_size(BUFFER);
        }
        socket.set_read_timeout(Some(Duration::from_millis(50))).expect("a socket can time out");
        let until = Arc::new(OnceLock::new());
        let end = Arc::clone(&until);
        let thread = std::thread::spawn(move || listen(&socket, &end));
        Self { until, thread }
    }

    /// Ends the capture, and returns the packets in order.
    pub(crate) fn stop(self) -> Vec<Seen> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
        self.until.set(now).expect("it is stopped once");
        self.thread.join().expect("capturing does not fail")
    }
}

/// Listens until all is read that came before the end.
fn listen(socket: &Socket, end: &OnceLock<Duration>) -> Vec<Seen> {
    let mut seen = Vec::new();
    let mut packet = [0; 64];
    let mut control = cmsg_space!(TimeSpec);
    loop {
        let mut room = [IoSliceMut::new(&mut packet)];
        let (fd, flags) = (socket.as_raw_fd(), MsgFlags::empty());
        let Ok(message) = socket::recvmsg::<()>(fd, &mut room, Some(&mut control), flags) else {
            // Nothing came for a while.
            if end.get().is_some() {
                return seen;
            }
            continue;
        };
        let at = message
            .cmsgs()
            .ok()
            .and_then(|mut all| all.find_map(|part| stamp(&part)))
            .unwrap_or_default();
        let length = message.bytes;
        if end.get().is_some_and(|end| at > *end) {
            return seen;
        }
        if let Some(packet) = packet.get(..length).and_then(read) {
            seen.push(Seen { at, ..packet });
        }
    }
}

fn stamp(message: &ControlMessageOwned) -> Option<Duration> {
    match message {
        ControlMessageOwned::ScmTimestampns(stamp) => Some((*stamp).into()),
        _ => None,
    }
}

/// The request or reply in an IPv4 packet (RFC 791), without its time.
fn read(packet: &[u8]) -> Option<Seen> {
    let message = packet.get(usize::from(packet.first()? & 15) * 4..)?;
    let ends = (address(packet, 12)?, address(packet, 16)?);
    match (packet[0] >> 4, packet.get(9)?) {
        (4, 1) => echo(message, ends),
        (4, 6) => segment(message, ends),
        _ => None,
    }
}

/// The IPv4 address at this place of a packet.
fn address(packet: &[u8], at: usize) -> Option<Ipv4Addr> {
    Some(<[u8; 4]>::try_from(packet.get(at..at + 4)?).ok()?.into())
}

/// An echo request or reply (RFC 792) between two addresses.
fn echo(icmp: &[u8], (source, destination): (Ipv4Addr, Ipv4Addr)) -> Option<Seen> {
    let (reply, agent, target) = match icmp.first()? {
        8 => (false, source, destination),
        0 => (true, destination, source),
        _ => return None,
    };
    let sequence = u16::from_be_bytes([*icmp.get(6)?, *icmp.get(7)?]);
    Some(Seen { at: Duration::ZERO, reply, agent, target, sequence })
}

/// The first segment of a connection, or one that comes back (RFC 9293), between two addresses.
fn segment(tcp: &[u8], (source, destination): (Ipv4Addr, Ipv4Addr)) -> Option<Seen> {
    const SYN: u8 = 2;
    let from = u16::from_be_bytes([*tcp.first()?, *tcp.get(1)?]);
    let to = u16::from_be_bytes([*tcp.get(2)?, *tcp.get(3)?]);
    let (reply, agent, target) = match tcp.get(13)? {
        _ if from == PORT => (true, destination, source),
        flags if to == PORT && flags & SYN != 0 => (false, source, destination),
        _ => return None,
    };
    Some(Seen { at: Duration::ZERO, reply, agent, target, sequence: 0 })
}
