//! The harness tells the truth, shown with a shell in the agent's place.

use std::fs::File;
use std::io::Write as _;
use std::os::unix::process::ExitStatusExt as _;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::{Agent, Duration, PATIENT, Path, Setup, Signal, Within};
use crate::lab::{self, Lab};

fn shell(script: &str, within: Within<'_>) -> Agent {
    Setup::of("sh", "interval = 1", within).env("GIVEN", "yes").args(["-c", script]).start()
}

#[test]
fn the_binary_runs_with_the_given_file_and_nothing_of_our_environment() {
    let agent = shell("env; cat goavail.toml", Within::Here);
    let folder = agent.folder();
    let ended = agent.wait_end(PATIENT);
    let home = format!("HOME={}", folder.display());
    let mut lines: Vec<&str> = ended.stdout.lines().collect();
    assert_eq!(lines.pop(), Some("interval = 1"));
    lines.retain(|line| {
        !["PATH=", "PWD=", "SHLVL=", "_=", "OLDPWD="].iter().any(|own| line.starts_with(own))
    });
    lines.sort_unstable();
    assert_eq!(lines, ["GIVEN=yes", home.as_str()]);
    assert!(!folder.exists(), "the scratch folder goes with the agent");
    let real = Setup::new("", Within::Here).args(["--version"]).start().wait_end(PATIENT);
    assert!(real.status.code().is_some(), "{real:?}");
}

#[test]
fn a_signal_arrives_each_line_is_seen_once_and_the_exit_code_is_told() {
    // Not SIGHUP: where these tests run under `nohup`, a shell can set no trap for it.
    let script = "trap 'cat goavail.toml >&2; echo >&2' USR1; trap 'exit 3' TERM; \
                  exec 3<>fifo; echo '{\"n\":1}' >&2; echo up >&2; \
                  while :; do read line <&3; done";
    let setup = Setup::of("sh", "", Within::Here).args(["-c", script]);
    let fifo = setup.folder().join("fifo");
    make_fifo(&fifo);
    // Open both ways it never blocks, and outlives the shell.
    let mut lines = File::options().read(true).write(true).open(&fifo).unwrap();
    let mut agent = setup.start();
    let first = agent.wait_for(|line| line.json().is_some(), PATIENT);
    assert_eq!(first.json().unwrap()["n"], 1);
    agent.wait_for_words(&["up"]);
    for (count, text) in [(1, "reloaded once"), (2, "reloaded again")] {
        agent.rewrite(text);
        agent.signal(Signal::USR1);
        // A shell that is on its way into `read` notices a signal after it only.
        writeln!(lines).unwrap();
        let line = agent.wait_for_words(&[text]);
        assert!(line.at > first.at, "{line:?} came after {first:?}");
        assert_eq!(agent.lines_with(&["reloaded"]).len(), count);
    }
    agent.signal(Signal::TERM);
    writeln!(lines).unwrap();
    let ended = agent.wait_end(PATIENT);
    assert_eq!(ended.status.code(), Some(3));
    assert_eq!(ended.stderr, "{\"n\":1}\nup\nreloaded once\nreloaded again\n");
}

fn make_fifo(path: &Path) {
    let made = std::process::Command::new("mkfifo").arg(path).status();
    assert!(made.is_ok_and(|status| status.success()), "mkfifo {}", path.display());
}

#[test]
fn a_wait_that_fails_reports_all_that_is_known() {
    let mut agent = shell("echo to out; echo to err >&2; exec sleep 1000", Within::Here);
    agent.wait_for_words(&["to err"]);
    let waiting = AssertUnwindSafe(|| {
        agent.wait_for(|_| false, Duration::from_millis(50));
    });
    let panic = catch_unwind(waiting).unwrap_err();
    let text = panic.downcast_ref::<String>().unwrap();
    for part in ["sh", "exec sleep 1000", "interval = 1", "to out", "to err", "did not come"] {
        assert!(text.contains(part), "{part} is missing in\n{text}");
    }
    let pid = agent.pid();
    drop(agent);
    assert!(!Path::new(&format!("/proc/{pid}")).exists(), "dropped is dead");
}

#[test]
fn an_agent_in_a_namespace_sees_its_links_and_dies_by_kill() {
    lab::run(|| {
        let lab = Lab::new();
        for within in [Within::Lab(lab.agent(0)), Within::Powerless(lab.agent(0))] {
            let mut agent = shell("ip -brief link >&2; exec sleep 1000", within);
            agent.wait_for_words(&["eth0@", "UP"]);
            let pid = agent.pid();
            let ended = agent.kill();
            assert_eq!(ended.status.signal(), Some(9), "{ended:?}");
            assert!(!Path::new(&format!("/proc/{pid}")).exists());
        }
    });
}
