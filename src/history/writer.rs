//! The writer: a thread beside the event loop, which a disk that hangs or is full holds up, and nothing
//! else.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::block::Block;
use super::file::HistoryFile;
use super::section::HistoryConfig;

/// The number of blocks that wait to be written.
const QUEUE: usize = 64;

/// Time after which a disk that does not answer is said to.
const LATE: Duration = Duration::from_secs(10);

/// The longest wait for the last block at the end.
const LAST_BLOCK: Duration = Duration::from_secs(2);

/// The state of the writer, for the status and the metrics.
#[derive(Debug, Default)]
pub(crate) struct WriterState {
    /// The number of bytes in the newer file.
    bytes: AtomicU64,
    /// The number of blocks written since the start.
    written: AtomicU64,
    /// The number of blocks that were lost.
    lost: AtomicU64,
    /// Whether a block was lost, so that the next one must need none before it.
    has_gap: AtomicBool,
    /// The number of requests that were handed on, and of those that were carried out or have failed.
    asked: AtomicU64,
    answered: AtomicU64,
    failing: Mutex<Option<String>>,
}

impl WriterState {
    /// Returns the number of bytes in the newer file.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Returns the number of blocks written since the start.
    pub(crate) fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    /// Returns the number of blocks that were lost.
    pub(crate) fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// Returns the reason why nothing is written, if that is so.
    pub(crate) fn failing(&self) -> Option<String> {
        self.failing.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Sets why nothing is written, and logs a change.
    fn set_failing(&self, reason: Option<String>) {
        let mut failing = self.failing.lock().unwrap_or_else(PoisonError::into_inner);
        match (&*failing, &reason) {
            (None, Some(reason)) => tracing::warn!("the history is not kept: {reason}"),
            (Some(_), None) => tracing::info!("the history is kept again"),
            _ => {}
        }
        *failing = reason;
    }

    /// Counts a lost block.
    fn lose(&self) {
        self.lost.fetch_add(1, Ordering::Relaxed);
        self.has_gap.store(true, Ordering::Relaxed);
    }
}

/// A request to the writer.
#[derive(Debug)]
enum WriteRequest {
    /// Write this block.
    Write(Block),
    /// Write this block, and wait until it is on the disk.
    Sync(Block),
    /// Begin another file.
    Rotate,
    /// Say when all earlier requests are done.
    Finish(SyncSender<()>),
}

/// The way to the writer.
#[derive(Debug)]
pub(crate) struct HistoryWriter {
    requests: SyncSender<WriteRequest>,
    state: Arc<WriterState>,
    half: u64,
}

impl HistoryWriter {
    /// Starts the writer.
    ///
    /// # Errors
    ///
    /// There is no thread for it.
    pub(crate) fn start(config: HistoryConfig) -> io::Result<Self> {
        let (requests, received) = sync_channel(QUEUE);
        let state = Arc::<WriterState>::default();
        let half = config.size / 2;
        let shared = Arc::clone(&state);
        std::thread::Builder::new().name("history".to_owned()).spawn(move || {
            let mut task = WriterTask { config, file: None, state: shared };
            task.run(&received);
        })?;
        Ok(Self { requests, state, half })
    }

    /// Returns the state of the writer.
    pub(crate) fn state(&self) -> &Arc<WriterState> {
        &self.state
    }

    /// Whether the file has reached its half of the size.
    pub(crate) fn is_full(&self) -> bool {
        self.state.bytes() >= self.half
    }

    /// Returns whether a block was lost since the last call.
    pub(crate) fn take_gap(&self) -> bool {
        self.state.has_gap.swap(false, Ordering::Relaxed)
    }

    /// Has a block written.
    pub(crate) fn write(&self, block: Block) {
        self.request(WriteRequest::Write(block));
    }

    /// Has a block written and synced to the disk.
    pub(crate) fn sync(&self, block: Block) {
        self.request(WriteRequest::Sync(block));
    }

    /// Has another file begun.
    pub(crate) fn rotate(&self) {
        self.request(WriteRequest::Rotate);
    }

    /// Says so if the disk has not answered for this long since the last request.
    pub(crate) fn look(&self, passed: Duration) {
        let state = &self.state;
        let asked = state.asked.load(Ordering::Relaxed);
        if passed >= LATE && state.answered.load(Ordering::Relaxed) < asked {
            let seconds = LATE.as_secs();
            let reason = format!("the disk has not answered for {seconds} s");
            if state.failing().is_none() {
                state.set_failing(Some(reason));
            }
        }
    }

    /// Hands a request on, unless the writer is so late that it has no room.
    fn request(&self, request: WriteRequest) {
        self.state.asked.fetch_add(1, Ordering::Relaxed);
        if self.requests.try_send(request).is_err() {
            self.state.answered.fetch_add(1, Ordering::Relaxed);
            self.state.lose();
            self.state.set_failing(Some("the disk does not keep up".to_owned()));
        }
    }

    /// Waits until everything is written, but not for long.
    pub(crate) fn finish(self) {
        let (done, finished) = sync_channel(1);
        if self.requests.try_send(WriteRequest::Finish(done)).is_ok() {
            let waited: Result<(), RecvTimeoutError> = finished.recv_timeout(LAST_BLOCK);
            if waited.is_err() {
                tracing::warn!("the last minute of the history may be lost: the disk is slow");
            }
        }
    }
}

/// The thread's own part.
struct WriterTask {
    config: HistoryConfig,
    file: Option<HistoryFile>,
    state: Arc<WriterState>,
}

impl WriterTask {
    fn run(&mut self, requests: &Receiver<WriteRequest>) {
        while let Ok(request) = requests.recv() {
            let done = match request {
                WriteRequest::Write(block) => self.write(&block),
                WriteRequest::Sync(block) => self.write(&block).and_then(|()| self.sync()),
                WriteRequest::Rotate => self.rotate(),
                WriteRequest::Finish(done) => {
                    let synced = self.sync();
                    // Nobody may wait any more.
                    let _ = done.send(());
                    synced
                }
            };
            self.state.answered.fetch_add(1, Ordering::Relaxed);
            match done {
                Ok(()) => self.state.set_failing(None),
                Err(error) => {
                    let path = self.config.file.display();
                    self.state.lose();
                    self.state.set_failing(Some(format!("{path}: {error}")));
                }
            }
        }
    }

    /// Returns the file, and opens it if that has not succeeded yet.
    fn file(&mut self) -> io::Result<&mut HistoryFile> {
        if self.file.is_none() {
            self.file = Some(HistoryFile::open(self.config.clone())?);
        }
        self.file.as_mut().ok_or_else(|| io::Error::other("is not open"))
    }

    fn write(&mut self, block: &Block) -> io::Result<()> {
        let file = self.file()?;
        file.append(block)?;
        let bytes = file.len();
        self.state.bytes.store(bytes, Ordering::Relaxed);
        self.state.written.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        self.file.as_ref().map_or(Ok(()), HistoryFile::sync)
    }

    fn rotate(&mut self) -> io::Result<()> {
        if let Some(file) = self.file.take() {
            let file = file.rotate()?;
            self.state.bytes.store(file.len(), Ordering::Relaxed);
            self.file = Some(file);
        }
        Ok(())
    }
}
