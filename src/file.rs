//! Reading of files with a time limit: a pipe without a writer, or a network file system that does
//! not respond, would otherwise block forever.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags};

/// Maximum time to read a file, or to resolve its links.
pub(crate) const MAY_TAKE: Duration = Duration::from_secs(10);

/// Maximum time to check whether a file exists.
const MAY_LOOK: Duration = Duration::from_secs(1);

/// Maximum number of threads that may hang at once. Nothing in this process can free them.
const MOST_STUCK: usize = 16;

/// Maximum number of links that are followed in a row; the kernel follows as many.
const MOST_LINKS: usize = 40;

/// The number of threads at work.
static READERS: AtomicUsize = AtomicUsize::new(0);

/// Reads the file at `path`, but no more than `most` bytes, within [`MAY_TAKE`].
///
/// # Errors
///
/// Fails if it cannot be read, or not in time; then no part of it is returned.
pub(crate) fn read(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    read_within(path, most, MAY_TAKE)
}

/// Returns the text of a file, or the reason why it cannot be read. The reason quotes nothing from
/// the file.
pub(crate) fn read_text(path: &Path, largest: u64) -> Result<String, String> {
    match read(path, largest + 1) {
        Err(error) => Err(format!("cannot be read: {error}")),
        Ok(bytes) if bytes.len() as u64 > largest => Err(format!("larger than {largest} bytes")),
        Ok(bytes) => String::from_utf8(bytes).map_err(|error| {
            let good = error.as_bytes().iter().take(error.utf8_error().valid_up_to());
            let line = good.filter(|byte| **byte == b'\n').count() + 1;
            format!("not UTF-8 text, from line {line} on")
        }),
    }
}

/// Runs a query of the disk that may hang, and waits no longer than [`MAY_LOOK`]; `None` if it has
/// not finished by then.
pub(crate) fn look<T: Send + 'static>(question: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    look_within(question, MAY_LOOK)
}

/// Whether the permissions of a file let every user of the machine read it. A file that cannot be
/// examined counts as private.
pub(crate) fn is_readable_by_all(path: &Path) -> bool {
    let path = path.to_owned();
    let found = look(move || std::fs::metadata(path)).and_then(Result::ok);
    found.is_some_and(|file| file.is_file() && file.permissions().mode() & 0o004 != 0)
}

fn look_within<T: Send + 'static>(
    question: impl FnOnce() -> T + Send + 'static,
    limit: Duration,
) -> Option<T> {
    on_thread(question, limit).ok().flatten()
}

#[expect(clippy::disallowed_methods, reason = "how long a file takes concerns its reader alone")]
fn read_within(path: &Path, most: u64, limit: Duration) -> io::Result<Vec<u8>> {
    let until = Instant::now() + limit;
    let file = path.to_owned();
    let found = on_thread(move || read_until(&file, most, until), limit)?;
    let read = found.flatten().unwrap_or_else(|| {
        let seconds = limit.as_secs_f64();
        let what = format!(
            "its end did not come within {seconds} s; it is a pipe, or its disk does not answer"
        );
        Err(io::Error::new(io::ErrorKind::TimedOut, what))
    });
    read.map_err(|error| with_target(path, error))
}

/// Runs `work` on a thread of its own; `None` if it has not finished within `limit`.
fn on_thread<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
    limit: Duration,
) -> io::Result<Option<T>> {
    let reader = ReaderSlot::new()?;
    let (answer, answered) = sync_channel(1);
    std::thread::Builder::new().name("file".into()).spawn(move || {
        let _reader = reader;
        // A result that comes too late has no receiver.
        let _ = answer.send(work());
    })?;
    match answered.recv_timeout(limit) {
        Ok(done) => Ok(Some(done)),
        Err(RecvTimeoutError::Timeout) => Ok(None),
        Err(RecvTimeoutError::Disconnected) => Err(io::Error::other("its reader panicked")),
    }
}

/// Checks that a runtime can open the files it needs, because otherwise it panics.
///
/// # Errors
///
/// Fails if that many more files cannot be opened at present.
pub(crate) fn room_for_a_runtime() -> io::Result<()> {
    // An event queue with its waker, and three ends of the pair that delivers signals.
    const PIPES: usize = 3;
    (0..PIPES).map(|_| io::pipe()).collect::<io::Result<Vec<_>>>().map(drop)
}

/// Returns the actual path of the file at `path`, which need not exist: links are followed.
///
/// # Errors
///
/// Fails if a link cannot be read, or not in time, or if there are too many.
pub(crate) fn real(path: &Path) -> io::Result<PathBuf> {
    let link = path.to_owned();
    look_within(move || follow(&link), MAY_TAKE)
        .unwrap_or_else(|| Err(io::Error::new(io::ErrorKind::TimedOut, "its disk does not answer")))
}

fn follow(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..MOST_LINKS {
        match std::fs::read_link(&path) {
            Ok(target) => path = path.parent().unwrap_or(Path::new("")).join(target),
            // It is not a link, or it does not exist.
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

/// Adds the destination to `error` if the file at `path` is a link.
pub(crate) fn with_target(path: &Path, error: io::Error) -> io::Error {
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
struct ReaderSlot;

impl ReaderSlot {
    fn new() -> io::Result<Self> {
        if READERS.fetch_add(1, Ordering::SeqCst) >= MOST_STUCK {
            READERS.fetch_sub(1, Ordering::SeqCst);
            let what = format!("{MOST_STUCK} earlier attempts to read a file still hang");
            // The same kind of error as theirs: a caller that then read the file directly would
            // hang as well.
            return Err(io::Error::new(io::ErrorKind::TimedOut, what));
        }
        Ok(Self)
    }
}

impl Drop for ReaderSlot {
    fn drop(&mut self) {
        READERS.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Returns the bytes; `None` if they do not arrive in time.
fn read_until(path: &Path, most: u64, until: Instant) -> Option<io::Result<Vec<u8>>> {
    // A pipe is opened without waiting for its writer, so it never blocks a thread.
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

/// Waits until there is something to read, or the end of the file.
#[expect(clippy::disallowed_methods, reason = "how long a file takes concerns its reader alone")]
fn is_ready(file: &File, until: Instant) -> bool {
    loop {
        let left = until.saturating_duration_since(Instant::now());
        let left = Timespec::try_from(left).unwrap_or_default();
        match poll(&mut [PollFd::new(file, PollFlags::IN)], Some(&left)) {
            Ok(count) => return count > 0,
            Err(rustix::io::Errno::INTR) => {}
            // The read that follows reports the error.
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
    fn an_empty_pipe_is_given_up_and_holds_no_thread() {
        let folder = tempfile::tempdir().unwrap();
        let path = pipe(folder.path());
        for _ in 0..2 * MOST_STUCK {
            let error = read_within(&path, 100, Duration::from_millis(1)).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::TimedOut, "{error}");
        }
        // A pipe that is filled and not closed has no end either.
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
    fn a_link_that_leads_nowhere_is_reported_with_its_destination() {
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
    fn an_unanswered_call_delays_no_caller() {
        let (release, held) = sync_channel::<()>(1);
        assert!(look_within(move || held.recv(), Duration::from_millis(1)).is_none());
        release.send(()).unwrap();
        assert_eq!(look(|| 7), Some(7));
    }

    #[test]
    fn an_absent_file_and_a_folder_are_errors() {
        let folder = tempfile::tempdir().unwrap();
        let absent = read(&folder.path().join("absent"), 100).unwrap_err();
        assert_eq!(absent.kind(), io::ErrorKind::NotFound);
        assert!(read(folder.path(), 100).is_err());
    }
}
