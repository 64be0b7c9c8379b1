//! The numbers of echo requests, and real ones to this machine.

use std::collections::BTreeSet;

use super::*;
use crate::engine::ids::ProbeId;

fn probe(last: u8, flow: u16, nth: u16) -> ProbeRequest {
    let endpoint = Endpoint::echo(IpAddr::from([192, 0, 2, last]));
    let timeout = Duration::from_secs(1);
    let id = ProbeId { endpoint: 0.into(), seq: 0.into() };
    let flow = FlowId::from(flow);
    ProbeRequest { id, endpoint, nth, flow, timeout, listen_for: timeout }
}

#[test]
fn each_target_and_flow_has_numbers_of_its_own() {
    let icmp = Icmp::new();
    let all: Vec<_> = (0..=u8::MAX)
        .flat_map(|last| (0..4).map(move |flow| probe(last, flow, 0)))
        .map(|probe| icmp.number(&probe))
        .collect();
    let identifiers: BTreeSet<_> = all.iter().map(|request| request.identifier).collect();
    let sequences: BTreeSet<_> = all.iter().map(|request| request.sequence).collect();
    // 1,024 draws of 4,096: some 120 of them are alike.
    assert!(identifiers.len() > 850, "{}", identifiers.len());
    assert!(sequences.len() > 950, "{}", sequences.len());
    let pairs: BTreeSet<_> = all.iter().map(|r| (r.identifier, r.sequence)).collect();
    assert!(pairs.len() >= 1023, "{}", pairs.len());
}

#[test]
fn the_requests_of_one_flow_are_counted() {
    let icmp = Icmp::new();
    let [first, next] = [0, 1].map(|nth| icmp.number(&probe(1, 0, nth)));
    assert_eq!(next.identifier, first.identifier);
    assert_eq!(next.sequence, first.sequence.wrapping_add(1));
}

#[test]
fn another_process_has_other_numbers() {
    let probe = probe(1, 0, 0);
    let all: BTreeSet<_> = (0..100).map(|_| Icmp::new().number(&probe).identifier).collect();
    assert!(all.len() > 90, "{}", all.len());
}

#[tokio::test]
async fn this_machine_answers_its_own_requests_of_either_family() {
    let icmp = Icmp::new();
    for address in [IpAddr::from([127, 0, 0, 1]), IpAddr::from(std::net::Ipv6Addr::LOCALHOST)] {
        if let Err(error) = icmp.open_for(&[address]) {
            crate::probe::skip(&format!("no echo socket: {error}"));
            continue;
        }
        let endpoint = Endpoint::echo(address);
        let probes = (0..100).map(|nth| ProbeRequest { endpoint, nth, ..probe(1, nth % 3, nth) });
        let probes: Vec<_> = probes.collect();
        let answers = probes.iter().map(|probe| icmp.probe(probe));
        for answer in futures_util::future::join_all(answers).await {
            assert!(matches!(answer, Answer::Reply(_)), "{address}: {answer:?}");
        }
        assert_eq!(icmp.next_deadline(), None, "nobody waits any more");
    }
}

#[tokio::test]
async fn what_was_enqueued_together_is_answered_by_events() {
    let icmp = Icmp::new();
    let address = IpAddr::from([127, 0, 0, 1]);
    if let Err(error) = icmp.open_for(&[address]) {
        return crate::probe::skip(&format!("no echo socket: {error}"));
    }
    // More than one batch, and one request twice.
    for nth in (0..100).chain([0]) {
        icmp.enqueue(&ProbeRequest { endpoint: Endpoint::echo(address), ..probe(1, 0, nth) }, None);
    }
    icmp.flush();
    let (mut replies, mut faults) = (0, vec![]);
    while replies + faults.len() < 101 {
        std::future::poll_fn(|context| icmp.poll_events(context)).await;
        let mut events = vec![];
        icmp.take_events(&mut events);
        for event in events {
            match event {
                Event::Answered { answer: Answer::Reply(_), .. } => replies += 1,
                other => faults.push(other),
            }
        }
    }
    assert_eq!(replies, 100);
    let same = matches!(&faults[..], [Event::Answered { answer: Answer::Fault(why), .. }]
        if why == "another probe waits for the same reply");
    assert!(same, "{faults:?}");
}
