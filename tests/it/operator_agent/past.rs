//! The recorded past of a real agent: explained, replayed, and tuned after it has ended.

use rustix::process::Signal;
use serde_json::Value;

use super::harness::{Harness, about, first, one, two};
use crate::agent::PATIENT;
use crate::lab::{run, v4};

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn an_agent_leaves_a_past_that_is_explained_replayed_and_tuned() {
    run(|| {
        let harness = Harness::new("history_file = \"history\"\n");
        let mut agent = harness.confirmed();
        harness.lab.remove(&[two()]);
        let withdrew = first(&mut agent, &["withdrew", &about(two())]);
        harness.lab.add(&[two()]);
        first(&mut agent, &["restored", &about(two())]);
        agent.signal(Signal::TERM);
        assert!(agent.wait_end(PATIENT).status.success());

        let time = withdrew.text.split_whitespace().next().unwrap();
        let out = harness.done(&["explain", "--at", time, "--json", &two().to_string()]);
        let out = json(&out);
        let target = &out["targets"][0];
        assert_eq!(
            (&target["in_service"], &target["cause"], &target["health"]),
            (&false.into(), &"down".into(), &"down".into()),
            "{out:#}"
        );
        assert!(time.starts_with(&out["asked_for"].as_str().unwrap()[..23]), "{out:#}");
        let table = harness.done(&["explain", "--at", "1s", &one().to_string()]);
        assert!(table.contains("the last recorded event up to "), "{table}");
        assert!(table.contains(": in service by its verdict;"), "{table}");

        for (time, address, code, want) in [
            ("2001-09-09T01:46:40Z", two(), 2, "--at: the history begins later; the nearest time"),
            ("2099-01-01T00:00:00Z", two(), 2, "--at: the history ends before; the nearest time"),
            ("noon", two(), 2, "a past time is written as 2026-12-01T03:04:05Z"),
            // As the running agent answers.
            ("1s", v4(9), 1, "10.0.0.9 is not a target of this agent; there is 10.0.0.1"),
        ] {
            let said = harness.goavail(&["explain", "--at", time, &address.to_string()]);
            assert_eq!((said.code, said.out.as_str()), (Some(code), ""), "{}", said.complaint);
            assert!(said.complaint.contains(want), "{}", said.complaint);
        }

        let replayed = json(&harness.done(&["replay", "--json"]));
        assert!(replayed.to_string().contains("withdrawals"), "{replayed:#}");
        let slower = harness.done(&["replay", "--set", "failure_threshold=5"]);
        assert!(slower.contains("withdrawals"), "{slower}");
        let tuned = harness.done(&["tune", "--at-most", "1/day"]);
        assert!(tuned.contains("failure_threshold"), "{tuned}");
    });
}

/// The text of the first element of a kind after a place of a drawing.
fn bar<'a>(drawing: &'a str, class: &str) -> &'a str {
    let kind = format!("<rect class=\"{class}\"");
    drawing.lines().find(|line| line.starts_with(&kind)).unwrap_or_else(|| panic!("{drawing}"))
}

#[test]
fn the_page_leads_to_a_drawing_of_the_last_day_of_each_target() {
    run(|| {
        let harness = Harness::new("history_file = \"history\"\n");
        let mut agent = harness.confirmed();
        harness.lab.remove(&[two()]);
        first(&mut agent, &["withdrew", &about(two())]);
        harness.lab.add(&[two()]);
        first(&mut agent, &["restored", &about(two())]);
        agent.signal(Signal::TERM);
        assert!(agent.wait_end(PATIENT).status.success());

        // The next one draws the record of the last one.
        let mut agent = harness.confirmed();
        harness.until_shown(&mut agent, one(), |shown| shown["health"] == "up");
        let (code, page) = harness.get("/");
        assert_eq!(code, 200);
        let link = format!("history/default/{}", two());
        assert!(page.contains(&format!("<a href=\"{link}\">last day</a>")), "{page}");
        let (code, drawing) = harness.get(&format!("/{link}"));
        assert_eq!(code, 200, "{drawing}");
        let down = bar(&drawing, "down");
        assert!(down.contains("<title>down from 20") && !down.contains("now"), "{down}");
        assert!(bar(&drawing, "out").contains("<title>out of DNS from 20"), "{drawing}");
        bar(&drawing, "loss");
        let (code, alive) = harness.get(&format!("/history/default/{}", one()));
        assert!(code == 200 && !alive.contains("class=\"down\""), "{alive}");
        let (code, said) = harness.get(&format!("/history/www/{}", two()));
        assert_eq!((code, said.contains("does not have this target")), (404, true), "{said}");
        assert!(agent.lines_with(&["panic"]).is_empty());
    });
}
