//! A standby that stands in for the last address, and its way out.

use super::{API, Harness, Outcome, Remote, TTL, WWW, ip, ms, s};
use crate::contract::{CONFIGURED_TTL, ProviderUnderTest, set_of};

/// The standby of every test, and an address of somebody else at another name.
const STANDBY: u8 = 9;
const FOREIGN: u8 = 99;

fn fail_over(harness: &Harness, words: &str) {
    harness.order_of_standby(words, 1, ip(STANDBY));
}

/// Checks that no write left the set empty, and that the foreign record is there.
async fn check(remote: &Remote, label: &str) {
    for carried in remote.carried() {
        let www = carried.after.sets.iter().find(|(set, _)| set.name == WWW);
        assert!(www.is_some_and(|(_, left)| !left.is_empty()), "{label}: {:?}", carried.changes);
    }
    assert!(remote.holds().await.contains(&format!("{FOREIGN}@api")), "{label}");
}

#[tokio::test(start_paused = true)]
async fn a_failover_and_its_way_back_end_well_whatever_happens_to_the_requests() {
    let outcomes = [
        Outcome::Unavailable(None),
        Outcome::Unavailable(Some(s(7))),
        Outcome::Refused,
        Outcome::LostBefore,
        Outcome::LostAfter,
        Outcome::Overloaded(s(3)),
        Outcome::Changed,
        Outcome::Already,
        Outcome::Takes(s(9)),
        Outcome::Late(s(20)),
        Outcome::Forgotten,
    ];
    for outcome in outcomes {
        for (reads, writes) in [(0, 1), (0, 3), (1, 0), (1, 1)] {
            let remote = Remote::new(&[WWW], &[1]);
            remote.put(API, FOREIGN);
            let mut harness = Harness::open(remote.clone());
            for (words, want) in [("-1 +9", "9@www"), ("+1 ~9", "1@www")] {
                let label = format!("{outcome:?} {reads} {writes} {words}");
                if !matches!(outcome, Outcome::Late(_) | Outcome::Already | Outcome::Forgotten) {
                    remote.reads(vec![outcome; reads]);
                }
                remote.writes(vec![outcome; writes]);
                fail_over(&harness, words);
                tokio::time::sleep(s(400)).await;
                let mut held = remote.holds().await;
                held.retain(|record| record != "99@api");
                assert_eq!(held, [want], "{label}");
                check(&remote, &label).await;
                remote.heals();
                harness.reported();
            }
            assert!(harness.is_running());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_standby_gets_the_settings_of_the_record_that_it_stands_in_for() {
    let remote = Remote::new(&[WWW], &[1, 2]);
    remote.zone.adorn(WWW, ip(2)).await;
    let [plain, adorned] = [remote.carries(WWW, 1).await, remote.carries(WWW, 2).await];
    assert_ne!(plain, adorned);
    let mut harness = Harness::open(remote.clone());
    fail_over(&harness, "-2 +9");
    harness.reports_until_confirmed().await;
    assert_eq!(remote.carries(WWW, 9).await, adorned, "it left with the same change");
    fail_over(&harness, "+2 ~9");
    harness.reports_until_confirmed().await;
    assert_eq!(remote.carries(WWW, 2).await, adorned);
    fail_over(&harness, "-1");
    harness.reports_until_confirmed().await;
    fail_over(&harness, "-1 -2 +9");
    harness.reports_until_confirmed().await;
    assert_eq!(remote.carries(WWW, 9).await, adorned, "the one that leaves now comes first");
    fail_over(&harness, "+1 +2 ~9");
    harness.reports_until_confirmed().await;
    fail_over(&harness, "-1");
    harness.reports_until_confirmed().await;
    fail_over(&harness, "+9");
    harness.reports_until_confirmed().await;
    assert_eq!(remote.carries(WWW, 9).await, plain, "it left before, and not what it had itself");
    assert_eq!(plain.0, TTL);
}

#[tokio::test(start_paused = true)]
async fn without_a_record_to_stand_in_for_it_gets_what_it_had_or_what_is_configured() {
    let remote = Remote::new(&[WWW], &[1, 9]);
    remote.zone.adorn(WWW, ip(9)).await;
    let adorned = remote.carries(WWW, 9).await;
    let mut harness = Harness::open(remote.clone());
    fail_over(&harness, "=1 ~9");
    harness.reports_until_confirmed().await;
    assert_eq!(remote.holds().await, ["1@www"]);
    fail_over(&harness, "+9");
    harness.reports_until_confirmed().await;
    assert_eq!(remote.carries(WWW, 9).await, adorned);
    let remote = Remote::new(&[WWW], &[1]);
    let mut harness = Harness::open(remote.clone());
    fail_over(&harness, "+9");
    harness.reports_until_confirmed().await;
    assert_eq!(remote.carries(WWW, 9).await.0, CONFIGURED_TTL);
}

#[tokio::test(start_paused = true)]
async fn a_standby_waits_for_the_addresses_that_are_to_come_back() {
    let remote = Remote::new(&[WWW], &[9]);
    let mut harness = Harness::open(remote.clone());
    fail_over(&harness, "=1 ~9");
    assert_eq!(harness.reports_until_confirmed().await, ["confirmed but for 9@www"]);
    assert_eq!(remote.holds().await, ["9@www"]);
    remote.put(WWW, 1);
    harness.order_of_standby_with_listing("=1 ~9", 1, ip(STANDBY));
    assert_eq!(harness.reports_until_confirmed().await, ["withdrew 9@www", "confirmed"]);
}

/// Each of two agents sees the other tier alive, and their changes meet.
#[tokio::test(start_paused = true)]
async fn two_agents_that_take_out_both_tiers_at_once_put_one_back() {
    for swaps in [false, true] {
        let remote = Remote::new(&[WWW], &[1, 9]);
        let remote = if swaps { remote.swapping() } else { remote };
        let (one, other) = (Harness::open(remote.clone()), Harness::open(remote.other_agent()));
        fail_over(&one, "-1 +9");
        fail_over(&other, "=1 ~9");
        tokio::time::sleep(ms(100)).await;
        tokio::time::sleep(s(400)).await;
        assert!(!remote.holds().await.is_empty(), "swaps: {swaps}");
        assert!(one.is_running() && other.is_running());
    }
}

/// The floor was asked when the drain was ordered, and counted the standby.
#[tokio::test(start_paused = true)]
async fn a_drained_address_stays_until_the_provider_accepts_its_standby() {
    for names_culprits in [false, true] {
        let remote = Remote::new(&[WWW], &[1]);
        remote.zone.bar(set_of(WWW, ip(STANDBY)), Some(ip(STANDBY)));
        if names_culprits {
            remote.zone.name_culprits();
        }
        let mut harness = Harness::open(remote.clone());
        fail_over(&harness, "^1 +9");
        tokio::time::sleep(s(400)).await;
        assert_eq!(remote.holds().await, ["1@www"], "the standby is rejected");
        remote.zone.unbar();
        while remote.holds().await != ["9@www"] {
            harness.report().await;
        }
    }
}
