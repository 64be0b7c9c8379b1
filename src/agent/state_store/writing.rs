//! Writes the state file beside the loop, so that a disk that hangs delays nothing else.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::AcquireError;

use super::{StateLocation, StateStore};

/// Maximum time to wait for the disk. A disk that fails returns at once; one that hangs must not keep
/// a dead address in DNS.
pub(super) const DISK_MAY_TAKE: Duration = Duration::from_secs(2);

/// Maximum number of threads that write or wait to write. The next one in turn writes the newest
/// state, so more would only hold threads that others need, for as long as the disk hangs.
pub(super) const MOST_WRITERS: usize = 4;

impl StateStore {
    /// Writes as [`Self::write`] does, on a thread for blocking work, and waits no longer than
    /// [`DISK_MAY_TAKE`]. The write continues after that.
    pub(in crate::agent) async fn write_in_time(self: Arc<Self>) {
        let permit = Arc::clone(&self.writers).try_acquire_owned();
        if permit.is_err() && self.hangs.load(Ordering::SeqCst) {
            return;
        }
        let store = Arc::clone(&self);
        let writing = async move {
            let permit = match permit {
                Ok(permit) => permit,
                Err(_) => Arc::clone(&store.writers).acquire_owned().await?,
            };
            let written = tokio::task::spawn_blocking(move || {
                store.write();
                store.hangs.store(false, Ordering::SeqCst);
                drop(permit);
            });
            Ok::<_, AcquireError>(written.await)
        };
        if tokio::time::timeout(DISK_MAY_TAKE, writing).await.is_err() {
            self.hangs.store(true, Ordering::SeqCst);
            tracing::warn!(
                "the state file is not written after {} s, the disk may hang; nothing waits for it",
                DISK_MAY_TAKE.as_secs()
            );
        }
    }

    /// Writes the state if it differs from the file. A disk that is full or read-only is logged
    /// each time, and stops nothing.
    pub(in crate::agent) fn write(&self) {
        let file = match &self.place {
            StateLocation::Nowhere => return,
            StateLocation::File(file) => file,
            StateLocation::LeftAlone(path) => {
                let path = path.display();
                tracing::warn!("state file {path} is left alone since the start; nothing is kept");
                return;
            }
        };
        let mut written = self.written();
        let memory = self.memory().clone();
        if written.memory.as_ref() == Some(&memory) && !self.failed.load(Ordering::SeqCst) {
            return;
        }
        match file.save(&memory) {
            Ok(()) => {
                if self.failed.swap(false, Ordering::SeqCst) {
                    tracing::info!("state file {} is written again", file.path().display());
                }
                written.memory = Some(memory);
            }
            Err(error) => {
                self.failed.store(true, Ordering::SeqCst);
                tracing::warn!("{}", crate::text::error_chain(&error));
            }
        }
    }

    /// Whether the file is older than the state.
    pub(in crate::agent) fn is_behind(&self) -> bool {
        match &self.place {
            StateLocation::Nowhere => false,
            StateLocation::File(_) => self.is_stuck(),
            StateLocation::LeftAlone(_) => true,
        }
    }
}
