use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::Path;

use super::records::set_of;
use super::writing::DISK_MAY_TAKE;
use super::*;
use crate::agent::ids::Ids;
use crate::dns::reconciler::RecordStore;
use crate::dns::reconciler::record_memory::{RecordMemory, Remembered};
use crate::dns::{Attributes, Extra};
use crate::engine::event::{Drain, DrainScope};
use crate::engine::ids::{ServiceId, TargetRef};
use crate::engine::plan::SetKey;
use crate::engine::settings::{ServiceSettings, Settings};
use crate::engine::{Engine, Moment};
use crate::state::{ManagedZone, ZoneKey};

fn attributes(ttl: u32) -> Attributes {
    Attributes { ttl, extra: Extra::None }
}

/// Returns the place of `192.0.2.<last>` at `www`.
fn place(last: u8) -> (SetKey, IpAddr) {
    let address = IpAddr::from([192, 0, 2, last]);
    (set_of("www.example.com", address), address)
}

/// Returns the memory of one withdrawn record with this TTL.
fn memory(ttl: u32) -> RecordMemory {
    let (set, address) = place(1);
    [(set, address, attributes(ttl))].into_iter().collect()
}

/// Stands for a drain without an end in the file.
#[test]
fn a_drain_until_beyond_all_time_is_kept_and_breaks_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.json");
    let store = StateStore::open(Some(&path));
    let far = Drain { until: Some(Moment::after_start(Duration::MAX)), ..Drain::default() };
    store.note_drains(
        ServiceId::DEFAULT,
        &[(IpAddr::from([192, 0, 2, 1]), far)].into(),
        Moment::START,
    );
    store.write();
    let again = StateStore::open(Some(&path));
    let drains = again.drains(&settings(&[(0, "default")]), &Ids::default(), Moment::START);
    assert_eq!(drains.len(), 1);
    let drains = drains.into_iter().map(|(target, drain)| (target.address, drain)).collect();
    again.note_drains(ServiceId::DEFAULT, &drains, Moment::START);
}

#[test]
fn the_memory_of_records_is_the_same_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.json");
    let ((set, one), (_, two)) = (place(1), place(2));
    let back = Remembered { attributes: attributes(60), came_back_as: Some(attributes(300)) };
    let records = [(set.clone(), one, Remembered::out(attributes(30))), (set, two, back)];
    let records: RecordMemory = records.into_iter().collect();
    let records = records.with_pending([place(3)]);
    let store = StateStore::open(Some(&path));
    store.note_records(&default_zone(), &records);
    store.write();
    assert_eq!(StateStore::open(Some(&path)).records_of(&default_zone()), records);
}

#[test]
fn a_file_without_the_later_fields_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.json");
    let text = r#"{"version": 1, "drains": [], "withdrawn": [{"name": "www.example.com",
        "type": "A", "address": "192.0.2.1", "at": 1795316400,
        "attributes": {"ttl": 60, "extra": "none"}}]}"#;
    std::fs::write(&path, text).unwrap();
    let records = StateStore::open(Some(&path)).records_of(&default_zone());
    let address = IpAddr::from([192, 0, 2, 1]);
    let carried = records.recall(&set_of("www.example.com", address), address);
    assert_eq!(carried.map(|carried| carried.ttl), Some(60));
    assert_eq!(records.pending().count(), 0);
}

/// The channel that is waited for here stands for a disk that does not answer.
#[tokio::test(start_paused = true)]
async fn a_state_file_that_does_not_answer_at_the_start_is_left_alone_and_the_start_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.json");
    let (answers, answered) = std::sync::mpsc::channel::<()>();
    let (limit, talk) = (Duration::from_secs(11), Handle::current());
    let opening = StateStore::open_within(limit, Some(path.clone()), &talk, move |path| {
        let _ = answered.recv();
        StateStore::open(path)
    });
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
    assert!(
        store.drains(&settings(&[(0, "default")]), &Ids::default(), Moment::START).is_empty()
            && store.is_behind()
    );
    assert_eq!(store.durability(), Durability::Unsaved, "a drain warns that it will not survive");
    store.note_drains(
        ServiceId::DEFAULT,
        &[(IpAddr::from([192, 0, 2, 1]), Drain::default())].into(),
        Moment::START,
    );
    store.write();
    assert!(!path.exists(), "what may be in it is not written over");
}

/// The lock that is held here stands for a disk that does not answer.
#[tokio::test(start_paused = true)]
async fn a_disk_that_hangs_delays_no_change_for_long_and_gets_the_newest_records_in_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.json");
    let store = Arc::new(StateStore::open(Some(&path)));
    let records = Records::of_default(&store);
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
    let kept = StateStore::open(Some(&path)).records_of(&default_zone());
    assert_eq!(kept, memory(120));
}

/// Returns the settings of services with these ids and names, which all have the same addresses and
/// owner names of their own.
fn settings(services: &[(usize, &str)]) -> Settings {
    let its = ServiceSettings::new((1..=9).map(|last| place(last).1).collect(), "www.example.com");
    let mut settings = Settings::new(its.clone());
    settings.services.clear();
    for (id, name) in services {
        let (name, names) = ((*name).to_owned(), vec![format!("{name}.example.com")]);
        settings.services.insert((*id).into(), ServiceSettings { name, names, ..its.clone() });
    }
    settings
}

/// Returns the key of the zone of a file that names none.
fn default_zone() -> ZoneKey {
    ZoneKey::new("default", "")
}

/// Returns the key of the zone with this name, at a place of that name.
fn zone(name: &str) -> ZoneKey {
    ZoneKey::new(name, name)
}

/// Makes the zones of a store those with these names, places and managed names.
fn manage(store: &StateStore, zones: &[(&str, &str, &str)]) {
    let zones = zones.iter().map(|(name, place, owner)| {
        ManagedZone::new(ZoneKey::new(name, place), [(*owner).to_owned()])
    });
    store.assign(&zones.collect());
}

/// Writes the file of `store`, and reads it again.
fn reopened(store: &StateStore, path: &Path) -> StateStore {
    store.write();
    StateStore::open(Some(path))
}

/// Returns the version of the file.
fn version(path: &Path) -> u64 {
    let text = std::fs::read(path).unwrap();
    serde_json::from_slice::<serde_json::Value>(&text).unwrap()["version"].as_u64().unwrap()
}

fn forever() -> Drain {
    Drain { reason: Some("reboot".into()), ..Drain::default() }
}

/// Returns the drained targets of an engine with these services, which remembers the drains of a store.
fn drained(store: &StateStore, services: &[(usize, &str)]) -> Vec<(usize, IpAddr)> {
    let ids = Ids::default();
    for (id, name) in services {
        assert_eq!(usize::from(ids.service(name)), *id);
    }
    let drains = store.drains(&settings(services), &ids, Moment::START);
    let engine = Engine::new(settings(services), drains, Moment::START);
    let mut drained = Vec::new();
    for (service, drains) in engine.drains() {
        drained.extend(drains.into_keys().map(|address| (service.into(), address)));
    }
    drained
}

#[test]
fn each_service_keeps_its_own_drains_by_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.json");
    let store = StateStore::open(Some(&path));
    let ((_, one), (_, two)) = (place(1), place(2));
    store.assign_services(&settings(&[(1, "www"), (2, "mx")]));
    store.note_drains(ServiceId::from(1), &[(one, forever())].into(), Moment::START);
    let both = [(one, forever()), (two, forever())];
    store.note_drains(ServiceId::from(2), &both.into(), Moment::START);
    let again = reopened(&store, &path);
    assert_eq!(version(&path), 2);
    // The next process gives the names other ids.
    assert_eq!(drained(&again, &[(1, "mx"), (2, "www")]), [(1, one), (1, two), (2, one)]);
    again.note_drains(ServiceId::from(1), &BTreeMap::new(), Moment::START);
    assert_eq!(drained(&reopened(&again, &path), &[(1, "mx"), (2, "www")]), [(2, one)]);
}

#[test]
fn the_drains_of_a_service_that_is_not_in_the_configuration_wait_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.json");
    let store = StateStore::open(Some(&path));
    let (_, one) = place(1);
    store.assign_services(&settings(&[(1, "www"), (2, "mx")]));
    let scope = DrainScope { names: [].into(), others: ["www".to_owned()].into() };
    let drain = Drain { scope, ..forever() };
    store.note_drains(ServiceId::from(2), &[(one, drain)].into(), Moment::START);
    let without = reopened(&store, &path);
    // The engine keeps it for the service, which has the next id.
    assert_eq!(drained(&without, &[(1, "www")]), [(2, one)]);
    without.note_drains(ServiceId::from(1), &[(one, forever())].into(), Moment::START);
    let again = reopened(&without, &path);
    assert_eq!(drained(&again, &[(1, "www"), (2, "mx")]), [(1, one), (2, one)]);
}

/// Returns the scope of a drain of a service with one owner name, and of these other services.
fn scope(others: &[&str]) -> DrainScope {
    DrainScope {
        names: ["www.example.com".to_owned()].into(),
        others: others.iter().map(|&name| name.to_owned()).collect(),
    }
}

/// The engine decides from both which services a drain belongs to.
#[test]
fn a_drain_keeps_its_scope_unless_no_service_has_a_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.json");
    let store = StateStore::open(Some(&path));
    let (_, one) = place(1);
    store.assign_services(&settings(&[(0, "default"), (1, "mx")]));
    for (others, written, kept) in
        [(&["mx"][..], 2, scope(&["mx"])), (&[], 1, DrainScope::default())]
    {
        let drain = Drain { scope: scope(others), ..forever() };
        store.note_drains(ServiceId::DEFAULT, &[(one, drain)].into(), Moment::START);
        let again = reopened(&store, &path);
        assert_eq!(version(&path), written, "{others:?}");
        let services = settings(&[(0, "default"), (1, "mx")]);
        let drains = again.drains(&services, &Ids::default(), Moment::START);
        assert_eq!(drains[&TargetRef::of_default(one)].scope, kept, "{others:?}");
    }
}

#[test]
fn a_file_of_the_first_version_belongs_to_default_or_to_the_services_with_its_addresses() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.json");
    let (_, one) = place(1);
    let text = r#"{"version": 1, "drains": [{"address": "192.0.2.1", "since": 1795316400}],
        "withdrawn": [{"name": "www.example.com", "type": "A", "address": "192.0.2.1",
        "at": 1795316400, "attributes": {"ttl": 60, "extra": "none"}}]}"#;
    std::fs::write(&path, text).unwrap();
    let store = StateStore::open(Some(&path));
    assert_eq!(drained(&store, &[(0, "default")]), [(0, one)]);
    let store = StateStore::open(Some(&path));
    assert_eq!(drained(&store, &[(0, "default"), (1, "www")]), [(0, one)]);
    let store = StateStore::open(Some(&path));
    assert_eq!(drained(&store, &[(1, "www"), (2, "mx")]), [(1, one), (2, one)]);
    let zones = [("main", "main", "www.example.com"), ("other", "other", "www.example.net")];
    manage(&store, &zones);
    assert_eq!(store.records_of(&zone("main")), memory(60), "it manages the name");
    assert_eq!(store.records_of(&zone("other")), RecordMemory::default());
}

#[test]
fn a_file_without_named_services_and_zones_stays_one_of_the_first_version() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.json");
    let store = StateStore::open(Some(&path));
    manage(&store, &[("default", "a place", "www.example.com")]);
    store.assign_services(&settings(&[(0, "default")]));
    store.note_drains(ServiceId::DEFAULT, &[(place(1).1, forever())].into(), Moment::START);
    store.note_records(&default_zone(), &memory(60));
    store.write();
    assert_eq!(version(&path), 1);
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(["service", "zone", "place"].iter().all(|field| !text.contains(field)), "{text}");
    manage(&store, &[("default", "a", "www.example.com"), ("other", "other", "www.example.net")]);
    store.note_records(&zone("other"), &memory(30));
    store.write();
    assert_eq!(version(&path), 2, "an older program would mistake the other zone's records");
}

/// Two zones may have the same domain: example.com at two providers.
#[test]
fn each_zone_keeps_its_own_records_also_at_the_same_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.json");
    let store = StateStore::open(Some(&path));
    let zones = [("one", "one", "www.example.com"), ("two", "two", "www.example.com")];
    manage(&store, &zones);
    store.note_records(&zone("one"), &memory(60));
    store.note_records(&zone("two"), &memory(30));
    let store = reopened(&store, &path);
    manage(&store, &zones);
    let [one, two] = ["one", "two"].map(|name| store.records_of(&zone(name)));
    assert_eq!([one, two], [memory(60), memory(30)]);
    store.note_records(&zone("two"), &RecordMemory::default());
    let store = reopened(&store, &path);
    manage(&store, &zones);
    let [one, two] = ["one", "two"].map(|name| store.records_of(&zone(name)));
    assert_eq!([one, two], [memory(60), RecordMemory::default()]);
}

#[test]
fn the_records_of_two_zones_that_swap_their_names_stay_where_they_were() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.json");
    let store = StateStore::open(Some(&path));
    let owner = "www.example.com";
    manage(&store, &[("one", "a", owner), ("two", "b", owner)]);
    store.note_records(&ZoneKey::new("one", "a"), &memory(60));
    store.note_records(&ZoneKey::new("two", "b"), &memory(30));
    for store in [&reopened(&store, &path), &store] {
        manage(store, &[("two", "a", owner), ("one", "b", owner)]);
        assert_eq!(store.records_of(&ZoneKey::new("two", "a")), memory(60));
        assert_eq!(store.records_of(&ZoneKey::new("one", "b")), memory(30));
        assert_eq!(store.withdrawn()[0].zone, "two", "by its present name");
    }
}

#[test]
fn the_records_of_a_zone_outlive_its_renaming_and_its_absence() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.json");
    let store = StateStore::open(Some(&path));
    let two = ("two", "two", "www.example.net");
    manage(&store, &[("one", "one", "www.example.com"), two]);
    store.note_records(&zone("one"), &memory(60));
    let store = reopened(&store, &path);
    manage(&store, &[two]);
    assert_eq!(store.records_of(&zone("two")), RecordMemory::default());
    store.note_records(&zone("two"), &RecordMemory::default());
    let store = reopened(&store, &path);
    manage(&store, &[("main", "elsewhere", "www.example.com"), two]);
    let renamed = ZoneKey::new("main", "elsewhere");
    assert_eq!(store.records_of(&renamed), memory(60), "renamed");
    store.note_records(&renamed, &memory(30));
    let store = reopened(&store, &path);
    manage(&store, &[("main", "elsewhere", "www.example.com")]);
    assert_eq!(store.records_of(&renamed), memory(30), "and not twice in the file");
    assert_eq!(store.withdrawn().len(), 1);
}

#[test]
fn entries_of_unknown_services_are_dropped_when_there_are_very_many_the_oldest_first() {
    let mut since: Vec<u64> = (0..12_000).rev().collect();
    keep_newest(&mut since, |since| *since);
    assert_eq!((since.len(), since[0]), (MOST_UNKNOWN, 2_000));
    keep_newest(&mut since, |since| *since);
    assert_eq!(since.len(), MOST_UNKNOWN);
}
