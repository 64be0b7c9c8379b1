//! The outcome of a connect: reply, loss, or a fault of this machine.

use std::net::IpAddr;
use std::time::Duration;

use rustix::process::Signal;

use super::{BRIEF, EACH_PROBE, PORT, QUICK, config, count, open_all, start, target};
use crate::agent::{PATIENT, Setup, Within};
use crate::lab::{Lab, run, v4, v6};

/// Long enough for a second SYN: the answer to the first one may come while the system call is still
/// at work, and then counts for nothing.
const SLOW: &str = "interval = 0.2\ntimeout = 2\nretry_interval = 0.1\nfailure_threshold = 3\n";

/// Takes the world's route to `addresses` away: it says "no route to that network", not "host
/// unreachable".
fn lose_way(lab: &Lab, addresses: [IpAddr; 2]) {
    let [v4, v6] = addresses;
    lab.world().ip(&format!("route add throw {v4}\n-6 route add throw {v6}\n"));
}

#[test]
fn accepted_is_a_reply_and_refused_or_silent_or_unreachable_is_a_loss() {
    run(|| {
        let lab = Lab::new();
        let both = |n| [v4(n), v6(n)];
        let (accepted, refused, silent) = (both(1), both(2), both(3));
        let (no_host, no_net) = (both(4), both(5));
        let _tcp_services = open_all(&lab, &accepted);
        lab.add(&refused);
        lab.refuse(&no_host);
        lose_way(&lab, no_net);
        let dead = [refused, silent, no_host, no_net].concat();
        let text = config(SLOW, &[&accepted[..], &dead].concat());
        let mut agent = start(&lab, &text, BRIEF);
        for address in accepted {
            agent.nth(1, &["target confirmed up", &target(address), "replies=3"]);
        }
        for address in &dead {
            agent.nth(1, &["target down", &target(*address), "losses=3"]);
        }
        assert_eq!(count(&mut agent, &["target down"]), dead.len());
        assert_eq!(count(&mut agent, &["cannot send probes"]), 0, "all of them could be asked");
    });
}

#[test]
fn a_connection_is_closed_in_order_and_without_a_byte() {
    run(|| {
        let lab = Lab::new();
        let tcp_services = open_all(&lab, &[v4(1), v6(1)]);
        let agent = start(&lab, &config(QUICK, &[v4(1), v6(1)]), BRIEF);
        for tcp_service in &tcp_services {
            for nth in 0..5 {
                let connection = tcp_service.next_ended();
                assert_eq!(
                    (connection.bytes, connection.end),
                    (0, Ok(())),
                    "{} {nth}",
                    tcp_service.address
                );
            }
        }
        agent.signal(Signal::TERM);
        assert_eq!(agent.wait_end(PATIENT).status.code(), Some(0));
    });
}

#[test]
fn a_missing_route_is_a_fault_that_is_logged_once_and_flips_nothing() {
    run(|| {
        let lab = Lab::new();
        let _tcp_services = open_all(&lab, &[v4(1), v6(1)]);
        let mut agent = start(&lab, &config(QUICK, &[v4(1), v6(1)]), EACH_PROBE);
        agent.nth(2, &["target confirmed up"]);
        lab.unplug(0);
        agent.nth(12, &["outcome=Fault"]);
        for address in [v4(1), v6(1)] {
            let said = agent.lines_with(&["cannot send probes", &address.to_string()]);
            assert_eq!(said.len(), 1, "{said:?}");
            assert!(said[0].has(&["Network is unreachable", "target state unchanged"]), "{said:?}");
        }
        lab.plug(0);
        agent.nth(2, &["can send probes again"]);
        let faults = count(&mut agent, &["outcome=Fault"]);
        let replies = count(&mut agent, &["outcome=Reply"]);
        agent.nth(replies + 6, &["outcome=Reply"]);
        assert_eq!(count(&mut agent, &["outcome=Fault"]), faults);
        assert_eq!(count(&mut agent, &["target down"]), 0);
    });
}

/// Defect 35 of the Go agent: a black hole was noticed after 44 s, for a connect took 10 s to be
/// given up, and IPv6 addresses could not be watched at all.
#[test]
fn a_black_hole_is_noticed_as_soon_as_the_pace_promises() {
    /// Until the next probe, two more at the retry interval, and the last one's timeout.
    const PROMISED: Duration = Duration::from_millis(200 + 2 * 100 + 500);
    /// The delay that a busy machine may add: far less than ten seconds.
    const BUSY: Duration = Duration::from_secs(8);
    run(|| {
        let lab = Lab::new();
        let _tcp_services = open_all(&lab, &[v4(1), v6(1)]);
        let mut agent = start(&lab, &config(QUICK, &[v4(1), v6(1)]), BRIEF);
        agent.nth(2, &["target confirmed up"]);
        let cut = lab.remove(&[v4(1), v6(1)]);
        for address in [v4(1), v6(1)] {
            let down = agent.nth(1, &["target down", &target(address), "losses=3"]);
            let took = down.at.saturating_duration_since(cut.before);
            eprintln!("{address}: noticed after {took:?}; {PROMISED:?} are promised");
            assert!(took < PROMISED + BUSY, "{address}: {took:?}");
        }
    });
}

#[test]
fn without_a_port_it_does_not_start_and_names_the_missing_key() {
    let needs = "an integer from 1 to 65535";
    let rest = config(QUICK, &[v4(1)]).replace(&format!("port = {PORT}\n"), "");
    let rows = [
        (
            "no port",
            rest.clone(),
            format!("goavail.toml: port: missing; --type tcp needs the TCP port, {needs}"),
        ),
        (
            "port 0",
            format!("port = 0\n{rest}"),
            format!("goavail.toml:1: port: 0 is not allowed; {needs}"),
        ),
    ];
    for (name, text, want) in rows {
        let setup = Setup::new(&text, Within::Here).args(["--type", "tcp", "monitor"]);
        let ended = setup.start().wait_end(PATIENT);
        assert_eq!(ended.status.code(), Some(2), "{name}: {}", ended.stderr);
        assert_eq!(ended.stderr, format!("goavail: {want}\n"), "{name}");
    }
}
