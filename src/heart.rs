//! Heartbeat of the event loop, checked by the parts that act on its decisions.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Time without an iteration after which the loop counts as stalled. Its orders, votes and status
/// are then no longer acted on, because they may be outdated. The loop has an iteration at least
/// once a second.
pub(crate) const STALLED_AFTER: Duration = Duration::from_secs(3);

/// The time of the event loop's last iteration.
#[derive(Debug)]
pub struct Heart {
    made: Instant,
    /// Milliseconds from `made` to the last iteration.
    beat: AtomicU64,
}

impl Heart {
    /// Creates a heartbeat with a first iteration at `made`.
    pub fn new(made: Instant) -> Self {
        Self { made, beat: AtomicU64::new(0) }
    }

    fn millis(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.made).as_millis()).unwrap_or(u64::MAX)
    }

    /// Records an iteration of the loop.
    pub fn beat(&self, now: Instant) {
        self.beat.store(self.millis(now), Ordering::Relaxed);
    }

    /// Returns the time since the last iteration.
    pub fn silence(&self, now: Instant) -> Duration {
        Duration::from_millis(self.millis(now).saturating_sub(self.beat.load(Ordering::Relaxed)))
    }

    /// Whether the last iteration is recent enough to rely on the loop's decisions.
    pub fn is_beating(&self, now: Instant) -> bool {
        self.silence(now) < STALLED_AFTER
    }
}
