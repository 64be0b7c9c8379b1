//! An agent that is killed, and the one that follows it.

use super::{Harness, count, first, target, until_written, writes};
use crate::fake_cloudflare::{Entry, Fault};
use crate::lab::{run, v4};

/// Two addresses: 1 has died, and the agent that withdrew it was killed. Also the configuration.
fn killed_after_a_withdrawal() -> (Harness, String) {
    let addresses = [v4(1), v4(2)];
    let harness = Harness::serving(&addresses);
    let config = harness.config("", &addresses);
    let mut agent = harness.confirmed(&config, 2);
    harness.lab.remove(&[v4(1)]);
    first(&mut agent, &["withdrew"]);
    agent.kill();
    (harness, config)
}

#[test]
fn an_address_that_a_killed_agent_withdrew_is_restored_by_its_successor() {
    run(|| {
        let (harness, config) = killed_after_a_withdrawal();
        harness.lab.add(&[v4(1)]);

        let mut next = harness.start(&config);
        first(&mut next, &["restored", &target(v4(1))]);
        assert_eq!(harness.in_service(), [v4(1), v4(2)].map(|address| address.to_string()));
        assert_eq!(count(&mut next, &["target down"]), 0);
    });
}

#[test]
fn a_restart_during_an_outage_flaps_no_record() {
    run(|| {
        let (harness, config) = killed_after_a_withdrawal();
        let before = writes(&harness.cloudflare);

        let mut next = harness.start(&config);
        first(&mut next, &["target down", &target(v4(1))]);
        first(&mut next, &["target confirmed up", &target(v4(2))]);
        harness.lab.add(&[v4(1)]);
        first(&mut next, &["restored", &target(v4(1))]);
        assert_eq!(writes(&harness.cloudflare) - before, 1, "the return, and nothing before it");
        assert_eq!(count(&mut next, &["withdrew"]), 0);
    });
}

/// Kills an agent with a withdrawal that meets `fault`, and returns the result of the next one.
fn killed_in_the_middle(fault: Fault, next_writes: usize) {
    let addresses = [v4(1), v4(2)];
    let harness = Harness::serving(&addresses);
    let config = harness.config("", &addresses);
    let agent = harness.confirmed(&config, 2);
    harness.cloudflare.script(1, Entry::writes, fault);
    harness.lab.remove(&[v4(1)]);
    until_written(&harness.cloudflare, 1);
    agent.kill();
    harness.cloudflare.forget_scripts();

    let mut next = harness.start(&config);
    first(&mut next, &["target down", &target(v4(1))]);
    if next_writes > 0 {
        first(&mut next, &["withdrew", &target(v4(1))]);
    }
    assert_eq!(harness.in_service(), [v4(2).to_string()]);
    harness.lab.add(&[v4(1)]);
    first(&mut next, &["restored", &target(v4(1))]);
    assert_eq!(harness.in_service(), addresses.map(|address| address.to_string()));
    assert_eq!(writes(&harness.cloudflare), 1 + next_writes + 1);
}

#[test]
fn a_change_that_a_killed_agent_did_not_get_made_is_made_by_the_next() {
    run(|| killed_in_the_middle(Fault::Hang, 1));
}

#[test]
fn a_change_whose_answer_a_killed_agent_missed_is_left_as_it_is() {
    run(|| killed_in_the_middle(Fault::CutAfter, 0));
}
