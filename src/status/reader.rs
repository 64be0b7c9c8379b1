//! The readers' access to the board.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::rendering::Rendering;
use super::snapshot::Snapshot;
use crate::heart::Heart;

/// Reads the newest snapshot. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Reader {
    snapshots: watch::Receiver<Arc<Snapshot>>,
    heart: Arc<Heart>,
    renderings: Arc<Renderings>,
    has_days: bool,
}

/// The bodies that the readers of one listener share, by kind.
#[derive(Debug, Default)]
pub(super) struct Renderings {
    pub(super) status: Rendering,
    pub(super) metrics: Rendering,
    pub(super) open_metrics: Rendering,
    pub(super) page: Rendering,
    pub(super) whole_page: Rendering,
}

impl Reader {
    pub(super) fn new(snapshots: watch::Receiver<Arc<Snapshot>>, heart: Arc<Heart>) -> Self {
        Self { snapshots, heart, renderings: Arc::default(), has_days: false }
    }

    /// Has the page lead to drawings of the last day of each target.
    #[must_use]
    pub fn with_days(self) -> Self {
        Self { has_days: true, ..self }
    }

    /// Whether there are drawings of the last day of each target.
    pub(super) fn has_days(&self) -> bool {
        self.has_days
    }

    /// Returns the newest snapshot.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.snapshots.borrow())
    }

    /// Returns the bodies that this reader and its clones share.
    pub(super) fn renderings(&self) -> &Renderings {
        &self.renderings
    }

    /// Returns the time since the last iteration of the event loop.
    pub fn silence(&self, now: Instant) -> Duration {
        self.heart.silence(now)
    }
}
