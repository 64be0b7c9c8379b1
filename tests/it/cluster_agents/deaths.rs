//! Agents that die, stand still, leave and return.

use std::time::Duration;

use rustix::process::Signal;

use super::harness::{
    Harness, Members, about, alive, back, count, first, gone, name, next, now, peer, ranked_one,
    withdrawn_by,
};
use crate::lab::{run, v4};

/// A target that nothing happens to.
const CALM: u32 = 9_999;

#[test]
fn one_agent_dead_the_others_withdraw_at_once_and_show_it_as_gone() {
    run(|| {
        let target = ranked_one(&[0, 1, 2], 3);
        let harness = Harness::new(3, &[target, v4(CALM)]);
        let members = Members::new(3, &[target, v4(CALM)]);
        let mut agents = harness.start_all(&[0, 1, 2], &members);
        agents.remove(0).kill();
        harness.lab.remove(&[target]);
        // Its last word was that the target is up, and that counts for half a minute; still the
        // first of the others does not wait for anybody.
        let verdict = first(&mut agents[0], &["verdict=\"out of service\""]);
        assert!(
            verdict.has(&["acts_after=\"0s\"", &format!("agreeing=\"{}\"", name(2))]),
            "{verdict:?}"
        );
        for (agent, place) in agents.iter_mut().zip([1, 2]) {
            gone(agent, 0);
            let status = harness.until_status(place, |status| !peer(status, 0).alive);
            assert!(peer(&status, 3 - place).alive, "{status:#?}");
            harness.until_settled(place, target, false);
        }
        harness.holds(&[v4(CALM)], 1);
        assert_eq!(withdrawn_by(&mut agents, target), [0], "the first of those that are left");
    });
}

#[test]
fn the_last_agent_left_reports_that_it_cannot_act_and_resumes_when_one_returns() {
    run(|| {
        let targets = [v4(1), v4(CALM)];
        let harness = Harness::new(3, &targets);
        let members = Members::new(3, &targets);
        let mut agents = harness.start_all(&[0, 1, 2], &members);
        agents.drain(..2).for_each(|agent| _ = agent.kill());
        let mut last = agents.pop().unwrap();
        harness.lab.remove(&[v4(1)]);
        first(&mut last, &["WARN", "refused to act", "reason=\"no_quorum\"", &about(v4(1))]);
        let mut missing = vec![0, 1];
        while let Some(index) = missing.pop() {
            let said = format!("peer={}", name(index));
            first(&mut last, &["WARN", "peer is gone", &said]);
        }
        harness.holds(&targets, 0);

        // One that starts while the target is dead sees it dead too.
        let _one = harness.start(0, &members);
        harness.until_written(1);
        harness.until_settled(2, v4(1), false);
        harness.until_settled(0, v4(1), false);
        harness.holds(&[v4(CALM)], 1);
    });
}

#[test]
fn an_agent_restarted_under_the_same_name_is_back_within_seconds() {
    run(|| {
        let targets = [v4(1), v4(CALM)];
        let harness = Harness::new(3, &targets);
        // The word of each is needed.
        let members = Members { min: 2, ..Members::new(3, &targets) };
        let mut agents = harness.start_all(&[0, 1, 2], &members);
        agents.remove(1).kill();
        let began = now();
        let mut again = harness.start(1, &members);
        alive(&mut again, 0);
        alive(&mut again, 2);
        let joined = again.lines_with(&["peer is alive"])[1].at - began;
        assert!(joined < Duration::from_secs(15), "{joined:?}");
        harness.lab.remove(&[v4(1)]);
        let took = harness.until_written(1).arrived - began;
        eprintln!("joined {joined:?} and had its part in a withdrawal {took:?} after its start");
        for agent in &mut agents {
            assert_eq!(count(agent, &["peer is gone"]), 0, "nobody had missed it");
        }
        harness.holds(&[v4(CALM)], 1);
    });
}

#[test]
fn a_farewell_is_accepted_at_once() {
    run(|| {
        let targets = [v4(1), v4(CALM)];
        let harness = Harness::new(3, &targets);
        let mut agents = harness.start_all(&[0, 1, 2], &Members::new(3, &targets));
        let leaving = agents.pop().unwrap();
        let asked = now();
        leaving.signal(Signal::TERM);
        for agent in &mut agents {
            let noticed = gone(agent, 2).at - asked;
            // A death is believed after 16 s at the soonest.
            assert!(noticed < Duration::from_secs(15), "{noticed:?}");
        }
        assert_eq!(leaving.wait_end(super::harness::PATIENT).status.code(), Some(0));
        harness.holds(&targets, 0);
    });
}

/// Stops an agent between its verdict and its turn, and lets it run on when all is otherwise.
fn frozen(key: Option<&'static str>) {
    let target = ranked_one(&[0, 2, 1], 3);
    let harness = Harness::new(3, &[target, v4(CALM)]);
    let members = Members { key, ..Members::new(3, &[target, v4(CALM)]) };
    let mut agents = harness.start_all(&[0, 1, 2], &members);
    harness.lab.remove(&[target]);
    first(&mut agents[1], &["verdict=\"out of service\"", &about(target)]);
    agents[1].freeze();
    // Its peers continue, and have finished by the time it is back.
    for index in [0, 2] {
        gone(&mut agents[index], 1);
    }
    harness.lab.add(&[target]);
    for index in [0, 2] {
        harness.until_settled(index, target, true);
    }
    harness.holds(&[target, v4(CALM)], 2);

    agents[1].signal(Signal::CONT);
    next(&mut agents[1], &["this agent was suspended"]);
    next(&mut agents[1], &["verdict=\"in service\"", &about(target)]);
    harness.until_settled(1, target, true);
    for index in [0, 2] {
        back(&mut agents[index], 1);
    }
    harness.until_status(1, |status| peer(status, 0).alive && peer(status, 2).alive);
    harness.holds(&[target, v4(CALM)], 2);
    assert_eq!(withdrawn_by(&mut agents, target).len(), 1);
}

#[test]
fn a_frozen_agent_delays_no_other_and_acts_on_nothing_stale_when_it_resumes() {
    run(|| frozen(Some(super::harness::KEY)));
}

#[test]
fn a_frozen_agent_acts_on_nothing_stale_without_a_key_either() {
    run(|| frozen(None));
}
