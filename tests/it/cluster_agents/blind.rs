//! An agent without evidence about its targets, and its earlier votes on them.

use goavail::testing::status::model::Health;

use super::harness::{Harness, Members, about, first, name, shown};
use crate::lab::{Place, run, v4};

#[test]
fn a_down_of_an_agent_whose_route_is_gone_makes_no_quorum_and_it_shows_that_it_does_not_know() {
    run(|| {
        let targets = [v4(1), v4(2)];
        let harness = Harness::new(3, &targets);
        let mut agents = harness.start_all(&[0, 1, 2], &Members::new(3, &targets));
        harness.lab.cut(Place::Agent(0), Place::World);
        harness.until_vote(1, 0, targets[0], Health::Down);
        // From now on it cannot even ask; its peers and Cloudflare are on its own link.
        harness.lab.agent(0).ip("route del default\n");
        harness.lab.mend(Place::Agent(0), Place::World);

        let voter = name(0).to_string();
        harness.until_status(1, |status| {
            shown(status, targets[0]).votes.iter().all(|vote| vote.peer != voter)
        });
        harness.until_status(0, |status| shown(status, targets[0]).health == Health::Unknown);
        harness.lab.cut(Place::Agent(1), Place::World);
        let refused = ["refused to act", "reason=\"no_quorum\"", &about(targets[0])];
        let line = first(&mut agents[1], &refused);
        assert!(line.has(&["0 of 1 peers agree: none"]), "{line:?}");
        harness.holds(&targets, 0);
    });
}
