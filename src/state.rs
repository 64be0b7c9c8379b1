//! State kept across restarts: drains, withdrawn addresses, and the attributes of withdrawn
//! records.
//!
//! It is a single JSON file that is always replaced as a whole: a new file is written beside it,
//! synced to the disk, and renamed into its place. If the machine or the process dies, the old file
//! or the new one is complete. A symbolic link is followed, and the file it leads to is replaced.
//! If a file cannot be replaced, for example because it is mounted by itself into a container, it
//! is overwritten in place. Before that a complete copy is written beside it if there is room for
//! one.
//!
//! The attributes of a record are kept as the JSON that the provider's code produced; they are not
//! interpreted here.

mod disk;
mod incidents;
mod section;
mod zones;

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use crate::file;

pub(crate) use incidents::{SavedEvidence, SavedIncident, SavedIncidents, SavedMember};
pub(crate) use section::MemorySection;
pub(crate) use zones::{ManagedZone, ManagedZones, ZoneKey};

/// The newest version, in which each entry names its service or its zone. A file of a newer version is
/// not read: a newer program wrote it, and overwriting it would lose data that only that program knows.
pub(crate) const VERSION: u32 = 2;

/// The version without services and zones. It is written as long as there are only [`DEFAULT`] ones:
/// the content is the same, and an older program reads it too.
const UNNAMED: u32 = 1;

/// The name of the service and of the zone of entries that name none.
pub(crate) const DEFAULT: &str = "default";

fn default_name() -> String {
    DEFAULT.to_owned()
}

fn is_default(name: &str) -> bool {
    name == DEFAULT
}

/// All state kept across restarts.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Memory {
    /// Targets drained by the operator.
    pub drains: Vec<SavedDrain>,
    /// Records that were withdrawn and not restored since, whatever the cause of the withdrawal.
    pub withdrawn: Vec<Withdrawn>,
    /// Places at which a write may still take effect although no record is remembered.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub pending: Vec<Pending>,
    /// Incidents that are open. Older programs leave them out.
    #[serde(skip_serializing_if = "SavedIncidents::is_empty")]
    pub incidents: SavedIncidents,
}

impl Memory {
    /// Returns the version of a file with this content.
    fn version(&self) -> u32 {
        let drains = &mut self.drains.iter();
        let is_unnamed = drains.all(|it| is_default(&it.service) && it.others.is_empty())
            && self.withdrawn.iter().all(|record| is_default(&record.zone))
            && self.pending.iter().all(|pending| is_default(&pending.zone));
        if is_unnamed { UNNAMED } else { VERSION }
    }
}

/// An operator's order to take a target out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedDrain {
    /// The name of the service of the target.
    #[serde(default = "default_name", skip_serializing_if = "is_default")]
    pub service: String,
    /// The drained target.
    pub address: IpAddr,
    /// The time of the order, in whole seconds of Unix time.
    pub since: u64,
    /// The time at which it expires, in whole seconds of Unix time; `None` means that only
    /// `undrain` ends it.
    #[serde(default)]
    pub until: Option<u64>,
    /// The reason given by the operator.
    #[serde(default)]
    pub reason: Option<String>,
    /// Whether the check of the floor was skipped.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub forced: bool,
    /// The owner names of the service. A drain follows them, and its address, to other services.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub names: BTreeSet<String>,
    /// The other services that watch the address. A service with another name that watches it after a
    /// restart is new to it.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub others: BTreeSet<String>,
}

/// A withdrawn record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Withdrawn {
    /// The name of the zone in the configuration.
    #[serde(default = "default_name", skip_serializing_if = "is_default")]
    pub zone: String,
    /// The provider and the domain. Empty for the zone of a file that names none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub place: String,
    /// The owner name, fully qualified, in lower case, without the final dot.
    pub name: String,
    /// The record type, `A` or `AAAA`.
    pub r#type: String,
    /// The address in the record.
    pub address: IpAddr,
    /// The time of the withdrawal, in whole seconds of Unix time.
    pub at: u64,
    /// Its attributes in the provider's own terms; null if unknown.
    #[serde(default)]
    pub attributes: serde_json::Value,
    /// Its attributes since it was restored, if the provider accepted only a part of them; absent
    /// while it is withdrawn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub came_back_as: Option<serde_json::Value>,
}

/// A place at which a write may still take effect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pending {
    /// The name of the zone in the configuration.
    #[serde(default = "default_name", skip_serializing_if = "is_default")]
    pub zone: String,
    /// The provider and the domain. Empty for the zone of a file that names none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub place: String,
    /// The owner name, fully qualified, in lower case, without the final dot.
    pub name: String,
    /// The address in the record.
    pub address: IpAddr,
}

/// The content of the file.
#[derive(Serialize, Deserialize)]
struct StateDocument<M> {
    version: u32,
    #[serde(flatten)]
    memory: M,
}

/// The result of loading the file at the start.
#[derive(Debug)]
pub struct Loaded {
    /// The state to continue with; empty if nothing could be read.
    pub memory: Memory,
    /// An error for the operator: a rejected file, and its present location.
    pub trouble: Option<LoadError>,
}

/// The reason why a file was rejected. The agent continues with an empty memory.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// It was not written by this program. It was renamed, so nothing in it is lost.
    #[error(
        "state file {} is damaged and was set aside as {}; drains and remembered records are forgotten",
        path.display(), aside.display()
    )]
    Damaged {
        /// The state file.
        path: PathBuf,
        /// Its present location.
        aside: PathBuf,
        /// The error in its content.
        #[source]
        source: serde_json::Error,
    },
    /// A newer program wrote it. It was renamed, so nothing in it is lost.
    #[error(
        "state file {} has version {version}, this program reads up to {VERSION}; it was set aside \
         as {}; drains and remembered records are forgotten",
        path.display(), aside.display()
    )]
    Newer {
        /// The state file.
        path: PathBuf,
        /// Its present location.
        aside: PathBuf,
        /// The version in the file.
        version: u64,
    },
    /// It was rejected and cannot be set aside. It stays in place and must not be overwritten: do
    /// not save.
    #[error("state file {} is rejected and cannot be set aside as {}; it is left in place, and no \
        state is kept", path.display(), aside.display())]
    Stuck {
        /// The state file.
        path: PathBuf,
        /// The intended new location.
        aside: PathBuf,
        /// The reason why it could not be renamed.
        #[source]
        source: io::Error,
    },
    /// It cannot be read. It stays in place and must not be overwritten: do not save.
    #[error("state file {} cannot be read; it is left in place, and no state is kept", path.display())]
    Unreadable {
        /// The state file.
        path: PathBuf,
        /// The error of the operating system.
        #[source]
        source: io::Error,
    },
}

impl LoadError {
    /// Whether the file is still in place and would be lost if it were overwritten.
    pub fn in_place(&self) -> bool {
        matches!(self, Self::Stuck { .. } | Self::Unreadable { .. })
    }
}

/// The state could not be written. The file on the disk is the last one written successfully. Retry
/// with the next change, and continue.
#[derive(Debug, thiserror::Error)]
#[error("state file {}: cannot {what}; a restart now would lose newer state", path.display())]
pub struct SaveError {
    /// The state file.
    path: PathBuf,
    /// The step that failed, as a verb and its object.
    what: &'static str,
    /// The error of the operating system.
    #[source]
    source: io::Error,
}

/// Handle of the state file.
#[derive(Debug, Clone)]
pub struct StateFile {
    path: PathBuf,
}

impl StateFile {
    /// Creates a handle of the file at `path`, which need not exist.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Returns the path of the file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads the state that the last agent left. A missing or empty file is an empty memory and not
    /// an error. A file that is damaged or too new is renamed to `<file>.damaged-<unix time>` or
    /// `<file>.newer-<unix time>`. If the agent was killed while it overwrote the file in place,
    /// the copy beside it is used. `now` is the time in the name of a file that is set aside.
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
        match parse(&text).or_else(|refusal| self.copy(&refusal).ok_or(refusal)) {
            Ok(memory) => Loaded { memory, trouble: None },
            Err(refusal) => Loaded::empty(self.set_aside(refusal, now)),
        }
    }

    /// Reads the state without setting anything aside. `None` if it cannot be read.
    pub fn peek(&self) -> Option<Memory> {
        let text = disk::read(&file::real(&self.path).ok()?).ok()?;
        parse(&text).or_else(|refusal| self.copy(&refusal).ok_or(refusal)).ok()
    }

    /// Returns the copy beside a file that was being overwritten in place and is incomplete.
    fn copy(&self, refusal: &Refusal) -> Option<Memory> {
        let Refusal::Damaged(_) = refusal else { return None };
        let text = disk::read(&disk::new_path(&file::real(&self.path).ok()?)).ok()?;
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

    /// Replaces the file by `memory`, readable by the owner only. When this returns, it is on the
    /// disk.
    ///
    /// This blocks on the disk: keep it off the threads that must not wait. Two calls for one file
    /// must not overlap.
    pub fn save(&self, memory: &Memory) -> Result<(), SaveError> {
        let document = StateDocument { version: memory.version(), memory };
        let mut text = serde_json::to_vec_pretty(&document)
            .map_err(|source| self.save_error("serialize it", source.into()))?;
        text.push(b'\n');
        disk::replace(&self.path, &text)
            .map_err(|(what, source)| self.save_error(what, file::with_target(&self.path, source)))
    }

    fn save_error(&self, what: &'static str, source: io::Error) -> SaveError {
        SaveError { path: self.path.clone(), what, source }
    }
}

impl Loaded {
    fn empty(trouble: LoadError) -> Self {
        Self { memory: Memory::default(), trouble: Some(trouble) }
    }
}

/// The reason why a text is rejected.
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
    // The version is read first, because a newer file may differ in everything else.
    let Version { version } = serde_json::from_slice(text).map_err(Refusal::Damaged)?;
    if version > u64::from(VERSION) {
        return Err(Refusal::Newer(version));
    }
    let document: StateDocument<Memory> = serde_json::from_slice(text).map_err(Refusal::Damaged)?;
    Ok(document.memory)
}

/// Returns an unused name beside `path`.
fn free_name(path: &Path, label: &str, now: SystemTime) -> Result<PathBuf, (PathBuf, io::Error)> {
    let time = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    let plain = with_suffix(path, &format!(".{label}-{time}"));
    let numbered = (2..100).map(|n| with_suffix(&plain, &format!("-{n}")));
    for name in std::iter::once(plain.clone()).chain(numbered) {
        if fs::symlink_metadata(&name).is_err() {
            return Ok(name);
        }
    }
    Err((plain, io::Error::new(io::ErrorKind::AlreadyExists, "too many were set aside")))
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Whether nothing was ever written: the file is as `touch` or a container's mount leaves it.
fn is_blank(text: &[u8]) -> bool {
    text.iter().all(u8::is_ascii_whitespace)
}

/// Reads a state file of any content. For the fuzzer.
pub(crate) fn read_any(text: &[u8]) {
    let _ = parse(text);
}
