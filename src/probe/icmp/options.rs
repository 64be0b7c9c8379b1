//! Creation of echo sockets and their options.

use std::io;
use std::os::fd::AsFd;

use nix::sys::socket::{setsockopt, sockopt};
use socket2::{Domain, Protocol, SockFilter, SockRef, Socket, Type};
use surge_ping::ICMP;

use super::message::answers;

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

/// Makes a raw socket drop all messages except answers, including our own requests and redirects:
/// a redirect quotes a request that was passed on and will be answered.
pub(super) fn listen_for_answers_only(socket: &impl AsFd, family: ICMP) -> io::Result<()> {
    // Classic BPF, see the kernel's description of socket filters: load the type, jump to the last
    // line if it is one of these, else drop.
    const HEADER_LENGTH_TO_X: u16 = 0xb1;
    const BYTE_AT_X: u16 = 0x50;
    const BYTE_AT: u16 = 0x30;
    const JUMP_IF_EQUAL: u16 = 0x15;
    const RETURN: u16 = 0x06;
    let load = match family {
        // An IPv4 message begins with the IP header.
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

    use super::*;

    /// Returns an ICMP message as a raw socket receives it.
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

    /// A pair of datagram sockets uses the same filter as a raw one.
    #[test]
    fn a_raw_socket_receives_answers_and_nothing_else() {
        for (family, wanted) in [(ICMP::V4, [0, 3, 11, 12]), (ICMP::V6, [1, 3, 4, 129])] {
            let (near, far) = UnixDatagram::pair().unwrap();
            near.set_nonblocking(true).unwrap();
            listen_for_answers_only(&near, family).unwrap();
            let received = (0..=u8::MAX).filter(|kind| {
                // The kernel may refuse or drop a filtered message.
                let _ = far.send(&message(family, *kind));
                near.recv(&mut [0; 64]).is_ok()
            });
            assert_eq!(received.collect::<Vec<_>>(), wanted, "{}", name(family));
        }
    }
}
