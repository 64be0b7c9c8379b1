//! A newer order replaces an older one at every step, and a write that was sent is finished.

use tokio::time::sleep;

use super::harness::now;
use super::{Harness, Outcome, Remote, Request, WWW, ms, s};

/// An address that answers again during a listing must not be withdrawn.
#[tokio::test(start_paused = true)]
async fn an_order_that_is_replaced_during_a_listing_changes_nothing() {
    let remote = Remote::new(&[WWW], &[10, 11]);
    remote.reads([Outcome::Takes(s(8))]);
    let mut harness = Harness::open(remote.clone());
    harness.order("-10", 0);
    sleep(s(3)).await;
    harness.order("+10", 0);
    assert_eq!(harness.reports_until_confirmed().await, ["confirmed"]);
    assert_eq!(remote.requests(), [Request::Read], "the one listing served the newer order");
    assert_eq!(remote.holds().await, ["10@www", "11@www"]);
}

#[tokio::test(start_paused = true)]
async fn an_order_that_is_replaced_before_its_retry_changes_nothing() {
    let remote = Remote::new(&[WWW], &[10, 11]);
    remote.writes([Outcome::Unavailable(None)]);
    let mut harness = Harness::open(remote.clone());
    harness.order("-10", 0);
    harness.failure().await;
    harness.order("+10", 0);
    assert_eq!(harness.reports_until_confirmed().await, ["confirmed"]);
    sleep(s(600)).await;
    let writes = remote.requests().into_iter().filter(|r| *r != Request::Read).count();
    assert_eq!(writes, 1, "only the one that failed");
    assert_eq!(remote.holds().await, ["10@www", "11@www"]);
}

#[tokio::test(start_paused = true)]
async fn an_order_that_is_replaced_between_two_passes_changes_nothing_more() {
    let remote = Remote::new(&[WWW], &[10, 11]);
    remote.writes([Outcome::Changed]);
    remote.reads([Outcome::Works, Outcome::Takes(s(5))]);
    let mut harness = Harness::open(remote.clone());
    harness.order("-10", 0);
    sleep(s(2)).await;
    harness.order("+10", 0);
    assert_eq!(harness.reports_until_confirmed().await, ["confirmed"]);
    assert_eq!(remote.holds().await, ["10@www", "11@www"]);
}

#[tokio::test(start_paused = true)]
async fn a_write_that_was_sent_is_finished_before_the_newer_order() {
    let remote = Remote::new(&[WWW], &[10, 11]);
    remote.writes([Outcome::Takes(s(8))]);
    let mut harness = Harness::open(remote.clone());
    harness.order("-10", 0);
    sleep(s(3)).await;
    harness.order("+10", 0);
    let reports = harness.reports_until_confirmed().await;
    assert_eq!(reports, ["withdrew 10@www", "restored 10@www", "confirmed"]);
    assert_eq!(remote.holds().await, ["10@www", "11@www"]);
}

#[tokio::test(start_paused = true)]
async fn a_write_with_a_lost_answer_is_reported_though_its_order_was_replaced() {
    let remote = Remote::new(&[WWW], &[10, 11]);
    remote.writes([Outcome::LostAfter]);
    let mut harness = Harness::open(remote.clone());
    harness.order("-10", 0);
    harness.failure().await;
    harness.order("+10", 0);
    let reports = harness.reports_until_confirmed().await;
    assert_eq!(reports, ["withdrew 10@www", "restored 10@www", "confirmed"]);
}

#[tokio::test(start_paused = true)]
async fn an_order_without_desired_states_sends_no_request() {
    let remote = Remote::new(&[WWW], &[10, 11]);
    remote.reads(std::iter::repeat_n(Outcome::Unavailable(None), 1000));
    let mut harness = Harness::open(remote.clone());
    harness.order("-10", 0);
    harness.failure().await;
    harness.order("", 0);
    sleep(s(3600)).await;
    assert_eq!(remote.requests().len(), 1, "nothing is desired, so nothing is requested");
    assert_eq!(harness.reported(), [""; 0]);
}

/// With orders 50 ms apart, the reconciler must do more than list.
#[tokio::test(start_paused = true)]
async fn orders_that_keep_coming_do_not_keep_it_from_acting() {
    for anew in [false, true] {
        let remote = Remote::new(&[WWW], &[10, 11, 12]);
        let mut harness = Harness::open(remote.clone());
        let began = now();
        let mut nth = 0;
        while remote.holds().await.contains(&"10@www".to_owned()) {
            assert!(began.elapsed() < s(5), "nothing was done while orders kept coming: {anew}");
            let words = ["-10", "-10 -11"][nth % 2];
            if anew {
                harness.order_with_listing(words, 0);
            } else {
                harness.order(words, 0);
            }
            nth += 1;
            sleep(ms(50)).await;
            harness.reported();
        }
    }
}
