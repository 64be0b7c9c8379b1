//! Reports of users of other recorders, write-ahead logs and backtests, each as a scene with ours.

use std::num::NonZeroU32;
use std::time::Duration;

use super::past::{Past, settings};
use crate::history::block::{Block, HEAD, entries_of};
use crate::history::reader::{Damage, HistoryFiles};
use crate::replay::change::{CheckChange, ServiceChange, SettingChanges};
use crate::replay::observed::PastChecks;
use crate::replay::run::{Was, as_asked, as_it_was};

/// The history of some minutes, in which all targets are silent for a minute from the third on.
fn history(minutes: u64) -> Vec<u8> {
    let mut past = Past::new(&settings(2, [2_000, 500, 200], 3));
    past.run(Duration::from_mins(minutes), &mut |_, now| {
        (now.as_secs() / 60 != 3).then(|| Duration::from_millis(20))
    });
    past.files().files.remove(0)
}

fn replay(files: Vec<Vec<u8>>) -> Was {
    as_it_was(&HistoryFiles { files }, Duration::ZERO, |_| {})
}

fn changed(change: CheckChange) -> SettingChanges {
    let checks = [(String::new(), change)].into();
    let service = ServiceChange { checks, ..ServiceChange::default() };
    SettingChanges {
        services: [("default".to_owned(), service)].into(),
        ..SettingChanges::default()
    }
}

/// amelielabs/amelie#17, duckdb/duckdb#14785: records appended after a torn tail were never read again.
#[test]
fn what_is_appended_after_a_torn_tail_is_read() {
    let mut file = history(8);
    let whole = replay(vec![file.clone()]).comparison;
    file.truncate(file.len() - 5);
    file.extend_from_slice(&history(8)[HEAD.len()..]);
    let was = replay(vec![file]);
    assert!(was.damage.bytes > 0);
    assert_eq!(was.comparison.differences, 0);
    assert!(was.comparison.compared > whole.compared, "{:?}", was.comparison);
}

/// samyama-ai/samyama-graph#1335: a record that was cut in its body failed the whole replay.
#[test]
fn a_block_that_is_cut_in_its_body_or_in_its_head_costs_that_block_alone() {
    let file = history(8);
    let last = file.windows(8).rposition(|it| it == crate::history::block::MARKER).unwrap();
    let before = replay(vec![file[..last].to_vec()]).comparison;
    for cut in [last + 3, last + 20, last + 26] {
        let was = replay(vec![file[..cut].to_vec()]);
        assert_eq!(was.comparison, before, "{cut}");
        assert!(was.damage.bytes > 0, "{cut}");
    }
}

/// pmcfadin/cqlite#1391: a log with damage in the middle was replayed as if it were whole.
#[test]
fn damage_in_the_middle_is_said() {
    let mut file = history(8);
    let place = file.len() / 2;
    file[place] ^= 1;
    let was = replay(vec![file]);
    assert_ne!(was.damage, Damage::default());
    assert!(was.damage.bytes > 0);
}

/// memgraph/memgraph#4528: the next file was applied on top of the hole that a truncated one had left.
#[test]
fn nothing_is_applied_on_top_of_a_hole() {
    let file = history(200);
    let blocks = entries_of(&file);
    let mut holed = HEAD.to_vec();
    for (number, entries) in (1..).zip(&blocks) {
        if number != 3 {
            let entries = entries.clone();
            let block = Block { sequence: number, begins: number == 1, replaces: false, entries };
            holed.extend(block.bytes());
        }
    }
    let was = replay(vec![holed]);
    assert_eq!(was.damage.gaps, 1, "{:?}", was.damage);
    assert!(was.damage.unused > 0);
    assert_eq!(was.comparison.differences, 0);
}

/// rtic-scope/cargo-rtic-scope#113: each replay of the same file gave another result.
#[test]
fn two_replays_of_a_file_are_equal() {
    let file = history(8);
    let [one, two] = [(), ()].map(|()| replay(vec![file.clone()]));
    assert_eq!((one.comparison.clone(), one.summary()), (two.comparison.clone(), two.summary()));
    let files = HistoryFiles { files: vec![file] };
    let changes = changed(CheckChange { failure: NonZeroU32::new(5), ..CheckChange::default() });
    let [one, two] = [(), ()].map(|()| {
        let tally = as_asked(&files, &changes, Duration::ZERO, |_| {});
        replay(files.files.clone()).summary_of(&tally)
    });
    assert_eq!(one, two);
}

/// freqtrade/freqtrade#4976, PKScreener#64: a backtest with the settings in force differed from the live run.
#[test]
fn nothing_asked_is_as_it_was() {
    let files = HistoryFiles { files: vec![history(8)] };
    let was = as_it_was(&files, Duration::ZERO, |_| {});
    let tally = as_asked(&files, &SettingChanges::default(), Duration::ZERO, |_| {});
    assert_eq!(was.summary_of(&tally), was.summary());
    assert!(was.summary().withdrawals > 0);
}

/// rfmoz/tuptime#45, rpodgorny/uptimed#34: after the clock was set, times were negative, or over 100 %.
#[test]
fn a_process_that_starts_in_the_past_gives_no_negative_times() {
    // The second process believes that Unix time has just begun.
    let mut file = history(8);
    file.extend_from_slice(&history(5)[HEAD.len()..]);
    let was = replay(vec![file]);
    let summary = was.summary();
    assert!(was.end >= Duration::from_mins(8), "{:?}", was.end);
    assert!(summary.dead_in_dns <= was.end * 4, "{summary:?}");
    assert_eq!(was.comparison.differences, 0);
}

/// sipyourdrink-ltd/bernstein#1865: times of the wall clock took part in the comparison of two runs.
#[test]
fn the_wall_clock_takes_no_part_in_the_comparison() {
    let mut past = Past::new(&settings(2, [2_000, 500, 200], 3));
    past.is_wall_clock_wrong = true;
    past.run(Duration::from_mins(8), &mut |_, now| {
        (now.as_secs() / 60 != 3).then(|| Duration::from_millis(20))
    });
    let was = replay(past.files().files);
    assert_eq!(was.comparison.differences, 0);
    assert!(was.comparison.flips > 2);
}

/// yalcinkadir/institutional-trading-engine#365: a backtest of nothing was called authoritative.
#[test]
fn a_history_without_decisions_compares_none() {
    let was = replay(vec![HEAD.to_vec()]);
    assert_eq!((was.comparison.compared, was.comparison.differences), (0, 0));
    assert_eq!(PastChecks::of(&HistoryFiles { files: vec![HEAD.to_vec()] }).from, None);
}

/// grafana/grafana#19717: 30 s were asked for, and the answer was that of 15 min without a word.
#[test]
fn a_pace_at_which_nothing_was_probed_is_refused_with_the_nearest() {
    let seen = PastChecks::of(&HistoryFiles { files: vec![history(8)] });
    let second = Duration::from_secs;
    let rows = [
        (
            CheckChange { interval: Some(second(1)), ..CheckChange::default() },
            "no probe was made then; the nearest that can be is 2",
        ),
        (
            CheckChange { interval: Some(second(4)), ..CheckChange::default() },
            "the nearest that can be is 2",
        ),
        (
            CheckChange { retry_interval: Some(second(1) / 10), ..CheckChange::default() },
            "no probe was made then; the nearest that can be is 0.2",
        ),
        (
            CheckChange { timeout: Some(second(3)), ..CheckChange::default() },
            "the nearest that can be is 1",
        ),
        (CheckChange { timeout: Some(second(1) / 50), ..CheckChange::default() }, "coarse classes"),
    ];
    for (change, want) in rows {
        let objections = seen.objections(&changed(change)).join("\n");
        assert!(objections.contains(want), "{objections}");
    }
    let fine = [
        CheckChange { retry_interval: Some(second(2) / 5), ..CheckChange::default() },
        CheckChange { timeout: Some(second(1)), ..CheckChange::default() },
        CheckChange { failure: NonZeroU32::new(9), ..CheckChange::default() },
    ];
    for change in fine {
        assert!(seen.objections(&changed(change)).is_empty());
    }
}

/// Replies that come after their timeout would have been in time with a longer one.
#[test]
fn a_longer_timeout_takes_late_replies_as_replies() {
    let mut past = Past::new(&settings(2, [2_000, 500, 200], 3));
    past.run(Duration::from_mins(12), &mut |_, now| {
        let is_slow = (3..9).contains(&(now.as_secs() / 60));
        Some(Duration::from_millis(if is_slow { 700 } else { 20 }))
    });
    let files = past.files();
    let was = as_it_was(&files, Duration::ZERO, |_| {});
    assert_eq!(was.comparison.differences, 0);
    assert!(was.summary().withdrawals > 0, "{:?}", was.summary());
    let second = Duration::from_secs(1);
    let longer = changed(CheckChange { timeout: Some(second), ..CheckChange::default() });
    let tally = as_asked(&files, &longer, Duration::ZERO, |_| {});
    assert_eq!(was.summary_of(&tally).withdrawals, 0, "{:?}", was.summary_of(&tally));
    let as_long = changed(CheckChange { timeout: Some(second * 3 / 5), ..CheckChange::default() });
    let tally = as_asked(&files, &as_long, Duration::ZERO, |_| {});
    assert_eq!(was.summary_of(&tally).withdrawals, was.summary().withdrawals);
}
