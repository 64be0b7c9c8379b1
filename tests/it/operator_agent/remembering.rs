//! The state file of a running agent: its use after a restart, and its defects.

use super::harness::{Harness, STATE_FILE, about, count, first, nth, one, two};
use crate::agent::{Agent, PATIENT};
use crate::lab::run;
use rustix::process::Signal;

/// An agent that has withdrawn a target, killed before that came back.
fn killed_during_an_outage(harness: &Harness) {
    let mut agent = harness.confirmed();
    harness.lab.remove(&[one()]);
    first(&mut agent, &["withdrew", &about(one())]);
    assert!(harness.records(one()).is_empty());
    agent.kill();
    harness.lab.add(&[one()]);
}

#[test]
fn records_that_a_killed_agent_withdrew_come_back_with_all_their_settings() {
    run(|| {
        let harness = Harness::new(STATE_FILE);
        killed_during_an_outage(&harness);
        let mut agent = harness.start();
        first(&mut agent, &["restored", &about(one())]);
        harness.assert_untouched(one());
        assert_eq!(harness.writes(), 2);
    });
}

#[test]
fn a_damaged_state_file_is_set_aside_loudly_and_the_agent_continues() {
    run(|| {
        let harness = Harness::new(STATE_FILE);
        killed_during_an_outage(&harness);
        let whole = std::fs::read(harness.path("state.json")).unwrap();
        let half = &whole[..whole.len() / 2];
        std::fs::write(harness.path("state.json"), half).unwrap();
        // The agent may have been killed while it wrote, and a whole copy beside the file is read.
        let _ = std::fs::remove_file(harness.path("state.json.new"));
        let mut agent = harness.start();
        let line = first(&mut agent, &["ERROR", "is damaged and was set aside as"]);
        first(&mut agent, &["restored", &about(one())]);
        let restored = harness.records(one());
        assert!(restored.iter().all(|record| record.ttl == 300), "as configured: {restored:?}");
        let names = std::fs::read_dir(harness.path(".")).unwrap();
        let aside = names.map(|entry| entry.unwrap().path());
        let aside = aside.filter(|path| path.to_string_lossy().contains(".damaged-"));
        let aside: Vec<_> = aside.collect();
        assert_eq!(std::fs::read(&aside[0]).unwrap(), half, "whole, to be looked into");
        assert!(line.text.contains(&*aside[0].file_name().unwrap().to_string_lossy()));

        // It remembers again from then on.
        assert_eq!(harness.done(&["drain", &two().to_string()]).lines().count(), 1, "no warning");
        agent.kill();
        let mut agent = harness.start();
        first(&mut agent, &["still drained by operator", &about(two())]);
        assert_eq!(count(&mut agent, &["set aside"]), 0);
    });
}

/// Drains and gives back, and shows that the operator is warned and the agent acts nevertheless.
fn acts_without_memory(harness: &Harness, agent: &mut Agent) {
    let said = harness.done(&["drain", &one().to_string()]);
    let forgets = "warning: it will not survive a restart of the agent because the state file cannot \
                   be written; see its log\n";
    assert_eq!(said, format!("drained {}\n{forgets}", one()));
    first(agent, &["withdrew", &about(one())]);
    let said = harness.done(&["undrain", &one().to_string()]);
    assert!(said.contains("warning: the state file cannot be written"), "{said}");
    first(agent, &["restored", &about(one())]);
    harness.assert_untouched(one());
}

#[test]
fn a_directory_that_cannot_be_written_is_told_at_the_start_and_each_time_and_stops_nothing() {
    run(|| {
        let harness = Harness::new("state_file = \"/proc/goavail/state.json\"\n");
        let mut agent = harness.confirmed();
        let trouble = ["WARN", "state file /proc/goavail/state.json: cannot write a new file"];
        first(&mut agent, &trouble);
        let before = count(&mut agent, &trouble);
        acts_without_memory(&harness, &mut agent);
        // The drain, the settings of the record, the end of the drain.
        nth(&mut agent, before + 3, &trouble);
        agent.signal(Signal::TERM);
        assert_eq!(agent.wait_end(PATIENT).status.code(), Some(0));
    });
}

#[test]
fn an_unreadable_state_file_is_left_alone_and_stops_nothing() {
    run(|| {
        let harness = Harness::new(STATE_FILE);
        std::fs::create_dir(harness.path("state.json")).unwrap();
        let mut agent = harness.confirmed();
        first(&mut agent, &["ERROR", "state.json cannot be read; it is left in place"]);
        acts_without_memory(&harness, &mut agent);
        nth(&mut agent, 3, &["WARN", "is left alone since the start; nothing is kept"]);
        assert_eq!(std::fs::read_dir(harness.path("state.json")).unwrap().count(), 0);
    });
}

#[test]
fn once_the_directory_is_there_the_state_file_is_written_again_and_that_is_said() {
    run(|| {
        let harness = Harness::new("state_file = \"later/state.json\"\n");
        let mut agent = harness.confirmed();
        first(&mut agent, &["WARN", "cannot write a new file beside it"]);
        std::fs::create_dir(harness.path("later")).unwrap();
        let said = harness.done(&["drain", &one().to_string()]);
        assert_eq!(said, format!("drained {}\n", one()), "no warning");
        first(&mut agent, &["INFO", "is written again"]);
        agent.kill();
        let mut agent = harness.start();
        first(&mut agent, &["still drained by operator", &about(one())]);
    });
}

#[test]
fn a_drain_that_was_confirmed_to_the_operator_is_on_the_disk() {
    run(|| {
        let harness = Harness::new(STATE_FILE);
        for round in 0..5 {
            let agent = harness.confirmed();
            let (command, drained) = if round % 2 == 0 { ("drain", 1) } else { ("undrain", 0) };
            harness.done(&[command, &one().to_string()]);
            agent.kill();
            let text = std::fs::read_to_string(harness.path("state.json")).unwrap();
            let memory: serde_json::Value = serde_json::from_str(&text).unwrap();
            assert_eq!(memory["drains"].as_array().unwrap().len(), drained, "{command}: {text}");
        }
    });
}
