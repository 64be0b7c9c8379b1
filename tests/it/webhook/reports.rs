//! Scenes of public reports about webhooks and their like, each named by its tool and number.

use goavail::testing::dns::{ChangeRequest, DnsProvider, ProviderError, RecordChanges};
use serde_json::{Value, json};

use super::{ALIVE, DEAD, FOREIGN, NAMES, OnWebhook, WWW, endpoint, is_missing, recollection};
use crate::contract::{addresses, converge, restoration, set_of, withdrawal};

/// Returns the changes by which the second address takes the place of the first one at the first name.
fn exchange(listing: &goavail::testing::dns::Listing) -> RecordChanges {
    let mut changes = restoration(listing, ALIVE, &NAMES[..1]);
    changes.delete = withdrawal(listing, DEAD).delete;
    changes
}

/// external-dns 3999: a webhook cuts the domain from the names.
#[tokio::test]
async fn names_without_their_domain_are_not_taken_for_missing_ones() {
    if is_missing() {
        return;
    }
    let on = OnWebhook::with(&[endpoint(WWW, "A", &[DEAD, ALIVE])]).await;
    on.zone.behave(&[("cuts-domain", "")]).await;
    let listing = on.client(|_| {}).list().await.unwrap();
    let reason = &listing.unfit[&set_of(WWW, DEAD.parse().unwrap())];
    let want = "the webhook lists \"www\" without its zone, so the records of www.example.com";
    assert!(reason.starts_with(want), "{reason}");
}

/// external-dns-infoblox-webhook 34: a deletion is accepted and skipped.
#[tokio::test]
async fn a_deletion_that_is_swallowed_is_no_success() {
    if is_missing() {
        return;
    }
    let endpoints = [endpoint(WWW, "A", &[DEAD]), endpoint(NAMES[1], "A", &[DEAD, ALIVE])];
    let on = OnWebhook::with(&endpoints).await;
    on.zone.behave(&[("swallows-deletes", "")]).await;
    let client = on.client(|_| {});
    let listing = client.list().await.unwrap();
    let changes = withdrawal(&listing, DEAD);
    let error = client.apply(ChangeRequest::new(&listing, &changes)).await.unwrap_err();
    let ProviderError::Partly { done, rest } = &error else { panic!("{error:?}") };
    assert_eq!(done.delete.len(), 1, "the other name was changed");
    assert_eq!(done.delete[0].0.name, NAMES[1]);
    let ProviderError::Unconfirmed { source, .. } = &**rest else { panic!("{rest:?}") };
    let want = "the webhook accepted the change, and its records do not show it";
    assert_eq!(source.to_string(), want);
    on.zone.behave(&[]).await;
    converge(&client, |listing| withdrawal(listing, DEAD)).await;
    assert_eq!(on.shown().await, ["api.example.com A: 192.0.2.11"]);
}

/// external-dns-unifi-webhook 158: records that were there before are wiped. A request names the sets of
/// its change alone.
#[tokio::test]
async fn no_request_names_a_record_that_is_not_to_be_changed() {
    if is_missing() {
        return;
    }
    let others = [
        endpoint("mail.example.com", "A", &[DEAD]),
        endpoint(WWW, "TXT", &["192.0.2.10"]),
        endpoint(NAMES[1], "A", &[ALIVE]),
    ];
    let www = endpoint(WWW, "A", &[DEAD, FOREIGN]);
    let on = OnWebhook::with(&[&others[..], std::slice::from_ref(&www)].concat()).await;
    let client = on.client(|_| {});
    let listing = client.list().await.unwrap();
    client.apply(ChangeRequest::new(&listing, &withdrawal(&listing, DEAD))).await.unwrap();
    let after = endpoint(WWW, "A", &[FOREIGN]);
    let want = json!({ "create": [], "updateOld": [www], "updateNew": [after], "delete": [] });
    assert_eq!(on.written(), [want]);
    let held = on.zone.endpoints().await;
    assert!(others.iter().all(|other| held.contains(other)), "{held:?}");
}

/// libdns 175: a change of several records is made in part, and not rolled back.
#[tokio::test]
async fn a_change_that_is_made_in_part_is_finished() {
    if is_missing() {
        return;
    }
    let endpoints = NAMES.map(|name| endpoint(name, "A", &[DEAD, ALIVE]));
    let on = OnWebhook::with(&endpoints).await;
    on.zone.behave(&[("halves", "")]).await;
    let client = on.client(|_| {});
    let listing = client.list().await.unwrap();
    let changes = withdrawal(&listing, DEAD);
    let error = client.apply(ChangeRequest::new(&listing, &changes)).await.unwrap_err();
    assert!(matches!(error, ProviderError::Unconfirmed { .. }), "{error:?}");
    let left = withdrawal(&client.list().await.unwrap(), DEAD);
    assert_eq!(left.delete.len(), 2, "one was made");
    let listing = client.list().await.unwrap();
    client.apply(ChangeRequest::new(&listing, &left)).await.unwrap();
    assert!(withdrawal(&client.list().await.unwrap(), DEAD).is_empty(), "one by one");
}

/// external-dns 3007: one record that the provider does not take keeps all the others of its batch from
/// being changed, for ever.
#[tokio::test]
async fn a_set_that_the_provider_never_takes_does_not_hold_up_the_others() {
    if is_missing() {
        return;
    }
    for (way, want_at_once) in [("fails", false), ("refuses", true)] {
        let endpoints = NAMES.map(|name| endpoint(name, "A", &[DEAD, ALIVE]));
        let on = OnWebhook::with(&endpoints).await;
        on.zone.behave(&[(way, NAMES[1])]).await;
        let client = on.client(|_| {});
        let listing = client.list().await.unwrap();
        let changes = withdrawal(&listing, DEAD);
        let first = client.apply(ChangeRequest::new(&listing, &changes)).await.unwrap_err();
        if want_at_once {
            let ProviderError::Rejected { culprits, .. } = &first else { panic!("{first:?}") };
            assert_eq!(culprits, &[set_of(NAMES[1], DEAD.parse().unwrap())], "{first:?}");
            continue;
        }
        assert!(matches!(first, ProviderError::Unconfirmed { .. }), "{first:?}");
        let second = client.apply(ChangeRequest::new(&listing, &changes)).await.unwrap_err();
        let ProviderError::Partly { done, rest } = &second else { panic!("{second:?}") };
        assert_eq!(done.delete.len(), 2, "{second:?}");
        let ProviderError::Rejected { culprits, .. } = &**rest else { panic!("{rest:?}") };
        assert_eq!(culprits, &[set_of(NAMES[1], DEAD.parse().unwrap())]);
    }
}

/// A change that the webhook has accepted may be in force later. It is not reported as rejected beside a set
/// that is, so the floor counts it as leaving.
#[tokio::test]
async fn a_set_that_was_accepted_and_is_not_shown_yet_is_not_rejected() {
    if is_missing() {
        return;
    }
    let on = OnWebhook::with(&NAMES.map(|name| endpoint(name, "A", &[DEAD, ALIVE]))).await;
    on.zone.behave(&[("fails", NAMES[1]), ("late", "50")]).await;
    let client = on.client(|_| {});
    let listing = client.list().await.unwrap();
    let changes = withdrawal(&listing, DEAD);
    for attempt in ["as one", "set by set"] {
        let error = client.apply(ChangeRequest::new(&listing, &changes)).await.unwrap_err();
        assert!(matches!(error, ProviderError::Unconfirmed { .. }), "{attempt}: {error:?}");
    }
}

/// external-dns-desec-provider 16: the TTL is adjusted again and again, at names with a final dot;
/// external-dns-opnsense-webhook 32 and external-dns 1820: it is not kept. Nothing is to be changed
/// after a change.
#[tokio::test]
async fn a_ttl_that_is_not_kept_is_not_written_again() {
    if is_missing() {
        return;
    }
    for ways in [&[("rewrites", ""), ("adjusts-ttl", "3600")][..], &[("no-ttl", "")]] {
        let on = OnWebhook::with(&[endpoint(WWW, "A", &[DEAD, ALIVE])]).await;
        on.zone.behave(ways).await;
        let client = on.client(|_| {});
        let before = client.list().await.unwrap();
        client.apply(ChangeRequest::new(&before, &withdrawal(&before, DEAD))).await.unwrap();
        let without = client.list().await.unwrap();
        let back = recollection(&before, DEAD);
        client.apply(ChangeRequest::new(&without, &back)).await.unwrap();
        let listing = client.list().await.unwrap();
        assert!(restoration(&listing, DEAD, &NAMES[..1]).is_empty(), "{ways:?}: {listing:?}");
        assert_eq!(on.written().len(), 2, "{ways:?}");
        client.apply(ChangeRequest::new(&listing, &RecordChanges::default())).await.unwrap();
        assert_eq!(on.written().len(), 2, "{ways:?}");
    }
}

/// external-dns 2435 and 3094: a record is deleted and created anew, and the name is empty in between.
#[tokio::test]
async fn the_last_address_is_replaced_and_not_deleted_first() {
    if is_missing() {
        return;
    }
    let on = OnWebhook::with(&[endpoint(WWW, "A", &[DEAD])]).await;
    on.zone.behave(&[("strict", "")]).await;
    let client = on.client(|_| {});
    let listing = client.list().await.unwrap();
    client.apply(ChangeRequest::new(&listing, &exchange(&listing))).await.unwrap();
    let [old, new] = [DEAD, ALIVE].map(|address| endpoint(WWW, "A", &[address]));
    let want = json!({ "create": [], "updateOld": [old], "updateNew": [new], "delete": [] });
    assert_eq!(on.written(), [want]);
}

/// external-dns-opnsense-webhook 19: a request without any change removes records.
#[tokio::test]
async fn what_is_in_force_already_is_not_sent() {
    if is_missing() {
        return;
    }
    let on = OnWebhook::with(&[endpoint(WWW, "A", &[ALIVE])]).await;
    let client = on.client(|_| {});
    let listing = client.list().await.unwrap();
    let changes = restoration(&listing, DEAD, &NAMES[..1]);
    client.apply(ChangeRequest::new(&listing, &changes)).await.unwrap();
    let now = client.list().await.unwrap();
    client.apply(ChangeRequest::new(&now, &changes)).await.unwrap();
    client.apply(ChangeRequest::new(&now, &RecordChanges::default())).await.unwrap();
    assert_eq!(on.written().len(), 1, "{:?}", on.written());
}

/// external-dns 2346: an address is there twice, or in an endpoint of its own.
#[tokio::test]
async fn an_address_in_several_endpoints_leaves_all_of_them() {
    if is_missing() {
        return;
    }
    let twice = endpoint(WWW, "A", &[DEAD, ALIVE, DEAD]);
    let on = OnWebhook::with(&[twice]).await;
    on.zone.behave(&[("one-by-one", "")]).await;
    let client = on.client(|_| {});
    let listing = client.list().await.unwrap();
    let set = set_of(WWW, DEAD.parse().unwrap());
    assert_eq!(addresses(&listing, &set).len(), 2);
    client.apply(ChangeRequest::new(&listing, &withdrawal(&listing, DEAD))).await.unwrap();
    assert_eq!(on.shown().await, ["www.example.com A: 192.0.2.11"]);

    on.zone.behave(&[("odd-ones", "")]).await;
    on.zone.set("endpoints", &json!([endpoint(WWW, "A", &[DEAD, ALIVE])])).await;
    let listing = client.list().await.unwrap();
    assert!(listing.unfit[&set].contains("in several endpoints with different settings"));
}

/// external-dns 5603 and 5604: an update or a deletion of a record that is gone by then.
#[tokio::test]
async fn a_set_that_changed_since_its_listing_is_listed_again() {
    if is_missing() {
        return;
    }
    for now in
        [vec![], vec![endpoint(WWW, "A", &[DEAD])], vec![endpoint(WWW, "A", &[DEAD, FOREIGN])]]
    {
        let on = OnWebhook::with(&[endpoint(WWW, "A", &[DEAD, ALIVE])]).await;
        on.zone.behave(&[("strict", "")]).await;
        let client = on.client(|_| {});
        let listing = client.list().await.unwrap();
        on.zone.set("endpoints", &now.into()).await;
        let changes = withdrawal(&listing, DEAD);
        let answer = client.apply(ChangeRequest::new(&listing, &changes)).await;
        assert!(matches!(answer, Err(ProviderError::Changed { .. })), "{answer:?}");
        assert_eq!(on.written(), Vec::<Value>::new());
        converge(&client, |listing| withdrawal(listing, DEAD)).await;
        assert!(!on.shown().await.concat().contains(DEAD));
    }
}

/// external-dns 4181: settings that come in another order each time are never in step.
#[tokio::test]
async fn settings_in_another_order_are_no_change() {
    if is_missing() {
        return;
    }
    let mut there = endpoint(WWW, "A", &[DEAD, ALIVE]);
    there["providerSpecific"] =
        json!([{ "name": "one", "value": "1" }, { "name": "two", "value": "2" }]);
    let on = OnWebhook::with(&[there]).await;
    on.zone.behave(&[("shuffles", "")]).await;
    let client = on.client(|_| {});
    let listing = client.list().await.unwrap();
    client.apply(ChangeRequest::new(&listing, &withdrawal(&listing, DEAD))).await.unwrap();
    assert_eq!(on.shown().await, ["www.example.com A: 192.0.2.11"]);
}

/// external-dns-unifi-webhook 93: of several targets the first one is written.
#[tokio::test]
async fn a_second_address_that_the_provider_cannot_hold_is_no_success() {
    if is_missing() {
        return;
    }
    let on = OnWebhook::with(&[endpoint(WWW, "A", &[ALIVE])]).await;
    on.zone.behave(&[("drops-others", "")]).await;
    let client = on.client(|_| {});
    let listing = client.list().await.unwrap();
    let changes = restoration(&listing, DEAD, &NAMES[..1]);
    let error = client.apply(ChangeRequest::new(&listing, &changes)).await.unwrap_err();
    assert!(matches!(error, ProviderError::Unconfirmed { .. }), "{error:?}");
    assert_eq!(on.shown().await, ["www.example.com A: 192.0.2.11"]);
}

/// external-dns-unifi-webhook 75: settings that are of another provider are replaced for ever. They are
/// sent back as they came.
#[tokio::test]
async fn settings_and_spellings_are_sent_back_as_they_came() {
    if is_missing() {
        return;
    }
    let mut there = endpoint("WWW.Example.com.", "A", &[FOREIGN, DEAD]);
    there["providerSpecific"] = json!([{ "name": "aws/evaluate-target-health", "value": "false" }]);
    there["labels"] = json!({ "owner": "someone" });
    there["unknown"] = json!([1, { "two": null }]);
    let on = OnWebhook::with(std::slice::from_ref(&there)).await;
    on.zone.behave(&[("strict", "")]).await;
    let client = on.client(|_| {});
    let before = client.list().await.unwrap();
    client.apply(ChangeRequest::new(&before, &withdrawal(&before, DEAD))).await.unwrap();
    client
        .apply(ChangeRequest::new(&client.list().await.unwrap(), &RecordChanges::default()))
        .await
        .unwrap();
    let without = client.list().await.unwrap();
    let gone = withdrawal(&without, FOREIGN);
    client.apply(ChangeRequest::new(&without, &gone)).await.unwrap();
    assert_eq!(on.shown().await, Vec::<String>::new());
    let empty = client.list().await.unwrap();
    client.apply(ChangeRequest::new(&empty, &recollection(&before, FOREIGN))).await.unwrap();
    let listing = client.list().await.unwrap();
    client.apply(ChangeRequest::new(&listing, &recollection(&before, DEAD))).await.unwrap();
    assert_eq!(on.zone.endpoints().await, [there]);
}
