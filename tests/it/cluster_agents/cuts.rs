//! Links between agents that are cut, one way, both ways, between halves, and all.

use super::harness::{
    Harness, Members, PATIENT, about, back, count, first, gone, next, ranked_one, withdrawn_by,
};
use crate::agent::Agent;
use crate::lab::{Lab, Place, run, v4};

/// A target that nothing happens to.
const CALM: u32 = 9_999;

fn refused(agent: &mut Agent, target: std::net::IpAddr) {
    first(agent, &["WARN", "refused to act", "reason=\"no_quorum\"", &about(target)]);
}

/// All pairs of one of `some` and one of `others`.
fn between(some: &[usize], others: &[usize], mut change: impl FnMut(Place, Place)) {
    for &one in some {
        for &other in others.iter().filter(|&&other| other != one) {
            change(Place::Agent(one), Place::Agent(other));
        }
    }
}

#[test]
fn an_agent_cut_off_from_everything_changes_nothing_and_the_others_continue() {
    run(|| {
        let targets = [v4(1), ranked_one(&[0, 1, 2], 3), v4(CALM)];
        let harness = Harness::new(3, &targets);
        let mut agents = harness.start_all(&[0, 1, 2], &Members::new(3, &targets));
        let ways = [Place::Agent(1), Place::Agent(2), Place::World];
        // Its way to Cloudflare stays: it could do harm.
        for way in ways {
            harness.lab.cut(Place::Agent(0), way);
        }
        for target in targets {
            refused(&mut agents[0], target);
        }
        harness.lab.remove(&[targets[1]]);
        for index in [1, 2] {
            harness.until_settled(index, targets[1], false);
        }
        for index in [1, 2] {
            gone(&mut agents[index], 0);
        }
        harness.holds(&[v4(1), v4(CALM)], 1);

        for way in ways {
            harness.mend(Place::Agent(0), way);
        }
        for index in [1, 2] {
            back(&mut agents[index], 0);
        }
        for target in [v4(1), v4(CALM)] {
            first(&mut agents[0], &["no longer refused", &about(target)]);
        }
        harness.until_settled(0, targets[1], false);
        harness.holds(&[v4(1), v4(CALM)], 1);
        assert!(!withdrawn_by(&mut agents, targets[1]).contains(&0));
    });
}

/// One agent's links to the others work one way only, for as long as it takes to be noticed.
fn one_way(cut: impl Fn(&Lab, Place)) {
    let target = ranked_one(&[0, 1, 2], 3);
    let harness = Harness::new(3, &[target, v4(CALM)]);
    let members = Members::new(3, &[target, v4(CALM)]);
    let mut agents = harness.start_all(&[0, 1, 2], &members);
    for index in [1, 2] {
        cut(&harness.lab, Place::Agent(index));
    }
    for index in [1, 2] {
        gone(&mut agents[index], 0);
    }
    harness.lab.remove(&[target]);
    for index in [1, 2] {
        harness.until_settled(index, target, false);
    }
    refused(&mut agents[0], target);
    harness.holds(&[v4(CALM)], 1);

    for index in [1, 2] {
        harness.mend(Place::Agent(0), Place::Agent(index));
    }
    for index in [1, 2] {
        back(&mut agents[index], 0);
    }
    harness.until_settled(0, target, false);
    harness.holds(&[v4(CALM)], 1);
    assert_eq!(count(&mut agents[0], &["withdrew"]), 0);
}

#[test]
fn an_agent_that_receives_but_cannot_send_has_no_vote_and_the_others_continue() {
    run(|| one_way(|lab, other| _ = lab.cut_one_way(Place::Agent(0), other)));
}

#[test]
fn an_agent_that_sends_but_cannot_receive_has_no_vote_and_the_others_continue() {
    run(|| one_way(|lab, other| _ = lab.cut_one_way(other, Place::Agent(0))));
}

#[test]
fn a_link_cut_one_way_between_two_of_three_changes_nothing() {
    run(|| {
        let target = ranked_one(&[0, 1, 2], 3);
        let harness = Harness::new(3, &[target, v4(CALM)]);
        let members = Members::new(3, &[target, v4(CALM)]);
        let mut agents = harness.start_all(&[0, 1, 2], &members);
        harness.lab.cut_one_way(Place::Agent(0), Place::Agent(1));
        first(&mut agents[0], &["cannot deliver votes to peer"]);
        harness.lab.remove(&[target]);
        for index in 0..3 {
            harness.until_settled(index, target, false);
        }
        harness.holds(&[v4(CALM)], 1);
        for agent in &mut agents {
            assert_eq!(count(agent, &["peer is gone"]), 0, "the third bridges it");
        }
    });
}

#[test]
fn of_two_halves_neither_acts_and_once_healed_it_is_done_once() {
    run(|| {
        let target = v4(1);
        let harness = Harness::new(4, &[target, v4(CALM)]);
        let members = Members { min: 2, ..Members::new(4, &[target, v4(CALM)]) };
        let mut agents = harness.start_all(&[0, 1, 2, 3], &members);
        between(&[0, 1], &[2, 3], |one, other| _ = harness.lab.cut(one, other));
        harness.lab.remove(&[target]);
        for agent in &mut agents {
            refused(agent, target);
        }
        // Until each half takes the other for dead.
        for (agent, others) in agents.iter_mut().zip([[2, 3], [2, 3], [0, 1], [0, 1]]) {
            let mut missing =
                others.map(|index| format!("peer={}", super::harness::name(index))).to_vec();
            while !missing.is_empty() {
                let line = agent.wait_for(|line| line.has(&["peer is gone"]), PATIENT);
                missing.retain(|peer| !line.text.ends_with(peer.as_str()));
            }
        }
        harness.holds(&[target, v4(CALM)], 0);
        between(&[0, 1], &[2, 3], |one, other| harness.mend(one, other));
        for index in 0..4 {
            harness.until_settled(index, target, false);
        }
        harness.holds(&[v4(CALM)], 1);
    });
}

#[test]
fn of_two_unequal_parts_the_larger_acts_and_the_smaller_does_not() {
    run(|| {
        let target = ranked_one(&[3, 0], 5);
        let harness = Harness::new(5, &[target, v4(CALM)]);
        let members = Members { min: 2, ..Members::new(5, &[target, v4(CALM)]) };
        let mut agents = harness.start_all(&[0, 1, 2, 3, 4], &members);
        between(&[0, 1, 2], &[3, 4], |one, other| _ = harness.lab.cut(one, other));
        harness.lab.remove(&[target]);
        harness.until_written(1);
        for agent in &mut agents[3..] {
            refused(agent, target);
        }
        harness.until_settled(0, target, false);
        assert_eq!(withdrawn_by(&mut agents, target), [0], "the first of those that agree");
        between(&[0, 1, 2], &[3, 4], |one, other| harness.mend(one, other));
        for index in [3, 4] {
            harness.until_settled(index, target, false);
        }
        harness.holds(&[v4(CALM)], 1);
    });
}

#[test]
fn with_all_links_cut_nobody_acts_and_once_healed_it_is_done_once() {
    run(|| {
        let target = v4(1);
        let harness = Harness::new(3, &[target, v4(CALM)]);
        let members = Members::new(3, &[target, v4(CALM)]);
        let mut agents = harness.start_all(&[0, 1, 2], &members);
        between(&[0, 1, 2], &[0, 1, 2], |one, other| _ = harness.lab.cut_one_way(one, other));
        harness.lab.remove(&[target]);
        for (index, agent) in agents.iter_mut().enumerate() {
            refused(agent, target);
            let other = usize::from(index == 0);
            next(agent, &["WARN", "peer is gone", &super::harness::name(other).to_string()]);
        }
        harness.holds(&[target, v4(CALM)], 0);
        between(&[0, 1], &[1, 2], |one, other| harness.mend(one, other));
        for index in 0..3 {
            harness.until_settled(index, target, false);
        }
        harness.holds(&[v4(CALM)], 1);
    });
}
