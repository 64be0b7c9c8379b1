//! The search for the name servers of a zone: servers without an address, and the addresses that are kept.

use super::*;
use crate::dns::clock::now;
use crate::dns::confirm::effect::EffectNews::{NoServers, ServersFound};

fn zone() -> ZoneWatch {
    let settings = ConfirmSettings { servers: vec![], timeout: Duration::from_mins(2) };
    let proxies = BySet::new(false);
    let domain = "example.com".to_owned();
    let addresses = BTreeSet::new();
    ZoneWatch::new(ConfirmZone { domain, addresses, provider: "BIND", settings, proxies })
}

fn server(nth: u8) -> NameServer {
    let addresses = vec![([192, 0, 2, nth], 53).into()];
    NameServer { name: format!("ns{nth}"), addresses, trouble: None }
}

/// Returns a server with a name that did not resolve.
fn without_address(nth: u8) -> NameServer {
    NameServer { addresses: vec![], trouble: Some("no address: try again".into()), ..server(nth) }
}

#[test]
fn a_server_without_an_address_is_said_once_and_looked_up_again() {
    let (mut zone, now) = (zone(), now());
    let one = vec![server(1), without_address(2)];
    let said = zone.found(Ok(one.clone()), now);
    assert_eq!(said, Some(NoServers("ns2: no address: try again".into())));
    assert!(zone.retry_at.is_some_and(|it| it > now));
    assert_eq!(zone.watch.servers(), one, "what was found is asked meanwhile");
    assert_eq!(zone.found(Ok(one), now), None);
    assert!(zone.retry_at.is_some());
    let both = vec![server(1), server(2)];
    assert_eq!(zone.found(Ok(both.clone()), now), Some(ServersFound));
    assert_eq!((zone.retry_at, zone.watch.servers()), (None, &both[..]));
}

#[test]
fn the_addresses_from_before_are_asked_while_a_name_does_not_resolve() {
    let (mut zone, now) = (zone(), now());
    let both = vec![server(1), server(2)];
    zone.found(Ok(both.clone()), now);
    let said = zone.found(Ok(vec![server(1), without_address(2)]), now);
    assert!(matches!(said, Some(NoServers(_))), "{said:?}");
    assert_eq!(zone.watch.servers(), both);
}
