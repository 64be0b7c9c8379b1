//! A month with a known truth: three deaths, and two hundred blips.

use std::num::NonZeroU32;
use std::time::Duration;

use super::past::{Past, address, scrambled, settings};
use crate::history::reader::HistoryFiles;
use crate::replay::change::{CheckChange, ServiceChange, SettingChanges};
use crate::replay::run::{as_asked, as_it_was};
use crate::replay::summary::Summary;

const DAY: Duration = Duration::from_hours(24);

/// Returns the times in which the target is silent: three deaths of an hour, and blips of five to thirteen
/// seconds.
fn silences() -> Vec<(Duration, Duration)> {
    let mut silences: Vec<(Duration, Duration)> = [4, 13, 22]
        .map(|day| (DAY * day + Duration::from_hours(7), Duration::from_hours(1)))
        .to_vec();
    for number in 0..200 {
        let at =
            DAY * 30 / 201 * (number + 1) + Duration::from_secs(scrambled(number.into()) % 600);
        let lasts = Duration::from_millis(5_000 + scrambled(u64::from(number) + 1_000) % 8_000);
        silences.push((at, lasts));
    }
    silences.sort_unstable();
    silences
}

/// Returns the history of the month with these settings in force.
fn month(failure: u32) -> HistoryFiles {
    let silences = silences();
    let mut past = Past::new(&settings(2, [10_000, 2_000, 1_000], failure));
    let mut next = 0;
    past.run(DAY * 30, &mut |target, now| {
        while silences.get(next).is_some_and(|(at, lasts)| *at + *lasts < now) {
            next += 1;
        }
        let silent = silences.get(next).is_some_and(|(at, _)| *at <= now);
        (target != address(0) || !silent)
            .then(|| Duration::from_millis(20 + scrambled(next as u64) % 7))
    });
    past.files()
}

fn with(failure: u32) -> SettingChanges {
    let change = CheckChange { failure: NonZeroU32::new(failure), ..CheckChange::default() };
    let checks = [(String::new(), change)].into();
    let service = ServiceChange { checks, ..ServiceChange::default() };
    SettingChanges {
        services: [("default".to_owned(), service)].into(),
        ..SettingChanges::default()
    }
}

fn asked(files: &HistoryFiles, changes: &SettingChanges) -> Summary {
    let was = as_it_was(files, Duration::ZERO, |_| {});
    let tally = as_asked(files, changes, Duration::ZERO, |_| {});
    was.summary_of(&tally)
}

#[test]
fn a_replay_with_other_settings_is_as_an_agent_with_them_would_have_been() {
    let recorded = month(3);
    let was = as_it_was(&recorded, Duration::ZERO, |_| {});
    assert_eq!((was.comparison.differences, was.comparison.uncompared), (0, 0));
    let summary = was.summary();
    assert!(summary.false_alarms > 80, "{summary:?}");
    assert_eq!(summary.withdrawals, summary.false_alarms + 3);
    assert_eq!(asked(&recorded, &SettingChanges::default()), summary, "nothing is changed");
    for failure in [2, 5, 8, 16] {
        let truth = as_it_was(&month(failure), Duration::ZERO, |_| {}).summary();
        let replayed = asked(&recorded, &with(failure));
        // Where no probe was made, it is taken as lost: never fewer false alarms than there would have been.
        assert!(
            replayed.withdrawals + 2 >= truth.withdrawals,
            "{failure}: {truth:?}, {replayed:?}"
        );
        let [truth, replayed] = [truth, replayed].map(|its| its.slowest.unwrap_or_default());
        let apart = truth.abs_diff(replayed);
        assert!(apart <= Duration::from_secs(10), "{failure}: {truth:?}, {replayed:?}");
    }
}

/// The settings that are found in a month have no false alarm in it: neither in the replay, nor as they would
/// have been.
#[test]
fn the_lowest_threshold_without_a_false_alarm_has_none_in_truth() {
    let recorded = month(3);
    let found =
        (3..=32).find(|failure| asked(&recorded, &with(*failure)).false_alarms == 0).unwrap();
    let replayed = asked(&recorded, &with(found));
    assert_eq!(replayed.withdrawals, 3, "{found}: {replayed:?}");
    let truth = as_it_was(&month(found), Duration::ZERO, |_| {}).summary();
    assert_eq!((truth.withdrawals, truth.false_alarms), (3, 0), "{found}: {truth:?}");
    println!("failure_threshold = {found}: {replayed:?}, in truth {truth:?}");
    let [truth, replayed] = [truth, replayed].map(|its| its.median.unwrap());
    assert!(truth.abs_diff(replayed) <= Duration::from_secs(2), "{truth:?}, {replayed:?}");
}
