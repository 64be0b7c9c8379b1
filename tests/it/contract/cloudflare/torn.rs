//! A zone of several pages with concurrent writes.

use goavail::testing::dns::{Cloudflare, DnsProvider, Listing};

use crate::contract::ZONE;
use crate::fake_cloudflare::{Entry, FakeCloudflare, Setup, Zone};

const FOREIGN: &str = "198.51.100.9";

/// A zone of three pages: foreign names before and after the managed ones, with two addresses each.
/// The first managed record begins the second page.
fn seeded(managed: usize) -> (FakeCloudflare, Cloudflare) {
    let setup = Setup { largest_page: 100, ..Setup::default() };
    let fake = FakeCloudflare::start_with(ZONE, setup, || {});
    let names: Vec<_> = (0..managed).map(|n| format!("m{n:03}.{ZONE}")).collect();
    fake.zone(|zone| {
        for n in 0..100 {
            zone.seed("A", &format!("a{n:03}.{ZONE}"), FOREIGN);
            zone.seed("A", &format!("z{n:03}.{ZONE}"), FOREIGN);
        }
        for name in &names {
            zone.seed("A", name, "192.0.2.10");
            zone.seed("A", name, "192.0.2.11");
        }
    });
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let provider = Cloudflare::new(&fake.config(&names)).unwrap();
    (fake, provider)
}

/// Changes the zone before each page but the first is returned, `times` times.
fn change_before_pages(fake: &FakeCloudflare, times: usize, change: fn(&mut Zone)) {
    for _ in 0..times {
        let is_later = |entry: &Entry| entry.path.contains("/dns_records?") && !is_first(entry);
        fake.meddle(is_later, change);
    }
}

fn is_first(entry: &Entry) -> bool {
    entry.path.split(['?', '&']).any(|part| part == "page=1")
}

/// Deletes the first foreign record, so that the first record of the second page is on no page.
fn take_one(zone: &mut Zone) {
    zone.records.remove(0);
}

/// Deletes one foreign record and creates another one: the number of records stays the same.
fn swap_one(zone: &mut Zone) {
    zone.records.remove(0);
    zone.seed("A", &format!("zz.{ZONE}"), FOREIGN);
}

/// Returns the number of listed records; none is listed twice.
fn listed(listing: &Listing) -> usize {
    let records = listing.sets.values().flatten();
    let ids: std::collections::BTreeSet<_> = records.clone().map(|record| &record.id).collect();
    assert_eq!(ids.len(), records.count(), "a record is listed twice");
    ids.len()
}

/// Returns the requests for records since the first `before` requests.
fn readings(fake: &FakeCloudflare, before: usize) -> usize {
    fake.log()[before..].iter().filter(|entry| entry.path.contains("/dns_records?")).count()
}

#[tokio::test]
async fn a_few_names_are_asked_for_by_themselves_and_others_cannot_tear_that() {
    for change in [take_one, swap_one] {
        let (fake, provider) = seeded(2);
        change_before_pages(&fake, 100, change);
        assert_eq!(listed(&provider.list().await.unwrap()), 4);
        assert_eq!(
            readings(&fake, 0),
            1 + 2 + 1,
            "the first page, each name, and the AAAA records"
        );
    }
}

#[tokio::test]
async fn many_names_are_paged_through_and_asked_for_one_by_one_once_two_listings_were_torn() {
    let (fake, provider) = seeded(20);
    assert_eq!(listed(&provider.list().await.unwrap()), 40);
    assert_eq!(readings(&fake, 0), 3 + 1, "a calm zone");

    change_before_pages(&fake, 100, take_one);
    provider.list().await.unwrap_err();
    let before = fake.log().len();
    assert_eq!(listed(&provider.list().await.unwrap()), 40);
    assert_eq!(readings(&fake, before), 2 + 20 + 1, "two pages, each name, and the AAAA records");
    let before = fake.log().len();
    assert_eq!(listed(&provider.list().await.unwrap()), 40);
    assert_eq!(readings(&fake, before), 1 + 20 + 1, "nothing is lost before the names any more");
}

#[tokio::test]
async fn a_zone_that_is_torn_now_and_then_is_paged_through_each_time() {
    let (fake, provider) = seeded(20);
    for _ in 0..3 {
        change_before_pages(&fake, 1, take_one);
        provider.list().await.unwrap_err();
        let before = fake.log().len();
        assert_eq!(listed(&provider.list().await.unwrap()), 40);
        assert_eq!(readings(&fake, before), 3 + 1);
    }
}
