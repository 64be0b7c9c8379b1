//! Restored settings, and the omission of rejected ones.

use std::net::IpAddr;

use goavail::testing::dns::{
    Attributes, ChangeRequest, Cloudflare, DnsProvider, Listing, NewRecord, RecordChanges,
};
use serde_json::json;

use super::super::{NAMES, ZONE, set_of, withdrawal};
use crate::fake_cloudflare::{Entry, FakeCloudflare, Limits, Record, Zone};

const LIVE: &str = "192.0.2.10";

/// A zone with one record that has all possible settings.
async fn seeded(adorn: impl FnOnce(&mut Record)) -> (FakeCloudflare, Cloudflare, Listing) {
    let fake = FakeCloudflare::start(ZONE);
    fake.zone(|zone| {
        let record = zone.seed("A", NAMES[0], LIVE);
        record.comment = Some("rack 7".to_owned());
        record.tags = vec!["owner:dns".to_owned()];
        adorn(record);
    });
    let provider = Cloudflare::new(&fake.config(&NAMES)).unwrap();
    let listing = provider.list().await.unwrap();
    (fake, provider, listing)
}

/// Withdraws the listed address at the first name, and restores it from memory.
async fn out_and_in(provider: &Cloudflare, listing: &Listing, changed: impl FnOnce()) -> Listing {
    let out = withdrawal(listing, &address(listing).to_string());
    provider.apply(ChangeRequest::new(listing, &out)).await.unwrap();
    changed();
    let empty = provider.list().await.unwrap();
    let (set, record) = &out.delete[0];
    let create = vec![NewRecord {
        set: set.clone(),
        address: record.address,
        attributes: Some(record.attributes.clone()),
    }];
    provider
        .apply(ChangeRequest::new(&empty, &RecordChanges { create, delete: Vec::new() }))
        .await
        .unwrap();
    provider.list().await.unwrap()
}

fn address(listing: &Listing) -> IpAddr {
    listing.sets.values().flatten().next().expect("nothing is listed").address
}

fn attributes(listing: &Listing) -> Attributes {
    listing.sets.values().flatten().next().expect("nothing is listed").attributes.clone()
}

fn the_record(fake: &FakeCloudflare) -> Record {
    fake.zone(|zone| Record { id: String::new(), ..zone.records[0].clone() })
}

#[tokio::test]
async fn settings_and_fields_that_the_api_has_grown_come_back() {
    let (fake, provider, listing) = seeded(|record| {
        record.ttl = 1;
        record.proxied = true;
        record.settings.insert("ipv4_only".to_owned(), json!(true));
        record.more.insert("private_routing".to_owned(), json!(true));
        record.more.insert("next_year".to_owned(), json!({"a": [1, null, "b"]}));
    })
    .await;
    fake.zone(|zone| zone.grown.push("next_year"));
    let before = the_record(&fake);
    // The memory goes through the state file.
    let kept = serde_json::to_string(&attributes(&listing)).unwrap();
    assert_eq!(serde_json::from_str::<Attributes>(&kept).unwrap(), attributes(&listing));
    out_and_in(&provider, &listing, || {}).await;
    assert_eq!(the_record(&fake), before);
    assert_eq!(fake.count(Entry::writes), 2, "in one batch each");
}

#[tokio::test]
async fn a_memory_from_before_there_were_other_fields_is_read() {
    let old =
        r#"{"ttl":120,"extra":{"cloudflare":{"proxied":true,"comment":null,"tags":["a:b"]}}}"#;
    let read: Attributes = serde_json::from_str(old).unwrap();
    assert_eq!(serde_json::to_string(&read).unwrap(), old, "and written as it was");
}

#[tokio::test]
async fn a_live_address_is_restored_without_its_rejected_settings() {
    type Change = fn(&mut Zone);
    type Lost = fn(&mut Record);
    let cases: [(&str, Change, Lost); 4] = [
        ("tags over the quota", |zone| zone.limits.tags = 0, |record| record.tags.clear()),
        (
            "a comment that is too long",
            |zone| zone.limits.comment = 3,
            |record| record.comment = None,
        ),
        ("a TTL", |zone| zone.limits.ttl = 300..=600, |record| record.ttl = 300),
        (
            "tags, a comment and the TTL, the configured one too",
            |zone| {
                zone.limits = Limits { tags: 0, comment: 0, ttl: 900..=900, ..zone.limits.clone() }
            },
            |record| {
                record.tags.clear();
                record.comment = None;
                record.ttl = 1;
            },
        ),
    ];
    for chained in [false, true] {
        for (name, change, lost) in &cases {
            let (fake, provider, listing) = seeded(|_| {}).await;
            let mut want = the_record(&fake);
            lost(&mut want);
            let changed = || {
                fake.zone(|zone| {
                    zone.limits.chained = chained;
                    change(zone);
                });
            };
            let after = out_and_in(&provider, &listing, changed).await;
            assert_eq!(the_record(&fake), want, "{name}");
            assert_eq!(attributes(&after), attributes(&listing), "{name}: the memory is kept");

            // Once it is allowed again, the next restore includes all of it.
            fake.zone(|zone| zone.limits = Limits::default());
            out_and_in(&provider, &after, || {}).await;
            let back = the_record(&fake);
            assert_eq!((back.ttl, back.tags.len()), (120, 1), "{name}");
            assert_eq!(back.comment.as_deref(), Some("rack 7"), "{name}");
        }
    }
}

#[tokio::test]
async fn a_private_address_that_may_no_longer_be_proxied_comes_back_unproxied() {
    let fake = FakeCloudflare::start(ZONE);
    fake.zone(|zone| {
        let record = zone.seed("A", NAMES[0], "10.0.0.1");
        (record.proxied, record.ttl) = (true, 1);
        record.settings.insert("ipv4_only".to_owned(), json!(true));
    });
    let provider = Cloudflare::new(&fake.config(&NAMES)).unwrap();
    let listing = provider.list().await.unwrap();
    out_and_in(&provider, &listing, || {}).await;
    let record = the_record(&fake);
    assert_eq!((record.content.as_str(), record.proxied), ("10.0.0.1", false));
}

#[tokio::test]
async fn an_unknown_field_that_is_refused_keeps_no_address_out() {
    let (fake, provider, listing) = seeded(|record| {
        record.more.insert("set_by_the_api_alone".to_owned(), json!(7));
        record.more.insert("private_routing".to_owned(), json!(false));
    })
    .await;
    out_and_in(&provider, &listing, || {}).await;
    let record = the_record(&fake);
    assert_eq!(record.more.keys().collect::<Vec<_>>(), ["private_routing"], "the other one stays");
    assert_eq!((record.tags.len(), record.comment.is_some()), (1, true));
}

#[tokio::test]
async fn a_record_that_lacks_something_and_is_edited_by_hand_counts_as_it_is() {
    let (fake, provider, listing) = seeded(|_| {}).await;
    let after = out_and_in(&provider, &listing, || fake.zone(|zone| zone.limits.tags = 0)).await;
    assert_eq!(attributes(&after), attributes(&listing));
    fake.zone(|zone| zone.records[0].comment = Some("new".to_owned()));
    let edited = attributes(&provider.list().await.unwrap());
    assert_ne!(edited, attributes(&listing));
    assert!(!format!("{edited:?}").contains("owner:dns"), "{edited:?}");
}

#[tokio::test]
async fn one_record_that_may_not_have_its_tags_costs_no_other_record_anything() {
    let (fake, provider, listing) = seeded(|_| {}).await;
    let set = |name| set_of(name, LIVE.parse().unwrap());
    let new = |name| NewRecord {
        set: set(name),
        address: LIVE.parse().unwrap(),
        attributes: Some(attributes(&listing)),
    };
    let mut tagged = new(NAMES[1]);
    if let Some(Attributes {
        extra: goavail::testing::dns::Extra::Cloudflare { tags, .. }, ..
    }) = &mut tagged.attributes
    {
        tags.push("one:more".to_owned());
    }
    fake.zone(|zone| zone.limits.tags = 1);
    let create = vec![tagged, new(NAMES[2])];
    provider
        .apply(ChangeRequest::new(&listing, &RecordChanges { create, delete: Vec::new() }))
        .await
        .unwrap();
    let tags = |name| fake.zone(|zone| zone.record("A", name, LIVE).tags.len());
    assert_eq!((tags(NAMES[1]), tags(NAMES[2])), (0, 1));
}
