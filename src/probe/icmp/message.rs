//! Echo requests, and messages that answer or quote them (RFC 792, RFC 4443).

use std::net::IpAddr;

use socket2::Type;
use surge_ping::{ICMP, Icmpv4Packet, Icmpv6Packet};

use super::nonce::{self, Nonce};

/// Length of the header of an echo request: type, code, checksum, identifier, sequence number.
const HEADER: usize = 8;

/// Length of an echo request in bytes. The payload is as long as that of `ping`, so that it is treated alike
/// on the path.
pub(super) const LENGTH: usize = HEADER + 56;

/// The byte that fills the payload after the random bytes.
const FILLER: u8 = 0x67;

/// The protocol numbers of ICMP and `ICMPv6`.
const PROTOCOLS: (u8, u8) = (1, 58);

/// The fields of an echo request that both its reply and an ICMP error about it contain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Request {
    /// The destination of the request.
    pub(super) address: IpAddr,
    /// The identifier; the number of the socket if that is a datagram socket, where the kernel chooses and
    /// compares identifiers.
    pub(super) identifier: u16,
    /// The sequence number.
    pub(super) sequence: u16,
}

/// The meaning of a message about a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Response {
    /// An echo reply.
    Reply,
    /// An ICMP error.
    Error {
        /// The type of the error.
        kind: u8,
        /// The code of the error.
        code: u8,
    },
}

/// An ICMP message about an echo request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct EchoMessage<'a> {
    /// The request that it answers or quotes.
    pub(super) request: Request,
    /// The meaning of the message.
    pub(super) response: Response,
    /// The payload of the request, as far as the message returns or quotes it.
    pub(super) payload: &'a [u8],
}

/// Returns the types of ICMP messages about a request: the reply itself, and reports that the
/// request did not arrive (unreachable, time exceeded, parameter problem).
///
/// Source: IANA's registries of ICMP and `ICMPv6` types.
pub(super) fn answers(family: ICMP) -> [u8; 4] {
    match family {
        ICMP::V4 => [0, 3, 11, 12],
        ICMP::V6 => [129, 1, 3, 4],
    }
}

/// Whether the type is that of an echo request.
pub(super) fn is_echo_request(address: IpAddr, kind: u8) -> bool {
    kind == if address.is_ipv4() { 8 } else { 128 }
}

/// An echo request for IPv4 without its numbers and random bytes.
const PREPARED: [u8; LENGTH] = {
    let mut bytes = [FILLER; LENGTH];
    (bytes[0], bytes[1], bytes[2], bytes[3]) = (8, 0, 0, 0);
    bytes
};

/// The sum of the words of [`PREPARED`] that are the same in each request: its type, and the filler.
const PREPARED_SUM: u64 = {
    let filler = u16::from_be_bytes([FILLER; 2]) as u64;
    0x0800 + filler * ((LENGTH - HEADER - nonce::LENGTH) / 2) as u64
};

/// Returns the bytes of an echo request. The kernel replaces the identifier and checksum where it
/// assigns them: it computes all checksums of `ICMPv6`.
pub(super) fn bytes(request: Request, nonce: Nonce) -> [u8; LENGTH] {
    let (mut bytes, random) = (PREPARED, nonce.bytes());
    bytes[4..6].copy_from_slice(&request.identifier.to_be_bytes());
    bytes[6..HEADER].copy_from_slice(&request.sequence.to_be_bytes());
    bytes[HEADER..HEADER + nonce::LENGTH].copy_from_slice(&random);
    if request.address.is_ipv6() {
        bytes[0] = 128;
        return bytes;
    }
    let (words, _) = random.as_chunks::<2>();
    let random: u64 = words.iter().map(|word| u64::from(u16::from_be_bytes(*word))).sum();
    let numbers = u64::from(request.identifier) + u64::from(request.sequence);
    let sum = complement(PREPARED_SUM + numbers + random);
    bytes[2..4].copy_from_slice(&sum.to_be_bytes());
    bytes
}

/// Returns the Internet checksum (RFC 1071), which is 0 for a message that includes its checksum.
fn checksum(bytes: &[u8]) -> u16 {
    // A sum of longer words is folded to the sum of 16-bit words.
    let (words, rest) = bytes.as_chunks::<4>();
    let words: u64 = words.iter().map(|word| u64::from(u32::from_be_bytes(*word))).sum();
    // The bytes after the last whole word count as if zeros followed.
    let mut last = [0; 4];
    last[..rest.len()].copy_from_slice(rest);
    complement(words + u64::from(u32::from_be_bytes(last)))
}

/// Returns the checksum of a message with this sum of its words.
fn complement(mut sum: u64) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap_or_default()
}

/// Whether a message arrived undamaged, according to its own checksum. A raw socket for ICMP
/// receives messages that the kernel has not checked. On all others, and for `ICMPv6`, the kernel
/// checks.
fn is_whole(socket: Type, source: IpAddr, message: &[u8]) -> bool {
    if socket != Type::RAW || source.is_ipv6() {
        return true;
    }
    icmp_of(message).is_some_and(|icmp| checksum(icmp) == 0)
}

/// Returns the ICMP message in an IPv4 packet.
fn icmp_of(packet: &[u8]) -> Option<&[u8]> {
    packet.get(usize::from(packet.first()? & 15) * 4..)
}

/// Parses a message from `source`, as received from a socket of this type. `None` if it neither
/// answers nor quotes an echo request, or was damaged on the path.
pub(super) fn parse(socket: Type, source: IpAddr, message: &[u8]) -> Option<EchoMessage<'_>> {
    let (kind, code, request) = match source {
        IpAddr::V4(address) => {
            // The local address only fills a field that is not used here.
            let packet = Icmpv4Packet::decode(message, socket, address, address).ok()?;
            let request = Request {
                address: packet.get_real_dest().into(),
                identifier: packet.get_identifier().into_u16(),
                sequence: packet.get_sequence().into_u16(),
            };
            (packet.get_icmp_type().0, packet.get_icmp_code().0, request)
        }
        IpAddr::V6(address) => {
            let packet = Icmpv6Packet::decode(message, address).ok()?;
            let request = Request {
                address: packet.get_real_dest().into(),
                identifier: packet.get_identifier().into_u16(),
                sequence: packet.get_sequence().into_u16(),
            };
            (packet.get_icmpv6_type().0, packet.get_icmpv6_code().0, request)
        }
    };
    let family = if source.is_ipv4() { ICMP::V4 } else { ICMP::V6 };
    let icmp = match family {
        ICMP::V4 if socket == Type::RAW => icmp_of(message)?,
        ICMP::V4 | ICMP::V6 => message,
    };
    let [reply, errors @ ..] = answers(family);
    let (response, echo) = match kind {
        _ if kind == reply => (Response::Reply, icmp),
        _ if errors.contains(&kind) => {
            (Response::Error { kind, code }, quoted_request(family, icmp)?)
        }
        _ => return None,
    };
    let payload = echo.get(HEADER..)?;
    is_whole(socket, source, message).then_some(EchoMessage { request, response, payload })
}

/// Returns the echo request that an ICMP error quotes, with its header. `None` if it quotes another
/// packet with similar bytes. Our requests have no extension headers, so none are searched for.
fn quoted_request(family: ICMP, icmp: &[u8]) -> Option<&[u8]> {
    let quoted = icmp.get(8..)?;
    let (protocol, echo, kind) = match family {
        ICMP::V4 => (*quoted.get(9)? == PROTOCOLS.0, icmp_of(quoted)?, 8),
        ICMP::V6 => (*quoted.get(6)? == PROTOCOLS.1, quoted.get(40..)?, 128),
    };
    (protocol && *echo.first()? == kind).then_some(echo)
}

/// Describes an ICMP error in words.
pub(super) fn in_words(family: ICMP, (kind, code): (u8, u8), source: IpAddr) -> String {
    let what = match (family, kind, code) {
        (ICMP::V4, 3, 0) | (ICMP::V6, 1, 0) => "network unreachable",
        (ICMP::V4, 3, 1) | (ICMP::V6, 1, 3) => "host unreachable",
        (ICMP::V4, 3, 9 | 10 | 13) | (ICMP::V6, 1, 1) => "prohibited",
        (ICMP::V4, 3, 2 | 3) | (ICMP::V6, 1, 4) => "not served",
        (ICMP::V4, 11, _) | (ICMP::V6, 3, _) => "time exceeded in transit",
        _ => "not delivered",
    };
    format!("{what}, says {source} (ICMP type {kind} code {code})")
}

/// Reads a message of any content, as it comes from both kinds of socket and both families. For the
/// fuzzer.
pub(crate) fn read_any(message: &[u8]) {
    for source in [IpAddr::from([192, 0, 2, 1]), IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1])] {
        for socket in [Type::RAW, Type::DGRAM] {
            let _ = parse(socket, source, message);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use super::*;

    const ROUTER: [&str; 2] = ["192.0.2.254", "2001:db8::fe"];

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn request(address: &str) -> Request {
        Request { address: ip(address), identifier: 0x1234, sequence: 7 }
    }

    /// Returns the bytes of a request, always the same.
    fn bytes(request: Request) -> [u8; LENGTH] {
        static NONCE: LazyLock<Nonce> = LazyLock::new(Nonce::random);
        super::bytes(request, *NONCE)
    }

    fn ip_header(from: [u8; 4], to: [u8; 4]) -> impl Iterator<Item = u8> {
        let start = [0x45, 0, 0, 128, 0, 0, 0x40, 0, 64, 1, 0, 0];
        start.into_iter().chain(from).chain(to)
    }

    /// Returns an ICMP error about `request` as a raw socket receives it.
    fn error(kind: u8, request: Request) -> Vec<u8> {
        let echo = bytes(request);
        let mut message = vec![];
        match request.address {
            IpAddr::V4(address) => {
                message.extend(ip_header([192, 0, 2, 254], [192, 0, 2, 1]));
                message.extend([kind, 1, 0, 0, 0, 0, 0, 0]);
                message.extend(ip_header([192, 0, 2, 1], address.octets()));
            }
            IpAddr::V6(address) => {
                message.extend([kind, 1, 0, 0, 0, 0, 0, 0]);
                message.extend([0x60, 0, 0, 0, 0, 64, 58, 64]);
                message.extend([0; 16].into_iter().chain(address.octets()));
            }
        }
        message.extend(echo);
        summed(request.address, message)
    }

    /// Returns a message as a raw socket receives it, with the correct checksum of its ICMP part.
    fn summed(address: IpAddr, mut message: Vec<u8>) -> Vec<u8> {
        if address.is_ipv4() {
            let start = usize::from(message[0] & 15) * 4;
            message[start + 2..start + 4].fill(0);
            let sum = checksum(&message[start..]).to_be_bytes();
            message[start + 2..start + 4].copy_from_slice(&sum);
        }
        message
    }

    /// Returns a reply to `request` as a raw socket receives it.
    fn reply(request: Request) -> Vec<u8> {
        let mut echo = bytes(request);
        let mut message = vec![];
        match request.address {
            IpAddr::V4(address) => {
                echo[0] = 0;
                message.extend([0x45, 0, 0, 84, 0, 0, 0x40, 0, 64, 1, 0, 0]);
                message.extend(address.octets().into_iter().chain([192, 0, 2, 1]));
            }
            IpAddr::V6(_) => echo[0] = 129,
        }
        message.extend(echo);
        summed(request.address, message)
    }

    #[test]
    fn an_error_that_quotes_our_request_is_about_it() {
        for (router, address, kind) in [
            (ROUTER[0], "198.51.100.7", 3),
            (ROUTER[0], "198.51.100.7", 11),
            (ROUTER[1], "2001:db8:1::7", 1),
        ] {
            let request = request(address);
            let (whole, response) = (error(kind, request), Response::Error { kind, code: 1 });
            let echo = bytes(request);
            // At least the header of the request is quoted (RFC 792).
            for payload in (0..=LENGTH - HEADER).map(|length| &echo[HEADER..HEADER + length]) {
                let cut = whole[..whole.len() + HEADER + payload.len() - LENGTH].to_vec();
                let cut = summed(ip(router), cut);
                let parsed = parse(Type::RAW, ip(router), &cut);
                let wanted = EchoMessage { request, response, payload };
                assert_eq!(parsed, Some(wanted), "{address}: {} bytes", payload.len());
            }
        }
    }

    #[test]
    fn an_error_that_quotes_anything_else_is_about_nothing() {
        for (router, address, kind, protocol, echo) in [
            (ROUTER[0], "198.51.100.7", 3, 28 + 9, 28 + 20),
            (ROUTER[1], "2001:db8:1::7", 1, 8 + 6, 8 + 40),
        ] {
            let good = error(kind, request(address));
            for (place, value, why) in
                [(protocol, 17, "UDP"), (echo, 0, "an echo reply"), (echo, 3, "an error")]
            {
                let mut message = good.clone();
                message[place] = value;
                let message = summed(ip(router), message);
                assert_eq!(parse(Type::RAW, ip(router), &message), None, "{address}: {why}");
            }
            for length in 0..good.len() - LENGTH + HEADER {
                let mut cut = good[..length].to_vec();
                if length >= 28 {
                    cut = summed(ip(router), cut);
                }
                let parsed = parse(Type::RAW, ip(router), &cut);
                assert_eq!(parsed, None, "{address}: {length} bytes of it");
            }
        }
    }

    #[test]
    fn a_reply_is_about_the_request_to_its_sender() {
        let mut reply = bytes(request("2001:db8:1::7"));
        reply[0] = 129;
        for address in ["2001:db8:1::7", "2001:db8:1::8"] {
            let parsed = parse(Type::RAW, ip(address), &reply);
            let (request, payload) = (request(address), &reply[HEADER..]);
            assert_eq!(parsed, Some(EchoMessage { request, response: Response::Reply, payload }));
        }
    }

    #[test]
    fn a_damaged_message_is_ignored() {
        let request = request("198.51.100.7");
        let source = request.address;
        for (good, response) in [
            (reply(request), Response::Reply),
            (error(3, request), Response::Error { kind: 3, code: 1 }),
        ] {
            assert_eq!(
                parse(Type::RAW, source, &good).map(|message| message.response),
                Some(response)
            );
            for place in 20..good.len() {
                let mut damaged = good.clone();
                damaged[place] ^= 0x10;
                assert_eq!(parse(Type::RAW, source, &damaged), None, "{response:?}: byte {place}");
            }
            // An odd byte at the end is included in the checksum.
            let mut odd = good.clone();
            odd.push(0x67);
            assert_eq!(parse(Type::RAW, source, &odd), None, "{response:?}");
            assert!(parse(Type::RAW, source, &summed(source, odd)).is_some(), "{response:?}");
            // A message from a datagram socket has no IP header, and the kernel has checked it.
            let mut icmp = good[20..].to_vec();
            icmp[2] ^= 0x10;
            assert!(parse(Type::DGRAM, source, &icmp).is_some(), "{response:?}");
        }
    }

    #[test]
    fn a_request_has_the_checksum_of_the_internet() {
        for (address, kind) in [("198.51.100.7", 8), ("2001:db8::7", 128)] {
            for number in [0, 1, 0x1234, 0x8000, u16::MAX] {
                let request =
                    Request { address: ip(address), identifier: number, sequence: !number / 3 };
                let nonce = Nonce::random();
                let bytes = super::bytes(request, nonce);
                assert_eq!((bytes[0], bytes[1], bytes.len()), (kind, 0, 64));
                assert_eq!(bytes[4..6], number.to_be_bytes());
                assert_eq!(bytes[6..8], request.sequence.to_be_bytes());
                assert!(nonce.is_returned_in(&bytes[HEADER..]));
                // A message with its checksum sums up to nothing. That of ICMPv6 is the kernel's.
                let is_right =
                    if kind == 8 { checksum(&bytes) == 0 } else { bytes[2..4] == [0; 2] };
                assert!(is_right, "{address} {number}");
            }
        }
    }
}
