//! The floor holds, whoever else changes the set at the same moment.
//!
//! Defect 3 of the Go agent: it had none.

use goavail::engine::event::DnsReport;
use tokio::time::{Instant, sleep_until};

use super::office::now;
use super::{API, Fate, Office, Remote, Request, TTL, WWW, ip, ms, s};
use crate::contract::{ProviderUnderTest, set_of};

#[tokio::test(start_paused = true)]
async fn the_last_address_stays_and_goes_as_soon_as_another_one_is_back() {
    let remote = Remote::new(&[WWW], &[10]);
    let mut office = Office::open(remote.clone());
    office.order("-10", 1);
    assert_eq!(office.says_until_settled().await, ["settled but for 10@www"]);
    office.order("-10 +11", 1);
    let said = office.says_until_settled().await;
    assert_eq!(said, ["withdrew 10@www, restored 11@www", "settled"]);
    assert_eq!(remote.holds().await, ["11@www"]);
}

/// What the driver does for a worker that is held back: it orders the same again 15 s later.
async fn tend(mut office: Office, words: &str, floor: usize, end: Instant) {
    office.order(words, floor);
    loop {
        let report = tokio::select! {
            report = office.report() => report,
            () = sleep_until(end) => return,
        };
        if matches!(report, DnsReport::Settled { held, .. } if !held.is_empty()) {
            sleep_until((now() + s(15)).min(end)).await;
            office.order_anew(words, floor);
        }
    }
}

/// For how long at most the set at `www` was under a floor of 1.
fn longest_breach(agents: &[Remote], end: Instant) -> std::time::Duration {
    let mut carried: Vec<_> = agents.iter().flat_map(Remote::carried).collect();
    carried.sort_by_key(|write| write.at);
    let ends = carried.iter().skip(1).map(|write| write.at).chain([end]);
    let sets = carried.iter().zip(ends);
    let breaches = sets.filter(|(write, _)| {
        write.after.get(&set_of(WWW, ip(10))).is_none_or(std::collections::BTreeSet::is_empty)
    });
    breaches.map(|(write, until)| until - write.at).max().unwrap_or_default()
}

/// Two agents, a set of two addresses, a floor of one; each is told to withdraw at the same moment.
/// Returns what is left after ten
/// minutes, and the longest time that nothing was.
async fn race(
    seed: u64,
    swapping: bool,
    words: [&str; 2],
    lag: u64,
) -> (Vec<String>, std::time::Duration) {
    let first = Remote::new(&[WWW], &[10, 11]);
    let first = if swapping { first.swapping() } else { first };
    let agents = [first.apart().diced(seed), first.apart().diced(!seed)];
    let end = now() + s(600);
    let [one, two] = agents.each_ref().map(|agent| Office::open(agent.clone()));
    tokio::join!(tend(one, words[0], 1, end), async {
        sleep_until(now() + ms(lag)).await;
        tend(two, words[1], 1, end).await;
    });
    (first.holds().await, longest_breach(&agents, end))
}

#[test]
fn two_agents_that_withdraw_the_last_two_addresses_at_once_leave_one() {
    let cases = [
        ("each sees another one dead", ["-10", "-11"]),
        ("both see both dead", ["-10 -11", "-10 -11"]),
        ("one sees more than the other", ["-10 -11", "-11"]),
        ("one sees less than the other", ["-10", "-10 -11"]),
    ];
    for (name, words) in cases {
        for seed in 0..100 {
            for swapping in [false, true] {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .start_paused(true)
                    .build()
                    .unwrap();
                let (left, breach) = runtime.block_on(race(seed, swapping, words, seed % 7 * 50));
                let run = format!("{name}, seed {seed}, swapping {swapping}");
                assert_eq!(left.len(), 1, "{run}: {left:?}");
                // The answer, a reading and the way of the repair, at up to 0.3 s each way.
                let bound = if swapping { ms(0) } else { ms(1200) };
                assert!(breach <= bound, "{run}: nothing was left for {breach:?}");
            }
        }
    }
}

/// Both took one out at the same moment, and to neither the provider's answer came through.
#[tokio::test(start_paused = true)]
async fn answers_that_were_lost_do_not_leave_the_floor_broken() {
    let zone = Remote::new(&[WWW], &[10, 11]);
    let agents = [zone.apart(), zone.apart()];
    for agent in &agents {
        agent.writes([Fate::LostAfter]);
    }
    let [mut one, mut two] = agents.map(Office::open);
    one.order("-10", 1);
    two.order("-11", 1);
    let (first, second) = tokio::join!(one.says_until_settled(), two.says_until_settled());
    assert!(!zone.holds().await.is_empty(), "{first:?} {second:?}");
}

#[tokio::test(start_paused = true)]
async fn what_comes_back_comes_back_whole_and_is_held_for_a_while() {
    let remote = Remote::new(&[WWW], &[10, 11]);
    remote.zone.adorn(WWW, ip(10)).await;
    let before = remote.carries(WWW, 10).await;
    remote.writes([Fate::Takes(s(2))]);
    let mut office = Office::open(remote.clone());
    office.order("-10", 1);
    sleep_until(now() + s(1)).await;
    remote.take(WWW, 11).await;
    let said = office.says_until_settled().await;
    assert_eq!(said, ["withdrew 10@www", "restored 10@www", "settled but for 10@www"]);
    assert_eq!(remote.carries(WWW, 10).await, before);
    // Another address is back at once: this one still stays a while, then goes.
    remote.zone.put(WWW, ip(11), TTL);
    office.order_anew("-10", 1);
    assert_eq!(office.says_until_settled().await, ["settled but for 10@www"]);
    sleep_until(now() + s(65)).await;
    office.order_anew("-10", 1);
    assert_eq!(office.says_until_settled().await, ["withdrew 10@www", "settled"]);
}

/// A withdrawal whose write is on its way while another agent takes the other address out.
async fn broken(remote: &Remote, office: &Office) {
    remote.writes([Fate::Takes(s(2))]);
    office.order("-10", 1);
    sleep_until(now() + s(1)).await;
    remote.take(WWW, 11).await;
}

#[tokio::test(start_paused = true)]
async fn a_repair_that_fails_is_tried_again() {
    for fate in [Fate::Unavailable(None), Fate::Refused, Fate::LostBefore, Fate::Changed] {
        let remote = Remote::new(&[WWW], &[10, 11]);
        let mut office = Office::open(remote.clone());
        broken(&remote, &office).await;
        remote.writes([fate, fate]);
        let said = office.says_until_settled().await;
        assert_eq!(remote.holds().await, ["10@www"], "{fate:?}: {said:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_repair_is_made_though_the_reading_before_it_fails() {
    let remote = Remote::new(&[WWW], &[10, 11]);
    let mut office = Office::open(remote.clone());
    remote.reads([Fate::Works, Fate::Unavailable(None), Fate::Unavailable(None)]);
    broken(&remote, &office).await;
    office.says_until_settled().await;
    assert_eq!(remote.holds().await, ["10@www"]);
}

#[tokio::test(start_paused = true)]
async fn a_repair_survives_a_newer_order() {
    for words in ["-10", "-10 +12", "", "+12"] {
        let remote = Remote::new(&[WWW, API], &[10, 11]);
        let mut office = Office::open(remote.clone());
        broken(&remote, &office).await;
        office.order(words, 1);
        office.says_until_settled().await;
        let left = remote.holds().await.iter().filter(|r| r.ends_with("@www")).count();
        assert_eq!(left, 1, "{words:?}: {:?}", remote.holds().await);
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_repairs_what_the_operator_ordered() {
    let remote = Remote::new(&[WWW], &[10, 11]);
    let mut office = Office::open(remote.clone());
    office.order("!10 -11", 1);
    assert_eq!(office.says_until_settled().await, ["withdrew 10@www", "settled but for 11@www"]);
    office.order("!10 !11", 1);
    assert_eq!(office.says_until_settled().await, ["withdrew 11@www", "settled"]);
    // Withdrawn for its health first, by hand while the write was on its way.
    let remote = Remote::new(&[WWW], &[10, 11]);
    let mut office = Office::open(remote.clone());
    broken(&remote, &office).await;
    office.order("!10", 1);
    office.says_until_settled().await;
    assert_eq!(remote.holds().await, [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_missing_address_that_is_wished_for_needs_no_other_to_come_back() {
    let remote = Remote::new(&[WWW], &[10, 11]);
    let mut office = Office::open(remote.clone());
    broken(&remote, &office).await;
    office.order("-10 +12", 1);
    let said = office.says_until_settled().await;
    assert_eq!(said, ["withdrew 10@www", "restored 12@www", "settled"]);
    let writes: Vec<_> =
        remote.requests().into_iter().filter(|request| *request != Request::Read).collect();
    assert_eq!(writes.len(), 2, "{writes:?}");
}
