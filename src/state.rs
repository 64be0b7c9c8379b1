//! What the agent remembers across restarts: drains, what was withdrawn, and what withdrawn records
//! carried.
//!
//! One JSON file, written whole: into a new file beside it, to the disk, and then into its place.
//! Whenever the machine or the process dies, the old file or the new one is there, never half of
//! one. A link is followed, and the file that it leads to replaced. Where a file cannot be replaced, as
//! one that is mounted by itself into a container, it is written in its place, with a whole copy beside
//! it first where there is room for one.
//!
//! What a record carried is kept as the JSON that the provider's side made of it; nothing here
//! looks inside.

mod disk;

use std::fs;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use crate::file;

/// The version that is written. A file of a newer one is not read: a newer program wrote it, and
/// overwriting it would lose what only that one knows.
pub const VERSION: u32 = 1;

/// All that is remembered.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Memory {
    /// Targets that the operator took out.
    pub drains: Vec<Drain>,
    /// Records that were withdrawn and not restored since, whoever or whatever had them withdrawn.
    pub withdrawn: Vec<Withdrawn>,
    /// Where a write may still change something though nothing is remembered of the record.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub pending: Vec<Pending>,
}

/// The operator's word that a target is out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drain {
    /// The target.
    pub address: IpAddr,
    /// When it was ordered, in whole seconds of Unix time.
    pub since: u64,
    /// When it ends by itself, in whole seconds of Unix time; `None` means by `undrain` only.
    #[serde(default)]
    pub until: Option<u64>,
    /// What the operator said.
    #[serde(default)]
    pub reason: Option<String>,
}

/// A record that was withdrawn.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Withdrawn {
    /// The owner name, fully qualified, lower case, without the final dot.
    pub name: String,
    /// `A` or `AAAA`.
    pub r#type: String,
    /// The address.
    pub address: IpAddr,
    /// When, in whole seconds of Unix time.
    pub at: u64,
    /// What it carried, in the provider's own terms; null if that is not known.
    #[serde(default)]
    pub attributes: serde_json::Value,
    /// What it carries since it was restored, where the provider took less of it than it had; absent
    /// while it is out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub came_back_as: Option<serde_json::Value>,
}

/// A place at which a write may still change something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pending {
    /// The owner name, fully qualified, lower case, without the final dot.
    pub name: String,
    /// The address.
    pub address: IpAddr,
}

/// What the file holds.
#[derive(Serialize, Deserialize)]
struct Document<M> {
    version: u32,
    #[serde(flatten)]
    memory: M,
}

/// What was found at the start.
#[derive(Debug)]
pub struct Loaded {
    /// What to go on with; empty if there was nothing that could be read.
    pub memory: Memory,
    /// What the operator must be told: a file that was refused, and where it is now.
    pub trouble: Option<LoadError>,
}

/// Why a file was not taken over. The agent goes on with an empty memory.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// It is not what this program writes. It was renamed, so that nothing of it is lost.
    #[error(
        "state file {} is damaged and was set aside as {}; drains and remembered records are forgotten",
        path.display(), aside.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where it is now.
        aside: PathBuf,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
    /// A newer program wrote it. It was renamed, so that nothing of it is lost.
    #[error(
        "state file {} has version {version}, this program reads up to {VERSION}; it was set aside \
         as {}; drains and remembered records are forgotten",
        path.display(), aside.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Where it is now.
        aside: PathBuf,
        /// The version that it says it has.
        version: u64,
    },
    /// It is refused, and cannot be set aside. It stays, and must not be overwritten: do not save.
    #[error("state file {} is refused and cannot be set aside as {}; it is left alone, and nothing is remembered", path.display(), aside.display())]
    Stuck {
        /// The file.
        path: PathBuf,
        /// Where it should have gone.
        aside: PathBuf,
        /// Why it could not.
        #[source]
        source: io::Error,
    },
    /// It cannot be read. It stays, and must not be overwritten: do not save.
    #[error("state file {} cannot be read; it is left alone, and nothing is remembered", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl LoadError {
    /// Whether the file is still in its place, and would be lost if it were written over.
    pub fn in_place(&self) -> bool {
        matches!(self, Self::Stuck { .. } | Self::Unreadable { .. })
    }
}

/// The memory could not be written. The file on the disk is the last one that was; try again with
/// the next change, and go on.
#[derive(Debug, thiserror::Error)]
#[error("state file {}: cannot {what}; a restart now would forget what is newer", path.display())]
pub struct SaveError {
    /// The file.
    path: PathBuf,
    /// The step that failed, as a verb and its object.
    what: &'static str,
    /// Why.
    #[source]
    source: io::Error,
}

/// The state file.
#[derive(Debug, Clone)]
pub struct StateFile {
    path: PathBuf,
}

impl StateFile {
    /// The file at `path`, which need not be there.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads what the last agent left. No file, or an empty one, is an empty memory and no trouble; a
    /// file that is damaged or too new is renamed to `<file>.damaged-<unix time>` or
    /// `<file>.newer-<unix time>`. If the agent was killed while it wrote in the file's place, the copy
    /// beside it is taken. `now` names the file that is set aside.
    pub fn load(&self, now: SystemTime) -> Loaded {
        let read = file::real(&self.path).and_then(|path| disk::read(&path));
        let text = match read {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(source) => {
                let (path, source) = (self.path.clone(), file::with_target(&self.path, source));
                return Loaded::empty(LoadError::Unreadable { path, source });
            }
        };
        match parse(&text) {
            Ok(memory) => Loaded { memory, trouble: None },
            Err(refusal) => match self.copy(&refusal) {
                Some(memory) => Loaded { memory, trouble: None },
                None => Loaded::empty(self.set_aside(refusal, now)),
            },
        }
    }

    /// What is in it, for somebody who only looks: nothing is set aside. `None` if it cannot be read.
    pub fn peek(&self) -> Option<Memory> {
        let text = disk::read(&file::real(&self.path).ok()?).ok()?;
        parse(&text).ok()
    }

    /// The copy beside a file that was written in its place and is half written.
    fn copy(&self, refusal: &Refusal) -> Option<Memory> {
        let Refusal::Damaged(_) = refusal else { return None };
        let text = disk::read(&disk::beside(&file::real(&self.path).ok()?)).ok()?;
        parse(&text).ok().filter(|_| !is_blank(&text))
    }

    fn set_aside(&self, refusal: Refusal, now: SystemTime) -> LoadError {
        let path = self.path.clone();
        let label = match &refusal {
            Refusal::Damaged(_) => "damaged",
            Refusal::Newer(_) => "newer",
        };
        let aside = match free_name(&path, label, now) {
            Ok(aside) => aside,
            Err((aside, source)) => return LoadError::Stuck { path, aside, source },
        };
        if let Err(source) = disk::set_aside(&path, &aside) {
            return LoadError::Stuck { path, aside, source };
        }
        match refusal {
            Refusal::Damaged(source) => LoadError::Damaged { path, aside, source },
            Refusal::Newer(version) => LoadError::Newer { path, aside, version },
        }
    }

    /// Writes `memory` in the place of what is there, for the owner only. When this returns, it is
    /// on the disk.
    ///
    /// It blocks on the disk: keep it off the threads that must not wait. Two calls for one file
    /// must not overlap.
    pub fn save(&self, memory: &Memory) -> Result<(), SaveError> {
        let failed = |what| move |source| SaveError { path: self.path.clone(), what, source };
        let document = Document { version: VERSION, memory };
        let mut text = serde_json::to_vec_pretty(&document)
            .map_err(|source| failed("put it into words")(source.into()))?;
        text.push(b'\n');
        disk::replace(&self.path, &text)
            .map_err(|(what, source)| failed(what)(file::with_target(&self.path, source)))
    }
}

impl Loaded {
    fn empty(trouble: LoadError) -> Self {
        Self { memory: Memory::default(), trouble: Some(trouble) }
    }
}

/// Why a text is not taken over.
enum Refusal {
    Damaged(serde_json::Error),
    Newer(u64),
}

fn parse(text: &[u8]) -> Result<Memory, Refusal> {
    #[derive(Deserialize)]
    struct Version {
        version: u64,
    }
    if is_blank(text) {
        return Ok(Memory::default());
    }
    // The version comes first, for a newer file may look different in all else.
    let Version { version } = serde_json::from_slice(text).map_err(Refusal::Damaged)?;
    if version > u64::from(VERSION) {
        return Err(Refusal::Newer(version));
    }
    let document: Document<Memory> = serde_json::from_slice(text).map_err(Refusal::Damaged)?;
    Ok(document.memory)
}

/// A name beside `path` that nobody has.
fn free_name(path: &Path, label: &str, now: SystemTime) -> Result<PathBuf, (PathBuf, io::Error)> {
    let time = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    let plain = with_suffix(path, &format!(".{label}-{time}"));
    let numbered = (2..100).map(|n| with_suffix(&plain, &format!("-{n}")));
    let names = std::iter::once(plain.clone()).chain(numbered);
    let free = |name: &PathBuf| fs::symlink_metadata(name).is_err();
    let none = || io::Error::new(io::ErrorKind::AlreadyExists, "too many were set aside");
    names.into_iter().find(free).ok_or_else(|| (plain, none()))
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Whether nothing was ever written: as `touch` leaves a file, or a container's mount.
fn is_blank(text: &[u8]) -> bool {
    text.iter().all(u8::is_ascii_whitespace)
}
