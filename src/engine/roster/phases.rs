//! The offsets at which endpoints are probed, so that they are not all probed at once.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::time::Duration;

/// Returns the offset in the interval at which the `index`th of `count` targets is probed. Each
/// target has its own offset, or shares it with at most as many others as make up a `burst`. The
/// offsets are spread evenly.
pub fn phase(interval: Duration, burst: NonZeroUsize, index: usize, count: usize) -> Duration {
    let groups = count.div_ceil(burst.get()).max(1);
    // Neighbours in the list are often neighbours in the network, so they are separated.
    spread(interval, index % groups, groups, 0.0)
}

/// Returns the offset of the `index`th of `count` schedules within the interval, so that they do
/// not fire at once. `shift` moves all of them by a part of the gap between two.
fn spread(interval: Duration, index: usize, count: usize, shift: f64) -> Duration {
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    interval.mul_f64((index as f64 + shift) / count.max(1) as f64)
}

/// The offsets of all targets. Those with the same interval are spread over it.
#[derive(Debug)]
pub(super) struct Phases {
    burst: NonZeroUsize,
    /// The number of targets with an interval, and of those that have their offset already.
    groups: BTreeMap<Duration, (usize, usize)>,
}

impl Phases {
    /// Prepares the offsets of targets with these intervals.
    pub(super) fn of(intervals: impl Iterator<Item = Duration>, burst: NonZeroUsize) -> Self {
        let mut groups: BTreeMap<Duration, (usize, usize)> = BTreeMap::new();
        for interval in intervals {
            groups.entry(interval).or_default().0 += 1;
        }
        Self { burst, groups }
    }

    /// Returns the offset of the next target with this interval.
    pub(super) fn next(&mut self, interval: Duration) -> Duration {
        let (count, taken) = self.groups.entry(interval).or_default();
        let index = *taken;
        *taken += 1;
        phase(interval, self.burst, index, *count)
    }

    /// Returns the offset of the `index`th of `count` canaries: between the targets, or, with bursts,
    /// together with one, so that it causes no additional wake-up.
    pub(super) fn of_canary(&self, interval: Duration, index: usize, count: usize) -> Duration {
        let targets = self.groups.get(&interval).map_or(0, |(count, _)| *count);
        match self.burst.get() {
            1 => spread(interval, index, count, 0.5),
            _ => phase(interval, self.burst, index, targets),
        }
    }
}
