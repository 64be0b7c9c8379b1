//! The pause that is asked for in one zone holds in every zone of the account.

use std::time::Duration;

use goavail::testing::dns::{Account, DnsProvider, ProviderError, Route53, Route53Config};

use super::{OnMoto, aws_error, reads, with_pause};
use crate::contract::NAMES;

const PAUSE: Duration = Duration::from_secs(19);

fn pause_in(error: &ProviderError) -> Option<Duration> {
    match error {
        ProviderError::Unavailable { retry_after, .. } => *retry_after,
        other => panic!("expected Unavailable, got {other:?}"),
    }
}

async fn in_account(zone: &OnMoto, config: &Route53Config, account: &Account) -> Route53 {
    Route53::with_in_account(config, zone.moto.loader(), account).await
}

#[tokio::test]
async fn a_pause_in_one_zone_stops_the_requests_of_every_zone_of_its_account() {
    let Some(zone) = OnMoto::with([]).await else { return };
    let (config, account) = (zone.config(&NAMES), Account::default());
    let one = in_account(&zone, &config, &account).await;
    let other = in_account(&zone, &config, &account).await;
    let elsewhere = in_account(&zone, &config, &Account::default()).await;

    let throttled = aws_error(400, "Throttling", "Rate exceeded");
    zone.proxy.spoil_next(reads, with_pause(throttled, PAUSE));
    assert_eq!(pause_in(&one.list().await.unwrap_err()), Some(PAUSE));
    let before = zone.proxy.seen(reads).len();
    let error = other.list().await.unwrap_err();
    assert!(pause_in(&error).is_some_and(|left| left <= PAUSE && left > PAUSE / 2), "{error:?}");
    let said = goavail::testing::text::error_chain(&error);
    assert!(said.contains("a pause in another zone with the same credentials"), "{said}");
    assert_eq!(zone.proxy.seen(reads).len(), before, "nothing was sent");
    elsewhere.list().await.unwrap();

    tokio::time::pause();
    tokio::time::advance(PAUSE).await;
    tokio::time::resume();
    other.list().await.unwrap();
}
