//! Agents that cannot reach Cloudflare, or that it misinforms, while everything else works.

use std::time::Duration;

use serde_json::json;

use super::harness::{Harness, Members, about, first, ranked_one, shown, withdrawn_by};
use crate::fake_cloudflare::{Entry, Fault};
use crate::lab::{run, v4};

/// A target that nothing happens to.
const CALM: u32 = 9_999;

#[test]
fn rank_0_cut_off_from_the_provider_is_replaced_after_five_seconds_and_one_listing() {
    run(|| {
        let target = ranked_one(&[0, 1, 2], 3);
        let harness = Harness::new(3, &[target, v4(CALM)]);
        let members = Members { min: 2, ..Members::new(3, &[target, v4(CALM)]) };
        let mut agents = harness.start_all(&[0, 1, 2], &members);
        harness.shut_gate(0);
        harness.lab.remove(&[target]);
        first(&mut agents[0], &["WARN", "retry_in"]);
        let verdict = first(&mut agents[1], &["verdict=\"out of service\"", "acts_after=\"5s\""]);
        let written = harness.until_written(1).arrived;
        let after = written - verdict.at;
        eprintln!("the next rank wrote {after:?} after its verdict");
        // A line may be read here some time after it was written.
        let soonest = Duration::from_secs(3);
        assert!(after > soonest, "{after:?}");
        let log = harness.cloudflare.log();
        let reads = log.iter().filter(|entry| entry.lists());
        let before = reads.filter(|entry| entry.arrived < written).map(|entry| entry.arrived);
        let read = before.max().unwrap();
        assert!(read > verdict.at + soonest, "it read what the others had done");

        harness.open_gate(0);
        for index in 0..3 {
            harness.until_settled(index, target, false);
        }
        harness.holds(&[v4(CALM)], 1);
        assert_eq!(harness.writes().len(), 1, "nobody else even tried");
        assert_eq!(withdrawn_by(&mut agents, target), [1]);
    });
}

#[test]
fn all_agents_cut_off_from_the_provider_report_it_and_catch_up() {
    run(|| {
        let target = ranked_one(&[0, 1, 2], 3);
        let harness = Harness::new(3, &[target, v4(CALM)]);
        let mut agents = harness.start_all(&[0, 1, 2], &Members::new(3, &[target, v4(CALM)]));
        for index in 0..3 {
            harness.shut_gate(index);
        }
        harness.lab.remove(&[target]);
        for (index, agent) in agents.iter_mut().enumerate() {
            first(agent, &["verdict=\"out of service\"", &about(target)]);
            first(agent, &["WARN", "retry_in"]);
            let status = harness.until_status(index, |status| {
                // The verdict is visible although DNS does not follow it.
                !status.failing.is_empty() && !shown(status, target).serves()
            });
            assert!(status.last_error.is_some(), "{status:#?}");
        }
        harness.holds(&[target, v4(CALM)], 0);
        for index in 0..3 {
            harness.open_gate(index);
        }
        for index in 0..3 {
            harness.until_settled(index, target, false);
        }
        for agent in &mut agents {
            first(agent, &["DNS provider recovered"]);
        }
        assert_eq!(harness.in_service(), [v4(CALM).to_string()]);
        assert_eq!(withdrawn_by(&mut agents, target).len(), 1, "once in effect");
    });
}

/// A listing can be empty for a while though the records exist. In a cluster a record that is missing
/// counts as withdrawn by another agent, so the next rank lists the zone for itself, and each agent
/// lists it again later.
#[test]
fn a_listing_that_was_empty_once_for_each_agent_leaves_no_dead_address_in() {
    run(|| {
        let target = ranked_one(&[0, 1, 2], 3);
        let harness = Harness::new(3, &[target, v4(CALM)]);
        let mut agents = harness.start_all(&[0, 1, 2], &Members::new(3, &[target, v4(CALM)]));
        let info = json!({
            "page": 1, "per_page": 5000, "count": 0, "total_count": 0, "total_pages": 0
        });
        let empty = json!({
            "success": true, "errors": [], "messages": [], "result": [], "result_info": info
        });
        let empty = Fault::Answer(200, empty.to_string());
        let met = harness.cloudflare.script(3, Entry::lists, empty);
        harness.lab.remove(&[target]);
        harness.runtime().block_on(met.wait());
        // An agent that believes the empty listing shows the address as gone, so the write is awaited.
        harness.until_written(1);
        for index in 0..3 {
            harness.until_settled(index, target, false);
        }
        assert_eq!(harness.in_service(), [v4(CALM).to_string()]);
        assert_eq!(withdrawn_by(&mut agents, target).len(), 1, "by one of them");
    });
}
