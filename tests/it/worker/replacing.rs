//! A newer order replaces an older one at every step, and a write that has left is finished.

use tokio::time::sleep;

use super::office::now;
use super::{Fate, Office, Remote, Request, WWW, ms, s};

/// An address that answers again while the zone is being read must not be taken out.
#[tokio::test(start_paused = true)]
async fn an_order_that_is_replaced_while_the_zone_is_read_changes_nothing() {
    let remote = Remote::new(&[WWW], &[10, 11]);
    remote.reads([Fate::Takes(s(8))]);
    let mut office = Office::open(remote.clone());
    office.order("-10", 0);
    sleep(s(3)).await;
    office.order("+10", 0);
    assert_eq!(office.says_until_settled().await, ["settled"]);
    assert_eq!(remote.requests(), [Request::Read], "the one reading served the newer order");
    assert_eq!(remote.holds().await, ["10@www", "11@www"]);
}

#[tokio::test(start_paused = true)]
async fn an_order_that_is_replaced_while_it_waits_for_its_retry_changes_nothing() {
    let remote = Remote::new(&[WWW], &[10, 11]);
    remote.writes([Fate::Unavailable(None)]);
    let mut office = Office::open(remote.clone());
    office.order("-10", 0);
    office.failure().await;
    office.order("+10", 0);
    assert_eq!(office.says_until_settled().await, ["settled"]);
    sleep(s(600)).await;
    let writes = remote.requests().into_iter().filter(|r| *r != Request::Read).count();
    assert_eq!(writes, 1, "only the one that failed");
    assert_eq!(remote.holds().await, ["10@www", "11@www"]);
}

#[tokio::test(start_paused = true)]
async fn an_order_that_is_replaced_between_two_rounds_changes_nothing_more() {
    let remote = Remote::new(&[WWW], &[10, 11]);
    remote.writes([Fate::Changed]);
    remote.reads([Fate::Works, Fate::Takes(s(5))]);
    let mut office = Office::open(remote.clone());
    office.order("-10", 0);
    sleep(s(2)).await;
    office.order("+10", 0);
    assert_eq!(office.says_until_settled().await, ["settled"]);
    assert_eq!(remote.holds().await, ["10@www", "11@www"]);
}

#[tokio::test(start_paused = true)]
async fn a_write_that_has_left_is_finished_before_the_newer_order() {
    let remote = Remote::new(&[WWW], &[10, 11]);
    remote.writes([Fate::Takes(s(8))]);
    let mut office = Office::open(remote.clone());
    office.order("-10", 0);
    sleep(s(3)).await;
    office.order("+10", 0);
    let said = office.says_until_settled().await;
    assert_eq!(said, ["withdrew 10@www", "restored 10@www", "settled"]);
    assert_eq!(remote.holds().await, ["10@www", "11@www"]);
}

#[tokio::test(start_paused = true)]
async fn a_lost_write_is_told_though_its_order_was_replaced() {
    let remote = Remote::new(&[WWW], &[10, 11]);
    remote.writes([Fate::LostAfter]);
    let mut office = Office::open(remote.clone());
    office.order("-10", 0);
    office.failure().await;
    office.order("+10", 0);
    let said = office.says_until_settled().await;
    assert_eq!(said, ["withdrew 10@www", "restored 10@www", "settled"]);
}

#[tokio::test(start_paused = true)]
async fn an_order_that_asks_for_nothing_asks_nothing_of_the_provider() {
    let remote = Remote::new(&[WWW], &[10, 11]);
    remote.reads(std::iter::repeat_n(Fate::Unavailable(None), 1000));
    let mut office = Office::open(remote.clone());
    office.order("-10", 0);
    office.failure().await;
    office.order("", 0);
    sleep(s(3600)).await;
    assert_eq!(remote.requests().len(), 1, "no more is wished for, so nothing is asked for");
    assert_eq!(office.said(), [""; 0]);
}

/// Orders 50 ms apart, for as long as it takes: the worker must not do nothing but read.
#[tokio::test(start_paused = true)]
async fn orders_that_keep_coming_do_not_keep_it_from_acting() {
    for anew in [false, true] {
        let remote = Remote::new(&[WWW], &[10, 11, 12]);
        let mut office = Office::open(remote.clone());
        let began = now();
        let mut nth = 0;
        while remote.holds().await.contains(&"10@www".to_owned()) {
            assert!(began.elapsed() < s(5), "nothing was done while orders kept coming: {anew}");
            let words = ["-10", "-10 -11"][nth % 2];
            if anew {
                office.order_anew(words, 0);
            } else {
                office.order(words, 0);
            }
            nth += 1;
            sleep(ms(50)).await;
            office.said();
        }
    }
}
