//! Without batches: one request for each change.

use std::sync::atomic::{AtomicUsize, Ordering};

use goavail::testing::dns::{
    ChangeRequest, Cloudflare, DnsProvider, Listing, Permit, ProviderError, RecordChanges,
};

use super::super::{NAMES, ZONE, converge, restoration, withdrawal};
use super::printed;
use crate::fake_cloudflare::{Entry, FakeCloudflare, Fault, Setup};

const DEAD: &str = "192.0.2.10";
const ALIVE: &str = "192.0.2.11";

/// Returns a zone with the dead address at every name, a provider, and the changes that replace it
/// by the live one.
async fn seeded(setup: Setup) -> (FakeCloudflare, Cloudflare, Listing, RecordChanges) {
    let fake = FakeCloudflare::start_with(ZONE, setup, || {});
    fake.zone(|zone| {
        for name in NAMES {
            zone.seed("A", name, DEAD);
        }
    });
    let provider = Cloudflare::new(&fake.config(&NAMES)).unwrap();
    let listing = provider.list().await.unwrap();
    let mut changes = restoration(&listing, ALIVE, &NAMES);
    changes.delete = withdrawal(&listing, DEAD).delete;
    (fake, provider, listing, changes)
}

fn without_batches() -> Setup {
    Setup { batches: false, ..Setup::default() }
}

/// Returns the part in force, and the error of the rest.
fn partly(error: ProviderError) -> (RecordChanges, ProviderError) {
    match error {
        ProviderError::Partly { done, rest } => (done, *rest),
        other => panic!("expected a part of it: {other:?}"),
    }
}

/// Returns the names of the rejected sets.
fn culprits(error: &ProviderError) -> Vec<&str> {
    match error {
        ProviderError::Rejected { culprits, .. } => {
            culprits.iter().map(|set| set.name.as_str()).collect()
        }
        other => panic!("expected a rejection: {other:?}"),
    }
}

fn written(fake: &FakeCloudflare) -> Vec<String> {
    let log = fake.log();
    let writing = log.iter().filter(|entry| entry.writes());
    let word = |e: &Entry| if e.is_batch() { "BATCH".to_owned() } else { e.method.clone() };
    writing.map(word).collect()
}

#[tokio::test]
async fn a_service_without_batches_gets_single_changes_that_create_first() {
    let (fake, provider, listing, changes) = seeded(without_batches()).await;
    provider.apply(ChangeRequest::new(&listing, &changes)).await.unwrap();
    for name in NAMES {
        assert_eq!(fake.zone(|zone| zone.contents("A", name)), [ALIVE], "{name}");
    }
    let each = ["POST", "DELETE"].repeat(NAMES.len());
    assert_eq!(written(&fake), [vec!["BATCH"], each.clone()].concat());

    // The same changes again, all in force already: no batch is tried, and they succeed.
    provider.apply(ChangeRequest::new(&listing, &changes)).await.unwrap();
    assert_eq!(written(&fake)[1 + each.len()..], ["POST"].repeat(NAMES.len()));
    assert_eq!(fake.zone(|zone| zone.records.len()), NAMES.len());
}

/// The address may answer again while its records are changed one by one.
#[tokio::test]
async fn a_change_revoked_between_two_single_changes_is_not_sent() {
    for (allowed, left) in [(0, vec!["BATCH"]), (2, vec!["BATCH", "POST", "DELETE"])] {
        let (fake, provider, listing, changes) = seeded(without_batches()).await;
        let asked = AtomicUsize::new(0);
        let stands = |_| asked.fetch_add(1, Ordering::Relaxed) < allowed;
        let permit = Permit::new(&stands);
        let error = provider
            .apply(ChangeRequest { listing: &listing, changes: &changes, permit })
            .await
            .unwrap_err();
        assert_eq!(written(&fake), left);
        let rest = if allowed == 0 { error } else { partly(error).1 };
        assert!(matches!(rest, ProviderError::Revoked { .. }), "{rest:?}");
    }
}

#[tokio::test]
async fn a_service_may_say_in_several_ways_that_it_has_no_batches() {
    let no_route = r#"{"success":false,"errors":[{"code":7003,"message":"Could not route"}]}"#;
    let no_method = r#"{"success":false,"errors":[{"code":7001,"message":"not available"}]}"#;
    let ways = [
        ("a 404 in HTML", 404, "<html>"),
        ("batch taken for a record's id", 404, no_route),
        ("method not available", 400, no_method),
        ("not implemented", 501, ""),
    ];
    for (name, status, body) in ways {
        let (fake, provider, listing, changes) = seeded(Setup::default()).await;
        fake.script(2, Entry::is_batch, Fault::Answer(status, body.to_owned()));
        provider.apply(ChangeRequest::new(&listing, &changes)).await.unwrap();
        provider.apply(ChangeRequest::new(&listing, &changes)).await.unwrap();
        assert_eq!(fake.count(Entry::is_batch), 1, "{name}: remembered");
        for set in NAMES {
            assert_eq!(fake.zone(|zone| zone.contents("A", set)), [ALIVE], "{name}: {set}");
        }
    }
}

#[tokio::test]
async fn a_batch_that_is_too_large_for_the_plan_is_made_set_by_set() {
    let (fake, provider, listing, changes) =
        seeded(Setup { largest_batch: 5, ..Setup::default() }).await;
    provider.apply(ChangeRequest::new(&listing, &changes)).await.unwrap();
    assert_eq!(written(&fake), ["BATCH"].repeat(1 + NAMES.len()));
    let held = NAMES.map(|name| fake.zone(|zone| zone.contents("A", name)));
    assert_eq!(held, [[ALIVE], [ALIVE], [ALIVE]]);
}

#[tokio::test]
async fn single_changes_that_break_off_tell_how_far_they_got_and_leave_no_set_emptier() {
    let faults = [
        ("throttled", Fault::Throttled("1".to_owned())),
        ("the answer lost", Fault::CutAfter),
        ("cut off", Fault::CutBefore),
        ("a server error", Fault::Answer(500, String::new())),
    ];
    for (name, fault) in faults {
        let (fake, provider, listing, changes) = seeded(without_batches()).await;
        fake.script(1, |entry| entry.method == "DELETE", fault);
        let error = provider.apply(ChangeRequest::new(&listing, &changes)).await.unwrap_err();
        let (done, rest) = partly(error);
        assert_eq!((done.create.len(), done.delete.len()), (1, 0), "{name}: {done:?}");
        let is_right = match name {
            "throttled" => matches!(rest, ProviderError::Unavailable { .. }),
            _ => matches!(rest, ProviderError::Unconfirmed { .. }),
        };
        assert!(is_right, "{name}: {rest:?}");
        for set in NAMES {
            assert!(!fake.zone(|zone| zone.contents("A", set)).is_empty(), "{name}: {set}");
        }
        converge(&provider, |listing| {
            let mut changes = restoration(listing, ALIVE, &NAMES);
            changes.delete = withdrawal(listing, DEAD).delete;
            changes
        })
        .await;
        assert_eq!(fake.zone(|zone| zone.records.len()), NAMES.len(), "{name}");
    }
}

/// A CNAME beside the addresses of one name; the real API would not accept it, but a quota or a
/// rule of the account rejects a single record in the same way.
#[tokio::test]
async fn a_record_that_may_not_be_created_keeps_no_dead_address_in_service_elsewhere() {
    let (fake, provider, listing, changes) = seeded(Setup::default()).await;
    fake.zone(|zone| {
        zone.seed("CNAME", NAMES[0], "elsewhere.example.org");
    });
    let (done, rest) =
        partly(provider.apply(ChangeRequest::new(&listing, &changes)).await.unwrap_err());
    assert_eq!((done.create.len(), done.delete.len()), (2, 2), "{done:?}");
    assert_eq!(culprits(&rest), [NAMES[0]], "{rest:?}");
    let told = printed(&rest);
    assert!(told.contains("A CNAME record with that host already exists"), "{told}");
    let held = NAMES.map(|name| fake.zone(|zone| zone.contents("A", name)));
    assert_eq!(held, [[DEAD], [ALIVE], [ALIVE]], "no set may be emptied");

    // Only the rejected record is left, and the error says just that.
    let listing = provider.list().await.unwrap();
    let mut left = restoration(&listing, ALIVE, &NAMES);
    left.delete = withdrawal(&listing, DEAD).delete;
    let error = provider.apply(ChangeRequest::new(&listing, &left)).await.unwrap_err();
    assert_eq!(culprits(&error), [NAMES[0]], "{}", printed(&error));
    let held = NAMES.map(|name| fake.zone(|zone| zone.contents("A", name)));
    assert_eq!(held, [[DEAD], [ALIVE], [ALIVE]]);

    // Batches are still tried, because they were not rejected themselves.
    fake.zone(|zone| zone.records.retain(|record| record.kind != "CNAME"));
    provider.apply(ChangeRequest::new(&listing, &left)).await.unwrap();
    assert_eq!(written(&fake).last().map(String::as_str), Some("BATCH"));
}
