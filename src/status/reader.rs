//! The readers' end of the board.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::snapshot::Snapshot;
use crate::heart::Heart;

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
