//! Keeps drains and withdrawn records across restarts, if the configuration names a state file.
//!
//! Nothing that is wrong with the file stops the agent.

mod drains;
mod records;
mod writing;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::task::JoinError;

use super::clock::wall;
use crate::state::{self, Memory, SavedIncidents, StateFile};
use drains::KnownServices;
use writing::MOST_WRITERS;

pub(super) use records::Records;

/// Maximum number of entries of services, or of zones, that are not in the configuration. They may come
/// back, but the file must not grow with every name that there ever was.
const MOST_UNKNOWN: usize = 10_000;

/// Drops the oldest entries beyond [`MOST_UNKNOWN`].
fn keep_newest<T>(entries: &mut Vec<T>, since: impl Fn(&T) -> u64) {
    let surplus = entries.len().saturating_sub(MOST_UNKNOWN);
    if surplus > 0 {
        entries.sort_by_key(since);
        entries.drain(..surplus);
        tracing::warn!(
            dropped = surplus,
            "state of services and zones that are not in the configuration is dropped, the oldest first"
        );
    }
}

/// The state and its file.
#[derive(Debug)]
pub(super) struct StateStore {
    place: StateLocation,
    memory: Mutex<Memory>,
    /// The services and their drains; `memory` has all of them. Locked after it.
    services: Mutex<KnownServices>,
    /// Held while the file is written, so that writes do not overlap.
    writing: Mutex<LastWrite>,
    /// Permits for the threads that write or wait to write.
    writers: Arc<Semaphore>,
    /// Whether the newest write did not end in time.
    hangs: AtomicBool,
    /// Whether the last write failed.
    failed: AtomicBool,
    /// Whether the incidents changed since they were last asked about.
    has_news: AtomicBool,
}

/// The place of the state.
#[derive(Debug)]
enum StateLocation {
    /// The configuration names no file.
    Nowhere,
    /// The state is kept in this file.
    File(StateFile),
    /// The file could not be read, and is never overwritten.
    LeftAlone(PathBuf),
}

/// Whether the state survives a restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Durability {
    /// The state is on the disk.
    Saved,
    /// There is no state file.
    NoFile,
    /// The state file cannot be written.
    Unsaved,
}

#[derive(Debug, Default)]
struct LastWrite {
    /// The content of the file. Unknown until the first write, which shows at the start whether the
    /// file can be written.
    memory: Option<Memory>,
}

impl StateStore {
    /// Reads the file, if there is one, and logs its problems.
    pub(super) fn open(path: Option<&Path>) -> Self {
        let (place, memory) = path.map_or((StateLocation::Nowhere, Memory::default()), read);
        Self::with(place, memory)
    }

    /// Like [`Self::open`], on a thread of `talk` and for at most `limit`. After that the file is left
    /// alone.
    pub(super) async fn open_within(
        limit: Duration,
        path: Option<PathBuf>,
        talk: &Handle,
        open: impl FnOnce(Option<&Path>) -> Self + Send + 'static,
    ) -> Result<Self, JoinError> {
        let file = path.clone();
        let opening = talk.spawn_blocking(move || open(file.as_deref()));
        match tokio::time::timeout(limit, opening).await {
            Ok(opened) => opened,
            Err(_) => Ok(Self::unreachable(path.as_deref())),
        }
    }

    /// Leaves alone a file that could not be read in time.
    fn unreachable(path: Option<&Path>) -> Self {
        let Some(path) = path else { return Self::with(StateLocation::Nowhere, Memory::default()) };
        tracing::error!(
            "state file {}: the disk does not answer; the file is left alone, and nothing is kept",
            path.display()
        );
        Self::with(StateLocation::LeftAlone(path.to_owned()), Memory::default())
    }

    fn with(place: StateLocation, memory: Memory) -> Self {
        let services = KnownServices::remembered(&memory.drains);
        Self {
            place,
            memory: Mutex::new(memory),
            services: Mutex::new(services),
            writing: Mutex::default(),
            writers: Arc::new(Semaphore::new(MOST_WRITERS)),
            hangs: AtomicBool::new(false),
            failed: AtomicBool::new(false),
            has_news: AtomicBool::new(false),
        }
    }

    /// Returns the incidents that are open.
    pub(super) fn incidents(&self) -> SavedIncidents {
        self.memory().incidents.clone()
    }

    /// Stores the incidents that are open.
    pub(super) fn note_incidents(&self, incidents: SavedIncidents) {
        self.memory().incidents = incidents;
        self.has_news.store(true, Ordering::SeqCst);
    }

    /// Returns whether incidents were stored since the last call.
    pub(super) fn take_news(&self) -> bool {
        self.has_news.swap(false, Ordering::SeqCst)
    }

    /// Returns whether the last write survives a restart.
    pub(super) fn durability(&self) -> Durability {
        match &self.place {
            StateLocation::Nowhere => Durability::NoFile,
            StateLocation::File(_) if !self.is_stuck() => Durability::Saved,
            StateLocation::File(_) | StateLocation::LeftAlone(_) => Durability::Unsaved,
        }
    }

    /// Whether the newest write failed, or hangs.
    fn is_stuck(&self) -> bool {
        self.failed.load(Ordering::SeqCst) || self.hangs.load(Ordering::SeqCst)
    }

    fn written(&self) -> MutexGuard<'_, LastWrite> {
        self.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads the file at `path`, and logs its problems.
fn read(path: &Path) -> (StateLocation, Memory) {
    let file = StateFile::new(path);
    let loaded = file.load(wall());
    let left_alone = loaded.trouble.as_ref().is_some_and(state::LoadError::in_place);
    if let Some(trouble) = &loaded.trouble {
        tracing::error!("{}", crate::text::error_chain(trouble));
    }
    let place = if left_alone {
        StateLocation::LeftAlone(path.to_owned())
    } else {
        StateLocation::File(file)
    };
    (place, loaded.memory)
}

#[cfg(test)]
mod tests;
