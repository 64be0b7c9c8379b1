//! Incidents of the whole agent: one for many targets, across a restart, and after a reload.

use rustix::process::Signal;
use serde_json::Value;

use super::{Harness, WWW, about, setup};
use crate::agent::PATIENT;
use crate::notify::Server;

/// The key of an incident about a target of a file without services, or `_` for all of them.
fn key(place: &str, problem: &str) -> String {
    format!("goavail/default/default/{place}/{problem}")
}

/// The parts of a notice about its incident.
fn course(notice: &Value) -> [&str; 3] {
    ["status", "severity", "kind"].map(|part| notice[part].as_str().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn many_deaths_are_one_incident_of_the_service_that_ends_with_the_last_of_them() {
    const MANY: u8 = 24;
    let mut harness = Harness::with_targets(Server::start(&[]).await, MANY).await;
    let _agent = harness.confirmed("");
    let dead: Vec<usize> = (1..usize::from(MANY)).collect();
    for nth in &dead {
        harness.close(*nth);
    }
    let mut gone = Vec::new();
    let mut opened = 0;
    while gone.len() < dead.len() {
        let notice = harness.told().await;
        assert_eq!(notice["incident"], key("_", "withdrawn"), "{notice:#}");
        opened += usize::from(course(&notice) == ["opened", "warning", "withdrawn"]);
        gone.extend(about(&notice));
    }
    assert_eq!(opened, 1);
    for nth in &dead {
        harness.open(*nth);
    }
    let mut back = Vec::new();
    loop {
        let notice = harness.told().await;
        assert_eq!(notice["incident"], key("_", "withdrawn"), "{notice:#}");
        back.extend(about(&notice));
        if notice["status"] == "closed" {
            break;
        }
        assert_eq!(notice["status"], "updated", "{notice:#}");
    }
    assert_eq!(back.len(), dead.len(), "each came back once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn what_ended_while_the_agent_was_down_is_closed_by_the_next_run_under_the_same_key() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state.json");
    let mut harness = Harness::new().await;
    let top = format!("state_file = \"{}\"\n", state.display());
    let agent = harness.confirmed(&top);
    harness.close(0);
    let opened = harness.tells("withdrawn", &[0]).await;
    let address = harness.named(&[0]).remove(0);
    assert_eq!(opened["incident"], key(&address, "withdrawn"));
    assert_eq!(course(&opened), ["opened", "warning", "withdrawn"]);
    agent.signal(Signal::TERM);
    assert_eq!(agent.wait_end(PATIENT).status.code(), Some(0));
    let text = std::fs::read_to_string(&state).unwrap();
    let saved: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(saved["incidents"][0]["problem"], "withdrawn", "{saved:#}");

    // Somebody mends it and puts the record back by hand.
    harness.open(0);
    harness.cloudflare.zone(|zone| _ = zone.seed("A", WWW, &address));
    let _agent = harness.confirmed(&top);
    let closed = harness.tells("over", &[0]).await;
    assert_eq!(course(&closed), ["closed", "info", "over"]);
    for part in ["incident", "since"] {
        assert_eq!(closed[part], opened[part], "{part}");
    }
    assert!(harness.webhook.received().is_none(), "it was not opened again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_killed_agent_restores_after_its_restart_and_closes_what_it_opened() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state.json");
    let mut harness = Harness::new().await;
    let top = format!("state_file = \"{}\"\n", state.display());
    let agent = harness.confirmed(&top);
    harness.close(0);
    let opened = harness.tells("withdrawn", &[0]).await;
    // The write is beside the loop.
    let begun = crate::agent::now();
    while !std::fs::read_to_string(&state).unwrap_or_default().contains("\"incidents\"") {
        assert!(begun.elapsed() < PATIENT, "the incident is never saved");
        tokio::task::yield_now().await;
    }
    agent.kill();
    harness.open(0);
    let _agent = harness.confirmed(&top);
    // It does not know whether the first notice was delivered.
    let again = harness.tells("withdrawn", &[0]).await;
    assert_eq!((course(&again), &again["since"]), (course(&opened), &opened["since"]));
    let closed = harness.tells("restored", &[0]).await;
    assert_eq!(course(&closed), ["closed", "info", "restored"]);
    for part in ["incident", "since"] {
        assert_eq!(closed[part], opened[part], "{part}");
    }
}

/// Grafana 61917, Pulse 1682: a reload that changed nothing resolved every alert and raised it again.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_reload_neither_closes_nor_opens_an_incident_that_lasts() {
    let mut harness = Harness::new().await;
    let mut agent = harness.confirmed("");
    harness.close(0);
    let opened = harness.tells("withdrawn", &[0]).await;
    agent.reload(&harness.config(""));
    agent.reload(&harness.config("recovery_threshold = 2\n"));
    harness.open(0);
    let closed = harness.tells("restored", &[0]).await;
    assert_eq!((&closed["incident"], &closed["status"]), (&opened["incident"], &"closed".into()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_target_that_the_file_has_no_more_has_no_incident_any_more() {
    let mut harness = Harness::new().await;
    let mut agent = harness.confirmed("");
    harness.close(0);
    let opened = harness.tells("withdrawn", &[0]).await;
    let gone = format!("\"{}\", ", harness.named(&[0])[0]);
    let config = harness.config("");
    assert!(config.contains(&gone), "{config}");
    agent.reload(&config.replace(&gone, ""));
    let closed = harness.tells("over", &[0]).await;
    assert_eq!(closed["incident"], opened["incident"]);
    assert_eq!(closed["detail"], "the configuration has the address no more");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_file_that_was_refused_is_an_incident_until_a_good_one_is_in_force() {
    let mut harness = Harness::new().await;
    let mut agent = harness.confirmed("");
    agent.rewrite("prot = 1\n");
    agent.signal(Signal::HUP);
    let refused = harness.tells("reload_refused", &[]).await;
    assert_eq!(refused["incident"], "goavail/_/_/probe-1/reload");
    assert_eq!(course(&refused), ["opened", "info", "reload_refused"]);
    agent.reload(&harness.config(""));
    let good = harness.tells("reloaded", &[]).await;
    assert_eq!(good["incident"], refused["incident"]);
    agent.reload(&harness.config(""));
    harness.close(0);
    harness.tells("withdrawn", &[0]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn open_incidents_are_in_the_status_and_in_the_metrics() {
    let mut harness = Harness::new().await;
    let config = harness.config("min_in_service = 3\n") + "\n[Status]\nsocket = \"control.sock\"\n";
    let mut agent = setup(&config).args(["--no-dry-run", "monitor"]).start();
    agent.nth(3, &["target confirmed up"]);
    harness.close(0);
    let refused = harness.tells("refused", &[0]).await;
    let place = key(&harness.named(&[0])[0], "floor");
    assert_eq!(refused["incident"], place);
    let socket = agent.folder().join("control.sock");
    let begun = crate::agent::now();
    let status = loop {
        let status: Value =
            serde_json::from_str(&super::slack::get(&socket, "/status")).expect("JSON");
        if status["incidents"].as_array().is_some_and(|incidents| !incidents.is_empty()) {
            break status;
        }
        assert!(begun.elapsed() < PATIENT, "{status:#}");
    };
    let shown = &status["incidents"][0];
    assert_eq!((&shown["key"], &shown["severity"]), (&place.as_str().into(), &"critical".into()));
    assert_eq!((&shown["targets"], &shown["reported_here"]), (&1.into(), &true.into()));
    let metrics = super::slack::get(&socket, "/metrics");
    assert!(metrics.contains("goavail_incidents_open{severity=\"critical\"} 1.0\n"), "{metrics}");
    let page = super::slack::get(&socket, "/");
    assert!(page.contains(&place), "{page}");
    let (_, table) = agent.command(crate::agent::Within::Here, &["status"]);
    assert!(table.contains(&format!("open, critical: {place} since ")), "{table}");
}
