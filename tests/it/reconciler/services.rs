//! Two services in one zone, each with names and orders of its own.

use std::net::IpAddr;

use goavail::engine::event::{DnsReport, Order};
use goavail::engine::ids::{OrderNumber, ServiceId, TargetRef};
use goavail::engine::plan::Desired;
use goavail::testing::dns::ServiceNames;
use tokio::time::sleep;

use super::harness::Start;
use super::{API, Harness, Outcome, Remote, Request, TTL, WWW, desired, ip, ms, s};

/// The service at `www`, which is the default one.
const WEB: ServiceId = ServiceId::DEFAULT;

/// Returns the service at `api`.
fn back_end() -> ServiceId {
    ServiceId::from(1)
}

/// Starts a reconciler for both services.
fn open(remote: &Remote) -> Harness {
    let names: ServiceNames =
        [(WEB, vec![WWW.to_owned()]), (back_end(), vec![API.to_owned()])].into();
    Harness::start(remote.clone(), Start { names, ..Start::default() })
}

/// Places an order of a service.
fn order(harness: &Harness, service: ServiceId, number: u64, words: &str, floor: usize) {
    let (number, desired) = (OrderNumber::from(number), desired(words));
    let order = Order { service, number, desired, floor, ..Order::default() };
    harness.mailbox.send_modify(|mailbox| mailbox.place(order));
}

/// Returns the number of each service's order that was confirmed next.
async fn confirmed(harness: &mut Harness, count: usize) -> Vec<(ServiceId, OrderNumber)> {
    let mut confirmed = Vec::new();
    while confirmed.len() < count {
        if let DnsReport::Confirmed { service, number, .. } = harness.report().await {
            confirmed.push((service, number));
        }
    }
    confirmed
}

#[tokio::test(start_paused = true)]
async fn an_order_does_not_replace_the_one_of_another_service() {
    let remote = Remote::new(&[WWW, API], &[10, 11]);
    remote.reads([Outcome::Takes(s(2))]);
    let mut harness = open(&remote);
    // Both services have the number 1, and the second order is placed while the zone is listed.
    order(&harness, WEB, 1, "-10 +11", 0);
    sleep(s(1)).await;
    order(&harness, back_end(), 1, "+10 -11", 0);
    let confirmed = confirmed(&mut harness, 2).await;
    assert_eq!(confirmed, [(WEB, 1.into()), (back_end(), 1.into())]);
    assert_eq!(remote.holds().await, ["10@api", "11@www"]);
    let writes: Vec<_> = remote.requests().into_iter().filter(|it| *it != Request::Read).collect();
    let both = Request::Write(vec!["-10@www".to_owned(), "-11@api".to_owned()]);
    assert_eq!(writes, [both], "one write for both");
}

#[tokio::test(start_paused = true)]
async fn each_service_has_a_floor_of_its_own() {
    let remote = Remote::new(&[WWW, API], &[10, 11]);
    let mut harness = open(&remote);
    order(&harness, WEB, 1, "-10 -11", 1);
    order(&harness, back_end(), 1, "-10 -11", 0);
    let mut held = Vec::new();
    for _ in 0..2 {
        loop {
            let report = harness.report().await;
            let DnsReport::Confirmed { service, held: its, .. } = report else { continue };
            held.push((service, its.into_keys().collect::<Vec<_>>()));
            break;
        }
    }
    assert_eq!(held, [(WEB, vec![ip(10)]), (back_end(), vec![])]);
    assert_eq!(remote.holds().await, ["10@www"]);
}

#[tokio::test(start_paused = true)]
async fn only_the_service_with_a_new_order_is_confirmed_again() {
    let remote = Remote::new(&[WWW, API], &[10, 11]);
    let mut harness = open(&remote);
    order(&harness, WEB, 1, "+10 +11", 0);
    order(&harness, back_end(), 1, "+10 +11", 0);
    confirmed(&mut harness, 2).await;
    order(&harness, back_end(), 2, "-10", 0);
    assert_eq!(confirmed(&mut harness, 1).await, [(back_end(), 2.into())]);
    sleep(s(600)).await;
    assert!(harness.reported().iter().all(|words| words != "confirmed"));
    assert_eq!(remote.holds().await, ["10@www", "11@api", "11@www"]);
}

#[tokio::test(start_paused = true)]
async fn a_recall_concerns_one_service() {
    let remote = Remote::new(&[WWW, API], &[10, 11]);
    remote.reads([Outcome::Takes(s(2))]);
    let mut harness = open(&remote);
    order(&harness, WEB, 1, "-10", 0);
    order(&harness, back_end(), 1, "-10", 0);
    sleep(ms(500)).await;
    let recalled = TargetRef { service: WEB, address: ip(10) };
    harness.mailbox.send_modify(|mailbox| mailbox.recall(recalled));
    sleep(s(10)).await;
    assert_eq!(remote.holds().await.len(), 4, "the next order of that service is awaited");
    order(&harness, WEB, 2, "+10", 0);
    let confirmed = confirmed(&mut harness, 2).await;
    assert_eq!(confirmed, [(WEB, 2.into()), (back_end(), 1.into())]);
    assert_eq!(remote.holds().await, ["10@www", "11@api", "11@www"]);
}

#[tokio::test(start_paused = true)]
async fn after_a_race_each_service_gets_back_what_its_own_floor_requires() {
    let remote = Remote::new(&[WWW, API], &[10, 11]);
    remote.writes([Outcome::Takes(s(2))]);
    let mut harness = open(&remote);
    order(&harness, WEB, 1, "-10", 1);
    order(&harness, back_end(), 1, "-10", 0);
    // Another agent takes the last other address of both names during the write.
    sleep(s(1)).await;
    remote.take(WWW, 11).await;
    remote.take(API, 11).await;
    confirmed(&mut harness, 2).await;
    assert_eq!(remote.holds().await, ["10@www"]);
}

/// Places an order of each service to withdraw its address.
fn withdraw(harness: &Harness, targets: [(ServiceId, IpAddr); 2], number: u64, floor: usize) {
    for (service, address) in targets {
        let (number, desired) = (number.into(), [(address, Desired::Withdraw)].into());
        let order = Order { service, number, desired, floor, ..Order::default() };
        harness.mailbox.send_modify(|mailbox| mailbox.place(order));
    }
}

/// A name may belong to two services, one with its A records and one with its AAAA records.
#[tokio::test(start_paused = true)]
async fn the_families_of_one_name_may_belong_to_two_services() {
    let (four, six) = (ip(10), IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1]));
    let remote = Remote::new(&[WWW], &[10]);
    remote.zone.put(WWW, six, TTL);
    remote.reads([Outcome::Takes(s(2))]);
    let names = [(WEB, vec![WWW.to_owned()]), (back_end(), vec![WWW.to_owned()])].into();
    let mut harness = Harness::start(remote.clone(), Start { names, ..Start::default() });
    let targets = [(WEB, four), (back_end(), six)];
    withdraw(&harness, targets, 1, 0);
    sleep(ms(500)).await;
    let recalled = TargetRef { service: back_end(), address: six };
    harness.mailbox.send_modify(|mailbox| mailbox.recall(recalled));
    sleep(s(10)).await;
    assert_eq!(remote.holds().await.len(), 2, "what was recalled stays");
    withdraw(&harness, targets, 2, 1);
    let mut held = Vec::new();
    while held.len() < 2 {
        if let DnsReport::Confirmed { service, held: its, .. } = harness.report().await {
            held.push((service, its.into_keys().collect::<Vec<_>>()));
        }
    }
    assert_eq!(held, [(WEB, vec![four]), (back_end(), vec![six])], "each by its own floor");
}
