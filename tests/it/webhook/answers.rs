//! Answers of every sort: statuses, media types, bodies. None of them is an empty zone, or a panic.

use std::time::Duration;

use goavail::testing::dns::{ChangeRequest, DnsProvider, Permit, ProviderError};
use proptest::prelude::*;
use serde_json::json;

use super::{ALIVE, DEAD, NAMES, OnWebhook, WWW, endpoint, is_missing, reads, response, writes};
use crate::contract::{set_of, withdrawal};
use crate::proxy::{Request, Spoil};

const MEDIA_TYPE: &str = "application/external.dns.webhook+json;version=1";

/// Whether a request negotiates.
fn negotiates(request: &Request) -> bool {
    request.method == "GET" && !request.target.ends_with("/records")
}

fn kind(error: &ProviderError) -> &'static str {
    match error {
        ProviderError::Refused { .. } => "refused",
        ProviderError::Rejected { .. } => "rejected",
        ProviderError::Unavailable { .. } => "unavailable",
        ProviderError::Unconfirmed { .. } => "unconfirmed",
        ProviderError::Changed { .. } => "changed",
        _ => "other",
    }
}

#[tokio::test]
async fn a_status_of_a_reading_is_refused_or_tried_again() {
    if is_missing() {
        return;
    }
    let on = OnWebhook::with(&[endpoint(WWW, "A", &[DEAD])]).await;
    let cases = [
        (301, "refused to a browser", "unavailable"),
        (400, "no", "refused"),
        (403, "<html><title>Blocked</title></html>", "unavailable"),
        (404, "404 page not found", "refused"),
        (406, "client must provide an accept header", "refused"),
        (408, "", "unavailable"),
        (429, "", "unavailable"),
        (500, "", "unavailable"),
        (502, "<html><title>Bad gateway</title></html>", "unavailable"),
    ];
    for (status, body, want) in cases {
        on.proxy.spoil_next(reads, response(status, "text/plain", "", body));
        let error = on.client(|_| {}).list().await.unwrap_err();
        assert_eq!(kind(&error), want, "{status}: {error:?}");
    }
    on.client(|_| {}).list().await.unwrap();
}

#[tokio::test]
async fn a_status_of_a_write_tells_what_to_do_next() {
    if is_missing() {
        return;
    }
    let on = OnWebhook::with(&[
        endpoint(WWW, "A", &[DEAD, ALIVE]),
        endpoint(NAMES[1], "A", &[DEAD, ALIVE]),
    ])
    .await;
    let client = on.client(|_| {});
    let cases = [
        (400, "cannot read", "rejected", 0),
        (422, "api.example.com: quota", "rejected", 1),
        (401, "who are you", "refused", 0),
        (404, "no such path", "refused", 0),
        (409, "another change is under way", "changed", 0),
        (429, "", "unavailable", 0),
        (500, "", "unconfirmed", 0),
        (200, "<!doctype html><title>Log in</title>", "unconfirmed", 0),
        (403, "<!doctype html><title>Log in</title>", "unavailable", 0),
    ];
    for (status, body, want, to_blame) in cases {
        let listing = client.list().await.unwrap();
        let changes = withdrawal(&listing, DEAD);
        on.proxy.spoil_next(writes, response(status, "text/plain", "", body));
        let error = client.apply(ChangeRequest::new(&listing, &changes)).await.unwrap_err();
        assert_eq!(kind(&error), want, "{status}: {error:?}");
        if let ProviderError::Rejected { culprits, .. } = &error {
            assert_eq!(culprits.len(), to_blame, "{error:?}");
            assert!(culprits.iter().all(|set| set.name == NAMES[1]), "{error:?}");
        }
    }
    let before = on.written().len();
    let listing = client.list().await.unwrap();
    client.apply(ChangeRequest::new(&listing, &withdrawal(&listing, DEAD))).await.unwrap();
    assert_eq!(on.written().len(), before + 1, "both names in one request");
}

/// The zone is read before a write, and an address may answer again meanwhile.
#[tokio::test]
async fn a_change_that_was_revoked_while_the_zone_was_read_is_not_sent() {
    if is_missing() {
        return;
    }
    let on = OnWebhook::with(&[endpoint(WWW, "A", &[DEAD, ALIVE])]).await;
    let client = on.client(|_| {});
    let listing = client.list().await.unwrap();
    let changes = withdrawal(&listing, DEAD);
    let permit = Permit::new(&|_| false);
    let request = ChangeRequest { permit, ..ChangeRequest::new(&listing, &changes) };
    let error = client.apply(request).await.unwrap_err();
    assert!(matches!(error, ProviderError::Revoked { .. }), "{error:?}");
    assert_eq!(on.written(), [json!(null); 0]);
}

/// A body may come with any status of success: only the records count.
#[tokio::test]
async fn a_success_with_a_body_is_confirmed_by_the_records() {
    if is_missing() {
        return;
    }
    let on = OnWebhook::with(&[endpoint(WWW, "A", &[DEAD, ALIVE])]).await;
    let client = on.client(|_| {});
    let listing = client.list().await.unwrap();
    on.proxy.spoil_next(writes, response(200, "application/json", "", "{\"ok\":true}"));
    let changes = withdrawal(&listing, DEAD);
    let error = client.apply(ChangeRequest::new(&listing, &changes)).await.unwrap_err();
    assert_eq!(kind(&error), "unconfirmed", "nothing was done: {error:?}");
    client.apply(ChangeRequest::new(&listing, &changes)).await.unwrap();
}

#[tokio::test]
async fn a_service_that_is_no_webhook_of_version_1_is_refused_in_words() {
    if is_missing() {
        return;
    }
    let on = OnWebhook::with(&[]).await;
    let cases = [
        ("application/external.dns.webhook+json;version=2", "{}", "version=2"),
        ("application/json", "{}", "application/json"),
        ("text/plain; charset=utf-8", "ok", "text/plain"),
        (MEDIA_TYPE, "[1]", "no domain filter"),
        (MEDIA_TYPE, "", "no domain filter"),
    ];
    for (media_type, body, want) in cases {
        on.proxy.spoil_next(negotiates, response(200, media_type, "", body));
        let error = on.client(|_| {}).list().await.unwrap_err();
        let ProviderError::Refused { source, .. } = &error else { panic!("{error:?}") };
        assert!(source.to_string().contains(want), "{source}");
    }
    on.proxy.spoil_next(negotiates, response(200, "text/html", "", "<html></html>"));
    let error = on.client(|_| {}).list().await.unwrap_err();
    assert_eq!(kind(&error), "unavailable", "a page is a proxy's: {error:?}");
}

#[tokio::test]
async fn the_negotiation_is_repeated_after_a_failure_alone() {
    if is_missing() {
        return;
    }
    let on = OnWebhook::with(&[]).await;
    let client = on.client(|_| {});
    for _ in 0..3 {
        client.list().await.unwrap();
    }
    assert_eq!(on.proxy.seen(negotiates).len(), 1);
    on.proxy.spoil_next(reads, response(500, "text/plain", "", ""));
    client.list().await.unwrap_err();
    client.list().await.unwrap();
    assert_eq!(on.proxy.seen(negotiates).len(), 2);
}

#[tokio::test]
async fn a_pause_that_is_asked_for_is_kept_by_other_zones_of_the_webhook() {
    if is_missing() {
        return;
    }
    let on = OnWebhook::with(&[]).await;
    let account = goavail::testing::dns::Account::default();
    let [one, other] =
        [0, 1].map(|_| goavail::testing::dns::Webhook::in_account(&on.config(), &account).unwrap());
    on.proxy.spoil_next(reads, response(429, "text/plain", "Retry-After: 40\r\n", ""));
    one.list().await.unwrap_err();
    let error = other.list().await.unwrap_err();
    let ProviderError::Unavailable { retry_after: Some(wait), .. } = error else {
        panic!("{error:?}")
    };
    assert!(wait > Duration::from_secs(30) && wait <= Duration::from_secs(40), "{wait:?}");
}

#[tokio::test]
async fn an_empty_list_may_be_null_and_nothing_else() {
    if is_missing() {
        return;
    }
    let on = OnWebhook::with(&[]).await;
    on.zone.behave(&[("null", "")]).await;
    assert!(on.client(|_| {}).list().await.unwrap().sets.is_empty());
    for body in
        ["", "{}", "\"\"", "[", "]", "[,]", "[1]", "[{}]", "[null]", "[[]]", "[{\"dnsName\":null}]"]
    {
        on.proxy.spoil_next(reads, response(200, MEDIA_TYPE, "", body));
        let error = on.client(|_| {}).list().await.unwrap_err();
        assert_eq!(kind(&error), "unavailable", "{body}: {error:?}");
    }
}

/// 32 MiB and a byte; of a body, only the endpoints at managed names are kept.
#[tokio::test]
async fn a_body_has_32_mib_at_most() {
    if is_missing() {
        return;
    }
    let on = OnWebhook::with(&[]).await;
    let limit = 32 * 1024 * 1024;
    let entry = format!("{}\n", endpoint(WWW, "A", &[DEAD]));
    let padding = |length: usize| format!("[{entry}{}]", " ".repeat(length - entry.len() - 2));
    on.proxy.spoil_next(reads, response(200, MEDIA_TYPE, "", &padding(limit)));
    let listing = on.client(|_| {}).list().await.unwrap();
    assert_eq!(listing.sets[&set_of(WWW, DEAD.parse().unwrap())].len(), 1);
    on.proxy.spoil_next(reads, response(200, MEDIA_TYPE, "", &padding(limit + 1)));
    let error = on.client(|_| {}).list().await.unwrap_err();
    assert_eq!(kind(&error), "unavailable", "{error:?}");
}

/// A text that no body should be, and parts of one that may be.
fn bodies() -> impl Strategy<Value = Vec<u8>> {
    let part = prop_oneof![
        Just("[".to_owned()),
        Just("]".to_owned()),
        Just("{".to_owned()),
        Just("}".to_owned()),
        Just(",".to_owned()),
        Just("\"dnsName\":\"www.example.com\"".to_owned()),
        Just("\"recordType\":\"A\"".to_owned()),
        Just("\"recordType\":\"TXT\"".to_owned()),
        Just("\"targets\":[\"192.0.2.1\"]".to_owned()),
        Just("\"targets\":[7,null]".to_owned()),
        Just("\"recordTTL\":1e99".to_owned()),
        Just("\"setIdentifier\":{}".to_owned()),
        Just("\\".to_owned()),
        "\\PC{0,8}",
    ];
    prop_oneof![
        prop::collection::vec(part, 0..24).prop_map(|parts| parts.concat().into_bytes()),
        prop::collection::vec(any::<u8>(), 0..64),
    ]
}

#[test]
fn no_body_is_a_panic() {
    if is_missing() {
        return;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let on = runtime.block_on(OnWebhook::with(&[endpoint(WWW, "A", &[DEAD, ALIVE])]));
    let config = ProptestConfig { cases: 200, failure_persistence: None, ..Default::default() };
    proptest!(config, |(body in bodies(), first in any::<bool>())| {
        let which = if first { reads } else { negotiates };
        let body = String::from_utf8_lossy(&body).into_owned();
        on.proxy.spoil_next(which, response(200, MEDIA_TYPE, "", &body));
        runtime.block_on(async {
            let _ = on.client(|_| {}).list().await;
        });
    });
    runtime.block_on(async {
        on.proxy.spoil_next(writes, Spoil::CutAfter);
        let client = on.client(|_| {});
        let listing = client.list().await.unwrap();
        let answer = client.apply(ChangeRequest::new(&listing, &withdrawal(&listing, DEAD))).await;
        assert_eq!(kind(&answer.unwrap_err()), "unconfirmed");
    });
}
