//! Whatever stands still around the agent: the reader of its log, the file it is to read, or whoever
//! sends it signals without end.

use std::io::{BufRead as _, BufReader};

use rustix::process::Signal;

use super::{PATIENT, Scene, count, first, nth, target, until, until_written};
use crate::agent::Unread;
use crate::fake_cloudflare::Entry;
use crate::lab::{run, v4};

#[test]
fn a_reader_of_the_log_that_stands_still_keeps_no_dead_address_in_service() {
    run(|| {
        let addresses = [v4(1), v4(2), v4(3)];
        let scene = Scene::serving(&addresses);
        let setup = scene.setup(&scene.config("", &addresses));
        let agent = setup.args(["--no-dry-run", "monitor"]).start_unread();
        until(&scene.cloudflare, |log| !log.is_empty());
        for (writes, dead) in [(1, 1), (2, 2)] {
            scene.lab.remove(&[v4(dead)]);
            until_written(&scene.cloudflare, writes);
        }
        let is_done = |entry: &&Entry| entry.writes() && entry.answered.is_some();
        until(&scene.cloudflare, |log| log.iter().filter(is_done).count() >= 2);
        assert_eq!(scene.in_service(), [v4(3).to_string()]);
        read_until(&agent, "withdrew");
    });
}

/// Reads the agent's log up to a line that holds `words`, as it must soon.
fn read_until(agent: &Unread, words: &'static str) -> String {
    let stderr = agent.stderr.try_clone().unwrap();
    let (found, line) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let mut lines = BufReader::new(stderr).lines().map_while(Result::ok);
        let _ = found.send(lines.find(|line| line.contains(words)));
    });
    let line = line.recv_timeout(PATIENT).unwrap_or_else(|_| panic!("{words:?} is not in the log"));
    line.unwrap_or_else(|| panic!("the agent ended before it said {words:?}"))
}

#[test]
fn a_reader_of_the_log_that_stands_still_keeps_no_signal_from_ending_the_agent() {
    for signals in [1, 2] {
        run(|| {
            let scene = Scene::serving(&[v4(1)]);
            let setup = scene.setup(&scene.config("", &[v4(1)])).env("RUST_LOG", "trace");
            let mut agent = setup.args(["--no-dry-run", "monitor"]).start_unread();
            until(&scene.cloudflare, |log| !log.is_empty());
            (0..signals).for_each(|_| agent.signal(Signal::TERM));
            assert_eq!(agent.wait_end(PATIENT).code(), Some(0));
        });
    }
}

#[test]
fn a_storm_of_reloads_holds_up_no_withdrawal() {
    run(|| {
        let addresses = [v4(1), v4(2)];
        let scene = Scene::serving(&addresses);
        let mut agent = scene.confirmed(&scene.config("", &addresses), 2);
        scene.lab.remove(&[v4(1)]);
        let withdrawn = |agent: &mut super::Agent| count(agent, &["withdrew", &target(v4(1))]);
        while withdrawn(&mut agent) == 0 {
            agent.signal(Signal::HUP);
            // The next one at the next probe that is answered.
            agent.wait_for_words(&["outcome="]);
        }
        let before = count(&mut agent, &["reading the configuration again"]);
        assert!(before < 10, "{before} reloads on the way");
        agent.rewrite(&scene.config("", &[v4(2), v4(3)]));
        agent.signal(Signal::HUP);
        first(&mut agent, &["target confirmed up", &target(v4(2))]);
        agent.wait_for_words(&["configuration in force", "targets=2"]);
    });
}

#[test]
fn a_configuration_without_an_end_is_refused_and_the_next_one_is_read() {
    run(|| {
        let addresses = [v4(1), v4(2)];
        let scene = Scene::serving(&addresses);
        let config = scene.config("", &addresses);
        let mut agent = scene.confirmed(&config, 2);
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
