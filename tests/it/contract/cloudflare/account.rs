//! The pause that is asked for in one zone holds in every zone with the same credentials.

use std::time::Duration;

use goavail::testing::dns::{Account, ChangeRequest, Cloudflare, DnsProvider, ProviderError};

use super::super::withdrawal;
use super::printed;
use crate::fake_cloudflare::{Entry, FakeCloudflare, Fault};

const DEAD: &str = "192.0.2.10";
const PAUSE: Duration = Duration::from_secs(17);

/// Returns a zone with one name and two addresses, and a provider for it in this account.
fn zone(domain: &str, account: &Account) -> (FakeCloudflare, Cloudflare) {
    let fake = FakeCloudflare::start(domain);
    let name = format!("www.{domain}");
    fake.zone(|zone| {
        zone.seed("A", &name, DEAD);
        zone.seed("A", &name, "192.0.2.11");
    });
    let provider = Cloudflare::in_account(&fake.config(&[&name]), account).unwrap();
    (fake, provider)
}

fn throttled(fake: &FakeCloudflare) {
    fake.script(1, |_| true, Fault::Throttled(PAUSE.as_secs().to_string()));
}

/// The pause in an error, which must be one that nothing was sent for.
fn pause_in(error: &ProviderError) -> Option<Duration> {
    match error {
        ProviderError::Unavailable { retry_after, .. } => *retry_after,
        other => panic!("expected Unavailable, got {other:?}"),
    }
}

/// Lets time pass while no request is open.
async fn pass(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}

#[tokio::test]
async fn a_pause_in_one_zone_stops_the_requests_of_every_zone_with_its_token() {
    let account = Account::default();
    let (busy, one) = zone("example.com", &account);
    let (quiet, other) = zone("example.org", &account);
    let listing = other.list().await.unwrap();
    let before = quiet.log().len();

    throttled(&busy);
    assert_eq!(pause_in(&one.list().await.unwrap_err()), Some(PAUSE));
    let error = other.list().await.unwrap_err();
    assert!(pause_in(&error).is_some_and(|left| left <= PAUSE && left > PAUSE / 2), "{error:?}");
    let said = printed(&error);
    assert!(said.contains("a pause in another zone with the same credentials"), "{said}");
    let changes = withdrawal(&listing, DEAD);
    let error = other.apply(ChangeRequest::new(&listing, &changes)).await.unwrap_err();
    assert!(pause_in(&error).is_some(), "{error:?}");
    assert_eq!(quiet.log().len(), before, "nothing was sent");

    pass(PAUSE).await;
    other.apply(ChangeRequest::new(&listing, &changes)).await.unwrap();
    assert_eq!(quiet.count(Entry::writes), 1);
}

#[tokio::test]
async fn a_pause_of_a_server_error_stops_them_too_and_a_plain_error_does_not() {
    let account = Account::default();
    let (busy, one) = zone("example.com", &account);
    let (_quiet, other) = zone("example.org", &account);
    busy.script(1, |_| true, Fault::Answer(503, String::new()));
    one.list().await.unwrap_err();
    other.list().await.unwrap();
    busy.script(1, |_| true, Fault::Overloaded(PAUSE.as_secs().to_string()));
    one.list().await.unwrap_err();
    assert!(pause_in(&other.list().await.unwrap_err()).is_some());
}

#[tokio::test]
async fn a_zone_with_another_token_goes_on() {
    let (busy, one) = zone("example.com", &Account::default());
    let (_quiet, other) = zone("example.org", &Account::default());
    throttled(&busy);
    assert_eq!(pause_in(&one.list().await.unwrap_err()), Some(PAUSE));
    other.list().await.unwrap();
}

#[tokio::test]
async fn a_provider_that_replaces_another_one_obeys_its_pause() {
    let (busy, one) = zone("example.com", &Account::default());
    throttled(&busy);
    one.list().await.unwrap_err();
    let account = Account::default();
    let mut next = Cloudflare::in_account(&busy.config(&["www.example.com"]), &account).unwrap();
    assert!(next.inherit_from(Box::new(one)));
    let (_quiet, other) = zone("example.org", &account);
    assert!(pause_in(&other.list().await.unwrap_err()).is_some());
}
