//! Refusals to act: the network of the agent fails, it cannot send probes, the name would be empty.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::time::Duration;

use rustix::process::Signal;

use super::responder::{Echo, Responder};
use super::{Harness, QUICK, config, count, first, nth, publish, target, writes};
use crate::lab::{Place, link_v4, run, v4, v6};

#[test]
fn an_agent_that_is_cut_off_withdraws_nothing_reports_that_once_and_heals() {
    run(|| {
        let addresses = [v4(1), v4(2), v6(1)];
        let harness = Harness::serving(&addresses);
        let canary = format!("canaries = [\"{}\"]\n", link_v4(Place::World));
        let mut agent = harness.confirmed(&harness.config(&canary, &addresses), 3);

        let (here, world) = (Place::Agent(0), Place::World);
        harness.lab.cut(here, world);
        let line =
            first(&mut agent, &["WARN", "isolated: no canary answers", "reason=\"isolated\""]);
        assert!(line.has(&[&v4(1).to_string()]) || line.has(&[&v4(2).to_string()]), "{line:?}");
        // Three losses in a row of each, and as many again, change nothing.
        for endpoint in 0..3 {
            nth(&mut agent, 6, &[&format!("endpoint={endpoint} "), "outcome=Loss"]);
        }
        harness.lab.mend(here, world);
        first(&mut agent, &["no longer isolated"]);
        nth(&mut agent, 1, &["outcome=Reply"]);
        assert_eq!(count(&mut agent, &["target down"]), 0);
        assert_eq!(writes(&harness.cloudflare), 0);
        assert_eq!(count(&mut agent, &["isolated: no canary"]), 1);

        harness.lab.remove(&[v4(1)]);
        first(&mut agent, &["withdrew", &target(v4(1))]);
        assert_eq!(harness.in_service(), [v4(2).to_string()]);
    });
}

#[test]
fn a_link_that_is_down_is_a_fault_is_reported_once_and_flips_nothing() {
    run(|| {
        let addresses = [v4(1), v6(1)];
        let harness = Harness::serving(&addresses);
        let mut agent = harness.confirmed(&harness.config("", &addresses), 2);
        harness.lab.unplug(0);
        for (endpoint, address) in addresses.iter().enumerate() {
            first(&mut agent, &["WARN", "cannot send probes", &target(*address)]);
            nth(&mut agent, 6, &[&format!("endpoint={endpoint} "), "outcome=Fault"]);
        }
        harness.lab.plug(0);
        for address in addresses {
            first(&mut agent, &["can send probes again", &format!("target={address}")]);
        }
        nth(&mut agent, 1, &["outcome=Reply"]);
        assert_eq!(count(&mut agent, &["cannot send probes"]), 2, "once for each");
        assert_eq!(count(&mut agent, &["target down"]), 0);
        assert_eq!(writes(&harness.cloudflare), 0);

        harness.lab.remove(&addresses);
        nth(&mut agent, 2, &["withdrew"]);
    });
}

#[test]
fn the_floor_keeps_the_last_address_until_another_is_back() {
    run(|| {
        let addresses = [v4(1), v4(2)];
        let harness = Harness::serving(&addresses);
        let mut agent = harness.confirmed(&harness.config("min_in_service = 1\n", &addresses), 2);
        harness.lab.remove(&addresses);
        nth(&mut agent, 2, &["target down"]);
        let refused = first(&mut agent, &["WARN", "refused to act", "reason=\"floor\""]);
        let first_is_kept = refused.has(&[&target(addresses[0])]);
        let [kept, other] = if first_is_kept { addresses } else { [addresses[1], addresses[0]] };
        first(&mut agent, &["withdrew", &target(other)]);
        assert_eq!(harness.in_service(), [kept.to_string()]);

        harness.lab.add(&[other]);
        first(&mut agent, &["restored", &target(other)]);
        first(&mut agent, &["withdrew", &target(kept)]);
        assert_eq!(harness.in_service(), [other.to_string()]);
        assert_eq!(count(&mut agent, &["refused to act"]), 1);
    });
}

#[test]
fn a_foreign_address_counts_towards_the_floor() {
    run(|| {
        let harness = Harness::serving(&[v4(1)]);
        harness.cloudflare.zone(|zone| _ = zone.seed("A", super::WWW, "203.0.113.9"));
        let mut agent = harness.confirmed(&harness.config("min_in_service = 1\n", &[v4(1)]), 1);
        harness.lab.remove(&[v4(1)]);
        first(&mut agent, &["withdrew"]);
        assert_eq!(harness.in_service(), ["203.0.113.9"]);
    });
}

#[test]
fn without_guards_an_agent_that_is_cut_off_empties_the_name() {
    run(|| {
        let harness = Harness::new();
        harness.lab.add(&[v4(1), v4(2)]);
        publish(&harness.cloudflare, &[super::WWW], &[v4(1), v4(2)]);
        let text = config(QUICK, &["www"], &[v4(1), v4(2)], &harness.cloudflare);
        let mut agent = harness.confirmed(&text, 2);
        first(&mut agent, &["WARN", "guards", "canaries, min_in_service"]);
        harness.lab.cut(Place::Agent(0), Place::World);
        nth(&mut agent, 2, &["withdrew"]);
        assert!(harness.in_service().is_empty(), "that is what the two guards are for");
    });
}

#[test]
fn replies_missed_during_a_suspension_withdraw_no_target() {
    run(|| {
        let harness = Harness::serving(&[v4(1)]);
        let hold = Arc::new(AtomicBool::new(false));
        let (asked, is_asked) = channel();
        let (let_go, may_go) = channel();
        let holds = Arc::clone(&hold);
        let _responder = Responder::start(&harness.lab, v4(1), move |_| {
            if holds.swap(false, Ordering::SeqCst) {
                asked.send(()).unwrap();
                may_go.recv().unwrap();
            }
            &[Echo::Reply]
        });
        // One loss is enough.
        let text = harness.config("recovery_threshold = 2\n", &[v4(1)]);
        let text = text.replace("failure_threshold = 3", "failure_threshold = 1");
        let mut agent = harness.confirmed(&text, 1);
        // Longer than the timeout; longer than it listens for a late reply.
        for pause in [700, 1500] {
            hold.store(true, Ordering::SeqCst);
            is_asked.recv().unwrap();
            agent.freeze();
            let_go.send(()).unwrap();
            std::thread::sleep(Duration::from_millis(pause));
            agent.signal(Signal::CONT);
            // The probe is a fault, or answered if it was stopped before it had noted the time of sending.
            for _ in 0..6 {
                agent.wait_for_words(&["outcome=Reply"]);
            }
        }
        assert_eq!(count(&mut agent, &["target down"]), 0);
        assert_eq!(writes(&harness.cloudflare), 0);
    });
}
