//! A restored record gets all of its settings back.
//!
//! Defects 22 and 24 of the Go agent: it withdrew the first of several records, stopped at the
//! first name that failed, and forgot the settings of records.

use goavail::testing::dns::{Attributes, Cloudflare, Extra, RecordMemory};

use super::harness::Start;
use super::{API, Harness, Outcome, Remote, TTL, WWW, ip};
use crate::contract::{CONFIGURED_TTL, ProviderUnderTest, ZONE, set_of};
use crate::fake_cloudflare::{FakeCloudflare, Record};

/// Returns the remembered TTL of `192.0.2.10` at `www`.
fn recalled(memory: &RecordMemory) -> Option<u32> {
    memory.recall(&set_of(WWW, ip(10)), ip(10)).map(|attributes| attributes.ttl)
}

#[tokio::test(start_paused = true)]
async fn all_settings_of_a_record_are_restored_at_every_name() {
    let remote = Remote::new(&[WWW, API], &[10, 11]);
    remote.zone.adorn(WWW, ip(10)).await;
    let before = remote.holds().await;
    let carried = [remote.carries(WWW, 10).await, remote.carries(API, 10).await];
    assert_ne!(carried[0], carried[1]);
    let mut harness = Harness::at(remote.clone(), &[WWW, API]);
    harness.order("-10", 0);
    harness.reports_until_confirmed().await;
    harness.order("+10", 0);
    harness.reports_until_confirmed().await;
    assert_eq!(remote.holds().await, before);
    assert_eq!([remote.carries(WWW, 10).await, remote.carries(API, 10).await], carried);
}

#[tokio::test(start_paused = true)]
async fn every_duplicate_is_withdrawn_and_one_is_restored() {
    let remote = Remote::new(&[WWW], &[10, 10, 10, 11]);
    let mut harness = Harness::open(remote.clone());
    harness.order("-10", 0);
    assert_eq!(harness.reports_until_confirmed().await, ["withdrew 10@www", "confirmed"]);
    assert_eq!(remote.holds().await, ["11@www"]);
    harness.order("+10", 0);
    harness.reports_until_confirmed().await;
    assert_eq!(remote.holds().await, ["10@www", "11@www"]);
}

#[tokio::test(start_paused = true)]
async fn it_is_remembered_before_the_record_is_deleted() {
    let remote = Remote::new(&[WWW], &[10]);
    remote.writes([Outcome::Never]);
    let harness = Harness::open(remote.clone());
    harness.order("-10", 0);
    tokio::time::sleep(super::s(1)).await;
    assert_eq!(harness.saved.lock().unwrap().last().and_then(recalled), Some(TTL));
}

#[tokio::test(start_paused = true)]
async fn it_is_remembered_through_every_kind_of_failure() {
    for fate in [
        Outcome::LostAfter,
        Outcome::LostBefore,
        Outcome::Changed,
        Outcome::Forgotten,
        Outcome::Refused,
    ] {
        let remote = Remote::new(&[WWW], &[10, 11]);
        remote.zone.adorn(WWW, ip(10)).await;
        let before = remote.carries(WWW, 10).await;
        let mut harness = Harness::open(remote.clone());
        remote.writes([fate, fate]);
        harness.order("-10", 0);
        harness.reports_until_confirmed().await;
        assert_eq!(remote.holds().await, ["11@www"], "{fate:?}");
        remote.writes([fate, fate]);
        harness.order("+10", 0);
        harness.reports_until_confirmed().await;
        assert_eq!(remote.carries(WWW, 10).await, before, "{fate:?}");
        assert_eq!(
            harness.saved.lock().unwrap().last().and_then(recalled),
            None,
            "{fate:?}: it is back"
        );
    }
}

/// The withdrawal failed, then the operator edited the record: the settings at the time of the
/// actual withdrawal count.
#[tokio::test(start_paused = true)]
async fn an_edit_after_a_withdrawal_that_failed_is_not_undone() {
    let remote = Remote::new(&[WWW], &[10, 11]);
    remote.writes([Outcome::Unavailable(None)]);
    let mut harness = Harness::open(remote.clone());
    harness.order("-10", 0);
    harness.failure().await;
    harness.order("+10", 0);
    harness.reports_until_confirmed().await;
    assert_eq!(harness.saved.lock().unwrap().last().and_then(recalled), None, "it never went");
    remote.zone.adorn(WWW, ip(10)).await;
    let edited = remote.carries(WWW, 10).await;
    harness.order_with_listing("-10", 0);
    harness.reports_until_confirmed().await;
    harness.order("+10", 0);
    harness.reports_until_confirmed().await;
    assert_eq!(remote.carries(WWW, 10).await, edited);
}

#[tokio::test(start_paused = true)]
async fn a_record_that_another_party_restored_is_forgotten() {
    let remote = Remote::new(&[WWW], &[10, 11]);
    let mut harness = Harness::open(remote.clone());
    harness.order("-10", 0);
    harness.reports_until_confirmed().await;
    remote.zone.put(WWW, ip(10), 60);
    harness.order_with_listing("+10", 0);
    assert_eq!(harness.reports_until_confirmed().await, ["confirmed"]);
    remote.take(WWW, 10).await;
    harness.order_with_listing("+10", 0);
    harness.reports_until_confirmed().await;
    assert_eq!(remote.carries(WWW, 10).await.0, CONFIGURED_TTL, "not the one of long ago");
}

#[tokio::test(start_paused = true)]
async fn the_memory_of_the_last_agent_is_used() {
    let remote = Remote::new(&[WWW], &[11]);
    let attributes = Attributes { ttl: 77, extra: Extra::None };
    let memory = [(set_of(WWW, ip(10)), ip(10), attributes)].into_iter().collect();
    let mut harness = Harness::start(remote.clone(), Start { memory, ..Start::default() });
    harness.order("+10 +11", 0);
    harness.reports_until_confirmed().await;
    assert_eq!(remote.carries(WWW, 10).await.0, 77);
}

#[tokio::test(start_paused = true)]
async fn an_address_that_the_floor_keeps_is_not_remembered_as_withdrawn() {
    let remote = Remote::new(&[WWW], &[10]);
    let mut harness = Harness::open(remote.clone());
    harness.order("-10", 1);
    harness.reports_until_confirmed().await;
    harness.stop();
    assert_eq!(harness.ended().await.records().count(), 0);
}

/// Returns the settings of a record at the fake that an operator can change.
fn carried(record: &Record) -> (u32, bool, Option<String>, Vec<String>) {
    (record.ttl, record.proxied, record.comment.clone(), record.tags.clone())
}

/// The agent's own create is refused, because the operator was faster.
#[tokio::test]
async fn a_record_that_was_restored_by_hand_keeps_its_new_settings() {
    let fake = FakeCloudflare::start(ZONE);
    let seed = |last| fake.zone(|zone| carried(zone.seed("A", WWW, &ip(last).to_string())));
    let there = |last| fake.zone(|zone| carried(zone.record("A", WWW, &ip(last).to_string())));
    seed(10);
    seed(11);
    let mut harness = Harness::open(Cloudflare::new(&fake.config(&[WWW])).unwrap());
    harness.order("-10", 0);
    harness.reports_until("withdrew 10@www").await;
    harness.read().await;

    let by_hand = fake.zone(|zone| {
        let record = zone.seed("A", WWW, &ip(10).to_string());
        (record.ttl, record.proxied) = (1, true);
        record.comment = Some("by hand".to_owned());
        carried(record)
    });
    harness.order("+10", 0);
    harness.read().await;
    assert_eq!(there(10), by_hand);

    harness.order("-10", 0);
    harness.reports_until("withdrew 10@www").await;
    harness.read().await;
    harness.order("+10", 0);
    harness.reports_until("restored 10@www").await;
    assert_eq!(there(10), by_hand);
}

/// A record that was restored without its tags, because the provider rejected them, gets them back
/// after the next outage.
#[tokio::test]
async fn an_incomplete_record_gets_all_settings_with_the_next_restore() {
    let fake = FakeCloudflare::start(ZONE);
    fake.zone(|zone| {
        zone.seed("A", WWW, &ip(11).to_string());
        let record = zone.seed("A", WWW, &ip(10).to_string());
        record.tags = vec!["owner:dns".to_owned()];
    });
    let tags = || fake.zone(|zone| zone.record("A", WWW, &ip(10).to_string()).tags.len());
    let mut harness = Harness::open(Cloudflare::new(&fake.config(&[WWW])).unwrap());
    harness.order("-10", 0);
    harness.reports_until_confirmed().await;
    fake.zone(|zone| zone.limits.tags = 0);
    harness.order("+10", 0);
    harness.reports_until_confirmed().await;
    assert_eq!(tags(), 0);
    fake.zone(|zone| zone.limits.tags = 10);
    harness.order("-10", 0);
    harness.reports_until_confirmed().await;
    harness.order("+10", 0);
    harness.reports_until_confirmed().await;
    assert_eq!(tags(), 1);
}
