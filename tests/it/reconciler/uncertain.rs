//! A write with a lost answer may still take effect, and a listing may be wrong: the zone is listed
//! until it is certain.

use goavail::engine::event::DnsReport;
use goavail::testing::dns::{Attributes, Extra, RecordMemory, Remembered};
use tokio::time::sleep;

use super::harness::{Start, now};
use super::{Harness, Outcome, Remote, Request, TTL, WWW, ip, s};
use crate::contract::set_of;

/// Returns the seconds from `began` to each listing, rounded down.
fn listings(remote: &Remote, began: tokio::time::Instant) -> Vec<u64> {
    let requests = remote.timed_requests().into_iter();
    let reads = requests.filter(|(_, request)| *request == Request::Read);
    reads.map(|(at, _)| (at - began).as_secs()).collect()
}

fn remembered(ttl: u32) -> RecordMemory {
    let attributes = Attributes { ttl, extra: Extra::None };
    [(set_of(WWW, ip(10)), ip(10), attributes)].into_iter().collect()
}

#[tokio::test(start_paused = true)]
async fn a_late_deletion_of_an_address_that_is_up_again_is_healed() {
    let remote = Remote::new(&[WWW], &[10, 11]);
    remote.writes([Outcome::Late(s(14))]);
    let mut harness = Harness::open(remote.clone());
    harness.order("-10", 0);
    harness.failure().await;
    harness.order("+10", 0);
    sleep(s(10)).await;
    assert_eq!(remote.holds().await, ["10@www", "11@www"], "not yet carried out");
    assert_eq!(harness.reports_until_confirmed().await.last().unwrap(), "confirmed");
    assert_eq!(remote.holds().await, ["10@www", "11@www"]);
    assert!(remote.carried().len() > 1, "it went and came back");
}

#[tokio::test(start_paused = true)]
async fn a_late_creation_of_an_address_that_is_down_again_is_undone() {
    let remote = Remote::new(&[WWW], &[11]);
    remote.writes([Outcome::Late(s(40))]);
    let mut harness = Harness::open(remote.clone());
    harness.order("+10", 0);
    harness.failure().await;
    harness.order("-10", 0);
    harness.reports_until_confirmed().await;
    assert_eq!(remote.holds().await, ["11@www"]);
}

#[tokio::test(start_paused = true)]
async fn the_zone_is_listed_after_5_15_30_60_and_120_seconds() {
    let remote = Remote::new(&[WWW], &[10, 11]);
    remote.writes([Outcome::LostAfter]);
    let mut harness = Harness::open(remote.clone());
    harness.order("-10", 0);
    harness.failure().await;
    let began = now();
    harness.reports_until_confirmed().await;
    assert!(began.elapsed() >= s(120));
    let at = listings(&remote, began);
    assert_eq!(at[at.len() - 5..], [5, 15, 30, 60, 120]);
    sleep(s(3600)).await;
    assert_eq!(listings(&remote, began), [0; 0], "and then no more");
}

#[tokio::test(start_paused = true)]
async fn an_uncertain_place_is_reported_as_unknown() {
    let remote = Remote::new(&[WWW], &[10, 11]);
    remote.writes([Outcome::LostAfter]);
    let mut harness = Harness::open(remote.clone());
    harness.order("-10", 0);
    let place = (set_of(WWW, ip(10)), ip(10));
    let began = loop {
        if let DnsReport::Uncertain(uncertain) = harness.report().await {
            assert!(uncertain.contains(&place));
            break now();
        }
    };
    loop {
        if let DnsReport::Listed(observed) = harness.report().await {
            let is_over = began.elapsed() >= s(120);
            assert_eq!(observed.holds(&place.0, place.1), is_over.then_some(false));
            assert_eq!(observed.holds(&place.0, ip(11)), Some(true));
            if is_over {
                break;
            }
        }
    }
}

/// The last agent was killed during its deletion.
#[tokio::test(start_paused = true)]
async fn an_unfinished_deletion_of_the_last_agent_is_verified_at_the_start() {
    let remote = Remote::new(&[WWW], &[10, 11]);
    let start = Start { memory: remembered(77), ..Start::default() };
    let mut harness = Harness::start(remote.clone(), start);
    harness.order("+10 +11", 0);
    sleep(s(20)).await;
    remote.take(WWW, 10).await;
    harness.reports_until_confirmed().await;
    assert_eq!(remote.holds().await, ["10@www", "11@www"]);
    assert_eq!(remote.carries(WWW, 10).await.0, 77, "with all that it carried");
    assert!(harness.saved.lock().unwrap().last().unwrap().records().next().is_none(), "forgotten");
}

#[tokio::test(start_paused = true)]
async fn a_remembered_record_is_kept_until_the_last_listing_even_across_a_restart() {
    let remote = Remote::new(&[WWW], &[10, 11]);
    let start = Start { memory: remembered(77), ..Start::default() };
    let harness = Harness::start(remote.clone(), start);
    harness.order("+10 +11", 0);
    sleep(s(50)).await;
    harness.stop();
    let memory = harness.ended().await;
    assert_eq!(memory, remembered(77), "there, and not yet sure to stay");
}

#[tokio::test(start_paused = true)]
async fn an_ordinary_change_needs_no_further_listing() {
    let remote = Remote::new(&[WWW], &[10, 11]);
    let mut harness = Harness::open(remote.clone());
    let began = now();
    harness.order("-10", 0);
    harness.reports_until_confirmed().await;
    sleep(s(600)).await;
    assert_eq!(listings(&remote, began).len(), 2, "before the change and after it");
}

/// The last agent was killed while it created a record that had never existed.
#[tokio::test(start_paused = true)]
async fn an_unfinished_creation_is_verified_by_the_next_agent() {
    let remote = Remote::new(&[WWW], &[11]);
    remote.writes([Outcome::Late(s(40))]);
    let harness = Harness::open(remote.clone());
    harness.order("+10", 0);
    sleep(s(1)).await;
    let kept = harness.saved.lock().unwrap().last().cloned().expect("saved before it was written");
    assert_eq!(kept.pending().count(), 1, "{kept:?}");
    drop(harness);

    // By now the address is dead.
    let start = Start { memory: kept, ..Start::default() };
    let mut harness = Harness::start(remote.clone(), start);
    harness.order("-10", 0);
    harness.reports_until_confirmed().await;
    assert_eq!(remote.holds().await, ["11@www"]);
    let told = harness.saved.lock().unwrap().last().cloned().unwrap();
    assert_eq!(told.pending().count(), 0, "it is over");
}

#[tokio::test(start_paused = true)]
async fn a_creation_that_was_confirmed_and_listed_is_over() {
    let remote = Remote::new(&[WWW], &[11]);
    let mut harness = Harness::open(remote.clone());
    harness.order("+10", 0);
    harness.reports_until_confirmed().await;
    assert_eq!(harness.saved.lock().unwrap().last().unwrap(), &RecordMemory::default());
}

/// The provider's listing is empty for a while, and an address dies.
#[tokio::test(start_paused = true)]
async fn a_wrong_listing_keeps_no_dead_address_in() {
    for in_advance in [true, false] {
        let remote = Remote::new(&[WWW], &[10, 11]);
        let mut harness = Harness::open(remote.clone());
        harness.order("+10 +11", 0);
        harness.reports_until_confirmed().await;
        sleep(s(60)).await;
        remote.reads([Outcome::Empty; 3]);
        if in_advance {
            harness.request_listing();
            sleep(s(1)).await;
        }
        remote.requests();
        let began = now();
        harness.order("-10", 0);
        assert_eq!(harness.next_words().await, "withdrew 10@www");
        let at = listings(&remote, began);
        assert_eq!(at[at.len() - 3..], [5, 15, 30], "in advance: {in_advance}");
        harness.reports_until_confirmed().await;
        assert_eq!(remote.holds().await, ["11@www"]);
    }
}

#[tokio::test(start_paused = true)]
async fn an_address_that_others_removed_counts_as_gone_after_the_last_listing() {
    let remote = Remote::new(&[WWW], &[10, 11]);
    let mut harness = Harness::open(remote.clone());
    harness.request_listing();
    sleep(s(60)).await;
    harness.reported();
    remote.take(WWW, 10).await;
    remote.requests();
    let began = now();
    harness.order("-10", 0);
    let place = (set_of(WWW, ip(10)), ip(10));
    loop {
        match harness.report().await {
            DnsReport::Listed(observed) if began.elapsed() > s(1) => {
                let is_over = began.elapsed() >= s(120);
                assert_eq!(observed.holds(&place.0, place.1), is_over.then_some(false));
            }
            DnsReport::Confirmed { open, .. } if open.is_empty() => break,
            _ => {}
        }
    }
    assert_eq!(listings(&remote, began), [0, 5, 15, 30, 60, 120]);
    harness.order_with_listing("-10", 0);
    assert_eq!(harness.reports_until_confirmed().await, ["confirmed"]);
    assert_eq!(remote.requests(), [Request::Read], "and that is that");
}

/// An outdated listing shows a withdrawn address. If it were trusted, a live address would stay
/// out, and its settings would be forgotten.
#[tokio::test(start_paused = true)]
async fn an_outdated_listing_keeps_no_live_address_out() {
    let remote = Remote::new(&[WWW], &[10, 11]);
    let mut harness = Harness::open(remote.clone());
    harness.order("-10", 0);
    harness.reports_until_confirmed().await;
    sleep(s(60)).await;
    remote.reads([Outcome::Outdated, Outcome::Outdated]);
    harness.order("+10", 0);
    assert_eq!(harness.next_words().await, "restored 10@www");
    harness.reports_until_confirmed().await;
    assert_eq!(remote.holds().await, ["10@www", "11@www"]);
    assert_eq!(remote.carries(WWW, 10).await.0, TTL);
}

#[tokio::test(start_paused = true)]
async fn an_incompletely_restored_record_is_expected_to_be_present() {
    let remote = Remote::new(&[WWW], &[10, 11]);
    remote.reads([Outcome::Empty]);
    let attributes = Attributes { ttl: 77, extra: Extra::None };
    let came_back_as = Some(Attributes { ttl: TTL, extra: Extra::None });
    let record = Remembered { attributes, came_back_as };
    let memory = [(set_of(WWW, ip(10)), ip(10), record)].into_iter().collect();
    let mut harness = Harness::start(remote.clone(), Start { memory, ..Start::default() });
    harness.order("-10", 0);
    assert_eq!(harness.next_words().await, "withdrew 10@www");
}

/// Another agent has most likely made the change: the listing counts at once, and the zone is listed a
/// few more times.
#[tokio::test(start_paused = true)]
async fn a_change_by_another_agent_is_known_at_once_and_listed_three_more_times() {
    let remote = Remote::new(&[WWW], &[10, 11]);
    let mut harness = Harness::start(remote.clone(), Start { shared: true, ..Start::default() });
    harness.request_listing();
    sleep(s(60)).await;
    harness.reported();
    remote.take(WWW, 10).await;
    remote.requests();
    let began = now();
    harness.order("-10", 0);
    let place = (set_of(WWW, ip(10)), ip(10));
    assert_eq!(harness.reports_until_confirmed().await, ["confirmed"]);
    for _ in 0..3 {
        let DnsReport::Listed(observed) = harness.report().await else { panic!("a listing") };
        assert_eq!(observed.holds(&place.0, place.1), Some(false), "never unknown");
    }
    assert_eq!(listings(&remote, began), [0, 15, 60, 120]);
    sleep(s(600)).await;
    assert_eq!(remote.requests(), [], "and that is that");
}

/// Every agent of a cluster lists an empty zone at its turn, and takes the dead address for withdrawn
/// by another one. The reconciler reports the contradiction and waits for an order.
#[tokio::test(start_paused = true)]
async fn a_wrong_listing_for_every_agent_is_reported_once_the_zone_is_listed_right() {
    for wrong in [1, 2, 3] {
        let remote = Remote::new(&[WWW], &[10, 11]);
        let start = Start { shared: true, ..Start::default() };
        let mut harness = Harness::start(remote.clone(), start);
        harness.order("+10 +11", 0);
        harness.reports_until_confirmed().await;
        sleep(s(60)).await;
        remote.reads(vec![Outcome::Empty; wrong]);
        remote.requests();
        let began = now();
        harness.order("-10", 0);
        assert_eq!(harness.next_words().await, "confirmed");
        assert_eq!(harness.next_words().await, "contradicted 10@www");
        assert_eq!(listings(&remote, began), [0, 15, 60, 120][..=wrong]);
        assert_eq!(
            remote.holds().await,
            ["10@www", "11@www"],
            "nothing is written without an order"
        );
        harness.order("-10", 0);
        assert_eq!(harness.next_words().await, "withdrew 10@www");
        harness.reports_until_confirmed().await;
        assert_eq!(remote.holds().await, ["11@www"]);
    }
}

/// The other address of the same order is confirmed, and then a peer withdraws it.
#[tokio::test(start_paused = true)]
async fn a_recheck_restores_no_other_address_of_the_last_order() {
    let remote = Remote::new(&[WWW], &[10, 11, 12]);
    let mut harness = Harness::start(remote.clone(), Start { shared: true, ..Start::default() });
    harness.request_listing();
    sleep(s(60)).await;
    harness.reported();
    remote.take(WWW, 10).await;
    harness.order("-10 +11 +12", 0);
    harness.reports_until_confirmed().await;
    remote.take(WWW, 11).await;
    remote.requests();
    sleep(s(600)).await;
    assert_eq!(remote.requests().len(), 3, "and nothing was written");
    assert_eq!(remote.holds().await, ["12@www"]);
}

/// The pause that the provider asks for covers one of the listings.
#[tokio::test(start_paused = true)]
async fn a_recheck_respects_the_pause_of_the_provider() {
    let remote = Remote::new(&[WWW], &[10, 11]);
    let mut harness = Harness::start(remote.clone(), Start { shared: true, ..Start::default() });
    harness.request_listing();
    sleep(s(60)).await;
    remote.take(WWW, 10).await;
    harness.order("-10", 0);
    harness.reports_until("confirmed").await;
    remote.requests();
    let began = now();
    remote.reads([Outcome::Unavailable(Some(s(100)))]);
    sleep(s(600)).await;
    assert_eq!(listings(&remote, began), [15, 120]);
}

/// An order is in force, and one address of it is listed again because its answer was lost. The engine
/// no longer answers for the others, which peers change meanwhile.
#[tokio::test(start_paused = true)]
async fn the_listings_after_a_lost_answer_undo_nothing_at_confirmed_addresses() {
    for (words, at_first) in [("-10 +11", &[10, 11, 12][..]), ("-10 -11", &[10, 12])] {
        let remote = Remote::new(&[WWW], at_first);
        remote.writes([Outcome::LostAfter]);
        let mut harness =
            Harness::start(remote.clone(), Start { shared: true, ..Start::default() });
        harness.order(words, 0);
        harness.reports_until("withdrew 10@www").await;
        sleep(s(1)).await;
        let was_in = at_first.contains(&11);
        if was_in {
            remote.take(WWW, 11).await;
        } else {
            remote.put(WWW, 11);
        }
        sleep(s(600)).await;
        let holds = remote.holds().await;
        assert_eq!(holds.contains(&"11@www".to_owned()), !was_in, "{words}: {holds:?}");
    }
}
