//! Reports are true, are made once, and contain the duration.

use goavail::engine::event::DnsReport;
use goavail::testing::dns::now;
use tokio::time::sleep;

use super::{Harness, Outcome, Remote, Request, WWW, ms, s};

#[tokio::test(start_paused = true)]
async fn a_change_with_a_lost_answer_is_reported_when_a_listing_shows_it() {
    let remote = Remote::new(&[WWW], &[10, 11]);
    remote.writes([Outcome::LostAfter]);
    let mut harness = Harness::open(remote.clone());
    harness.order("-10", 0);
    let reports = harness.reports_until_confirmed().await;
    assert_eq!(reports, ["failing: unconfirmed", "withdrew 10@www", "confirmed"]);
    let writes = remote.requests().into_iter().filter(|r| *r != Request::Read).count();
    assert_eq!(writes, 1, "what is in force is not asked for again");
}

#[tokio::test(start_paused = true)]
async fn a_change_with_a_lost_answer_is_not_reported_before_it_is_in_force() {
    let remote = Remote::new(&[WWW], &[10, 11]);
    remote.writes([Outcome::LostBefore, Outcome::LostBefore]);
    let mut harness = Harness::open(remote.clone());
    harness.order("-10", 0);
    let reports = harness.reports_until_confirmed().await;
    let twice = "failing: unconfirmed";
    assert_eq!(reports, [twice, twice, "withdrew 10@www", "confirmed"]);
}

/// A provider with an outdated listing, or one that forgets changes: the change is reported once,
/// and not repeated in a hurry.
#[tokio::test(start_paused = true)]
async fn a_confirmed_change_that_no_listing_shows_is_reported_once() {
    let remote = Remote::new(&[WWW], &[10, 11]);
    remote.writes([Outcome::Forgotten; 4]);
    let mut harness = Harness::open(remote.clone());
    harness.order("-10", 0);
    let reports = harness.reports_until_confirmed().await;
    assert_eq!(reports, ["withdrew 10@www", "set fails: www", "no set fails", "confirmed"]);
    let requests = remote.timed_requests();
    let writes: Vec<_> = requests.iter().filter(|(_, r)| *r != Request::Read).collect();
    assert_eq!(writes.len(), 5);
    for pair in writes.windows(2) {
        assert!(pair[1].0 - pair[0].0 >= ms(500), "written twice within half a second");
    }
}

#[tokio::test(start_paused = true)]
async fn the_duration_is_from_the_order_to_the_confirmation() {
    let took = |report: DnsReport| match report {
        DnsReport::Applied { took, .. } => Some(took),
        _ => None,
    };
    let remote = Remote::new(&[WWW], &[10, 11, 12]);
    remote.reads([Outcome::Takes(s(4))]);
    let mut harness = Harness::open(remote.clone());
    // The reconciler is listing the zone when the order is placed.
    harness.request_listing();
    sleep(s(1)).await;
    harness.order("-10", 0);
    let first = loop {
        if let Some(took) = took(harness.report().await) {
            break took;
        }
    };
    // 3.1 s of the listing, 0.1 s for the write.
    assert_eq!(first, ms(3200));
    harness.reports_until_confirmed().await;

    // A desired state keeps its time through the orders that replace its own.
    remote.writes([Outcome::Unavailable(None)]);
    let desired = now();
    harness.order("-11", 0);
    harness.failure().await;
    harness.order("-11 +12", 0);
    harness.until_without_failure(|report| took(report) == Some(desired.elapsed())).await;
}

#[tokio::test(start_paused = true)]
async fn a_state_that_existed_before_is_not_reported_as_a_change() {
    let remote = Remote::new(&[WWW], &[11]);
    let mut harness = Harness::open(remote.clone());
    harness.order("-10 +11", 0);
    assert_eq!(harness.reports_until_confirmed().await, ["confirmed"]);
    assert_eq!(remote.requests(), [Request::Read]);
}
