//! Dry-run: the same path, and not one writing request.

use std::net::IpAddr;
use std::time::Duration;

use super::{Harness, QUICK, WWW, config, count, first, target, writes};
use crate::agent::{Agent, Setup, Within};
use crate::fake_cloudflare::Entry;
use crate::lab::{Lab, run, v4};

const SHIPPED: &str = include_str!("../../../goavail.toml");
const ACTIVE_STANDBY: &str = include_str!("../../../examples/active-standby.toml");

/// Maximum time of the story in `docs/getting-started.md`, from its start to its end.
const HALF_A_MINUTE: Duration = Duration::from_secs(30);

#[test]
fn a_dry_run_logs_its_decisions_and_writes_nothing() {
    run(|| {
        let addresses = [v4(1), v4(2)];
        let harness = Harness::serving(&addresses);
        harness.cloudflare.zone(|zone| _ = zone.seed("A", "api.example.com", &v4(1).to_string()));
        let text = config(QUICK, &["www", "api"], &addresses, &harness.cloudflare);
        let before = harness.cloudflare.zone(|zone| zone.records.clone());
        for options in [&["monitor"][..], &["--no-dry-run", "--dry-run", "monitor"]] {
            let mut agent = harness.setup(&text).args(options.iter().copied()).start();
            first(&mut agent, &["watching", "dry_run=true"]);
            first(&mut agent, &["target confirmed up", &target(v4(1))]);
            harness.lab.remove(&[v4(1)]);
            first(&mut agent, &["would withdraw", &target(v4(1)), WWW, "api.example.com"]);
            harness.lab.add(&[v4(1)]);
            first(&mut agent, &["would restore", &target(v4(1))]);
            assert_eq!(count(&mut agent, &["withdrew"]) + count(&mut agent, &["restored"]), 0);
        }
        assert_eq!(writes(&harness.cloudflare), 0);
        assert!(harness.cloudflare.count(Entry::lists) > 0, "it was read");
        assert_eq!(harness.cloudflare.zone(|zone| zone.records.clone()), before);
    });
}

/// The story of `goavail monitor --rehearse 127.0.0.2`, in its order; how long it took.
fn story(agent: &mut Agent) -> Duration {
    let second = target(IpAddr::from([127, 0, 0, 2]));
    let started = agent.wait_for(|line| line.has(&["watching"]), HALF_A_MINUTE);
    let acts = [
        &["rehearsal: ignoring its replies"][..],
        &["target down", &second, "losses=3"],
        &["would withdraw", &second, "www.example.com", "api.example.com"],
        &["target up", &second, "replies=3"],
        &["would restore", &second, "www.example.com", "api.example.com"],
    ];
    let mut last = started.at;
    for words in acts {
        last = agent.wait_for(|line| line.has(words), HALF_A_MINUTE).at;
    }
    super::nth(agent, 1, &["rehearsal: complete"]);
    let took = last - started.at;
    assert!(took < HALF_A_MINUTE, "{took:?}");
    assert_eq!(count(agent, &["target down"]), 1, "nobody else");
    assert_eq!(count(agent, &["isolated"]), 0);
    assert_eq!(count(agent, &["ERROR"]), 0);
    took
}

/// As a newcomer runs it: the shipped file, no credentials, no network but loopback; as root, and
/// as an ordinary user of a desktop.
#[test]
fn the_shipped_file_rehearses_a_withdrawal_and_a_return_within_half_a_minute() {
    run(|| {
        let lab = Lab::with_agents(2);
        lab.unplug(0);
        lab.unplug(1);
        lab.agent(1).sysctl("net/ipv4/ping_group_range", "0 0");
        let start = |within| {
            Setup::new(SHIPPED, within).args(["monitor", "--rehearse", "127.0.0.2"]).start()
        };
        let mut as_root = start(Within::Lab(lab.agent(0)));
        let mut as_user = start(Within::Powerless(lab.agent(1)));
        for agent in [&mut as_root, &mut as_user] {
            let took = story(agent);
            eprintln!("the rehearsal took {took:?}");
            first(agent, &["dry-run could not read the zone and plans from the configuration"]);
        }
    });
}

/// The example with a standby, offline: over with one change, and back with one change.
#[test]
fn the_example_with_a_standby_rehearses_the_way_over_and_back() {
    run(|| {
        let lab = Lab::with_agents(1);
        lab.unplug(0);
        let setup = Setup::new(ACTIVE_STANDBY, Within::Lab(lab.agent(0)));
        let mut agent = setup.args(["monitor", "--rehearse", "127.0.0.2"]).start();
        let (over, back) = ("since 0 of 1 of tier 0 are in service", "since 1 of 1 of tier 0 is");
        let acts = [
            &["rehearsal: ignoring its replies"][..],
            &["target down", "target=127.0.0.2 ", "losses=3"],
            &["would withdraw", "target=127.0.0.2 "],
            &["would restore", "target=127.0.0.9 ", "www.example.com", over],
            &["target up", "target=127.0.0.2 "],
            &["would withdraw", "target=127.0.0.9 ", back],
            &["would restore", "target=127.0.0.2 "],
            &["rehearsal: complete"],
        ];
        for words in acts {
            agent.wait_for(|line| line.has(words), HALF_A_MINUTE);
        }
        assert_eq!(count(&mut agent, &["refused to act"]) + count(&mut agent, &["ERROR"]), 0);
    });
}
