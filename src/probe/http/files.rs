//! Values that are built from files, and built again when one of the files changes.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, Semaphore, oneshot};
use tokio::time::Instant;

/// Time between two looks at the files.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Maximum number of checks that read their files at the same time.
const MOST_READERS: usize = 4;

static READERS: Semaphore = Semaphore::const_new(MOST_READERS);

/// A value, or the reason why it cannot be built.
pub(super) type Built<T> = Result<Arc<T>, String>;

/// A value that is built from files.
#[derive(Debug)]
pub(super) struct FileValue<T>(Arc<SharedValue<T>>);

struct SharedValue<T> {
    paths: Vec<PathBuf>,
    build: Box<dyn Fn() -> Result<T, String> + Send + Sync>,
    state: Mutex<ValueState<T>>,
    loaded: Notify,
}

struct ValueState<T> {
    value: Option<Built<T>>,
    stamps: Vec<Option<Stamp>>,
    is_reading: bool,
    /// The time of the next look at the files.
    due: Option<Instant>,
}

impl<T> std::fmt::Debug for SharedValue<T> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("SharedValue").field("paths", &self.paths).finish_non_exhaustive()
    }
}

/// Everything that differs between two contents of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl From<Metadata> for Stamp {
    fn from(file: Metadata) -> Self {
        Self {
            device: file.dev(),
            inode: file.ino(),
            size: file.size(),
            modified: (file.mtime(), file.mtime_nsec()),
            changed: (file.ctime(), file.ctime_nsec()),
        }
    }
}

impl<T: Send + Sync + 'static> FileValue<T> {
    /// Returns a value that depends on no file.
    pub(super) fn none(value: T) -> Self {
        let files = Self::new(Vec::new(), || Err("depends on no file".to_owned()));
        files.0.lock().value = Some(Ok(Arc::new(value)));
        files
    }

    /// Returns a value that `build` reads from these files. It is called on a thread of its own, when
    /// the value is first needed and after each change of a file.
    pub(super) fn new(
        paths: Vec<PathBuf>,
        build: impl Fn() -> Result<T, String> + Send + Sync + 'static,
    ) -> Self {
        let state = ValueState { value: None, stamps: Vec::new(), is_reading: false, due: None };
        Self(Arc::new(SharedValue {
            paths,
            build: Box::new(build),
            state: Mutex::new(state),
            loaded: Notify::new(),
        }))
    }

    /// Whether there is neither a value nor an error yet.
    pub(super) fn is_unread(&self) -> bool {
        self.0.lock().value.is_none()
    }

    /// Returns the value as the files had it at the last look, and looks again if that is due.
    /// Waits only until there is a value or an error.
    pub(super) async fn current(&self, now: Instant) -> Built<T> {
        loop {
            let loaded = self.0.loaded.notified();
            if let Some(value) = self.0.look(now) {
                return value;
            }
            loaded.await;
        }
    }
}

impl<T: Send + Sync + 'static> SharedValue<T> {
    fn lock(&self) -> MutexGuard<'_, ValueState<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the present value, and begins to look at the files if that is due.
    fn look(self: &Arc<Self>, now: Instant) -> Option<Built<T>> {
        let mut state = self.lock();
        let is_due = match &state.value {
            None => true,
            Some(Ok(_)) if self.paths.is_empty() => false,
            Some(_) => state.due.is_none_or(|due| now >= due),
        };
        if is_due && !state.is_reading {
            state.is_reading = true;
            state.due = Some(now + LOOK_EVERY);
            tokio::spawn(Arc::clone(self).read());
        }
        state.value.clone()
    }

    /// Looks at the files on a thread, since a disk may not answer.
    async fn read(self: Arc<Self>) {
        // Never closed, so always acquired.
        let _permit = READERS.acquire().await;
        let (done, ended) = oneshot::channel::<()>();
        let shared = Arc::clone(&self);
        let thread = std::thread::Builder::new().name("files of a check".into()).spawn(move || {
            shared.rebuild();
            drop(done);
        });
        match thread {
            // It ends without a word.
            Ok(_) => drop(ended.await),
            Err(error) => {
                let reason = format!("cannot start a thread to read its files: {error}");
                self.lock().value.get_or_insert(Err(reason));
            }
        }
        self.lock().is_reading = false;
        self.loaded.notify_waiters();
    }

    /// Builds the value again if a file has changed, or if it could not be built.
    fn rebuild(&self) {
        let paths = self.paths.clone();
        let stamps = crate::file::look(move || {
            paths.iter().map(|path| std::fs::metadata(path).ok().map(Stamp::from)).collect()
        });
        let stamps: Vec<Option<Stamp>> = stamps.unwrap_or_default();
        {
            let state = self.lock();
            let is_built = matches!(state.value, Some(Ok(_)));
            if is_built && state.stamps == stamps {
                return;
            }
        }
        let value = (self.build)().map(Arc::new);
        let mut state = self.lock();
        (state.value, state.stamps) = (Some(value), stamps);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn text(path: &std::path::Path) -> FileValue<String> {
        let own = path.to_owned();
        FileValue::new(vec![path.to_owned()], move || crate::file::read_text(&own, 100))
    }

    #[tokio::test(start_paused = true)]
    async fn a_changed_file_is_read_again_and_a_missing_one_is_an_error_until_it_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let files = text(&path);
        let mut now = crate::probe::now();
        assert!(files.current(now).await.unwrap_err().contains("cannot be read"));
        for content in ["one", "two", "three"] {
            std::fs::write(&path, content).unwrap();
            let was = files.0.lock().value.clone();
            now += LOOK_EVERY;
            // The look goes on beside the probe, which takes the value of the last one.
            assert_eq!(files.current(now).await, was.unwrap());
            while files.0.lock().is_reading {
                tokio::task::yield_now().await;
            }
            assert_eq!(*files.current(now).await.unwrap(), content);
        }
    }

    #[tokio::test]
    async fn an_unchanged_file_is_read_once() {
        let path = std::env::current_exe().unwrap();
        let reads = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&reads);
        let files = FileValue::new(vec![path], move || Ok(counted.fetch_add(1, Ordering::SeqCst)));
        let now = crate::probe::now();
        for nth in 0..3 {
            files.current(now + LOOK_EVERY * nth).await.unwrap();
            while files.0.lock().is_reading {
                tokio::task::yield_now().await;
            }
        }
        assert_eq!(reads.load(Ordering::SeqCst), 1);
    }
}
