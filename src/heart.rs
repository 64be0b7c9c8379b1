//! Whether the driver's loop still turns, for what acts on its word elsewhere.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// After this long without an iteration of the loop, nothing is done on its word: an order, a vote
/// and a status that nobody looks after may be untrue by now. The loop turns once a second at least.
pub const STALLED_AFTER: Duration = Duration::from_secs(3);

/// When the driver's loop last turned.
#[derive(Debug)]
pub struct Heart {
    made: Instant,
    /// Milliseconds after `made`.
    beat: AtomicU64,
}

impl Heart {
    /// A heart that beats at `made`.
    pub fn new(made: Instant) -> Self {
        Self { made, beat: AtomicU64::new(0) }
    }

    fn millis(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.made).as_millis()).unwrap_or(u64::MAX)
    }

    /// The loop turned.
    pub fn beat(&self, now: Instant) {
        self.beat.store(self.millis(now), Ordering::Relaxed);
    }

    /// How long ago it last turned.
    pub fn silence(&self, now: Instant) -> Duration {
        Duration::from_millis(self.millis(now).saturating_sub(self.beat.load(Ordering::Relaxed)))
    }

    /// Whether it turned a short while ago, so that its word stands.
    pub fn is_beating(&self, now: Instant) -> bool {
        self.silence(now) < STALLED_AFTER
    }
}
