//! SIGHUP in a running cluster.

use goavail::testing::status::model::Health;
use rustix::process::Signal;

use super::harness::{
    Harness, Members, about, alive, cloudflare_section, count, first, name, next, ranked_one,
    withdrawn_by,
};
use crate::agent::Agent;
use crate::lab::{run, v4};

/// A target that nothing happens to.
const CALM: u32 = 9_999;

/// Gives an agent another configuration and waits until it is in force.
pub(super) fn reload(agent: &mut Agent, config: &str) {
    agent.rewrite(config);
    agent.signal(Signal::HUP);
    next(agent, &["configuration in force"]);
}

#[test]
fn a_lower_min_peers_agree_is_in_force_at_once_and_no_vote_is_forgotten() {
    run(|| {
        let target = ranked_one(&[0, 1, 2], 3);
        let harness = Harness::new(3, &[target, v4(CALM)]);
        let members = Members { min: 2, ..Members::new(3, &[target, v4(CALM)]) };
        let mut agents = harness.start_all(&[0, 1, 2], &members);
        agents.pop().unwrap().kill();
        harness.lab.remove(&[target]);
        for (index, agent) in agents.iter_mut().enumerate() {
            first(agent, &["refused to act", "reason=\"no_quorum\"", &about(target)]);
            harness.until_vote(index, 1 - index, target, Health::Down);
        }
        let lower = Members { min: 1, ..members };
        for (index, agent) in agents.iter_mut().enumerate() {
            reload(agent, &lower.config(name(index)));
            // The vote that counts was heard before.
            let verdict = next(agent, &["verdict=\"out of service\"", &about(target)]);
            assert!(verdict.has(&[&format!("agreeing=\"{}\"", name(1 - index))]), "{verdict:?}");
            assert_eq!(count(agent, &["target down"]), 1, "counters are kept");
        }
        for index in [0, 1] {
            harness.until_settled(index, target, false);
        }
        harness.holds(&[v4(CALM)], 1);
        assert_eq!(withdrawn_by(&mut agents, target), [0]);
    });
}

#[test]
fn a_third_agent_is_let_in_and_counts() {
    run(|| {
        let target = ranked_one(&[2, 0, 1], 3);
        let targets = [target, v4(CALM)];
        let harness = Harness::new(3, &targets);
        let mut agents = harness.start_all(&[0, 1], &Members::new(2, &targets));
        let three = Members { min: 2, ..Members::new(3, &targets) };
        for (index, agent) in agents.iter_mut().enumerate() {
            reload(agent, &three.config(name(index)));
        }
        agents.push(harness.start(2, &three));
        for (index, agent) in agents.iter_mut().enumerate() {
            first(agent, &["target confirmed up", &about(target)]);
            for peer in (0..3).filter(|&peer| peer != index) {
                alive(agent, peer);
            }
        }
        harness.lab.remove(&[target]);
        for index in 0..3 {
            harness.until_settled(index, target, false);
        }
        harness.holds(&[v4(CALM)], 1);
        assert_eq!(withdrawn_by(&mut agents, target), [2]);
        for agent in &mut agents[..2] {
            assert_eq!(count(agent, &["target confirmed up", &about(target)]), 1, "kept");
            assert_eq!(count(agent, &["peer is gone"]), 0);
        }
    });
}

/// Both Go agents froze at it, and kept monitoring the targets that were removed.
#[test]
fn an_address_more_and_one_less_freeze_no_agent_and_change_nothing() {
    run(|| {
        let (old, new) = (ranked_one(&[0, 1], 2), ranked_one(&[1, 0], 2));
        let harness = Harness::new(2, &[old, new, v4(CALM)]);
        let mut agents = harness.start_all(&[0, 1], &Members::new(2, &[old, v4(CALM)]));
        let changed = Members::new(2, &[new, v4(CALM)]);
        for (index, agent) in agents.iter_mut().enumerate() {
            reload(agent, &changed.config(name(index)));
            next(agent, &["target confirmed up", &about(new)]);
        }
        harness.holds(&[old, new, v4(CALM)], 0);
        harness.lab.remove(&[old, new]);
        for index in [0, 1] {
            harness.until_settled(index, new, false);
        }
        harness.holds(&[old, v4(CALM)], 1);
        for agent in &mut agents {
            assert_eq!(count(agent, &["target down", &about(old)]), 0);
            assert_eq!(count(agent, &["target confirmed up", &about(v4(CALM))]), 1);
        }
    });
}

#[test]
fn the_agents_own_address_and_key_are_named_and_kept() {
    run(|| {
        let target = ranked_one(&[0, 1], 2);
        let harness = Harness::new(2, &[target, v4(CALM)]);
        let members = Members::new(2, &[target, v4(CALM)]);
        let mut agents = harness.start_all(&[0, 1], &members);
        let config = members.config(name(0));
        let other = config
            .replace("local_addr = \"10.255.0.1:8081\"", "local_addr = \"10.255.0.1:8082\"")
            .replace(super::harness::KEY, "another key here")
            + "members_port = 7000\n";
        reload(&mut agents[0], &other);
        for key in ["Members.local_addr", "Members.crypto_key", "Members.members_port"] {
            first(
                &mut agents[0],
                &["WARN", key, "cannot be changed by a reload; restart to apply"],
            );
        }
        // A setting that was changed back is no change.
        reload(&mut agents[0], &config);
        harness.lab.remove(&[target]);
        for index in [0, 1] {
            harness.until_settled(index, target, false);
        }
        harness.holds(&[v4(CALM)], 1);
        assert_eq!(count(&mut agents[0], &["cannot be changed by a reload"]), 3);
        assert_eq!(count(&mut agents[1], &["peer is gone"]), 0);
    });
}

/// Where the Go agent took `min_peers_agree` over without peers, and acted never again.
#[test]
fn a_lone_agent_refuses_a_quorum_that_it_cannot_have_and_continues() {
    run(|| {
        let targets = [v4(1), v4(CALM)];
        let harness = Harness::new(1, &targets);
        let alone = format!("{}\n{}", super::harness::QUICK, cloudflare_section(&targets));
        let mut agent = harness.setup(0, &alone).start();
        first(&mut agent, &["target confirmed up", &about(v4(1))]);
        agent.rewrite(&format!("{alone}[Members]\nmin_peers_agree = 1\n"));
        agent.signal(Signal::HUP);
        first(&mut agent, &["ERROR", "configuration refused", "min_peers_agree"]);
        first(&mut agent, &["the old configuration stays in force"]);
        harness.lab.remove(&[v4(1)]);
        first(&mut agent, &["withdrew", &about(v4(1))]);
        harness.holds(&[v4(CALM)], 1);
    });
}
