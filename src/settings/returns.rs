//! How slowly addresses come back: `return_delay` and `return_delay_max`.

use std::time::Duration;

use super::Delay;
use crate::config::field::{Field, FieldReader};
use crate::config::in_force::ValueInForce;
use crate::config::keys::{Key, Section};
use crate::config::problem::{Report, Spot};
use crate::config::rule::duration;
use crate::text::seconds;

/// The key of the delay.
pub(super) const DELAY: Key = Key::new("return_delay");

/// The key of its upper bound.
pub(super) const MAX: Key = Key::new("return_delay_max");

/// Maximum delay: one day.
const DAY: Duration = Duration::from_hours(24);

/// How long addresses that were withdrawn have to be up before they are put back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReturnConfig {
    /// Time for which an address has to be up; zero puts it back at once.
    pub delay: Duration,
    /// Upper bound of that time, which doubles with each withdrawal; the delay without a bound of its own.
    pub max: Duration,
}

impl ReturnConfig {
    /// Whether addresses come back at once.
    pub(crate) fn is_off(self) -> bool {
        self.delay.is_zero()
    }

    /// Returns the time until an address that answers again is put back, if it is noticed after
    /// `noticed`.
    pub(super) fn after(self, noticed: Delay) -> Delay {
        Delay { best: noticed.best + self.delay, worst: noticed.worst + self.max }
    }

    /// Describes when an address that is seen up is put back; empty if that is at once.
    pub(super) fn in_words(self) -> String {
        if self.is_off() {
            return String::new();
        }
        let delay = seconds(self.delay);
        if self.max > self.delay {
            let max = seconds(self.max);
            return format!(
                "; put back {delay} later, twice as late after each further withdrawal, up to {max}"
            );
        }
        format!("; put back {delay} later")
    }

    /// Returns the values in force, with the places that `place_of` finds.
    pub(super) fn values<'a>(
        self,
        place_of: impl Fn(&str) -> Option<&'a Spot>,
    ) -> [ValueInForce; 2] {
        let (delay, max) = (DELAY.name, MAX.name);
        // The bound is derived from the delay if it is not set.
        let place_of_max = place_of(max).or_else(|| place_of(delay));
        [
            ValueInForce::new(delay, seconds(self.delay), place_of(delay)),
            ValueInForce::new(max, seconds(self.max), place_of_max),
        ]
    }
}

/// The values of both keys in a section or a service, each validated alone.
#[derive(Clone)]
pub(super) struct ReturnKeys {
    delay: Field<Duration>,
    max: Field<Duration>,
}

impl ReturnKeys {
    /// Takes the values out of a section or table.
    pub(super) fn parse(section: Section, values: &mut FieldReader<'_>) -> Self {
        Self {
            delay: values.one(section, DELAY.name, duration(Duration::ZERO, DAY)),
            max: values.one(section, MAX.name, duration(Duration::ZERO, DAY)),
        }
    }

    /// Returns these values, and those of `farther` for keys that are not set here.
    pub(super) fn over(&self, farther: &Self) -> Self {
        Self { delay: self.delay.over(&farther.delay), max: self.max.over(&farther.max) }
    }

    /// Returns the places of the values, by key.
    pub(super) fn places(&self) -> Vec<(&'static str, Spot)> {
        let places = [(DELAY.name, self.delay.spot()), (MAX.name, self.max.spot())];
        places.into_iter().filter_map(|(key, spot)| Some((key, spot?.clone()))).collect()
    }

    /// Returns the settings of a service with these values. An upper bound below the delay is refused.
    pub(super) fn build(&self, report: &mut Report) -> ReturnConfig {
        let delay = self.delay.or(Duration::ZERO);
        let Some(max) = self.max.present() else { return ReturnConfig { delay, max: delay } };
        if let Some(at) = self.delay.present().filter(|at| max.value < at.value) {
            let what = format!(
                "{} is less than {}, {}, in line {}; the delay doubles up to return_delay_max, or stays \
                 as it is without that key",
                max.shown,
                at.spot.key,
                at.shown,
                at.spot.line.unwrap_or_default(),
            );
            report.refuse(&max.spot, what);
        }
        ReturnConfig { delay, max: max.value.max(delay) }
    }

    /// Returns the warning about an upper bound of no delay, with its place.
    pub(super) fn advise(&self) -> Option<(Spot, String)> {
        let max = self.max.present().filter(|at| !at.value.is_zero())?;
        let is_off = self.delay.or(Duration::ZERO).is_zero() && !self.delay.is_refused();
        let what = "not used: return_delay is 0, which doubles to 0";
        is_off.then(|| (max.spot.clone(), what.to_owned()))
    }
}
