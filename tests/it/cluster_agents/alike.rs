//! Wrong answers in a cluster: of all targets, of one, and a target that became unreachable.

use std::net::{IpAddr, TcpListener};

use super::harness::{Harness, Members, about, first};
use crate::checks_agent::WebServer;
use crate::lab::{run, v4};

impl Harness {
    /// Opens a web server at each target.
    fn web_servers(&self, targets: &[IpAddr]) -> Vec<WebServer> {
        let listen = |target: &IpAddr| {
            let address = (*target, 80);
            self.lab.world().run(|| TcpListener::bind(address)).expect("it is free")
        };
        targets.iter().map(listen).map(WebServer::at).collect()
    }
}

/// acassen/keepalived#2115: a check did not notice that a server became unreachable.
#[test]
fn what_all_targets_answer_moves_nothing_and_one_broken_target_goes_once() {
    run(|| {
        let targets = [v4(1), v4(2), v4(3)];
        let harness = Harness::new(3, &targets);
        let servers = harness.web_servers(&targets);
        let mut members = Members::new(3, &targets);
        members.top += "check = { type = \"http\" }\n";
        let mut agents = harness.start_all(&[0, 1, 2], &members);

        for server in &servers {
            server.answers("503 Service Unavailable", "deploying");
        }
        for agent in &mut agents {
            first(agent, &["targets fail alike", "status 503"]);
            agent.nth(3, &["target down"]);
        }
        for server in &servers {
            server.answers("200 OK", "well");
        }
        for agent in &mut agents {
            first(agent, &["targets no longer fail alike"]);
            agent.nth(3, &["target up"]);
        }
        harness.holds(&targets, 0);

        servers[1].answers("503 Service Unavailable", "broken");
        harness.until_written(1);
        assert_eq!(harness.in_service().len(), 2);
        servers[1].answers("200 OK", "well");
        harness.until_written(2);

        harness.lab.remove(&[targets[2]]);
        harness.lab.refuse(&[targets[2]]);
        harness.until_written(3);
        for agent in &mut agents {
            first(agent, &["target down", &about(targets[2]), "said="]);
        }
        harness.holds(&targets[..2], 3);
    });
}
