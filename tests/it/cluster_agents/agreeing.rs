//! Agents that see the same, and the one of them that acts.

use std::net::IpAddr;

use goavail::testing::status::model::Reason;

use super::harness::{
    Harness, Members, about, count, first, ranked, ranked_one, shown, withdrawn_by,
};
use crate::fake_cloudflare::Entry;
use crate::lab::{Place, run, v4};

/// A target that nothing happens to.
const CALM: u32 = 9_999;

/// Kills a target in a cluster, wakes it again, and counts the writes.
fn once_out_and_once_back(order: &[usize], agents: usize, min: usize, looked_at: &[usize]) {
    let target = ranked_one(order, agents);
    let targets = [target, v4(CALM)];
    let harness = Harness::new(agents, &targets);
    let members = Members { min, ..Members::new(agents, &targets) };
    let all: Vec<_> = (0..agents).collect();
    let mut agents = harness.start_all(&all, &members);

    harness.lab.remove(&[target]);
    // Each looks at its turn whether there is anything left to do.
    for &index in looked_at {
        harness.until_settled(index, target, false);
    }
    harness.holds(&[v4(CALM)], 1);
    harness.lab.add(&[target]);
    for &index in looked_at {
        harness.until_settled(index, target, true);
    }
    harness.holds(&targets, 2);
    for words in ["withdrew", "restored"] {
        let said: usize = agents.iter_mut().map(|agent| count(agent, &[words])).sum();
        assert_eq!(said, 1, "{words}");
    }
}

#[test]
fn three_agents_withdraw_a_dead_address_once_and_restore_it_once() {
    run(|| once_out_and_once_back(&[0, 1, 2], 3, 1, &[0, 1, 2]));
}

#[test]
fn seven_agents_withdraw_a_dead_address_once_and_restore_it_once() {
    run(|| once_out_and_once_back(&[4, 1, 6], 7, 3, &[4, 1]));
}

#[test]
fn rank_0_acts_at_once_and_each_other_looks_five_seconds_later_than_the_one_before() {
    run(|| {
        let target = ranked_one(&[2, 0, 1], 3);
        let harness = Harness::new(3, &[target, v4(CALM)]);
        let members = Members { min: 2, ..Members::new(3, &[target, v4(CALM)]) };
        let mut agents = harness.start_all(&[0, 1, 2], &members);
        harness.lab.remove(&[target]);
        for (index, wait) in
            [(2, "acts_after=\"0s\""), (0, "acts_after=\"5s\""), (1, "acts_after=\"10s\"")]
        {
            let verdict = first(&mut agents[index], &["verdict=\"out of service\""]);
            assert!(verdict.has(&[wait, &about(target)]), "agent {index}: {verdict:?}");
        }
        for index in 0..3 {
            harness.until_settled(index, target, false);
        }
        harness.holds(&[v4(CALM)], 1);
        assert_eq!(harness.writes().len(), 1, "nobody else even tried");
        assert_eq!(withdrawn_by(&mut agents, target), [2]);
    });
}

#[test]
fn a_target_that_one_agent_alone_does_not_reach_stays() {
    run(|| {
        let targets = [v4(1), v4(2)];
        let harness = Harness::new(3, &targets);
        let mut agents = harness.start_all(&[0, 1, 2], &Members::new(3, &targets));
        harness.lab.cut(Place::Agent(0), Place::World);
        for target in targets {
            let refused = ["refused to act", "reason=\"no_quorum\"", &about(target)];
            let line = first(&mut agents[0], &refused);
            assert!(line.has(&["0 of 1 peers agree: none"]), "{line:?}");
        }
        harness.until_status(0, |status| {
            shown(status, v4(1)).known_reason() == Some(Reason::NoQuorum)
        });
        harness.mend(Place::Agent(0), Place::World);
        for target in targets {
            first(&mut agents[0], &["no longer refused", &about(target)]);
        }
        harness.holds(&targets, 0);
    });
}

/// Two of four may decide, and two see it dead while two see it alive.
#[test]
fn a_target_on_which_two_groups_of_agents_differ_is_contested_and_stays() {
    run(|| {
        let harness = Harness::new(4, &[v4(1)]);
        let mut agents = harness.start_all(&[0, 1, 2, 3], &Members::new(4, &[v4(1)]));
        let blind = [Place::Agent(0), Place::Agent(1)];
        for agent in blind {
            harness.lab.cut(agent, Place::World);
        }
        for agent in &mut agents[..2] {
            first(agent, &["refused to act", "reason=\"contested\"", "see the contrary"]);
        }
        for index in 0..2 {
            let contested = Some(Reason::Contested);
            harness.until_status(index, |status| shown(status, v4(1)).known_reason() == contested);
        }
        for agent in blind {
            harness.mend(agent, Place::World);
        }
        for agent in &mut agents[..2] {
            first(agent, &["target up"]);
        }
        harness.holds(&[v4(1)], 0);
    });
}

/// Each takes out one of the last two before it can know of the other's change.
#[test]
fn two_agents_that_take_out_the_last_two_at_once_put_one_back() {
    run(|| {
        let targets = [ranked(&[0, 1], 2, 1), ranked(&[1, 0], 2, 1)].concat();
        let harness = Harness::new(2, &targets);
        let mut members = Members::new(2, &targets);
        members.top += "min_in_service = 1\n";
        let mut agents = harness.start_all(&[0, 1], &members);
        let gate = harness.cloudflare.hold(2, Entry::writes);
        harness.lab.remove(&targets);
        harness.until(|log| log.iter().filter(|entry| entry.writes()).count() >= 2);
        gate.open();
        harness.until_written(2);
        for (index, agent) in agents.iter_mut().enumerate() {
            first(agent, &["withdrew"]);
            // Both have read it by now, and keep the last address.
            harness.until_status(index, |status| {
                let kept = |&&target: &&IpAddr| {
                    let shown = shown(status, target);
                    let present = shown.records[0].present;
                    present == Some(true) && shown.known_reason() == Some(Reason::Floor)
                };
                let gone =
                    |&&target: &&IpAddr| shown(status, target).records[0].present == Some(false);
                targets.iter().filter(kept).count() == 1 && targets.iter().filter(gone).count() == 1
            });
        }
        assert_eq!(harness.in_service().len(), 1);
        let repairs: usize = agents.iter_mut().map(|agent| count(agent, &["restored"])).sum();
        assert!(repairs >= 1, "the name was empty, and an agent that noticed put one back");
        assert!(harness.writes().len() <= 8, "they do not take turns: {:#?}", harness.writes());
    });
}
