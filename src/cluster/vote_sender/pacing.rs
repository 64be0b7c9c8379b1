//! The pace of signed votes. Each is signed at a time of its own in milliseconds, so many votes at once
//! carry times that lie ahead of the clock.

use std::time::Duration;

/// Maximum plausible lead of the last signature's time over the wall clock, in milliseconds. The
/// lead grows by a millisecond for each further vote signed within the same millisecond. A larger
/// lead means that the wall clock was set back.
const PLAUSIBLE_LEAD: u64 = 10_000;

/// Maximum lead at which votes that are not urgent are still sent, in milliseconds. This allows a
/// thousand signed votes a second indefinitely, and some thousands at once.
pub(super) const MAX_LEAD: u64 = 4_000;

/// Maximum lead at which urgent votes are still sent, in milliseconds. Urgent votes may have to be
/// sent while the others wait.
pub(super) const MAX_URGENT_LEAD: u64 = 8_000;

/// Minimum length of a wait, so that votes are sent by the hundred and not one by one.
const MIN_WAIT: Duration = Duration::from_millis(100);

/// Returns the time at which the next vote may be sent. `due` holds the due times of urgent votes
/// and of all others, and `lead` is the lead of signatures over the clock.
pub(super) fn paced(now: Duration, lead: u64, due: [Option<Duration>; 2]) -> Option<Duration> {
    let [urgent, others] = due;
    let urgent = urgent.map(|due| due.max(earliest(now, lead, MAX_URGENT_LEAD)));
    let others = others.map(|due| due.max(earliest(now, lead, MAX_LEAD)));
    [urgent, others].into_iter().flatten().min()
}

/// Returns the time at which `lead` will have fallen below its maximum, or zero if it is below now.
fn earliest(now: Duration, lead: u64, max_lead: u64) -> Duration {
    match lead.checked_sub(max_lead) {
        None => Duration::ZERO,
        Some(over) => now + Duration::from_millis(over) + MIN_WAIT,
    }
}

/// Returns the lead of the `last` signature over `now`, or 0 if the clock was set back.
pub(super) fn lead(last: u64, now: u64) -> u64 {
    Some(last.saturating_sub(now)).filter(|lead| *lead <= PLAUSIBLE_LEAD).unwrap_or_default()
}

/// Returns the time for the next signature: the current time, but later than the last signature.
pub(super) fn next_time(last: u64, now: u64) -> u64 {
    if last.saturating_sub(now) > PLAUSIBLE_LEAD { now } else { now.max(last + 1) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_vote_is_signed_later_than_the_one_before() {
        let cases = [
            ("the first", 0, 5000, 5000),
            ("time went on", 5000, 6000, 6000),
            ("within the same millisecond", 5000, 5000, 5001),
            ("the clock was set back a little", 5000, 4000, 5001),
            ("the clock was wrong by an hour", 3_605_000, 5000, 5000),
        ];
        for (name, last, now, want) in cases {
            assert_eq!(next_time(last, now), want, "{name}");
        }
    }

    #[test]
    fn while_signatures_run_ahead_news_waits_less_than_the_rest() {
        let ms = Duration::from_millis;
        let now = ms(1_000_000);
        let (at_once, in_a_second) = (Some(now), Some(now + ms(1_000)));
        let cases = [
            ("nothing is due", 9_000, [None, None], None),
            ("signatures keep up", 0, [None, at_once], Some(0)),
            ("a little ahead", 3_999, [None, at_once], Some(0)),
            ("at the limit", 4_000, [None, at_once], Some(100)),
            ("beyond it, as news took them", 7_900, [None, at_once], Some(4_000)),
            ("news goes nevertheless", 7_900, [at_once, at_once], Some(0)),
            ("news that is not yet due", 7_900, [in_a_second, at_once], Some(1_000)),
            ("too much news", 8_000, [at_once, at_once], Some(100)),
            ("the clock was set back", 9_900, [at_once, None], Some(2_000)),
        ];
        for (name, lead, due, want) in cases {
            assert_eq!(paced(now, lead, due), want.map(|want| now + ms(want)), "{name}");
        }
    }

    #[test]
    fn a_clock_that_was_set_back_delays_no_vote() {
        let cases = [
            ("the first", 0, 5000, 0),
            ("time went on", 5000, 6000, 0),
            ("some were signed within one millisecond", 5003, 5000, 3),
            ("as many as are ever signed ahead", 15_000, 5000, 10_000),
            ("the clock was wrong by an hour", 3_605_000, 5000, 0),
        ];
        for (name, last, now, want) in cases {
            assert_eq!(lead(last, now), want, "{name}");
        }
    }
}
