//! Dry-run works as the real agent does, and sends no writing request.

use goavail::testing::dns::{ChangeRequest, DnsProvider, DryRun};

use super::{API, Harness, Outcome, Remote, Request, TTL, WWW, ip, s};

fn dry(remote: &Remote, lasts: &[u8]) -> DryRun {
    let names = [WWW.to_owned(), API.to_owned()];
    let targets: Vec<_> = lasts.iter().map(|last| ip(*last)).collect();
    DryRun::new(Box::new(remote.clone())).publishing(&names, &targets)
}

fn writes(remote: &Remote) -> usize {
    remote.requests().into_iter().filter(|request| *request != Request::Read).count()
}

#[tokio::test(start_paused = true)]
async fn the_whole_story_without_a_write() {
    let remote = Remote::new(&[WWW, API], &[10, 11]);
    let mut harness = Harness::at(dry(&remote, &[10, 11]), &[WWW, API]);
    harness.order("-10", 1);
    assert_eq!(harness.reports_until_confirmed().await, ["withdrew 10@api 10@www", "confirmed"]);
    harness.order_with_listing("-10 -11", 1);
    let reports = harness.reports_until_confirmed().await;
    assert_eq!(reports, ["confirmed but for 11@api 11@www"], "simulated writes count");
    harness.order_with_listing("+10 -11", 1);
    let reports = harness.reports_until_confirmed().await;
    assert_eq!(reports, ["withdrew 11@api 11@www, restored 10@api 10@www", "confirmed"]);
    assert_eq!(writes(&remote), 0);
    assert_eq!(remote.holds().await, ["10@api", "10@www", "11@api", "11@www"]);
}

#[tokio::test(start_paused = true)]
async fn without_credentials_it_plans_from_the_configuration() {
    let remote = Remote::new(&[WWW, API], &[]);
    remote.reads([Outcome::Refused; 100]);
    let mut harness = Harness::at(dry(&remote, &[10, 11]), &[WWW, API]);
    harness.order("-10", 1);
    assert_eq!(harness.reports_until_confirmed().await, ["withdrew 10@api 10@www", "confirmed"]);
    harness.order_with_listing("-10 -11", 1);
    assert_eq!(harness.reports_until_confirmed().await, ["confirmed but for 11@api 11@www"]);
    harness.order("+10 +11", 1);
    assert_eq!(harness.reports_until_confirmed().await, ["restored 10@api 10@www", "confirmed"]);
    assert_eq!(writes(&remote), 0);
}

/// A "would withdraw" would be wrong for a record that cannot be listed.
#[tokio::test(start_paused = true)]
async fn once_the_zone_was_listed_a_listing_that_fails_is_a_failure() {
    let remote = Remote::new(&[WWW], &[11]);
    remote.reads([Outcome::Works, Outcome::Unavailable(None)]);
    let mut harness = Harness::open(dry(&remote, &[10, 11]));
    harness.request_listing();
    tokio::time::sleep(s(60)).await;
    harness.order("-10", 0);
    assert_eq!(harness.reports_until_confirmed().await, ["failing: unavailable", "confirmed"]);
}

#[tokio::test(start_paused = true)]
async fn a_real_change_ends_the_simulated_one() {
    let remote = Remote::new(&[WWW], &[10, 11]);
    let mut harness = Harness::open(dry(&remote, &[10, 11]));
    harness.order("-10", 0);
    harness.reports_until_confirmed().await;
    // A person withdraws it, and restores it.
    remote.take(WWW, 10).await;
    harness.order_with_listing("-10", 0);
    harness.reports_until_confirmed().await;
    remote.zone.put(WWW, ip(10), TTL);
    harness.order_with_listing("-10", 0);
    assert_eq!(harness.reports_until_confirmed().await, ["withdrew 10@www", "confirmed"]);
    // It is restored in the simulation, and a person withdraws it.
    harness.order_with_listing("+10", 0);
    assert_eq!(harness.reports_until_confirmed().await, ["restored 10@www", "confirmed"]);
    harness.order_with_listing("+10", 0);
    harness.reports_until_confirmed().await;
    remote.take(WWW, 10).await;
    harness.order_with_listing("+10", 0);
    assert_eq!(harness.reports_until_confirmed().await, ["restored 10@www", "confirmed"]);
    assert_eq!(writes(&remote), 0);
}

#[tokio::test(start_paused = true)]
async fn an_edit_of_a_record_that_is_simulated_gone_does_not_restore_it() {
    let remote = Remote::new(&[WWW], &[10, 11]);
    let dry = dry(&remote, &[10, 11]);
    let listing = dry.list().await.unwrap();
    let changes = crate::contract::withdrawal(&listing, "192.0.2.10");
    dry.apply(ChangeRequest::new(&listing, &changes)).await.unwrap();
    // Deleted and created anew between two listings: another id, another TTL.
    remote.take(WWW, 10).await;
    remote.zone.put(WWW, ip(10), 999);
    let shown = dry.list().await.unwrap();
    let www = crate::contract::addresses(&shown, &crate::contract::set_of(WWW, ip(10)));
    assert_eq!(www, [ip(11)].into());
}
