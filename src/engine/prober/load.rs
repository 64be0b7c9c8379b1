//! The ordinary probes of all endpoints together, apart from retries.

use std::collections::BTreeMap;
use std::time::Duration;

use super::endpoint::Watched;
use super::retries;

/// The number of endpoints, and how often they are probed.
#[derive(Debug, Default)]
pub(in crate::engine) struct ProbeLoad {
    /// The number of endpoints, by the time between their probes.
    endpoints: BTreeMap<Duration, usize>,
    /// The number of endpoints that are no canaries.
    targets: usize,
    /// The shortest time that any probe has for its reply.
    shortest_timeout: Duration,
}

impl ProbeLoad {
    /// Counts the endpoints.
    pub(super) fn of<'a>(watched: impl Iterator<Item = &'a Watched>) -> Self {
        let mut load = Self::default();
        let mut shortest: Option<Duration> = None;
        for endpoint in watched {
            let pace = endpoint.pace();
            *load.endpoints.entry(pace.interval).or_default() += 1;
            load.targets += usize::from(endpoint.is_target());
            shortest = Some(shortest.map_or(pace.timeout, |least| least.min(pace.timeout)));
        }
        load.shortest_timeout = shortest.unwrap_or_default();
        load
    }

    /// Returns the number of endpoints that are no canaries.
    pub(in crate::engine) fn targets(&self) -> usize {
        self.targets
    }

    /// Returns the shortest time that any probe has for its reply.
    pub(in crate::engine) fn shortest_timeout(&self) -> Duration {
        self.shortest_timeout
    }

    /// Returns the number of ordinary probes a second.
    pub(in crate::engine) fn a_second(&self) -> f64 {
        self.endpoints.iter().map(|(interval, count)| retries::ordinary(*count, *interval)).sum()
    }

    /// Returns the number of retries a second that all endpoints together are allowed.
    pub(super) fn retry_budget(&self) -> f64 {
        retries::at_least(self.a_second())
    }

    /// Returns the number of endpoints that may rehearse this retry pace at once, so that the whole
    /// pace never doubles.
    pub(super) fn most_rehearsing(&self, retry_interval: Duration) -> f64 {
        let retry = retry_interval.as_secs_f64();
        let mut most = 0.0;
        for (interval, count) in &self.endpoints {
            #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
            let count = *count as f64;
            most += count * retry / interval.as_secs_f64().max(0.001);
        }
        most
    }
}
