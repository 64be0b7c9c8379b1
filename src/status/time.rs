//! Times in RFC 3339, in UTC, to the millisecond.

use std::fmt;
use std::time::{Duration, Instant, SystemTime};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A point in time, written as `2026-11-22T03:12:45.120Z`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time(SystemTime);

impl Time {
    /// Converts a wall-clock time. It is cut to the millisecond, so that it survives being written and
    /// read.
    pub fn new(wall: SystemTime) -> Self {
        let since = wall.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let millis = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
        Self(SystemTime::UNIX_EPOCH + Duration::from_millis(millis.min(LATEST)))
    }

    /// Returns the time in the form of the standard library.
    pub fn wall(self) -> SystemTime {
        self.0
    }

    /// Returns the time from this to `later`; zero if this is not before it.
    pub fn until(self, later: Self) -> Duration {
        later.0.duration_since(self.0).unwrap_or_default()
    }

    /// Returns the time in RFC 3339. A status has tens of thousands of times, so nothing is allocated.
    fn rfc3339(self) -> [u8; 24] {
        let since = self.0.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let (days, second) = (since.as_secs() / 86_400, since.as_secs() % 86_400);
        let (year, month, day) = date(days);
        let mut text = *b"0000-00-00T00:00:00.000Z";
        let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
        let digits = [(0..4, year), (5..7, month), (8..10, day), (11..13, hour), (14..16, minute)];
        let seconds = [(17..19, second), (20..23, u64::from(since.subsec_millis()))];
        for (range, mut number) in digits.into_iter().chain(seconds) {
            for digit in text[range].iter_mut().rev() {
                *digit = b'0' + (number % 10) as u8;
                number /= 10;
            }
        }
        text
    }

    /// Formats the time without milliseconds, for a table: `2026-11-22 03:12:45`.
    pub fn to_the_second(self) -> String {
        let text = humantime::format_rfc3339_seconds(self.0).to_string();
        text.trim_end_matches('Z').replace('T', " ")
    }
}

/// Returns the year, month and day of a day since 1970-01-01: the years begin in March, so that the day of
/// a leap year is the last one. Source: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms",
/// `civil_from_days`.
fn date(days: u64) -> (u64, u64, u64) {
    let day = days + 719_468;
    let (era, day) = (day / 146_097, day % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (400 * era + year + u64::from(month <= 2), month, day)
}

/// The last millisecond that RFC 3339 can express: the end of the year 9999.
const LATEST: u64 = 253_402_300_799_999;

impl fmt::Display for Time {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        humantime::format_rfc3339_millis(self.0).fmt(out)
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = self.rfc3339();
        serializer.serialize_str(str::from_utf8(&text).unwrap_or_default())
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        humantime::parse_rfc3339(&text).map(Self::new).map_err(de::Error::custom)
    }
}

/// Minimum step of the wall clock against the other clock that counts as a change. Less may be the time
/// between the readings of the two, or the slewing of a time service.
const CLOCK_SET: Duration = Duration::from_millis(500);

/// A reading of both clocks at once.
#[derive(Debug, Clone, Copy)]
pub struct ClockReading {
    /// The clock that never jumps, for intervals and windows.
    pub clock: Instant,
    /// The wall clock.
    pub wall: SystemTime,
}

impl ClockReading {
    /// Returns the wall-clock time at `clock`, according to this reading.
    pub fn wall_at(&self, clock: Instant) -> Time {
        let wall = match clock.checked_duration_since(self.clock) {
            Some(after) => self.wall.checked_add(after),
            None => self.wall.checked_sub(self.clock.duration_since(clock)),
        };
        Time::new(wall.unwrap_or(self.wall))
    }

    /// Returns the instant at which the wall clock shows `time`, according to this reading.
    pub(super) fn clock_at(&self, time: Time) -> Instant {
        let clock = match time.wall().duration_since(self.wall) {
            Ok(after) => self.clock.checked_add(after),
            Err(before) => self.clock.checked_sub(before.duration()),
        };
        clock.unwrap_or(self.clock)
    }

    /// Returns the reading that converts times after `now`: this one until the wall clock is set, so
    /// that written times do not waver between readings.
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
    fn a_time_is_written_as_humantime_writes_it() {
        let days = (0..2_932_896).step_by(97).chain([58, 59, 789, 790, 11_016, 47_540, 47_541]);
        for day in days {
            let seconds = day * 86_400 + day * 7_919 % 86_400;
            let wall =
                SystemTime::UNIX_EPOCH + Duration::from_millis(seconds * 1_000 + day % 1_000);
            let want = humantime::format_rfc3339_millis(wall).to_string();
            assert_eq!(str::from_utf8(&Time::new(wall).rfc3339()), Ok(want.as_str()), "day {day}");
        }
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
        let now = ClockReading {
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
