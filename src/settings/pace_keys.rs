//! The keys of the pace and the thresholds, which a check, a service and the top of the file may have.

use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

use super::Probing;
use crate::config::field::{At, Field, FieldReader};
use crate::config::keys::Section;
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

/// The values of one place in the file, each validated alone.
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
}

/// The places at which a value may be set, the nearest one first.
#[derive(Clone, Copy)]
pub(super) struct PaceLayers<'a>(pub(super) &'a [&'a PaceKeys]);

impl<'a> PaceLayers<'a> {
    /// Returns the nearest value of a key.
    pub(super) fn nearest<T>(self, key: fn(&'a PaceKeys) -> &'a Field<T>) -> Option<&'a At<T>> {
        self.0.iter().find_map(|keys| key(keys).present())
    }

    /// Returns the pace of probing. Omitted values are derived from the given ones.
    pub(super) fn probing(self, burst: NonZeroUsize) -> Probing {
        let failures = value(self.nearest(|keys| &keys.failure_threshold), THRESHOLD);
        let recoveries = value(self.nearest(|keys| &keys.recovery_threshold), failures);
        let interval = value(self.nearest(|keys| &keys.interval), INTERVAL);
        Probing {
            failure_threshold: NonZeroU32::new(failures).unwrap_or(NonZeroU32::MIN),
            recovery_threshold: NonZeroU32::new(recoveries).unwrap_or(NonZeroU32::MIN),
            interval,
            timeout: value(self.nearest(|keys| &keys.timeout), interval),
            retry_interval: value(self.nearest(|keys| &keys.retry_interval), interval),
            burst,
        }
    }
}

/// Returns the value of a key, or `default` if it is not set.
fn value<T: Copy>(at: Option<&At<T>>, default: T) -> T {
    at.map_or(default, |at| at.value)
}
