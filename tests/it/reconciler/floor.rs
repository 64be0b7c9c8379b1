//! The floor holds during concurrent changes of the set.
//!
//! Defect 3 of the Go agent: it had none.

use goavail::engine::event::DnsReport;
use tokio::time::{Instant, sleep_until};

use super::harness::now;
use super::{API, Harness, Outcome, Remote, Request, TTL, WWW, ip, ms, s};
use crate::contract::{ProviderUnderTest, set_of};
use crate::lab::share;

#[tokio::test(start_paused = true)]
async fn the_last_address_stays_and_goes_as_soon_as_another_one_is_back() {
    let remote = Remote::new(&[WWW], &[10]);
    let mut harness = Harness::open(remote.clone());
    harness.order("-10", 1);
    assert_eq!(harness.reports_until_confirmed().await, ["confirmed but for 10@www"]);
    harness.order("-10 +11", 1);
    let reports = harness.reports_until_confirmed().await;
    assert_eq!(reports, ["withdrew 10@www, restored 11@www", "confirmed"]);
    assert_eq!(remote.holds().await, ["11@www"]);
}

/// Repeats the order 15 s after the floor held an address back, as the event loop does.
async fn tend(mut harness: Harness, words: &str, floor: usize, end: Instant) {
    harness.order(words, floor);
    loop {
        let report = tokio::select! {
            report = harness.report() => report,
            () = sleep_until(end) => return,
        };
        if matches!(report, DnsReport::Confirmed { held, .. } if !held.is_empty()) {
            sleep_until((now() + s(15)).min(end)).await;
            harness.order_with_listing(words, floor);
        }
    }
}

/// Returns the longest time for which the set at `www` was below a floor of 1.
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

/// Runs two agents on a set of two addresses with a floor of one; both are told to withdraw at the
/// same time. Returns the remaining records after ten minutes, and the longest time without any.
async fn race(
    seed: u64,
    swapping: bool,
    words: [&str; 2],
    lag: u64,
) -> (Vec<String>, std::time::Duration) {
    let first = Remote::new(&[WWW], &[10, 11]);
    let first = if swapping { first.swapping() } else { first };
    let agents = [first.other_agent().diced(seed), first.other_agent().diced(!seed)];
    let end = now() + s(600);
    let [one, two] = agents.each_ref().map(|agent| Harness::open(agent.clone()));
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
        for seed in 0..share(100).into() {
            for swapping in [false, true] {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .start_paused(true)
                    .build()
                    .unwrap();
                let (left, breach) = runtime.block_on(race(seed, swapping, words, seed % 7 * 50));
                let run = format!("{name}, seed {seed}, swapping {swapping}");
                assert_eq!(left.len(), 1, "{run}: {left:?}");
                // The answer, a listing and the repair, at up to 0.3 s each way.
                let bound = if swapping { ms(0) } else { ms(1200) };
                assert!(breach <= bound, "{run}: nothing was left for {breach:?}");
            }
        }
    }
}

/// Both withdrew an address at the same time, and both lost the provider's answer.
#[tokio::test(start_paused = true)]
async fn answers_that_were_lost_do_not_leave_the_floor_broken() {
    let zone = Remote::new(&[WWW], &[10, 11]);
    let agents = [zone.other_agent(), zone.other_agent()];
    for agent in &agents {
        agent.writes([Outcome::LostAfter]);
    }
    let [mut one, mut two] = agents.map(Harness::open);
    one.order("-10", 1);
    two.order("-11", 1);
    let (first, second) =
        tokio::join!(one.reports_until_confirmed(), two.reports_until_confirmed());
    assert!(!zone.holds().await.is_empty(), "{first:?} {second:?}");
}

#[tokio::test(start_paused = true)]
async fn a_repaired_address_gets_all_its_settings_and_stays_for_a_while() {
    let remote = Remote::new(&[WWW], &[10, 11]);
    remote.zone.adorn(WWW, ip(10)).await;
    let before = remote.carries(WWW, 10).await;
    remote.writes([Outcome::Takes(s(2))]);
    let mut harness = Harness::open(remote.clone());
    harness.order("-10", 1);
    sleep_until(now() + s(1)).await;
    remote.take(WWW, 11).await;
    let reports = harness.reports_until_confirmed().await;
    assert_eq!(reports, ["withdrew 10@www", "restored 10@www", "confirmed but for 10@www"]);
    assert_eq!(remote.carries(WWW, 10).await, before);
    // Another address returns at once: this one stays for a while, and is then withdrawn.
    remote.zone.put(WWW, ip(11), TTL);
    harness.order_with_listing("-10", 1);
    assert_eq!(harness.reports_until_confirmed().await, ["confirmed but for 10@www"]);
    sleep_until(now() + s(65)).await;
    harness.order_with_listing("-10", 1);
    assert_eq!(harness.reports_until_confirmed().await, ["withdrew 10@www", "confirmed"]);
}

/// Starts a withdrawal, and removes the other address during its write.
async fn broken(remote: &Remote, harness: &Harness) {
    remote.writes([Outcome::Takes(s(2))]);
    harness.order("-10", 1);
    sleep_until(now() + s(1)).await;
    remote.take(WWW, 11).await;
}

#[tokio::test(start_paused = true)]
async fn a_repair_that_fails_is_tried_again() {
    for fate in
        [Outcome::Unavailable(None), Outcome::Refused, Outcome::LostBefore, Outcome::Changed]
    {
        let remote = Remote::new(&[WWW], &[10, 11]);
        let mut harness = Harness::open(remote.clone());
        broken(&remote, &harness).await;
        remote.writes([fate, fate]);
        let reports = harness.reports_until_confirmed().await;
        assert_eq!(remote.holds().await, ["10@www"], "{fate:?}: {reports:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_repair_is_made_though_the_listing_before_it_fails() {
    let remote = Remote::new(&[WWW], &[10, 11]);
    let mut harness = Harness::open(remote.clone());
    remote.reads([Outcome::Works, Outcome::Unavailable(None), Outcome::Unavailable(None)]);
    broken(&remote, &harness).await;
    harness.reports_until_confirmed().await;
    assert_eq!(remote.holds().await, ["10@www"]);
}

#[tokio::test(start_paused = true)]
async fn a_repair_survives_a_newer_order() {
    for words in ["-10", "-10 +12", "", "+12"] {
        let remote = Remote::new(&[WWW, API], &[10, 11]);
        let mut harness = Harness::open(remote.clone());
        broken(&remote, &harness).await;
        harness.order(words, 1);
        harness.reports_until_confirmed().await;
        let left = remote.holds().await.iter().filter(|r| r.ends_with("@www")).count();
        assert_eq!(left, 1, "{words:?}: {:?}", remote.holds().await);
    }
}

#[tokio::test(start_paused = true)]
async fn an_address_that_the_operator_withdrew_is_not_repaired() {
    let remote = Remote::new(&[WWW], &[10, 11]);
    let mut harness = Harness::open(remote.clone());
    harness.order("!10 -11", 1);
    assert_eq!(
        harness.reports_until_confirmed().await,
        ["withdrew 10@www", "confirmed but for 11@www"]
    );
    harness.order("!10 !11", 1);
    assert_eq!(harness.reports_until_confirmed().await, ["withdrew 11@www", "confirmed"]);
    // Withdrawn for its health, and then by the operator during the write.
    let remote = Remote::new(&[WWW], &[10, 11]);
    let mut harness = Harness::open(remote.clone());
    broken(&remote, &harness).await;
    harness.order("!10", 1);
    harness.reports_until_confirmed().await;
    assert_eq!(remote.holds().await, [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_missing_address_that_is_desired_needs_no_repair_by_another() {
    let remote = Remote::new(&[WWW], &[10, 11]);
    let mut harness = Harness::open(remote.clone());
    broken(&remote, &harness).await;
    harness.order("-10 +12", 1);
    let reports = harness.reports_until_confirmed().await;
    assert_eq!(reports, ["withdrew 10@www", "restored 12@www", "confirmed"]);
    let writes: Vec<_> =
        remote.requests().into_iter().filter(|request| *request != Request::Read).collect();
    assert_eq!(writes.len(), 2, "{writes:?}");
}
