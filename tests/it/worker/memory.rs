//! Restoring brings back all that a record carried.
//!
//! Defects 22 and 24 of the Go agent: it withdrew the first of several records, stopped at the
//! first name that failed, and forgot what records carried.

use goavail::dns::cloudflare::Cloudflare;
use goavail::dns::memory::Memory;
use goavail::dns::{Attributes, Extra};

use super::office::Start;
use super::{API, Fate, Office, Remote, TTL, WWW, ip};
use crate::contract::{CONFIGURED_TTL, ProviderUnderTest, ZONE, set_of};
use crate::fake_cloudflare::{FakeCloudflare, Record};

/// What `www` is remembered to have carried for `192.0.2.10`.
fn recalled(memory: &Memory) -> Option<u32> {
    memory.recall(&set_of(WWW, ip(10)), ip(10)).map(|attributes| attributes.ttl)
}

#[tokio::test(start_paused = true)]
async fn all_that_a_record_carried_comes_back_at_every_name() {
    let remote = Remote::new(&[WWW, API], &[10, 11]);
    remote.zone.adorn(WWW, ip(10)).await;
    let before = remote.holds().await;
    let carried = [remote.carries(WWW, 10).await, remote.carries(API, 10).await];
    assert_ne!(carried[0], carried[1]);
    let mut office = Office::at(remote.clone(), &[WWW, API]);
    office.order("-10", 0);
    office.says_until_settled().await;
    office.order("+10", 0);
    office.says_until_settled().await;
    assert_eq!(remote.holds().await, before);
    assert_eq!([remote.carries(WWW, 10).await, remote.carries(API, 10).await], carried);
}

#[tokio::test(start_paused = true)]
async fn every_duplicate_is_withdrawn_and_one_is_restored() {
    let remote = Remote::new(&[WWW], &[10, 10, 10, 11]);
    let mut office = Office::open(remote.clone());
    office.order("-10", 0);
    assert_eq!(office.says_until_settled().await, ["withdrew 10@www", "settled"]);
    assert_eq!(remote.holds().await, ["11@www"]);
    office.order("+10", 0);
    office.says_until_settled().await;
    assert_eq!(remote.holds().await, ["10@www", "11@www"]);
}

#[tokio::test(start_paused = true)]
async fn it_is_remembered_before_the_record_is_deleted() {
    let remote = Remote::new(&[WWW], &[10]);
    remote.writes([Fate::Never]);
    let office = Office::open(remote.clone());
    office.order("-10", 0);
    tokio::time::sleep(super::s(1)).await;
    assert_eq!(office.told.lock().unwrap().last().and_then(recalled), Some(TTL));
}

#[tokio::test(start_paused = true)]
async fn it_is_remembered_through_every_kind_of_failure() {
    for fate in [Fate::LostAfter, Fate::LostBefore, Fate::Changed, Fate::Forgotten, Fate::Refused] {
        let remote = Remote::new(&[WWW], &[10, 11]);
        remote.zone.adorn(WWW, ip(10)).await;
        let before = remote.carries(WWW, 10).await;
        let mut office = Office::open(remote.clone());
        remote.writes([fate, fate]);
        office.order("-10", 0);
        office.says_until_settled().await;
        assert_eq!(remote.holds().await, ["11@www"], "{fate:?}");
        remote.writes([fate, fate]);
        office.order("+10", 0);
        office.says_until_settled().await;
        assert_eq!(remote.carries(WWW, 10).await, before, "{fate:?}");
        assert_eq!(
            office.told.lock().unwrap().last().and_then(recalled),
            None,
            "{fate:?}: it is back"
        );
    }
}

/// The withdrawal came to nothing, then the operator edited the record: what counts is what it
/// carried when it really went.
#[tokio::test(start_paused = true)]
async fn an_edit_after_a_withdrawal_that_failed_is_not_undone() {
    let remote = Remote::new(&[WWW], &[10, 11]);
    remote.writes([Fate::Unavailable(None)]);
    let mut office = Office::open(remote.clone());
    office.order("-10", 0);
    office.failure().await;
    office.order("+10", 0);
    office.says_until_settled().await;
    assert_eq!(office.told.lock().unwrap().last().and_then(recalled), None, "it never went");
    remote.zone.adorn(WWW, ip(10)).await;
    let edited = remote.carries(WWW, 10).await;
    office.order_anew("-10", 0);
    office.says_until_settled().await;
    office.order("+10", 0);
    office.says_until_settled().await;
    assert_eq!(remote.carries(WWW, 10).await, edited);
}

#[tokio::test(start_paused = true)]
async fn what_somebody_else_put_back_is_forgotten() {
    let remote = Remote::new(&[WWW], &[10, 11]);
    let mut office = Office::open(remote.clone());
    office.order("-10", 0);
    office.says_until_settled().await;
    remote.zone.put(WWW, ip(10), 60);
    office.order_anew("+10", 0);
    assert_eq!(office.says_until_settled().await, ["settled"]);
    remote.take(WWW, 10).await;
    office.order_anew("+10", 0);
    office.says_until_settled().await;
    assert_eq!(remote.carries(WWW, 10).await.0, CONFIGURED_TTL, "not the one of long ago");
}

#[tokio::test(start_paused = true)]
async fn what_the_last_agent_remembered_is_brought_back() {
    let remote = Remote::new(&[WWW], &[11]);
    let attributes = Attributes { ttl: 77, extra: Extra::None };
    let memory = [(set_of(WWW, ip(10)), ip(10), attributes)].into_iter().collect();
    let mut office = Office::start(remote.clone(), Start { memory, ..Start::default() });
    office.order("+10 +11", 0);
    office.says_until_settled().await;
    assert_eq!(remote.carries(WWW, 10).await.0, 77);
}

#[tokio::test(start_paused = true)]
async fn what_is_kept_in_for_the_floors_sake_is_not_remembered_as_gone() {
    let remote = Remote::new(&[WWW], &[10]);
    let mut office = Office::open(remote.clone());
    office.order("-10", 1);
    office.says_until_settled().await;
    office.stop();
    assert_eq!(office.ended().await.records().count(), 0);
}

/// A record at the fake, as far as an operator sets it.
fn carried(record: &Record) -> (u32, bool, Option<String>, Vec<String>) {
    (record.ttl, record.proxied, record.comment.clone(), record.tags.clone())
}

/// The agent's own create is refused, because the operator was faster.
#[tokio::test]
async fn a_record_that_was_put_back_by_hand_comes_back_as_the_hand_made_it() {
    let fake = FakeCloudflare::start(ZONE);
    let seed = |last| fake.zone(|zone| carried(zone.seed("A", WWW, &ip(last).to_string())));
    let there = |last| fake.zone(|zone| carried(zone.record("A", WWW, &ip(last).to_string())));
    seed(10);
    seed(11);
    let mut office = Office::open(Cloudflare::new(&fake.config(&[WWW])).unwrap());
    office.order("-10", 0);
    office.says_until("withdrew 10@www").await;
    office.read().await;

    let by_hand = fake.zone(|zone| {
        let record = zone.seed("A", WWW, &ip(10).to_string());
        (record.ttl, record.proxied) = (1, true);
        record.comment = Some("by hand".to_owned());
        carried(record)
    });
    office.order("+10", 0);
    office.read().await;
    assert_eq!(there(10), by_hand);

    office.order("-10", 0);
    office.says_until("withdrew 10@www").await;
    office.read().await;
    office.order("+10", 0);
    office.says_until("restored 10@www").await;
    assert_eq!(there(10), by_hand);
}

/// What was withdrawn and restored without its tags, because the provider refused them then, has
/// them again after the next outage.
#[tokio::test]
async fn a_record_that_came_back_with_less_gets_all_of_it_with_the_next_restoring() {
    let fake = FakeCloudflare::start(ZONE);
    fake.zone(|zone| {
        zone.seed("A", WWW, &ip(11).to_string());
        let record = zone.seed("A", WWW, &ip(10).to_string());
        record.tags = vec!["owner:dns".to_owned()];
    });
    let tags = || fake.zone(|zone| zone.record("A", WWW, &ip(10).to_string()).tags.len());
    let mut office = Office::open(Cloudflare::new(&fake.config(&[WWW])).unwrap());
    office.order("-10", 0);
    office.says_until_settled().await;
    fake.zone(|zone| zone.limits.tags = 0);
    office.order("+10", 0);
    office.says_until_settled().await;
    assert_eq!(tags(), 0);
    fake.zone(|zone| zone.limits.tags = 10);
    office.order("-10", 0);
    office.says_until_settled().await;
    office.order("+10", 0);
    office.says_until_settled().await;
    assert_eq!(tags(), 1);
}
