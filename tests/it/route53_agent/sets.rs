//! Sets that lose an address and get it back.

use aws_sdk_route53::types::ResourceRecordSet;

use super::{FOREIGN, Harness, sorted};
use crate::moto::set;
use crate::name_server::{Manner, NameServer};
use crate::proxy::Spoil;
use crate::route53::follow::asks_about_a_change;
use crate::route53::response;

/// One of two weighted sets of `www.example.com`.
fn weighted(identifier: &str, weight: i64, value: &str) -> ResourceRecordSet {
    let set = set("www.example.com", "A", &[value]).ttl(777);
    set.set_identifier(identifier).weight(weight).build().unwrap()
}

/// Each target alone in a weighted set, and both in a simple one beside a foreign address.
fn two_names(harness: &Harness) -> Vec<ResourceRecordSet> {
    let (first, second) = (harness.text(0), harness.text(1));
    sorted(vec![
        weighted("Paris 1", 7, &first),
        weighted("Lyon", 3, &second),
        set("api.example.com", "A", &[&first, FOREIGN, &second]).build().unwrap(),
    ])
}

/// Route 53's word that a change is in force everywhere.
fn in_force() -> Spoil {
    let body = "<?xml version=\"1.0\"?>\n\
        <GetChangeResponse xmlns=\"https://route53.amazonaws.com/doc/2013-04-01/\"><ChangeInfo>\
        <Id>/change/C1</Id><Status>INSYNC</Status><SubmittedAt>2026-01-01T00:00:00Z</SubmittedAt>\
        </ChangeInfo></GetChangeResponse>";
    response(200, "text/xml", body)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_dead_address_goes_with_the_set_that_it_was_alone_in_and_all_comes_back_in_kind() {
    let Some(mut harness) = Harness::new().await else { return };
    let before = two_names(&harness);
    harness.zone.put(before.clone()).await;
    let mut agent = harness.confirmed(&harness.config("", &["www", "api"]));
    assert_eq!(harness.written(), 0, "all is as it should be");
    // One for each change that will be made. It is asked about after five seconds.
    (0..2).for_each(|_| harness.proxy.spoil_next(asks_about_a_change, in_force()));

    harness.close(0);
    let names = "names=\"www.example.com,api.example.com\"";
    let line = agent.nth(1, &["withdrew", &harness.target(0), names]);
    assert!(line.has(&["took="]), "{}", line.text);
    let mut left = before.clone();
    left.retain(|set| set.set_identifier() != Some("Paris 1"));
    left[0].resource_records.as_mut().unwrap().retain(|r| r.value() != harness.text(0));
    assert_eq!(harness.sets().await, left);
    assert_eq!(harness.written(), 1, "one batch for both names");

    harness.open(0);
    agent.nth(1, &["restored", &harness.target(0), names]);
    assert_eq!(harness.sets().await, before);
    assert_eq!(harness.written(), 2);
    let told = agent.nth(2, &["change is in force on all servers of Route 53"]);
    let first = agent.nth(1, &["change is in force on all servers of Route 53"]);
    assert!(line.at < first.at, "nobody waited for that");
    assert!(told.has(&["change=C", "seconds="]), "{}", told.text);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_set_that_a_killed_agent_withdrew_is_restored_in_kind_by_its_successor() {
    let Some(mut harness) = Harness::new().await else { return };
    let before = two_names(&harness);
    harness.zone.put(before.clone()).await;
    let folder = tempfile::tempdir().unwrap();
    let memory = format!("state_file = {:?}\n", folder.path().join("state.json"));
    let config = harness.config(&memory, &["www", "api"]);
    let mut agent = harness.confirmed(&config);
    harness.close(0);
    agent.nth(1, &["withdrew", &harness.target(0)]);
    agent.kill();
    assert_ne!(harness.sets().await, before);

    harness.open(0);
    let mut next = harness.start(&config);
    next.nth(1, &["restored", &harness.target(0)]);
    assert_eq!(harness.sets().await, before);
}

/// Defects 32, 33 and 34 of the Go agent: an empty listing ended it, the set that came next in the
/// listing was taken for its own, and of `a.b` it kept `a`.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_name_without_a_set_gets_its_own_and_its_neighbours_are_left_alone() {
    let neighbours: &[&str] = &["a.example.com", "b.example.com", "z.a.b.example.com"];
    for around in [&[], neighbours] {
        let Some(mut harness) = Harness::new().await else { return };
        let foreign = |name: &&str| set(name, "A", &[FOREIGN]).build().unwrap();
        if !around.is_empty() {
            harness.zone.put(around.iter().map(foreign)).await;
        }
        let mut others: Vec<_> = around.iter().map(|name| format!("{name} A: {FOREIGN}")).collect();
        let config = harness.config("", &["a.b"]).replace("[Route53]", "[Route53]\nttl = 90");
        let mut agent = harness.start(&config);
        agent.nth(2, &["created", "names=\"a.b.example.com\""]);
        let own = format!("a.b.example.com A: {} {}", harness.text(0), harness.text(1));
        let mut all = [&others[..], &[own]].concat();
        all.sort();
        assert_eq!(harness.served().await, all);
        let made = harness.sets().await.into_iter().find(|set| set.name() == "a.b.example.com");
        let made = made.unwrap();
        assert_eq!((made.ttl(), made.weight(), made.set_identifier()), (Some(90), None, None));

        (0..2).for_each(|nth| harness.close(nth));
        agent.nth(2, &["withdrew"]);
        others.sort();
        assert_eq!(harness.served().await, others);
        harness.open(1);
        agent.nth(1, &["restored"]);
        assert_eq!(harness.served().await.len(), others.len() + 1);
    }
}

/// A simple set is followed at the name servers. A weighted one cannot be: that is said once for each set,
/// and they are not asked about it.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_simple_set_is_proven_and_a_weighted_one_is_said_once_to_be_unprovable() {
    let Some(mut harness) = Harness::new().await else { return };
    harness.zone.put(two_names(&harness)).await;
    let server = NameServer::start(&harness.targets, Manner::Well);
    let keys = format!("confirm = true\nconfirm_servers = [\"{}\"]\n", server.text());
    let config = harness.config("", &["www", "api"]) + &keys;
    let mut agent = harness.confirmed(&config);
    let unproven = ["name servers are not asked about this record set", "weighted"];
    let target = harness.target(0);
    for nth in 1..=2 {
        harness.close(0);
        agent.nth(nth, &["withdrew", &target]);
        server.hold(&harness.targets[1..]);
        let line = agent.nth(nth, &["change is visible: out at Route 53", &target]);
        assert!(line.has(&["names=\"api.example.com\"", "gone from the only"]), "{}", line.text);
        harness.open(0);
        agent.nth(nth, &["restored", &target]);
        server.hold(&harness.targets);
        agent.nth(nth, &["change is visible: back at Route 53", &target]);
    }
    assert_eq!(agent.lines_with(&unproven).len(), 1);
    let asked = server.asked();
    assert!(asked.iter().all(|it| it.name == "api.example.com."), "{asked:?}");
}
