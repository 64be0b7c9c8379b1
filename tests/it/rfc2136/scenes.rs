//! Keys, clocks, grants, secondaries, aliases: scenes on real servers.

use goavail::testing::dns::{ChangeRequest, DnsProvider, Listing, ProviderError, Rfc2136};
use goavail::testing::text::error_chain;

use super::servers::{Options, Software};
use super::{OnServer, Relay, config};
use crate::contract::{NAMES, address_entry, addresses, entry, restoration, set_of, withdrawal};

const DEAD: &str = "192.0.2.10";
const ALIVE: &str = "192.0.2.11";

const ALL: [Software; 3] = [Software::Bind, Software::Knot, Software::PowerDns];

/// Adds both addresses at the first name.
fn seed_both(zone: &OnServer) {
    zone.seed(&[DEAD, ALIVE].map(|address| address_entry(NAMES[0], address)));
}

async fn withdraw(provider: &Rfc2136, listing: &Listing) -> Result<(), ProviderError> {
    provider.apply(ChangeRequest::new(listing, &withdrawal(listing, DEAD))).await
}

/// Returns the error of reading and of writing, in words.
async fn refused(provider: &Rfc2136, listing: &Listing) -> [String; 2] {
    let read = provider.list().await.map(|_| ()).unwrap_err();
    let write = withdraw(provider, listing).await.unwrap_err();
    [read, write].map(|error| {
        assert!(
            matches!(error, ProviderError::Refused { .. } | ProviderError::Rejected { .. }),
            "{error:?}"
        );
        error_chain(&error)
    })
}

/// `pdns#9104`, `hickory-dns#3427`: a refusal without a signature is "a bad signature" to other clients.
#[tokio::test]
async fn a_wrong_key_and_a_wrong_secret_are_refused_in_words() {
    for software in ALL.into_iter().filter(|software| software.is_here()) {
        let zone = OnServer::start(software).await;
        seed_both(&zone);
        let listing = zone.provider().list().await.unwrap();
        let wrong = "d3Jvbmd3cm9uZ3dyb25nd3Jvbmd3cm9uZ3dyb25nd3I=";
        for (name, secret, want) in
            [("other", super::SECRET, "BADKEY"), ("goavail", wrong, "BADSIG")]
        {
            for said in refused(&zone.with_key(name, secret), &listing).await {
                let says = said.contains("NOTAUTH") || said.contains("REFUSED");
                let unsigned = said.contains("in an unsigned answer");
                assert!(says && unsigned, "{software:?}: {said}");
                // PowerDNS tells no more.
                if software != Software::PowerDns {
                    assert!(said.contains(want), "{software:?}: {said}");
                }
            }
        }
    }
}

#[tokio::test]
async fn a_wrong_clock_is_refused_and_the_difference_told() {
    for software in ALL.into_iter().filter(|software| software.is_here()) {
        let zone = OnServer::start(software).await;
        seed_both(&zone);
        let listing = zone.provider().list().await.unwrap();
        let ahead = Rfc2136::with_clock(&zone.config(&NAMES), || super::client::unix_now() + 3600);
        for said in refused(&ahead, &listing).await {
            if software == Software::PowerDns {
                assert!(said.contains("NOTAUTH") || said.contains("REFUSED"), "{said}");
                continue;
            }
            let (before, _) = said.split_once(" s behind this machine's").expect(&said);
            let apart: u64 = before.rsplit(' ').next().unwrap().parse().unwrap();
            assert!((3590..=3610).contains(&apart), "{software:?}: {said}");
        }
    }
}

/// BIND leaves an address beside an alias out and reports success.
#[tokio::test]
async fn a_name_with_an_alias_is_left_out_and_the_others_go_on() {
    for software in ALL.into_iter().filter(|software| software.is_here()) {
        let zone = OnServer::start(software).await;
        zone.seed(&[
            entry(NAMES[1], "CNAME", "cdn.example.net"),
            address_entry(NAMES[0], DEAD),
            address_entry(NAMES[0], ALIVE),
        ]);
        let provider = zone.provider();
        let listing = provider.list().await.unwrap();
        let why = &listing.unfit[&set_of(NAMES[1], DEAD.parse().unwrap())];
        assert!(why.contains("api.example.com is a CNAME of cdn.example.net"), "{why}");
        withdraw(&provider, &listing).await.unwrap();
        assert_eq!(zone.holds().len(), 2, "{software:?}: {:?}", zone.holds());
    }
}

#[tokio::test]
async fn an_alias_that_came_after_the_listing_is_a_change() {
    for software in ALL.into_iter().filter(|software| software.is_here()) {
        let zone = OnServer::start(software).await;
        let provider = zone.provider();
        let listing = provider.list().await.unwrap();
        zone.seed(&[entry(NAMES[1], "CNAME", "cdn.example.net")]);
        let changes = restoration(&listing, DEAD, &NAMES);
        let error = provider.apply(ChangeRequest::new(&listing, &changes)).await.unwrap_err();
        assert!(matches!(error, ProviderError::Changed { .. }), "{software:?}: {error:?}");
        assert_eq!(zone.holds().len(), 1, "{software:?}");
    }
}

/// A key that may change one name only: the others are named, and that one is changed.
#[tokio::test]
async fn a_missing_grant_concerns_its_name_alone() {
    for software in [Software::Bind, Software::Knot].into_iter().filter(|it| it.is_here()) {
        let options = Options { granted: &NAMES[..1], ..Options::default() };
        let zone = OnServer::with(software, &options).await;
        zone.seed(&NAMES.map(|name| address_entry(name, DEAD)));
        let provider = zone.provider();
        let listing = provider.list().await.unwrap();
        let error = withdraw(&provider, &listing).await.unwrap_err();
        let ProviderError::Partly { done, rest } = error else { panic!("{software:?}: {error:?}") };
        assert_eq!(done.delete.len(), 1);
        assert_eq!(done.delete[0].0.name, NAMES[0]);
        let ProviderError::Rejected { culprits, .. } = &*rest else { panic!("{rest:?}") };
        let culprits: Vec<_> = culprits.iter().map(|set| set.name.as_str()).collect();
        assert_eq!(culprits, ["api.example.com", "example.com"]);
        assert_eq!(zone.holds().len(), 2, "{software:?}");
        // Tried alone, it is still the name's own trouble, and holds up no other one.
        let listing = provider.list().await.unwrap();
        let error = withdraw(&provider, &listing).await.unwrap_err();
        assert!(matches!(error, ProviderError::Rejected { .. }), "{error:?}");
    }
}

/// cert-manager#2461: an update that a secondary forwards comes back under another id.
#[tokio::test]
async fn a_secondary_is_passed_over_for_the_primary() {
    for software in [Software::Bind, Software::Knot].into_iter().filter(|it| it.is_here()) {
        let primary = OnServer::start(software).await;
        seed_both(&primary);
        let options = Options { primary: Some(primary.server.address), ..Options::default() };
        let secondary = OnServer::with(Software::Bind, &options).await;
        let servers = [secondary.relay.address, primary.relay.address];
        let provider = Rfc2136::new(&config(&servers, &NAMES));
        let listing = provider.list().await.unwrap();
        withdraw(&provider, &listing).await.unwrap();
        assert_eq!(primary.holds(), [address_entry_listed(ALIVE)], "{software:?}");
        assert_eq!(secondary.relay.updates(), 1);
        // It is known from then on.
        let listing = provider.list().await.unwrap();
        let changes = restoration(&listing, DEAD, &NAMES[..1]);
        provider.apply(ChangeRequest::new(&listing, &changes)).await.unwrap();
        assert_eq!(secondary.relay.updates(), 1);
        // By itself, it is named.
        let alone = Rfc2136::new(&config(&servers[..1], &NAMES));
        let listing = alone.list().await.unwrap();
        let error = withdraw(&alone, &listing).await.unwrap_err();
        assert!(matches!(error, ProviderError::Rejected { .. }), "{error:?}");
    }
}

fn address_entry_listed(address: &str) -> crate::contract::Entry {
    let entry = address_entry(NAMES[0], address);
    crate::contract::Entry { extras: entry.ttl.to_string(), ..entry }
}

#[tokio::test]
async fn a_frozen_zone_rejects_changes_until_it_is_thawed() {
    if !Software::Bind.is_here() {
        return;
    }
    let zone = OnServer::start(Software::Bind).await;
    seed_both(&zone);
    let provider = zone.provider();
    zone.rndc("freeze");
    let listing = provider.list().await.unwrap();
    let error = withdraw(&provider, &listing).await.unwrap_err();
    assert!(matches!(error, ProviderError::Rejected { .. }), "{error:?}");
    zone.rndc("thaw");
    withdraw(&provider, &listing).await.unwrap();
}

/// The sets of very many names do not fit into one message.
#[tokio::test]
async fn very_many_names_are_several_messages() {
    for software in ALL.into_iter().filter(|software| software.is_here()) {
        let label = "a".repeat(60);
        let names: Vec<_> = (0..900).map(|nth| format!("n{nth}.{label}.example.com")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let granted: &[&str] = if software == Software::PowerDns { &[] } else { &names };
        let zone = OnServer::with(software, &Options { granted, ..Options::default() }).await;
        let provider = Rfc2136::new(&zone.config(&names));
        let listing = provider.list().await.unwrap();
        let changes = restoration(&listing, DEAD, &names);
        provider.apply(ChangeRequest::new(&listing, &changes)).await.unwrap();
        assert_eq!(zone.holds().len(), names.len(), "{software:?}");
        assert!((2..6).contains(&zone.relay.updates()), "{}", zone.relay.updates());
        let listing = provider.list().await.unwrap();
        let everywhere = listing.sets.values().filter(|records| records.len() == 1);
        assert_eq!(everywhere.count(), names.len());
    }
}

/// A wildcard answers for a name that does not exist.
#[tokio::test]
async fn what_a_wildcard_answers_is_no_set_of_the_name() {
    for software in ALL.into_iter().filter(|software| software.is_here()) {
        let zone = OnServer::start(software).await;
        zone.seed(&[address_entry("*.example.com", ALIVE)]);
        let provider = zone.provider();
        for _ in 0..3 {
            let listing = provider.list().await.unwrap();
            let changes = restoration(&listing, DEAD, &NAMES[..1]);
            match provider.apply(ChangeRequest::new(&listing, &changes)).await {
                Ok(()) => break,
                Err(ProviderError::Changed { .. }) => {}
                Err(error) => panic!("{software:?}: {error:?}"),
            }
        }
        let listing = provider.list().await.unwrap();
        let found = addresses(&listing, &set_of(NAMES[0], DEAD.parse().unwrap()));
        assert_eq!(found, [DEAD.parse().unwrap()].into(), "{software:?}");
        assert_eq!(zone.holds().len(), 2, "{software:?}");
        assert!(zone.relay.seen().iter().all(|message| message.signature().is_some()));
    }
}

/// ddns-updater#1155: an address of IPv6 for the server.
#[tokio::test]
async fn a_server_is_reached_by_ipv6() {
    if !Software::Bind.is_here() {
        return;
    }
    let zone = OnServer::start(Software::Bind).await;
    seed_both(&zone);
    let relay = Relay::at("::1", zone.server.address).await;
    let provider = Rfc2136::new(&config(&[relay.address], &NAMES));
    let listing = provider.list().await.unwrap();
    withdraw(&provider, &listing).await.unwrap();
    assert!(relay.seen().iter().all(|message| message.signature().is_some()));
    assert!(!relay.seen().is_empty() && relay.updates() == 1);
}
