//! Waits and penalties in rows.

use super::*;
use crate::engine::tests::world::ip;

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

fn at(second: u64) -> Moment {
    Moment::after_start(seconds(second))
}

fn between(delay: u64, max: u64) -> ReturnSettings {
    ReturnSettings { delay: seconds(delay), max: seconds(max) }
}

/// Plays steps: `w` is a withdrawal, a number the seconds in good health after it. Returns the delay
/// after each withdrawal.
fn delays(steps: &str, settings: ReturnSettings) -> Vec<u64> {
    let (mut penalty, mut delays) = (Penalty::default(), Vec::new());
    for step in steps.split(' ') {
        if let Ok(time) = step.parse() {
            penalty = penalty.after_health(seconds(time), settings);
        } else {
            penalty = penalty.after_withdrawal(settings);
            delays.push(penalty.delay(settings).as_secs());
        }
    }
    delays
}

#[test]
fn the_delay_doubles_with_each_withdrawal_and_halves_with_each_such_time_in_good_health() {
    let rows: [(&str, &str, [u64; 2], &[u64]); 14] = [
        ("no more than the delay", "w w w", [60, 60], &[60, 60, 60]),
        ("doubled, up to the maximum", "w w w w w", [60, 600], &[60, 120, 240, 480, 600]),
        ("the maximum is no multiple", "w w w", [10, 35], &[10, 20, 35]),
        ("too short in good health", "w 59 w", [60, 600], &[60, 120]),
        ("as long as the delay", "w 60 w", [60, 600], &[60, 60]),
        ("halved and doubled again", "w w 120 w", [60, 600], &[60, 120, 120]),
        ("halved twice", "w w w 360 w", [60, 600], &[60, 120, 240, 120]),
        ("not quite twice", "w w w 359 w", [60, 600], &[60, 120, 240, 240]),
        ("well for a long time", "w w w 100000 w", [60, 600], &[60, 120, 240, 60]),
        ("from the maximum down", "w w w w w 600 w", [60, 600], &[60, 120, 240, 480, 600, 600]),
        ("half of an odd maximum", "w w w 35 w", [10, 35], &[10, 20, 35, 35]),
        ("a quarter of it is too short", "w w w 53 w", [10, 35], &[10, 20, 35, 10]),
        ("for a year", "w 31536000 w", [1, 86400], &[1, 1]),
        ("nothing happened", "100 w", [60, 600], &[60]),
    ];
    for (name, steps, [delay, max], want) in rows {
        assert_eq!(delays(steps, between(delay, max)), want, "{name}");
    }
}

#[test]
fn a_penalty_keeps_to_the_bounds_of_other_settings() {
    let wide = between(60, 3600);
    let mut penalty = Penalty::default();
    for _ in 0..7 {
        penalty = penalty.after_withdrawal(wide);
    }
    assert_eq!(penalty.delay(wide), seconds(3600));
    assert_eq!(penalty.delay(between(10, 20)), seconds(20));
    assert_eq!(penalty.after_withdrawal(between(10, 20)).delay(wide), seconds(60));
    assert_eq!(penalty.delay(between(7200, 7200)), seconds(7200));
    let zero = ReturnSettings::default();
    assert_eq!(Penalty(Some(Duration::ZERO)).after_health(seconds(1), zero), Penalty(None));
    let longest = ReturnSettings { delay: Duration::MAX, max: Duration::MAX };
    let twice = Penalty::default().after_withdrawal(longest).after_withdrawal(longest);
    assert_eq!(twice.delay(longest), Duration::MAX, "nothing overflows");
}

#[test]
fn a_wait_begins_when_a_withdrawn_target_comes_up_and_anew_after_each_failure() {
    let (settings, target) = (between(60, 600), ip(1));
    let mut returns = Returns::default();
    returns.follow(target, [false, true], (at(1), at(1)), settings);
    assert!(!returns.knows(target), "it was not withdrawn");
    returns.withdrawn(target, settings, at(2));
    assert_eq!(returns.wait(target, settings, at(3)), None, "it is down");
    returns.follow(target, [true, false], (at(10), at(10)), settings);
    let wait = ReturnView { until: at(70), delay: seconds(60), withdrawals: 1 };
    assert_eq!(returns.wait(target, settings, at(69)), Some(wait));
    assert_eq!(returns.wait(target, settings, at(70)), None, "it is over");
    returns.follow(target, [false, false], (at(30), at(30)), settings);
    assert_eq!(returns.wait(target, settings, at(31)), None);
    returns.follow(target, [true, false], (at(40), at(40)), settings);
    assert_eq!(returns.wait(target, settings, at(41)).unwrap().until, at(100));
    assert_eq!(returns.waiting(settings, at(41)), [target]);
    returns.end_wait(target);
    assert_eq!(returns.wait(target, settings, at(41)), None, "the operator ended it");
    returns.follow(target, [false, false], (at(50), at(50)), settings);
    returns.follow(target, [true, false], (at(60), at(60)), settings);
    assert_eq!(returns.wait(target, settings, at(61)).unwrap().until, at(120), "that one alone");
}

#[test]
fn good_health_counts_in_service_alone() {
    let (settings, target) = (between(60, 600), ip(1));
    let mut returns = Returns::default();
    for _ in 0..2 {
        returns.withdrawn(target, settings, at(0));
    }
    returns.follow(target, [true, false], (at(10), at(10)), settings);
    returns.follow(target, [true, false], (at(1000), at(1000)), settings);
    returns.withdrawn(target, settings, at(1010));
    returns.follow(target, [true, false], (at(1020), at(1020)), settings);
    assert_eq!(returns.wait(target, settings, at(1021)).unwrap().delay, seconds(240));
    returns.returned(target, settings, at(1260));
    returns.follow(target, [true, true], (at(1260), at(1260)), settings);
    returns.follow(target, [false, true], (at(1260 + 240), at(1260 + 240)), settings);
    returns.withdrawn(target, settings, at(1500));
    returns.follow(target, [true, false], (at(1510), at(1510)), settings);
    assert_eq!(returns.wait(target, settings, at(1511)).unwrap().delay, seconds(240));
}

#[test]
fn a_drain_is_no_withdrawal_but_a_target_that_fails_meanwhile_waits() {
    let (settings, target) = (between(60, 600), ip(1));
    let mut returns = Returns::default();
    returns.drained(target);
    returns.follow(target, [true, false], (at(5), at(5)), settings);
    assert_eq!(returns.wait(target, settings, at(6)), None, "it was up all the time");
    returns.follow(target, [false, false], (at(7), at(7)), settings);
    returns.follow(target, [true, false], (at(9), at(9)), settings);
    let wait = ReturnView { until: at(69), delay: seconds(60), withdrawals: 0 };
    assert_eq!(returns.wait(target, settings, at(10)), Some(wait));
}

#[test]
fn a_reload_ends_all_waits_and_keeps_the_penalties() {
    let (settings, target) = (between(60, 600), ip(1));
    let mut returns = Returns::default();
    returns.withdrawn(target, settings, at(0));
    returns.follow(target, [true, false], (at(10), at(10)), settings);
    returns.reloaded(settings);
    assert_eq!(returns.wait(target, settings, at(11)), None, "it was not withdrawn since");
    returns.withdrawn(target, settings, at(12));
    returns.follow(target, [true, false], (at(20), at(20)), settings);
    assert_eq!(returns.wait(target, settings, at(21)).unwrap().delay, seconds(120));
    returns.reloaded(between(0, 0));
    assert!(!returns.knows(target), "nothing is delayed any more");
}

#[test]
fn the_number_of_withdrawals_is_told_in_words_and_is_that_of_an_hour() {
    let rows = [
        (0, None),
        (1, None),
        (2, Some("second time in an hour")),
        (3, Some("third time in an hour")),
        (10, Some("tenth time in an hour")),
        (11, Some("11th time in an hour")),
        (21, Some("21st time in an hour")),
        (32, Some("32nd time in an hour")),
        (43, Some("43rd time in an hour")),
        (100, Some("100th time in an hour")),
    ];
    for (count, words) in rows {
        assert_eq!(often(count).as_deref(), words);
    }
    let (settings, target) = (between(1, 1), ip(1));
    let mut returns = Returns::default();
    for nth in 0..200 {
        returns.withdrawn(target, settings, at(nth * 60));
    }
    returns.follow(target, [true, false], (at(200 * 60), at(200 * 60)), settings);
    let wait = returns.wait(target, settings, at(200 * 60)).unwrap();
    assert_eq!(wait.withdrawals, 59, "those of the last hour");
}
