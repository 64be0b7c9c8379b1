//! Times as they are written: RFC 3339, in UTC, to the millisecond.

use std::fmt;
use std::time::{Duration, Instant, SystemTime};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A point in time, written as `2026-11-22T03:12:45.120Z`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time(SystemTime);

impl Time {
    /// From the wall clock, cut to the millisecond, so that what is read back is what was written.
    pub fn new(wall: SystemTime) -> Self {
        let since = wall.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let millis = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
        Self(SystemTime::UNIX_EPOCH + Duration::from_millis(millis.min(LATEST)))
    }

    /// The same as the standard library has it.
    pub fn wall(self) -> SystemTime {
        self.0
    }

    /// How long before `later` this was; nothing if it was not before.
    pub fn until(self, later: Self) -> Duration {
        later.0.duration_since(self.0).unwrap_or_default()
    }

    /// Without the milliseconds, as a table shows it: `2026-11-22 03:12:45`.
    pub fn to_the_second(self) -> String {
        let text = humantime::format_rfc3339_seconds(self.0).to_string();
        text.trim_end_matches('Z').replace('T', " ")
    }
}

/// The last millisecond that RFC 3339 can write: the end of the year 9999.
const LATEST: u64 = 253_402_300_799_999;

impl fmt::Display for Time {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        humantime::format_rfc3339_millis(self.0).fmt(out)
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        humantime::parse_rfc3339(&text).map(Self::new).map_err(de::Error::custom)
    }
}

/// By how much the wall clock must have moved against the other to count as set. Less is the time
/// between the readings of the two, or the pace at which a clock is kept right.
const CLOCK_SET: Duration = Duration::from_millis(500);

/// Both clocks, read at once.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    /// The clock that never jumps: intervals and windows are measured by it.
    pub clock: Instant,
    /// The clock that people read.
    pub wall: SystemTime,
}

impl Moment {
    /// What the wall clock said, or will say, at `clock`, as far as this reading can tell.
    pub fn wall_at(&self, clock: Instant) -> Time {
        let wall = match clock.checked_duration_since(self.clock) {
            Some(after) => self.wall.checked_add(after),
            None => self.wall.checked_sub(self.clock.duration_since(clock)),
        };
        Time::new(wall.unwrap_or(self.wall))
    }

    /// When the wall clock said `time`, or will, as far as this reading can tell.
    pub(super) fn clock_at(&self, time: Time) -> Instant {
        let clock = match time.wall().duration_since(self.wall) {
            Ok(after) => self.clock.checked_add(after),
            Err(before) => self.clock.checked_sub(before.duration()),
        };
        clock.unwrap_or(self.clock)
    }

    /// The reading by which times are written down when `now` is read: this one, so that what is
    /// written does not waver from one reading to the next, until the wall clock was set.
    pub(super) fn or_if_set(self, now: Self) -> Self {
        let expected = self.wall_at(now.clock);
        let shown = Time::new(now.wall);
        let off = expected.until(shown).max(shown.until(expected));
        if off < CLOCK_SET { self } else { now }
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "an Instant can be had in no other way")]
mod tests {
    use super::*;

    #[test]
    fn a_time_survives_being_written_and_read() {
        let time = Time::new(SystemTime::UNIX_EPOCH + Duration::from_micros(1_795_316_000_123_456));
        let text = serde_json::to_string(&time).unwrap();
        assert_eq!(text, "\"2026-11-22T02:53:20.123Z\"");
        assert_eq!(serde_json::from_str::<Time>(&text).unwrap(), time);
    }

    #[test]
    fn a_time_beyond_the_calendar_does_not_panic() {
        for wall in [
            SystemTime::UNIX_EPOCH - Duration::from_secs(1),
            SystemTime::UNIX_EPOCH + Duration::from_hours(24 * 366 * 9_000),
        ] {
            assert!(Time::new(wall).to_string().ends_with('Z'), "{wall:?}");
        }
    }

    #[test]
    fn the_wall_clock_of_an_earlier_or_later_instant_is_worked_out() {
        let now = Moment {
            clock: Instant::now() + Duration::from_secs(100),
            wall: SystemTime::UNIX_EPOCH + Duration::from_secs(1_000),
        };
        let ten = Duration::from_secs(10);
        let earlier = now.clock.checked_sub(ten).unwrap();
        let cases = [
            ("earlier", earlier, 990),
            ("now", now.clock, 1_000),
            ("later", now.clock + ten, 1_010),
        ];
        for (name, clock, want) in cases {
            let want = Time::new(SystemTime::UNIX_EPOCH + Duration::from_secs(want));
            assert_eq!(now.wall_at(clock), want, "{name}");
        }
    }
}
