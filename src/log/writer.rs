//! The thread that writes the log, so that nothing else waits for its reader.
//!
//! Lines wait in a bounded queue. If the reader hangs, the queue fills and further lines are lost.
//! Their number is logged in their place once the reader resumes.

use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fd::AsFd;
use tracing_subscriber::fmt::MakeWriter;

use crate::privilege;

/// Capacity of the queue in bytes: room for all events of ten thousand targets that go down at
/// once.
const CAPACITY: usize = 8 * 1024 * 1024;

/// Maximum size of one write. A pipe accepts this much atomically (`PIPE_BUF` in pipe(7)), so lines
/// of several processes do not mix.
const MAX_WRITE: usize = 4096;

/// The sending end of the queue.
#[derive(Debug, Clone)]
pub(super) struct Queue(Arc<SharedLines>);

#[derive(Debug)]
struct SharedLines {
    room: usize,
    state: Mutex<State>,
    /// Signalled when there are lines to write.
    filled: Condvar,
    /// Signalled when everything has been written.
    emptied: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// The waiting lines, always whole.
    waiting: Vec<u8>,
    /// The number of bytes that the thread has taken and not yet written.
    in_hand: usize,
    /// The number of lines that came after `waiting` and found no room.
    lost: u64,
}

impl State {
    fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.lost == 0
    }
}

impl Queue {
    /// Starts a thread that writes to `sink`. `lost` formats the line that reports a number of lost
    /// lines.
    ///
    /// # Errors
    ///
    /// Fails if the process may not start another thread.
    pub(super) fn start(
        sink: impl Write + AsFd + Send + 'static,
        lost: impl Fn(u64) -> Vec<u8> + Send + 'static,
    ) -> io::Result<Self> {
        Self::with_capacity(CAPACITY, sink, lost)
    }

    fn with_capacity(
        room: usize,
        mut sink: impl Write + AsFd + Send + 'static,
        lost: impl Fn(u64) -> Vec<u8> + Send + 'static,
    ) -> io::Result<Self> {
        let (state, filled, emptied) = (Mutex::default(), Condvar::new(), Condvar::new());
        let queue = Self(Arc::new(SharedLines { room, state, filled, emptied }));
        let shared = Arc::clone(&queue.0);
        std::thread::Builder::new().name("log".into()).spawn(move || {
            // It is started before the configuration is known, and never runs a command.
            let _ = privilege::give_up_switching();
            loop {
                let lines = shared.take(&lost);
                shared.write(&mut sink, &lines);
            }
        })?;
        Ok(queue)
    }

    /// Queues one line with its line end, or counts it as lost. Never waits.
    pub(super) fn push(&self, line: &[u8]) {
        let mut state = self.0.state();
        let fits = state.waiting.len() + state.in_hand + line.len() <= self.0.room;
        // Lines after a lost one are lost too until that is reported, which keeps the order.
        if fits && state.lost == 0 {
            state.waiting.extend_from_slice(line);
        } else {
            state.lost += 1;
        }
        drop(state);
        self.0.filled.notify_one();
    }

    /// Waits until everything is written, but no longer than `limit`. Returns whether it is.
    pub(super) fn flush(&self, limit: Duration) -> bool {
        let waited = self.0.emptied.wait_timeout_while(self.0.state(), limit, |state| {
            !state.is_empty() || state.in_hand > 0
        });
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }
}

impl SharedLines {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for lines and takes all of them.
    fn take(&self, lost_line: impl Fn(u64) -> Vec<u8>) -> Vec<u8> {
        let waited = self.filled.wait_while(self.state(), |state| state.is_empty());
        let mut state = waited.unwrap_or_else(PoisonError::into_inner);
        let mut lines = std::mem::take(&mut state.waiting);
        // The lost lines belong after these and before the next ones.
        if state.lost > 0 {
            lines.extend(lost_line(std::mem::take(&mut state.lost)));
        }
        state.in_hand = lines.len();
        lines
    }

    fn write(&self, sink: &mut (impl Write + AsFd), lines: &[u8]) {
        let mut left = lines;
        while !left.is_empty() {
            let (piece, rest) = left.split_at(next_write(left));
            write_whole(sink, piece);
            left = rest;
            self.state().in_hand = left.len();
        }
        if self.state().is_empty() {
            self.emptied.notify_all();
        }
    }
}

/// Returns the length of the next write: as many whole lines as a pipe accepts at once, or a single
/// longer one.
fn next_write(lines: &[u8]) -> usize {
    let fitting = &lines[..lines.len().min(MAX_WRITE)];
    let end = match fitting.iter().rposition(|byte| *byte == b'\n') {
        Some(last) => Some(last),
        None => lines.iter().position(|byte| *byte == b'\n'),
    };
    end.map_or(lines.len(), |end| end + 1)
}

/// Writes all bytes, however long that takes. A closed reader is no reason to stop.
fn write_whole(sink: &mut (impl Write + AsFd), mut bytes: &[u8]) {
    while !bytes.is_empty() {
        match sink.write(bytes) {
            Ok(0) => return,
            Ok(count) => bytes = &bytes[count..],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // Another process that shares the other end made it non-blocking.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                let mut ready = [PollFd::new(sink, PollFlags::OUT)];
                if poll(&mut ready, None).is_err_and(|error| error != rustix::io::Errno::INTR) {
                    return;
                }
            }
            Err(_) => return,
        }
    }
}

/// Queues each event; the layer writes an event at once and whole.
#[derive(Debug)]
pub(super) struct QueueWriter<'a>(&'a Queue);

impl Write for QueueWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.push(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Queue {
    type Writer = QueueWriter<'a>;

    fn make_writer(&'a self) -> Self::Writer {
        QueueWriter(self)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};

    use super::*;

    const PATIENT: Duration = Duration::from_secs(30);

    fn lost(count: u64) -> Vec<u8> {
        format!("{count} lines lost\n").into_bytes()
    }

    #[test]
    fn a_blocked_reader_delays_nobody_and_receives_the_number_of_lost_lines() {
        let (reader, sink) = io::pipe().unwrap();
        let queue = Queue::with_capacity(10_000, sink, lost).unwrap();
        // Far more than the pipe and the queue hold together.
        let all = 100_000;
        (0..all).for_each(|n| queue.push(format!("line {n}\n").as_bytes()));
        assert!(!queue.flush(Duration::ZERO), "nobody reads");
        let mut lines = BufReader::new(reader).lines();
        let (mut next, mut missed) = (0, 0);
        while next < all {
            let line = lines.next().unwrap().unwrap();
            if let Some(count) = line.strip_suffix(" lines lost") {
                let count: u32 = count.parse().unwrap();
                (next, missed) = (next + count, missed + count);
            } else {
                assert_eq!(line, format!("line {next}"), "each line is written or counted");
                next += 1;
            }
        }
        assert!(missed > 0 && next == all, "{missed} lost, {next} in all");
        assert!(queue.flush(PATIENT));
        queue.push(b"it flows again\n");
        assert_eq!(lines.next().unwrap().unwrap(), "it flows again");
    }

    #[test]
    fn a_flushed_line_has_been_written() {
        let (reader, sink) = io::pipe().unwrap();
        let queue = Queue::start(sink, lost).unwrap();
        let mut lines = BufReader::new(reader).lines();
        for n in 0..1000 {
            queue.push(format!("line {n}\n").as_bytes());
            if n % 100 == 0 {
                assert!(queue.flush(PATIENT));
            }
            assert_eq!(lines.next().unwrap().unwrap(), format!("line {n}"));
        }
    }

    #[test]
    fn a_reader_that_has_gone_is_no_reason_to_stop() {
        let (reader, sink) = io::pipe().unwrap();
        let queue = Queue::start(sink, lost).unwrap();
        drop(reader);
        queue.push(b"to nobody\n");
        assert!(queue.flush(PATIENT));
    }

    #[test]
    fn lines_are_written_whole_and_several_at_once_as_far_as_a_pipe_takes_them_whole() {
        let long = [[b'x'; 2 * MAX_WRITE].as_slice(), b"\nshort\n"].concat();
        let many = b"0123456\n".repeat(MAX_WRITE / 8 + 1);
        for (name, lines, want) in [
            ("one", b"one\n".as_slice(), 4),
            ("several", b"one\ntwo\n", 8),
            ("without an end", b"one", 3),
            ("a long one", long.as_slice(), 2 * MAX_WRITE + 1),
            ("very many", many.as_slice(), MAX_WRITE),
        ] {
            assert_eq!(next_write(lines), want, "{name}");
        }
    }
}
