//! The keys of the pace of probing and of the thresholds.

use std::collections::BTreeMap;
use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

use super::Probing;
use crate::config::field::{Field, FieldReader};
use crate::config::keys::Section;
use crate::config::problem::Spot;
use crate::config::rule::{duration, integer};

/// Default number of consecutive losses or replies.
const THRESHOLD: u32 = 3;

/// Default interval between probes, the one in the Go program's example.
const INTERVAL: Duration = Duration::from_secs(2);

/// Minimum pause between probes: 50 ms.
const SHORTEST_PAUSE: Duration = Duration::from_millis(50);

/// Minimum timeout: 1 ms.
const SHORTEST_TIMEOUT: Duration = Duration::from_millis(1);

/// Maximum pause, and maximum timeout: one hour.
const HOUR: Duration = Duration::from_hours(1);

/// The values of the pace and of the thresholds, each validated alone.
#[derive(Clone)]
pub(super) struct PaceKeys {
    pub(super) failure_threshold: Field<u32>,
    pub(super) recovery_threshold: Field<u32>,
    pub(super) interval: Field<Duration>,
    pub(super) timeout: Field<Duration>,
    pub(super) retry_interval: Field<Duration>,
}

impl PaceKeys {
    /// Takes the values out of a section or table.
    pub(super) fn parse(section: Section, values: &mut FieldReader<'_>) -> Self {
        Self {
            failure_threshold: values.one(section, "failure_threshold", integer(1, 1000)),
            recovery_threshold: values.one(section, "recovery_threshold", integer(1, 1000)),
            interval: values.one(section, "interval", duration(SHORTEST_PAUSE, HOUR)),
            timeout: values.one(section, "timeout", duration(SHORTEST_TIMEOUT, HOUR)),
            retry_interval: values.one(section, "retry_interval", duration(SHORTEST_PAUSE, HOUR)),
        }
    }

    /// Returns these values, and those of `farther` for keys that are not set here.
    pub(super) fn over(&self, farther: &Self) -> Self {
        Self {
            failure_threshold: self.failure_threshold.over(&farther.failure_threshold),
            recovery_threshold: self.recovery_threshold.over(&farther.recovery_threshold),
            interval: self.interval.over(&farther.interval),
            timeout: self.timeout.over(&farther.timeout),
            retry_interval: self.retry_interval.over(&farther.retry_interval),
        }
    }

    /// Returns the pace of probing. Omitted values are derived from the given ones.
    pub(super) fn probing(&self, burst: NonZeroUsize) -> Probing {
        let failures = self.failure_threshold.or(THRESHOLD);
        let interval = self.interval.or(INTERVAL);
        Probing {
            failure_threshold: at_least_one(failures),
            recovery_threshold: at_least_one(self.recovery_threshold.or(failures)),
            interval,
            timeout: self.timeout.or(interval),
            retry_interval: self.retry_interval.or(interval),
            burst,
        }
    }

    /// Returns the place from which each value comes: that of its own key, or of the key that it is
    /// derived from.
    pub(super) fn places(&self) -> [(&'static str, Option<&Spot>); 5] {
        let (failures, interval) = (self.failure_threshold.spot(), self.interval.spot());
        [
            ("failure_threshold", failures),
            ("recovery_threshold", self.recovery_threshold.spot().or(failures)),
            ("interval", interval),
            ("timeout", self.timeout.spot().or(interval)),
            ("retry_interval", self.retry_interval.spot().or(interval)),
        ]
    }

    /// Returns the same places by key, without the keys that have their defaults.
    pub(super) fn known_places(&self) -> BTreeMap<&'static str, Spot> {
        let places = self.places().into_iter();
        places.filter_map(|(key, spot)| Some((key, spot?.clone()))).collect()
    }
}

fn at_least_one(count: u32) -> NonZeroU32 {
    NonZeroU32::new(count).unwrap_or(NonZeroU32::MIN)
}
