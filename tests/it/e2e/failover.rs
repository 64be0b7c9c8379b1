//! The time that a failover takes, measured and printed. Nothing is asserted about it, since a machine
//! that runs other tests is too busy to judge it.

use std::net::IpAddr;
use std::time::Duration;

use super::{
    WWW, cloudflare_in, config, first, nth, publish, setup, target, until_written, writes,
};
use crate::agent::Within;
use crate::fake_cloudflare;
use crate::lab::{Lab, run, v4};

/// The pace that `docs/performance.md` has figures for.
const PACE: &str = "interval = 1\ntimeout = 0.5\nretry_interval = 0.2\nfailure_threshold = 3\n";

/// Agents that work side by side, and kills for each.
const AGENTS: u32 = 4;
const KILLS: u32 = 5;

/// Kills one address after the other, each after a wait of another length. Returns the time of each
/// from the last possible reply to the arrival of the first request that writes.
fn kills(lab: &Lab, number: u32) -> Vec<Duration> {
    let addresses: Vec<_> = (1..=KILLS).map(|n| v4(number * KILLS + n)).collect();
    lab.add(&addresses);
    let cloudflare = cloudflare_in(lab.agent(0), fake_cloudflare::Setup::default());
    publish(&cloudflare, &[WWW], &addresses);
    let text = config(PACE, &["www"], &addresses, &cloudflare);
    let agent = setup(&text, Within::Lab(lab.agent(0)));
    let mut agent = agent.args(["--no-dry-run", "monitor"]).start();
    nth(&mut agent, addresses.len(), &["target confirmed up"]);
    let kill = |(done, address): (usize, &IpAddr)| {
        // Not to wait for anything: no two waits of all agents are equally long, and each begins with the
        // end of the kill before it, so the moment between two probes is left to chance.
        let place = u32::try_from(done).unwrap() * AGENTS + number;
        std::thread::sleep(Duration::from_secs(1) * place / (AGENTS * KILLS));
        let cut = lab.remove(&[*address]);
        until_written(&cloudflare, done + 1);
        let log = cloudflare.log();
        let written = log.iter().filter(|entry| entry.writes()).nth(done).unwrap().arrived;
        first(&mut agent, &["withdrew", &target(*address)]);
        written - cut.before
    };
    let times = addresses.iter().enumerate().map(kill).collect();
    assert_eq!(writes(&cloudflare), addresses.len(), "one request for each death");
    assert!(cloudflare.zone(|zone| zone.records.is_empty()));
    times
}

#[test]
fn every_death_makes_one_writing_request_and_the_time_is_printed() {
    run(|| {
        let lab = Lab::new();
        let mut times: Vec<Duration> = std::thread::scope(|scope| {
            let agents: Vec<_> = (0..AGENTS)
                .map(|n| {
                    scope.spawn({
                        let lab = &lab;
                        move || kills(lab, n)
                    })
                })
                .collect();
            agents.into_iter().flat_map(|agent| agent.join().unwrap()).collect()
        });
        times.sort();
        let (median, worst) = (times[times.len() / 2], times[times.len() - 1]);
        eprintln!(
            "{} kills, from the last possible reply to the first writing request: best {:?}, \
             median {median:?}, worst {worst:?}",
            times.len(),
            times[0]
        );
    });
}
