//! Every packet of a network namespace, and the DNS messages in them.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use hickory_proto::op::Message;
use socket2::{Domain, Protocol, Socket, Type};

/// Every protocol, as `socket(2)` wants it: in network byte order (`ETH_P_ALL`).
const EVERYTHING: i32 = 3_u16.to_be() as i32;

/// Room for packets that arrive while the capturing thread does not run.
const BUFFER: usize = 64 * 1024 * 1024;

/// The protocol numbers of IPv4 packets.
const TCP: u8 = 6;
const UDP: u8 = 17;

/// A capture under way, in the namespace of the thread that started it.
pub(super) struct Capture {
    is_over: Arc<AtomicBool>,
    thread: JoinHandle<Vec<Vec<u8>>>,
}

/// A segment of TCP or a datagram of UDP over IPv4.
struct Packet<'a> {
    protocol: u8,
    from: (Ipv4Addr, u16),
    to: (Ipv4Addr, u16),
    sequence: u32,
    is_first: bool,
    data: &'a [u8],
}

impl Capture {
    pub(super) fn start() -> Self {
        let everything = Some(Protocol::from(EVERYTHING));
        let socket = Socket::new(Domain::PACKET, Type::DGRAM, everything).unwrap();
        let forced = nix::sys::socket::sockopt::RcvBufForce;
        if nix::sys::socket::setsockopt(&socket, forced, &BUFFER).is_err() {
            // Without the right to it: as much as is allowed.
            let _ = socket.set_recv_buffer_size(BUFFER);
        }
        socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        let is_over = Arc::new(AtomicBool::new(false));
        let ends = Arc::clone(&is_over);
        let thread = std::thread::spawn(move || {
            let (mut packets, mut room) = (Vec::new(), vec![0; 1 << 17]);
            loop {
                // All that came before the end has been read when nothing comes after it.
                let is_last = ends.load(Ordering::Acquire);
                match (&socket).read(&mut room) {
                    Ok(length) => packets.push(room[..length].to_vec()),
                    Err(_) if is_last => return packets,
                    Err(_) => {}
                }
            }
        });
        Self { is_over, thread }
    }

    /// Ends the capture, and returns the DNS messages to a server by TCP, each with the port from which it
    /// came. A datagram of UDP, to wherever, is a failure.
    pub(super) fn messages_to(self, server: SocketAddr) -> Vec<(u16, Message)> {
        self.is_over.store(true, Ordering::Release);
        let packets = self.thread.join().unwrap();
        let mut connections: BTreeMap<u16, (u32, Vec<u8>)> = BTreeMap::new();
        for bytes in &packets {
            let Some(packet) = parsed(bytes) else { continue };
            assert_ne!(packet.protocol, UDP, "from {:?} to {:?}", packet.from, packet.to);
            if server != SocketAddr::from(packet.to) {
                continue;
            }
            if packet.is_first {
                let next = packet.sequence.wrapping_add(1);
                // A packet of loopback is captured as it leaves and as it arrives.
                connections.entry(packet.from.1).or_insert((next, Vec::new()));
                continue;
            }
            // The test's own connections from before the capture end in it.
            let Some((begin, stream)) = connections.get_mut(&packet.from.1) else { continue };
            let offset = usize::try_from(packet.sequence.wrapping_sub(*begin)).unwrap();
            // The FIN and pure acknowledgements stand behind the last byte.
            assert!(offset <= stream.len() + 1, "no packet was missed");
            let seen = stream.len().min(offset + packet.data.len()).saturating_sub(offset);
            stream.extend(&packet.data[seen..]);
        }
        let of_connection = |(port, (_, stream)): (u16, (u32, Vec<u8>))| {
            messages(&stream).into_iter().map(move |message| (port, message))
        };
        connections.into_iter().flat_map(of_connection).collect()
    }
}

/// Reads an IPv4 packet (RFC 791) with a segment (RFC 9293) or a datagram (RFC 768) in it.
fn parsed(bytes: &[u8]) -> Option<Packet<'_>> {
    let total = usize::from(u16::from_be_bytes([*bytes.get(2)?, *bytes.get(3)?]));
    let header = usize::from(bytes[0] & 15) * 4;
    if bytes[0] >> 4 != 4 || !matches!(bytes.get(9)?, &TCP | &UDP) {
        return None;
    }
    let address = |at: usize| Ipv4Addr::from(<[u8; 4]>::try_from(&bytes[at..at + 4]).unwrap());
    let inner = bytes.get(header..total)?;
    let word = |at: usize| u16::from_be_bytes([inner[at], inner[at + 1]]);
    let is_tcp = bytes[9] == TCP;
    let begin = if is_tcp { usize::from(inner[12] >> 4) * 4 } else { 8 };
    Some(Packet {
        protocol: bytes[9],
        from: (address(12), word(0)),
        to: (address(16), word(2)),
        sequence: if is_tcp { u32::from(word(4)) << 16 | u32::from(word(6)) } else { 0 },
        is_first: is_tcp && inner[13] & 2 != 0,
        data: &inner[begin..],
    })
}

/// Splits a stream into its messages (RFC 1035, 4.2.2).
fn messages(mut stream: &[u8]) -> Vec<Message> {
    let mut messages = Vec::new();
    while let Some((length, rest)) = stream.split_first_chunk::<2>() {
        let (message, rest) = rest.split_at(u16::from_be_bytes(*length).into());
        messages.push(Message::from_vec(message).unwrap());
        stream = rest;
    }
    messages
}
