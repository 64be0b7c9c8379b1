//! `goavail drain` and `undrain`: the effects of a command, and the places that show it.

use super::harness::{Harness, STATE_FILE, WWW, about, ask, count, first, notice, nth, one, two};
use crate::agent::PATIENT;
use crate::fake_cloudflare::{Entry, Fault};
use crate::lab::{run, v4};
use rustix::process::Signal;
use serde_json::Value;

#[test]
fn a_drain_is_seen_everywhere_and_outlives_a_reload_and_kill_9_until_it_is_undone() {
    run(|| {
        let harness = Harness::new("");
        let (url, notices) = harness.inbox();
        let config = harness.config(&format!("webhook_url = \"{url}\"\n{STATE_FILE}"));
        harness.write("goavail.toml", &config);
        let mut agent = harness.confirmed();
        let said = harness.done(&["drain", &one().to_string(), "--reason", "disk swap"]);
        assert_eq!(said, format!("drained {}\n", one()), "and no warning");
        first(&mut agent, &["withdrew", &about(one())]);
        assert!(harness.records(one()).is_empty());
        harness.assert_untouched(two());
        let drained = notice(&notices, "drained");
        assert_eq!(drained["targets"][0], one().to_string());
        assert_eq!(drained["detail"], "disk swap");
        assert_eq!(notice(&notices, "withdrawn")["reason"], "drained");
        assert_shown_as_drained(&harness, &mut agent, Some(false));

        harness.reload(&mut agent, &config);
        assert_shown_as_drained(&harness, &mut agent, Some(false));
        agent.kill();
        let mut agent = harness.start();
        first(&mut agent, &["WARN", "still drained by operator", &about(one()), "disk swap"]);
        first(&mut agent, &["target confirmed up", &about(one())]);
        first(&mut agent, &["target confirmed up", &about(two())]);
        harness.until_shown(&mut agent, two(), |shown| shown["health"] == "up");
        // A withdrawal before a start may still be on its way for some time.
        assert_shown_as_drained(&harness, &mut agent, None);
        assert_eq!(harness.writes(), 1, "nothing but the first withdrawal");

        let said = harness.done(&["undrain", &one().to_string()]);
        assert_eq!(said, format!("gave {} back to the agent\n", one()));
        first(&mut agent, &["restored", &about(one())]);
        harness.assert_untouched(one());
        assert_eq!(notice(&notices, "undrained")["targets"][0], one().to_string());
        harness.until_shown(&mut agent, one(), |shown| {
            shown["drained"].is_null() && shown["in_service"] == true
        });
        assert_eq!(harness.get(&format!("/verdict/{}", one())), (200, "up\n".into()));
        agent.kill();
        let mut agent = harness.confirmed();
        assert_eq!(count(&mut agent, &["still drained"]), 0, "that it is undone is kept as well");
        let again = harness.done(&["undrain", &one().to_string()]);
        assert_eq!(again, format!("{} was not drained\n", one()));
        assert_eq!(harness.writes(), 2);
    });
}

fn assert_shown_as_drained(
    harness: &Harness,
    agent: &mut crate::agent::Agent,
    present: Option<bool>,
) {
    let present_is = Value::from(present);
    let shown = harness.until_shown(agent, one(), |shown| {
        let records = shown["records"].as_array().unwrap();
        !shown["drained"].is_null() && records.iter().all(|record| record["present"] == present_is)
    });
    assert_eq!(shown["drained"]["reason"], "disk swap");
    assert!(shown["drained"]["until"].is_null(), "{shown}");
    assert_eq!(shown["in_service"], false);
    assert_eq!(shown["reason"], "drained");
    let verdict = |target| harness.get(&format!("/verdict/{target}"));
    assert_eq!(verdict(one()), (503, "drained\n".into()));
    assert_eq!(verdict(two()), (200, "up\n".into()));
    let (_, metrics) = harness.get("/metrics");
    let gone = format!("goavail_target_in_service{{target=\"{}\",name=\"{WWW}\"}} 0", one());
    let is_told = metrics.lines().any(|line| line.starts_with(&gone));
    assert_eq!(is_told, present.is_some(), "{metrics}");
    let table = harness.done(&["status"]);
    let line = format!("drained: {}: disk swap", one());
    assert!(table.lines().any(|shown| shown == line), "{table}");
}

#[test]
fn a_command_is_visible_in_the_next_status() {
    run(|| {
        for top in ["", STATE_FILE] {
            let harness = Harness::new(top);
            let _agent = harness.confirmed();
            for _ in 0..5 {
                harness.done(&["drain", &one().to_string()]);
                let shown = harness.shown(one());
                assert!(!shown["drained"].is_null(), "{shown}");
                assert_eq!(
                    (&shown["in_service"], &shown["reason"]),
                    (&false.into(), &"drained".into())
                );
                assert_eq!(harness.get(&format!("/verdict/{}", one())), (503, "drained\n".into()));
                harness.done(&["undrain", &one().to_string()]);
                let shown = harness.shown(one());
                assert!(shown["drained"].is_null(), "{shown}");
            }
        }
    });
}

#[test]
fn a_drain_with_an_end_ends_by_itself_and_the_records_come_back_as_they_were() {
    run(|| {
        let harness = Harness::new("");
        let mut agent = harness.confirmed();
        let said = harness.done(&["drain", &one().to_string(), "--for", "2s"]);
        let lines: Vec<_> = said.lines().collect();
        assert!(lines[0].starts_with(&format!("drained {} until 20", one())), "{said}");
        assert!(lines[0].ends_with(" UTC"), "whose clock it is, is said: {said}");
        let forgets =
            "warning: it will not survive a restart of the agent; set state_file to keep it";
        assert_eq!(lines[1..], [forgets], "there is no state file");
        let began = first(&mut agent, &["drained by operator", &about(one())]);
        first(&mut agent, &["withdrew", &about(one())]);
        let over = first(&mut agent, &["drain expired"]);
        let lasted = (over.at - began.at).as_secs_f64();
        // A line may be read here some time after it was written.
        assert!(lasted > 1.0, "{lasted} s");
        first(&mut agent, &["restored", &about(one())]);
        harness.assert_untouched(one());
        assert_eq!(harness.writes(), 2);
    });
}

#[test]
fn a_drain_ends_in_time_also_when_its_agent_was_killed_in_between() {
    run(|| {
        let harness = Harness::new(STATE_FILE);
        let mut agent = harness.confirmed();
        let said = harness.done(&["drain", &one().to_string(), "--for", "8s"]);
        assert_eq!(said.lines().count(), 1, "no warning: {said}");
        first(&mut agent, &["withdrew", &about(one())]);
        agent.kill();
        let mut agent = harness.start();
        // By its end, or because it had ended when the agent was there again.
        first(&mut agent, &["restored", &about(one())]);
        harness.assert_untouched(one());
        harness.until_shown(&mut agent, one(), |shown| shown["drained"].is_null());
    });
}

#[test]
fn a_drain_that_would_break_the_floor_is_refused_unless_it_is_forced() {
    run(|| {
        let harness = Harness::new("min_in_service = 1\n");
        let mut agent = harness.confirmed();
        harness.done(&["drain", &one().to_string()]);
        first(&mut agent, &["withdrew", &about(one())]);

        let refused = harness.goavail(&["drain", &two().to_string()]);
        assert_eq!((refused.code, refused.out.as_str()), (Some(1), ""));
        let why = format!(
            "goavail: draining {} would leave fewer than min_in_service addresses at ",
            two()
        );
        assert!(refused.complaint.starts_with(&why), "{}", refused.complaint);
        assert!(refused.complaint.ends_with("; use --force to drain it anyway\n"), "{refused:?}");
        assert_eq!(refused.complaint.lines().count(), 1, "{refused:?}");
        assert!(harness.shown(two())["drained"].is_null());
        assert_eq!(harness.get(&format!("/verdict/{}", two())), (200, "up\n".into()));
        assert_eq!(harness.writes(), 1);

        let fault = Fault::Answer(500, "<html>".into());
        harness.cloudflare.script(1, Entry::lists, fault);
        let refused = harness.goavail(&["drain", &two().to_string()]);
        assert_eq!(refused.code, Some(1));
        assert!(refused.complaint.contains("use --force to skip the check"), "{refused:?}");

        let forced = harness.done(&["drain", &two().to_string(), "--force"]);
        assert!(forced.starts_with(&format!("drained {}\n", two())), "{forced}");
        first(&mut agent, &["withdrew", &about(two())]);
        assert!(harness.cloudflare.zone(|zone| zone.records.is_empty()));
    });
}

#[test]
fn an_unknown_target_is_refused_and_the_listener_takes_no_commands() {
    run(|| {
        let harness = Harness::new("");
        let mut agent = harness.confirmed();
        for command in ["drain", "undrain"] {
            let refused = harness.goavail(&[command, "192.0.2.99"]);
            let want = "goavail: 192.0.2.99 is not a target of this agent\n";
            assert_eq!((refused.code, refused.complaint.as_str()), (Some(1), want), "{command}");
            let order = format!("POST /{command}/192.0.2.99");
            assert_eq!(ask(harness.connect_control(), &order).0, 404, "{command}");
            let order = format!("POST /{command}/{}", one());
            assert_eq!(ask(harness.connect(), &order).0, 404, "{command} on the listener");
        }
        let refused = harness.goavail(&["drain", &one().to_string(), "--for", "2x"]);
        assert_eq!(refused.code, Some(2), "{refused:?}");
        assert_eq!(harness.get(&format!("/verdict/{}", v4(99))).0, 404);
        assert_eq!(count(&mut agent, &["drained by operator"]), 0);
        assert_eq!(harness.writes(), 0);
    });
}

#[test]
fn an_order_in_dry_run_is_taken_and_writes_nothing() {
    run(|| {
        let harness = Harness::new(STATE_FILE);
        let mut agent = harness.setup("goavail.toml").args(["--dry-run"]).start();
        nth(&mut agent, 2, &["target confirmed up"]);
        let said = harness.done(&["drain", &one().to_string()]);
        let want = "warning: the agent runs in dry-run: nothing is written at the provider\n";
        assert!(said.ends_with(want) && said.lines().count() == 2, "{said}");
        first(&mut agent, &["would withdraw", &about(one())]);
        harness.until_shown(&mut agent, one(), |shown| !shown["drained"].is_null());
        assert_eq!(harness.get(&format!("/verdict/{}", one())), (503, "drained\n".into()));
        harness.done(&["undrain", &one().to_string()]);
        first(&mut agent, &["would restore", &about(one())]);
        agent.signal(Signal::TERM);
        assert_eq!(agent.wait_end(PATIENT).status.code(), Some(0));
        assert_eq!(harness.writes(), 0);
    });
}
