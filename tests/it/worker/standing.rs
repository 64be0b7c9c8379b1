//! Right before each write the worker asks whether its order still stands.

use std::sync::Arc;

use goavail::heart::Heart;
use tokio::time::sleep;

use super::office::now;
use super::{Fate, Office, Remote, Request, WWW, ms, s};

#[tokio::test(start_paused = true)]
async fn what_was_taken_back_is_not_written_though_the_next_order_is_still_on_its_way() {
    let remote = Remote::new(&[WWW], &[10, 11, 12]);
    remote.reads([Fate::Takes(s(8))]);
    let mut office = Office::open(remote.clone());
    office.order("-10 -11", 0);
    sleep(s(3)).await;
    office.recall(10);
    sleep(s(60)).await;
    assert_eq!(remote.requests(), [Request::Read], "it was read, and nothing was written");
    office.order("-11", 0);
    assert_eq!(office.says_until_settled().await, ["withdrew 11@www", "settled"]);
    assert_eq!(remote.holds().await, ["10@www", "12@www"]);
}

#[tokio::test(start_paused = true)]
async fn what_was_taken_back_is_not_written_when_a_failing_provider_answers_again() {
    let remote = Remote::new(&[WWW], &[10, 11]);
    remote.writes([Fate::Unavailable(None)]);
    let mut office = Office::open(remote.clone());
    office.order("-10", 0);
    office.failure().await;
    office.recall(10);
    sleep(s(600)).await;
    assert_eq!(remote.holds().await, ["10@www", "11@www"]);
}

#[tokio::test(start_paused = true)]
async fn what_others_were_taken_back_holds_up_nothing() {
    let remote = Remote::new(&[WWW], &[10, 11]);
    remote.reads([Fate::Takes(s(8))]);
    let mut office = Office::open(remote.clone());
    office.order("-10", 0);
    office.recall(11);
    assert_eq!(office.says_until_settled().await, ["withdrew 10@www", "settled"]);
}

/// A loop that does not turn answers nobody, and so does not stand by its orders.
#[tokio::test(start_paused = true)]
async fn nothing_is_written_for_a_loop_that_stands_still_until_it_turns_again() {
    let remote = Remote::new(&[WWW], &[10, 11]);
    remote.reads([Fate::Takes(s(4))]);
    let heart = Arc::new(Heart::new(now().into_std()));
    let mut office = Office::open(remote.clone());
    office.beats_with(&heart);
    office.order("-10", 0);
    sleep(s(600)).await;
    assert_eq!(remote.holds().await, ["10@www", "11@www"]);
    assert_eq!(remote.requests(), [Request::Read]);
    heart.beat(now().into_std());
    sleep(ms(900)).await;
    assert_eq!(office.said(), ["read", "read", "withdrew 10@www", "read", "settled"]);
    let reads = remote.requests().into_iter().filter(|request| *request == Request::Read);
    assert_eq!(reads.count(), 2, "what was read before it stood still is too old");
}

/// A change may take many requests, and an address may answer again between two of them.
#[tokio::test(start_paused = true)]
async fn what_is_taken_back_in_the_middle_of_a_change_is_not_written_any_more() {
    let remote = Remote::new(&[WWW], &[10, 11, 12, 13]);
    remote.writes([Fate::OneByOne(s(3))]);
    let mut office = Office::open(remote.clone());
    office.order("-10 -11 -12", 0);
    sleep(s(4)).await;
    office.recall(12);
    sleep(s(60)).await;
    assert_eq!(remote.holds().await, ["12@www", "13@www"], "two requests had left by then");
    office.order("-10 -11", 0);
    office.says_until_settled().await;
    assert_eq!(remote.holds().await, ["12@www", "13@www"]);
}

#[tokio::test(start_paused = true)]
async fn a_change_goes_on_through_a_new_order_that_asks_for_the_same() {
    let remote = Remote::new(&[WWW], &[10, 11, 12]);
    remote.writes([Fate::OneByOne(s(3))]);
    let mut office = Office::open(remote.clone());
    office.order("-10 -11", 0);
    sleep(s(1)).await;
    office.order("-10 -11 +12", 0);
    office.says_until_settled().await;
    let writes = remote.requests().into_iter().filter(|r| matches!(r, Request::Write(_)));
    let writes: Vec<_> = writes.collect();
    assert_eq!(writes.len(), 1, "{writes:?}");
    assert_eq!(remote.holds().await, ["12@www"]);
}

/// The loop stands still while a change is under way: what is left waits until it turns again.
#[tokio::test(start_paused = true)]
async fn the_rest_of_a_change_waits_for_a_loop_that_stands_still() {
    let remote = Remote::new(&[WWW], &[10, 11, 12]);
    remote.writes([Fate::OneByOne(s(4))]);
    let heart = Arc::new(Heart::new(now().into_std()));
    let mut office = Office::open(remote.clone());
    office.beats_with(&heart);
    office.order("-10 -11", 0);
    sleep(s(60)).await;
    assert_eq!(remote.holds().await, ["11@www", "12@www"], "one request had left by then");
    heart.beat(now().into_std());
    office.says_until_settled().await;
    assert_eq!(remote.holds().await, ["12@www"]);
}
