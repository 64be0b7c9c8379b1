//! Keeps drains and withdrawn records across restarts, if the configuration names a state file.
//!
//! Nothing that is wrong with the file stops the agent.

mod writing;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::task::JoinError;

use super::calendar::{Calendar, Clocks};
use super::clock::wall;
use crate::dns::reconciler::RecordStore;
use crate::dns::reconciler::record_memory::{RecordMemory, Remembered};
use crate::engine::Moment;
use crate::engine::event::Drain;
use crate::engine::plan::{Family, SetKey};
use crate::state::{self, Memory, Pending, StateFile, Withdrawn};
use writing::MOST_WRITERS;

/// The state and its file.
#[derive(Debug)]
pub(super) struct StateStore {
    place: StateLocation,
    memory: Mutex<Memory>,
    /// Interprets the dates of drains. Locked after `memory`.
    calendar: Mutex<Calendar>,
    /// Held while the file is written, so that writes do not overlap.
    writing: Mutex<LastWrite>,
    /// Permits for the threads that write or wait to write.
    writers: Arc<Semaphore>,
    /// Whether the newest write did not end in time.
    hangs: AtomicBool,
    /// Whether the last write failed.
    failed: AtomicBool,
}

/// The place of the state.
#[derive(Debug)]
enum StateLocation {
    /// The configuration names no file.
    Nowhere,
    /// The state is kept in this file.
    File(StateFile),
    /// The file could not be read, and is never overwritten.
    LeftAlone(PathBuf),
}

/// Whether the state survives a restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Durability {
    /// The state is on the disk.
    Saved,
    /// There is no state file.
    NoFile,
    /// The state file cannot be written.
    Unsaved,
}

#[derive(Debug, Default)]
struct LastWrite {
    /// The content of the file. Unknown until the first write, which shows at the start whether the
    /// file can be written.
    memory: Option<Memory>,
}

/// The wall clock, in whole seconds of Unix time.
fn unix(wall: SystemTime) -> u64 {
    wall.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

impl StateStore {
    /// Reads the file, if there is one, and logs its problems.
    pub(super) fn open(path: Option<&Path>) -> Self {
        let (place, memory) = path.map_or((StateLocation::Nowhere, Memory::default()), read);
        Self::with(place, memory)
    }

    /// Like [`Self::open`], on a thread of `talk` and for at most `limit`. After that the file is left
    /// alone.
    pub(super) async fn open_within(
        limit: Duration,
        path: Option<PathBuf>,
        talk: &Handle,
        open: impl FnOnce(Option<&Path>) -> Self + Send + 'static,
    ) -> Result<Self, JoinError> {
        let file = path.clone();
        let opening = talk.spawn_blocking(move || open(file.as_deref()));
        match tokio::time::timeout(limit, opening).await {
            Ok(opened) => opened,
            Err(_) => Ok(Self::unreachable(path.as_deref())),
        }
    }

    /// Leaves alone a file that could not be read in time.
    fn unreachable(path: Option<&Path>) -> Self {
        let Some(path) = path else { return Self::with(StateLocation::Nowhere, Memory::default()) };
        tracing::error!(
            "state file {}: the disk does not answer; the file is left alone, and nothing is kept",
            path.display()
        );
        Self::with(StateLocation::LeftAlone(path.to_owned()), Memory::default())
    }

    fn with(place: StateLocation, memory: Memory) -> Self {
        Self {
            place,
            memory: Mutex::new(memory),
            calendar: Mutex::default(),
            writing: Mutex::default(),
            writers: Arc::new(Semaphore::new(MOST_WRITERS)),
            hangs: AtomicBool::new(false),
            failed: AtomicBool::new(false),
        }
    }

    /// Returns whether the last write survives a restart.
    pub(super) fn durability(&self) -> Durability {
        match &self.place {
            StateLocation::Nowhere => Durability::NoFile,
            StateLocation::File(_) if !self.is_stuck() => Durability::Saved,
            StateLocation::File(_) | StateLocation::LeftAlone(_) => Durability::Unsaved,
        }
    }

    /// Whether the newest write failed, or hangs.
    fn is_stuck(&self) -> bool {
        self.failed.load(Ordering::SeqCst) || self.hangs.load(Ordering::SeqCst)
    }

    fn written(&self) -> MutexGuard<'_, LastWrite> {
        self.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn calendar(&self) -> MutexGuard<'_, Calendar> {
        self.calendar.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the drains that may still be in force, for an engine that starts at `start`.
    pub(super) fn drains(&self, start: Moment) -> BTreeMap<IpAddr, Drain> {
        let now = Clocks { engine: start, wall: unix(wall()) };
        let memory = self.memory();
        self.calendar().adopt(&memory.drains, now)
    }

    /// Returns the settings of withdrawn records.
    pub(super) fn records(&self) -> RecordMemory {
        let memory = self.memory();
        let place = |pending: &Pending| (set_of(&pending.name, pending.address), pending.address);
        let records: RecordMemory = memory.withdrawn.iter().filter_map(record).collect();
        records.with_pending(memory.pending.iter().map(place))
    }

    /// Stores the drains; `now` is the time of the engine's clock.
    pub(super) fn note_drains(&self, drains: &BTreeMap<IpAddr, Drain>, now: Moment) {
        let now = Clocks { engine: now, wall: unix(wall()) };
        let mut memory = self.memory();
        memory.drains = self.calendar().date(&memory.drains, drains, now);
    }

    /// Returns the new ends of those of `drains` that move because the wall clock was set.
    pub(super) fn clock_set(
        &self,
        drains: &BTreeMap<IpAddr, Drain>,
        now: Moment,
    ) -> BTreeMap<IpAddr, Moment> {
        let now = Clocks { engine: now, wall: unix(wall()) };
        let memory = self.memory();
        self.calendar().clock_set(&memory.drains, drains, now)
    }

    /// Stores the withdrawn records.
    fn note_records(&self, records: &RecordMemory) {
        let now = unix(wall());
        let mut memory = self.memory();
        let before = std::mem::take(&mut memory.withdrawn);
        let since = |set: &SetKey, address: IpAddr| {
            let same = |old: &&Withdrawn| old.name == set.name && old.address == address;
            before.iter().find(same).map_or(now, |old| old.at)
        };
        memory.withdrawn = records
            .records()
            .map(|(set, address, record)| Withdrawn {
                name: set.name.clone(),
                r#type: set.family.to_string(),
                address,
                at: since(set, address),
                attributes: serde_json::to_value(&record.attributes).unwrap_or_default(),
                came_back_as: record
                    .came_back_as
                    .as_ref()
                    .map(|less| serde_json::to_value(less).unwrap_or_default()),
            })
            .collect();
        let pending = |(set, address): &(SetKey, IpAddr)| Pending {
            name: set.name.clone(),
            address: *address,
        };
        memory.pending = records.pending().map(pending).collect();
    }
}

/// Saves the withdrawn records in the state file.
#[derive(Debug)]
pub(super) struct Records {
    pub(super) store: Arc<StateStore>,
}

impl RecordStore for Records {
    fn load(&self) -> RecordMemory {
        self.store.records()
    }

    fn save<'a>(
        &'a self,
        memory: &'a RecordMemory,
    ) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        Box::pin(async move {
            self.store.note_records(memory);
            Arc::clone(&self.store).write_in_time().await;
        })
    }
}

/// Reads the file at `path`, and logs its problems.
fn read(path: &Path) -> (StateLocation, Memory) {
    let file = StateFile::new(path);
    let loaded = file.load(wall());
    let left_alone = loaded.trouble.as_ref().is_some_and(state::LoadError::in_place);
    if let Some(trouble) = &loaded.trouble {
        tracing::error!("{}", crate::text::error_chain(trouble));
    }
    let place = if left_alone {
        StateLocation::LeftAlone(path.to_owned())
    } else {
        StateLocation::File(file)
    };
    (place, loaded.memory)
}

fn record(withdrawn: &Withdrawn) -> Option<(SetKey, IpAddr, Remembered)> {
    let attributes = serde_json::from_value(withdrawn.attributes.clone()).ok()?;
    let less = withdrawn.came_back_as.clone();
    let came_back_as = less.map(serde_json::from_value).transpose().ok()?;
    let set = set_of(&withdrawn.name, withdrawn.address);
    Some((set, withdrawn.address, Remembered { attributes, came_back_as }))
}

fn set_of(name: &str, address: IpAddr) -> SetKey {
    SetKey { name: name.to_owned(), family: Family::of(address) }
}

#[cfg(test)]
mod tests {
    use super::writing::DISK_MAY_TAKE;
    use super::*;

    /// Stands for a drain without an end in the file.
    #[test]
    fn a_drain_until_beyond_all_time_is_kept_and_breaks_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.json");
        let store = StateStore::open(Some(&path));
        let far = Drain { until: Some(Moment::after_start(Duration::MAX)), reason: None };
        store.note_drains(&[(IpAddr::from([192, 0, 2, 1]), far)].into(), Moment::START);
        store.write();
        let drains = StateStore::open(Some(&path)).drains(Moment::START);
        store.note_drains(&drains, Moment::START);
        assert_eq!(drains.len(), 1);
    }

    #[test]
    fn what_is_remembered_of_records_is_the_same_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.json");
        let carried = |ttl| crate::dns::Attributes { ttl, extra: crate::dns::Extra::None };
        let at = |last| {
            let address = IpAddr::from([192, 0, 2, last]);
            (set_of("www.example.com", address), address)
        };
        let ((set, one), (_, two)) = (at(1), at(2));
        let back = Remembered { attributes: carried(60), came_back_as: Some(carried(300)) };
        let records = [(set.clone(), one, Remembered::out(carried(30))), (set, two, back)];
        let records: RecordMemory = records.into_iter().collect();
        let records = records.with_pending([at(3)]);
        let store = StateStore::open(Some(&path));
        store.note_records(&records);
        store.write();
        assert_eq!(StateStore::open(Some(&path)).records(), records);
    }

    #[test]
    fn a_file_of_before_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.json");
        let text = r#"{"version": 1, "drains": [], "withdrawn": [{"name": "www.example.com",
            "type": "A", "address": "192.0.2.1", "at": 1795316400,
            "attributes": {"ttl": 60, "extra": "none"}}]}"#;
        std::fs::write(&path, text).unwrap();
        let records = StateStore::open(Some(&path)).records();
        let address = IpAddr::from([192, 0, 2, 1]);
        let carried = records.recall(&set_of("www.example.com", address), address);
        assert_eq!(carried.map(|carried| carried.ttl), Some(60));
        assert_eq!(records.pending().count(), 0);
    }

    /// The channel that is waited for here stands for a disk that does not answer.
    #[tokio::test(start_paused = true)]
    async fn a_state_file_that_does_not_answer_at_the_start_is_left_alone_and_holds_nothing_up() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.json");
        let (answers, answered) = std::sync::mpsc::channel::<()>();
        let hangs = move |path: Option<&Path>| {
            let _ = answered.recv();
            StateStore::open(path)
        };
        let (limit, talk) = (Duration::from_secs(11), Handle::current());
        let opening = StateStore::open_within(limit, Some(path.clone()), &talk, hangs);
        let mut opening = std::pin::pin!(opening);
        tokio::select! {
            biased;
            _ = &mut opening => panic!("the disk hangs"),
            () = std::future::ready(()) => {}
        }
        // While a thread is at work, paused time goes on by hand only.
        tokio::time::advance(limit).await;
        let store = opening.await.unwrap();
        drop(answers);
        assert!(store.drains(Moment::START).is_empty() && store.is_behind());
        assert_eq!(
            store.durability(),
            Durability::Unsaved,
            "a drain warns that it will not survive"
        );
        store.note_drains(
            &[(IpAddr::from([192, 0, 2, 1]), Drain { until: None, reason: None })].into(),
            Moment::START,
        );
        store.write();
        assert!(!path.exists(), "what may be in it is not written over");
    }

    /// The lock that is held here stands for a disk that does not answer.
    #[tokio::test(start_paused = true)]
    async fn a_disk_that_hangs_holds_nothing_up_for_long_and_gets_the_newest_in_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.json");
        let store = Arc::new(StateStore::open(Some(&path)));
        let records = Records { store: Arc::clone(&store) };
        let memory = |ttl| -> RecordMemory {
            let set = SetKey { name: "www.example.com".into(), family: Family::A };
            let attributes = crate::dns::Attributes { ttl, extra: crate::dns::Extra::None };
            [(set, IpAddr::from([192, 0, 2, 1]), attributes)].into_iter().collect()
        };
        {
            let (hangs, hung) = std::sync::mpsc::channel::<()>();
            let disk = Arc::clone(&store);
            let (ready, is_ready) = std::sync::mpsc::channel();
            std::thread::spawn(move || {
                let _held = disk.written();
                ready.send(()).unwrap();
                let _ = hung.recv();
            });
            is_ready.recv().unwrap();
            for ttl in (1..).take(MOST_WRITERS) {
                let newest = memory(ttl);
                let mut waiting = std::pin::pin!(records.save(&newest));
                tokio::select! {
                    biased;
                    () = &mut waiting => panic!("the disk hangs"),
                    () = std::future::ready(()) => {}
                }
                tokio::time::advance(DISK_MAY_TAKE).await;
                waiting.await;
            }
            assert!(!path.exists(), "nothing could be written yet");
            // From now on nobody waits, and no further thread does.
            records.save(&memory(120)).await;
            drop(hangs);
        }
        // This write comes after the ones that waited.
        tokio::task::spawn_blocking(move || store.write()).await.unwrap();
        let kept = StateStore::open(Some(&path)).records();
        assert_eq!(kept, memory(120));
    }
}
