//! Queries about routes and neighbours to the kernel, and its answers (rtnetlink(7)).

use std::io::{self, Read as _};
use std::net::IpAddr;

use socket2::{Domain, Socket, Type};

use super::{Neighbour, Way};
use crate::engine::types::Endpoint;

/// Length of a netlink message's header, and of the part specific to each kind of query.
const HEADER: usize = 16;
const OWN_PART: usize = 12;

/// Longest prefix of a route with a next hop that counts as a gateway of this machine, by family.
/// Behind a longer one there may be a single server with its public addresses routed to it: if that
/// next hop is silent, the target is dead.
const WIDE_V4: u8 = 23;
const WIDE_V6: u8 = 47;

/// Sends one query to the kernel and returns its answer.
pub(super) fn asked(question: &[u8]) -> io::Result<Vec<u8>> {
    const NETLINK: i32 = 16;
    const NETLINK_ROUTE: i32 = 0;
    let socket = Socket::new(NETLINK.into(), Type::RAW, Some(NETLINK_ROUTE.into()))?;
    // The answer is available before the system call of the query returns.
    socket.set_nonblocking(true)?;
    socket.send(question)?;
    let mut answer = vec![0; 4096];
    let length = (&socket).read(&mut answer)?;
    answer.truncate(length);
    Ok(answer)
}

/// Builds `RTM_GETROUTE` for one destination: header, `rtmsg`, attributes. It requests the route
/// itself (`RTM_F_FIB_MATCH`), with its prefix and all of its next hops. Source: rtnetlink(7), and
/// `linux/rtnetlink.h` for the protocol and port, by which rules may select another table.
pub(super) fn route_to(endpoint: Endpoint) -> Vec<u8> {
    const GET_ROUTE: u16 = 26;
    const FIB_MATCH: u32 = 0x2000;
    const PROTOCOL: u16 = 27;
    const DESTINATION_PORT: u16 = 29;
    const ICMP: u8 = 1;
    const TCP: u8 = 6;
    const ICMP_V6: u8 = 58;
    let v4 = endpoint.address.is_ipv4();
    let mut own_part = [0; OWN_PART];
    own_part[1] = if v4 { 32 } else { 128 };
    own_part[8..12].copy_from_slice(&FIB_MATCH.to_ne_bytes());
    let protocol = match (endpoint.method.port(), v4) {
        (Some(_), _) => TCP,
        (None, true) => ICMP,
        (None, false) => ICMP_V6,
    };
    let mut attributes = vec![(PROTOCOL, vec![protocol])];
    if let Some(port) = endpoint.method.port() {
        attributes.push((DESTINATION_PORT, port.to_be_bytes().to_vec()));
    }
    question(GET_ROUTE, own_part, endpoint.address, attributes)
}

/// Builds `RTM_GETNEIGH` for one neighbour: header, `ndmsg`, one attribute. Source: rtnetlink(7).
/// Kernels before 5.0 do not know this query and refuse it.
pub(super) fn neighbour(neighbour: Neighbour) -> Vec<u8> {
    const GET_NEIGHBOUR: u16 = 30;
    let mut own_part = [0; OWN_PART];
    own_part[4..8].copy_from_slice(&neighbour.link.to_ne_bytes());
    question(GET_NEIGHBOUR, own_part, neighbour.address, vec![])
}

/// Builds a query about `address`. In both kinds its attribute has the number 1, and the family
/// stands first in the specific part.
fn question(
    kind: u16,
    mut own_part: [u8; OWN_PART],
    address: IpAddr,
    further: Vec<(u16, Vec<u8>)>,
) -> Vec<u8> {
    const REQUEST: u16 = 1;
    const DESTINATION: u16 = 1;
    let (family, octets) = match address {
        IpAddr::V4(address) => (Domain::IPV4, address.octets().to_vec()),
        IpAddr::V6(address) => (Domain::IPV6, address.octets().to_vec()),
    };
    own_part[0] = i32::from(family).to_le_bytes()[0];
    let mut message = vec![0; 4];
    message.extend(kind.to_ne_bytes());
    message.extend(REQUEST.to_ne_bytes());
    message.resize(HEADER, 0);
    message.extend(own_part);
    for (kind, value) in [(DESTINATION, octets)].into_iter().chain(further) {
        message.extend(u16::try_from(4 + value.len()).unwrap_or_default().to_ne_bytes());
        message.extend(kind.to_ne_bytes());
        message.extend(value);
        // Attributes are aligned to four bytes.
        message.resize(message.len().next_multiple_of(4), 0);
    }
    let whole = u32::try_from(message.len()).unwrap_or_default();
    message[..4].copy_from_slice(&whole.to_ne_bytes());
    message
}

/// Returns the specific part of an answer of this kind; `None` if it is another kind of answer.
fn own_part(answer: &[u8], kind: u16) -> Option<&[u8]> {
    let is = u16::from_ne_bytes(answer.get(4..6)?.try_into().ok()?);
    (is == kind).then(|| answer.get(HEADER..HEADER + OWN_PART)).flatten()
}

/// Parses the answer about a route: its type, its prefix, and the gateways among its attributes.
pub(super) fn way_to(answer: &[u8]) -> Option<Way> {
    const NEW_ROUTE: u16 = 24;
    const LOCAL: u8 = 2;
    const V4: u8 = 2;
    const LINK: u16 = 4;
    const SEVERAL: u16 = 9;
    let own = own_part(answer, NEW_ROUTE)?;
    let (family, prefix, kind) = (*own.first()?, *own.get(1)?, *own.get(7)?);
    if kind == LOCAL {
        return Some(Way::Own);
    }
    if prefix > if family == V4 { WIDE_V4 } else { WIDE_V6 } {
        return Some(Way::Near);
    }
    let (mut link, mut gateway, mut several) = (None, None, None);
    for (kind, value) in attributes(answer.get(HEADER + OWN_PART..).unwrap_or_default()) {
        match kind {
            LINK => link = value.try_into().ok().map(u32::from_ne_bytes),
            SEVERAL => several = Some(next_hops(value)),
            _ => gateway = gateway.or(gateway_in(kind, value)),
        }
    }
    if let Some(hops) = several {
        // A next hop without a gateway is always reachable.
        return Some(hops.map_or(Way::Near, Way::Beyond));
    }
    let gateway = gateway.zip(link).map(|(address, link)| Neighbour { address, link });
    Some(gateway.map_or(Way::Near, |gateway| Way::Beyond(vec![gateway])))
}

/// Returns the gateway in one attribute of a route or a next hop.
fn gateway_in(kind: u16, value: &[u8]) -> Option<IpAddr> {
    const GATEWAY: u16 = 5;
    /// A gateway of the other family, preceded by two bytes that name the family.
    const VIA: u16 = 18;
    match kind {
        GATEWAY => address(value),
        VIA => value.get(2..).and_then(address),
        _ => None,
    }
}

/// Returns the gateways of several next hops (`rtnexthop`: length, flags, weight, interface,
/// attributes); `None` if one has no gateway.
fn next_hops(mut rest: &[u8]) -> Option<Vec<Neighbour>> {
    const HOP: usize = 8;
    let mut gateways = vec![];
    while let Some(hop) = rest.get(..HOP) {
        let length = usize::from(u16::from_ne_bytes([hop[0], hop[1]]));
        let link = u32::from_ne_bytes([hop[4], hop[5], hop[6], hop[7]]);
        let mut inside = attributes(rest.get(HOP..length)?);
        let address = inside.find_map(|(kind, value)| gateway_in(kind, value))?;
        gateways.push(Neighbour { address, link });
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    Some(gateways)
}

/// Parses the answer about a neighbour. Returns whether it does not answer, or has not yet
/// confirmed that it is still there.
pub(super) fn is_silent(answer: &[u8]) -> Option<bool> {
    const NEW_NEIGHBOUR: u16 = 28;
    const INCOMPLETE: u16 = 1;
    const PROBE: u16 = 16;
    const FAILED: u16 = 32;
    let state = own_part(answer, NEW_NEIGHBOUR)?.get(8..10)?;
    let state = u16::from_ne_bytes(state.try_into().ok()?);
    Some(state & (INCOMPLETE | PROBE | FAILED) != 0)
}

/// Returns the attributes by kind.
fn attributes(mut rest: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let (length, kind) = (usize::from(u16_at(rest, 0)?), u16_at(rest, 2)?);
        let value = rest.get(4..length)?;
        // Attributes are aligned to four bytes.
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, value))
    })
}

/// Reads a 16-bit number at an offset.
fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn address(octets: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(octets).ok().map(IpAddr::from);
    v4.or_else(|| <[u8; 16]>::try_from(octets).ok().map(IpAddr::from))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes_of(attributes: &[(u16, &[u8])]) -> Vec<u8> {
        let mut bytes = vec![];
        for (kind, value) in attributes {
            bytes.extend(u16::try_from(4 + value.len()).unwrap().to_ne_bytes());
            bytes.extend(kind.to_ne_bytes());
            bytes.extend(*value);
            bytes.resize(bytes.len().next_multiple_of(4), 0);
        }
        bytes
    }

    /// Builds an answer from its kind, its specific part, and attributes.
    fn answer(kind: u16, own: [u8; OWN_PART], attributes: &[(u16, &[u8])]) -> Vec<u8> {
        let mut bytes = vec![0; 4];
        bytes.extend(kind.to_ne_bytes());
        bytes.resize(HEADER, 0);
        bytes.extend(own);
        bytes.extend(bytes_of(attributes));
        bytes
    }

    /// Builds an IPv4 route with this prefix.
    fn route(prefix: u8, attributes: &[(u16, &[u8])]) -> Vec<u8> {
        let mut own = [0; OWN_PART];
        own[..2].copy_from_slice(&[2, prefix]);
        answer(24, own, attributes)
    }

    fn neighbour_at(address: &str, link: u32) -> Neighbour {
        Neighbour { address: address.parse().unwrap(), link }
    }

    /// Returns the way beyond the gateway at an address of link 7.
    fn beyond(address: &str) -> Way {
        Way::Beyond(vec![neighbour_at(address, 7)])
    }

    /// Builds one next hop of a route.
    fn hop(link: u32, attributes: &[(u16, &[u8])]) -> Vec<u8> {
        let inside = bytes_of(attributes);
        let mut bytes = u16::try_from(8 + inside.len()).unwrap().to_ne_bytes().to_vec();
        bytes.extend([0, 0]);
        bytes.extend(link.to_ne_bytes());
        bytes.extend(inside);
        bytes
    }

    #[test]
    fn a_route_leads_to_this_machine_or_a_neighbour_or_beyond_a_gateway() {
        let link = 7_u32.to_ne_bytes();
        let v4: &[u8] = &[192, 0, 2, 1];
        let v6 = std::net::Ipv6Addr::LOCALHOST.octets();
        let via = [&[2, 0][..], v4].concat();
        let cases = [
            ("no gateway", route(0, &[(4, &link)]), Way::Near),
            ("a gateway", route(0, &[(1, &[9; 4]), (4, &link), (5, v4)]), beyond("192.0.2.1")),
            ("of a wide route", route(23, &[(4, &link), (5, v4)]), beyond("192.0.2.1")),
            ("one machine's addresses", route(24, &[(4, &link), (5, v4)]), Way::Near),
            ("its only address", route(32, &[(4, &link), (5, v4)]), Way::Near),
            ("the link after it", route(0, &[(5, &v6), (4, &link)]), beyond("::1")),
            ("one of the other family", route(0, &[(18, &via), (4, &link)]), beyond("192.0.2.1")),
            ("a gateway on no link", route(0, &[(5, v4)]), Way::Near),
        ];
        for (name, answer, want) in cases {
            assert_eq!(way_to(&answer), Some(want), "{name}");
        }
        let mut own = [0; OWN_PART];
        own[7] = 2;
        assert_eq!(way_to(&answer(24, own, &[])), Some(Way::Own));
    }

    #[test]
    fn a_route_of_several_next_hops_has_a_gateway_for_each_or_none() {
        let one = hop(7, &[(5, &[192, 0, 2, 1])]);
        let two = [one.clone(), hop(8, &[(5, &[192, 0, 2, 2])])].concat();
        let both = vec![neighbour_at("192.0.2.1", 7), neighbour_at("192.0.2.2", 8)];
        assert_eq!(way_to(&route(0, &[(9, &two)])), Some(Way::Beyond(both)));
        let bare = [one, hop(9, &[])].concat();
        assert_eq!(way_to(&route(0, &[(9, &bare)])), Some(Way::Near), "a link that is there");
        for length in 0..two.len() {
            let _ = way_to(&route(0, &[(9, &two[..length])]));
        }
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
        let endpoint = Endpoint::connect("192.0.2.1".parse().unwrap(), 443);
        assert_eq!(way_to(&route_to(endpoint)), None, "a question is no answer");
        let whole = route(0, &[(5, &[192, 0, 2, 1]), (4, &[7, 0, 0, 0])]);
        for length in 0..HEADER + OWN_PART {
            assert_eq!(way_to(&whole[..length]), None, "{length}");
            assert_eq!(is_silent(&whole[..length]), None, "{length}");
        }
        for length in HEADER + OWN_PART..whole.len() {
            assert_eq!(way_to(&whole[..length]), Some(Way::Near), "{length}");
        }
        let mut endless = route(0, &[(0, &[])]);
        endless[HEADER + OWN_PART] = 0;
        assert_eq!(way_to(&endless), Some(Way::Near), "a length of nothing ends it");
    }
}
