//! Waits in the status: targets that are up again and are put back later.

use serde::{Deserialize, Serialize};

use super::Time;
use crate::engine::often;

/// The wait of a target that is up again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Returning {
    /// The time at which it is put back, if it stays up.
    pub at: Time,
    /// The time in seconds for which it has to be up.
    pub delay_s: f64,
    /// The number of its withdrawals for its health in the last hour.
    pub withdrawals_1h: usize,
}

impl Returning {
    /// Describes the wait, as of a status of `now`: `back at 14:03:10, third time in an hour`. A time on
    /// another day has its date.
    pub(in crate::status) fn in_words(&self, now: Time) -> String {
        let (at, today) = (self.at.to_the_second(), now.to_the_second());
        let at = match (at.split_once(' '), today.split_once(' ')) {
            (Some((date, time)), Some((today, _))) if date == today => time.to_owned(),
            _ => at,
        };
        let often = often(self.withdrawals_1h).map(|often| format!(", {often}"));
        format!("back at {at}{}", often.unwrap_or_default())
    }
}

impl Eq for Returning {}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;
    use crate::status::concern::{Concern, service};
    use crate::status::model::{Health, Reason, Target};
    use crate::status::sample;

    fn time(seconds: u64) -> Time {
        Time::new(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
    }

    #[test]
    fn a_wait_is_told_with_its_end_and_how_often_it_came_to_that() {
        let rows = [
            (50_590, 1, "back at 14:03:10"),
            (50_590, 3, "back at 14:03:10, third time in an hour"),
            (86_400 + 61, 2, "back at 1970-01-02 00:01:01, second time in an hour"),
        ];
        for (at, withdrawals_1h, want) in rows {
            let returning = Returning { at: time(at), delay_s: 60.0, withdrawals_1h };
            assert_eq!(returning.in_words(time(50_000)), want);
        }
    }

    #[test]
    fn a_target_that_waits_is_held_back_and_serves_nobody() {
        let mut target = sample::target("192.0.2.10");
        target.records[0].present = Some(false);
        let reason = Some(Reason::Returning.into());
        let target = Target { health: Health::Up, in_service: false, reason, ..target };
        assert_eq!(Concern::of(&target), Concern::HeldOut);
        assert_eq!((service(&target).as_str(), target.serves()), ("no: returning", false));
    }
}
