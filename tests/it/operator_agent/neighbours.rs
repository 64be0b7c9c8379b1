//! A second agent in the place of the first, the leftovers of a dead one, and settings that a reload cannot
//! change.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use rustix::process::Signal;

use super::harness::{Harness, LISTEN, STATE_FILE, about, count, first, one};
use crate::agent::PATIENT;
use crate::lab::run;

#[test]
fn a_second_agent_on_the_same_socket_or_port_ends_with_one_line_and_the_first_continues() {
    run(|| {
        let harness = Harness::new(STATE_FILE);
        let mut agent = harness.confirmed();
        let before = std::fs::read(harness.path("state.json")).unwrap();
        let cases = [
            (
                "the same socket",
                "listen = \"127.0.0.1:9465\"\nsocket = \"control.sock\"\n".to_owned(),
                "another agent listens there; stop it, or give this one its own",
            ),
            (
                "the same port",
                format!("listen = \"{LISTEN}\"\nsocket = \"second.sock\"\n"),
                "is another agent running?",
            ),
        ];
        for (name, status, why) in cases {
            harness.write("second.toml", &harness.config_with(STATE_FILE, &status));
            let ended = harness.setup("second.toml").start().wait_end(PATIENT);
            assert_eq!(ended.status.code(), Some(1), "{name}: {ended:?}");
            let complaints: Vec<_> =
                ended.stderr.lines().filter(|line| line.starts_with("goavail: ")).collect();
            assert_eq!(complaints.len(), 1, "{name}: {ended:?}");
            assert!(complaints[0].contains(why), "{name}: {}", complaints[0]);
            assert!(!ended.stderr.contains("ERROR"), "{name}: {ended:?}");
            assert!(!harness.path("second.sock").exists(), "{name}: it leaves nothing behind");
        }
        assert_eq!(std::fs::read(harness.path("state.json")).unwrap(), before);
        harness.done(&["status"]);
        assert_eq!(harness.get("/healthz").0, 200);
        agent.wait_for_words(&["outcome=Reply"]);
        assert_eq!(count(&mut agent, &["outcome=Loss"]), 0);
        harness.lab.remove(&[one()]);
        first(&mut agent, &["withdrew", &about(one())]);
    });
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_killed_agents_socket_is_replaced_is_its_owners_only_and_goes_with_sigterm() {
    run(|| {
        let harness = Harness::new("");
        let socket = harness.path("control.sock");
        let agent = harness.confirmed();
        assert_eq!(mode(&socket), 0o600);
        agent.kill();
        assert!(socket.exists(), "nobody was left to remove it");
        let gone = harness.goavail(&["status"]);
        let want = format!("goavail: no agent answers on {}: ", socket.display());
        assert_eq!((gone.code, gone.out.as_str()), (Some(1), ""));
        assert!(gone.complaint.starts_with(&want) && gone.complaint.lines().count() == 1);
        for ending in [Signal::TERM, Signal::INT] {
            let agent = harness.confirmed();
            harness.done(&["status"]);
            assert_eq!(mode(&socket), 0o600);
            agent.signal(ending);
            assert_eq!(agent.wait_end(PATIENT).status.code(), Some(0));
            assert!(!socket.exists(), "{ending:?}");
        }
    });
}

#[test]
fn a_setting_that_a_reload_cannot_change_is_named_and_keeps_its_old_value() {
    run(|| {
        let harness = Harness::new(STATE_FILE);
        let mut agent = harness.confirmed();
        let status = "listen = \"127.0.0.1:9999\"\nsocket = \"other.sock\"\n";
        let new = harness.config_with("state_file = \"other.json\"\nname = \"renamed\"\n", status);
        harness.reload(&mut agent, &new);
        for what in ["[Status]", "state_file"] {
            let line = format!("{what} cannot be changed by a reload");
            first(&mut agent, &["WARN", &line]);
        }
        harness.until_shown(&mut agent, one(), |_| harness.status()["agent"]["name"] == "renamed");
        assert!(!harness.path("other.sock").exists());
        // Queries need the old file until the agent is restarted.
        harness.write("goavail.toml", &harness.config(STATE_FILE));
        harness.done(&["drain", &one().to_string()]);
        let kept = std::fs::read_to_string(harness.path("state.json")).unwrap();
        assert!(kept.contains(&one().to_string()), "{kept}");
        assert!(!harness.path("other.json").exists());
        // The other way round nothing is left to name.
        let same = harness.config(STATE_FILE);
        harness.reload(&mut agent, &same);
        assert_eq!(count(&mut agent, &["cannot be changed by a reload"]), 2);
    });
}
