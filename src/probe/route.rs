//! Which way this machine sends a packet, and whether whoever is to pass it on answers, as its kernel
//! says (rtnetlink).

use std::collections::HashMap;
use std::hash::Hash;
use std::io::{self, Read as _};
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use socket2::{Domain, Socket, Type};
use tokio::time::Instant;

use super::now;
use crate::engine::event::ProbeRequest;

/// For how long the kernel's word about a route is taken for true.
const ROUTE_FRESH_FOR: Duration = Duration::from_secs(1);

/// For how long its word about a neighbour is.
const NEIGHBOUR_FRESH_FOR: Duration = Duration::from_millis(100);

/// The part of the timeout after which the kernel is asked about the gateway: the answer has to be
/// there before the time is up.
const ASK_AFTER: f64 = 0.9;

/// Length of a netlink message's header, and of what each kind of question has of its own.
const HEADER: usize = 16;
const OWN_PART: usize = 12;

/// Where an address is, as seen from this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// It is an address of this machine.
    Own,
    /// It is on a link of this machine.
    OnLink,
    /// It is behind a gateway, which the kernel may have named.
    Beyond(Option<Neighbour>),
}

/// A machine on a link of this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Neighbour {
    address: IpAddr,
    /// The number of the interface.
    link: u32,
}

/// The routes and neighbours of this machine. Each answer of the kernel's is kept for a moment.
#[derive(Debug, Default)]
pub(crate) struct Routes {
    ways: Mutex<Known<IpAddr, Option<Way>>>,
    silent: Mutex<Known<Neighbour, bool>>,
}

/// Answers of the kernel's, all forgotten together.
#[derive(Debug)]
struct Known<K, V> {
    answers: HashMap<K, V>,
    since: Option<Instant>,
}

impl<K, V> Default for Known<K, V> {
    fn default() -> Self {
        Self { answers: HashMap::new(), since: None }
    }
}

impl<K: Hash + Eq + Copy, V: Copy> Known<K, V> {
    fn get(&mut self, key: K, now: Instant, fresh_for: Duration, ask: impl FnOnce(K) -> V) -> V {
        if self.since.is_none_or(|since| now.saturating_duration_since(since) > fresh_for) {
            self.answers.clear();
            self.since = Some(now);
        }
        *self.answers.entry(key).or_insert_with(|| ask(key))
    }
}

/// How the wait for an answer ended.
#[derive(Debug)]
pub(crate) enum Waited<T> {
    /// Something came.
    Ended(T),
    /// Nothing came, and this machine could not ask, for this reason.
    Fault(String),
    /// Nothing came.
    Silence,
}

impl Routes {
    /// Waits for what ends `probe`, which has been sent. Shortly before it would count as lost, this
    /// asks whether it can have left at all.
    pub(crate) async fn wait<T>(
        &self,
        probe: &ProbeRequest,
        mut end: impl Future<Output = T> + Unpin,
    ) -> Waited<T> {
        let before = probe.timeout.mul_f64(ASK_AFTER);
        if let Ok(end) = tokio::time::timeout(before, &mut end).await {
            return Waited::Ended(end);
        }
        if let Some(what) = self.silent_gateway(probe.endpoint.address, now()) {
            return Waited::Fault(what);
        }
        let rest = probe.patience.saturating_sub(before);
        tokio::time::timeout(rest, end).await.map_or(Waited::Silence, Waited::Ended)
    }

    /// Where `address` is. `None` if there is no route, or the kernel does not say.
    pub(crate) fn way(&self, address: IpAddr, now: Instant) -> Option<Way> {
        let mut ways = self.ways.lock().unwrap_or_else(PoisonError::into_inner);
        ways.get(address, now, ROUTE_FRESH_FOR, |address| way_to(&asked(&route_to(address)).ok()?))
    }

    /// Whether an ICMP error that `source` sent about a request to `target` is this machine's own
    /// word about its own way there: its gateway does not answer, or has no way on.
    ///
    /// About a neighbour such an error is no fault: nobody else could report that it is gone.
    pub(crate) fn is_own_fault(&self, source: IpAddr, target: IpAddr, now: Instant) -> bool {
        self.way(source, now) == Some(Way::Own)
            && matches!(self.way(target, now), Some(Way::Beyond(_)))
    }

    /// What keeps requests to `target` from leaving this machine's own links, if anything does: the
    /// gateway on the way there does not answer. To be asked after a request was sent, when a living
    /// gateway would long have answered: the kernel itself gives up, and says so, after seconds only.
    ///
    /// Nothing is known while the kernel still takes the gateway for reachable: up to 45 seconds after
    /// it last answered, with the usual settings (`base_reachable_time_ms`).
    pub(crate) fn silent_gateway(&self, target: IpAddr, now: Instant) -> Option<String> {
        let Some(Way::Beyond(Some(gateway))) = self.way(target, now) else { return None };
        let mut silent = self.silent.lock().unwrap_or_else(PoisonError::into_inner);
        let is_silent = silent.get(gateway, now, NEIGHBOUR_FRESH_FOR, |gateway| {
            asked(&neighbour(gateway)).is_ok_and(|answer| is_silent(&answer) == Some(true))
        });
        let address = gateway.address;
        is_silent.then(|| format!("the gateway {address} of this machine does not answer it"))
    }
}

/// Puts one question to the kernel.
fn asked(question: &[u8]) -> io::Result<Vec<u8>> {
    const NETLINK: i32 = 16;
    const NETLINK_ROUTE: i32 = 0;
    let socket = Socket::new(NETLINK.into(), Type::RAW, Some(NETLINK_ROUTE.into()))?;
    // The answer is there before the system call of the question returns.
    socket.set_nonblocking(true)?;
    socket.send(question)?;
    let mut answer = vec![0; 4096];
    let length = (&socket).read(&mut answer)?;
    answer.truncate(length);
    Ok(answer)
}

/// `RTM_GETROUTE` for one destination: header, `rtmsg`, one attribute. Source: rtnetlink(7).
fn route_to(address: IpAddr) -> Vec<u8> {
    const GET_ROUTE: u16 = 26;
    let bits = if address.is_ipv4() { 32 } else { 128 };
    let mut own_part = [0; OWN_PART];
    own_part[1] = bits;
    question(GET_ROUTE, own_part, address)
}

/// `RTM_GETNEIGH` for one neighbour: header, `ndmsg`, one attribute. Source: rtnetlink(7). Kernels
/// before 5.0 do not know this question and refuse it.
fn neighbour(neighbour: Neighbour) -> Vec<u8> {
    const GET_NEIGHBOUR: u16 = 30;
    let mut own_part = [0; OWN_PART];
    own_part[4..8].copy_from_slice(&neighbour.link.to_ne_bytes());
    question(GET_NEIGHBOUR, own_part, neighbour.address)
}

/// A question about `address`, whose attribute has the number 1 in both kinds, as has the family the
/// first place in what is each kind's own.
fn question(kind: u16, mut own_part: [u8; OWN_PART], address: IpAddr) -> Vec<u8> {
    const REQUEST: u16 = 1;
    const DESTINATION: u16 = 1;
    let (family, octets) = match address {
        IpAddr::V4(address) => (Domain::IPV4, address.octets().to_vec()),
        IpAddr::V6(address) => (Domain::IPV6, address.octets().to_vec()),
    };
    let length = |bytes: usize| u16::try_from(bytes).unwrap_or_default();
    let attribute = length(4 + octets.len());
    let whole = u32::from(length(HEADER + OWN_PART) + attribute);
    let mut message = whole.to_ne_bytes().to_vec();
    message.extend(kind.to_ne_bytes());
    message.extend(REQUEST.to_ne_bytes());
    message.extend([0; 8]);
    own_part[0] = i32::from(family).to_le_bytes()[0];
    message.extend(own_part);
    message.extend(attribute.to_ne_bytes());
    message.extend(DESTINATION.to_ne_bytes());
    message.extend(octets);
    message
}

/// What each kind's own part of an answer is; `None` if it is another kind of answer.
fn own_part(answer: &[u8], kind: u16) -> Option<&[u8]> {
    let is = u16::from_ne_bytes(answer.get(4..6)?.try_into().ok()?);
    (is == kind).then(|| answer.get(HEADER..HEADER + OWN_PART)).flatten()
}

/// Understands the answer about a route: its type, and the gateway among its attributes.
fn way_to(answer: &[u8]) -> Option<Way> {
    const NEW_ROUTE: u16 = 24;
    const LOCAL: u8 = 2;
    const LINK: u16 = 4;
    const GATEWAY: u16 = 5;
    const SEVERAL: u16 = 9;
    /// A gateway of the other family, after two bytes that name it.
    const VIA: u16 = 18;
    if *own_part(answer, NEW_ROUTE)?.get(7)? == LOCAL {
        return Some(Way::Own);
    }
    let (mut link, mut gateway, mut beyond) = (None, None, false);
    for (kind, value) in attributes(answer) {
        match kind {
            LINK => link = value.try_into().ok().map(u32::from_ne_bytes),
            GATEWAY => gateway = address(value),
            VIA => gateway = value.get(2..).and_then(address),
            _ => {}
        }
        beyond |= [GATEWAY, SEVERAL, VIA].contains(&kind);
    }
    let gateway = gateway.zip(link).map(|(address, link)| Neighbour { address, link });
    Some(if beyond { Way::Beyond(gateway) } else { Way::OnLink })
}

/// Understands the answer about a neighbour: whether it does not answer, or has not yet when asked
/// whether it is still there.
fn is_silent(answer: &[u8]) -> Option<bool> {
    const NEW_NEIGHBOUR: u16 = 28;
    const INCOMPLETE: u16 = 1;
    const PROBE: u16 = 16;
    const FAILED: u16 = 32;
    let state = own_part(answer, NEW_NEIGHBOUR)?.get(8..10)?;
    let state = u16::from_ne_bytes(state.try_into().ok()?);
    Some(state & (INCOMPLETE | PROBE | FAILED) != 0)
}

/// The attributes of an answer, by their kind.
fn attributes(answer: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    let mut rest = answer.get(HEADER + OWN_PART..).unwrap_or_default();
    std::iter::from_fn(move || {
        let short = |at: usize| Some(u16::from_ne_bytes(rest.get(at..at + 2)?.try_into().ok()?));
        let (length, kind) = (usize::from(short(0)?), short(2)?);
        let value = rest.get(4..length)?;
        // Attributes are aligned to four bytes.
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, value))
    })
}

fn address(octets: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(octets).ok().map(IpAddr::from);
    v4.or_else(|| <[u8; 16]>::try_from(octets).ok().map(IpAddr::from))
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

    /// An answer: its kind, its own part, and attributes.
    fn answer(kind: u16, own: [u8; OWN_PART], attributes: &[(u16, &[u8])]) -> Vec<u8> {
        let mut bytes = vec![0; 4];
        bytes.extend(kind.to_ne_bytes());
        bytes.resize(HEADER, 0);
        bytes.extend(own);
        for (kind, value) in attributes {
            bytes.extend(u16::try_from(4 + value.len()).unwrap().to_ne_bytes());
            bytes.extend(kind.to_ne_bytes());
            bytes.extend(*value);
            bytes.resize(bytes.len().next_multiple_of(4), 0);
        }
        bytes
    }

    #[test]
    fn a_route_leads_to_this_machine_to_a_link_or_beyond_a_gateway() {
        let link = 7_u32.to_ne_bytes();
        let gateway = |address: &str| {
            Way::Beyond(Some(Neighbour { address: address.parse().unwrap(), link: 7 }))
        };
        let v6 = std::net::Ipv6Addr::LOCALHOST.octets();
        let via = [&[2, 0][..], &[192, 0, 2, 1]].concat();
        let route = |attributes: &[(u16, &[u8])]| answer(24, [0; OWN_PART], attributes);
        let v4: &[u8] = &[192, 0, 2, 1];
        let cases = [
            ("no gateway", route(&[(4, &link)]), Way::OnLink),
            ("a gateway", route(&[(1, &[9; 4]), (4, &link), (5, v4)]), gateway("192.0.2.1")),
            ("the link after it", route(&[(5, &v6), (4, &link)]), gateway("::1")),
            ("one of the other family", route(&[(18, &via), (4, &link)]), gateway("192.0.2.1")),
            ("several", route(&[(9, &[0; 16])]), Way::Beyond(None)),
            ("a gateway on no link", route(&[(5, v4)]), Way::Beyond(None)),
        ];
        for (name, answer, want) in cases {
            assert_eq!(way_to(&answer), Some(want), "{name}");
        }
        let mut own = [0; OWN_PART];
        own[7] = 2;
        assert_eq!(way_to(&answer(24, own, &[])), Some(Way::Own));
    }

    #[test]
    fn a_neighbour_is_silent_while_it_is_looked_for() {
        // Source: the NUD_ states of ndmsg in rtnetlink(7).
        for (state, want) in
            [(1, true), (2, false), (4, false), (8, false), (16, true), (32, true), (64, false)]
        {
            let mut own = [0; OWN_PART];
            own[8] = state;
            assert_eq!(is_silent(&answer(28, own, &[])), Some(want), "{state}");
        }
    }

    #[test]
    fn an_answer_that_is_cut_or_an_error_says_nothing() {
        let question = route_to("192.0.2.1".parse().unwrap());
        assert_eq!(way_to(&question), None, "a question is no answer");
        let whole = answer(24, [0; OWN_PART], &[(5, &[192, 0, 2, 1]), (4, &[7, 0, 0, 0])]);
        for length in 0..HEADER + OWN_PART {
            assert_eq!(way_to(&whole[..length]), None, "{length}");
            assert_eq!(is_silent(&whole[..length]), None, "{length}");
        }
        for length in HEADER + OWN_PART..whole.len() {
            assert_ne!(way_to(&whole[..length]), way_to(&whole), "{length}");
        }
        let endless = answer(24, [0; OWN_PART], &[(0, &[])]);
        let mut no_length = endless;
        no_length[HEADER + OWN_PART] = 0;
        assert_eq!(way_to(&no_length), Some(Way::OnLink), "a length of nothing ends it");
    }
}
