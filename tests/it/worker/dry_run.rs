//! Dry-run takes the very same path, and not one writing request leaves the machine.

use goavail::dns::DnsProvider;
use goavail::dns::dry_run::DryRun;

use super::{API, Fate, Office, Remote, Request, TTL, WWW, ip, s};

fn dry(remote: &Remote, lasts: &[u8]) -> DryRun<Remote> {
    let names = [WWW.to_owned(), API.to_owned()];
    let targets: Vec<_> = lasts.iter().map(|last| ip(*last)).collect();
    DryRun::new(remote.clone(), &names, &targets)
}

fn writes(remote: &Remote) -> usize {
    remote.requests().into_iter().filter(|request| *request != Request::Read).count()
}

#[tokio::test(start_paused = true)]
async fn the_whole_story_without_a_write() {
    let remote = Remote::new(&[WWW, API], &[10, 11]);
    let mut office = Office::at(dry(&remote, &[10, 11]), &[WWW, API]);
    office.order("-10", 1);
    assert_eq!(office.says_until_settled().await, ["withdrew 10@api 10@www", "settled"]);
    office.order_anew("-10 -11", 1);
    let said = office.says_until_settled().await;
    assert_eq!(said, ["settled but for 11@api 11@www"], "what was imagined counts");
    office.order_anew("+10 -11", 1);
    let said = office.says_until_settled().await;
    assert_eq!(said, ["withdrew 11@api 11@www, restored 10@api 10@www", "settled"]);
    assert_eq!(writes(&remote), 0);
    assert_eq!(remote.holds().await, ["10@api", "10@www", "11@api", "11@www"]);
}

#[tokio::test(start_paused = true)]
async fn without_credentials_it_plans_from_the_configuration() {
    let remote = Remote::new(&[WWW, API], &[]);
    remote.reads([Fate::Refused; 100]);
    let mut office = Office::at(dry(&remote, &[10, 11]), &[WWW, API]);
    office.order("-10", 1);
    assert_eq!(office.says_until_settled().await, ["withdrew 10@api 10@www", "settled"]);
    office.order_anew("-10 -11", 1);
    assert_eq!(office.says_until_settled().await, ["settled but for 11@api 11@www"]);
    office.order("+10 +11", 1);
    assert_eq!(office.says_until_settled().await, ["restored 10@api 10@www", "settled"]);
    assert_eq!(writes(&remote), 0);
}

/// It is not to say "would withdraw" of a record that it cannot see.
#[tokio::test(start_paused = true)]
async fn once_the_zone_was_read_a_reading_that_fails_is_a_failure() {
    let remote = Remote::new(&[WWW], &[11]);
    remote.reads([Fate::Works, Fate::Unavailable(None)]);
    let mut office = Office::open(dry(&remote, &[10, 11]));
    office.read_in_advance();
    tokio::time::sleep(s(60)).await;
    office.order("-10", 0);
    assert_eq!(office.says_until_settled().await, ["failing: unavailable", "settled"]);
}

#[tokio::test(start_paused = true)]
async fn what_really_happens_ends_what_was_imagined() {
    let remote = Remote::new(&[WWW], &[10, 11]);
    let mut office = Office::open(dry(&remote, &[10, 11]));
    office.order("-10", 0);
    office.says_until_settled().await;
    // Somebody really withdraws it, and really puts it back.
    remote.take(WWW, 10).await;
    office.order_anew("-10", 0);
    office.says_until_settled().await;
    remote.zone.put(WWW, ip(10), TTL);
    office.order_anew("-10", 0);
    assert_eq!(office.says_until_settled().await, ["withdrew 10@www", "settled"]);
    // It is restored in imagination; somebody really withdraws it.
    office.order_anew("+10", 0);
    assert_eq!(office.says_until_settled().await, ["restored 10@www", "settled"]);
    office.order_anew("+10", 0);
    office.says_until_settled().await;
    remote.take(WWW, 10).await;
    office.order_anew("+10", 0);
    assert_eq!(office.says_until_settled().await, ["restored 10@www", "settled"]);
    assert_eq!(writes(&remote), 0);
}

#[tokio::test(start_paused = true)]
async fn an_edit_of_a_record_that_is_imagined_gone_does_not_bring_it_back() {
    let remote = Remote::new(&[WWW], &[10, 11]);
    let dry = dry(&remote, &[10, 11]);
    let listing = dry.list().await.unwrap();
    let changes = crate::contract::withdrawal(&listing, "192.0.2.10");
    dry.apply(&listing, &changes).await.unwrap();
    // Deleted and made anew between two readings: another id, another TTL.
    remote.take(WWW, 10).await;
    remote.zone.put(WWW, ip(10), 999);
    let shown = dry.list().await.unwrap();
    let www = crate::contract::addresses(&shown, &crate::contract::set_of(WWW, ip(10)));
    assert_eq!(www, [ip(11)].into());
}
