//! Trouble around the agent: a blocked reader of its log, a file without an end, and signals
//! sent without end.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::sync::mpsc::{Receiver, channel};

use rustix::process::Signal;

use super::{Harness, PATIENT, QUICK, config_at, count, first, nth, target, until, until_written};
use crate::agent::{Setup, Unread, Within};
use crate::fake_cloudflare::Entry;
use crate::lab::{Lab, run, v4};
use crate::operator_agent::harness::{inbox_in, notice};

#[test]
fn a_blocked_reader_of_the_log_keeps_no_dead_address_in_service() {
    run(|| {
        let addresses = [v4(1), v4(2), v4(3)];
        let harness = Harness::serving(&addresses);
        let setup = harness.setup(&harness.config("", &addresses));
        let agent = setup.args(["--no-dry-run", "monitor"]).start_unread();
        until(&harness.cloudflare, |log| !log.is_empty());
        for (writes, dead) in [(1, 1), (2, 2)] {
            harness.lab.remove(&[v4(dead)]);
            until_written(&harness.cloudflare, writes);
        }
        let is_done = |entry: &&Entry| entry.writes() && entry.answered.is_some();
        until(&harness.cloudflare, |log| log.iter().filter(is_done).count() >= 2);
        assert_eq!(harness.in_service(), [v4(3).to_string()]);
        read_until(&lines_of(&agent), "withdrew");
    });
}

/// Reads the agent's log from now on.
fn lines_of(agent: &Unread) -> Receiver<String> {
    let stderr = agent.stderr.try_clone().unwrap();
    let (sender, lines) = channel();
    std::thread::spawn(move || {
        let lines = BufReader::new(stderr).lines().map_while(Result::ok);
        // The test may have seen enough.
        lines.map(|line| sender.send(line)).take_while(Result::is_ok).for_each(drop);
    });
    lines
}

/// Reads up to a line that holds `words`, as it must come soon; all that was read.
fn read_until(lines: &Receiver<String>, words: &str) -> Vec<String> {
    let mut read: Vec<String> = Vec::new();
    while !read.last().is_some_and(|line| line.contains(words)) {
        let line = lines.recv_timeout(PATIENT);
        read.push(line.unwrap_or_else(|why| panic!("{words:?} is not in the log: {why}")));
    }
    read
}

/// So many addresses are dead.
const DEAD: u32 = 100;

/// At so many names, all in the line about each of them: more in all than the agent keeps for the
/// reader of its log.
const NAMES: usize = 500;

#[test]
fn unread_log_lines_are_counted_and_delay_no_withdrawal() {
    run(|| {
        let lab = Lab::new();
        let alive = v4(DEAD + 1);
        lab.add(&[alive]);
        let addresses: Vec<_> = (1..=DEAD + 1).map(v4).collect();
        let (label, more) = ("a".repeat(60), "b".repeat(60));
        let names: Vec<_> = (0..NAMES).map(|n| format!("{n:060}.{label}.{more}")).collect();
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        let (inbox, notices) = inbox_in(lab.agent(0));
        let top = format!("{QUICK}webhook_url = \"{inbox}\"\n");
        let config = config_at(&top, &names, &addresses, "http://127.0.0.1:9");
        let setup = Setup::new(&config, Within::Lab(lab.agent(0)));
        let mut agent = setup.args(["monitor"]).start_unread();

        let mut out = BTreeSet::new();
        while out.len() < addresses.len() - 1 {
            let told = notice(&notices, "withdrawn");
            assert_eq!(told["dry_run"], true);
            out.extend(told["targets"].as_array().unwrap().iter().map(ToString::to_string));
        }
        assert!(!out.contains(&format!("\"{alive}\"")), "it lives");

        let lines = lines_of(&agent);
        let read = read_until(&lines, " lines lost: the reader of the log did not keep up");
        let lost = read.last().unwrap().split(" lines lost").next().unwrap();
        let lost: usize = lost.rsplit(' ').next().unwrap().parse().unwrap();
        let told = read.iter().filter(|line| line.contains("would withdraw")).count();
        assert!(told > 0 && told < out.len(), "{told} of {} were kept", out.len());
        assert!(told + lost >= out.len(), "{told} and {lost} are not {}", out.len());
        // From then on nothing is lost.
        agent.signal(Signal::HUP);
        let rest = read_until(&lines, "configuration in force");
        assert!(!rest.iter().any(|line| line.contains("lines lost")), "{rest:?}");
        agent.signal(Signal::TERM);
        assert_eq!(agent.wait_end(PATIENT).code(), Some(0));
    });
}

#[test]
fn a_blocked_reader_of_the_log_keeps_no_signal_from_ending_the_agent() {
    for signals in [1, 2] {
        run(|| {
            let harness = Harness::serving(&[v4(1)]);
            let setup = harness.setup(&harness.config("", &[v4(1)])).env("RUST_LOG", "trace");
            let mut agent = setup.args(["--no-dry-run", "monitor"]).start_unread();
            until(&harness.cloudflare, |log| !log.is_empty());
            (0..signals).for_each(|_| agent.signal(Signal::TERM));
            assert_eq!(agent.wait_end(PATIENT).code(), Some(0));
        });
    }
}

#[test]
fn a_storm_of_reloads_delays_no_withdrawal() {
    run(|| {
        let addresses = [v4(1), v4(2)];
        let harness = Harness::serving(&addresses);
        let mut agent = harness.confirmed(&harness.config("", &addresses), 2);
        harness.lab.remove(&[v4(1)]);
        let withdrawn = |agent: &mut super::Agent| count(agent, &["withdrew", &target(v4(1))]);
        while withdrawn(&mut agent) == 0 {
            agent.signal(Signal::HUP);
            // The next one at the next probe that is answered.
            agent.wait_for_words(&["outcome="]);
        }
        let before = count(&mut agent, &["reading the configuration again"]);
        assert!(before < 10, "{before} reloads on the way");
        agent.rewrite(&harness.config("", &[v4(2), v4(3)]));
        agent.signal(Signal::HUP);
        first(&mut agent, &["target confirmed up", &target(v4(2))]);
        agent.wait_for_words(&["configuration in force", "targets=2"]);
    });
}

#[test]
fn a_configuration_without_an_end_is_refused_and_the_next_one_is_read() {
    run(|| {
        let addresses = [v4(1), v4(2)];
        let harness = Harness::serving(&addresses);
        let config = harness.config("", &addresses);
        let mut agent = harness.confirmed(&config, 2);
        let file = agent.folder().join("goavail.toml");
        for round in 1..=2 {
            std::fs::remove_file(&file).unwrap();
            let made = std::process::Command::new("mkfifo").arg(&file).status();
            assert!(made.unwrap().success());
            agent.signal(Signal::HUP);
            let refused = ["configuration refused", "its end did not come within 10 s"];
            nth(&mut agent, round, &refused);
            std::fs::remove_file(&file).unwrap();
            std::fs::write(&file, &config).unwrap();
            agent.signal(Signal::HUP);
            nth(&mut agent, round, &["configuration in force"]);
        }
    });
}
