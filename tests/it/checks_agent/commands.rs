//! Commands that hang, and the processes that they leave behind; and commands of an agent with exactly the privileges
//! of the systemd unit.

use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{CWD, FileType, Mode, OFlags, mknodat, open};
use rustix::process::geteuid;

use super::address;
use crate::agent::{Agent, BINARY, PATIENT, Setup, Within};
use crate::lab::skip;

/// An ordinary user of every machine.
const NOBODY: &str = "nobody";

/// An ordinary user besides.
const ANOTHER: &str = "daemon";

/// Returns a folder that everybody may read.
fn open_folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let everybody = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(folder.path(), everybody).unwrap();
    folder
}

/// Returns a file in which a script asks two addresses. `$0` is the folder, `$1` the address.
fn config(script: &str, folder: &Path, user: Option<&str>) -> String {
    let command = ["/bin/sh", "-c", script, &folder.display().to_string(), "{address}"];
    let user = user.map(|user| format!(", user = \"{user}\"")).unwrap_or_default();
    let addresses = [1, 2].map(|last| address(last).to_string());
    format!(
        "interval = 0.4\ntimeout = 2\nretry_interval = 0.4\nfailure_threshold = 3\n\
         check = {{ type = \"exec\", command = {command:?}{user} }}\n[Cloudflare]\n\
         dns_domain = \"example.com\"\nhostnames = [\"www\"]\nip_addresses = {addresses:?}\n"
    )
}

/// Makes a pipe that is hung up once every process with its other end, `living`, has ended.
fn living(folder: &Path) -> OwnedFd {
    let path = folder.join("living");
    mknodat(CWD, &path, FileType::Fifo, Mode::empty(), 0).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o666)).unwrap();
    open(&path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty()).unwrap()
}

/// Returns the number of ended children of a process that it has not reaped.
fn defunct(parent: u32) -> usize {
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let stats = entries.filter_map(|entry| std::fs::read_to_string(entry.path().join("stat")).ok());
    let defunct = format!("Z {parent} ");
    stats.filter(|stat| stat.rsplit_once(") ").is_some_and(|it| it.1.starts_with(&defunct))).count()
}

fn until_all_are_reaped(parent: u32) {
    #[expect(clippy::disallowed_methods, reason = "bounds are real time")]
    let begun = std::time::Instant::now();
    while defunct(parent) > 0 {
        assert!(begun.elapsed() < PATIENT, "ended commands are not reaped");
        // Nothing announces to others that a process has reaped its children.
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
}

/// hashicorp/consul#3563: a check that hangs keeps its last result. haproxy/haproxy#140: ended commands
/// pile up as defunct processes.
#[test]
fn a_command_that_hangs_takes_its_address_out_and_leaves_nothing() {
    let folder = open_folder();
    let living = living(folder.path());
    let script =
        "[ ! -e \"$0/$1\" ] || { exec 9>\"$0/living\"; sleep 86399 & setsid sleep 86399 & wait; }";
    let user = geteuid().is_root().then_some(NOBODY);
    let text = config(script, folder.path(), user);
    let mut agent = Setup::new(&text, Within::Here).args(["monitor"]).start();
    agent.nth(2, &["target confirmed up"]);
    let hung = address(2).to_string();
    std::fs::write(folder.path().join(&hung), "").unwrap();
    agent.wait_for_words(&["target down", &hung, "said=\"no "]);
    agent.wait_for_words(&["would withdraw", &hung]);
    std::fs::remove_file(folder.path().join(&hung)).unwrap();
    agent.wait_for_words(&["would restore", &hung]);
    assert!(agent.lines_with(&["target down", &address(1).to_string()]).is_empty());
    let mut end = [PollFd::new(&living, PollFlags::empty())];
    let ended = poll(&mut end, Some(&Timespec::try_from(PATIENT).unwrap())).unwrap();
    assert!(ended == 1 && end[0].revents() == PollFlags::HUP, "the command's children live on");
    until_all_are_reaped(agent.pid());
}

/// The systemd unit, as a list of keys and values; commented lines have their `#`.
fn unit() -> Vec<(&'static str, &'static str)> {
    let lines = include_str!("../../../packaging/goavail.service").lines();
    lines.filter_map(|line| line.split_once('=')).collect()
}

/// Returns the capabilities that the unit gives an agent, in the words of `setpriv`.
fn capabilities(with_user: bool) -> String {
    let mut all = vec!["-all".to_owned()];
    for (key, value) in unit() {
        if key == "AmbientCapabilities" || with_user && key == "#AmbientCapabilities" {
            let names = value.split(' ').map(|name| name.trim_start_matches("CAP_"));
            all.extend(names.map(|name| format!("+{}", name.to_lowercase())));
        }
    }
    all.join(",")
}

/// Returns a copy of the program that everybody may run.
fn program(folder: &Path) -> PathBuf {
    let program = folder.join("goavail");
    std::fs::hard_link(BINARY, &program)
        .or_else(|_| std::fs::copy(BINARY, &program).map(drop))
        .unwrap();
    program
}

/// Returns the words with which `setpriv` starts a program as the unit starts an agent.
fn as_the_unit(program: &Path, with_user: bool) -> Vec<String> {
    let capabilities = capabilities(with_user);
    let mut words: Vec<String> =
        ["--reuid", NOBODY, "--regid", "65534", "--clear-groups", "--no-new-privs"]
            .map(str::to_owned)
            .to_vec();
    for set in ["inh-caps", "ambient-caps", "bounding-set"] {
        words.push(format!("--{set}={capabilities}"));
    }
    words.extend(["--".to_owned(), program.display().to_string()]);
    words
}

/// Starts an agent as the unit does, and returns it beside the answer of `check` as its user.
fn started(text: &str, program: &Path, with_user: bool) -> (Agent, String) {
    let words = as_the_unit(program, with_user);
    let words = words.iter().map(String::as_str);
    let setup = Setup::of("setpriv", text, Within::Here).args(words.clone()).args(["monitor"]);
    let everybody = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(setup.folder(), everybody).unwrap();
    let mut check = Command::new("setpriv");
    let output = check.args(words).arg("check").current_dir(setup.folder()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said = [output.stdout, output.stderr].concat();
    (setup.start(), String::from_utf8(said).unwrap())
}

#[test]
fn the_unit_runs_commands_as_its_own_user_and_says_what_another_one_takes() {
    const WARNING: &str = "CAP_SETUID, CAP_SETGID and CAP_KILL";
    if !geteuid().is_root() {
        return skip("only root can start a program as the unit does");
    }
    let folder = open_folder();
    let program = program(folder.path());
    let script = "[ \"$(id -un)\" = \"$(cat \"$0/user\")\" ] || exit 2";
    for (user, with_user) in [(None, false), (Some(ANOTHER), true)] {
        std::fs::write(folder.path().join("user"), user.unwrap_or(NOBODY)).unwrap();
        let text = config(script, folder.path(), user);
        let (mut agent, check) = started(&text, &program, with_user);
        agent.nth(2, &["target confirmed up"]);
        assert!(!check.contains(WARNING), "{check}");
    }
    let text = config(script, folder.path(), Some(ANOTHER));
    let (mut agent, check) = started(&text, &program, false);
    assert!(check.contains(WARNING), "{check}");
    agent.wait_for_words(&["cannot run a command as daemon", WARNING]);
    assert!(agent.lines_with(&["target confirmed up"]).is_empty());
    assert!(agent.lines_with(&["target down"]).is_empty());
}
