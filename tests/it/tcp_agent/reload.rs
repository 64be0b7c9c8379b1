//! SIGHUP. Defect 7 of the Go agent: with `--type tcp` it ended the process.

use rustix::process::Signal;

use super::{EACH_PROBE, PORT, QUICK, config, count, open, open_all, start, target};
use crate::agent::PATIENT;
use crate::lab::{Lab, run, v4, v6};

#[test]
fn a_reload_moves_to_another_port_and_keeps_the_counts() {
    const OTHER: u16 = 9443;
    run(|| {
        let lab = Lab::new();
        let targets = [v4(1), v6(1), v4(2)];
        let _tcp_services = open_all(&lab, &targets);
        let _others = [open(&lab, v4(1), OTHER), open(&lab, v6(1), OTHER)];
        let text = config(QUICK, &targets[..2]);
        let mut agent = start(&lab, &text, EACH_PROBE);
        agent.nth(2, &["target confirmed up"]);

        agent.rewrite(&text.replace(&format!("port = {PORT}"), "port = 0"));
        agent.signal(Signal::HUP);
        agent.nth(1, &["configuration refused: goavail.toml:1: port: 0 is not allowed"]);
        agent.nth(1, &["the old configuration stays in force"]);

        let more = config(QUICK, &targets).replace(&format!("port = {PORT}"), "port = 9443");
        agent.rewrite(&more);
        agent.signal(Signal::HUP);
        agent.nth(1, &["configuration in force", "targets=3"]);
        agent.nth(1, &["target down", &target(v4(2)), "losses=3"]);
        for address in &targets[..2] {
            let confirmed = agent.lines_with(&["target confirmed up", &target(*address)]);
            assert_eq!(confirmed.len(), 1, "{confirmed:?}");
        }
        assert_eq!(count(&mut agent, &["target down"]), 1, "the others have moved on");
        agent.signal(Signal::TERM);
        assert_eq!(agent.wait_end(PATIENT).status.code(), Some(0));
    });
}
