//! Exactly as many in a row as the configuration says: counted by the agent's own log of every
//! probe, against a responder that loses exactly the probes that the script names.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::responder::{Echo, Responder};
use super::{Harness, PATIENT, WWW, config, count, first, publish, writes};
use crate::agent::Agent;
use crate::lab::{run, v4};

/// Each probe is judged before the next is sent, so that probes and outcomes come in one order.
const ONE_BY_ONE: &str = "interval = 0.45\nretry_interval = 0.45\ntimeout = 0.4\n";

/// The log of the agent, a letter each: `r` reply, `x` loss, `-` fault, `C` confirmed up, `D`
/// flipped down, `U` flipped up; until there are `length`.
fn transcript(agent: &mut Agent, length: usize) -> String {
    const WORDS: [(&str, char); 6] = [
        ("outcome=Reply", 'r'),
        ("outcome=Loss", 'x'),
        ("outcome=Fault", '-'),
        ("target confirmed up", 'C'),
        ("target down", 'D'),
        ("target up", 'U'),
    ];
    let mut letters = String::new();
    let is_last = |line: &crate::agent::Line| {
        letters.extend(WORDS.iter().find(|(word, _)| line.has(&[word])).map(|(_, letter)| *letter));
        letters.len() >= length
    };
    agent.wait_for(is_last, PATIENT);
    letters
}

/// Plays `probes`, a letter for each: `r` is answered, `x` is not; then all are answered. Holds
/// the agent's log against `want`.
///
/// Should this machine be so busy that the agent says it did not run, nothing was proved, and it is
/// played again.
fn play(thresholds: &str, probes: &'static str, want: &str) -> (Harness, Agent, Responder) {
    for _ in 0..5 {
        let harness = Harness::serving(&[v4(1)]);
        let responder = Responder::start(&harness.lab, v4(1), move |request| {
            if probes.as_bytes().get(request.nth) == Some(&b'x') { &[] } else { &[Echo::Reply] }
        });
        let top = format!("{ONE_BY_ONE}{thresholds}");
        let mut agent = harness.start(&config(&top, &["www"], &[v4(1)], &harness.cloudflare));
        let got = transcript(&mut agent, want.len());
        if count(&mut agent, &["process was suspended for"]) == 0 {
            assert_eq!(got, want, "{thresholds}: probes {probes}");
            return (harness, agent, responder);
        }
    }
    panic!("this machine is too busy to count probes on");
}

#[test]
fn exactly_three_losses_flip_it_down_and_exactly_three_replies_up() {
    run(|| {
        let probes = "rrrxxrxxrxxxrrxrrr";
        let want = "rrrCxxrxxrxxxDrrxrrrU";
        let (harness, mut agent, _responder) = play("failure_threshold = 3", probes, want);
        first(&mut agent, &["target down", "losses=3"]);
        first(&mut agent, &["restored"]);
        assert_eq!(writes(&harness.cloudflare), 2, "one to withdraw, one to restore");
        assert_eq!(harness.in_service(), [v4(1).to_string()]);
    });
}

#[test]
fn thresholds_of_one_and_two_mean_one_and_two() {
    run(|| {
        let thresholds = "failure_threshold = 1\nrecovery_threshold = 2";
        play(thresholds, "rrrxrxrr", "rrCrxDrxrrU");
    });
}

#[test]
fn one_lost_packet_makes_no_writing_request() {
    run(|| {
        let harness = Harness::serving(&[v4(1), v4(2)]);
        let lose = Arc::new(AtomicBool::new(false));
        let losing = Arc::clone(&lose);
        let once = move || losing.swap(false, Ordering::SeqCst);
        let _one = Responder::start(
            &harness.lab,
            v4(1),
            move |_| if once() { &[] } else { &[Echo::Reply] },
        );
        let _other = Responder::start(&harness.lab, v4(2), |_| &[Echo::Reply]);
        let mut agent = harness.confirmed(&harness.config("", &[v4(1), v4(2)]), 2);
        // An operator takes the record out by hand; that is no business of one lost packet.
        let by_hand = v4(1).to_string();
        harness.cloudflare.zone(|zone| zone.records.retain(|record| record.content != by_hand));

        lose.store(true, Ordering::SeqCst);
        agent.wait_for_words(&["endpoint=0", "outcome=Loss"]);
        for _ in 0..10 {
            agent.wait_for_words(&["endpoint=0", "outcome=Reply"]);
        }
        assert_eq!(writes(&harness.cloudflare), 0);
        assert_eq!(count(&mut agent, &["target down"]), 0);
        assert_eq!(count(&mut agent, &["outcome=Loss"]), 1, "it was one");
        assert_eq!(harness.in_service(), [v4(2).to_string()]);

        // The same agent does act when it is more than one.
        publish(&harness.cloudflare, &[WWW], &[v4(1)]);
        harness.lab.remove(&[v4(1)]);
        first(&mut agent, &["withdrew"]);
    });
}
