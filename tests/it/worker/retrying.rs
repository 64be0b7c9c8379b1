//! What fails is tried again until it is done, at a pace that a provider can bear.

use goavail::engine::event::DnsProblemKind;
use tokio::time::sleep;

use super::office::now;
use super::{Fate, Office, Remote, Request, WWW, ms, s};

/// Defect 1 of the Go agent: a transition was tried once, and any error lost it.
#[tokio::test(start_paused = true)]
async fn a_change_is_retried_until_it_is_done() {
    let remote = Remote::new(&[WWW], &[10, 11]);
    remote.reads([Fate::Unavailable(None), Fate::Refused, Fate::Works, Fate::Unavailable(None)]);
    remote.writes([
        Fate::Unavailable(Some(s(7))),
        Fate::LostBefore,
        Fate::Refused,
        Fate::Changed,
        Fate::Unavailable(None),
        Fate::Forgotten,
    ]);
    let mut office = Office::open(remote.clone());
    office.order("-10", 1);
    let said = office.says_until_settled().await;
    assert_eq!(remote.holds().await, ["11@www"], "{said:?}");
    let done = said.iter().filter(|word| *word == "withdrew 10@www").count();
    assert_eq!(done, 1, "{said:?}");
    assert_eq!(said.last().unwrap(), "settled");
}

#[tokio::test(start_paused = true)]
async fn an_hour_of_failures_does_not_make_it_give_up() {
    let remote = Remote::new(&[WWW], &[10, 11]);
    remote.reads(std::iter::repeat_n(Fate::Unavailable(None), 1000));
    let mut office = Office::open(remote.clone());
    let began = now();
    office.order("-10", 0);
    while began.elapsed() < s(3600) {
        office.failure().await;
    }
    let tries = remote.requests().len();
    assert!((40..=150).contains(&tries), "{tries} requests in an hour");
    remote.heals();
    assert_eq!(office.says_until_settled().await.last().unwrap(), "settled");
    assert!(began.elapsed() < s(3600) + s(91 * 2), "healed, and slow: {:?}", began.elapsed());
    assert_eq!(remote.holds().await, ["11@www"]);
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_reported_once_an_attempt_and_says_when_the_next_one_is() {
    let remote = Remote::new(&[WWW], &[10, 11]);
    let fates = [Fate::Unavailable(None), Fate::LostBefore, Fate::Refused, Fate::LostBefore];
    remote.writes(fates);
    let mut office = Office::open(remote.clone());
    office.order("-10", 0);
    let mut expected = Vec::new();
    for nth in 0..fates.len() {
        let problem = office.failure().await;
        assert!(!problem.what.is_empty(), "{problem:?}");
        expected.push((nth, now() + problem.retry_in.unwrap()));
    }
    office.says_until_settled().await;
    let requests = remote.timed_requests();
    let writes = requests.iter().filter(|(_, r)| matches!(r, Request::Write(_))).count();
    assert_eq!(writes, fates.len() + 1, "{requests:?}");
    for (nth, moment) in expected {
        // The way there takes 50 ms, and timers go by whole milliseconds.
        let due = moment + ms(50)..moment + ms(53);
        let kept = requests.iter().any(|(at, r)| *r == Request::Read && due.contains(at));
        assert!(kept, "the retry after failure {nth} did not come when it was announced");
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_tried_again_as_soon_as_any_other_failure() {
    let remote = Remote::new(&[WWW], &[10]);
    remote.reads([Fate::Refused; 3]);
    let mut office = Office::open(remote.clone());
    office.order("-10", 0);
    for doubled in [1, 2, 4] {
        let problem = office.failure().await;
        assert_eq!(problem.kind, DnsProblemKind::Refused);
        let wait = problem.retry_in.unwrap();
        assert!(wait >= s(doubled) / 2 && wait <= s(doubled) * 3 / 2, "{wait:?} for {doubled}");
    }
    office.says_until_settled().await;
    assert_eq!(remote.holds().await, [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn retry_after_is_obeyed_by_a_newer_order_and_by_a_reading_too() {
    let remote = Remote::new(&[WWW], &[10, 11]);
    remote.reads([Fate::Unavailable(Some(s(40)))]);
    let mut office = Office::open(remote.clone());
    office.order("-10", 0);
    office.failure().await;
    let told = now();
    sleep(s(5)).await;
    office.order("-11", 0);
    sleep(s(5)).await;
    office.read_in_advance();
    let again = office.failure().await;
    assert_eq!(now(), told + s(10), "whoever asks for a reading is answered at once");
    assert_eq!(again.retry_in, Some(s(30)));
    office.says_until_settled().await;
    let requests = remote.timed_requests();
    assert!(requests[1].0 >= told + s(40), "asked {:?} after", requests[1].0 - told);
    assert_eq!(remote.holds().await, ["10@www"], "the newer order was carried out");
}

#[tokio::test(start_paused = true)]
async fn a_reading_in_advance_that_is_told_to_wait_makes_the_order_wait_too() {
    let remote = Remote::new(&[WWW], &[10, 11]);
    remote.reads([Fate::Unavailable(Some(s(20)))]);
    let mut office = Office::open(remote.clone());
    office.read_in_advance();
    assert_eq!(office.failure().await.retry_in, None, "nothing is due");
    let told = now();
    office.order("-10", 0);
    office.says_until_settled().await;
    assert!(remote.timed_requests()[1].0 >= told + s(20));
}

#[tokio::test(start_paused = true)]
async fn a_newer_order_does_not_wait_out_the_backoff_of_an_older_one() {
    let remote = Remote::new(&[WWW], &[10, 11]);
    remote.reads([Fate::Unavailable(None); 8]);
    let mut office = Office::open(remote.clone());
    office.order("-10", 0);
    for _ in 0..8 {
        office.failure().await;
    }
    sleep(s(3)).await;
    let placed = now();
    office.order("-11", 0);
    office.says_until_settled().await;
    assert!(placed.elapsed() < s(1), "{:?}", placed.elapsed());
    assert_eq!(remote.holds().await, ["10@www"]);
}

#[tokio::test(start_paused = true)]
async fn many_orders_do_not_hammer_a_provider_that_fails() {
    let remote = Remote::new(&[WWW], &[10, 11]);
    remote.reads(std::iter::repeat_n(Fate::Unavailable(None), 1000));
    let mut office = Office::open(remote.clone());
    for nth in 0..400 {
        office.order(if nth % 2 == 0 { "-10" } else { "-10 -11" }, 0);
        sleep(ms(50)).await;
        office.said();
    }
    let tries = remote.requests().len();
    assert!(tries <= 41, "{tries} requests in 20 s");
    remote.heals();
    office.says_until_settled().await;
    assert_eq!(remote.holds().await, [""; 0]);
}

/// Defect 2 of the Go agent: a call that hung stopped everything for ever. Providers give up by
/// themselves; this is for one that does not.
#[tokio::test(start_paused = true)]
async fn a_call_that_never_ends_does_not_silence_the_worker() {
    let remote = Remote::new(&[WWW], &[10, 11]);
    remote.reads([Fate::Never]);
    remote.writes([Fate::Never]);
    let mut office = Office::open(remote.clone());
    office.order("-10", 0);
    let (reading, writing) = (office.failure().await, office.failure().await);
    assert_eq!(reading.kind, DnsProblemKind::Unavailable, "{reading:?}");
    assert_eq!(writing.kind, DnsProblemKind::Unconfirmed, "{writing:?}");
    assert_eq!(office.says_until_settled().await, ["withdrew 10@www", "settled"]);
}

#[tokio::test(start_paused = true)]
async fn a_zone_that_changes_again_and_again_is_left_alone_for_a_while() {
    let remote = Remote::new(&[WWW], &[10, 11]);
    remote.writes([Fate::Changed; 7]);
    let mut office = Office::open(remote.clone());
    office.order("-10", 0);
    assert_eq!(office.says().await, "apart: www");
    assert_eq!(remote.requests().len(), 4, "twice read and tried without a rest");
    assert_eq!(office.says_until_settled().await[0], "withdrew 10@www");
}
