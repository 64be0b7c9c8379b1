//! Failures are retried until they succeed, at a pace that a provider can bear.

use goavail::engine::event::DnsProblemKind;
use goavail::testing::dns::Deadline;
use tokio::time::sleep;

use super::harness::now;
use super::{Harness, Outcome, Remote, Request, WWW, ms, s};

/// Defect 1 of the Go agent: a transition was tried once, and any error lost it.
#[tokio::test(start_paused = true)]
async fn a_change_is_retried_until_it_is_done() {
    let remote = Remote::new(&[WWW], &[10, 11]);
    remote.reads([
        Outcome::Unavailable(None),
        Outcome::Refused,
        Outcome::Works,
        Outcome::Unavailable(None),
    ]);
    remote.writes([
        Outcome::Unavailable(Some(s(7))),
        Outcome::LostBefore,
        Outcome::Refused,
        Outcome::Changed,
        Outcome::Unavailable(None),
        Outcome::Forgotten,
    ]);
    let mut harness = Harness::open(remote.clone());
    harness.order("-10", 1);
    let reports = harness.reports_until_confirmed().await;
    assert_eq!(remote.holds().await, ["11@www"], "{reports:?}");
    let done = reports.iter().filter(|word| *word == "withdrew 10@www").count();
    assert_eq!(done, 1, "{reports:?}");
    assert_eq!(reports.last().unwrap(), "confirmed");
}

#[tokio::test(start_paused = true)]
async fn an_hour_of_failures_does_not_make_it_give_up() {
    let remote = Remote::new(&[WWW], &[10, 11]);
    remote.reads(std::iter::repeat_n(Outcome::Unavailable(None), 1000));
    let mut harness = Harness::open(remote.clone());
    let began = now();
    harness.order("-10", 0);
    while began.elapsed() < s(3600) {
        harness.failure().await;
    }
    let tries = remote.requests().len();
    assert!((40..=150).contains(&tries), "{tries} requests in an hour");
    remote.heals();
    assert_eq!(harness.reports_until_confirmed().await.last().unwrap(), "confirmed");
    assert!(began.elapsed() < s(3600) + s(91 * 2), "healed, and slow: {:?}", began.elapsed());
    assert_eq!(remote.holds().await, ["11@www"]);
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_reported_once_an_attempt_with_the_time_of_the_next_one() {
    let remote = Remote::new(&[WWW], &[10, 11]);
    let fates =
        [Outcome::Unavailable(None), Outcome::LostBefore, Outcome::Refused, Outcome::LostBefore];
    remote.writes(fates);
    let mut harness = Harness::open(remote.clone());
    harness.order("-10", 0);
    let mut expected = Vec::new();
    for nth in 0..fates.len() {
        let problem = harness.failure().await;
        assert!(!problem.what.is_empty(), "{problem:?}");
        expected.push((nth, now() + problem.retry_in.unwrap()));
    }
    harness.reports_until_confirmed().await;
    let requests = remote.timed_requests();
    let writes = requests.iter().filter(|(_, r)| matches!(r, Request::Write(_))).count();
    assert_eq!(writes, fates.len() + 1, "{requests:?}");
    for (nth, moment) in expected {
        // The way there takes 50 ms, and timers have a resolution of one millisecond.
        let due = moment + ms(50)..moment + ms(53);
        let kept = requests.iter().any(|(at, r)| *r == Request::Read && due.contains(at));
        assert!(kept, "the retry after failure {nth} did not come when it was announced");
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_tried_again_as_soon_as_any_other_failure() {
    let remote = Remote::new(&[WWW], &[10]);
    remote.reads([Outcome::Refused; 3]);
    let mut harness = Harness::open(remote.clone());
    harness.order("-10", 0);
    for doubled in [1, 2, 4] {
        let problem = harness.failure().await;
        assert_eq!(problem.kind, DnsProblemKind::Refused);
        let wait = problem.retry_in.unwrap();
        assert!(wait >= s(doubled) / 2 && wait <= s(doubled) * 3 / 2, "{wait:?} for {doubled}");
    }
    harness.reports_until_confirmed().await;
    assert_eq!(remote.holds().await, [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn retry_after_is_respected_by_a_newer_order_and_a_listing_in_advance() {
    let remote = Remote::new(&[WWW], &[10, 11]);
    remote.reads([Outcome::Unavailable(Some(s(40)))]);
    let mut harness = Harness::open(remote.clone());
    harness.order("-10", 0);
    harness.failure().await;
    let told = now();
    sleep(s(5)).await;
    harness.order("-11", 0);
    sleep(s(5)).await;
    harness.request_listing();
    let again = harness.failure().await;
    assert_eq!(now(), told + s(10), "a request for a listing is answered at once");
    assert_eq!(again.retry_in, Some(s(30)));
    harness.reports_until_confirmed().await;
    let requests = remote.timed_requests();
    assert!(requests[1].0 >= told + s(40), "asked {:?} after", requests[1].0 - told);
    assert_eq!(remote.holds().await, ["10@www"], "the newer order was carried out");
}

#[tokio::test(start_paused = true)]
async fn the_pause_of_a_failed_write_delays_the_listing_that_verifies_it() {
    let remote = Remote::new(&[WWW], &[10, 11]);
    remote.writes([Outcome::Overloaded(s(25))]);
    let mut harness = Harness::open(remote.clone());
    harness.order("-10", 0);
    let problem = harness.failure().await;
    assert_eq!(problem.kind, DnsProblemKind::Unconfirmed, "{problem:?}");
    let told = now();
    assert_eq!(problem.retry_in, Some(s(25)));
    harness.reports_until_confirmed().await;
    assert!(remote.timed_requests()[2].0 >= told + s(25));
    assert_eq!(remote.holds().await, ["11@www"]);
}

#[tokio::test(start_paused = true)]
async fn a_pause_after_a_listing_in_advance_delays_the_order_too() {
    let remote = Remote::new(&[WWW], &[10, 11]);
    remote.reads([Outcome::Unavailable(Some(s(20)))]);
    let mut harness = Harness::open(remote.clone());
    harness.request_listing();
    assert_eq!(harness.failure().await.retry_in, None, "nothing is due");
    let told = now();
    harness.order("-10", 0);
    harness.reports_until_confirmed().await;
    assert!(remote.timed_requests()[1].0 >= told + s(20));
}

#[tokio::test(start_paused = true)]
async fn a_newer_order_does_not_wait_out_the_backoff_of_an_older_one() {
    let remote = Remote::new(&[WWW], &[10, 11]);
    remote.reads([Outcome::Unavailable(None); 8]);
    let mut harness = Harness::open(remote.clone());
    harness.order("-10", 0);
    for _ in 0..8 {
        harness.failure().await;
    }
    sleep(s(3)).await;
    let placed = now();
    harness.order("-11", 0);
    harness.reports_until_confirmed().await;
    assert!(placed.elapsed() < s(1), "{:?}", placed.elapsed());
    assert_eq!(remote.holds().await, ["10@www"]);
}

#[tokio::test(start_paused = true)]
async fn many_orders_do_not_hammer_a_provider_that_fails() {
    let remote = Remote::new(&[WWW], &[10, 11]);
    remote.reads(std::iter::repeat_n(Outcome::Unavailable(None), 1000));
    let mut harness = Harness::open(remote.clone());
    for nth in 0..400 {
        harness.order(if nth % 2 == 0 { "-10" } else { "-10 -11" }, 0);
        sleep(ms(50)).await;
        harness.reported();
    }
    let tries = remote.requests().len();
    assert!(tries <= 41, "{tries} requests in 20 s");
    remote.heals();
    harness.reports_until_confirmed().await;
    assert_eq!(remote.holds().await, [""; 0]);
}

/// Defect 2 of the Go agent: a call that hung stopped everything forever.
#[tokio::test(start_paused = true)]
async fn a_call_that_never_ends_does_not_block_the_reconciler() {
    let remote = Remote::new(&[WWW], &[10, 11]);
    remote.reads([Outcome::Never]);
    remote.writes([Outcome::Never]);
    let mut harness = Harness::open(Deadline::new(Box::new(remote.clone())));
    harness.order("-10", 0);
    let (reading, writing) = (harness.failure().await, harness.failure().await);
    assert_eq!(reading.kind, DnsProblemKind::Unavailable, "{reading:?}");
    assert_eq!(writing.kind, DnsProblemKind::Unconfirmed, "{writing:?}");
    assert_eq!(harness.reports_until_confirmed().await, ["withdrew 10@www", "confirmed"]);
}

#[tokio::test(start_paused = true)]
async fn a_zone_that_keeps_changing_is_left_alone_for_a_while() {
    let remote = Remote::new(&[WWW], &[10, 11]);
    remote.writes([Outcome::Changed; 7]);
    let mut harness = Harness::open(remote.clone());
    harness.order("-10", 0);
    assert_eq!(harness.next_words().await, "set fails: www");
    assert_eq!(remote.requests().len(), 4, "twice read and tried without a rest");
    assert_eq!(harness.reports_until_confirmed().await[0], "withdrew 10@www");
}
