//! Keeps drains and withdrawn records across restarts, if the configuration names a state file.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::dns::Attributes;
use crate::dns::memory::Memory as Records;
use crate::engine::Moment;
use crate::engine::event::Drain;
use crate::engine::plan::{Family, SetKey};
use crate::state::{self, Memory, StateFile, Withdrawn};

/// The state file and what is in it, or would be.
#[derive(Debug)]
pub(super) struct Keeper {
    place: Place,
    memory: Mutex<Memory>,
    /// Held while the file is written, so that writes do not overlap.
    writing: Mutex<Written>,
}

/// Where things are kept.
#[derive(Debug)]
enum Place {
    /// The configuration names no file.
    Nowhere,
    /// In this file.
    File(StateFile),
    /// There is something that could not be read, and that nobody writes over.
    LeftAlone(PathBuf),
}

/// Whether what is remembered survives a restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lasting {
    /// It is on the disk.
    Kept,
    /// There is no state file.
    NoFile,
    /// There is one, and it cannot be written.
    Unwritten,
}

#[derive(Debug, Default)]
struct Written {
    /// What the file holds; unknown before it was written for the first time, which shows at the
    /// start whether it can be.
    memory: Option<Memory>,
    /// It could not be written the last time.
    failed: bool,
}

/// The wall clock, in whole seconds of Unix time.
fn unix(wall: SystemTime) -> u64 {
    wall.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// Both clocks come in here for what is written about drains.
#[expect(
    clippy::disallowed_methods,
    reason = "what is kept across restarts is dated by people's clock"
)]
pub(super) fn wall() -> SystemTime {
    SystemTime::now()
}

impl Keeper {
    /// Reads the file, if there is one. Whatever is wrong with it is told, and never stops the agent.
    pub(super) fn open(path: Option<&Path>) -> Self {
        let (place, memory) = path.map_or((Place::Nowhere, Memory::default()), read);
        Self { place, memory: Mutex::new(memory), writing: Mutex::default() }
    }

    /// Whether what was written last survives a restart.
    pub(super) fn lasting(&self) -> Lasting {
        match &self.place {
            Place::Nowhere => Lasting::NoFile,
            Place::File(_) if !self.written().failed => Lasting::Kept,
            Place::File(_) | Place::LeftAlone(_) => Lasting::Unwritten,
        }
    }

    fn written(&self) -> MutexGuard<'_, Written> {
        self.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The drains that are still in force, as the engine wants them when it starts at `start`.
    pub(super) fn drains(&self, start: Moment) -> BTreeMap<IpAddr, Drain> {
        let now = unix(wall());
        let memory = self.memory();
        let open = memory.drains.iter().filter(|drain| drain.until.is_none_or(|until| until > now));
        open.map(|drain| {
            let until = drain.until.map(|until| start + Duration::from_secs(until - now));
            (drain.address, Drain { until, reason: drain.reason.clone() })
        })
        .collect()
    }

    /// What withdrawn records carried.
    pub(super) fn records(&self) -> Records {
        self.memory().withdrawn.iter().filter_map(record).collect()
    }

    /// Takes the drains over; `started` is when the engine's clock began.
    pub(super) fn note_drains(&self, drains: &BTreeMap<IpAddr, Drain>, started: SystemTime) {
        let mut memory = self.memory();
        let now = unix(wall());
        let before = std::mem::take(&mut memory.drains);
        memory.drains = drains
            .iter()
            .map(|(address, drain)| state::Drain {
                address: *address,
                since: before
                    .iter()
                    .find(|old| old.address == *address)
                    .map_or(now, |old| old.since),
                until: drain.until.map(|until| unix(started + until)),
                reason: drain.reason.clone(),
            })
            .collect();
    }

    /// Takes the withdrawn records over and writes them before anything else happens.
    pub(super) fn keep_records(&self, records: &Records) {
        let now = unix(wall());
        {
            let mut memory = self.memory();
            let before = std::mem::take(&mut memory.withdrawn);
            let since = |set: &SetKey, address: IpAddr| {
                let same = |old: &&Withdrawn| old.name == set.name && old.address == address;
                before.iter().find(same).map_or(now, |old| old.at)
            };
            memory.withdrawn = records
                .records()
                .map(|(set, address, attributes)| Withdrawn {
                    name: set.name.clone(),
                    r#type: set.family.to_string(),
                    address,
                    at: since(set, address),
                    attributes: serde_json::to_value(attributes).unwrap_or_default(),
                })
                .collect();
        }
        self.write();
    }

    /// Writes what is not yet written. A disk that is full or read-only is told each time, and
    /// stops nothing.
    pub(super) fn write(&self) {
        let file = match &self.place {
            Place::Nowhere => return,
            Place::File(file) => file,
            Place::LeftAlone(path) => {
                let path = path.display();
                tracing::warn!("state file {path} is left alone since the start; nothing is kept");
                return;
            }
        };
        let mut written = self.written();
        let memory = self.memory().clone();
        if written.memory.as_ref() == Some(&memory) && !written.failed {
            return;
        }
        match file.save(&memory) {
            Ok(()) => {
                if std::mem::replace(&mut written.failed, false) {
                    tracing::info!("state file {} is written again", file.path().display());
                }
                written.memory = Some(memory);
            }
            Err(error) => {
                written.failed = true;
                tracing::warn!("{}", crate::chain(&error));
            }
        }
    }

    /// Whether something is not written that should be.
    pub(super) fn is_behind(&self) -> bool {
        match &self.place {
            Place::Nowhere => false,
            Place::File(_) => self.writing.try_lock().is_ok_and(|written| written.failed),
            Place::LeftAlone(_) => true,
        }
    }
}

/// Reads the file at `path`, and says what is wrong with it.
fn read(path: &Path) -> (Place, Memory) {
    let file = StateFile::new(path);
    let loaded = file.load(wall());
    let left_alone = loaded.trouble.as_ref().is_some_and(state::LoadError::in_place);
    if let Some(trouble) = &loaded.trouble {
        tracing::error!("{}", crate::chain(trouble));
    }
    let place = if left_alone { Place::LeftAlone(path.to_owned()) } else { Place::File(file) };
    (place, loaded.memory)
}

fn record(withdrawn: &Withdrawn) -> Option<(SetKey, IpAddr, Attributes)> {
    let attributes = serde_json::from_value(withdrawn.attributes.clone()).ok()?;
    let family = Family::of(withdrawn.address);
    Some((SetKey { name: withdrawn.name.clone(), family }, withdrawn.address, attributes))
}
