//! Reading files that may never come to their end: a pipe that nobody fills, a network file system
//! that does not answer.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags};

/// How long a file may take.
pub const MAY_TAKE: Duration = Duration::from_secs(10);

/// How long a look at whether something is there may take.
const MAY_LOOK: Duration = Duration::from_secs(1);

/// The number of threads that may hang at once. Nothing in this process can free them.
const MOST_STUCK: usize = 16;

/// The number of links that are followed one after another; the kernel follows as many.
const MOST_LINKS: usize = 40;

/// The number of threads at work.
static READERS: AtomicUsize = AtomicUsize::new(0);

/// Reads the file at `path`, and no more of it than `most` bytes, within [`MAY_TAKE`].
///
/// # Errors
///
/// If it cannot be read, or not in time; then nothing of it is handed out.
pub fn read(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    read_within(path, most, MAY_TAKE)
}

/// Asks the disk a question that may never be answered, and waits no longer than [`MAY_LOOK`]; `None`
/// if there is no answer by then.
pub(crate) fn look<T: Send + 'static>(question: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    look_within(question, MAY_LOOK)
}

fn look_within<T: Send + 'static>(
    question: impl FnOnce() -> T + Send + 'static,
    limit: Duration,
) -> Option<T> {
    beside(question, limit).ok().flatten()
}

#[expect(clippy::disallowed_methods, reason = "how long a file takes concerns its reader alone")]
fn read_within(path: &Path, most: u64, limit: Duration) -> io::Result<Vec<u8>> {
    let until = Instant::now() + limit;
    let file = path.to_owned();
    let found = beside(move || read_until(&file, most, until), limit)?;
    let read = found.flatten().unwrap_or_else(|| {
        let seconds = limit.as_secs_f64();
        let what = format!(
            "its end did not come within {seconds} s; it is a pipe, or its disk does not answer"
        );
        Err(io::Error::new(io::ErrorKind::TimedOut, what))
    });
    read.map_err(|error| with_target(path, error))
}

/// Does `work` on a thread of its own; `None` if it is not done within `limit`.
fn beside<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
    limit: Duration,
) -> io::Result<Option<T>> {
    let reader = Reader::new()?;
    let (answer, answered) = sync_channel(1);
    let work = move || {
        let _reader = reader;
        // Nobody waits for what comes too late.
        let _ = answer.send(work());
    };
    std::thread::Builder::new().name("file".into()).spawn(work)?;
    match answered.recv_timeout(limit) {
        Ok(done) => Ok(Some(done)),
        Err(RecvTimeoutError::Timeout) => Ok(None),
        Err(RecvTimeoutError::Disconnected) => Err(io::Error::other("its reader panicked")),
    }
}

/// Checks that a runtime finds the files that it needs: one that cannot open them panics.
///
/// # Errors
///
/// If so many more cannot be opened now.
pub fn room_for_a_runtime() -> io::Result<()> {
    // A queue of events and its waker, and three ends of the pair by which signals come in.
    const PIPES: usize = 3;
    (0..PIPES).map(|_| io::pipe()).collect::<io::Result<Vec<_>>>().map(drop)
}

/// Where the file at `path` really is, be it there or not: links are followed.
///
/// # Errors
///
/// If a link cannot be read, not in time, or there are too many.
pub fn real(path: &Path) -> io::Result<PathBuf> {
    let link = path.to_owned();
    look(move || follow(&link))
        .unwrap_or_else(|| Err(io::Error::new(io::ErrorKind::TimedOut, "its disk does not answer")))
}

fn follow(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..MOST_LINKS {
        match std::fs::read_link(&path) {
            Ok(target) => path = path.parent().unwrap_or(Path::new("")).join(target),
            // It is no link, or it is not there.
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::InvalidInput | io::ErrorKind::NotFound
                ) =>
            {
                return Ok(path);
            }
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::other("too many links, one after another"))
}

/// `error`, which came of the file at `path`, with where that leads, if it is a link.
pub fn with_target(path: &Path, error: io::Error) -> io::Error {
    if error.kind() == io::ErrorKind::TimedOut {
        return error;
    }
    match real(path) {
        Ok(target) if target != path => {
            let what = format!("it is a link to {}: {error}", target.display());
            io::Error::new(error.kind(), what)
        }
        _ => error,
    }
}

/// One of the threads at work.
struct Reader;

impl Reader {
    fn new() -> io::Result<Self> {
        if READERS.fetch_add(1, Ordering::SeqCst) >= MOST_STUCK {
            READERS.fetch_sub(1, Ordering::SeqCst);
            let what = format!("{MOST_STUCK} earlier attempts to read a file still hang");
            // Of the same kind as theirs: whoever then read in place would hang as well.
            return Err(io::Error::new(io::ErrorKind::TimedOut, what));
        }
        Ok(Self)
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        READERS.fetch_sub(1, Ordering::SeqCst);
    }
}

/// The bytes; `None` if they do not come in time.
fn read_until(path: &Path, most: u64, until: Instant) -> Option<io::Result<Vec<u8>>> {
    // A pipe is opened without waiting for its writer, and so never holds a thread.
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOCTTY | OFlags::NONBLOCK;
    let file = match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(file) => File::from(file),
        Err(error) => return Some(Err(error.into())),
    };
    let waits = match file.metadata() {
        Ok(found) => !found.is_file(),
        Err(error) => return Some(Err(error)),
    };
    let mut file = file.take(most);
    let mut bytes = Vec::new();
    loop {
        if waits && !is_ready(file.get_ref(), until) {
            return None;
        }
        match file.read_to_end(&mut bytes) {
            Err(error) if waits && error.kind() == io::ErrorKind::WouldBlock => {}
            done => return Some(done.map(|_| bytes)),
        }
    }
}

/// Waits for something to read, or for the end of it.
#[expect(clippy::disallowed_methods, reason = "how long a file takes concerns its reader alone")]
fn is_ready(file: &File, until: Instant) -> bool {
    loop {
        let left = until.saturating_duration_since(Instant::now());
        let left = Timespec::try_from(left).unwrap_or_default();
        match poll(&mut [PollFd::new(file, PollFlags::IN)], Some(&left)) {
            Ok(count) => return count > 0,
            Err(rustix::io::Errno::INTR) => {}
            // Reading says what is wrong.
            Err(_) => return true,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use std::path::PathBuf;

    use rustix::fs::{CWD, FileType, mknodat};

    use super::*;

    fn pipe(folder: &Path) -> PathBuf {
        let path = folder.join("pipe");
        mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        path
    }

    #[test]
    fn a_pipe_that_nobody_fills_is_given_up_and_holds_no_thread() {
        let folder = tempfile::tempdir().unwrap();
        let path = pipe(folder.path());
        for _ in 0..2 * MOST_STUCK {
            let error = read_within(&path, 100, Duration::from_millis(1)).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::TimedOut, "{error}");
        }
        // One that is filled and not closed has no end either.
        let mut writer = File::options().read(true).write(true).open(&path).unwrap();
        writer.write_all(b"the beginning").unwrap();
        let error = read_within(&path, 100, Duration::from_millis(1)).unwrap_err();
        assert!(error.to_string().starts_with("its end did not come within 0.001 s"), "{error}");
    }

    #[test]
    fn a_pipe_that_is_filled_and_closed_is_read_as_a_file_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = pipe(folder.path());
        let writer = path.clone();
        let writer = std::thread::spawn(move || std::fs::write(writer, "all of it").unwrap());
        assert_eq!(read(&path, 100).unwrap(), b"all of it");
        writer.join().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "0123456789").unwrap();
        assert_eq!(read(&file, 4).unwrap(), b"0123");
    }

    #[test]
    fn a_link_that_leads_nowhere_is_told_with_where_it_leads() {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("link");
        for target in ["gone", "/nowhere/gone"] {
            std::os::unix::fs::symlink(target, &link).unwrap();
            let error = read(&link, 100).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::NotFound, "{target}");
            let leads = folder.path().join(target).display().to_string();
            let told = error.to_string();
            assert!(told.starts_with(&format!("it is a link to {leads}: No such")), "{told}");
            std::fs::remove_file(&link).unwrap();
        }
    }

    #[test]
    fn a_question_that_is_not_answered_holds_nobody_up() {
        let (release, held) = sync_channel::<()>(1);
        let asked = move || held.recv();
        assert!(look_within(asked, Duration::from_millis(1)).is_none());
        release.send(()).unwrap();
        assert_eq!(look(|| 7), Some(7));
    }

    #[test]
    fn what_is_no_file_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let absent = read(&folder.path().join("absent"), 100).unwrap_err();
        assert_eq!(absent.kind(), io::ErrorKind::NotFound);
        assert!(read(folder.path(), 100).is_err());
    }
}
