//! Connects need descriptors, and those have a limit.

use std::net::{IpAddr, Ipv4Addr, TcpListener};

use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};

use super::{BRIEF, EACH_PROBE, PORT, QUICK, config, count, open_all, start, target};
use crate::agent::{Agent, BINARY, PATIENT, Setup, Within};
use crate::lab::{Lab, run, v4, v6};
use crate::tcp_services::TcpService;

/// Lets the agent have only descriptors below `limit`; `None` is as many as there may be.
fn limit(agent: &Agent, limit: Option<u64>) {
    let pid = i32::try_from(agent.pid()).ok().and_then(Pid::from_raw);
    // Regardless of its present limit, the agent inherited the highest one from us.
    let maximum = getrlimit(Resource::Nofile).maximum;
    prlimit(pid, Resource::Nofile, Rlimit { current: limit.or(maximum), maximum }).unwrap();
}

/// How many descriptors the agent has open.
fn held(agent: &Agent) -> usize {
    std::fs::read_dir(format!("/proc/{}/fd", agent.pid())).unwrap().count()
}

#[test]
fn without_descriptors_probes_are_faults_and_no_target_is_down() {
    run(|| {
        let lab = Lab::new();
        let mut tcp_services = open_all(&lab, &[v4(1), v6(1)]);
        let mut agent = start(&lab, &config(QUICK, &[v4(1), v6(1)]), EACH_PROBE);
        agent.nth(2, &["target confirmed up"]);
        limit(&agent, Some(3));
        agent.nth(12, &["outcome=Fault"]);
        for address in [v4(1), v6(1)] {
            let said = agent.lines_with(&["cannot send probes", &address.to_string()]);
            assert_eq!(said.len(), 1, "{said:?}");
            assert!(said[0].has(&["Too many open files", "target state unchanged"]), "{said:?}");
        }
        assert_eq!(count(&mut agent, &["outcome=Loss"]), 0);

        limit(&agent, None);
        agent.nth(2, &["can send probes again"]);
        assert_eq!(count(&mut agent, &["target down"]), 0);
        tcp_services.pop();
        agent.nth(1, &["target down", &target(v6(1))]);
    });
}

/// Of 512 descriptors it leaves 256 to everything else. Of 2,000 targets, 400 become black holes, which
/// would hold 400 connects.
#[test]
fn two_thousand_targets_share_few_descriptors_and_waiting_for_one_is_no_loss() {
    const ALL: usize = 2000;
    const DEAD: usize = 400;
    // A busy machine answers within this, and 400 connects still last as long as their interval.
    const PACE: &str = "interval = 3\ntimeout = 1.5\nretry_interval = 1.5\n";
    run(|| {
        let lab = Lab::new();
        let targets: Vec<IpAddr> = (1..).map(v4).take(ALL).collect();
        lab.add(&targets);
        let any = || TcpListener::bind((Ipv4Addr::UNSPECIFIED, PORT)).unwrap();
        let _tcp_service = TcpService::at(lab.world().run(any));
        let text = config(PACE, &targets);
        let setup = Setup::of("prlimit", &text, Within::Lab(lab.agent(0))).env("RUST_LOG", BRIEF);
        let setup = setup.args(["--nofile=512:512", BINARY, "--type", "tcp", "monitor"]);
        let mut agent = setup.start();
        agent.nth(ALL, &["target confirmed up"]);
        assert_eq!(count(&mut agent, &["target down"]), 0);

        let (dead, _living) = targets.split_at(DEAD);
        lab.remove(dead);
        let mut most = 0;
        for _ in 0..DEAD {
            let down = agent.wait_for_words(&["target down"]);
            let about = dead.iter().any(|address| down.has(&[&target(*address)]));
            assert!(about, "taken for dead while it waited: {}", down.text);
            most = most.max(held(&agent));
        }
        eprintln!("at most {most} descriptors of 512 were seen in use");
        assert!((256..256 + 64).contains(&most), "{most}");
        assert_eq!(count(&mut agent, &["cannot send probes"]), 0, "it never ran out");
        assert_eq!(count(&mut agent, &["target down"]), DEAD);
        agent.signal(rustix::process::Signal::TERM);
        assert_eq!(agent.wait_end(PATIENT).status.code(), Some(0));
    });
}
