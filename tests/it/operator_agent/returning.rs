//! Targets that come back late: where that is shown, how it ends by itself, and how by hand.

use std::time::Duration;

use super::harness::{Harness, about, ask, count, first, notice, nth, one, two};
use crate::agent::Agent;
use crate::lab::run;

/// Lets the target die for the `nth` time until it is withdrawn, and live until it is up again.
fn fails(harness: &Harness, agent: &mut Agent, time: usize) {
    harness.lab.remove(&[one()]);
    nth(agent, time, &["withdrew", &about(one())]);
    harness.lab.add(&[one()]);
    nth(agent, time, &["target up", &about(one())]);
}

/// Waits until the target is shown as one that waits.
fn assert_waits(harness: &Harness, agent: &mut Agent) {
    let shown = harness.until_shown(agent, one(), |shown| shown["reason"] == "returning");
    assert_eq!((&shown["health"], &shown["in_service"]), (&"up".into(), &false.into()), "{shown}");
}

#[test]
fn a_wait_is_shown_everywhere_and_ended_by_hand() {
    run(|| {
        let harness = Harness::new("");
        let (url, notices) = harness.inbox();
        let keys = "return_delay = 600\nreturn_delay_max = 3600\n";
        harness.write("goavail.toml", &harness.config(&format!("webhook_url = \"{url}\"\n{keys}")));
        let mut agent = harness.confirmed();
        let put_back = ["return", &one().to_string()];
        let none = format!("{} does not wait to be put back: it is in service\n", one());
        assert_eq!(harness.done(&put_back), none, "and exit code 0");
        fails(&harness, &mut agent, 1);
        first(&mut agent, &["target up", &about(one()), "back_in=\"10m\""]);
        assert_waits(&harness, &mut agent);
        let shown = harness.shown(one());
        let returning = &shown["returning"];
        let times = (&returning["delay_s"], &returning["withdrawals_1h"]);
        assert_eq!(times, (&600.0.into(), &1.into()), "{shown}");
        assert_eq!(harness.get(&format!("/verdict/{}", one())), (503, "down returning\n".into()));
        let (_, metrics) = harness.get("/metrics");
        let metric = format!("goavail_target_return_timestamp_seconds{{target=\"{}\"}} 1", one());
        assert!(metrics.lines().any(|line| line.starts_with(&metric)), "{metrics}");
        assert!(metrics.contains("goavail_refusals_total{reason=\"returning\"} 1"), "{metrics}");
        let table = harness.done(&["status"]);
        let line = format!("returning: {} back at ", one());
        assert!(table.contains(&line) && table.contains("no: returning"), "{table}");
        let (_, page) = harness.get("/");
        assert!(page.contains("<small>back at "), "{page}");
        let plan = harness.goavail(&["plan"]);
        assert_eq!(plan.code, Some(0), "the agent leaves it as it is: {plan:?}");
        assert!(plan.out.contains("returning"), "{plan:?}");
        assert!(harness.records(one()).is_empty());

        let said = harness.done(&put_back);
        assert_eq!(said, format!("putting {} back now\n", one()));
        first(&mut agent, &["wait ended by operator", &format!("target={}", one())]);
        first(&mut agent, &["restored", &about(one())]);
        harness.assert_untouched(one());
        harness.until_shown(&mut agent, one(), |shown| {
            shown["in_service"] == true && shown["returning"].is_null()
        });
        assert_eq!(harness.done(&put_back), none);
        assert!(notice(&notices, "restored")["detail"].is_null());

        fails(&harness, &mut agent, 2);
        let words = ["target up", &about(one()), "back_in=\"20m, second time in an hour\""];
        first(&mut agent, &words);
        let table = harness.done(&["status"]);
        assert!(table.contains(", second time in an hour"), "{table}");
        let undrain = harness.done(&["undrain", "--now", &one().to_string()]);
        assert_eq!(undrain, format!("gave {} back to the agent, without a wait\n", one()));
        nth(&mut agent, 2, &["restored", &about(one())]);
        assert_eq!(notice(&notices, "restored")["detail"], "second time in an hour");
        let again = harness.done(&["undrain", "--now", &one().to_string()]);
        assert_eq!(again, format!("{} was not drained\n", one()));
        harness.assert_untouched(two());
        assert_eq!(harness.writes(), 4, "two withdrawals, two returns");
    });
}

#[test]
fn a_target_is_put_back_by_itself_when_its_wait_is_over() {
    run(|| {
        let harness = Harness::new("return_delay = 1.5\n");
        let mut agent = harness.confirmed();
        fails(&harness, &mut agent, 1);
        let up = first(&mut agent, &["target up", &about(one())]);
        let restored = first(&mut agent, &["restored", &about(one())]);
        let waited = restored.at.duration_since(up.at);
        assert!(waited >= Duration::from_millis(1_400), "{waited:?}");
        harness.assert_untouched(one());
        assert_eq!(harness.writes(), 2);
    });
}

#[test]
fn a_reload_and_a_restart_in_the_middle_of_a_wait_put_the_target_back() {
    run(|| {
        let harness = Harness::new("return_delay = 600\n");
        let mut agent = harness.confirmed();
        fails(&harness, &mut agent, 1);
        assert_waits(&harness, &mut agent);
        harness.reload(&mut agent, &harness.config("return_delay = 900\n"));
        first(&mut agent, &["restored", &about(one())]);
        harness.assert_untouched(one());
        fails(&harness, &mut agent, 2);
        first(&mut agent, &["target up", &about(one()), "back_in=\"15m"]);
        assert_waits(&harness, &mut agent);
        agent.kill();
        let mut agent = harness.confirmed();
        first(&mut agent, &["restored", &about(one())]);
        assert!(!harness.records(one()).is_empty());
        assert_eq!(count(&mut agent, &["back_in="]), 0);
    });
}

#[test]
fn a_target_that_failed_while_it_was_drained_waits_unless_it_is_undrained_at_once() {
    run(|| {
        let harness = Harness::new("return_delay = 600\n");
        let mut agent = harness.confirmed();
        let target = one().to_string();
        harness.goavail(&["drain", &target]);
        first(&mut agent, &["withdrew", &about(one())]);
        harness.done(&["undrain", &target]);
        first(&mut agent, &["restored", &about(one())]);
        harness.goavail(&["drain", &target]);
        nth(&mut agent, 2, &["withdrew", &about(one())]);
        harness.lab.remove(&[one()]);
        first(&mut agent, &["target down", &about(one())]);
        harness.lab.add(&[one()]);
        first(&mut agent, &["target up", &about(one())]);
        let drained = harness.done(&["return", &target]);
        let want =
            "does not wait to be put back: it is drained; goavail undrain --now gives it back";
        assert!(drained.contains(want), "{drained}");
        assert_eq!(
            harness.done(&["undrain", &target]),
            format!("gave {target} back to the agent\n")
        );
        assert_waits(&harness, &mut agent);
        let (code, body) = ask(harness.connect_control(), &format!("POST /return/{target}"));
        assert_eq!(code, 200, "{body}");
        nth(&mut agent, 2, &["restored", &about(one())]);
        harness.goavail(&["drain", &target]);
        nth(&mut agent, 3, &["withdrew", &about(one())]);
        harness.lab.remove(&[one()]);
        nth(&mut agent, 2, &["target down", &about(one())]);
        harness.lab.add(&[one()]);
        nth(&mut agent, 2, &["target up", &about(one())]);
        harness.done(&["undrain", "--now", &target]);
        nth(&mut agent, 3, &["restored", &about(one())]);
    });
}
