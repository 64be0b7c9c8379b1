//! The sockets of the agent's probes, and the error if it is permitted none.

use super::{Harness, PATIENT, WWW, first, nth, setup, writes};
use crate::agent::Within;
use crate::lab::{run, v4, v6};

/// The group that the agent runs as; a user namespace knows no other.
const ITS_GROUP: &str = "0 0";

#[test]
fn without_any_privilege_one_line_names_three_ways_out() {
    run(|| {
        let harness = Harness::serving(&[v4(1)]);
        let text = harness.config("", &[v4(1)]);
        let nobody = setup(&text, Within::Powerless(harness.lab.agent(0)));
        let ended = nobody.args(["--no-dry-run", "monitor"]).start().wait_end(PATIENT);
        assert_eq!(ended.status.code(), Some(1), "{}", ended.stderr);
        let complaints: Vec<_> =
            ended.stderr.lines().filter(|line| line.contains("ICMP socket")).collect();
        assert_eq!(
            complaints,
            ["goavail: cannot open an ICMP socket; run as root, give the binary CAP_NET_RAW, or \
              widen net.ipv4.ping_group_range: Operation not permitted (os error 1)"]
        );
        assert_eq!(ended.stdout, "");
        assert_eq!(harness.cloudflare.log().len(), 0, "it fails before the first request");
    });
}

#[test]
fn either_kind_of_socket_sees_death_and_return_of_either_family() {
    run(|| {
        for (kind, powerless) in [("raw", false), ("datagram", true)] {
            let addresses = [v4(1), v6(1)];
            let harness = Harness::serving(&addresses);
            let place = harness.lab.agent(0);
            place.sysctl("net/ipv4/ping_group_range", ITS_GROUP);
            let within = if powerless { Within::Powerless(place) } else { Within::Lab(place) };
            let agent = setup(&harness.config("", &addresses), within);
            let mut agent = agent.args(["monitor", "--no-dry-run"]).start();
            first(&mut agent, &["watching", &format!("socket=\"{kind}\"")]);
            nth(&mut agent, 2, &["target confirmed up"]);
            harness.lab.remove(&addresses);
            nth(&mut agent, 2, &["withdrew"]);
            assert!(harness.cloudflare.zone(|zone| zone.records.is_empty()), "{kind}");
            harness.lab.add(&addresses);
            nth(&mut agent, 2, &["restored"]);
            let both = harness.cloudflare.zone(|z| [z.contents("A", WWW), z.contents("AAAA", WWW)]);
            assert_eq!(both, addresses.map(|address| vec![address.to_string()]), "{kind}");
        }
    });
}

#[test]
fn an_icmp_error_about_the_target_is_a_loss() {
    run(|| {
        let harness = Harness::serving(&[v4(1), v6(1)]);
        let mut agent = harness.confirmed(&harness.config("", &[v4(1), v6(1)]), 2);
        harness.lab.remove(&[v4(1), v6(1)]);
        harness.lab.refuse(&[v4(1), v6(1)]);
        nth(&mut agent, 2, &["withdrew"]);
        assert_eq!(super::count(&mut agent, &["cannot send probes"]), 0);
        assert!(writes(&harness.cloudflare) <= 2);
    });
}
