//! Histograms of durations for the metrics.

use std::time::Duration;

/// A histogram of durations, without a lock.
#[derive(Debug, Clone)]
pub(super) struct Histogram {
    /// Upper bounds of the buckets in seconds, ascending. One more bucket has no bound.
    bounds: &'static [f64],
    counts: Vec<u64>,
    sum: f64,
}

/// Bounds for round-trip times, from the same data centre to a probe just in time.
pub(super) const RTT_BOUNDS: [f64; 12] =
    [0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5];

/// Bounds for failovers, from the fastest possible one to one that outlasts an outage of the provider.
pub(super) const FAILOVER_BOUNDS: [f64; 12] =
    [0.5, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 600.0];

/// Bounds for changes that become visible, from the next answer to one that outlasts most TTLs.
pub(super) const VISIBLE_BOUNDS: [f64; 12] =
    [0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 120.0, 600.0];

impl Histogram {
    pub(super) fn new(bounds: &'static [f64]) -> Self {
        Self { bounds, counts: vec![0; bounds.len() + 1], sum: 0.0 }
    }

    /// Adds a duration.
    pub(super) fn observe(&mut self, duration: Duration) {
        let seconds = duration.as_secs_f64();
        self.sum += seconds;
        let bucket = self.bounds.iter().position(|bound| seconds <= *bound);
        self.counts[bucket.unwrap_or(self.bounds.len())] += 1;
    }

    /// Returns the sum, the count, and each bucket's own count by its upper bound. The last bound is
    /// infinite.
    pub(super) fn read(&self) -> (f64, u64, Vec<(f64, u64)>) {
        let bounds = self.bounds.iter().copied().chain([f64::INFINITY]);
        let buckets = bounds.zip(self.counts.iter().copied()).collect();
        (self.sum, self.counts.iter().sum(), buckets)
    }
}
