//! The files of a history: appended to, rotated by halves, never waited for.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
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
    let files = read_end(config, u64::MAX)?;
    if files.is_empty() {
        return Err(format!("there is no history in {}", config.file.display()));
    }
    Ok(files)
}

/// Reads the end of a history, the older file first: at most so many bytes of both together. A reader
/// finds the blocks from the first one that begins in it.
///
/// # Errors
///
/// The path, and the reason why it cannot be read.
pub(crate) fn read_end(config: &HistoryConfig, most: u64) -> Result<Vec<Vec<u8>>, String> {
    let mut files = Vec::new();
    let mut room = most;
    let [older, newer] = open_both(config)?;
    for (path, file) in [(config.file.clone(), newer), (config.older(), older)] {
        let Some(file) = file else { continue };
        let bytes = read_part(file, room)
            .map_err(|error| format!("cannot read {}: {error}", path.display()))?;
        room = room.saturating_sub(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        files.push(bytes);
    }
    files.reverse();
    Ok(files)
}

/// The most tries to open both files between two rotations.
const TRIES: usize = 5;

/// Opens the older file and the newer one, so that neither is missing or there twice because the agent began
/// another file in between.
fn open_both(config: &HistoryConfig) -> Result<[Option<File>; 2], String> {
    for _ in 0..TRIES {
        let older = open(&config.older())?;
        let newer = open(&config.file)?;
        let now = open(&config.older())?;
        if identity(older.as_ref()) == identity(now.as_ref()) {
            return Ok([older, newer]);
        }
    }
    Err(format!("{} is rotated all the time", config.file.display()))
}

/// Returns the numbers by which the file system knows a file.
fn identity(file: Option<&File>) -> Option<(u64, u64)> {
    file?.metadata().ok().map(|metadata| (metadata.dev(), metadata.ino()))
}

/// Opens a file for reading; `None` if there is none.
fn open(path: &Path) -> Result<Option<File>, String> {
    let nonblocking = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or_default();
    match OpenOptions::new().read(true).custom_flags(nonblocking).open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(format!("cannot read {}: {error}", path.display())),
    }
}

/// Reads at most so many bytes from the end of a file.
fn read_part(mut file: File, most: u64) -> io::Result<Vec<u8>> {
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::other("is not a regular file"));
    }
    let from = metadata.len().saturating_sub(most);
    file.seek(SeekFrom::Start(from))?;
    let mut bytes = Vec::new();
    // It may grow while it is read.
    file.take(most).read_to_end(&mut bytes)?;
    if from == 0 && !bytes.starts_with(HEAD) && bytes.len() > HEADER {
        return Err(io::Error::other("is no history of this version"));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn config(folder: &tempfile::TempDir) -> HistoryConfig {
        HistoryConfig { file: folder.path().join("history"), size: 1 << 20 }
    }

    fn block(sequence: u32, replaces: bool, bytes: usize) -> Block {
        Block { sequence, begins: sequence == 1, replaces, entries: vec![7; bytes] }
    }

    #[test]
    fn a_new_file_is_readable_by_its_owner_alone_and_is_appended_to_by_one_process() {
        let folder = tempfile::tempdir().unwrap();
        let config = config(&folder);
        let mut file = HistoryFile::open(config.clone()).unwrap();
        file.append(&block(1, false, 10)).unwrap();
        let mode = fs::metadata(&config.file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let second = HistoryFile::open(config.clone()).unwrap_err();
        assert_eq!(second.to_string(), "another process writes it");
        drop(file);
        let mut file = HistoryFile::open(config.clone()).unwrap();
        file.append(&block(1, false, 10)).unwrap();
        let bytes = read(&config).unwrap().remove(0);
        assert_eq!(bytes.len(), HEAD.len() + 2 * (HEADER + 10));
    }

    #[test]
    fn a_mark_takes_the_place_of_the_mark_before_it() {
        let folder = tempfile::tempdir().unwrap();
        let config = config(&folder);
        let mut file = HistoryFile::open(config.clone()).unwrap();
        file.append(&block(1, false, 50)).unwrap();
        file.append(&block(2, false, 12)).unwrap();
        for _ in 0..100 {
            file.append(&block(2, true, 12)).unwrap();
        }
        let bytes = HEAD.len() + HEADER + 50 + HEADER + 12;
        assert_eq!(read(&config).unwrap()[0].len(), bytes);
        file.append(&block(3, false, 5)).unwrap();
        assert_eq!(read(&config).unwrap()[0].len(), bytes + HEADER + 5);
    }

    /// apache/nuttx#3842, gabime/spdlog#2261: the limit was exceeded, or all files were empty in the end.
    #[test]
    fn rotation_keeps_the_older_half_and_begins_a_file_of_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let config = config(&folder);
        let mut file = HistoryFile::open(config.clone()).unwrap();
        file.append(&block(1, false, 100)).unwrap();
        let mut file = file.rotate().unwrap();
        file.append(&block(1, false, 200)).unwrap();
        let sizes: Vec<usize> = read(&config).unwrap().iter().map(Vec::len).collect();
        assert_eq!(sizes, [HEAD.len() + HEADER + 100, HEAD.len() + HEADER + 200]);
    }

    #[test]
    fn a_file_of_another_kind_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let config = config(&folder);
        let text = "a text that somebody else wrote, and that is long enough to be one";
        fs::write(&config.file, text).unwrap();
        let error = HistoryFile::open(config.clone()).unwrap_err();
        assert_eq!(error.to_string(), "is no history of this version");
        assert_eq!(fs::read_to_string(&config.file).unwrap(), text);
        assert!(read(&config).unwrap_err().contains("is no history of this version"));
        fs::remove_file(&config.file).unwrap();
        fs::create_dir(&config.file).unwrap();
        assert!(HistoryFile::open(config.clone()).is_err() && read(&config).is_err());
    }

    #[test]
    fn the_end_of_a_history_is_that_of_the_newer_file_and_then_of_the_older_one() {
        let folder = tempfile::tempdir().unwrap();
        let config = config(&folder);
        assert_eq!(read_end(&config, 100), Ok(vec![]));
        fs::write(config.older(), [HEAD, &[1; 50]].concat()).unwrap();
        fs::write(&config.file, [HEAD, &[2; 30]].concat()).unwrap();
        let newer = HEAD.len() + 30;
        let rows = [
            (1 << 20, [HEAD.len() + 50, newer]),
            (u64::try_from(newer).unwrap() + 10, [10, newer]),
            (20, [0, 20]),
        ];
        for (most, lengths) in rows {
            let files = read_end(&config, most).unwrap();
            assert_eq!(files.iter().map(Vec::len).collect::<Vec<_>>(), lengths);
        }
        assert_eq!(read_end(&config, 20).unwrap()[1], [2; 20]);
    }

    #[test]
    fn what_is_read_while_the_files_are_rotated_is_there_once_and_without_a_gap() {
        let folder = tempfile::tempdir().unwrap();
        let config = config(&folder);
        let write = folder.path().join("next");
        for number in 0..2_u8 {
            fs::write(&write, [HEAD, &[number]].concat()).unwrap();
            fs::rename(&config.file, config.older()).ok();
            fs::rename(&write, &config.file).unwrap();
        }
        std::thread::scope(|scope| {
            let rotating = scope.spawn(|| {
                for number in 2..=200_u8 {
                    fs::write(&write, [HEAD, &[number]].concat()).unwrap();
                    fs::rename(&config.file, config.older()).unwrap();
                    fs::rename(&write, &config.file).unwrap();
                }
            });
            let mut reads = 0;
            while !rotating.is_finished() || reads == 0 {
                // In between there is no newer file for a moment.
                let Ok(files) = read(&config) else { continue };
                let numbers: Vec<u8> = files.iter().map(|file| file[HEAD.len()]).collect();
                let follows = numbers.windows(2).all(|pair| pair[1] == pair[0] + 1);
                assert!(follows && (1..=2).contains(&numbers.len()), "{numbers:?}");
                reads += 1;
            }
        });
    }
}
