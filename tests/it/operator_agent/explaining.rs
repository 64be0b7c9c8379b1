//! `goavail explain` beside a running agent: why an address is still in, why it was taken out, and the
//! errors that a person meets.

use serde_json::Value;

use super::harness::{Harness, LISTEN, Said, about, first, one, two};
use crate::lab::{run, v4};

/// Returns the explanation of a target as JSON.
fn explained(harness: &Harness, target: &str) -> Value {
    let text = harness.done(&["explain", "--json", target]);
    let mut answer: Value = serde_json::from_str(&text).unwrap();
    answer["targets"][0].take()
}

/// Returns the answer of a guard, in one word, and the evidence.
fn answer(explained: &Value, guard: &str) -> (String, String) {
    let guards = explained["guards"].as_array().unwrap();
    let found = guards.iter().find(|it| it["guard"] == guard).expect("every guard is named");
    let text = |key: &str| found[key].as_str().unwrap().to_owned();
    (text("answer"), text("evidence"))
}

fn line<'a>(table: &'a str, start: &str) -> &'a str {
    let found = table.lines().find(|line| line.starts_with(start));
    found.unwrap_or_else(|| panic!("{start} is missing:\n{table}"))
}

#[test]
fn it_says_why_a_dead_address_is_still_in_and_why_another_one_is_out() {
    run(|| {
        let harness = Harness::new("min_in_service = 1\n");
        let mut agent = harness.confirmed();
        // At first the verdict is compared with DNS once.
        harness.until_shown(&mut agent, one(), |_| {
            let next = explained(&harness, &one().to_string())["next"].take();
            next.as_str().unwrap().starts_with("it stays.")
        });
        let well = harness.done(&["explain", &one().to_string()]);
        assert!(
            well.contains(": in service by its verdict; in DNS at 2 of 2 names; up;"),
            "{well}"
        );
        assert_eq!(line(&well, "next:"), "next: it stays. If it failed now, it would be taken out");
        assert!(line(&well, "floor").contains("would pass"), "{well}");

        harness.lab.remove(&[two()]);
        first(&mut agent, &["withdrew", &about(two())]);
        let out = harness.done(&["explain", &two().to_string()]);
        assert!(out.contains("withdrawn, since it is down; in DNS at none of 2 names"), "{out}");
        assert!(line(&out, "waits for:").contains("a full run of replies"), "{out}");
        let health = line(&out, "health");
        assert!(health.contains("losses in a row, 3 make it down"), "{out}");

        harness.lab.remove(&[one()]);
        first(&mut agent, &["refused to act", &about(one()), r#"reason="floor""#]);
        let kept = harness.done(&["explain", &one().to_string()]);
        assert!(line(&kept, "next:").contains("it would be taken out, but floor holds:"), "{kept}");
        assert!(line(&kept, "floor").contains("holds"), "{kept}");
        assert!(kept.contains("www.example.com A has 1 with this one"), "{kept}");
        let json = explained(&harness, &one().to_string());
        assert_eq!(
            (&json["reason"], &json["health"]),
            (&"floor".into(), &"down".into()),
            "{json:#}"
        );
        // The status follows once a second.
        harness.until_shown(&mut agent, one(), |shown| shown["reason"] == json["reason"]);
        assert_eq!(answer(&json, "health").0, "calls", "{json:#}");

        harness.lab.add(&[one(), two()]);
        first(&mut agent, &["restored", &about(two())]);
        harness.done(&["drain", &one().to_string(), "--for", "2h", "--reason", "disk swap"]);
        let drained = explained(&harness, &one().to_string());
        let (word, evidence) = answer(&drained, "drained");
        assert_eq!(word, "settles", "{drained:#}");
        assert!(evidence.ends_with("(--force): disk swap") || evidence.ends_with(": disk swap"));
    });
}

#[test]
fn an_isolated_agent_names_the_canary_and_its_misses() {
    run(|| {
        let harness = Harness::new(&format!("canaries = [\"{}\"]\n", v4(9)));
        harness.lab.add(&[v4(9)]);
        let mut agent = harness.confirmed();
        let names = |json: &Value| json["guards"].to_string().contains("canary 10.0.0.9 answered");
        assert!(names(&explained(&harness, &one().to_string())));
        harness.lab.remove(&[v4(9), one()]);
        agent.wait_for_words(&["isolated: no canary answers"]);
        let shown = harness.until_shown(&mut agent, one(), |shown| shown["reason"] == "isolated");
        let json = explained(&harness, &one().to_string());
        assert_eq!((&json["reason"], &json["in_service"]), (&shown["reason"], &true.into()));
        let (word, evidence) = answer(&json, "isolated");
        assert_eq!(word, "holds", "{json:#}");
        assert!(evidence.contains("no canary answers"), "{json:#}");
        assert!(json["guards"].to_string().contains("in a row since"), "{json:#}");
        assert!(json["next"].as_str().unwrap().starts_with("it would be taken out, but isolated"));
    });
}

#[test]
fn an_unknown_address_is_refused_with_the_known_ones_and_the_listener_answers_too() {
    run(|| {
        let harness = Harness::new("");
        let _agent = harness.confirmed();
        let Said { code, out, complaint } = harness.goavail(&["explain", "10.0.0.9"]);
        assert_eq!((code, out.as_str()), (Some(1), ""));
        let want = "goavail: 10.0.0.9 is not a target of this agent; there is 10.0.0.1, 10.0.0.2\n";
        assert_eq!(complaint, want);
        let Said { code, complaint, .. } = harness.goavail(&["explain", "shop/10.0.0.1"]);
        assert_eq!(code, Some(1));
        let want = "goavail: this agent has no service called shop; there is default\n";
        assert_eq!(complaint, want);

        assert_eq!(harness.get("/explain/web1").0, 404);
        let (code, body) = harness.get("/explain/default/10.0.0.1");
        assert_eq!(code, 200, "{body}");
        let status = format!("listen = \"{LISTEN}\"\n");
        harness.write("goavail.toml", &harness.config_with("", &status));
        let table = harness.done(&["explain", "10.0.0.1"]);
        assert!(table.contains("GUARD      ANSWER          EVIDENCE"), "{table}");
        let longest = table.lines().map(|line| line.chars().count()).max();
        assert!(longest <= Some(100), "{table}");
    });
}
