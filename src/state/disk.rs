//! The state file on the disk: read within a time limit, and replaced as a whole or, if that is
//! impossible, overwritten in place.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::with_suffix;
use crate::file::real;

/// Maximum size of a state file that is read, in bytes: room for more records than anybody has.
const LARGEST: u64 = 256 * 1024 * 1024;

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
/// file has the beginning of the new text and the end of the old.
fn write_over(path: &Path, text: &[u8]) -> io::Result<()> {
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    let mut file = OpenOptions::new().write(true).open(path)?;
    file.write_all(text)?;
    file.set_len(text.len() as u64)?;
    file.sync_all()
}

/// Waits until the directory entry with the new name is on the disk.
fn sync_directory(path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
}
