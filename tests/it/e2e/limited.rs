//! A way that lets fewer echo replies through than the agent asks for.

use std::time::Instant;

use super::{config_at, count, nth, setup};
use crate::agent::{Agent, PATIENT, Within};
use crate::lab::{Lab, Namespace, Place, link_v4, run, v4};

/// So many addresses, a probe of each every second.
const TARGETS: u16 = 100;

/// Ordinary probes and retries together, each second: as many of these as of those.
const MOST_A_SECOND: f64 = 2.0 * (TARGETS as f64 + 1.0);

/// The burst after a rest, and the probes that were sent and not yet judged.
const AT_ONCE: f64 = 150.0;

/// Waits until so many more probes were judged.
fn judged(agent: &mut Agent, mut more: usize) {
    let enough = |line: &crate::agent::Line| {
        more -= usize::from(line.has(&["outcome="]));
        more == 0
    };
    agent.wait_for(enough, 3 * PATIENT);
}

/// How many echo requests have come in there.
fn echo_requests(place: &Namespace) -> u32 {
    let table = place.output("cat", &["/proc/net/snmp"]);
    let mut rows = table.lines().filter_map(|line| line.strip_prefix("Icmp: "));
    let (names, values) = (rows.next().unwrap(), rows.next().unwrap());
    let mut columns = names.split(' ').zip(values.split(' '));
    columns.find(|(name, _)| *name == "InEchos").unwrap().1.parse().unwrap()
}

/// The world's kernel lets some 85 echo replies a second through, to each sender; the canary is
/// another machine and answers always. How many addresses look dead then is no promise; that their
/// retries do not make it worse is.
#[test]
fn behind_a_limiter_just_under_the_pace_the_probes_stay_within_their_budget() {
    run(|| {
        let lab = Lab::with_agents(2);
        let addresses: Vec<_> = (1..=u32::from(TARGETS)).map(v4).collect();
        lab.add(&addresses);
        // Many losses until one is dead, so that many are asked again for long.
        let top = format!(
            "interval = 1\ntimeout = 0.5\nretry_interval = 0.2\nfailure_threshold = 10\n\
             recovery_threshold = 3\ncanaries = [\"{}\"]\n",
            link_v4(Place::Agent(1))
        );
        let config = config_at(&top, &["www"], &addresses, "http://127.0.0.1:9");
        let mut agent = setup(&config, Within::Lab(lab.agent(0))).args(["monitor"]).start();
        nth(&mut agent, addresses.len(), &["target confirmed up"]);
        // Its retries are rehearsed by then.
        judged(&mut agent, 8 * addresses.len());
        lab.world().sysctl("net/ipv4/icmp_ratelimit", "11");
        // Echo replies alone.
        lab.world().sysctl("net/ipv4/icmp_ratemask", "1");

        let (begun, before) = (now(), echo_requests(lab.world()));
        judged(&mut agent, 20 * addresses.len());
        let asked = f64::from(echo_requests(lab.world()) - before);
        let took = begun.elapsed().as_secs_f64();
        let lost = count(&mut agent, &["outcome=Loss"]);
        eprintln!("{asked} probes in {took:.1} s, {lost} lost");
        assert!(asked <= MOST_A_SECOND.mul_add(took, AT_ONCE), "{asked} probes in {took} s");
        assert!(lost > addresses.len(), "{lost} lost: the limiter limits");
        assert_eq!(count(&mut agent, &["isolated: "]), 0, "the canary answers");
    });
}

#[expect(clippy::disallowed_methods, reason = "a pace is measured in real time")]
fn now() -> Instant {
    Instant::now()
}
