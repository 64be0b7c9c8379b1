//! Names with trouble of their own, names that held nothing, and records that nobody looks after.

use std::sync::mpsc::Receiver;

use serde_json::Value;

use super::harness::{API, Harness, WWW, about, first, notice, one, two};
use crate::fake_cloudflare::{Entry, Fault};
use crate::lab::run;

const CDN: &str = "cdn.example.com";

/// A harness with [`CDN`] as its third name, and its notices.
fn harness_with_three_names() -> (Harness, Receiver<Value>) {
    let harness = Harness::new("");
    let (url, notices) = harness.inbox();
    for target in [one(), two()] {
        harness.cloudflare.zone(|zone| {
            zone.seed("A", CDN, &target.to_string());
        });
    }
    let config = harness.config(&format!("webhook_url = \"{url}\"\n"));
    let config = config.replace("[\"www\", \"api\"]", "[\"www\", \"api\", \"cdn\"]");
    harness.write("goavail.toml", &config);
    (harness, notices)
}

fn names(harness: &Harness) -> Vec<String> {
    harness.records(one()).into_iter().map(|record| record.name).collect()
}

/// The gauge of a name that is left alone.
fn gauge(harness: &Harness, name: &str) -> Option<f64> {
    let (_, text) = harness.get("/metrics");
    let start = format!("goavail_name_failing{{name=\"{name}\"}} ");
    text.lines().find_map(|line| line.strip_prefix(&start)?.parse().ok())
}

#[test]
fn one_name_of_three_becomes_a_cname_and_the_dead_address_leaves_and_rejoins_the_others() {
    run(|| {
        let (harness, notices) = harness_with_three_names();
        let mut agent = harness.confirmed();
        assert_eq!(gauge(&harness, API), Some(0.0));
        harness.cloudflare.zone(|zone| {
            zone.records.retain(|record| record.name != API);
            zone.seed("CNAME", API, "www.example.net");
        });
        harness.lab.remove(&[one()]);
        first(&mut agent, &["withdrew", &about(one())]);
        assert_eq!(names(&harness), [""; 0]);
        harness.lab.add(&[one()]);
        first(&mut agent, &["WARN", "left alone", "name=\"api.example.com\""]);
        first(&mut agent, &["restored", &about(one())]);
        assert_eq!(names(&harness), [CDN, WWW]);

        let told = notice(&notices, "name_failing");
        assert_eq!(told["names"], serde_json::json!([API]), "{told:#}");
        assert!(told["detail"].as_str().unwrap().contains("CNAME"), "{told:#}");
        harness.until_shown(&mut agent, one(), |_| gauge(&harness, API) == Some(1.0));
        assert_eq!(gauge(&harness, CDN), Some(0.0));
        let failing = harness.status()["failing"].take();
        let what = "look after the records of api.example.com";
        assert_eq!(failing.as_array().unwrap().len(), 1, "{failing:#}");
        assert_eq!(failing[0]["what"], what, "{failing:#}");

        harness.cloudflare.zone(|zone| zone.records.retain(|record| record.kind != "CNAME"));
        first(&mut agent, &["name is maintained again", "name=\"api.example.com\""]);
        assert_eq!(names(&harness), [API, CDN, WWW]);
        assert_eq!(notice(&notices, "name_back")["names"], serde_json::json!([API]));
        harness.until_shown(&mut agent, one(), |_| gauge(&harness, API) == Some(0.0));
        assert_eq!(harness.status()["failing"], serde_json::json!([]));
    });
}

#[test]
fn a_name_that_held_nothing_is_created_with_a_question_everywhere() {
    run(|| {
        let harness = Harness::new("");
        let (url, notices) = harness.inbox();
        let config = harness.config(&format!("webhook_url = \"{url}\"\n"));
        harness.write(
            "goavail.toml",
            &config.replace("\"www\", \"api\"", "\"www\", \"api\", \"wwv\""),
        );
        let plan = harness.goavail(&["plan"]);
        let question =
            "? wwv.example.com holds no address and nothing is remembered of it; is it misspelt?";
        assert!(plan.code == Some(3) && plan.out.contains(question), "{plan:?}");
        let mut agent = harness.start();
        let asks =
            "created: the name held no address and nothing is remembered of it; is it misspelt?";
        for target in [one(), two()] {
            let line = first(&mut agent, &["WARN", asks, &about(target)]);
            assert!(line.text.contains("names=\"wwv.example.com\""), "{line:?}");
        }
        let told = notice(&notices, "created");
        assert_eq!(told["names"], serde_json::json!(["wwv.example.com"]));
        assert!(told["detail"].as_str().unwrap().ends_with("is it misspelt?"), "{told:#}");
        harness.until_shown(&mut agent, one(), |_| harness.status()["last_change"].is_object());
        let change = harness.status()["last_change"].take();
        let what = change["what"].as_str().unwrap();
        assert!(what.starts_with("created ") && what.ends_with(" at wwv.example.com"), "{what}");
        let text = harness.done(&["plan"]);
        assert!(!text.contains("misspelt"), "it holds addresses now: {text}");
    });
}

#[test]
fn a_target_taken_off_the_list_while_withdrawn_is_named_with_its_names() {
    run(|| {
        let harness = Harness::new("");
        let mut agent = harness.confirmed();
        harness.lab.remove(&[one()]);
        first(&mut agent, &["withdrew", &about(one())]);
        let both = format!("{:?}", [one().to_string(), two().to_string()]);
        let left = format!("{:?}", [two().to_string()]);
        harness.reload(&mut agent, &harness.config("").replace(&both, &left));
        let words =
            ["WARN", "removed from the configuration while withdrawn; its record is not restored"];
        let line = first(&mut agent, &[words[0], words[1], &about(one())]);
        assert!(line.text.contains("names=\"api.example.com,www.example.com\""), "{line:?}");
    });
}

#[test]
fn the_state_after_a_write_without_an_answer_is_reported_as_unknown() {
    run(|| {
        let harness = Harness::new("");
        let mut agent = harness.confirmed();
        harness.until_shown(&mut agent, one(), |shown| shown["records"][0]["present"] == true);
        harness.cloudflare.script(1, Entry::writes, Fault::CutAfter);
        harness.lab.remove(&[one()]);
        let shown = harness.until_shown(&mut agent, one(), |shown| {
            shown["in_service"] == false && shown["records"][0]["present"].is_null()
        });
        assert!(shown["records"][1]["present"].is_null(), "{shown:#}");
        first(&mut agent, &["withdrew", &about(one())]);
        let (_, text) = harness.get("/metrics");
        let of = |target| format!("goavail_target_in_service{{target=\"{target}\"");
        assert!(!text.contains(&of(one())), "it is not known: {text}");
        assert!(text.contains(&of(two())), "{text}");
    });
}
