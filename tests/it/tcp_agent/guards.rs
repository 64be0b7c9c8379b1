//! Thresholds, pace and guards are the same as with echo requests.

use super::{QUICK, config, count, open, open_all, start, target};
use crate::lab::{Lab, Place, run, v4, v6};

#[test]
fn canaries_with_ports_tell_an_isolated_agent_from_dead_targets() {
    run(|| {
        let lab = Lab::new();
        let targets = [v4(1), v6(1)];
        let mut tcp_services = open_all(&lab, &targets);
        lab.add(&[v4(9), v6(9)]);
        let _canaries = [open(&lab, v4(9), 53), open(&lab, v6(9), 53)];
        let canaries = format!("canaries = [\"{}:53\", \"[{}]:53\"]\n", v4(9), v6(9));
        let mut agent = start(&lab, &config(&format!("{QUICK}{canaries}"), &targets), "info");
        agent.nth(2, &["target confirmed up"]);

        lab.cut(Place::Agent(0), Place::World);
        agent.nth(1, &["isolated: no canary answers", "reason=\"isolated\""]);
        lab.mend(Place::Agent(0), Place::World);
        agent.nth(1, &["no longer isolated"]);
        assert_eq!(count(&mut agent, &["target down"]), 0);

        tcp_services.pop();
        agent.nth(1, &["target down", &target(v6(1)), "losses=3"]);
        agent.nth(1, &["would withdraw", &target(v6(1))]);
        assert_eq!(count(&mut agent, &["isolated: no canary answers"]), 1);
        assert_eq!(count(&mut agent, &["would withdraw"]), 1);
    });
}

#[test]
fn the_floor_keeps_the_last_address_and_both_thresholds_count_exactly() {
    run(|| {
        let lab = Lab::new();
        let targets = [v4(1), v4(2)];
        let mut tcp_services = open_all(&lab, &targets);
        let top = format!("{QUICK}recovery_threshold = 5\nmin_in_service = 1\n");
        let mut agent = start(&lab, &config(&top, &targets), "info");
        agent.nth(2, &["target confirmed up", "replies=5"]);

        tcp_services.pop();
        agent.nth(1, &["target down", &target(v4(2)), "losses=3"]);
        agent.nth(1, &["would withdraw", &target(v4(2))]);
        tcp_services.pop();
        agent.nth(1, &["refused to act", &target(v4(1)), "reason=\"floor\""]);

        tcp_services.push(open(&lab, v4(2), super::PORT));
        agent.nth(1, &["target up", &target(v4(2)), "replies=5"]);
        agent.nth(1, &["would restore", &target(v4(2))]);
        agent.nth(1, &["would withdraw", &target(v4(1))]);
        agent.nth(1, &["no longer refused", &target(v4(1)), "reason=\"floor\""]);
    });
}
