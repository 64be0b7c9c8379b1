//! SIGTERM and SIGINT: exit 0, soon, also if other parts hang.

use std::os::unix::process::ExitStatusExt as _;

use rustix::process::Signal;

use super::{Harness, PATIENT, first, until, until_written, writes};
use crate::agent::{Agent, Ended};
use crate::fake_cloudflare::{Entry, Fault};
use crate::lab::{run, v4};

fn ended_well(ended: &Ended) {
    assert_eq!((ended.status.code(), ended.status.signal()), (Some(0), None), "{}", ended.stderr);
    assert_eq!(ended.stderr.matches("stopping; records stay as they are").count(), 1);
}

#[test]
fn sigterm_and_sigint_end_it_with_exit_code_0_and_leave_the_records() {
    run(|| {
        let harness = Harness::serving(&[v4(1)]);
        for signal in [Signal::TERM, Signal::INT] {
            let agent = harness.confirmed(&harness.config("", &[v4(1)]), 1);
            agent.signal(signal);
            ended_well(&agent.wait_end(PATIENT));
            assert_eq!(writes(&harness.cloudflare), 0);
        }
    });
}

/// An agent with a withdrawal that hangs at Cloudflare.
fn hanging(harness: &Harness) -> Agent {
    let agent = harness.confirmed(&harness.config("", &[v4(1)]), 1);
    harness.cloudflare.script(usize::MAX, Entry::writes, Fault::Hang);
    harness.lab.remove(&[v4(1)]);
    until_written(&harness.cloudflare, 1);
    agent
}

#[test]
fn sigterm_ends_it_while_a_change_hangs() {
    run(|| {
        let harness = Harness::serving(&[v4(1)]);
        let agent = hanging(&harness);
        agent.signal(Signal::TERM);
        let ended = agent.wait_end(PATIENT);
        ended_well(&ended);
        assert!(ended.stderr.contains("the change in progress did not finish in time"));
        assert!(!ended.stderr.contains("could not confirm"), "before the request gives up");
    });
}

#[test]
fn a_second_signal_ends_it_at_once() {
    run(|| {
        let harness = Harness::serving(&[v4(1)]);
        let mut agent = hanging(&harness);
        agent.signal(Signal::TERM);
        first(&mut agent, &["stopping"]);
        agent.signal(Signal::INT);
        first(&mut agent, &["stopped at once by a second signal"]);
        let ended = agent.wait_end(PATIENT);
        ended_well(&ended);
        assert!(!ended.stderr.contains("did not finish in time"), "{}", ended.stderr);
    });
}

#[test]
fn a_change_that_finishes_in_time_is_finished_first() {
    run(|| {
        let harness = Harness::serving(&[v4(1), v4(2)]);
        let mut agent = harness.confirmed(&harness.config("", &[v4(1), v4(2)]), 2);
        let gate = harness.cloudflare.hold(1, Entry::writes);
        harness.lab.remove(&[v4(1)]);
        until_written(&harness.cloudflare, 1);
        agent.signal(Signal::TERM);
        first(&mut agent, &["stopping"]);
        gate.open();
        ended_well(&agent.wait_end(PATIENT));
        assert_eq!(harness.in_service(), [v4(2).to_string()]);
    });
}

#[test]
fn sigterm_ends_it_while_the_first_reading_hangs() {
    run(|| {
        let harness = Harness::serving(&[v4(1)]);
        harness.cloudflare.script(usize::MAX, |_| true, Fault::Hang);
        let agent = harness.start(&harness.config("", &[v4(1)]));
        until(&harness.cloudflare, |log| !log.is_empty());
        agent.signal(Signal::TERM);
        let ended = agent.wait_end(PATIENT);
        assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
        let unlisted = "continuing without a listing of the zone";
        assert!(!ended.stderr.contains(unlisted), "before the request gives up");
    });
}
