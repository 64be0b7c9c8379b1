//! The files in `examples/`, rehearsed by the real binary as they stand, each in a network namespace of
//! its own: the ports of checks are the ones in the files, and nothing leaves the machine.

#![expect(clippy::unwrap_used, reason = "what fails here fails its test")]

use std::path::Path;

use crate::agent::{Agent, Setup, Within};
use crate::lab::{self, Namespace};

fn example(name: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(root.join(format!("examples/{name}.toml"))).unwrap()
}

fn rehearse(network: &Namespace, text: &str) -> Agent {
    let within = Within::Lab(network);
    Setup::new(text, within).args(["monitor", "--rehearse", "127.0.0.2"]).start()
}

/// Waits for the whole story of a rehearsal.
fn goes_and_comes_back(agent: &mut Agent) {
    agent.wait_for_words(&["would withdraw", "127.0.0.2"]);
    agent.wait_for_words(&["would restore", "127.0.0.2"]);
    agent.wait_for_words(&["rehearsal: complete"]);
}

/// Those that are asked by echo requests, which loopback answers.
#[test]
fn one_service_standby_and_name_servers_of_ones_own_are_rehearsed_as_they_stand() {
    lab::run(|| {
        let network = Namespace::new("examples");
        let shipped =
            std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("goavail.toml"));
        let texts = [shipped.unwrap(), example("rfc2136"), example("webhook"), example("notify")];
        let mut agents: Vec<_> = texts.iter().map(|text| rehearse(&network, text)).collect();
        let mut standby = rehearse(&network, &example("active-standby"));
        agents.iter_mut().for_each(goes_and_comes_back);
        standby.wait_for_words(&["would withdraw", "127.0.0.2"]);
        standby.nth(1, &["would restore", "127.0.0.9"]);
        standby.nth(1, &["would restore", "127.0.0.2"]);
    });
}

/// Three agents with one file, each with an address of its own, as its head says.
#[test]
fn a_cluster_of_three_is_rehearsed_as_its_head_says() {
    lab::run(|| {
        let network = Namespace::new("examples-cluster");
        let first = example("cluster").replace("interval = 1\n", "interval = 0.5\n");
        let own = "127.0.0.21:8079";
        let other = |its: &str| {
            first
                .replace(own, "first")
                .replace(its, own)
                .replace("\"first\"", &format!("\"{its}\""))
        };
        let texts = [first.clone(), other("127.0.0.22:8079"), other("127.0.0.23:8079")];
        let mut agents: Vec<_> = texts.iter().map(|text| rehearse(&network, text)).collect();
        // The first one in rank acts; the others find it done, in dry-run each on its own.
        let mut acted = agents.remove(0);
        acted.wait_for_words(&["verdict", "out of service", "127.0.0.2"]);
        acted.wait_for_words(&["verdict", "in service", "127.0.0.2"]);
        acted.wait_for_words(&["rehearsal: complete"]);
    });
}
