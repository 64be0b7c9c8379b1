//! What is reported is so, is said once, and says how long it took.

use goavail::dns::worker::now;
use goavail::engine::event::DnsReport;
use tokio::time::sleep;

use super::{Fate, Office, Remote, Request, WWW, ms, s};

#[tokio::test(start_paused = true)]
async fn a_change_whose_answer_was_lost_is_reported_when_a_reading_shows_it() {
    let remote = Remote::new(&[WWW], &[10, 11]);
    remote.writes([Fate::LostAfter]);
    let mut office = Office::open(remote.clone());
    office.order("-10", 0);
    let said = office.says_until_settled().await;
    assert_eq!(said, ["failing: unconfirmed", "withdrew 10@www", "settled"]);
    let writes = remote.requests().into_iter().filter(|r| *r != Request::Read).count();
    assert_eq!(writes, 1, "what is in force is not asked for again");
}

#[tokio::test(start_paused = true)]
async fn a_change_whose_answer_was_lost_is_not_reported_before_it_is_so() {
    let remote = Remote::new(&[WWW], &[10, 11]);
    remote.writes([Fate::LostBefore, Fate::LostBefore]);
    let mut office = Office::open(remote.clone());
    office.order("-10", 0);
    let said = office.says_until_settled().await;
    let twice = "failing: unconfirmed";
    assert_eq!(said, [twice, twice, "withdrew 10@www", "settled"]);
}

/// A provider whose listing lags behind, or that forgets: said once, doubted aloud, and not asked
/// again in a hurry.
#[tokio::test(start_paused = true)]
async fn a_confirmed_change_that_no_reading_shows_is_reported_once() {
    let remote = Remote::new(&[WWW], &[10, 11]);
    remote.writes([Fate::Forgotten; 4]);
    let mut office = Office::open(remote.clone());
    office.order("-10", 0);
    let said = office.says_until_settled().await;
    assert_eq!(said, ["withdrew 10@www", "apart: www", "nothing apart", "settled"]);
    let requests = remote.timed_requests();
    let writes: Vec<_> = requests.iter().filter(|(_, r)| *r != Request::Read).collect();
    assert_eq!(writes.len(), 5);
    for pair in writes.windows(2) {
        assert!(pair[1].0 - pair[0].0 >= ms(500), "written twice within half a second");
    }
}

#[tokio::test(start_paused = true)]
async fn it_took_from_the_order_to_the_confirmation() {
    let took = |report: DnsReport| match report {
        DnsReport::Applied { took, .. } => Some(took),
        _ => None,
    };
    let remote = Remote::new(&[WWW], &[10, 11, 12]);
    remote.reads([Fate::Takes(s(4))]);
    let mut office = Office::open(remote.clone());
    // The worker is busy with a reading when the order comes.
    office.read_in_advance();
    sleep(s(1)).await;
    office.order("-10", 0);
    let first = loop {
        if let Some(took) = took(office.report().await) {
            break took;
        }
    };
    // 3.1 s of the reading, 0.1 s for the write.
    assert_eq!(first, ms(3200));
    office.says_until_settled().await;

    // A wish keeps its time through the orders that replace its own.
    remote.writes([Fate::Unavailable(None)]);
    let wished = now();
    office.order("-11", 0);
    office.failure().await;
    office.order("-11 +12", 0);
    office.failure_free(|report| took(report) == Some(wished.elapsed())).await;
}

#[tokio::test(start_paused = true)]
async fn nothing_is_reported_as_changed_that_was_so_before() {
    let remote = Remote::new(&[WWW], &[11]);
    let mut office = Office::open(remote.clone());
    office.order("-10 +11", 0);
    assert_eq!(office.says_until_settled().await, ["settled"]);
    assert_eq!(remote.requests(), [Request::Read]);
}
