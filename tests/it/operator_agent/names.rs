//! Names with trouble of their own, names that held nothing, and records that nobody looks after.

use std::sync::mpsc::Receiver;

use serde_json::Value;

use super::desk::{API, Desk, WWW, about, first, notice, one, two};
use crate::fake_cloudflare::{Entry, Fault};
use crate::lab::run;

const CDN: &str = "cdn.example.com";

/// A desk with [`CDN`] as its third name, and its notices.
fn desk_of_three() -> (Desk, Receiver<Value>) {
    let desk = Desk::new("");
    let (url, notices) = desk.inbox();
    for target in [one(), two()] {
        desk.cloudflare.zone(|zone| {
            zone.seed("A", CDN, &target.to_string());
        });
    }
    let config = desk.config(&format!("webhook_url = \"{url}\"\n"));
    let config = config.replace("[\"www\", \"api\"]", "[\"www\", \"api\", \"cdn\"]");
    desk.write("goavail.toml", &config);
    (desk, notices)
}

fn names(desk: &Desk) -> Vec<String> {
    desk.records(one()).into_iter().map(|record| record.name).collect()
}

/// The gauge of a name that is left alone.
fn gauge(desk: &Desk, name: &str) -> Option<f64> {
    let (_, text) = desk.get("/metrics");
    let start = format!("goavail_name_failing{{name=\"{name}\"}} ");
    text.lines().find_map(|line| line.strip_prefix(&start)?.parse().ok())
}

#[test]
fn one_name_of_three_becomes_a_cname_and_the_dead_address_leaves_and_rejoins_the_others() {
    run(|| {
        let (desk, notices) = desk_of_three();
        let mut agent = desk.confirmed();
        assert_eq!(gauge(&desk, API), Some(0.0));
        desk.cloudflare.zone(|zone| {
            zone.records.retain(|record| record.name != API);
            zone.seed("CNAME", API, "www.example.net");
        });
        desk.lab.remove(&[one()]);
        first(&mut agent, &["withdrew", &about(one())]);
        assert_eq!(names(&desk), [""; 0]);
        desk.lab.add(&[one()]);
        first(&mut agent, &["WARN", "left alone", "name=\"api.example.com\""]);
        first(&mut agent, &["restored", &about(one())]);
        assert_eq!(names(&desk), [CDN, WWW]);

        let told = notice(&notices, "name_failing");
        assert_eq!(told["names"], serde_json::json!([API]), "{told:#}");
        assert!(told["detail"].as_str().unwrap().contains("CNAME"), "{told:#}");
        desk.until_shown(&mut agent, one(), |_| gauge(&desk, API) == Some(1.0));
        assert_eq!(gauge(&desk, CDN), Some(0.0));
        let failing = desk.status()["failing"].take();
        let what = "look after the records of api.example.com";
        assert_eq!(failing.as_array().unwrap().len(), 1, "{failing:#}");
        assert_eq!(failing[0]["what"], what, "{failing:#}");

        desk.cloudflare.zone(|zone| zone.records.retain(|record| record.kind != "CNAME"));
        first(&mut agent, &["name is maintained again", "name=\"api.example.com\""]);
        assert_eq!(names(&desk), [API, CDN, WWW]);
        assert_eq!(notice(&notices, "name_back")["names"], serde_json::json!([API]));
        desk.until_shown(&mut agent, one(), |_| gauge(&desk, API) == Some(0.0));
        assert_eq!(desk.status()["failing"], serde_json::json!([]));
    });
}

#[test]
fn a_name_that_held_nothing_is_created_with_a_question_everywhere() {
    run(|| {
        let desk = Desk::new("");
        let (url, notices) = desk.inbox();
        let config = desk.config(&format!("webhook_url = \"{url}\"\n"));
        desk.write(
            "goavail.toml",
            &config.replace("\"www\", \"api\"", "\"www\", \"api\", \"wwv\""),
        );
        let plan = desk.goavail(&["plan"]);
        let question =
            "? wwv.example.com holds no address and nothing is remembered of it; is it misspelt?";
        assert!(plan.code == Some(3) && plan.out.contains(question), "{plan:?}");
        let mut agent = desk.start();
        let asks =
            "created: the name held no address and nothing is remembered of it; is it misspelt?";
        for target in [one(), two()] {
            let line = first(&mut agent, &["WARN", asks, &about(target)]);
            assert!(line.text.contains("names=\"wwv.example.com\""), "{line:?}");
        }
        let told = notice(&notices, "created");
        assert_eq!(told["names"], serde_json::json!(["wwv.example.com"]));
        assert!(told["detail"].as_str().unwrap().ends_with("is it misspelt?"), "{told:#}");
        desk.until_shown(&mut agent, one(), |_| desk.status()["last_change"].is_object());
        let change = desk.status()["last_change"].take();
        let what = change["what"].as_str().unwrap();
        assert!(what.starts_with("created ") && what.ends_with(" at wwv.example.com"), "{what}");
        let text = desk.done(&["plan"]);
        assert!(!text.contains("misspelt"), "it holds addresses now: {text}");
    });
}

#[test]
fn a_target_taken_off_the_list_while_withdrawn_is_named_with_its_names() {
    run(|| {
        let desk = Desk::new("");
        let mut agent = desk.confirmed();
        desk.lab.remove(&[one()]);
        first(&mut agent, &["withdrew", &about(one())]);
        let both = format!("{:?}", [one().to_string(), two().to_string()]);
        let left = format!("{:?}", [two().to_string()]);
        desk.reload(&mut agent, &desk.config("").replace(&both, &left));
        let words =
            ["WARN", "removed from the configuration while withdrawn; its record is not restored"];
        let line = first(&mut agent, &[words[0], words[1], &about(one())]);
        assert!(line.text.contains("names=\"api.example.com,www.example.com\""), "{line:?}");
    });
}

#[test]
fn nobody_says_what_is_there_after_a_write_without_an_answer() {
    run(|| {
        let desk = Desk::new("");
        let mut agent = desk.confirmed();
        desk.until_shown(&mut agent, one(), |shown| shown["records"][0]["present"] == true);
        desk.cloudflare.script(1, Entry::writes, Fault::CutAfter);
        desk.lab.remove(&[one()]);
        let shown = desk.until_shown(&mut agent, one(), |shown| {
            shown["in_service"] == false && shown["records"][0]["present"].is_null()
        });
        assert!(shown["records"][1]["present"].is_null(), "{shown:#}");
        first(&mut agent, &["withdrew", &about(one())]);
        let (_, text) = desk.get("/metrics");
        let of = |target| format!("goavail_target_in_service{{target=\"{target}\"");
        assert!(!text.contains(&of(one())), "it is not known: {text}");
        assert!(text.contains(&of(two())), "{text}");
    });
}
