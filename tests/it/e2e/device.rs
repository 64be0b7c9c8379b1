//! Targets that answer each echo request in a way of their own, and an impostor that knows all of a
//! request but its random bytes.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::Ordering;

use socket2::Socket;

use super::forger::{
    Worker, agent, error, next_request, raw, reply_kind, send, socket, unreachable,
};
use crate::lab::Lab;

/// Length of the header of an echo request: type, code, checksum, identifier, sequence number.
const HEADER: usize = 8;

/// A message in answer to a request, correct or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// The reply that the standards demand.
    Reply,
    /// The same from another address.
    OtherSource,
    /// A reply with a payload that ends after so many bytes.
    Cut(usize),
    /// A reply with zeros after the payload.
    Padded,
    /// A reply with zeros in place of the payload.
    Zeroed,
    /// A reply to another program's request with the same numbers.
    OtherBytes,
    /// A reply with the payload of the request before.
    Earlier,
    /// A router's "unreachable".
    Unreachable(Quote),
    /// A router's redirect. The router has passed the request on.
    Redirect,
}

/// The part of the request that an ICMP error quotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Quote {
    /// All of it.
    Whole,
    /// No more than its header, as RFC 792 allows.
    Header,
    /// Its header and zeros, before an extension (RFC 4884).
    PaddedHeader,
    /// All of it, with the identifier that a NAT gave it and did not translate back.
    OtherIdentifier,
    /// A request of another program with the same numbers.
    OtherBytes,
    /// The payload of the request before: shown once, to a sender on the path then.
    Earlier,
}

/// A target that gives the same answers to each request.
pub(super) struct Device {
    _worker: Worker,
}

impl Device {
    pub(super) fn start(lab: &Lab, address: IpAddr, answers: &'static [Answer]) -> Self {
        let (here, elsewhere) = (socket(lab.world(), address), lab.world().run(|| raw(address)));
        let agent = agent(address);
        let worker = Worker::start(move |count, stop| {
            let mut earlier: Option<Vec<u8>> = None;
            while !stop.load(Ordering::SeqCst) {
                let Some(request) = next_request(&here, address) else { continue };
                for answer in answers {
                    let from = if answer.is_from_elsewhere() { &elsewhere } else { &here };
                    let payload = answer.payload(&request, earlier.as_deref());
                    send(from, agent, answer.message([agent, address], &request, &payload));
                }
                earlier = Some(request);
                count.fetch_add(1, Ordering::SeqCst);
            }
        });
        Self { _worker: worker }
    }
}

impl Answer {
    fn is_from_elsewhere(self) -> bool {
        matches!(self, Self::OtherSource | Self::Unreachable(_) | Self::Redirect)
    }

    /// Returns the payload that a reply returns or an error quotes.
    fn payload(self, request: &[u8], earlier: Option<&[u8]>) -> Vec<u8> {
        let payload = &request[HEADER..];
        match self {
            Self::Cut(length) => payload[..length].to_vec(),
            Self::Padded => [payload, &[0; 64]].concat(),
            Self::Zeroed | Self::Unreachable(Quote::PaddedHeader) => vec![0; payload.len()],
            Self::OtherBytes | Self::Unreachable(Quote::OtherBytes) => inverted(payload),
            Self::Earlier | Self::Unreachable(Quote::Earlier) => {
                earlier.map_or_else(|| inverted(payload), |old| old[HEADER..].to_vec())
            }
            Self::Unreachable(Quote::Header) => vec![],
            _ => payload.to_vec(),
        }
    }

    fn message(self, [agent, address]: [IpAddr; 2], request: &[u8], payload: &[u8]) -> Vec<u8> {
        let mut echo = [&request[..HEADER], payload].concat();
        match self {
            Self::Unreachable(quote) => {
                if quote == Quote::OtherIdentifier {
                    echo[4] ^= 0xff;
                }
                error(unreachable(address), agent, address, &echo)
            }
            // The redirect of IPv6 has another form, so it is "time exceeded" there.
            Self::Redirect => {
                error(if address.is_ipv4() { (5, 1) } else { (3, 0) }, agent, address, &echo)
            }
            _ => {
                echo[0] = reply_kind(address);
                echo
            }
        }
    }
}

fn inverted(payload: &[u8]) -> Vec<u8> {
    payload.iter().map(|byte| !byte).collect()
}

/// A sender off the path that knows the addresses, the identifier and the sequence number of each
/// request to a target, and forges replies and errors from the target, from a router and from the
/// agent's own machine.
pub(super) struct Impostor(Worker);

impl Impostor {
    /// Forges `each` messages about each request to `target`. The lab must be hushed.
    pub(super) fn start(lab: &Lab, target: IpAddr, each: usize) -> Self {
        let agent = agent(target);
        let names = [socket(lab.world(), target), named(lab, agent)];
        let router = lab.world().run(|| raw(target));
        Self(Worker::start(move |sent, stop| {
            while !stop.load(Ordering::SeqCst) {
                let Some(request) = next_request(&names[0], target) else { continue };
                for nth in 0..each {
                    let (from, message) = forged(nth, [agent, target], &request[..HEADER]);
                    let from = names.get(from).unwrap_or(&router);
                    send(from, agent, message);
                    sent.fetch_add(1, Ordering::SeqCst);
                }
            }
        }))
    }

    /// Returns the number of messages that were sent.
    pub(super) fn sent(&self) -> usize {
        self.0.count()
    }
}

/// Returns a raw socket that sends from an address of another place.
fn named(lab: &Lab, address: IpAddr) -> Socket {
    lab.world().run(|| {
        let socket = raw(address);
        if address.is_ipv4() {
            socket.set_ip_transparent_v4(true).unwrap();
        }
        socket.bind(&SocketAddr::new(address, 0).into()).unwrap();
        socket
    })
}

/// Returns a forged message about a request with this header, and its sender: 0 is the target,
/// 1 the agent itself, 2 a router.
fn forged(nth: usize, [agent, target]: [IpAddr; 2], header: &[u8]) -> (usize, Vec<u8>) {
    let guess: [u8; 56] = rand::random();
    let length = [56, 16, 8, 4, 1, 0][nth % 6];
    let echo = [header, &guess[..length]].concat();
    let time_exceeded = if target.is_ipv4() { (11, 0) } else { (3, 0) };
    match nth % 5 {
        0 | 1 => {
            let mut reply = echo;
            reply[0] = reply_kind(target);
            (0, reply)
        }
        from => {
            let kind = if nth.is_multiple_of(2) { unreachable(target) } else { time_exceeded };
            (from - 2, error(kind, agent, target, &echo))
        }
    }
}
