//! Which way this machine sends a packet, as its kernel says (rtnetlink).

use std::collections::HashMap;
use std::io::{self, Read as _};
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use socket2::{Domain, Socket, Type};
use tokio::time::Instant;

/// For how long an answer of the kernel's is taken for true.
const FRESH_FOR: Duration = Duration::from_secs(1);

/// Length of a netlink message's header, and of a route message's own part.
const HEADER: usize = 16;
const ROUTE: usize = 12;

/// Where an address is, as seen from this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// It is an address of this machine.
    Own,
    /// It is on a link of this machine.
    OnLink,
    /// It is behind a gateway.
    Gateway,
}

/// The routes of this machine. Each answer of the kernel's is kept for a moment.
#[derive(Debug, Default)]
pub(crate) struct Routes(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    ways: HashMap<IpAddr, Option<Way>>,
    since: Option<Instant>,
}

impl Routes {
    /// Where `address` is. `None` if there is no route, or the kernel does not say.
    pub(crate) fn way(&self, address: IpAddr, now: Instant) -> Option<Way> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.since.is_none_or(|since| now.saturating_duration_since(since) > FRESH_FOR) {
            known.ways.clear();
            known.since = Some(now);
        }
        *known.ways.entry(address).or_insert_with(|| ask(address).ok().flatten())
    }

    /// Whether an ICMP error that `source` sent about a request to `target` is this machine's own
    /// word about its own way there: its gateway does not answer, or has no way on.
    ///
    /// About a neighbour such an error is no fault: nobody else could report that it is gone.
    pub(crate) fn is_own_fault(&self, source: IpAddr, target: IpAddr, now: Instant) -> bool {
        self.way(source, now) == Some(Way::Own) && self.way(target, now) == Some(Way::Gateway)
    }
}

/// Asks the kernel for the route to `address`.
fn ask(address: IpAddr) -> io::Result<Option<Way>> {
    const NETLINK: i32 = 16;
    const NETLINK_ROUTE: i32 = 0;
    let socket = Socket::new(NETLINK.into(), Type::RAW, Some(NETLINK_ROUTE.into()))?;
    // The answer is there before the system call of the question returns.
    socket.set_nonblocking(true)?;
    socket.send(&question(address))?;
    let mut answer = [0; 4096];
    let length = (&socket).read(&mut answer)?;
    Ok(understand(&answer[..length]))
}

/// `RTM_GETROUTE` for one destination: header, route, one attribute. Source: rtnetlink(7).
fn question(address: IpAddr) -> Vec<u8> {
    const GET_ROUTE: u16 = 26;
    const REQUEST: u16 = 1;
    const DESTINATION: u16 = 1;
    let (family, octets) = match address {
        IpAddr::V4(address) => (Domain::IPV4, address.octets().to_vec()),
        IpAddr::V6(address) => (Domain::IPV6, address.octets().to_vec()),
    };
    let byte = |number: usize| u8::try_from(number).unwrap_or_default();
    let (bits, attribute) = (byte(octets.len() * 8), byte(4 + octets.len()));
    let whole = u32::from(byte(HEADER + ROUTE)) + u32::from(attribute);
    let mut message = whole.to_ne_bytes().to_vec();
    message.extend(GET_ROUTE.to_ne_bytes());
    message.extend(REQUEST.to_ne_bytes());
    message.extend([0; 8]);
    message.extend([i32::from(family).to_le_bytes()[0], bits]);
    message.extend([0; ROUTE - 2]);
    message.extend(u16::from(attribute).to_ne_bytes());
    message.extend(DESTINATION.to_ne_bytes());
    message.extend(octets);
    message
}

/// Understands the answer: the type of the route, and whether a gateway is among its attributes.
fn understand(answer: &[u8]) -> Option<Way> {
    const NEW_ROUTE: u16 = 24;
    const LOCAL: u8 = 2;
    // A gateway, several next hops, a gateway of the other family.
    const BEYOND: [u16; 3] = [5, 9, 18];
    let short = |at: usize| Some(u16::from_ne_bytes(answer.get(at..at + 2)?.try_into().ok()?));
    if short(4)? != NEW_ROUTE {
        return None;
    }
    if *answer.get(HEADER + 7)? == LOCAL {
        return Some(Way::Own);
    }
    let mut at = HEADER + ROUTE;
    while let (Some(length), Some(kind)) = (short(at), short(at + 2)) {
        if BEYOND.contains(&kind) {
            return Some(Way::Gateway);
        }
        // Attributes are aligned to four bytes.
        at += usize::from(length.max(4)).next_multiple_of(4);
    }
    Some(Way::OnLink)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    #[expect(clippy::disallowed_methods, reason = "an answer is kept for a moment of real time")]
    async fn the_kernel_tells_which_addresses_are_its_own() {
        let routes = Routes::default();
        for address in ["127.0.0.1", "127.8.9.1", "::1"] {
            let address = address.parse().unwrap();
            assert_eq!(routes.way(address, Instant::now()), Some(Way::Own), "{address}");
            assert!(!routes.is_own_fault(address, address, Instant::now()), "{address}");
        }
    }

    #[test]
    fn an_answer_that_is_cut_or_an_error_says_nothing() {
        let mut answer = question("192.0.2.1".parse().unwrap());
        assert_eq!(understand(&answer), None, "a question is no answer");
        answer[4..6].copy_from_slice(&24_u16.to_ne_bytes());
        assert_eq!(understand(&answer), Some(Way::OnLink));
        answer[HEADER + ROUTE + 2..HEADER + ROUTE + 4].copy_from_slice(&5_u16.to_ne_bytes());
        assert_eq!(understand(&answer), Some(Way::Gateway));
        assert_eq!(understand(&answer[..HEADER]), None);
        assert_eq!(understand(&[]), None);
    }
}
