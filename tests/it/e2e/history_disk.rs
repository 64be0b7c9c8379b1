//! The history on a disk that hangs, on one that is full, and of agents that are killed.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};
use rustix::process::Signal;
use tempfile::TempDir;

use super::hung_disk::HungDisk;
use super::{Harness, PATIENT, first, nth, target};
use crate::agent::{Agent, Setup, Within};
use crate::lab::{Namespace, run, skip, v4};

/// Lets a target die and come back, with a history on a disk that does not take it.
fn fails_over(harness: &Harness, agent: &mut Agent) {
    harness.lab.remove(&[v4(2)]);
    first(agent, &["withdrew", &target(v4(2))]);
    harness.lab.add(&[v4(2)]);
    first(agent, &["restored", &target(v4(2))]);
}

#[test]
fn a_disk_that_hangs_costs_the_history_and_no_failover() {
    run(|| {
        let Some(disk) = HungDisk::mount() else {
            let _ = writeln!(std::io::stderr(), "SKIPPED: no FUSE here, or no right to mount");
            return;
        };
        let addresses = [v4(1), v4(2)];
        let harness = Harness::serving(&addresses);
        let file = disk.folder.path().join("history");
        let top = format!("history_file = \"{}\"\n", file.display());
        let mut agent = harness.start(&harness.config(&top, &addresses));
        nth(&mut agent, 2, &["target confirmed up"]);
        fails_over(&harness, &mut agent);
        first(&mut agent, &["the history is not kept: the disk has not answered for 10 s"]);
        agent.signal(Signal::TERM);
        let ended = agent.wait_end(PATIENT);
        assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
        assert_eq!(ended.stderr.matches("the history is not kept").count(), 1);
        assert!(ended.stderr.contains("the last minute of the history may be lost"));
    });
}

/// A file system in memory with room for little.
struct SmallDisk(TempDir);

impl SmallDisk {
    /// `None` without the right to mount.
    fn mount() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=64k", "small"]).arg(folder.path());
        mount.status().is_ok_and(|status| status.success()).then_some(Self(folder))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Fills it to the last byte.
    fn fill(&self) {
        let mut file = std::fs::File::create(self.path("filling")).unwrap();
        while file.write_all(&[0; 4096]).is_ok() {}
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

#[test]
fn a_full_disk_costs_the_history_until_there_is_room_and_no_failover() {
    run(|| {
        let Some(disk) = SmallDisk::mount() else { return skip("no right to mount") };
        disk.fill();
        let addresses = [v4(1), v4(2)];
        let harness = Harness::serving(&addresses);
        let file = disk.path("history");
        let top = format!("history_file = \"{}\"\n", file.display());
        let mut agent = harness.start(&harness.config(&top, &addresses));
        first(&mut agent, &["the history is not kept", "No space left on device"]);
        nth(&mut agent, 2, &["target confirmed up"]);
        fails_over(&harness, &mut agent);
        std::fs::remove_file(disk.path("filling")).unwrap();
        // At the next minute.
        first(&mut agent, &["the history is kept again"]);
        agent.signal(Signal::TERM);
        let ended = agent.wait_end(PATIENT);
        assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
        assert_eq!(ended.stderr.matches("the history is not kept").count(), 1);
        assert!(std::fs::metadata(&file).unwrap().len() > 100, "what came later is there");
    });
}

/// The number of agents that are killed, and the longest time for which one runs.
fn kills() -> (u32, Duration) {
    let asked = std::env::var("GOAVAIL_KILLS").ok().and_then(|text| text.parse().ok());
    match asked {
        Some(kills) => (kills, Duration::from_secs(150)),
        None => (6, Duration::from_secs(3)),
    }
}

/// How many run at the same time.
const AT_ONCE: usize = 75;

/// The most that is lost: the minute between two marks, and a moment.
const LOST: Duration = Duration::from_secs(62);

/// Time since 1970, as the wall clock has it.
#[expect(clippy::disallowed_methods, reason = "the time of a kill, for the command line")]
fn wall() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap()
}

/// Runs an agent for this long, kills it, and reads its history. Returns the time that is lost.
fn kill_after(network: &Namespace, lives: Duration) -> Duration {
    let text = "interval = 0.2\ntimeout = 0.1\nretry_interval = 0.1\nhistory_file = \"history\"\n\
                [Cloudflare]\ndns_domain = \"example.com\"\nhostnames = [\"www\"]\n\
                ip_addresses = [\"127.0.0.2\", \"127.0.0.3\"]\n";
    let mut agent = Setup::new(text, Within::Lab(network)).args(["monitor"]).start();
    agent.nth(1, &["target confirmed up"]);
    std::thread::sleep(lives);
    let killed = wall();
    agent.signal(Signal::KILL);
    let folder = tempfile::tempdir().unwrap();
    std::fs::copy(agent.folder().join("history"), folder.path().join("history")).unwrap();
    std::fs::write(folder.path().join("goavail.toml"), text).unwrap();
    agent.kill();
    read_up_to(folder.path(), killed)
}

/// Returns the time between the end of a history and a kill.
fn read_up_to(folder: &Path, killed: Duration) -> Duration {
    let mut goavail = Command::new(crate::agent::BINARY);
    let said = goavail.current_dir(folder).args(["replay", "--json"]).output().unwrap();
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    let said: serde_json::Value = serde_json::from_slice(&said.stdout).unwrap();
    assert_eq!(said["check"]["differences"], 0, "{said:#}");
    assert_eq!(said["damage"]["gaps"], 0, "{said:#}");
    killed.saturating_sub(Duration::from_secs(said["to"].as_u64().unwrap()))
}

#[test]
fn what_an_agent_recorded_is_there_up_to_the_last_minute_before_it_was_killed() {
    run(|| {
        let network = Namespace::new("killed");
        let (kills, longest) = kills();
        let mut dice = SmallRng::seed_from_u64(11);
        let lives: Vec<Duration> =
            (0..kills).map(|_| longest.mul_f64(dice.random_range(0.0..1.0))).collect();
        let mut worst = Duration::ZERO;
        for batch in lives.chunks(AT_ONCE) {
            let lost: Vec<Duration> = std::thread::scope(|scope| {
                let network = &network;
                let agents: Vec<_> =
                    batch.iter().map(|its| scope.spawn(|| kill_after(network, *its))).collect();
                agents.into_iter().map(|agent| agent.join().unwrap()).collect()
            });
            worst = worst.max(lost.into_iter().max().unwrap_or_default());
        }
        eprintln!("{kills} kills: at most {:.1} s are lost", worst.as_secs_f64());
        assert!(worst < LOST, "{worst:?} of the past are lost");
    });
}
