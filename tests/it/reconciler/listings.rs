//! A listing in advance saves a request at the verdict, and is not used for too long.

use tokio::time::sleep;

use super::harness::{Start, now};
use super::{API, Harness, Outcome, Remote, Request, TTL, WWW, ip, ms, s};
use goavail::testing::dns::{DnsProvider, ZoneKnowledge};

fn write(words: &[&str]) -> Request {
    Request::Write(words.iter().map(|&word| word.to_owned()).collect())
}

#[tokio::test(start_paused = true)]
async fn a_listing_in_advance_leaves_one_request_for_the_verdict() {
    let remote = Remote::new(&[WWW], &[10, 11]);
    let mut harness = Harness::open(remote.clone());
    harness.request_listing();
    sleep(s(29)).await;
    assert_eq!(remote.requests(), [Request::Read]);
    let placed = now();
    harness.order("-10", 0);
    assert_eq!(harness.next_words().await, "withdrew 10@www");
    assert_eq!(placed.elapsed(), ms(100), "one way there and back");
    harness.reports_until_confirmed().await;
    assert_eq!(remote.requests(), [write(&["-10@www"]), Request::Read]);
}

#[tokio::test(start_paused = true)]
async fn the_first_listing_is_used_too() {
    let remote = Remote::new(&[WWW], &[10, 11]);
    let knowledge = ZoneKnowledge::just_listed(remote.list().await.unwrap());
    remote.requests();
    let mut harness = Harness::start(remote.clone(), Start { knowledge, ..Start::default() });
    harness.order("-10", 0);
    harness.next_words().await;
    assert_eq!(remote.requests(), [write(&["-10@www"])]);
}

#[tokio::test(start_paused = true)]
async fn a_listing_older_than_30_s_is_not_used() {
    let remote = Remote::new(&[WWW], &[10, 11]);
    let mut harness = Harness::open(remote.clone());
    harness.request_listing();
    sleep(s(30)).await;
    remote.requests();
    harness.order("-10", 0);
    harness.next_words().await;
    assert_eq!(remote.requests(), [Request::Read, write(&["-10@www"])]);
}

#[tokio::test(start_paused = true)]
async fn the_age_of_a_listing_begins_with_its_request() {
    let remote = Remote::new(&[WWW], &[10, 11]);
    remote.reads([Outcome::Takes(s(9))]);
    let mut harness = Harness::open(remote.clone());
    harness.request_listing();
    sleep(s(31)).await;
    remote.requests();
    harness.order("-10", 0);
    harness.next_words().await;
    assert_eq!(remote.requests(), [Request::Read, write(&["-10@www"])]);
}

#[tokio::test(start_paused = true)]
async fn a_write_makes_a_listing_outdated() {
    let remote = Remote::new(&[WWW], &[10, 11]);
    let mut harness = Harness::open(remote.clone());
    harness.order("-10", 0);
    harness.reports_until_confirmed().await;
    harness.order("-10 -11", 0);
    harness.reports_until_confirmed().await;
    let (first, second) = (write(&["-10@www"]), write(&["-11@www"]));
    let read = Request::Read;
    assert_eq!(remote.requests(), [read.clone(), first, read.clone(), second, read]);
}

#[tokio::test(start_paused = true)]
async fn an_order_may_require_a_new_listing() {
    let remote = Remote::new(&[WWW], &[11]);
    let mut harness = Harness::open(remote.clone());
    harness.request_listing();
    sleep(s(1)).await;
    remote.zone.put(WWW, ip(10), TTL);
    remote.requests();
    harness.order_with_listing("+10", 0);
    assert_eq!(harness.reports_until_confirmed().await, ["confirmed"]);
    assert_eq!(remote.requests(), [Request::Read]);
}

#[tokio::test(start_paused = true)]
async fn a_zone_that_changed_since_it_was_listed_is_listed_and_planned_again() {
    let remote = Remote::new(&[WWW], &[10, 11]).swapping();
    let mut harness = Harness::open(remote.clone());
    harness.request_listing();
    sleep(s(20)).await;
    remote.take(WWW, 11).await;
    remote.requests();
    harness.order("-10", 1);
    assert_eq!(harness.reports_until_confirmed().await, ["confirmed but for 10@www"]);
    assert_eq!(remote.requests(), [write(&["-10@www"]), Request::Read]);
    assert_eq!(remote.holds().await, ["10@www"]);
}

#[tokio::test(start_paused = true)]
async fn a_failed_listing_is_not_an_empty_zone() {
    let remote = Remote::new(&[WWW], &[10, 11]);
    remote.reads([Outcome::Unavailable(None)]);
    let mut harness = Harness::open(remote.clone());
    harness.request_listing();
    assert_eq!(harness.next_words().await, "failing: unavailable");
    harness.order("+10 +11", 0);
    assert_eq!(harness.reports_until_confirmed().await, ["confirmed"]);
    assert!(!remote.requests().iter().any(|request| *request != Request::Read));
}

#[tokio::test(start_paused = true)]
async fn a_failed_listing_in_advance_is_not_retried() {
    let remote = Remote::new(&[WWW], &[10]);
    remote.reads([Outcome::Unavailable(None)]);
    let mut harness = Harness::open(remote.clone());
    harness.request_listing();
    assert_eq!(harness.failure().await.retry_in, None);
    sleep(s(600)).await;
    assert_eq!(remote.requests(), [Request::Read]);
}

/// The answer to a drain order waits until the zone was listed, or could not be listed.
#[tokio::test(start_paused = true)]
async fn every_request_for_a_listing_is_answered() {
    let remote = Remote::new(&[WWW], &[10, 11]);
    let mut harness = Harness::open(remote.clone());
    harness.request_listing();
    sleep(s(1)).await;
    assert_eq!(harness.reported(), ["listed"], "when idle");

    harness.request_listing();
    harness.order("-10", 0);
    sleep(s(1)).await;
    assert!(harness.reported().contains(&"listed".to_owned()), "together with an order");

    harness.order_with_listing("-10", 0);
    sleep(ms(60)).await;
    harness.request_listing();
    sleep(s(1)).await;
    assert_eq!(
        harness.reported(),
        ["listed", "confirmed", "listed"],
        "while another listing is in progress"
    );

    remote.reads([Outcome::Unavailable(None); 9]);
    harness.order_with_listing("-10 -11", 0);
    for _ in 0..8 {
        harness.failure().await;
    }
    sleep(s(5)).await;
    harness.request_listing();
    sleep(ms(200)).await;
    assert_eq!(
        harness.reported(),
        ["failing: unavailable"],
        "long before the next retry: a failure"
    );
    sleep(s(5)).await;
    harness.request_listing();
    sleep(ms(200)).await;
    assert_eq!(harness.reported()[0], "listed", "long before the next retry: a success");
}

#[tokio::test(start_paused = true)]
async fn one_write_serves_every_name() {
    let remote = Remote::new(&[WWW, API], &[10, 11]);
    let mut harness = Harness::at(remote.clone(), &[WWW, API]);
    harness.order("-10", 0);
    harness.reports_until_confirmed().await;
    let requests = [Request::Read, write(&["-10@api", "-10@www"]), Request::Read];
    assert_eq!(remote.requests(), requests);
    assert_eq!(remote.holds().await, ["11@api", "11@www"]);
    remote.zone.put(API, ip(10), 60);
    harness.order_with_listing("-10 -11", 0);
    harness.reports_until_confirmed().await;
    let requests = [Request::Read, write(&["-10@api", "-11@api", "-11@www"]), Request::Read];
    assert_eq!(remote.requests(), requests, "what becomes due together goes out together");
}
