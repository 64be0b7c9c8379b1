//! Records that are edited in place between listing and withdrawal: the same id, another record.

use goavail::testing::dns::{ChangeRequest, Cloudflare, DnsProvider, Listing, ProviderError};
use serde_json::json;

use super::super::{NAMES, ZONE, converge, withdrawal};
use super::printed;
use crate::fake_cloudflare::{Entry, FakeCloudflare, Fault, Record, Setup};

const DEAD: &str = "192.0.2.10";
const FOREIGN: &str = "198.51.100.9";

/// Returns a zone with the dead address at two names; the first record is about to be edited into a
/// foreign one with all possible settings.
async fn seeded(setup: Setup) -> (FakeCloudflare, Cloudflare, Listing) {
    let fake = FakeCloudflare::start_with(ZONE, setup, || {});
    fake.zone(|zone| {
        for name in &NAMES[..2] {
            zone.seed("A", name, DEAD);
        }
    });
    let provider = Cloudflare::new(&fake.config(&NAMES)).unwrap();
    let listing = provider.list().await.unwrap();
    fake.zone(|zone| {
        let record = zone.record("A", NAMES[0], DEAD);
        FOREIGN.clone_into(&mut record.content);
        record.ttl = 1;
        record.proxied = true;
        record.comment = Some("moved by hand".to_owned());
        record.tags = vec!["owner:web".to_owned()];
        record.settings.insert("ipv4_only".to_owned(), json!(true));
        record.more.insert("private_routing".to_owned(), json!(true));
    });
    (fake, provider, listing)
}

/// Returns all records without their ids, sorted.
fn held(fake: &FakeCloudflare) -> Vec<Record> {
    let mut records = fake.zone(|zone| zone.records.clone());
    for record in &mut records {
        record.id.clear();
    }
    records.sort_by(|a, b| (&a.name, &a.content).cmp(&(&b.name, &b.content)));
    records
}

#[tokio::test]
async fn a_record_that_was_edited_in_place_is_put_back_exactly_as_it_was() {
    let (fake, provider, listing) = seeded(Setup::default()).await;
    let edited: Vec<_> = held(&fake).into_iter().filter(|r| r.content == FOREIGN).collect();
    let before = fake.log().len();
    let error = provider
        .apply(ChangeRequest::new(&listing, &withdrawal(&listing, DEAD)))
        .await
        .unwrap_err();
    assert_eq!(held(&fake), edited, "the stranger is back, and the other record is gone");
    assert_eq!(fake.log().len() - before, 2, "one batch, and one request that puts it back");

    let ProviderError::Partly { done, rest } = error else { panic!("{error:?}") };
    let gone: Vec<_> = done.delete.iter().map(|(set, _)| set.name.as_str()).collect();
    assert_eq!(gone, [NAMES[1]], "what is said to be gone is what was meant");
    assert!(matches!(*rest, ProviderError::Changed { .. }), "{rest:?}");
    for words in ["was edited after it was listed", DEAD, FOREIGN] {
        assert!(printed(&rest).contains(words), "{words}: {}", printed(&rest));
    }
}

#[tokio::test]
async fn the_intended_address_is_looked_up_again() {
    let (fake, provider, listing) = seeded(Setup::default()).await;
    // It did not disappear: there is a new record.
    fake.zone(|zone| {
        zone.seed("A", NAMES[0], DEAD);
    });
    provider.apply(ChangeRequest::new(&listing, &withdrawal(&listing, DEAD))).await.unwrap_err();
    converge(&provider, |listing| withdrawal(listing, DEAD)).await;
    let left = fake.zone(|zone| zone.contents("A", NAMES[0]));
    assert_eq!(left, [FOREIGN]);
}

#[tokio::test]
async fn a_record_that_became_another_name_or_type_is_put_back_too() {
    for (kind, name, content) in [
        ("A", "other.example.com", DEAD),
        ("TXT", NAMES[0], "192.0.2.10"),
        ("AAAA", NAMES[0], "2001:db8::1"),
    ] {
        let fake = FakeCloudflare::start(ZONE);
        fake.zone(|zone| {
            zone.seed("A", NAMES[0], DEAD);
        });
        let provider = Cloudflare::new(&fake.config(&NAMES)).unwrap();
        let listing = provider.list().await.unwrap();
        fake.zone(|zone| {
            let record = zone.record("A", NAMES[0], DEAD);
            kind.clone_into(&mut record.kind);
            name.clone_into(&mut record.name);
            content.clone_into(&mut record.content);
        });
        let error = provider
            .apply(ChangeRequest::new(&listing, &withdrawal(&listing, DEAD)))
            .await
            .unwrap_err();
        assert!(matches!(error, ProviderError::Changed { .. }), "{kind} {name}: {error:?}");
        assert_eq!(fake.zone(|zone| zone.contents(kind, name)), [content]);
    }
}

#[tokio::test]
async fn a_record_that_could_not_be_restored_at_once_is_restored_before_the_next_listing() {
    let faults = [
        Fault::CutBefore,
        Fault::CutAfter,
        Fault::Throttled("1".to_owned()),
        Fault::Answer(502, String::new()),
    ];
    for (number, fault) in faults.into_iter().enumerate() {
        let (fake, provider, listing) = seeded(Setup::default()).await;
        fake.script(1, |entry| entry.method == "POST" && !entry.is_batch(), fault);
        provider
            .apply(ChangeRequest::new(&listing, &withdrawal(&listing, DEAD)))
            .await
            .unwrap_err();
        let again = provider.list().await.unwrap();
        let held = fake.zone(|zone| zone.contents("A", NAMES[0]));
        assert_eq!(held, [FOREIGN], "fault {number}");
        assert!(withdrawal(&again, DEAD).is_empty(), "fault {number}");
        let before = fake.log().len();
        provider.list().await.unwrap();
        assert_eq!(fake.log().len() - before, 2, "fault {number}: nothing is owed any more");
    }
}

#[tokio::test]
async fn a_record_that_may_not_be_restored_is_given_up() {
    let (fake, provider, listing) = seeded(Setup::default()).await;
    let no = r#"{"success":false,"errors":[{"code":81054,"message":"no"}]}"#.to_owned();
    fake.script(1, |e| e.method == "POST" && !e.is_batch(), Fault::Answer(400, no));
    provider.apply(ChangeRequest::new(&listing, &withdrawal(&listing, DEAD))).await.unwrap_err();
    provider.list().await.unwrap();
    assert_eq!(fake.count(|entry| entry.method == "POST" && !entry.is_batch()), 1);
}

#[tokio::test]
async fn single_deletions_look_first() {
    let (fake, provider, listing) = seeded(Setup { batches: false, ..Setup::default() }).await;
    let error = provider
        .apply(ChangeRequest::new(&listing, &withdrawal(&listing, DEAD)))
        .await
        .unwrap_err();
    let ProviderError::Partly { done, rest } = error else { panic!("{error:?}") };
    assert_eq!(done.delete.len(), 1);
    assert!(matches!(*rest, ProviderError::Changed { .. }), "{rest:?}");
    assert_eq!(fake.count(|entry| entry.method == "DELETE"), 1, "the stranger was never touched");
    assert_eq!(fake.zone(|zone| zone.contents("A", NAMES[0])), [FOREIGN]);
    assert_eq!(fake.count(|e: &Entry| e.method == "POST" && !e.is_batch()), 0);
}
