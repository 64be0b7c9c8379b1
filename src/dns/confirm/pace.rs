//! The pace at which name servers are asked.

use std::time::Duration;

/// Time between questions to one server while the lag is still measured closely.
const QUICK_GAP: Duration = Duration::from_millis(15);

/// Time after a change for which the lag is measured closely.
const QUICK_FOR: Duration = Duration::from_secs(10);

/// After that, the time between questions is this part of the time since the change, so that the
/// measured lag is off by this part at most.
const PART: u32 = 50;

/// Longest time between questions before the timeout.
const LONGEST_GAP: Duration = Duration::from_secs(5);

/// Shortest and longest time between questions after the timeout.
const LATE_GAPS: [Duration; 2] = [Duration::from_secs(5), Duration::from_mins(5)];

/// Shortest time between questions to a server that did not answer, or not with an answer that counts.
pub(super) const GAP_AFTER_NOTHING: Duration = Duration::from_millis(500);

/// Shortest time between questions to a server that this machine cannot ask.
pub(super) const GAP_AFTER_FAULT: Duration = Duration::from_secs(5);

/// Number of addresses that are asked at the quick pace. With more of them, the pace is slower.
const QUICK_ADDRESSES: u32 = 16;

/// Returns the time between questions about a change made `elapsed` ago, while `asked` addresses of
/// name servers are asked. `is_overdue` tells whether the timeout is over.
pub(super) fn gap(elapsed: Duration, is_overdue: bool, asked: usize) -> Duration {
    if is_overdue {
        let [shortest, longest] = LATE_GAPS;
        return (elapsed / PART).clamp(shortest, longest);
    }
    if elapsed < QUICK_FOR {
        let asked = u32::try_from(asked).unwrap_or(u32::MAX);
        let crowd = asked.div_ceil(QUICK_ADDRESSES).max(1);
        return (QUICK_GAP.saturating_mul(crowd)).min(LONGEST_GAP);
    }
    (elapsed / PART).min(LONGEST_GAP)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pace_is_quick_at_first_and_bounded_later() {
        let rows = [
            (0.0, false, 1, 0.015),
            (9.9, false, 16, 0.015),
            (0.0, false, 17, 0.03),
            (0.0, false, 64, 0.06),
            (10.0, false, 1, 0.2),
            (10.0, false, 64, 0.2),
            (60.0, false, 1, 1.2),
            (600.0, false, 1, 5.0),
            (1.0, true, 1, 5.0),
            (600.0, true, 1, 12.0),
            (86_400.0, true, 1, 300.0),
        ];
        for (elapsed, is_overdue, asked, want) in rows {
            let found = gap(Duration::from_secs_f64(elapsed), is_overdue, asked);
            assert_eq!(found, Duration::from_secs_f64(want), "{elapsed} s, {asked} addresses");
        }
    }

    /// A server that lags for two minutes is asked some 900 times, most of them in the first ten
    /// seconds.
    #[test]
    fn a_server_that_never_shows_a_change_is_asked_a_bounded_number_of_times() {
        let (mut elapsed, mut count) = (Duration::ZERO, 0);
        while elapsed < Duration::from_mins(2) {
            elapsed += gap(elapsed, false, 1);
            count += 1;
        }
        assert!((700..900).contains(&count), "{count}");
    }
}
