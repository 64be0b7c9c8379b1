//! Two writers race on one set, and each leaves the last address in.

use std::collections::BTreeSet;
use std::net::IpAddr;

use goavail::testing::dns::{ChangeRequest, DnsProvider, ProviderError, Rfc2136};

use super::servers::Software;
use super::{OnServer, client, config};
use crate::contract::{NAMES, address_entry, addresses, restoration, set_of, withdrawal};
use crate::lab::is_ci;

/// The addresses of the two writers.
const OWN: [&str; 2] = ["192.0.2.10", "192.0.2.11"];

/// Returns the number of rounds: 300 in CI, a quarter elsewhere, or as many as `GOAVAIL_RACES` says.
fn rounds() -> usize {
    let wanted = std::env::var("GOAVAIL_RACES").ok().and_then(|count| count.parse().ok());
    wanted.unwrap_or(if is_ci() { 300 } else { 75 })
}

/// Takes the writer's address out if another stays in, or puts it back if it is out. Returns whether
/// that was done; a refusal because the set has changed is not.
async fn flip(provider: &Rfc2136, own: &str) -> bool {
    let listing = provider.list().await.unwrap();
    let address: IpAddr = own.parse().unwrap();
    let there = addresses(&listing, &set_of(NAMES[0], address));
    let changes = match (there.contains(&address), there.len()) {
        (true, 1) => return false,
        (true, _) => withdrawal(&listing, own),
        (false, _) => restoration(&listing, own, &NAMES[..1]),
    };
    match provider.apply(ChangeRequest::new(&listing, &changes)).await {
        Ok(()) => true,
        Err(ProviderError::Changed { .. }) => false,
        Err(error) => panic!("{error:?}"),
    }
}

#[expect(clippy::print_stderr, reason = "the figures of a long race are its result")]
async fn race(software: Software, rounds: usize) {
    let zone = OnServer::start(software).await;
    zone.seed(&OWN.map(|address| address_entry(NAMES[0], address)));
    let writers = [(); 2].map(|()| Rfc2136::new(&config(&[zone.server.address], &NAMES[..1])));
    let (mut flips, mut refused) = ([0; 2], 0);
    for round in 0..rounds {
        let (one, other) = tokio::join!(flip(&writers[0], OWN[0]), flip(&writers[1], OWN[1]));
        for (flips, done) in flips.iter_mut().zip([one, other]) {
            *flips += usize::from(done);
            refused += usize::from(!done);
        }
        // Only a writer touches its own address, so each of its changes is to be seen.
        let there: BTreeSet<String> =
            client::transfer(zone.server.address).into_iter().map(|entry| entry.value).collect();
        assert!(!there.is_empty(), "{software:?}: empty after round {round}");
        for (own, flips) in OWN.iter().zip(flips) {
            assert_eq!(there.contains(*own), flips % 2 == 0, "{software:?}: round {round}: lost");
        }
    }
    assert!(flips.iter().sum::<usize>() >= rounds / 2, "{software:?}: {flips:?}");
    eprintln!("{software:?}: {rounds} rounds, {flips:?} changes, {refused} refused");
}

#[tokio::test]
async fn two_writers_on_bind_never_empty_a_set_and_lose_no_change() {
    if Software::Bind.is_here() {
        race(Software::Bind, rounds()).await;
    }
}

#[tokio::test]
async fn two_writers_on_knot_never_empty_a_set_and_lose_no_change() {
    if Software::Knot.is_here() {
        race(Software::Knot, rounds()).await;
    }
}

#[tokio::test]
async fn two_writers_on_powerdns_never_empty_a_set_and_lose_no_change() {
    if Software::PowerDns.is_here() {
        race(Software::PowerDns, rounds()).await;
    }
}
