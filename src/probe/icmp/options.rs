//! Creation of echo sockets and their options.

use std::io;
use std::os::fd::AsFd;

use nix::sys::socket::{setsockopt, sockopt};
use socket2::{Domain, Protocol, SockFilter, SockRef, Socket, Type};
use surge_ping::ICMP;

use super::identifiers::Identifiers;

/// Size of the receive buffer to request, in bytes: room for the replies of thousands of targets
/// that arrive while this process is not running for a moment. The kernel's usual 208 KiB hold 258
/// of them.
const RECEIVE_BUFFER: usize = 8 * 1024 * 1024;

/// Returns the name of an address family.
pub(super) fn name(family: ICMP) -> &'static str {
    match family {
        ICMP::V4 => "IPv4",
        ICMP::V6 => "IPv6",
    }
}

/// Creates a raw socket, or a datagram socket if that fails. The error is that of the raw socket.
pub(super) fn create(family: ICMP) -> io::Result<(Type, Socket)> {
    let (domain, protocol) = match family {
        ICMP::V4 => (Domain::IPV4, Protocol::ICMPV4),
        ICMP::V6 => (Domain::IPV6, Protocol::ICMPV6),
    };
    Socket::new(domain, Type::RAW, Some(protocol)).map(|socket| (Type::RAW, socket)).or_else(
        |first| {
            let socket = Socket::new(domain, Type::DGRAM, Some(protocol)).map_err(|_| first)?;
            Ok((Type::DGRAM, socket))
        },
    )
}

/// Enables the queue of ICMP errors, with their senders, on a datagram socket.
pub(super) fn queue_errors(socket: &Socket, family: ICMP) -> io::Result<()> {
    match family {
        ICMP::V4 => setsockopt(socket, sockopt::Ipv4RecvErr, &true)?,
        ICMP::V6 => setsockopt(socket, sockopt::Ipv6RecvErr, &true)?,
    }
    Ok(())
}

/// Makes a raw socket drop all messages except answers to requests with one of our identifiers. It drops
/// our own requests, and redirects: a redirect quotes a request that was passed on and will be answered.
pub(super) fn listen_for_answers_only(
    socket: &impl AsFd,
    family: ICMP,
    identifiers: Identifiers,
) -> io::Result<()> {
    let (factor, limit) = identifiers.rule();
    let end = [
        (code::MULTIPLY, 0, 0, factor),
        (code::AND, 0, 0, 0xffff),
        (code::JUMP_IF_AT_LEAST, 1, 0, limit),
        (code::RETURN, 0, 0, u32::MAX),
        (code::RETURN, 0, 0, 0),
    ];
    let lines: &[FilterLine] = match family {
        ICMP::V4 => &V4,
        ICMP::V6 => &V6,
    };
    let lines = lines.iter().chain(&end);
    let program: Vec<_> =
        lines.map(|(code, yes, no, value)| SockFilter::new(*code, *yes, *no, *value)).collect();
    SockRef::from(socket).attach_filter(&program)
}

/// A line of a classic BPF program, see the kernel's description of socket filters: its code, the lines that
/// are skipped if a condition holds and if it does not, and a value.
type FilterLine = (u16, u8, u8, u32);

/// The codes of classic BPF that are used here. X is the second register.
mod code {
    pub(super) const HEADER_LENGTH_TO_X: u16 = 0xb1;
    pub(super) const BYTE_AT: u16 = 0x30;
    pub(super) const BYTE_AT_X: u16 = 0x50;
    pub(super) const WORD_AT: u16 = 0x28;
    pub(super) const WORD_AT_X: u16 = 0x48;
    pub(super) const AND: u16 = 0x54;
    pub(super) const SHIFT_LEFT: u16 = 0x64;
    pub(super) const MULTIPLY: u16 = 0x24;
    pub(super) const ADD_X: u16 = 0x0c;
    pub(super) const TO_X: u16 = 0x07;
    pub(super) const JUMP: u16 = 0x05;
    pub(super) const JUMP_IF_EQUAL: u16 = 0x15;
    pub(super) const JUMP_IF_AT_LEAST: u16 = 0x35;
    pub(super) const RETURN: u16 = 0x06;
}

/// Loads the identifier of the request that an ICMP message returns or quotes, if it is one of `answers`. The
/// message begins with its IP
/// header; one that is too short is dropped.
const V4: [FilterLine; 17] = [
    (code::HEADER_LENGTH_TO_X, 0, 0, 0),
    (code::BYTE_AT_X, 0, 0, 0),
    (code::JUMP_IF_EQUAL, 4, 0, 0),
    (code::JUMP_IF_EQUAL, 5, 0, 3),
    (code::JUMP_IF_EQUAL, 4, 0, 11),
    (code::JUMP_IF_EQUAL, 3, 0, 12),
    (code::RETURN, 0, 0, 0),
    // A reply.
    (code::WORD_AT_X, 0, 0, 4),
    (code::JUMP, 0, 0, 8),
    // An error: the quoted packet has to be ICMP, too. Its header may be of any length.
    (code::BYTE_AT_X, 0, 0, 8 + 9),
    (code::JUMP_IF_EQUAL, 0, 10, 1),
    (code::BYTE_AT_X, 0, 0, 8),
    (code::AND, 0, 0, 15),
    (code::SHIFT_LEFT, 0, 0, 2),
    (code::ADD_X, 0, 0, 0),
    (code::TO_X, 0, 0, 0),
    (code::WORD_AT_X, 0, 0, 8 + 4),
];

/// The same for `ICMPv6`, where a message begins with its own header, and that of the quoted packet has 40
/// bytes.
const V6: [FilterLine; 11] = [
    (code::BYTE_AT, 0, 0, 0),
    (code::JUMP_IF_EQUAL, 4, 0, 129),
    (code::JUMP_IF_EQUAL, 5, 0, 1),
    (code::JUMP_IF_EQUAL, 4, 0, 3),
    (code::JUMP_IF_EQUAL, 3, 0, 4),
    (code::RETURN, 0, 0, 0),
    (code::WORD_AT, 0, 0, 4),
    (code::JUMP, 0, 0, 3),
    (code::BYTE_AT, 0, 0, 8 + 6),
    (code::JUMP_IF_EQUAL, 0, 5, 58),
    (code::WORD_AT, 0, 0, 8 + 40 + 4),
];

/// Enlarges the receive buffer: to the full size with `CAP_NET_ADMIN`, otherwise as far as
/// `net.core.rmem_max` allows. Returns the bytes that the kernel granted.
pub(super) fn widen(socket: &Socket) -> usize {
    use rustix::net::sockopt;
    if sockopt::set_socket_recv_buffer_size_force(socket, RECEIVE_BUFFER).is_err() {
        // A few hundred targets do not need the larger buffer.
        let _ = sockopt::set_socket_recv_buffer_size(socket, RECEIVE_BUFFER);
    }
    sockopt::socket_recv_buffer_size(socket).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixDatagram;

    use super::super::message::answers;
    use super::*;

    /// Returns an ICMP message as a raw socket receives it. It returns the identifier, and quotes it in a packet
    /// of this protocol.
    fn message(family: ICMP, kind: u8, identifier: u16, protocol: u8) -> Vec<u8> {
        let options = if kind.is_multiple_of(2) { 4 } else { 0 };
        let mut bytes = match family {
            ICMP::V4 => ip_header(options, 1),
            ICMP::V6 => vec![],
        };
        let [high, low] = identifier.to_be_bytes();
        bytes.extend([kind, 0, 0, 0]);
        if [0, 129].contains(&kind) {
            bytes.extend([high, low, 0, 0]);
            return bytes;
        }
        bytes.extend([0; 4]);
        match family {
            ICMP::V4 => bytes.extend(ip_header(4 - options, protocol)),
            ICMP::V6 => bytes.extend([if protocol == 1 { 58 } else { protocol }; 40]),
        }
        bytes.extend([8, 0, 0, 0, high, low, 0, 0]);
        bytes
    }

    /// Returns an IPv4 header with so many bytes of options.
    fn ip_header(options: usize, protocol: u8) -> Vec<u8> {
        let mut bytes = vec![0; 20 + options];
        bytes[0] = if options == 0 { 0x45 } else { 0x46 };
        bytes[9] = protocol;
        bytes
    }

    /// Returns those of the messages that pass the filter, by their indices. A pair of datagram sockets uses
    /// the same filter as a raw one.
    fn passed(family: ICMP, identifiers: Identifiers, messages: &[Vec<u8>]) -> Vec<usize> {
        let (near, far) = UnixDatagram::pair().unwrap();
        near.set_nonblocking(true).unwrap();
        listen_for_answers_only(&near, family, identifiers).unwrap();
        let received = |message: &Vec<u8>| {
            // The kernel may refuse or drop a filtered message.
            let _ = far.send(message);
            near.recv(&mut [0; 128]).is_ok()
        };
        let all = messages.iter().enumerate();
        all.filter(|(_, message)| received(message)).map(|(index, _)| index).collect()
    }

    #[test]
    fn a_raw_socket_receives_answers_and_nothing_else() {
        let identifiers = Identifiers::random();
        for family in [ICMP::V4, ICMP::V6] {
            let mut wanted = answers(family).map(usize::from);
            wanted.sort_unstable();
            let messages: Vec<_> =
                (0..=u8::MAX).map(|kind| message(family, kind, identifiers.of(77), 1)).collect();
            assert_eq!(passed(family, identifiers, &messages), wanted, "{}", name(family));
            // Nothing that is cut short passes.
            let cut = wanted.into_iter().flat_map(|kind| {
                let whole = &messages[kind];
                (0..whole.len() - 2).map(|length| whole[..length].to_vec())
            });
            assert_eq!(passed(family, identifiers, &cut.collect::<Vec<_>>()), [0; 0]);
        }
    }

    #[test]
    fn a_raw_socket_receives_answers_to_its_own_process_alone() {
        let (identifiers, other) = (Identifiers::random(), Identifiers::random());
        for family in [ICMP::V4, ICMP::V6] {
            for kind in answers(family) {
                let all: Vec<_> = (0..=u16::MAX).step_by(7).collect();
                let messages: Vec<_> =
                    all.iter().map(|identifier| message(family, kind, *identifier, 1)).collect();
                let passed = passed(family, identifiers, &messages);
                assert!(passed.len() < all.len() / 10, "{} of {}", passed.len(), all.len());
                let (factor, limit) = identifiers.rule();
                let ours = passed.iter().map(|index| u32::from(all[*index]));
                assert!(ours.map(|it| it * factor % (1 << 16)).all(|product| product < limit));
            }
            let own: Vec<_> = (0..500)
                .map(|n| message(family, answers(family)[1], identifiers.of(n), 1))
                .collect();
            assert_eq!(passed(family, identifiers, &own).len(), own.len());
            if other.rule() != identifiers.rule() {
                assert!(passed(family, other, &own).len() < own.len() / 2);
            }
            // An error about another protocol is not about a request.
            let udp = message(family, answers(family)[1], identifiers.of(7), 17);
            assert_eq!(passed(family, identifiers, &[udp]), [0; 0]);
        }
    }
}
