//! A write without an answer may still be carried out, and a reading may be untrue: the zone is read
//! until that is over.

use goavail::dns::memory::{Memory, Remembered};
use goavail::dns::{Attributes, Extra};
use goavail::engine::event::DnsReport;
use tokio::time::sleep;

use super::office::{Start, now};
use super::{Fate, Office, Remote, Request, TTL, WWW, ip, s};
use crate::contract::set_of;

/// How many seconds after `began` the zone was read, to the second below.
fn readings(remote: &Remote, began: tokio::time::Instant) -> Vec<u64> {
    let requests = remote.timed_requests().into_iter();
    let reads = requests.filter(|(_, request)| *request == Request::Read);
    reads.map(|(at, _)| (at - began).as_secs()).collect()
}

fn remembered(ttl: u32) -> Memory {
    let attributes = Attributes { ttl, extra: Extra::None };
    [(set_of(WWW, ip(10)), ip(10), attributes)].into_iter().collect()
}

#[tokio::test(start_paused = true)]
async fn a_late_deletion_of_an_address_that_is_up_again_is_healed() {
    let remote = Remote::new(&[WWW], &[10, 11]);
    remote.writes([Fate::Late(s(14))]);
    let mut office = Office::open(remote.clone());
    office.order("-10", 0);
    office.failure().await;
    office.order("+10", 0);
    sleep(s(10)).await;
    assert_eq!(remote.holds().await, ["10@www", "11@www"], "not yet carried out");
    assert_eq!(office.says_until_settled().await.last().unwrap(), "settled");
    assert_eq!(remote.holds().await, ["10@www", "11@www"]);
    assert!(remote.carried().len() > 1, "it went and came back");
}

#[tokio::test(start_paused = true)]
async fn a_late_creation_of_an_address_that_is_down_again_is_undone() {
    let remote = Remote::new(&[WWW], &[11]);
    remote.writes([Fate::Late(s(40))]);
    let mut office = Office::open(remote.clone());
    office.order("+10", 0);
    office.failure().await;
    office.order("-10", 0);
    office.says_until_settled().await;
    assert_eq!(remote.holds().await, ["11@www"]);
}

#[tokio::test(start_paused = true)]
async fn it_is_read_after_5_15_30_60_and_120_seconds_before_it_counts_as_settled() {
    let remote = Remote::new(&[WWW], &[10, 11]);
    remote.writes([Fate::LostAfter]);
    let mut office = Office::open(remote.clone());
    office.order("-10", 0);
    office.failure().await;
    let began = now();
    office.says_until_settled().await;
    assert!(began.elapsed() >= s(120));
    let at = readings(&remote, began);
    assert_eq!(at[at.len() - 5..], [5, 15, 30, 60, 120]);
    sleep(s(3600)).await;
    assert_eq!(readings(&remote, began), [0; 0], "and then no more");
}

#[tokio::test(start_paused = true)]
async fn nobody_is_told_what_is_there_while_that_is_in_doubt() {
    let remote = Remote::new(&[WWW], &[10, 11]);
    remote.writes([Fate::LostAfter]);
    let mut office = Office::open(remote.clone());
    office.order("-10", 0);
    let place = (set_of(WWW, ip(10)), ip(10));
    let began = loop {
        if let DnsReport::Doubted(doubted) = office.report().await {
            assert!(doubted.contains(&place));
            break now();
        }
    };
    loop {
        if let DnsReport::Listed(observed) = office.report().await {
            let is_over = began.elapsed() >= s(120);
            assert_eq!(observed.holds(&place.0, place.1), is_over.then_some(false));
            assert_eq!(observed.holds(&place.0, ip(11)), Some(true));
            if is_over {
                break;
            }
        }
    }
}

/// The last agent was killed while its deletion was under way.
#[tokio::test(start_paused = true)]
async fn what_the_last_agent_may_have_left_under_way_is_looked_after_at_the_start() {
    let remote = Remote::new(&[WWW], &[10, 11]);
    let start = Start { memory: remembered(77), ..Start::default() };
    let mut office = Office::start(remote.clone(), start);
    office.order("+10 +11", 0);
    sleep(s(20)).await;
    remote.take(WWW, 10).await;
    office.says_until_settled().await;
    assert_eq!(remote.holds().await, ["10@www", "11@www"]);
    assert_eq!(remote.carries(WWW, 10).await.0, 77, "with all that it carried");
    assert!(office.told.lock().unwrap().last().unwrap().records().next().is_none(), "forgotten");
}

#[tokio::test(start_paused = true)]
async fn a_remembered_record_is_kept_until_the_last_reading_over_a_restart_too() {
    let remote = Remote::new(&[WWW], &[10, 11]);
    let start = Start { memory: remembered(77), ..Start::default() };
    let office = Office::start(remote.clone(), start);
    office.order("+10 +11", 0);
    sleep(s(50)).await;
    office.stop();
    let memory = office.ended().await;
    assert_eq!(memory, remembered(77), "there, and not yet sure to stay");
}

#[tokio::test(start_paused = true)]
async fn an_ordinary_change_costs_no_reading_more() {
    let remote = Remote::new(&[WWW], &[10, 11]);
    let mut office = Office::open(remote.clone());
    let began = now();
    office.order("-10", 0);
    office.says_until_settled().await;
    sleep(s(600)).await;
    assert_eq!(readings(&remote, began).len(), 2, "before the change and after it");
}

/// The last agent was killed while it created what was never there.
#[tokio::test(start_paused = true)]
async fn a_creation_that_was_under_way_is_looked_after_by_the_next_agent() {
    let remote = Remote::new(&[WWW], &[11]);
    remote.writes([Fate::Late(s(40))]);
    let office = Office::open(remote.clone());
    office.order("+10", 0);
    sleep(s(1)).await;
    let kept = office.told.lock().unwrap().last().cloned().expect("told before it was written");
    assert_eq!(kept.pending().count(), 1, "{kept:?}");
    drop(office);

    // By now the address is dead.
    let start = Start { memory: kept, ..Start::default() };
    let mut office = Office::start(remote.clone(), start);
    office.order("-10", 0);
    office.says_until_settled().await;
    assert_eq!(remote.holds().await, ["11@www"]);
    let told = office.told.lock().unwrap().last().cloned().unwrap();
    assert_eq!(told.pending().count(), 0, "it is over");
}

#[tokio::test(start_paused = true)]
async fn a_creation_that_was_confirmed_and_seen_is_over() {
    let remote = Remote::new(&[WWW], &[11]);
    let mut office = Office::open(remote.clone());
    office.order("+10", 0);
    office.says_until_settled().await;
    assert_eq!(office.told.lock().unwrap().last().unwrap(), &Memory::default());
}

/// The provider's listing is empty for a while, and an address dies.
#[tokio::test(start_paused = true)]
async fn an_untrue_reading_keeps_no_dead_address_in() {
    for in_advance in [true, false] {
        let remote = Remote::new(&[WWW], &[10, 11]);
        let mut office = Office::open(remote.clone());
        office.order("+10 +11", 0);
        office.says_until_settled().await;
        sleep(s(60)).await;
        remote.reads([Fate::Empty; 3]);
        if in_advance {
            office.read_in_advance();
            sleep(s(1)).await;
        }
        remote.requests();
        let began = now();
        office.order("-10", 0);
        assert_eq!(office.says().await, "withdrew 10@www");
        let at = readings(&remote, began);
        assert_eq!(at[at.len() - 3..], [5, 15, 30], "in advance: {in_advance}");
        office.says_until_settled().await;
        assert_eq!(remote.holds().await, ["11@www"]);
    }
}

#[tokio::test(start_paused = true)]
async fn an_address_that_others_took_out_counts_as_gone_after_the_last_reading() {
    let remote = Remote::new(&[WWW], &[10, 11]);
    let mut office = Office::open(remote.clone());
    office.read_in_advance();
    sleep(s(60)).await;
    office.said();
    remote.take(WWW, 10).await;
    remote.requests();
    let began = now();
    office.order("-10", 0);
    let place = (set_of(WWW, ip(10)), ip(10));
    loop {
        match office.report().await {
            DnsReport::Listed(observed) if began.elapsed() > s(1) => {
                let is_over = began.elapsed() >= s(120);
                assert_eq!(observed.holds(&place.0, place.1), is_over.then_some(false));
            }
            DnsReport::Settled { open, .. } if open.is_empty() => break,
            _ => {}
        }
    }
    assert_eq!(readings(&remote, began), [0, 5, 15, 30, 60, 120]);
    office.order_anew("-10", 0);
    assert_eq!(office.says_until_settled().await, ["settled"]);
    assert_eq!(remote.requests(), [Request::Read], "and that is that");
}

/// A listing that is out of date shows what was withdrawn; were it believed, a live address would
/// stay out, and what it carried would be forgotten.
#[tokio::test(start_paused = true)]
async fn an_outdated_reading_keeps_no_live_address_out() {
    let remote = Remote::new(&[WWW], &[10, 11]);
    let mut office = Office::open(remote.clone());
    office.order("-10", 0);
    office.says_until_settled().await;
    sleep(s(60)).await;
    remote.reads([Fate::Outdated, Fate::Outdated]);
    office.order("+10", 0);
    assert_eq!(office.says().await, "restored 10@www");
    office.says_until_settled().await;
    assert_eq!(remote.holds().await, ["10@www", "11@www"]);
    assert_eq!(remote.carries(WWW, 10).await.0, TTL);
}

#[tokio::test(start_paused = true)]
async fn a_record_that_is_remembered_to_be_back_with_less_is_expected_there() {
    let remote = Remote::new(&[WWW], &[10, 11]);
    remote.reads([Fate::Empty]);
    let attributes = Attributes { ttl: 77, extra: Extra::None };
    let came_back_as = Some(Attributes { ttl: TTL, extra: Extra::None });
    let record = Remembered { attributes, came_back_as };
    let memory = [(set_of(WWW, ip(10)), ip(10), record)].into_iter().collect();
    let mut office = Office::start(remote.clone(), Start { memory, ..Start::default() });
    office.order("-10", 0);
    assert_eq!(office.says().await, "withdrew 10@www");
}

#[tokio::test(start_paused = true)]
async fn what_another_agent_may_have_done_is_no_surprise() {
    let remote = Remote::new(&[WWW], &[10, 11]);
    let mut office = Office::start(remote.clone(), Start { shared: true, ..Start::default() });
    office.read_in_advance();
    sleep(s(60)).await;
    remote.take(WWW, 10).await;
    remote.requests();
    office.order("-10", 0);
    assert_eq!(office.says_until_settled().await, ["settled"]);
    assert_eq!(remote.requests(), [Request::Read]);
}
