//! Right before each write, the reconciler checks whether its order is still current.

use std::sync::Arc;

use goavail::testing::heart::Heart;
use tokio::time::sleep;

use super::harness::now;
use super::{Harness, Outcome, Remote, Request, WWW, ms, s};

#[tokio::test(start_paused = true)]
async fn a_recalled_change_is_not_written_before_the_next_order() {
    let remote = Remote::new(&[WWW], &[10, 11, 12]);
    remote.reads([Outcome::Takes(s(8))]);
    let mut harness = Harness::open(remote.clone());
    harness.order("-10 -11", 0);
    sleep(s(3)).await;
    harness.recall(10);
    sleep(s(60)).await;
    assert_eq!(remote.requests(), [Request::Read], "it was read, and nothing was written");
    harness.order("-11", 0);
    assert_eq!(harness.reports_until_confirmed().await, ["withdrew 11@www", "confirmed"]);
    assert_eq!(remote.holds().await, ["10@www", "12@www"]);
}

#[tokio::test(start_paused = true)]
async fn a_recalled_change_is_not_written_when_the_provider_recovers() {
    let remote = Remote::new(&[WWW], &[10, 11]);
    remote.writes([Outcome::Unavailable(None)]);
    let mut harness = Harness::open(remote.clone());
    harness.order("-10", 0);
    harness.failure().await;
    harness.recall(10);
    sleep(s(600)).await;
    assert_eq!(remote.holds().await, ["10@www", "11@www"]);
}

#[tokio::test(start_paused = true)]
async fn a_recalled_address_does_not_delay_others() {
    let remote = Remote::new(&[WWW], &[10, 11]);
    remote.reads([Outcome::Takes(s(8))]);
    let mut harness = Harness::open(remote.clone());
    harness.order("-10", 0);
    harness.recall(11);
    assert_eq!(harness.reports_until_confirmed().await, ["withdrew 10@www", "confirmed"]);
}

/// The orders of a stalled loop may be outdated.
#[tokio::test(start_paused = true)]
async fn nothing_is_written_while_the_loop_is_stalled() {
    let remote = Remote::new(&[WWW], &[10, 11]);
    remote.reads([Outcome::Takes(s(4))]);
    let heart = Arc::new(Heart::new(now().into_std()));
    let mut harness = Harness::open(remote.clone());
    harness.use_heart(&heart);
    harness.order("-10", 0);
    sleep(s(600)).await;
    assert_eq!(remote.holds().await, ["10@www", "11@www"]);
    assert_eq!(remote.requests(), [Request::Read]);
    heart.beat(now().into_std());
    sleep(ms(900)).await;
    assert_eq!(harness.reported(), ["listed", "listed", "withdrew 10@www", "listed", "confirmed"]);
    let reads = remote.requests().into_iter().filter(|request| *request == Request::Read);
    assert_eq!(reads.count(), 2, "the listing from before the stall is too old");
}

/// A change may take many requests, and an address may answer again between two of them.
#[tokio::test(start_paused = true)]
async fn a_change_that_is_recalled_between_two_requests_is_not_written() {
    let remote = Remote::new(&[WWW], &[10, 11, 12, 13]);
    remote.writes([Outcome::OneByOne(s(3))]);
    let mut harness = Harness::open(remote.clone());
    harness.order("-10 -11 -12", 0);
    sleep(s(4)).await;
    harness.recall(12);
    sleep(s(60)).await;
    assert_eq!(remote.holds().await, ["12@www", "13@www"], "two requests had left by then");
    harness.order("-10 -11", 0);
    harness.reports_until_confirmed().await;
    assert_eq!(remote.holds().await, ["12@www", "13@www"]);
}

#[tokio::test(start_paused = true)]
async fn a_change_continues_through_a_new_order_that_requires_the_same() {
    let remote = Remote::new(&[WWW], &[10, 11, 12]);
    remote.writes([Outcome::OneByOne(s(3))]);
    let mut harness = Harness::open(remote.clone());
    harness.order("-10 -11", 0);
    sleep(s(1)).await;
    harness.order("-10 -11 +12", 0);
    harness.reports_until_confirmed().await;
    let writes = remote.requests().into_iter().filter(|r| matches!(r, Request::Write(_)));
    let writes: Vec<_> = writes.collect();
    assert_eq!(writes.len(), 1, "{writes:?}");
    assert_eq!(remote.holds().await, ["12@www"]);
}

/// The loop stalls during a change: the rest waits until it runs again.
#[tokio::test(start_paused = true)]
async fn the_rest_of_a_change_waits_while_the_loop_is_stalled() {
    let remote = Remote::new(&[WWW], &[10, 11, 12]);
    remote.writes([Outcome::OneByOne(s(4))]);
    let heart = Arc::new(Heart::new(now().into_std()));
    let mut harness = Harness::open(remote.clone());
    harness.use_heart(&heart);
    harness.order("-10 -11", 0);
    sleep(s(60)).await;
    assert_eq!(remote.holds().await, ["11@www", "12@www"], "one request had left by then");
    heart.beat(now().into_std());
    harness.reports_until_confirmed().await;
    assert_eq!(remote.holds().await, ["12@www"]);
}
