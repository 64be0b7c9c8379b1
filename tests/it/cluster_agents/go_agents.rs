//! A Go agent in the cluster, played by hand: it votes at its own transitions only, to the byte as
//! the real one does, speaks no gossip of ours, and hangs up after each answer.

use std::net::IpAddr;
use std::sync::mpsc::Receiver;

use goavail::engine::types::Vote;
use goavail::testing::cluster::{Seal, wire};
use goavail::testing::status::model::Health;
use secrecy::SecretString;

use super::harness::{
    Harness, KEY, Members, about, alive, count, first, gone, name, next, peer, ranked_one,
};
use super::scripted_peer::{answering, post, vote};
use crate::agent::Agent;
use crate::lab::{run, v4};

/// A target that nothing happens to.
const CALM: u32 = 9_999;

/// As a Go agent answers.
const ANSWER: &str = "HTTP/1.1 200 OK\r\nDate: Thu, 07 Dec 2017 12:00:00 GMT\r\n\
                      Content-Length: 0\r\nConnection: close\r\n\r\n";

/// The place of the Go agent.
const GO: usize = 2;

struct GoAgentCluster {
    harness: Harness,
    agents: Vec<Agent>,
    seal: Option<Seal>,
    target: IpAddr,
    bodies: Receiver<String>,
}

impl GoAgentCluster {
    /// The Go agent sends its votes to both agents.
    fn sends(&self, view: Vote) {
        let words = |text: String| match &self.seal {
            Some(seal) => seal.encrypt(&text).unwrap(),
            None => text,
        };
        let (peer, target) = (words(name(GO).to_string()), words(self.target.to_string()));
        let live = view == Vote::Up;
        let body = format!(r#"{{"Peer":"{peer}","IPAddress":"{target}","Live":{live}}}"#);
        for to in [name(0), name(1)] {
            assert_eq!(post(&self.harness, GO, to, &vote(to, body.as_bytes(), "")), 200);
        }
    }

    /// The votes on the target that the Go agent received, in order for each peer.
    fn received(&self) -> Vec<(usize, wire::Declaration)> {
        let mut all: Vec<_> = self
            .bodies
            .try_iter()
            .map(|body| {
                wire::decode(wire::VotePath::Default, self.seal.as_ref(), body.as_bytes()).unwrap()
            })
            .filter(|words| words.target == self.target.to_string())
            .map(|words| (usize::from(words.peer == name(1).to_string()), words.declaration))
            .collect();
        all.sort_by_key(|(agent, _)| *agent);
        all
    }
}

fn mixed_cluster(key: Option<&'static str>) -> GoAgentCluster {
    let target = ranked_one(&[0, 1, GO], 3);
    let harness = Harness::new(3, &[target, v4(CALM)]);
    let bodies = answering(&harness, harness.listen(GO, name(GO)), ANSWER);
    let members = Members { min: 2, key, ..Members::new(3, &[target, v4(CALM)]) };
    let start = |index: usize| {
        let config = members.config(name(index)).replace("require_signed = true", "");
        let setup = harness.setup(index, &config);
        setup.env("RUST_LOG", "info,goavail::cluster::listener=debug").start()
    };
    let mut agents = vec![start(0), start(1)];
    for (index, agent) in agents.iter_mut().enumerate() {
        alive(agent, 1 - index);
        first(agent, &["target confirmed up", &about(target)]);
    }
    let seal = key.map(|key| Seal::new(&SecretString::from(key)).unwrap());
    GoAgentCluster { harness, agents, seal, target, bodies }
}

/// Three must agree, so nothing happens without the Go agent.
fn withdraws_and_restores(key: Option<&'static str>) {
    let mut cluster = mixed_cluster(key);
    let target = cluster.target;
    cluster.harness.lab.remove(&[target]);
    for (index, agent) in cluster.agents.iter_mut().enumerate() {
        next(agent, &["refused to act", "reason=\"no_quorum\"", &about(target)]);
        cluster.harness.until_vote(index, 1 - index, target, Health::Down);
    }
    cluster.sends(Vote::Down);
    for agent in &mut cluster.agents {
        first(agent, &["votes like a Go agent", &name(GO).to_string()]);
        let unsigned = count(agent, &["does not sign its votes", &name(GO).to_string()]);
        assert_eq!(unsigned, usize::from(key.is_some()), "named once, if there is a key");
    }
    for index in [0, 1] {
        cluster.harness.until_settled(index, target, false);
    }
    cluster.harness.holds(&[v4(CALM)], 1);
    assert!(peer(&cluster.harness.status(0), GO).alive);

    cluster.harness.lab.add(&[target]);
    for (index, agent) in cluster.agents.iter_mut().enumerate() {
        next(agent, &["refused to act", "reason=\"no_quorum\"", &about(target)]);
        cluster.harness.until_vote(index, 1 - index, target, Health::Up);
    }
    cluster.harness.holds(&[v4(CALM)], 1);
    cluster.sends(Vote::Up);
    for index in [0, 1] {
        cluster.harness.until_settled(index, target, true);
    }
    cluster.harness.holds(&[target, v4(CALM)], 2);

    // Agents of our kind repeat their votes to each other, and send them to a Go agent once.
    for _ in 0..2 {
        let voter = name(0).to_string();
        next(&mut cluster.agents[1], &["vote received", &voter, &about(target), "vote=Up"]);
    }
    let once =
        [Vote::Up, Vote::Down, Vote::Up].map(|vote| wire::Declaration::Vote { vote, age: None });
    let each = [0, 1].iter().flat_map(|&agent| once.map(|declaration| (agent, declaration)));
    assert_eq!(cluster.received(), each.collect::<Vec<_>>());
}

#[test]
fn a_go_agent_in_clear_has_its_vote_and_receives_changes_only() {
    run(|| withdraws_and_restores(None));
}

#[test]
fn a_go_agent_with_the_key_has_its_vote_is_named_and_receives_changes_only() {
    run(|| withdraws_and_restores(Some(KEY)));
}

#[test]
fn a_go_agent_whose_port_is_shut_has_no_vote_any_more() {
    run(|| {
        let target = ranked_one(&[0, 1, GO], 3);
        let harness = Harness::new(3, &[target, v4(CALM)]);
        let members = Members { min: 2, key: None, ..Members::new(3, &[target, v4(CALM)]) };
        let listener = harness.listen(GO, name(GO));
        let taking =
            harness.runtime().spawn(async move { while listener.accept().await.is_ok() {} });
        let mut agents = harness.start_all(&[0, 1], &members);
        let body = format!(r#"{{"Peer":"{}","IPAddress":"{target}","Live":false}}"#, name(GO));
        for (index, agent) in agents.iter_mut().enumerate() {
            assert_eq!(
                post(&harness, GO, name(index), &vote(name(index), body.as_bytes(), "")),
                200
            );
            alive(agent, GO);
        }
        taking.abort();
        for agent in &mut agents {
            gone(agent, GO);
        }
        harness.lab.remove(&[target]);
        for (index, agent) in agents.iter_mut().enumerate() {
            first(agent, &["refused to act", "reason=\"no_quorum\"", &about(target)]);
            harness.until_vote(index, 1 - index, target, Health::Down);
        }
        harness.holds(&[target, v4(CALM)], 0);
    });
}
