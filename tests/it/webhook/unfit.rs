//! Endpoints at managed names that cannot be managed, named by their names.

use goavail::testing::dns::{ChangeRequest, DnsProvider, ProviderError};
use serde_json::{Value, json};

use super::{ALIVE, DEAD, NAMES, OnWebhook, WWW, endpoint, is_missing};
use crate::contract::{addresses, set_of, withdrawal};

/// Returns the reasons for which sets cannot be managed.
async fn reasons(on: &OnWebhook) -> Vec<String> {
    let listing = on.client(|_| {}).list().await.unwrap();
    let mut reasons: Vec<_> = listing.unfit.into_values().collect();
    reasons.dedup();
    reasons
}

fn with(mut endpoint: Value, key: &str, value: Value) -> Value {
    endpoint[key] = value;
    endpoint
}

#[tokio::test]
async fn a_set_that_cannot_be_managed_is_named_and_the_others_are_listed() {
    if is_missing() {
        return;
    }
    let a = |targets: &[&str]| endpoint(WWW, "A", targets);
    let heritage =
        |name: &str| endpoint(name, "TXT", &["\"heritage=external-dns,external-dns/owner=k8s\""]);
    let cases = [
        (vec![endpoint(WWW, "CNAME", &["lb.example.net"])], "is a CNAME of lb.example.net"),
        (vec![a(&["lb.example.net"])], "A holds `lb.example.net`, which is no address of its type"),
        (vec![a(&["2001:db8::1"])], "A holds `2001:db8::1`"),
        (vec![with(a(&[DEAD]), "setIdentifier", "eu".into())], "with a routing policy (`eu`)"),
        (vec![with(a(&[DEAD]), "recordTTL", (-1).into())], "A has the TTL -1"),
        (
            vec![a(&[DEAD]), with(a(&[ALIVE]), "recordTTL", 60.into())],
            "A is listed in several endpoints with different settings",
        ),
        (vec![a(&[DEAD]), heritage(WWW)], "belongs to an external-dns (owner k8s; www.example.com"),
        (
            vec![a(&[DEAD]), heritage("a-www.example.com")],
            "a-www.example.com says so), which would undo every change: take the name out",
        ),
        (vec![a(&[DEAD]), heritage("cname-www.example.com")], "owner k8s; cname-www.example.com"),
        (vec![a(&[DEAD]), heritage("extdns-a-www.example.com")], "owner k8s"),
        (vec![a(&[DEAD]), heritage("www-extdns.example.com")], "owner k8s"),
        (vec![a(&[DEAD]), heritage("A-WWW.Example.com.")], "owner k8s"),
    ];
    for (mut endpoints, want) in cases {
        endpoints.push(endpoint(NAMES[1], "A", &[ALIVE]));
        let on = OnWebhook::with(&endpoints).await;
        let reasons = reasons(&on).await;
        let [reason] = &reasons[..] else { panic!("{want}: {reasons:?}") };
        assert!(reason.starts_with(WWW) && reason.contains(want), "{reason}");
        let listing = on.client(|_| {}).list().await.unwrap();
        let set = set_of(NAMES[1], ALIVE.parse().unwrap());
        assert_eq!(addresses(&listing, &set), [ALIVE.parse().unwrap()].into(), "{want}");
    }
}

#[tokio::test]
async fn a_registry_of_other_names_is_no_hindrance() {
    if is_missing() {
        return;
    }
    let heritage = json!(["heritage=external-dns,external-dns/owner=k8s"]);
    let txt = |name: &str| with(endpoint(name, "TXT", &[]), "targets", heritage.clone());
    let on = OnWebhook::with(&[
        endpoint(WWW, "A", &[DEAD]),
        endpoint("www-new.example.com", "A", &[ALIVE]),
        endpoint("b.www.example.com", "A", &[ALIVE]),
        txt("a-www-new.example.com"),
        txt("a-b.www.example.com"),
        txt("a-other.example.com"),
        endpoint(WWW, "TXT", &["\"v=spf1 -all\""]),
    ])
    .await;
    assert_eq!(reasons(&on).await, Vec::<String>::new());
}

/// A set may become unfit between its listing and the write.
#[tokio::test]
async fn a_name_that_external_dns_takes_over_is_not_written() {
    if is_missing() {
        return;
    }
    let www = endpoint(WWW, "A", &[DEAD, ALIVE]);
    let on = OnWebhook::with(std::slice::from_ref(&www)).await;
    let client = on.client(|_| {});
    let listing = client.list().await.unwrap();
    let txt = endpoint("a-www.example.com", "TXT", &["heritage=external-dns"]);
    on.zone.set("endpoints", &json!([www, txt])).await;
    let changes = withdrawal(&listing, DEAD);
    let answer = client.apply(ChangeRequest::new(&listing, &changes)).await;
    assert!(matches!(answer, Err(ProviderError::Changed { .. })), "{answer:?}");
    assert_eq!(on.written(), Vec::<Value>::new());
}

#[tokio::test]
async fn names_outside_the_negotiated_filter_are_refused_in_words() {
    if is_missing() {
        return;
    }
    let on = OnWebhook::with(&[endpoint(WWW, "A", &[DEAD])]).await;
    on.zone
        .set("filter", &json!({ "include": ["example.com"], "exclude": ["api.example.com"] }))
        .await;
    let reasons = reasons(&on).await;
    let want = "api.example.com is not among the names that the webhook looks after (example.com \
                without api.example.com)";
    assert_eq!(reasons, [want]);

    on.zone.set("filter", &json!({ "filters": ["example.org", "example.net"] })).await;
    let error = on.client(|_| {}).list().await.unwrap_err();
    let ProviderError::Refused { source, .. } = &error else { panic!("{error:?}") };
    let want = "example.com is not among the names that it looks after (example.org, example.net): \
                mend its domain filter, or `domain`";
    assert_eq!(source.to_string(), want);
}
