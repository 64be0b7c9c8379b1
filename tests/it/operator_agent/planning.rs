//! `goavail plan` beside a running agent.

use super::harness::{Harness, WWW, about, first, one, two};
use crate::agent::Agent;
use crate::fake_cloudflare::{Entry, Fault};
use crate::lab::run;

/// The exit code of `plan`, and its output.
fn plan(harness: &Harness) -> (i32, String) {
    let said = harness.goavail(&["plan"]);
    assert!(!said.complaint.contains("goavail: "), "{said:?}");
    (said.code.unwrap(), said.out)
}

/// Whether a line says that `address` goes (`-`) or comes (`+`).
fn has(plan: &str, sign: char, address: std::net::IpAddr) -> bool {
    let address = address.to_string();
    let mut lines = plan.lines().map(str::trim_start).filter(|line| line.starts_with(sign));
    lines.any(|line| line.split_whitespace().any(|word| word == address))
}

/// A record that somebody deletes is a difference, which the agent leaves alone; a drain is none.
fn changed_by_hand(harness: &Harness, agent: &mut Agent) {
    let content = two().to_string();
    harness.cloudflare.zone(|zone| {
        zone.records.retain(|record| record.name != WWW || record.content != content);
    });
    let (code, text) = plan(harness);
    assert!(code == 3 && has(&text, '+', two()), "a record is missing: {text}");
    let writes = harness.writes();
    harness.done(&["drain", &two().to_string()]);
    first(agent, &["withdrew", &about(two())]);
    harness.until_shown(agent, two(), |shown| !shown["drained"].is_null());
    let (code, text) = plan(harness);
    assert!(code == 0 && text.contains("drained"), "drained and gone: {text}");
    assert_eq!(harness.writes(), writes + 1, "plan never wrote");
}

#[test]
fn plan_ends_with_3_when_the_zone_is_not_as_the_agent_wants_it_and_with_0_when_it_is() {
    run(|| {
        let harness = Harness::new("min_in_service = 1\n");
        let mut agent = harness.confirmed();
        harness.until_shown(&mut agent, two(), |shown| shown["health"] == "up");
        harness.until_shown(&mut agent, one(), |shown| shown["health"] == "up");
        let (code, text) = plan(&harness);
        assert_eq!(code, 0, "all is well: {text}");
        assert!(text.contains("its verdicts decide the exit code"), "{text}");

        // A failure with a withdrawal that does not get through.
        harness.cloudflare.script(1000, Entry::writes, Fault::Answer(500, "<html>".into()));
        harness.lab.remove(&[one()]);
        first(&mut agent, &["target down", &about(one())]);
        harness.until_shown(&mut agent, one(), |shown| shown["in_service"] == false);
        let (code, text) = plan(&harness);
        assert!(code == 3 && has(&text, '-', one()), "withdrawn by verdict only: {text}");
        let json = harness.goavail(&["plan", "--json"]);
        assert_eq!(json.code, Some(3));
        serde_json::from_str::<serde_json::Value>(&json.out).expect("one JSON value");
        harness.cloudflare.forget_scripts();
        first(&mut agent, &["withdrew", &about(one())]);
        let (code, text) = plan(&harness);
        assert_eq!(code, 0, "withdrawn, as it should be: {text}");

        harness.lab.remove(&[two()]);
        first(&mut agent, &["refused to act", &about(two())]);
        harness.until_shown(&mut agent, two(), |shown| shown["reason"] == "floor");
        let (code, text) = plan(&harness);
        assert_eq!(code, 0, "the floor keeps it, which is no difference: {text}");
        assert!(text.contains("floor"), "{text}");

        harness.lab.add(&[one(), two()]);
        first(&mut agent, &["restored", &about(one())]);
        for target in [one(), two()] {
            harness.until_shown(&mut agent, target, |shown| {
                shown["health"] == "up" && shown["in_service"] == true
            });
        }
        assert_eq!(plan(&harness).0, 0);

        changed_by_hand(&harness, &mut agent);

        agent.kill();
        let (code, text) = plan(&harness);
        assert!(code == 3 && has(&text, '+', two()), "nobody's verdict: all healthy: {text}");
        assert!(text.contains("the exit code takes all targets for healthy"), "{text}");
    });
}
