//! ICMP errors about the agent's own requests: from a router, from this machine itself, and
//! forged by somebody off the path.

use std::net::IpAddr;
use std::time::Duration;

use super::forger::{Forger, Hesitant, Nat};
use super::{Harness, PATIENT, count, first, nth, setup, target, writes};
use crate::agent::{Agent, Setup, Within};
use crate::lab::{Place, link_v4, link_v6, run, v4, v6};

/// The group that the agent runs as; a user namespace knows no other.
const ITS_GROUP: &str = "0 0";

/// Runs `body` once for each kind of socket, with an agent that is about to be started.
pub(super) fn with_either_socket<T>(
    addresses: &[IpAddr],
    prepare: impl Fn(&Harness) -> T,
    body: impl Fn(&Harness, &mut Agent, &str, &T),
) {
    for (kind, powerless) in [("raw", false), ("datagram", true)] {
        let harness = Harness::serving(addresses);
        let prepared = prepare(&harness);
        let place = harness.lab.agent(0);
        place.sysctl("net/ipv4/ping_group_range", ITS_GROUP);
        let within = if powerless { Within::Powerless(place) } else { Within::Lab(place) };
        let agent = setup(&harness.config("", addresses), within);
        let mut agent = agent.args(["monitor", "--no-dry-run"]).start();
        first(&mut agent, &["watching", &format!("socket=\"{kind}\"")]);
        body(&harness, &mut agent, kind, &prepared);
    }
}

/// How many probes were lost, as the log tells it. On a busy machine one may be lost for want of time.
fn lost(agent: &mut Agent) -> usize {
    count(agent, &["outcome=Loss"])
}

#[test]
fn an_error_that_a_reply_follows_is_no_loss() {
    run(|| {
        let addresses = [v4(1), v6(1)];
        let prepare = |harness: &Harness| {
            Hesitant::hush(&harness.lab);
            let after = Duration::from_millis(5);
            addresses.map(|address| Hesitant::start(&harness.lab, address, true, after))
        };
        with_either_socket(&addresses, prepare, |_, agent, kind, world| {
            nth(agent, 2, &["target confirmed up"]);
            for _ in 0..20 {
                agent.wait_for_words(&["outcome=Reply"]);
            }
            assert!(world.iter().all(|hesitant| hesitant.answers() >= 5), "{kind}");
            assert!(lost(agent) <= 4, "{kind}: {} of more than 20 probes", lost(agent));
            assert_eq!(count(agent, &["target down"]), 0, "{kind}");
        });
    });
}

#[test]
fn a_router_that_says_unreachable_is_quoted_when_the_target_is_down() {
    run(|| {
        let addresses = [v4(1), v6(1)];
        with_either_socket(
            &addresses,
            |_| {},
            |harness, agent, kind, ()| {
                nth(agent, 2, &["target confirmed up"]);
                harness.lab.remove(&addresses);
                harness.lab.refuse(&addresses);
                for (address, said) in addresses.into_iter().zip(["type 3 code 1", "type 1 code 0"])
                {
                    let down = first(agent, &["target down", &target(address)]).text;
                    assert!(down.contains(said), "{kind}: {down}");
                }
                nth(agent, 2, &["withdrew"]);
                assert_eq!(count(agent, &["cannot send probes"]), 0, "{kind}");
            },
        );
    });
}

/// Has the agent's kernel notice quickly that a neighbour does not answer.
fn hurry(harness: &Harness) {
    for family in ["ipv4", "ipv6"] {
        for (key, value) in [("retrans_time_ms", "50"), ("mcast_solicit", "1")] {
            harness.lab.agent(0).sysctl(&format!("net/{family}/neigh/eth0/{key}"), value);
        }
    }
}

/// The gateway answers no more, and the agent's kernel has to look for it.
pub(super) fn kill_gateway(harness: &Harness) {
    let agent = harness.lab.agent(0);
    let (gateway4, gateway6) = (link_v4(Place::World), link_v6(Place::World));
    harness
        .lab
        .world()
        .ip(&format!("addr del {gateway4}/24 dev br0\n-6 addr del {gateway6}/64 dev br0\n"));
    agent.ip("neigh flush dev eth0\n-6 neigh flush dev eth0\n");
}

/// No target is taken out, and the trouble is said once for each.
pub(super) fn is_a_fault(harness: &Harness, agent: &mut Agent, addresses: &[IpAddr], kind: &str) {
    for address in addresses {
        first(agent, &["cannot send probes", &address.to_string()]);
    }
    for _ in 0..40 {
        agent.wait_for_words(&["outcome=Fault"]);
    }
    assert_eq!(count(agent, &["target down"]), 0, "{kind}");
    assert_eq!(count(agent, &["can send probes again"]), 0, "{kind}");
    assert_eq!(writes(&harness.cloudflare), 0, "{kind}");
}

#[test]
fn an_error_of_this_machine_about_a_target_behind_a_dead_gateway_is_a_fault() {
    run(|| {
        let addresses = [v4(1), v6(1)];
        with_either_socket(&addresses, hurry, |harness, agent, kind, ()| {
            nth(agent, 2, &["target confirmed up"]);
            kill_gateway(harness);
            is_a_fault(harness, agent, &addresses, kind);
        });
    });
}

/// The kernel gives a gateway up after three seconds. By then all losses would have been counted.
#[test]
fn a_gateway_that_the_kernel_still_looks_for_is_a_fault_too() {
    run(|| {
        let addresses = [v4(1), v6(1)];
        let pull_the_cable = |harness: &Harness| harness.lab.world().ip("link set port0 down\n");
        for break_it in [kill_gateway as fn(&Harness), pull_the_cable] {
            with_either_socket(
                &addresses,
                |_| {},
                |harness, agent, kind, ()| {
                    nth(agent, 2, &["target confirmed up"]);
                    break_it(harness);
                    is_a_fault(harness, agent, &addresses, kind);
                },
            );
        }
    });
}

#[test]
fn an_error_of_this_machine_about_a_missing_neighbour_is_a_loss() {
    run(|| {
        let neighbours: [IpAddr; 2] =
            ["10.255.0.77".parse().unwrap(), "fd00:ff::77".parse().unwrap()];
        let ip = |harness: &Harness, verb: &str| {
            let [v4, v6] = neighbours;
            let lines = format!("addr {verb} {v4}/24 dev br0\n-6 addr {verb} {v6}/64 dev br0\n");
            harness.lab.world().ip(&lines);
        };
        let prepare = |harness: &Harness| {
            hurry(harness);
            harness.lab.remove(&neighbours);
            ip(harness, "add");
        };
        with_either_socket(&neighbours, prepare, |harness, agent, kind, ()| {
            nth(agent, 2, &["target confirmed up"]);
            ip(harness, "del");
            kill_gateway(harness);
            nth(agent, 2, &["target down"]);
            nth(agent, 2, &["withdrew"]);
            assert_eq!(count(agent, &["cannot send probes"]), 0, "{kind}");
        });
    });
}

/// A server to which its public address is routed: if it is dead, so is the next hop.
#[test]
fn a_dead_target_that_is_its_own_next_hop_is_withdrawn() {
    run(|| {
        let (server, public) = ("10.255.0.77", v4(1));
        let prepare = |harness: &Harness| {
            harness.lab.world().ip(&format!("addr add {server}/24 dev br0\n"));
            harness.lab.agent(0).ip(&format!("route add {public}/32 via {server}\n"));
        };
        with_either_socket(&[public], prepare, |harness, agent, kind, ()| {
            first(agent, &["target confirmed up"]);
            harness.lab.remove(&[public]);
            harness.lab.world().ip(&format!("addr del {server}/24 dev br0\n"));
            harness.lab.agent(0).ip("neigh flush dev eth0\n");
            first(agent, &["withdrew", &target(public)]);
            assert_eq!(count(agent, &["cannot send probes"]), 0, "{kind}");
        });
    });
}

/// As long as requests with one identifier come in, a NAT keeps the entry that it has for it, be it wrong.
#[test]
fn a_nat_that_came_back_with_wrong_entries_keeps_no_living_target_out() {
    run(|| {
        let addresses = [v4(1), v6(1)];
        let prepare = |harness: &Harness| {
            Hesitant::hush(&harness.lab);
            addresses.map(|address| Nat::start(&harness.lab, address))
        };
        with_either_socket(&addresses, prepare, |_, agent, kind, nats| {
            nth(agent, 2, &["target confirmed up"]);
            for nat in nats {
                nat.set_broken(true);
            }
            nth(agent, 2, &["target down"]);
            let before = nats.each_ref().map(Nat::answers);
            for nat in nats {
                nat.set_broken(false);
            }
            nth(agent, 2, &["target up"]);
            assert!(nats.iter().zip(before).all(|(nat, before)| nat.answers() > before), "{kind}");
        });
    });
}

#[test]
fn an_observer_of_one_targets_probes_cannot_take_out_another() {
    run(|| {
        let addresses = [v4(1), v4(2), v4(3)];
        let prepare = |harness: &Harness| {
            Hesitant::hush(&harness.lab);
            // So that there is time to be faster than the reply.
            let after = Duration::from_millis(60);
            let world =
                addresses.map(|address| Hesitant::start(&harness.lab, address, false, after));
            (world, Forger::start(&harness.lab, addresses[0], &addresses[1..]))
        };
        with_either_socket(&addresses, prepare, |harness, agent, kind, (_, forger)| {
            nth(agent, 3, &["target confirmed up"]);
            for _ in 0..60 {
                agent.wait_for_words(&["outcome=Reply"]);
            }
            assert!(forger.sent() > 1_000, "{kind}: {}", forger.sent());
            assert!(lost(agent) <= 6, "{kind}: {} of more than 60 probes", lost(agent));
            assert_eq!(count(agent, &["target down"]), 0, "{kind}");
            assert_eq!(count(agent, &["cannot send probes"]), 0, "{kind}");
            assert_eq!(writes(&harness.cloudflare), 0, "{kind}");
        });
    });
}

/// Becomes another program for which the kernel has no IPv6.
const WITHOUT_IPV6: &str = r#"
import ctypes, os, platform, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
number = {"x86_64": 41, "aarch64": 198}[platform.machine()]
lines = [(0x20, 0, 0, 0), (0x15, 0, 3, number), (0x20, 0, 0, 16), (0x15, 0, 1, 10),
         (0x06, 0, 0, 0x00050000 | 97), (0x06, 0, 0, 0x7fff0000)]
code = b"".join(struct.pack("HBBI", *line) for line in lines)
buffer = ctypes.create_string_buffer(code)
program = struct.pack("HxxxxxxP", len(lines), ctypes.addressof(buffer))
assert libc.prctl(38, 1, 0, 0, 0) == 0 and libc.prctl(22, 2, program, 0, 0) == 0
os.execv(sys.argv[1], sys.argv[1:])
"#;

fn without_ipv6(text: &str, within: Within<'_>) -> Setup {
    let setup = Setup::of("python3", text, within).env("CF_API_TOKEN", super::TOKEN);
    setup.args(["-c", WITHOUT_IPV6, crate::agent::BINARY, "--no-dry-run", "monitor"])
}

#[test]
fn without_ipv6_in_the_kernel_the_rest_is_watched_and_what_cannot_be_is_named() {
    run(|| {
        for (kind, powerless) in [("raw", false), ("datagram", true)] {
            let addresses = [v4(1), v6(1)];
            let harness = Harness::serving(&addresses);
            let place = harness.lab.agent(0);
            place.sysctl("net/ipv4/ping_group_range", ITS_GROUP);
            let within = || if powerless { Within::Powerless(place) } else { Within::Lab(place) };
            let mut agent = without_ipv6(&harness.config("", &addresses), within()).start();
            let said = ["cannot open an IPv6 ICMP socket", "Address family not supported"];
            first(&mut agent, &["WARN", "cannot send probes", &target(v6(1)), said[1]]);
            first(&mut agent, &["target confirmed up", &target(v4(1))]);
            harness.lab.remove(&addresses);
            first(&mut agent, &["withdrew", &target(v4(1))]);
            assert_eq!(count(&mut agent, &["target down", &target(v6(1))]), 0, "{kind}");
            drop(agent);

            let alone = without_ipv6(&harness.config("", &[v6(1)]), within()).start();
            let ended = alone.wait_end(PATIENT);
            assert_eq!(ended.status.code(), Some(1), "{kind}: {}", ended.stderr);
            let complaints: Vec<_> =
                ended.stderr.lines().filter(|line| line.starts_with("goavail: ")).collect();
            assert_eq!(complaints.len(), 1, "{kind}: {}", ended.stderr);
            assert!(said.iter().all(|words| complaints[0].contains(words)), "{complaints:?}");
        }
    });
}
