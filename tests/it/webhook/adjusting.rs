//! Adjustments that the webhook makes before a write.

use goavail::testing::dns::{ChangeRequest, DnsProvider, ProviderError};
use serde_json::json;

use super::{ALIVE, DEAD, NAMES, OnWebhook, WWW, endpoint, is_missing};
use crate::contract::{restoration, set_of, withdrawal};

#[tokio::test]
async fn a_ttl_and_settings_of_the_provider_are_written_as_it_wants_them() {
    if is_missing() {
        return;
    }
    let on = OnWebhook::with(&[endpoint(WWW, "A", &[DEAD, ALIVE])]).await;
    on.zone.behave(&[("adjusts-ttl", "3600"), ("adjusts-setting", "")]).await;
    let client = on.client(|_| {});
    let listing = client.list().await.unwrap();
    let mut changes = restoration(&listing, ALIVE, &NAMES[1..2]);
    changes.delete = withdrawal(&listing, DEAD).delete;
    client.apply(ChangeRequest::new(&listing, &changes)).await.unwrap();
    let setting = json!([{ "name": "webhook/flavour", "value": "plain" }]);
    for endpoint in on.zone.endpoints().await {
        assert_eq!(endpoint["recordTTL"], 3600, "{endpoint}");
        assert_eq!(endpoint["providerSpecific"], setting, "{endpoint}");
    }
    assert_eq!(
        on.shown().await,
        ["api.example.com A: 192.0.2.11", "www.example.com A: 192.0.2.11"]
    );
}

#[tokio::test]
async fn an_adjustment_that_adds_or_drops_addresses_is_rejected_by_name() {
    if is_missing() {
        return;
    }
    let cases = [
        (("adjusts-in", ""), 2, "adds or drops addresses"),
        (("adjusts-away", WWW), 1, "leaves it out"),
        (("adjusts-null", ""), 2, "leaves it out"),
    ];
    for (way, to_blame, want) in cases {
        let on = OnWebhook::with(&[endpoint(WWW, "A", &[DEAD, ALIVE])]).await;
        on.zone.behave(&[way]).await;
        let client = on.client(|_| {});
        let listing = client.list().await.unwrap();
        let mut changes = restoration(&listing, ALIVE, &NAMES[1..2]);
        changes.delete = withdrawal(&listing, DEAD).delete;
        let error = client.apply(ChangeRequest::new(&listing, &changes)).await.unwrap_err();
        let ProviderError::Rejected { culprits, source, .. } = &error else { panic!("{error:?}") };
        assert_eq!(culprits.len(), to_blame, "{error:?}");
        assert!(culprits.contains(&set_of(WWW, DEAD.parse().unwrap())), "{error:?}");
        assert!(source.to_string().contains(want), "{source}");
        assert_eq!(on.shown().await, ["www.example.com A: 192.0.2.10 192.0.2.11"]);
        on.zone.behave(&[]).await;
        client.apply(ChangeRequest::new(&listing, &changes)).await.unwrap();
    }
}

#[tokio::test]
async fn a_webhook_without_adjustments_is_not_asked_for_them_again() {
    if is_missing() {
        return;
    }
    let on = OnWebhook::with(&[endpoint(WWW, "A", &[DEAD, ALIVE])]).await;
    on.zone.behave(&[("adjusts-nothing", "")]).await;
    let client = on.client(|_| {});
    for address in [DEAD, ALIVE] {
        let listing = client.list().await.unwrap();
        client.apply(ChangeRequest::new(&listing, &withdrawal(&listing, address))).await.unwrap();
        let listing = client.list().await.unwrap();
        let back = restoration(&listing, address, &[WWW]);
        client.apply(ChangeRequest::new(&listing, &back)).await.unwrap();
    }
    let asked = on.proxy.seen(|request| request.target.ends_with("/adjustendpoints"));
    assert_eq!(asked.len(), 1, "{asked:?}");
    assert_eq!(on.shown().await, ["www.example.com A: 192.0.2.10 192.0.2.11"]);
}
