//! A reload puts another worker in the place of the one before: it goes on with what that one knew,
//! as far as it still holds.

use std::net::IpAddr;

use goavail::dns::dry_run::DryRun;
use goavail::dns::memory::Memory;
use goavail::dns::{DnsProvider, Successor as _};
use tokio::time::sleep;

use super::office::Start;
use super::{API, Fate, Office, Remote, Request, WWW, ip, ms, s};
use crate::contract::{addresses, set_of};

/// The worker that comes after `office`, which is told to hand over; it asks `provider` at `names`.
async fn after(office: Office, provider: &Remote, names: &[&str]) -> Office {
    office.hand_over();
    let estate = office.estate().await;
    let mut provider = provider.clone();
    let names: Vec<_> = names.iter().map(|&name| name.to_owned()).collect();
    let (memory, known) = estate.divide(&mut provider, &names);
    Office::start(provider, Start { names, memory, known, shared: false })
}

#[tokio::test(start_paused = true)]
async fn a_reading_of_the_same_names_serves_on() {
    let remote = Remote::new(&[WWW], &[10, 11]);
    let office = Office::open(remote.clone());
    office.read_in_advance();
    sleep(s(1)).await;
    remote.requests();
    let mut office = after(office, &remote, &[WWW]).await;
    office.order("+10 +11", 1);
    assert_eq!(office.says_until_settled().await, ["settled"]);
    assert_eq!(remote.requests(), []);
}

#[tokio::test(start_paused = true)]
async fn a_reading_of_other_names_or_of_another_zone_does_not() {
    let remote = Remote::new(&[WWW, API], &[10, 11]);
    let office = Office::open(remote.clone());
    office.read_in_advance();
    sleep(s(1)).await;
    let mut office = after(office, &remote, &[WWW, API]).await;
    remote.requests();
    office.order("+10 +11", 1);
    office.says_until_settled().await;
    assert_eq!(remote.requests(), [Request::Read]);

    let elsewhere = remote.apart();
    let mut office = after(office, &elsewhere, &[WWW, API]).await;
    office.order("+10 +11", 1);
    office.says_until_settled().await;
    assert_eq!(elsewhere.requests(), [Request::Read]);
}

/// Somebody reloads once a second, and the zone is large.
#[tokio::test(start_paused = true)]
async fn a_reading_that_lasts_beyond_a_reload_serves_the_orders_after_it() {
    let remote = Remote::new(&[WWW], &[10, 11]);
    remote.reads([Fate::Takes(s(3)); 9]);
    let office = Office::open(remote.clone());
    office.order_anew("-10", 1);
    sleep(s(1)).await;
    let office = after(office, &remote, &[WWW]).await;
    // This one is replaced before it gets to work.
    office.order_anew("-10", 1);
    let mut office = after(office, &remote, &[WWW]).await;
    office.order_anew("-10", 1);
    assert_eq!(office.says().await, "withdrew 10@www");
    let requests = remote.requests();
    assert_eq!(requests[0], Request::Read);
    assert_ne!(requests[1], Request::Read, "it was read once: {requests:?}");
}

#[tokio::test(start_paused = true)]
async fn a_reading_without_an_end_holds_up_the_next_one_for_seconds_and_the_end_not_at_all() {
    let remote = Remote::new(&[WWW], &[10, 11]);
    remote.reads([Fate::Never; 9]);
    let office = Office::open(remote.clone());
    office.order("-10", 1);
    sleep(s(1)).await;
    let asked = super::office::now();
    let office = after(office, &remote, &[WWW]).await;
    assert!(asked.elapsed() <= s(10), "{:?}", asked.elapsed());
    office.order("-10", 1);
    sleep(s(1)).await;
    office.hand_over();
    sleep(s(1)).await;
    assert!(office.is_at_work());
    office.stop();
    sleep(ms(1)).await;
    assert!(!office.is_at_work());
}

#[tokio::test(start_paused = true)]
async fn what_was_withdrawn_is_remembered() {
    let remote = Remote::new(&[WWW], &[10, 11]);
    let mut office = Office::open(remote.clone());
    office.order("-10", 1);
    office.says_until_settled().await;
    let office = after(office, &remote.apart(), &[WWW]).await;
    office.stop();
    let memory: Memory = office.ended().await;
    assert!(memory.recall(&set_of(WWW, ip(10)), ip(10)).is_some());
}

/// The provider said how long it wants to be left alone, and a reload is no reason to ask.
#[tokio::test(start_paused = true)]
async fn a_provider_that_asked_for_rest_gets_it() {
    let remote = Remote::new(&[WWW], &[10, 11]);
    remote.reads([Fate::Unavailable(Some(s(100)))]);
    let mut office = Office::open(remote.clone());
    office.order("-10", 1);
    office.failure().await;
    remote.requests();
    let mut office = after(office, &remote, &[WWW]).await;
    office.order("-10", 1);
    sleep(s(90)).await;
    assert_eq!(remote.requests(), []);
    assert_eq!(office.says_until_settled().await, ["withdrew 10@www", "settled"]);
}

/// Whatever else was wrong, the reload may have mended it.
#[tokio::test(start_paused = true)]
async fn a_provider_that_failed_is_asked_again_at_once() {
    let remote = Remote::new(&[WWW], &[10, 11]);
    remote.reads([Fate::Refused]);
    let mut office = Office::open(remote.clone());
    office.order("-10", 1);
    office.failure().await;
    let mut office = after(office, &remote, &[WWW]).await;
    let asked = super::office::now();
    office.order("-10", 1);
    assert_eq!(office.says_until_settled().await, ["withdrew 10@www", "settled"]);
    assert!(asked.elapsed() < ms(1000), "{:?}", asked.elapsed());
}

/// The answer to its last write was lost, and it could not look any more.
#[tokio::test(start_paused = true)]
async fn what_a_write_left_open_is_seen_to_and_told() {
    let remote = Remote::new(&[WWW], &[10, 11]);
    remote.writes([Fate::LostAfter]);
    remote.reads([Fate::Works].into_iter().chain([Fate::Unavailable(None); 9]));
    let mut office = Office::open(remote.clone());
    office.order("-10", 1);
    office.failure().await;
    let mut office = after(office, &remote, &[WWW]).await;
    remote.heals();
    office.order("-10", 1);
    assert_eq!(office.says_until_settled().await, ["withdrew 10@www", "settled"]);
}

/// Another agent took out the other one at the same moment, and nobody could look.
#[tokio::test(start_paused = true)]
async fn a_floor_that_nobody_could_look_at_is_repaired_by_the_next_one() {
    let remote = Remote::new(&[WWW], &[10, 11]);
    remote.writes([Fate::Takes(s(2))]);
    remote.reads([Fate::Works].into_iter().chain([Fate::Unavailable(None); 9]));
    let office = Office::open(remote.clone());
    office.order("-10", 1);
    sleep(s(1)).await;
    remote.take(WWW, 11).await;
    let mut office = after(office, &remote, &[WWW]).await;
    remote.heals();
    office.order("-10", 1);
    office.says_until_settled().await;
    assert_eq!(remote.holds().await, ["10@www"]);
}

fn dry(remote: &Remote, names: &[&str]) -> DryRun<Remote> {
    let names: Vec<_> = names.iter().map(|&name| name.to_owned()).collect();
    DryRun::new(remote.clone(), &names, &[ip(10), ip(11)])
}

/// What a listing shows of `address` at `name`, through a dry-run that comes after one that
/// imagined 192.0.2.10 gone from both names.
async fn shown_after(remote: &Remote, names: &[&str], name: &str) -> Vec<IpAddr> {
    let before = dry(remote, &[WWW, API]);
    let listing = before.list().await.unwrap();
    before.apply(&listing, &crate::contract::withdrawal(&listing, "192.0.2.10")).await.unwrap();
    let mut after = dry(remote, names);
    after.succeed(before);
    addresses(&after.list().await.unwrap(), &set_of(name, ip(10))).into_iter().collect()
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_goes_on_imagining_what_it_would_have_written() {
    let remote = Remote::new(&[WWW, API], &[10, 11]);
    assert_eq!(shown_after(&remote, &[WWW, API], WWW).await, [ip(11)]);
    assert_eq!(shown_after(&remote, &[WWW], WWW).await, [ip(11)]);
    assert_eq!(shown_after(&remote, &[WWW], API).await, [ip(10), ip(11)], "no longer its own");
}

/// A zone that could not be read was made up of the old settings.
#[tokio::test(start_paused = true)]
async fn a_zone_that_was_made_up_is_made_up_anew() {
    let remote = Remote::new(&[WWW], &[]);
    remote.reads([Fate::Refused; 9]);
    let names = [WWW.to_owned()];
    let office = Office::open(DryRun::new(remote.clone(), &names, &[ip(10)]));
    office.read_in_advance();
    sleep(s(1)).await;
    office.stop();
    let mut provider = DryRun::new(remote.clone(), &names, &[ip(10), ip(11)]);
    let (memory, known) = office.estate().await.divide(&mut provider, &names);
    let start = Start { names: names.to_vec(), memory, known, shared: false };
    let mut office = Office::start(provider, start);
    office.order("+10 +11", 1);
    assert_eq!(office.says_until_settled().await, ["settled"], "both are taken to be there");
}
