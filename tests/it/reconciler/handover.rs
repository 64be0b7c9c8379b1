//! At a reload, a reconciler is replaced by another one, which keeps the knowledge that still
//! applies.

use std::net::IpAddr;

use goavail::testing::dns::{ChangeRequest, DnsProvider, DryRun, RecordMemory};
use tokio::time::sleep;

use super::harness::{Start, of_default};
use super::{API, Harness, Outcome, Remote, Request, WWW, ip, ms, s};
use crate::contract::{addresses, set_of};

/// Ends `harness`. Returns its successor, with `provider` at `names`.
async fn after(harness: Harness, provider: &Remote, names: &[&str]) -> Harness {
    harness.hand_over();
    let handover = harness.handover().await;
    let mut provider = provider.clone();
    let names = of_default(names);
    let (memory, knowledge) = handover.pass_on(&mut provider, &names);
    Harness::start(provider, Start { names, memory, knowledge, shared: false })
}

#[tokio::test(start_paused = true)]
async fn a_listing_of_the_same_names_stays_in_use() {
    let remote = Remote::new(&[WWW], &[10, 11]);
    let harness = Harness::open(remote.clone());
    harness.request_listing();
    sleep(s(1)).await;
    remote.requests();
    let mut harness = after(harness, &remote, &[WWW]).await;
    harness.order("+10 +11", 1);
    assert_eq!(harness.reports_until_confirmed().await, ["confirmed"]);
    assert_eq!(remote.requests(), []);
}

#[tokio::test(start_paused = true)]
async fn a_listing_of_other_names_or_of_another_zone_does_not() {
    let remote = Remote::new(&[WWW, API], &[10, 11]);
    let harness = Harness::open(remote.clone());
    harness.request_listing();
    sleep(s(1)).await;
    let mut harness = after(harness, &remote, &[WWW, API]).await;
    remote.requests();
    harness.order("+10 +11", 1);
    harness.reports_until_confirmed().await;
    assert_eq!(remote.requests(), [Request::Read]);

    let elsewhere = remote.other_agent();
    let mut harness = after(harness, &elsewhere, &[WWW, API]).await;
    harness.order("+10 +11", 1);
    harness.reports_until_confirmed().await;
    assert_eq!(elsewhere.requests(), [Request::Read]);
}

/// There is a reload every second, and the zone is large.
#[tokio::test(start_paused = true)]
async fn a_listing_that_lasts_beyond_a_reload_serves_the_orders_after_it() {
    let remote = Remote::new(&[WWW], &[10, 11]);
    remote.reads([Outcome::Takes(s(3)); 9]);
    let harness = Harness::open(remote.clone());
    harness.order_with_listing("-10", 1);
    sleep(s(1)).await;
    let harness = after(harness, &remote, &[WWW]).await;
    // This one is replaced before it starts to work.
    harness.order_with_listing("-10", 1);
    let mut harness = after(harness, &remote, &[WWW]).await;
    harness.order_with_listing("-10", 1);
    assert_eq!(harness.next_words().await, "withdrew 10@www");
    let requests = remote.requests();
    assert_eq!(requests[0], Request::Read);
    assert_ne!(requests[1], Request::Read, "it was read once: {requests:?}");
}

#[tokio::test(start_paused = true)]
async fn an_endless_listing_delays_the_successor_for_seconds_and_the_end_not_at_all() {
    let remote = Remote::new(&[WWW], &[10, 11]);
    remote.reads([Outcome::Never; 9]);
    let harness = Harness::open(remote.clone());
    harness.order("-10", 1);
    sleep(s(1)).await;
    let asked = super::harness::now();
    let harness = after(harness, &remote, &[WWW]).await;
    assert!(asked.elapsed() <= s(10), "{:?}", asked.elapsed());
    harness.order("-10", 1);
    sleep(s(1)).await;
    harness.hand_over();
    sleep(s(1)).await;
    assert!(harness.is_running());
    harness.stop();
    sleep(ms(1)).await;
    assert!(!harness.is_running());
}

#[tokio::test(start_paused = true)]
async fn withdrawn_records_are_remembered() {
    let remote = Remote::new(&[WWW], &[10, 11]);
    let mut harness = Harness::open(remote.clone());
    harness.order("-10", 1);
    harness.reports_until_confirmed().await;
    let harness = after(harness, &remote.other_agent(), &[WWW]).await;
    harness.stop();
    let memory: RecordMemory = harness.ended().await;
    assert!(memory.recall(&set_of(WWW, ip(10)), ip(10)).is_some());
}

/// The provider asked for a pause, and a reload does not end it.
#[tokio::test(start_paused = true)]
async fn a_pause_that_the_provider_asked_for_is_respected() {
    let remote = Remote::new(&[WWW], &[10, 11]);
    remote.reads([Outcome::Unavailable(Some(s(100)))]);
    let mut harness = Harness::open(remote.clone());
    harness.order("-10", 1);
    harness.failure().await;
    remote.requests();
    let mut harness = after(harness, &remote, &[WWW]).await;
    harness.order("-10", 1);
    sleep(s(90)).await;
    assert_eq!(remote.requests(), []);
    assert_eq!(harness.reports_until_confirmed().await, ["withdrew 10@www", "confirmed"]);
}

/// The reload may have solved any other problem.
#[tokio::test(start_paused = true)]
async fn a_provider_that_failed_is_asked_again_at_once() {
    let remote = Remote::new(&[WWW], &[10, 11]);
    remote.reads([Outcome::Refused]);
    let mut harness = Harness::open(remote.clone());
    harness.order("-10", 1);
    harness.failure().await;
    let mut harness = after(harness, &remote, &[WWW]).await;
    let asked = super::harness::now();
    harness.order("-10", 1);
    assert_eq!(harness.reports_until_confirmed().await, ["withdrew 10@www", "confirmed"]);
    assert!(asked.elapsed() < ms(1000), "{:?}", asked.elapsed());
}

/// The answer to the last write was lost, and the zone could not be listed any more.
#[tokio::test(start_paused = true)]
async fn an_unverified_write_is_verified_and_reported() {
    let remote = Remote::new(&[WWW], &[10, 11]);
    remote.writes([Outcome::LostAfter]);
    remote.reads([Outcome::Works].into_iter().chain([Outcome::Unavailable(None); 9]));
    let mut harness = Harness::open(remote.clone());
    harness.order("-10", 1);
    harness.failure().await;
    let mut harness = after(harness, &remote, &[WWW]).await;
    remote.heals();
    harness.order("-10", 1);
    assert_eq!(harness.reports_until_confirmed().await, ["withdrew 10@www", "confirmed"]);
}

/// Another agent withdrew the other address at the same time, and the zone could not be listed.
#[tokio::test(start_paused = true)]
async fn a_floor_that_could_not_be_verified_is_repaired_by_the_successor() {
    let remote = Remote::new(&[WWW], &[10, 11]);
    remote.writes([Outcome::Takes(s(2))]);
    remote.reads([Outcome::Works].into_iter().chain([Outcome::Unavailable(None); 9]));
    let harness = Harness::open(remote.clone());
    harness.order("-10", 1);
    sleep(s(1)).await;
    remote.take(WWW, 11).await;
    let mut harness = after(harness, &remote, &[WWW]).await;
    remote.heals();
    harness.order("-10", 1);
    harness.reports_until_confirmed().await;
    assert_eq!(remote.holds().await, ["10@www"]);
}

fn dry(remote: &Remote, names: &[&str]) -> DryRun {
    let names: Vec<_> = names.iter().map(|&name| name.to_owned()).collect();
    DryRun::new(Box::new(remote.clone())).publishing(&names, &[ip(10), ip(11)])
}

/// Returns the listed addresses at `name`, by a dry-run after one that simulated the withdrawal of
/// 192.0.2.10 from both names.
async fn listed_after(remote: &Remote, names: &[&str], name: &str) -> Vec<IpAddr> {
    let before = dry(remote, &[WWW, API]);
    let listing = before.list().await.unwrap();
    before
        .apply(ChangeRequest::new(&listing, &crate::contract::withdrawal(&listing, "192.0.2.10")))
        .await
        .unwrap();
    let mut after = dry(remote, names);
    after.inherit_from(Box::new(before));
    addresses(&after.list().await.unwrap(), &set_of(name, ip(10))).into_iter().collect()
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_keeps_its_simulated_writes() {
    let remote = Remote::new(&[WWW, API], &[10, 11]);
    assert_eq!(listed_after(&remote, &[WWW, API], WWW).await, [ip(11)]);
    assert_eq!(listed_after(&remote, &[WWW], WWW).await, [ip(11)]);
    assert_eq!(listed_after(&remote, &[WWW], API).await, [ip(10), ip(11)], "no longer its own");
}

/// The listing was made up from the earlier configuration, because the zone could not be read.
#[tokio::test(start_paused = true)]
async fn a_made_up_listing_is_made_up_anew() {
    let remote = Remote::new(&[WWW], &[]);
    remote.reads([Outcome::Refused; 9]);
    let names = [WWW.to_owned()];
    let harness =
        Harness::open(DryRun::new(Box::new(remote.clone())).publishing(&names, &[ip(10)]));
    harness.request_listing();
    sleep(s(1)).await;
    harness.stop();
    let mut provider = DryRun::new(Box::new(remote.clone())).publishing(&names, &[ip(10), ip(11)]);
    let names = of_default(&[WWW]);
    let (memory, knowledge) = harness.handover().await.pass_on(&mut provider, &names);
    let start = Start { names, memory, knowledge, shared: false };
    let mut harness = Harness::start(provider, start);
    harness.order("+10 +11", 1);
    assert_eq!(
        harness.reports_until_confirmed().await,
        ["confirmed"],
        "both are taken to be there"
    );
}
