//! The state file on the disk: read within a time limit, and replaced as a whole or, if that is
//! impossible, overwritten in place.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::with_suffix;
use crate::file::real;

/// Maximum size of a state file that is read, in bytes: room for more records than anybody has.
const LARGEST: u64 = 256 * 1024 * 1024;

/// The first byte of a file while it is being overwritten. No JSON text begins with it.
const INVALID: &[u8] = b"#";

/// The step that failed, as a verb and its object, with the error.
pub(super) type Failed = (&'static str, io::Error);

/// Returns the content of the file. Only a regular file is read.
pub(super) fn read(path: &Path) -> io::Result<Vec<u8>> {
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    let bytes = crate::file::read(path, LARGEST + 1)?;
    if bytes.len() as u64 > LARGEST {
        return Err(io::Error::other(format!("it is larger than {LARGEST} bytes")));
    }
    Ok(bytes)
}

/// Returns the path of the new file before it is renamed. The name is fixed, so a killed process
/// leaves at most one such file, and the next process reuses it.
pub(super) fn new_path(path: &Path) -> PathBuf {
    with_suffix(path, ".new")
}

/// Renames the file; if it cannot be renamed it is copied.
pub(super) fn set_aside(path: &Path, aside: &Path) -> io::Result<()> {
    let path = real(path)?;
    match fs::rename(&path, aside) {
        Err(error) if is_fixed(&error) => {
            write_new(aside, &read(&path)?)?;
            write_over(&path, b"")
        }
        done => done,
    }
}

/// Replaces the file by `text`, readable by the owner only. When this returns, it is on the disk.
pub(super) fn replace(path: &Path, text: &[u8]) -> Result<(), Failed> {
    let path = real(path).map_err(|error| ("resolve its link", error))?;
    let beside = new_path(&path);
    match write_new(&beside, text) {
        Ok(()) => {}
        // The directory accepts no new file, but the existing file may still be writable.
        Err(error) if is_closed(&error) => {
            return write_over(&path, text).map_err(|_| ("write a new file beside it", error));
        }
        Err(error) => return Err(("write a new file beside it", error)),
    }
    match fs::rename(&beside, &path) {
        Ok(()) => sync_directory(&path).map_err(|error| ("sync its directory", error)),
        Err(error) if is_fixed(&error) => {
            // The copy must survive a crash of this machine before the file is touched.
            sync_directory(&path).map_err(|error| ("sync its directory", error))?;
            write_over(&path, text).map_err(|error| ("overwrite it in place", error))?;
            let _ = fs::remove_file(&beside);
            Ok(())
        }
        Err(error) => Err(("put the new file in its place", error)),
    }
}

/// Whether a file cannot be renamed or replaced, because it is mounted by itself or its directory
/// forbids it.
fn is_fixed(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::ResourceBusy | ErrorKind::CrossesDevices) || is_closed(error)
}

/// Whether a directory accepts no new files.
fn is_closed(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem)
}

/// Writes a whole file and waits until it is on the disk.
fn write_new(path: &Path, text: &[u8]) -> io::Result<()> {
    // A killed process may have left anything, even a link: it must not be written through.
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    let written = file.write_all(text).and_then(|()| file.sync_all());
    if written.is_err() {
        // On a full disk an incomplete file would only take up room.
        let _ = fs::remove_file(path);
    }
    written
}

/// Overwrites the file and waits until it is on the disk. If the process is killed in between, the
/// file is not valid JSON.
fn write_over(path: &Path, text: &[u8]) -> io::Result<()> {
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    let file = OpenOptions::new().write(true).open(path)?;
    for (offset, part) in overwrites(text) {
        file.write_all_at(part, offset)?;
        file.set_len(text.len().max(1) as u64)?;
        file.sync_all()?;
    }
    file.set_len(text.len() as u64)?;
    file.sync_all()
}

/// Returns the parts to write in order, each at its offset. The first makes the file invalid until the
/// last is written: the beginning of one text and the end of another may well be valid together.
fn overwrites(text: &[u8]) -> Vec<(u64, &[u8])> {
    let (first, rest) = text.split_at(text.len().min(1));
    vec![(0, INVALID), (1, rest), (0, first)]
}

/// Waits until the directory entry with the new name is on the disk.
fn sync_directory(path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Applies the overwrites of `new` to `old` up to a byte, as a process that is killed then does.
    fn torn(old: &[u8], new: &[u8], bytes: usize) -> Vec<u8> {
        let (mut file, mut left) = (old.to_vec(), bytes);
        for (offset, part) in overwrites(new) {
            for (place, byte) in (usize::try_from(offset).unwrap()..).zip(part) {
                if left == 0 {
                    return file;
                }
                file.resize(file.len().max(place + 1), 0);
                file[place] = *byte;
                left -= 1;
            }
            file.truncate(new.len().max(1));
        }
        file.truncate(new.len());
        file
    }

    #[test]
    fn a_file_that_is_half_overwritten_is_no_json() {
        let old: &[u8] = br#"{"drains": [{"at": 66}, {"at": 66}]}"#;
        let texts: [&[u8]; 4] = [
            br#"{"drains": [{"at": 67}, {"at": 67}]}"#,
            br#"{"drains": [{"at": 67}]}"#,
            br#"{"drains": [{"at": 67}, {"at": 67}, {"at": 67}]}"#,
            b"",
        ];
        for new in texts {
            for bytes in 1..=new.len() {
                let file = torn(old, new, bytes);
                let parsed = serde_json::from_slice::<serde_json::Value>(&file);
                assert!(parsed.is_err(), "{}", String::from_utf8_lossy(&file));
            }
            assert_eq!(torn(old, new, 0), old);
            assert_eq!(torn(old, new, new.len() + 1), new);
        }
    }
}
