//! Peers that are none: another key, another time, no answer.

use std::net::SocketAddr;
use std::sync::Arc;

use goavail::engine::types::Vote;
use goavail::testing::cluster::{Form, Seal, unix_millis, wire};
use secrecy::SecretString;
use tokio::net::TcpListener;

use super::harness::{Harness, KEY, Members, about, count, first, name, peer, ranked_one};
use super::scripted_peer::{answering, post, vote};
use crate::lab::{run, v4};

/// A target that nothing happens to.
const CALM: u32 = 9_999;

#[test]
fn an_agent_with_another_key_is_no_peer_is_named_and_harms_nobody() {
    run(|| {
        let target = ranked_one(&[2, 0, 1], 3);
        let harness = Harness::new(3, &[target, v4(CALM)]);
        let members = Members::new(3, &[target, v4(CALM)]);
        let odd = Members { key: Some("another key here"), ..members.clone() };
        let mut odd = harness.start(2, &odd);
        let mut agents = harness.start_all(&[0, 1], &members);
        harness.lab.remove(&[target]);
        first(&mut odd, &["refused to act", "reason=\"no_quorum\"", &about(target)]);
        for index in [0, 1] {
            harness.until_settled(index, target, false);
        }
        for agent in &mut agents {
            let from = link(2);
            first(agent, &["WARN", "refused a vote", &from, "not signed with our crypto_key"]);
            first(agent, &["WARN", "dropped gossip", &from, "not sealed with our crypto_key"]);
        }
        first(&mut odd, &["WARN", "peer rejected our vote", "status=401"]);
        assert!([0, 1].iter().all(|&index| !peer(&harness.status(index), 2).alive));
        harness.holds(&[v4(CALM)], 1);
        assert_eq!(count(&mut odd, &["withdrew"]), 0);
    });
}

/// Where agent `index` sends from, as a log line names it.
fn link(index: usize) -> String {
    format!("from={}", name(index).ip())
}

/// An agent with the right key and a clock that is 40 s off either way, played by hand: a process cannot
/// be given another wall clock.
#[test]
fn a_peer_whose_clock_is_apart_has_no_vote_and_both_sides_say_why() {
    run(|| {
        let target = ranked_one(&[0, 1], 3);
        let harness = Harness::new(3, &[target, v4(CALM)]);
        let apart = harness.listen(2, name(2));
        let refusing = "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n";
        let _told = answering(&harness, apart, refusing);
        let mut agents = harness.start_all(&[0, 1], &Members::new(3, &[target, v4(CALM)]));
        let seal = Seal::new(&SecretString::from(KEY)).unwrap();
        let body = wire::encode(Some(&seal), name(2), target, Vote::Down).unwrap();
        let now = unix_millis();
        let cases = [("slow", now - 40_000, 401), ("fast", now + 40_000, 401), ("right", now, 200)];
        for (what, at, want) in cases {
            for index in [0, 1] {
                let signature = seal.sign(Form::V2, name(index), at, &body);
                let signature = format!("Goavail-Signature: {signature}\r\n");
                let status = post(&harness, 2, name(index), &vote(name(index), &body, &signature));
                assert_eq!(status, want, "{what}, to agent {index}");
            }
        }
        for agent in &mut agents {
            let why = "its signature is more than 30 s off our clock";
            first(agent, &["WARN", "refused a vote", &name(2).to_string(), why]);
            let why = "the clocks are more than 30 s apart";
            first(agent, &["WARN", "peer rejected our vote", "status=401", why]);
        }
        harness.lab.remove(&[target]);
        for index in [0, 1] {
            harness.until_settled(index, target, false);
        }
        harness.holds(&[v4(CALM)], 1);
    });
}

#[test]
fn a_peer_that_accepts_and_never_answers_delays_nothing() {
    run(|| {
        let target = ranked_one(&[0, 1], 3);
        let harness = Harness::new(3, &[target, v4(CALM)]);
        let silent = harness.listen(2, name(2));
        harness.runtime().spawn(hold(silent));
        let mut agents = harness.start_all(&[0, 1], &Members::new(3, &[target, v4(CALM)]));
        let cut = harness.lab.remove(&[target]);
        let took = harness.until_written(1).arrived - cut.before;
        eprintln!("withdrawn {took:?} after the death, beside a peer that never answers");
        for index in [0, 1] {
            harness.until_settled(index, target, false);
        }
        for (index, agent) in agents.iter_mut().enumerate() {
            assert!(!peer(&harness.status(index), 2).alive);
            // The wait for the peer takes two seconds; a busy machine may cost a tenth of one.
            let stood = agent.lines_with(&["process was suspended for"]);
            let long = stood.iter().filter(|line| !line.has(&["ms\""])).count();
            assert_eq!(long, 0, "it keeps its pace: {stood:?}");
        }
        harness.lab.add(&[target]);
        for index in [0, 1] {
            harness.until_settled(index, target, true);
        }
        harness.holds(&[target, v4(CALM)], 2);
    });
}

/// Takes connections and leaves them be.
async fn hold(listener: TcpListener) {
    let mut held = Vec::new();
    while let Ok((stream, _)) = listener.accept().await {
        held.push(Arc::new(stream));
    }
}

/// Without a key, anybody with access to the port can speak in a peer's name; under a stranger's name
/// nobody can, and with `require_signed` nobody without the key.
#[test]
fn votes_of_strangers_make_no_quorum() {
    run(|| {
        let target = v4(1);
        let harness = Harness::new(2, &[target, v4(CALM)]);
        let mut agents = harness.start_all(&[0], &Members::new(2, &[target, v4(CALM)]));
        harness.lab.remove(&[target]);
        first(&mut agents[0], &["refused to act", "reason=\"no_quorum\"", &about(target)]);
        let seal = Seal::new(&SecretString::from(KEY)).unwrap();
        let stranger = SocketAddr::from(([10, 255, 0, 77], 8081));
        let now = unix_millis();
        for (what, sender, signed, want) in [
            ("a peer's name and no signature", name(1), false, 401),
            ("a stranger's name, signed", stranger, true, 403),
        ] {
            let body = wire::encode(Some(&seal), sender, target, Vote::Down).unwrap();
            let signature = seal.sign(Form::V2, name(0), now, &body);
            let signature = format!("Goavail-Signature: {signature}\r\n");
            let header = if signed { signature.as_str() } else { "" };
            let status = post(&harness, 1, name(0), &vote(name(0), &body, header));
            assert_eq!(status, want, "{what}");
        }
        let clear = format!(r#"{{"Peer":"{}","IPAddress":"{target}","Live":false}}"#, name(1));
        assert_eq!(post(&harness, 1, name(0), &vote(name(0), clear.as_bytes(), "")), 401);
        let status = harness.until_status(0, |status| status.silence_s < 1.0);
        assert!(super::harness::shown(&status, target).votes.is_empty(), "{status:#?}");
        harness.holds(&[target, v4(CALM)], 0);
    });
}
