//! A file system that does not answer, as a network file system without its server.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::process::Signal;
use tempfile::TempDir;

use super::{Harness, PATIENT, first, nth, target};
use crate::agent::{Setup, Within};
use crate::fake_cloudflare::TOKEN;
use crate::lab::{run, v4};

/// A mounted file system that answers no question: a FUSE with a server that took the first message, by
/// which the two get to know each other, and no other.
pub(super) struct HungDisk {
    /// The server's end. Without it the waiting processes get an error.
    _server: File,
    pub(super) folder: TempDir,
}

impl HungDisk {
    /// `None` where this kernel has no FUSE, or we may not mount.
    pub(super) fn mount() -> Option<Self> {
        let mut server = File::options().read(true).write(true).open("/dev/fuse").ok()?;
        let folder = tempfile::tempdir().unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-i", "-t", "fuse", "-o"]);
        mount.arg("fd=0,rootmode=40000,user_id=0,group_id=0").arg("hung").arg(folder.path());
        let stdin = Stdio::from(server.try_clone().unwrap());
        let mounted = mount.stdin(stdin).stderr(Stdio::null()).status();
        if !mounted.is_ok_and(|status| status.success()) {
            return None;
        }
        greet(&mut server);
        Some(Self { _server: server, folder })
    }

    /// Lets `path` lead there; the old file is kept beside it.
    fn put_in_place_of(&self, path: &Path) {
        std::fs::rename(path, path.with_extension("kept")).unwrap();
        symlink(self.folder.path(), path).unwrap();
    }
}

/// Puts the old file back after [`HungDisk::put_in_place_of`].
fn put_back(path: &Path) {
    std::fs::remove_file(path).unwrap();
    std::fs::rename(path.with_extension("kept"), path).unwrap();
}

impl Drop for HungDisk {
    fn drop(&mut self) {
        // Processes that are still in there must not be waited for.
        let _ = Command::new("umount").arg("-l").arg(self.folder.path()).status();
    }
}

/// Answers `FUSE_INIT`: version 7.31, and nothing that is optional.
///
/// Source: `struct fuse_init_in` and `struct fuse_init_out` in linux/fuse.h.
fn greet(server: &mut File) {
    let mut asked = [0; 8192];
    let length = server.read(&mut asked).expect("the kernel speaks first");
    assert!(length >= 40 && asked[4..8] == 26_u32.to_ne_bytes(), "it begins with FUSE_INIT");
    let mut answer = [0; 16 + 64];
    answer[..4].copy_from_slice(&80_u32.to_ne_bytes());
    answer[8..16].copy_from_slice(&asked[8..16]);
    answer[16..20].copy_from_slice(&7_u32.to_ne_bytes());
    answer[20..24].copy_from_slice(&31_u32.to_ne_bytes());
    // The most that is written at once; the kernel refuses nothing.
    answer[36..40].copy_from_slice(&4096_u32.to_ne_bytes());
    server.write_all(&answer).expect("the kernel takes the answer");
}

#[test]
fn a_disk_that_does_not_answer_costs_a_reload_and_no_failover() {
    run(|| {
        let Some(disk) = HungDisk::mount() else {
            let _ = writeln!(std::io::stderr(), "SKIPPED: no FUSE here, or no right to mount");
            return;
        };
        let addresses = [v4(1), v4(2), v4(3)];
        let harness = Harness::serving(&addresses);
        let config = harness.config("", &addresses);
        let setup = Setup::new(&config, Within::Lab(harness.lab.agent(0)));
        for folder in ["settings", "secrets"] {
            std::fs::create_dir(setup.folder().join(folder)).unwrap();
        }
        setup.write("settings/goavail.toml", &config);
        setup.write("secrets/token", TOKEN);
        let setup = setup.env("CF_API_TOKEN_FILE", "secrets/token").env("RUST_LOG", "info");
        let mut agent =
            setup.args(["-f", "settings/goavail.toml", "--no-dry-run", "monitor"]).start();
        nth(&mut agent, 3, &["target confirmed up"]);

        let late = "its end did not come within 10 s";
        let rows = [
            ("settings", "settings/goavail.toml: ", v4(1)),
            ("secrets", "CF_API_TOKEN_FILE: ", v4(2)),
        ];
        for (round, (name, told, dying)) in rows.into_iter().enumerate() {
            let folder = agent.folder().join(name);
            disk.put_in_place_of(&folder);
            agent.signal(Signal::HUP);
            nth(&mut agent, 2 * round + 1, &["reading the configuration again"]);
            harness.lab.remove(&[dying]);
            let withdrawn = first(&mut agent, &["withdrew", &target(dying)]);
            let refused = first(&mut agent, &["configuration refused", told, late]);
            assert!(withdrawn.at < refused.at, "nothing waits for the disk");
            put_back(&folder);
            agent.signal(Signal::HUP);
            nth(&mut agent, round + 1, &["configuration in force"]);
        }
        assert_eq!(harness.in_service(), [v4(3).to_string()]);

        // It is told to end while it waits.
        disk.put_in_place_of(&agent.folder().join("secrets"));
        agent.signal(Signal::HUP);
        nth(&mut agent, 5, &["reading the configuration again"]);
        agent.signal(Signal::TERM);
        let ended = agent.wait_end(PATIENT);
        assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
        assert_eq!(ended.stderr.matches("stopping; records stay as they are").count(), 1);
        let refused = ended.stderr.matches("configuration refused").count();
        assert_eq!(refused, rows.len(), "it ended before the disk was given up: {}", ended.stderr);
    });
}
