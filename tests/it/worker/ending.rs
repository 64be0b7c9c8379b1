//! Told to stop, the worker finishes the change in hand and begins nothing else.

use goavail::dns::memory::Memory;
use tokio::time::sleep;

use super::office::now;
use super::{Fate, Office, Remote, Request, TTL, WWW, ip, ms, s};
use crate::contract::set_of;

#[tokio::test(start_paused = true)]
async fn it_ends_at_once_when_there_is_nothing_to_do() {
    let office = Office::open(Remote::new(&[WWW], &[10]));
    sleep(s(1)).await;
    let told = now();
    office.stop();
    office.ended().await;
    assert_eq!(told.elapsed(), ms(0));
}

#[tokio::test(start_paused = true)]
async fn a_reading_is_dropped_and_nothing_is_written_after_it() {
    let remote = Remote::new(&[WWW], &[10, 11]);
    remote.reads([Fate::Takes(s(8))]);
    let office = Office::open(remote.clone());
    office.order("-10", 0);
    sleep(s(3)).await;
    let told = now();
    office.stop();
    office.ended().await;
    assert_eq!(told.elapsed(), ms(0));
    assert_eq!(remote.requests(), [Request::Read]);
    assert_eq!(remote.holds().await, ["10@www", "11@www"]);
}

#[tokio::test(start_paused = true)]
async fn a_retry_is_not_waited_for() {
    let remote = Remote::new(&[WWW], &[10, 11]);
    remote.writes([Fate::Refused]);
    let mut office = Office::open(remote.clone());
    office.order("-10", 0);
    office.failure().await;
    let told = now();
    office.stop();
    office.ended().await;
    assert_eq!(told.elapsed(), ms(0));
    assert_eq!(remote.holds().await, ["10@www", "11@www"]);
}

#[tokio::test(start_paused = true)]
async fn a_write_is_finished_and_what_it_took_out_is_remembered() {
    let remote = Remote::new(&[WWW], &[10, 11]);
    remote.writes([Fate::Takes(s(4))]);
    let office = Office::open(remote.clone());
    office.order("-10", 0);
    sleep(s(1)).await;
    let told = now();
    office.stop();
    office.order("-10 -11", 0);
    let memory = office.ended().await;
    assert!(told.elapsed() > s(3) && told.elapsed() < s(4), "{:?}", told.elapsed());
    assert_eq!(remote.holds().await, ["11@www"], "the order that came later was not begun");
    let kept = memory.recall(&set_of(WWW, ip(10)), ip(10)).unwrap();
    assert_eq!(kept.ttl, TTL);
}

#[tokio::test(start_paused = true)]
async fn a_floor_that_the_last_write_left_broken_is_repaired() {
    let remote = Remote::new(&[WWW], &[10, 11]);
    remote.writes([Fate::Takes(s(2))]);
    let office = Office::open(remote.clone());
    office.order("-10", 1);
    sleep(s(1)).await;
    remote.take(WWW, 11).await;
    office.stop();
    let memory = office.ended().await;
    assert_eq!(remote.holds().await, ["10@www"]);
    assert_eq!(remote.carries(WWW, 10).await.0, TTL);
    drop(memory);
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_fails_does_not_hold_up_the_end() {
    let remote = Remote::new(&[WWW], &[10, 11]);
    remote.writes([Fate::LostAfter]);
    let mut office = Office::open(remote.clone());
    office.order("-10", 1);
    office.failure().await;
    remote.reads([Fate::Unavailable(None); 9]);
    let told = now();
    office.stop();
    let memory: Memory = office.ended().await;
    assert!(told.elapsed() < s(1), "{:?}", told.elapsed());
    assert_eq!(memory.records().count(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_end_of_the_driver_is_the_end_of_the_worker() {
    let remote = Remote::new(&[WWW], &[10, 11]);
    remote.reads(std::iter::repeat_n(Fate::Unavailable(None), 1000));
    let mut office = Office::open(remote.clone());
    office.order("-10", 0);
    office.failure().await;
    assert!(office.is_at_work());
    // Nobody holds the desk any more.
    let Office { desk, .. } = &mut office;
    *desk = tokio::sync::watch::channel(goavail::dns::worker::Desk::default()).0;
    office.ended().await;
}
