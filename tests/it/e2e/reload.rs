//! SIGHUP: the whole new file or all of the old one, and no target notices.

use std::process::Command;

use rustix::process::Signal;

use super::responder::Responder;
use super::{Harness, PATIENT, count, first, nth, target, until_written, writes};
use crate::fake_cloudflare::{Entry, Fault};
use crate::lab::{run, v4};

/// Makes `goavail.toml` a pipe, so that its reader waits until the test writes.
fn make_pipe(agent_folder: &std::path::Path) {
    let pipe = agent_folder.join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    std::fs::rename(pipe, agent_folder.join("goavail.toml")).unwrap();
}

/// Puts a file in the place of the one there, without opening that.
fn replace(agent_folder: &std::path::Path, config: &str) {
    std::fs::write(agent_folder.join("new"), config).unwrap();
    std::fs::rename(agent_folder.join("new"), agent_folder.join("goavail.toml")).unwrap();
}

#[test]
fn a_broken_file_changes_nothing_and_is_refused_with_the_reason() {
    run(|| {
        let addresses = [v4(1), v4(2)];
        let harness = Harness::serving(&addresses);
        let good = harness.config("", &addresses);
        let mut agent = harness.confirmed(&good, 2);
        let broken = [
            (
                format!("failure_threshold = 0\nintervall = 9\n{good}"),
                "failure_threshold: 0 is not",
            ),
            (good.replace("interval = 0.2", "interval = "), "goavail.toml:1: "),
            (String::new(), "nothing is set in it"),
        ];
        for (index, (file, why)) in broken.iter().enumerate() {
            agent.rewrite(file);
            agent.signal(Signal::HUP);
            nth(&mut agent, index + 1, &["ERROR", "the old configuration stays in force"]);
            first(&mut agent, &["ERROR", "configuration refused: goavail.toml", why]);
        }
        std::fs::remove_file(agent.folder().join("goavail.toml")).unwrap();
        agent.signal(Signal::HUP);
        nth(&mut agent, 4, &["the old configuration stays in force"]);
        first(&mut agent, &["configuration refused", "No such file"]);

        harness.lab.remove(&[v4(1)]);
        first(&mut agent, &["target down", &target(v4(1)), "losses=3"]);
        first(&mut agent, &["withdrew", &target(v4(1))]);
        assert_eq!(count(&mut agent, &["configuration in force"]), 0);
    });
}

#[test]
fn a_good_file_comes_into_force_whole_and_targets_that_stay_keep_their_state() {
    run(|| {
        let [removed, stays, added] = [v4(1), v4(2), v4(3)];
        let harness = Harness::serving(&[removed, stays, added]);
        let mut agent = harness.confirmed(&harness.config("", &[removed, stays]), 2);
        let responder = Responder::counting(&harness.lab, removed);
        let new = harness.config("", &[stays, added]);
        let new = new.replace("failure_threshold = 3", "failure_threshold = 5");
        agent.reload(&new);
        first(&mut agent, &["target confirmed up", &target(added)]);
        let heard = responder.heard();

        assert_eq!(count(&mut agent, &["outcome=Loss"]), 0, "a reload is no miss");
        harness.lab.remove(&[removed, added]);
        first(&mut agent, &["target down", &target(added), "losses=5"]);
        first(&mut agent, &["withdrew", &target(added)]);
        let left = [removed, stays].map(|address| address.to_string());
        assert_eq!(harness.in_service(), left, "the record of what is no longer watched stays");
        assert_eq!(responder.heard(), heard, "nor is it asked any more");
        assert_eq!(count(&mut agent, &["target confirmed up", &target(stays)]), 1);
    });
}

#[test]
fn a_target_that_is_down_stays_down_over_a_reload_and_comes_back_after_it() {
    run(|| {
        let addresses = [v4(1), v4(2)];
        let harness = Harness::serving(&addresses);
        let config = harness.config("", &addresses);
        let mut agent = harness.confirmed(&config, 2);
        harness.cloudflare.zone(|zone| zone.records[0].ttl = 4321);
        harness.lab.remove(&[v4(1)]);
        first(&mut agent, &["withdrew"]);
        agent.reload(&config);
        harness.lab.add(&[v4(1)]);
        first(&mut agent, &["restored"]);
        assert_eq!(count(&mut agent, &["target down"]), 1);
        assert_eq!(writes(&harness.cloudflare), 2);
        let ttl = harness
            .cloudflare
            .zone(|zone| zone.records.iter().find(|r| r.content == v4(1).to_string()).unwrap().ttl);
        assert_eq!(ttl, 4321, "what it remembers is handed on");
    });
}

#[test]
fn a_reload_keeps_a_withdrawal_that_is_being_retried() {
    run(|| {
        let addresses = [v4(1), v4(2)];
        let harness = Harness::serving(&addresses);
        let config = harness.config("", &addresses);
        let mut agent = harness.confirmed(&config, 2);
        harness.cloudflare.script(3, Entry::writes, Fault::Answer(500, "<html>".into()));
        harness.lab.remove(&[v4(1)]);
        until_written(&harness.cloudflare, 1);
        agent.reload(&config);
        first(&mut agent, &["withdrew"]);
        assert_eq!(harness.in_service(), [v4(2).to_string()]);
    });
}

#[test]
fn hundreds_of_reloads_cost_no_reply_and_no_request() {
    run(|| {
        let addresses: Vec<_> = (1..=300).map(v4).collect();
        let harness = Harness::serving(&addresses);
        let all = harness.config("", &addresses).replace("interval = 0.2", "interval = 1");
        let fewer = harness.config("", &addresses[1..]).replace("interval = 0.2", "interval = 1");
        let mut agent = harness.confirmed(&all, 300);
        let asked = harness.cloudflare.log().len();
        for round in 0..400 {
            agent.rewrite(if round % 2 == 0 { &fewer } else { &all });
            agent.signal(Signal::HUP);
            // A reply arrives in between: probing continues.
            agent.wait_for_words(&["outcome="]);
        }
        agent.rewrite(&format!("name = \"the last\"\n{}", harness.config("", &addresses[..10])));
        agent.signal(Signal::HUP);
        first(&mut agent, &["configuration in force", "targets=10"]);
        assert_eq!(count(&mut agent, &["outcome=Loss"]), 0, "not one reply was missed");
        assert_eq!(count(&mut agent, &["target down"]) + writes(&harness.cloudflare), 0);
        harness.lab.remove(&[v4(1)]);
        first(&mut agent, &["withdrew", &target(v4(1))]);
        let in_force = count(&mut agent, &["configuration in force"]);
        assert_eq!(count(&mut agent, &["target down"]), 1, "the one that died");
        assert_eq!(count(&mut agent, &["restored"]), 0);
        assert_eq!(writes(&harness.cloudflare), 1);
        let asked = harness.cloudflare.log().len() - asked;
        assert!(asked < 20, "{asked} requests for {in_force} reloads");
    });
}

#[test]
fn of_two_reloads_the_later_file_counts() {
    run(|| {
        let harness = Harness::serving(&[v4(1), v4(2), v4(3)]);
        let mut agent = harness.confirmed(&harness.config("", &[v4(1)]), 1);
        let folder = agent.folder();
        std::fs::write(folder.join("old"), harness.config("", &[v4(1), v4(2)])).unwrap();
        make_pipe(&folder);
        agent.signal(Signal::HUP);
        let pipe = folder.join("goavail.toml");
        // To open it for writing waits until the agent has opened it for reading.
        let writer = std::fs::OpenOptions::new().write(true).open(&pipe).unwrap();
        replace(&folder, &harness.config("", &[v4(1), v4(2), v4(3)]));
        agent.signal(Signal::HUP);
        // The signal is there long before a second has passed; the file is not.
        for _ in 0..5 {
            agent.wait_for_words(&["outcome=Reply"]);
        }
        let mut writer = std::io::BufWriter::new(writer);
        std::io::copy(&mut std::fs::File::open(folder.join("old")).unwrap(), &mut writer).unwrap();
        drop(writer);
        nth(&mut agent, 2, &["configuration in force"]);
        let last = agent.lines_with(&["configuration in force"]).pop().unwrap();
        assert!(last.has(&["targets=3"]), "{}", last.text);
        nth(&mut agent, 3, &["target confirmed up"]);
    });
}

#[test]
fn a_sighup_before_the_first_file_is_read_does_not_kill() {
    run(|| {
        let harness = Harness::serving(&[v4(1)]);
        let config = harness.config("", &[v4(1)]);
        let setup = harness.setup(&config).args(["--no-dry-run", "monitor"]);
        make_pipe(setup.folder());
        let pipe = setup.folder().join("goavail.toml");
        let mut agent = setup.start();
        let writer = std::fs::OpenOptions::new().write(true).open(&pipe).unwrap();
        agent.signal(Signal::HUP);
        replace(&agent.folder(), &config);
        std::io::Write::write_all(&mut { writer }, config.as_bytes()).unwrap();
        first(&mut agent, &["target confirmed up"]);
        agent.signal(Signal::TERM);
        assert_eq!(agent.wait_end(PATIENT).status.code(), Some(0));
    });
}
