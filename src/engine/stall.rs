//! Detects that this process did not run: for a moment, or for seconds.

use std::time::Duration;

use super::moment::Moment;

/// The minimum lateness of a tick that counts as a stall.
const LEAST_STALL: Duration = Duration::from_millis(25);

/// The minimum time between two reports of a stall.
const REPORT_EVERY: Duration = Duration::from_secs(10);

/// Time without a tick after which the process counts as suspended.
const SUSPENDED_AFTER: Duration = Duration::from_secs(5);

/// Compares the actual ticks with the ticks that were due.
#[derive(Debug)]
pub(super) struct StallDetector {
    /// The time of the last tick.
    ticked: Moment,
    /// The time of the last report.
    reported: Option<Moment>,
    /// Duration of the stall that was last reported.
    lasted: Duration,
}

/// The finding of one tick.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tick {
    /// Time by which it was late.
    late: Duration,
    /// Duration of the stall, if it is to be reported.
    pub(super) report: Option<Duration>,
}

impl Tick {
    /// Creates the finding of a tick that was late by this much.
    #[cfg(test)]
    pub(super) fn late_by(late: Duration) -> Self {
        Self { late, report: None }
    }

    /// Whether the process did not run for so long that a probe with this timeout, if it was
    /// outstanding during that time, is no evidence.
    pub(super) fn is_stall(self, timeout: Duration) -> bool {
        self.late > (timeout / 4).max(LEAST_STALL)
    }
}

impl StallDetector {
    /// Creates a detector as if a tick had come at `now`.
    pub(super) fn new(now: Moment) -> Self {
        Self { ticked: now, reported: None, lasted: Duration::ZERO }
    }

    /// Whether there was no tick for so long that the process must have been suspended.
    pub(super) fn is_suspended(&self, now: Moment) -> bool {
        now > self.ticked + SUSPENDED_AFTER
    }

    /// Returns the time and the duration of the stall that was last reported.
    pub(super) fn last_stall(&self) -> Option<(Moment, Duration)> {
        self.reported.map(|at| (at, self.lasted))
    }

    /// Records a tick at `now`. `due` is the time of the earliest due entry; `timeout` is the
    /// shortest time that a probe has for its reply.
    pub(super) fn tick(&mut self, now: Moment, due: Option<Moment>, timeout: Duration) -> Tick {
        self.ticked = now;
        let late = due.map(|due| now.since(due)).unwrap_or_default();
        let is_time = self.reported.is_none_or(|reported| now >= reported + REPORT_EVERY);
        let stalled = Tick { late, report: None }.is_stall(timeout);
        let report = (stalled && is_time).then_some(late);
        if report.is_some() {
            self.reported = Some(now);
            self.lasted = late;
        }
        Tick { late, report }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn at(seconds: u64) -> Moment {
        Moment::after_start(Duration::from_secs(seconds))
    }

    #[test]
    fn a_tick_that_comes_late_by_a_quarter_of_the_timeout_is_a_stall() {
        let ms = Duration::from_millis;
        let cases = [
            ("in time", 400, Some(0), false),
            ("nothing was due", 400, None, false),
            ("a little late", 400, Some(100), false),
            ("later than a quarter of the timeout", 400, Some(101), true),
            ("a short timeout", 40, Some(25), false),
            ("later than any tick may be", 40, Some(26), true),
        ];
        for (name, timeout, late, stalled) in cases {
            let now = at(100);
            let due = late.map(|late| now.before(ms(late)));
            let tick = StallDetector::new(at(1)).tick(now, due, ms(timeout));
            assert_eq!(tick.is_stall(ms(timeout)), stalled, "{name}");
            assert_eq!(tick.report, stalled.then(|| ms(late.unwrap())), "{name}");
        }
    }

    #[test]
    fn stalls_are_reported_every_ten_seconds_at_most() {
        let mut detector = StallDetector::new(at(1));
        let reported = (10..40).filter(|second| {
            let now = at(*second);
            let tick = detector.tick(now, Some(now.before(SECOND)), SECOND);
            assert!(tick.is_stall(SECOND));
            tick.report.is_some()
        });
        assert_eq!(reported.collect::<Vec<_>>(), [10, 20, 30]);
    }

    #[test]
    fn five_seconds_without_a_tick_are_a_suspension() {
        let mut detector = StallDetector::new(at(1));
        assert!(!detector.is_suspended(at(6)));
        assert!(detector.is_suspended(at(6) + Duration::from_millis(1)));
        detector.tick(at(7), None, SECOND);
        assert!(!detector.is_suspended(at(12)));
    }
}
