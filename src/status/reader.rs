//! The readers' end of the board.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::snapshot::Snapshot;

/// Reads what was last published. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Reader {
    snapshots: watch::Receiver<Arc<Snapshot>>,
    heart: Arc<Heart>,
}

impl Reader {
    pub(super) fn new(snapshots: watch::Receiver<Arc<Snapshot>>, heart: Arc<Heart>) -> Self {
        Self { snapshots, heart }
    }

    /// The newest snapshot; the last one if the board is gone.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.snapshots.borrow())
    }

    /// How long ago the driver's loop last turned.
    pub fn silence(&self, now: Instant) -> Duration {
        self.heart.silence(now)
    }
}

/// When the driver's loop last turned.
#[derive(Debug)]
pub(super) struct Heart {
    made: Instant,
    /// Milliseconds after `made`.
    beat: AtomicU64,
}

impl Heart {
    pub(super) fn new(made: Instant) -> Self {
        Self { made, beat: AtomicU64::new(0) }
    }

    fn millis(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.made).as_millis()).unwrap_or(u64::MAX)
    }

    pub(super) fn beat(&self, now: Instant) {
        self.beat.store(self.millis(now), Ordering::Relaxed);
    }

    fn silence(&self, now: Instant) -> Duration {
        Duration::from_millis(self.millis(now).saturating_sub(self.beat.load(Ordering::Relaxed)))
    }
}
