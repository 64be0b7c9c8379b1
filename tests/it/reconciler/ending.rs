//! When the reconciler is told to stop, it finishes the change in progress and begins nothing else.

use goavail::testing::dns::RecordMemory;
use tokio::time::sleep;

use super::harness::now;
use super::{Harness, Outcome, Remote, Request, TTL, WWW, ip, ms, s};
use crate::contract::set_of;

#[tokio::test(start_paused = true)]
async fn it_ends_at_once_when_there_is_nothing_to_do() {
    let harness = Harness::open(Remote::new(&[WWW], &[10]));
    sleep(s(1)).await;
    let told = now();
    harness.stop();
    harness.ended().await;
    assert_eq!(told.elapsed(), ms(0));
}

#[tokio::test(start_paused = true)]
async fn a_listing_is_interrupted_and_nothing_is_written_after_it() {
    let remote = Remote::new(&[WWW], &[10, 11]);
    remote.reads([Outcome::Takes(s(8))]);
    let harness = Harness::open(remote.clone());
    harness.order("-10", 0);
    sleep(s(3)).await;
    let told = now();
    harness.stop();
    harness.ended().await;
    assert_eq!(told.elapsed(), ms(0));
    assert_eq!(remote.requests(), [Request::Read]);
    assert_eq!(remote.holds().await, ["10@www", "11@www"]);
}

#[tokio::test(start_paused = true)]
async fn a_retry_is_not_waited_for() {
    let remote = Remote::new(&[WWW], &[10, 11]);
    remote.writes([Outcome::Refused]);
    let mut harness = Harness::open(remote.clone());
    harness.order("-10", 0);
    harness.failure().await;
    let told = now();
    harness.stop();
    harness.ended().await;
    assert_eq!(told.elapsed(), ms(0));
    assert_eq!(remote.holds().await, ["10@www", "11@www"]);
}

#[tokio::test(start_paused = true)]
async fn a_write_is_finished_and_its_withdrawal_is_remembered() {
    let remote = Remote::new(&[WWW], &[10, 11]);
    remote.writes([Outcome::Takes(s(4))]);
    let harness = Harness::open(remote.clone());
    harness.order("-10", 0);
    sleep(s(1)).await;
    let told = now();
    harness.stop();
    harness.order("-10 -11", 0);
    let memory = harness.ended().await;
    assert!(told.elapsed() > s(3) && told.elapsed() < s(4), "{:?}", told.elapsed());
    assert_eq!(remote.holds().await, ["11@www"], "the order that came later was not begun");
    let kept = memory.recall(&set_of(WWW, ip(10)), ip(10)).unwrap();
    assert_eq!(kept.ttl, TTL);
}

#[tokio::test(start_paused = true)]
async fn a_floor_that_the_last_write_left_broken_is_repaired() {
    let remote = Remote::new(&[WWW], &[10, 11]);
    remote.writes([Outcome::Takes(s(2))]);
    let harness = Harness::open(remote.clone());
    harness.order("-10", 1);
    sleep(s(1)).await;
    remote.take(WWW, 11).await;
    harness.stop();
    let memory = harness.ended().await;
    assert_eq!(remote.holds().await, ["10@www"]);
    assert_eq!(remote.carries(WWW, 10).await.0, TTL);
    drop(memory);
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_fails_does_not_hold_up_the_end() {
    let remote = Remote::new(&[WWW], &[10, 11]);
    remote.writes([Outcome::LostAfter]);
    let mut harness = Harness::open(remote.clone());
    harness.order("-10", 1);
    harness.failure().await;
    remote.reads([Outcome::Unavailable(None); 9]);
    let told = now();
    harness.stop();
    let memory: RecordMemory = harness.ended().await;
    assert!(told.elapsed() < s(1), "{:?}", told.elapsed());
    assert_eq!(memory.records().count(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_end_of_the_event_loop_is_the_end_of_the_reconciler() {
    let remote = Remote::new(&[WWW], &[10, 11]);
    remote.reads(std::iter::repeat_n(Outcome::Unavailable(None), 1000));
    let mut harness = Harness::open(remote.clone());
    harness.order("-10", 0);
    harness.failure().await;
    assert!(harness.is_running());
    // The sender of the mailbox is dropped.
    let Harness { mailbox, .. } = &mut harness;
    *mailbox = tokio::sync::watch::channel(goavail::testing::dns::Mailbox::default()).0;
    harness.ended().await;
}
