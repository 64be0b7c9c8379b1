//! A packet that is no reply to the agent's own request counts neither as a reply nor as a loss.

use super::responder::{Echo, Request, Responder};
use super::{Harness, PATIENT, count, first};
use crate::lab::{ping, run, v4};

#[test]
fn an_unrelated_ping_to_a_dead_address_does_not_keep_it_alive() {
    run(|| {
        let harness = Harness::serving(&[v4(1)]);
        let is_ours = |request: &Request| request.payload > 0;
        let mut ours = 0;
        let _responder = Responder::start(&harness.lab, v4(1), move |request| {
            ours += usize::from(is_ours(&request));
            // It answers the agent until the agent has confirmed it, and all others always.
            if is_ours(&request) && ours > 3 { &[] } else { &[Echo::Reply] }
        });
        let mut agent = harness.start(&harness.config("", &[v4(1)]));
        let mut answered = 0;
        let ping_until_down = |line: &crate::agent::Line| {
            if line.has(&["outcome="]) {
                answered += usize::from(ping(harness.lab.agent(0), v4(1), PATIENT).is_reply());
            }
            line.has(&["target down"])
        };
        agent.wait_for(ping_until_down, PATIENT);
        assert!(answered >= 6, "{answered} pings were answered before it was down");
        first(&mut agent, &["withdrew"]);
        assert!(harness.in_service().is_empty());
    });
}

#[test]
fn replies_to_other_requests_do_not_keep_a_dead_address_alive() {
    const STRAYS: [Echo; 3] = [Echo::OtherIdentifier, Echo::OtherSequence, Echo::Request];
    run(|| {
        let harness = Harness::serving(&[v4(1)]);
        let _responder = Responder::start(&harness.lab, v4(1), |request| {
            if request.nth < 3 { &[Echo::Reply] } else { &STRAYS }
        });
        let mut agent = harness.start(&harness.config("", &[v4(1)]));
        first(&mut agent, &["target confirmed up"]);
        first(&mut agent, &["target down"]);
        first(&mut agent, &["withdrew"]);
    });
}

#[test]
fn an_address_that_sends_requests_of_its_own_beside_its_replies_stays_alive() {
    const TALKATIVE: [Echo; 3] = [Echo::Request, Echo::OtherIdentifier, Echo::Reply];
    run(|| {
        let harness = Harness::serving(&[v4(1)]);
        let _responder = Responder::start(&harness.lab, v4(1), |_| &TALKATIVE);
        let mut agent = harness.confirmed(&harness.config("", &[v4(1)]), 1);
        for _ in 0..10 {
            agent.wait_for_words(&["outcome=Reply"]);
        }
        assert_eq!(count(&mut agent, &["outcome=Loss"]), 0);
    });
}
