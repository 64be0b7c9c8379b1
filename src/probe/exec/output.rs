//! The output of a command: its first line is kept, and the rest is read and discarded.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;

use crate::text::one_line;

/// Maximum number of bytes that are kept.
const KEPT: usize = 4096;

/// Maximum number of characters of the first line that are shown.
const SHOWN: usize = 200;

/// Number of bytes that are read at once.
const CHUNK: usize = 64 * 1024;

/// Number of reads after the end of the command. A pipe holds less than that, unless another process
/// still writes to it.
const LAST_READS: usize = 16;

/// The pipe from an output of a command. It is read to its end, so that a command that prints much is
/// neither held up nor killed by a closed pipe.
#[derive(Debug)]
pub(super) struct OutputPipe {
    pipe: Option<OwnedFd>,
    kept: Vec<u8>,
}

impl OutputPipe {
    /// Returns the reader of a pipe.
    ///
    /// # Errors
    ///
    /// Fails if the pipe cannot be read without waiting.
    pub(super) fn new(pipe: Option<OwnedFd>) -> io::Result<Self> {
        if let Some(pipe) = &pipe {
            rustix::io::ioctl_fionbio(pipe, true)?;
        }
        Ok(Self { pipe, kept: Vec::new() })
    }

    /// Returns the pipe, unless all of its writers have closed it.
    pub(super) fn open(&self) -> Option<BorrowedFd<'_>> {
        self.pipe.as_ref().map(AsFd::as_fd)
    }

    /// Reads once. Returns whether there may be more to read at once.
    pub(super) fn read(&mut self, chunk: &mut Chunk) -> bool {
        let Some(pipe) = &self.pipe else { return false };
        match rustix::io::read(pipe, &mut chunk.0[..]) {
            Ok(0) => self.pipe = None,
            Ok(count) => {
                let room = KEPT.saturating_sub(self.kept.len());
                self.kept.extend_from_slice(&chunk.0[..count.min(room)]);
                return true;
            }
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(_) => self.pipe = None,
        }
        false
    }

    /// Reads the rest, without waiting for other processes that hold the pipe.
    pub(super) fn read_rest(&mut self, chunk: &mut Chunk) {
        for _ in 0..LAST_READS {
            if !self.read(chunk) {
                return;
            }
        }
    }

    /// Returns the first line with any text, without control characters, cut to a readable length.
    pub(super) fn first_line(&self) -> Option<String> {
        let text = String::from_utf8_lossy(&self.kept);
        let lines = text.lines().map(|line| one_line(line, ' '));
        let line = lines.map(|line| line.trim().to_owned()).find(|line| !line.is_empty())?;
        Some(match line.char_indices().nth(SHOWN) {
            Some((end, _)) => format!("{}…", &line[..end]),
            None => line,
        })
    }
}

/// The buffer of reads.
#[derive(Debug)]
pub(super) struct Chunk(Vec<u8>);

impl Chunk {
    /// Returns a buffer.
    pub(super) fn new() -> Self {
        Self(vec![0; CHUNK])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_is_cut_and_cleaned() {
        let long = "x".repeat(300);
        let rows = [
            ("nothing", b"".to_vec(), None),
            ("blank", b" \n\t\n".to_vec(), None),
            ("one line", b"OK - fine".to_vec(), Some("OK - fine".to_owned())),
            ("several", b"CRITICAL - a\nb\n".to_vec(), Some("CRITICAL - a".to_owned())),
            ("a blank line first", b"\n\r\nOK\r\n".to_vec(), Some("OK".to_owned())),
            ("a terminal's words", b"\x1b[31mbad\x07\n".to_vec(), Some("[31mbad".to_owned())),
            ("no UTF-8", b"caf\xe9 \xff\n".to_vec(), Some("caf\u{fffd} \u{fffd}".to_owned())),
            ("invisible", "a\u{202e}b".into(), Some("a\\u{202e}b".to_owned())),
            ("long", long.clone().into_bytes(), Some(format!("{}…", &long[..SHOWN]))),
            ("a NUL", b"a\0b".to_vec(), Some("a b".to_owned())),
        ];
        for (name, kept, want) in rows {
            assert_eq!(OutputPipe { pipe: None, kept }.first_line(), want, "{name}");
        }
    }
}
