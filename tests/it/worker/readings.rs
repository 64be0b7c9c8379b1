//! A reading made in advance saves the verdict a request, and never serves for too long.

use tokio::time::sleep;

use super::office::{Start, now};
use super::{API, Fate, Office, Remote, Request, TTL, WWW, ip, ms, s};
use goavail::dns::DnsProvider;
use goavail::dns::worker::Known;

fn write(words: &[&str]) -> Request {
    Request::Write(words.iter().map(|&word| word.to_owned()).collect())
}

#[tokio::test(start_paused = true)]
async fn a_reading_made_in_advance_leaves_one_request_for_the_verdict() {
    let remote = Remote::new(&[WWW], &[10, 11]);
    let mut office = Office::open(remote.clone());
    office.read_in_advance();
    sleep(s(29)).await;
    assert_eq!(remote.requests(), [Request::Read]);
    let placed = now();
    office.order("-10", 0);
    assert_eq!(office.says().await, "withdrew 10@www");
    assert_eq!(placed.elapsed(), ms(100), "one way there and back");
    office.says_until_settled().await;
    assert_eq!(remote.requests(), [write(&["-10@www"]), Request::Read]);
}

#[tokio::test(start_paused = true)]
async fn the_reading_of_the_start_serves_too() {
    let remote = Remote::new(&[WWW], &[10, 11]);
    let known = Known::just_read(remote.list().await.unwrap());
    remote.requests();
    let mut office = Office::start(remote.clone(), Start { known, ..Start::default() });
    office.order("-10", 0);
    office.says().await;
    assert_eq!(remote.requests(), [write(&["-10@www"])]);
}

#[tokio::test(start_paused = true)]
async fn a_reading_of_more_than_30_s_ago_is_not_used() {
    let remote = Remote::new(&[WWW], &[10, 11]);
    let mut office = Office::open(remote.clone());
    office.read_in_advance();
    sleep(s(30)).await;
    remote.requests();
    office.order("-10", 0);
    office.says().await;
    assert_eq!(remote.requests(), [Request::Read, write(&["-10@www"])]);
}

#[tokio::test(start_paused = true)]
async fn a_reading_counts_from_when_it_was_asked_for() {
    let remote = Remote::new(&[WWW], &[10, 11]);
    remote.reads([Fate::Takes(s(9))]);
    let mut office = Office::open(remote.clone());
    office.read_in_advance();
    sleep(s(31)).await;
    remote.requests();
    office.order("-10", 0);
    office.says().await;
    assert_eq!(remote.requests(), [Request::Read, write(&["-10@www"])]);
}

#[tokio::test(start_paused = true)]
async fn a_reading_is_used_once_a_write_makes_it_old() {
    let remote = Remote::new(&[WWW], &[10, 11]);
    let mut office = Office::open(remote.clone());
    office.order("-10", 0);
    office.says_until_settled().await;
    office.order("-10 -11", 0);
    office.says_until_settled().await;
    let (first, second) = (write(&["-10@www"]), write(&["-11@www"]));
    let read = Request::Read;
    assert_eq!(remote.requests(), [read.clone(), first, read.clone(), second, read]);
}

#[tokio::test(start_paused = true)]
async fn an_order_may_ask_for_a_reading_of_its_own() {
    let remote = Remote::new(&[WWW], &[11]);
    let mut office = Office::open(remote.clone());
    office.read_in_advance();
    sleep(s(1)).await;
    remote.zone.put(WWW, ip(10), TTL);
    remote.requests();
    office.order_anew("+10", 0);
    assert_eq!(office.says_until_settled().await, ["settled"]);
    assert_eq!(remote.requests(), [Request::Read]);
}

#[tokio::test(start_paused = true)]
async fn a_zone_that_changed_since_it_was_read_is_read_and_planned_again() {
    let remote = Remote::new(&[WWW], &[10, 11]).swapping();
    let mut office = Office::open(remote.clone());
    office.read_in_advance();
    sleep(s(20)).await;
    remote.take(WWW, 11).await;
    remote.requests();
    office.order("-10", 1);
    assert_eq!(office.says_until_settled().await, ["settled but for 10@www"]);
    assert_eq!(remote.requests(), [write(&["-10@www"]), Request::Read]);
    assert_eq!(remote.holds().await, ["10@www"]);
}

#[tokio::test(start_paused = true)]
async fn a_reading_that_failed_is_no_empty_zone() {
    let remote = Remote::new(&[WWW], &[10, 11]);
    remote.reads([Fate::Unavailable(None)]);
    let mut office = Office::open(remote.clone());
    office.read_in_advance();
    assert_eq!(office.says().await, "failing: unavailable");
    office.order("+10 +11", 0);
    assert_eq!(office.says_until_settled().await, ["settled"]);
    assert!(!remote.requests().iter().any(|request| *request != Request::Read));
}

#[tokio::test(start_paused = true)]
async fn a_reading_made_in_advance_that_fails_is_not_retried() {
    let remote = Remote::new(&[WWW], &[10]);
    remote.reads([Fate::Unavailable(None)]);
    let mut office = Office::open(remote.clone());
    office.read_in_advance();
    assert_eq!(office.failure().await.retry_in, None);
    sleep(s(600)).await;
    assert_eq!(remote.requests(), [Request::Read]);
}

/// The driver answers whoever wants to drain a target when the zone was read, or could not be.
#[tokio::test(start_paused = true)]
async fn every_request_for_a_reading_is_answered() {
    let remote = Remote::new(&[WWW], &[10, 11]);
    let mut office = Office::open(remote.clone());
    office.read_in_advance();
    sleep(s(1)).await;
    assert_eq!(office.said(), ["read"], "when idle");

    office.read_in_advance();
    office.order("-10", 0);
    sleep(s(1)).await;
    assert!(office.said().contains(&"read".to_owned()), "together with an order");

    office.order_anew("-10", 0);
    sleep(ms(60)).await;
    office.read_in_advance();
    sleep(s(1)).await;
    assert_eq!(office.said(), ["read", "settled", "read"], "while another reading is on its way");

    remote.reads([Fate::Unavailable(None); 9]);
    office.order_anew("-10 -11", 0);
    for _ in 0..8 {
        office.failure().await;
    }
    sleep(s(5)).await;
    office.read_in_advance();
    sleep(ms(200)).await;
    assert_eq!(office.said(), ["failing: unavailable"], "long before the next retry: a failure");
    sleep(s(5)).await;
    office.read_in_advance();
    sleep(ms(200)).await;
    assert_eq!(office.said()[0], "read", "long before the next retry: a success");
}

#[tokio::test(start_paused = true)]
async fn one_write_serves_every_name() {
    let remote = Remote::new(&[WWW, API], &[10, 11]);
    let mut office = Office::at(remote.clone(), &[WWW, API]);
    office.order("-10", 0);
    office.says_until_settled().await;
    let requests = [Request::Read, write(&["-10@api", "-10@www"]), Request::Read];
    assert_eq!(remote.requests(), requests);
    assert_eq!(remote.holds().await, ["11@api", "11@www"]);
    remote.zone.put(API, ip(10), 60);
    office.order_anew("-10 -11", 0);
    office.says_until_settled().await;
    let requests = [Request::Read, write(&["-10@api", "-11@api", "-11@www"]), Request::Read];
    assert_eq!(remote.requests(), requests, "what becomes due together goes out together");
}
