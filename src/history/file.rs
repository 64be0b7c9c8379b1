//! The files of a history: appended to, rotated by halves, never waited for.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use super::block::{Block, HEAD, HEADER};
use super::section::HistoryConfig;

/// The mode of a new file: a history names targets and peers.
const MODE: u32 = 0o600;

/// A file that blocks are appended to.
#[derive(Debug)]
pub(super) struct HistoryFile {
    config: HistoryConfig,
    file: File,
    /// The end of the last whole block.
    end: u64,
    /// The place of the last block.
    last: u64,
}

impl HistoryFile {
    /// Opens the file to append to it, and creates it if it is missing.
    pub(super) fn open(config: HistoryConfig) -> io::Result<Self> {
        let nonblocking = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or_default();
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(MODE)
            .custom_flags(nonblocking)
            .open(&config.file)?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::Error::other("is not a regular file"));
        }
        file.try_lock().map_err(|_| io::Error::other("another process writes it"))?;
        let mut opened = Self { config, file, end: metadata.len(), last: metadata.len() };
        opened.check_head()?;
        Ok(opened)
    }

    /// Writes the head of a new file. Refuses one that has another.
    fn check_head(&mut self) -> io::Result<()> {
        if self.end == 0 {
            self.file.write_all_at(HEAD, 0)?;
            self.end = u64::try_from(HEAD.len()).unwrap_or_default();
            self.last = self.end;
            return Ok(());
        }
        let mut head = vec![0; HEAD.len()];
        let is_own = self.file.read_exact_at(&mut head, 0).is_ok() && head == HEAD;
        if is_own { Ok(()) } else { Err(io::Error::other("is no history of this version")) }
    }

    /// Returns the number of bytes in the file.
    pub(super) fn len(&self) -> u64 {
        self.end
    }

    /// Appends a block, or puts it into the place of the last one. After an error the file is as it was
    /// before, as far as it can be.
    pub(super) fn append(&mut self, block: &Block) -> io::Result<()> {
        let at = if block.replaces { self.last } else { self.end };
        let bytes = block.bytes();
        if let Err(error) = self.file.write_all_at(&bytes, at) {
            let _ = self.file.set_len(self.end.min(at));
            self.end = self.end.min(at);
            self.last = self.end;
            return Err(error);
        }
        self.last = at;
        self.end = at + u64::try_from(bytes.len()).unwrap_or_default();
        Ok(())
    }

    /// Waits until everything is on the disk.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    /// Makes this file the older one, in the place of the one before, and begins another.
    pub(super) fn rotate(self) -> io::Result<Self> {
        self.sync()?;
        fs::rename(&self.config.file, self.config.older())?;
        Self::open(self.config)
    }
}

/// Reads the files of a history, the older one first. A missing one is left out.
///
/// # Errors
///
/// The path, and the reason why it cannot be read.
pub(crate) fn read(config: &HistoryConfig) -> Result<Vec<Vec<u8>>, String> {
    let mut files = Vec::new();
    for path in [config.older(), config.file.clone()] {
        match read_file(&path) {
            Ok(bytes) => files.push(bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(format!("cannot read {}: {error}", path.display())),
        }
    }
    if files.is_empty() {
        return Err(format!("there is no history in {}", config.file.display()));
    }
    Ok(files)
}

fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    let nonblocking = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or_default();
    let mut file = OpenOptions::new().read(true).custom_flags(nonblocking).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("is not a regular file"));
    }
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    if !bytes.starts_with(HEAD) && bytes.len() > HEADER {
        return Err(io::Error::other("is no history of this version"));
    }
    Ok(bytes)
}
