use std::net::IpAddr;
use std::path::Path;

use super::records::set_of;
use super::writing::DISK_MAY_TAKE;
use super::*;
use crate::dns::reconciler::RecordStore;
use crate::dns::reconciler::record_memory::{RecordMemory, Remembered};
use crate::dns::{Attributes, Extra};
use crate::engine::Moment;
use crate::engine::event::Drain;
use crate::engine::plan::SetKey;

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
    let far = Drain { until: Some(Moment::after_start(Duration::MAX)), reason: None };
    store.note_drains(
        ServiceId::DEFAULT,
        &[(IpAddr::from([192, 0, 2, 1]), far)].into(),
        Moment::START,
    );
    store.write();
    let again = StateStore::open(Some(&path));
    let drains = again.drains(Moment::START);
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
    store.note_records(ZoneId::DEFAULT, &records);
    store.write();
    assert_eq!(StateStore::open(Some(&path)).records(), records);
}

#[test]
fn a_file_without_the_later_fields_is_read() {
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
    assert!(store.drains(Moment::START).is_empty() && store.is_behind());
    assert_eq!(store.durability(), Durability::Unsaved, "a drain warns that it will not survive");
    store.note_drains(
        ServiceId::DEFAULT,
        &[(IpAddr::from([192, 0, 2, 1]), Drain { until: None, reason: None })].into(),
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
    let records = Records { store: Arc::clone(&store), zone: ZoneId::DEFAULT };
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

/// Writes the file of `store`. Returns a store that has read it, with the same zones.
fn reopened(store: &StateStore, path: &Path) -> Arc<StateStore> {
    store.write();
    let again = StateStore::open(Some(path));
    again.zones.lock().unwrap().clone_from(&store.zones.lock().unwrap());
    Arc::new(again)
}

fn drained(store: &StateStore) -> Vec<IpAddr> {
    store.memory().drains.iter().map(|drain| drain.address).collect()
}

#[test]
fn each_service_and_each_zone_keeps_its_own_part_of_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.json");
    let store = StateStore::open(Some(&path));
    let (second, other_zone) = (ServiceId::from(1), ZoneId::from(1));
    let address = IpAddr::from([192, 0, 2, 1]);
    let drain = Drain { until: None, reason: None };
    store.note_drains(ServiceId::DEFAULT, &[(address, drain.clone())].into(), Moment::START);
    let another = IpAddr::from([192, 0, 2, 2]);
    store.note_drains(second, &[(another, drain)].into(), Moment::START);
    assert_eq!(drained(&reopened(&store, &path)), [address, another]);
    store.note_drains(second, &BTreeMap::new(), Moment::START);
    let store = reopened(&store, &path);
    assert_eq!(drained(&store), [address]);

    store.zones.lock().unwrap().insert("www.example.net".to_owned(), other_zone);
    let mut zones = vec![];
    for (zone, name) in [(ZoneId::DEFAULT, "www.example.com"), (other_zone, "www.example.net")] {
        let memory = RecordMemory::from_iter([(set_of(name, address), address, attributes(60))]);
        store.note_records(zone, &memory);
        zones.push((zone, memory));
    }
    let store = reopened(&store, &path);
    for (zone, memory) in &zones {
        let records = Records { store: Arc::clone(&store), zone: *zone };
        assert_eq!(records.load(), *memory);
    }
    store.note_records(other_zone, &RecordMemory::default());
    let store = reopened(&store, &path);
    let [first, other] = [ZoneId::DEFAULT, other_zone]
        .map(|zone| Records { store: Arc::clone(&store), zone }.load());
    assert_eq!(first, zones[0].1);
    assert_eq!(other, RecordMemory::default());
}
