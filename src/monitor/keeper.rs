//! Keeps drains and withdrawn records across restarts, if the configuration names a state file.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::dns::Attributes;
use crate::dns::memory::Memory as Records;
use crate::engine::event::Drain;
use crate::engine::plan::{Family, SetKey};
use crate::state::{self, Memory, StateFile, Withdrawn};

/// The state file and what is in it, or would be.
#[derive(Debug)]
pub(super) struct Keeper {
    file: Option<StateFile>,
    memory: Mutex<Memory>,
    /// Held while the file is written, so that writes do not overlap.
    writing: Mutex<Written>,
}

#[derive(Debug, Default)]
struct Written {
    /// What the file holds.
    memory: Memory,
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
    pub(super) fn open(path: Option<&std::path::Path>) -> Self {
        let mut file = path.map(StateFile::new);
        let mut memory = Memory::default();
        if let Some(there) = &file {
            let loaded = there.load(wall());
            memory = loaded.memory;
            if let Some(trouble) = loaded.trouble {
                tracing::error!("{}", crate::chain(&trouble));
                if trouble.in_place() {
                    file = None;
                }
            }
        }
        let written = Written { memory: memory.clone(), failed: false };
        Self { file, memory: Mutex::new(memory), writing: Mutex::new(written) }
    }

    /// Whether anything survives a restart.
    pub(super) fn lasts(&self) -> bool {
        self.file.is_some()
    }

    fn memory(&self) -> std::sync::MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The drains that are still in force, as the engine wants them at its start.
    pub(super) fn drains(&self) -> BTreeMap<IpAddr, Drain> {
        let now = unix(wall());
        let memory = self.memory();
        let open = memory.drains.iter().filter(|drain| drain.until.is_none_or(|until| until > now));
        open.map(|drain| {
            let left = drain.until.map(|until| Duration::from_secs(until - now));
            (drain.address, Drain { until: left, reason: drain.reason.clone() })
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
        let Some(file) = &self.file else { return };
        let mut written = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let memory = self.memory().clone();
        if memory == written.memory && !written.failed {
            return;
        }
        match file.save(&memory) {
            Ok(()) => {
                if std::mem::replace(&mut written.failed, false) {
                    tracing::info!("state file {} is written again", file.path().display());
                }
                written.memory = memory;
            }
            Err(error) => {
                written.failed = true;
                tracing::warn!("{}", crate::chain(&error));
            }
        }
    }

    /// Whether the last writing failed.
    pub(super) fn is_behind(&self) -> bool {
        self.writing.try_lock().is_ok_and(|written| written.failed)
    }
}

fn record(withdrawn: &Withdrawn) -> Option<(SetKey, IpAddr, Attributes)> {
    let attributes = serde_json::from_value(withdrawn.attributes.clone()).ok()?;
    let family = Family::of(withdrawn.address);
    Some((SetKey { name: withdrawn.name.clone(), family }, withdrawn.address, attributes))
}
