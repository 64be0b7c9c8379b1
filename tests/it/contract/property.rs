//! The promise for all changes: foreign records are not changed.

use std::net::IpAddr;

use goavail::engine::plan::Family;
use goavail::testing::dns::{Listing, RecordChanges};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::{
    Entry, NAMES, ProviderUnderTest, address_entry, converge, entry, plainly, restoration,
    withdrawal,
};
use crate::lab::share;

/// The managed addresses of this case; all others are foreign.
const MANAGED: [&str; 4] = ["192.0.2.10", "192.0.2.11", "2001:db8::10", "2001:db8::11"];

/// The possible records of the zone beside the managed addresses at the managed names.
fn foreign_candidates() -> Vec<Entry> {
    let mut entries = vec![
        entry(NAMES[0], "TXT", "\"192.0.2.10\""),
        entry(NAMES[2], "MX", "10 mail.example.com"),
        address_entry("mail.example.com", MANAGED[0]),
        address_entry("w.example.com", MANAGED[2]),
        address_entry("api.www.example.com", MANAGED[1]),
    ];
    for address in ["198.51.100.1", "192.0.2.1", "192.0.2.100", "2001:db8::1"] {
        entries.extend(NAMES.map(|name| address_entry(name, address)));
    }
    entries
}

/// Returns every managed address at every managed name.
fn managed_candidates() -> Vec<Entry> {
    NAMES.iter().flat_map(|name| MANAGED.map(|address| address_entry(name, address))).collect()
}

fn is_managed(entry: &Entry) -> bool {
    let address = matches!(entry.kind.as_str(), "A" | "AAAA");
    address && NAMES.contains(&entry.name.as_str()) && MANAGED.contains(&entry.value.as_str())
}

/// Returns the changes after which exactly the addresses `wanted` are at every managed name.
fn changes_for(listing: &Listing, wanted: &[&str]) -> RecordChanges {
    let mut changes = RecordChanges::default();
    for address in MANAGED {
        if wanted.contains(&address) {
            changes.create.extend(restoration(listing, address, &NAMES).create);
        } else {
            changes.delete.extend(withdrawal(listing, address).delete);
        }
    }
    changes
}

async fn holds_for<P: ProviderUnderTest>(seed: Vec<Entry>, wanted: Vec<&str>) {
    let zone = P::start().await;
    zone.seed(&seed).await;
    converge(&zone.provider().await, |listing| changes_for(listing, &wanted)).await;

    let (managed, foreign): (Vec<_>, Vec<_>) =
        plainly(&zone).await.into_iter().partition(is_managed);
    let before: Vec<_> = seed.into_iter().filter(|entry| !is_managed(entry)).collect();
    assert_eq!(foreign, super::sorted(before), "foreign records");
    let served = managed.into_iter().map(|entry| (entry.name, entry.value));
    let each = |name: &str| wanted.iter().map(|&ip| (name.to_owned(), ip.to_owned())).collect();
    let mut want: Vec<_> = NAMES.iter().flat_map(|&name| -> Vec<_> { each(name) }).collect();
    want.sort_by_key(|(name, ip)| {
        (name.clone(), Family::of(ip.parse::<IpAddr>().unwrap()), ip.clone())
    });
    assert_eq!(served.collect::<Vec<_>>(), want, "managed records");
}

/// With any zone and any desired state, the provider reaches that state, and all records other than
/// managed addresses at managed names are unchanged.
pub(crate) fn foreign_records_survive_any_change<P: ProviderUnderTest>() {
    let config = Config { cases: share(16), failure_persistence: None, ..Config::default() };
    let everything = [foreign_candidates(), managed_candidates()].concat();
    let most = everything.len();
    let input = (
        prop::sample::subsequence(everything, 0..=most),
        prop::sample::subsequence(MANAGED.to_vec(), 0..=MANAGED.len()),
    );
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    TestRunner::new(config)
        .run(&input, |(seed, wanted)| {
            runtime.block_on(holds_for::<P>(seed, wanted));
            Ok(())
        })
        .unwrap();
}
