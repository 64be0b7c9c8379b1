//! The memory file on a real file system: the content that is read back or refused, and the effect of a kill -9
//! or a full disk leaves behind.

#![expect(clippy::unwrap_used, reason = "a test's helper fails as the test does")]

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime};

use goavail::testing::state::{LoadError, Memory, SavedDrain, StateFile, Withdrawn};
use serde_json::json;

use crate::lab::is_ci;

const NOW: u64 = 1_795_316_400;

fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(NOW)
}

/// A memory that differs from every other `n`, and from half of itself.
fn memory(n: u64) -> Memory {
    let record = |place: u64| Withdrawn {
        zone: "default".into(),
        place: String::new(),
        came_back_as: None,
        name: format!("name-{place}.example.com"),
        r#type: "A".into(),
        address: "192.0.2.10".parse().unwrap(),
        at: n,
        attributes: json!({"ttl": 300, "extra": {"cloudflare": {"comment": "x".repeat(100)}}}),
    };
    let drain = SavedDrain {
        service: "default".into(),
        address: "2001:db8::1".parse().unwrap(),
        since: n,
        until: Some(n + 7_200),
        reason: Some("disk swap".into()),
        forced: n % 2 == 1,
        names: [].into(),
        others: [].into(),
    };
    Memory {
        drains: vec![drain],
        withdrawn: (0..n % 97).map(record).collect(),
        ..Memory::default()
    }
}

fn names(directory: &Path) -> Vec<String> {
    let name = |entry: fs::DirEntry| entry.file_name().into_string().unwrap();
    let mut names: Vec<_> =
        fs::read_dir(directory).unwrap().map(|entry| name(entry.unwrap())).collect();
    names.sort();
    names
}

#[test]
fn a_saved_memory_is_loaded_and_only_its_owner_can_read_it() {
    let directory = tempfile::tempdir().unwrap();
    let file = StateFile::new(directory.path().join("state.json"));
    for n in [0, 96, 3] {
        file.save(&memory(n)).unwrap();
        let loaded = file.load(now());
        assert!(loaded.trouble.is_none(), "{:?}", loaded.trouble);
        assert_eq!(loaded.memory, memory(n));
    }
    let mode = fs::metadata(file.path()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(names(directory.path()), ["state.json"], "nothing else is left");
}

#[test]
fn a_missing_file_is_an_empty_memory_and_no_error() {
    let directory = tempfile::tempdir().unwrap();
    let loaded = StateFile::new(directory.path().join("state.json")).load(now());
    assert_eq!(loaded.memory, Memory::default());
    assert!(loaded.trouble.is_none());
}

#[test]
fn a_file_that_is_no_state_file_is_set_aside_whole_and_the_agent_continues() {
    let good = serde_json::to_vec(&json!({"version": 1, "drains": [], "withdrawn": []})).unwrap();
    let half = &good[..good.len() / 2];
    let cases: [(&str, &[u8], &str); 6] = [
        ("cut off", half, "damaged"),
        ("not JSON", b"\x00\xff\x17drains", "damaged"),
        ("no version", b"{}", "damaged"),
        ("something else", b"[1, 2]", "damaged"),
        ("a drain that is none", br#"{"version": 1, "drains": [7]}"#, "damaged"),
        ("of a newer program", br#"{"version": 3, "drains": {"a": 1}}"#, "newer"),
    ];
    for (name, text, label) in cases {
        let directory = tempfile::tempdir().unwrap();
        let file = StateFile::new(directory.path().join("state.json"));
        for round in ["", "-2"] {
            fs::write(file.path(), text).unwrap();
            let loaded = file.load(now());
            assert_eq!(loaded.memory, Memory::default(), "{name}");
            let trouble = loaded.trouble.expect(name);
            assert!(!trouble.in_place(), "{name}: {trouble}");
            let aside = format!("state.json.{label}-{NOW}{round}");
            assert!(trouble.to_string().contains(&aside), "{name}: {trouble}");
            assert_eq!(fs::read(directory.path().join(aside)).unwrap(), text, "{name}");
        }
        file.save(&memory(5)).unwrap();
        assert_eq!(file.load(now()).memory, memory(5), "{name}");
    }
}

#[test]
fn an_unreadable_file_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let file = StateFile::new(directory.path()); // a directory is no file
    let trouble = file.load(now()).trouble.unwrap();
    assert!(matches!(trouble, LoadError::Unreadable { .. }) && trouble.in_place(), "{trouble}");
    assert!(directory.path().is_dir());
}

#[test]
fn a_pipe_is_no_state_file_and_delays_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let file = StateFile::new(directory.path().join("state.json"));
    assert!(Command::new("mkfifo").arg(file.path()).status().unwrap().success());
    let trouble = file.load(now()).trouble.unwrap();
    assert!(trouble.in_place(), "{trouble}");
    let cause = std::error::Error::source(&trouble).unwrap().to_string();
    assert_eq!(cause, "it is not a regular file");
}

#[test]
fn an_empty_file_is_an_empty_memory_and_is_written_like_any_other() {
    for blank in ["", "\n"] {
        let directory = tempfile::tempdir().unwrap();
        let file = StateFile::new(directory.path().join("state.json"));
        fs::write(file.path(), blank).unwrap();
        let loaded = file.load(now());
        assert!(loaded.trouble.is_none(), "{:?}", loaded.trouble);
        assert_eq!(loaded.memory, Memory::default());
        file.save(&memory(3)).unwrap();
        assert_eq!(file.load(now()).memory, memory(3));
        assert_eq!(names(directory.path()), ["state.json"]);
    }
}

#[test]
fn a_link_stays_a_link_and_the_file_that_it_leads_to_is_replaced() {
    let directory = tempfile::tempdir().unwrap();
    let place = |name: &str| directory.path().join(name);
    fs::create_dir(place("data")).unwrap();
    std::os::unix::fs::symlink("data/real.json", place("second")).unwrap();
    std::os::unix::fs::symlink(place("second"), place("state.json")).unwrap();
    let file = StateFile::new(place("state.json"));
    // At first the links lead to nothing.
    for n in [3, 4] {
        file.save(&memory(n)).unwrap();
        assert_eq!(file.load(now()).memory, memory(n));
        assert!(fs::symlink_metadata(file.path()).unwrap().is_symlink());
        assert_eq!(StateFile::new(place("data/real.json")).load(now()).memory, memory(n));
        assert_eq!(names(&place("data")), ["real.json"]);
    }
    fs::remove_file(place("second")).unwrap();
    std::os::unix::fs::symlink("state.json", place("second")).unwrap();
    let error = file.save(&memory(5)).unwrap_err();
    assert!(error.to_string().contains("cannot resolve its link"), "{error}");
}

/// The file is mounted by itself, as containers do it, and so cannot be replaced.
#[test]
fn a_file_that_is_mounted_by_itself_is_written_and_survives_kill_9_with_the_copy_beside_it() {
    let directory = tempfile::tempdir().unwrap();
    let real = directory.path().join("real.json");
    let inside = directory.path().join("inside");
    fs::create_dir(&inside).unwrap();
    let file = StateFile::new(inside.join("state.json"));
    fs::write(&real, "").unwrap();
    fs::write(file.path(), "").unwrap();
    let mounted = format!(
        "exec unshare -m sh -c 'mount --bind {} {} && exec \"$@\"' sh \"$@\"",
        real.display(),
        file.path().display()
    );
    if !Command::new("unshare").args(["-m", "true"]).status().is_ok_and(|status| status.success()) {
        assert!(!is_ci(), "no mount namespaces in CI");
        println!("SKIPPED: no mount namespaces");
        return;
    }
    let mut last = 0;
    for _ in 0..20 {
        let mut child = child(&mounted, &file);
        assert_eq!(word(&mut child), "saved");
        // Not to wait for anything: the moment of the kill is meant to be any.
        std::thread::sleep(Duration::from_micros(rand::random_range(0..15_000)));
        child.kill().unwrap();
        child.wait().unwrap();
        // As the next agent finds it there.
        fs::copy(&real, file.path()).unwrap();
        let loaded = file.load(now());
        assert!(loaded.trouble.is_none(), "after save {last}: {:?}", loaded.trouble);
        let n = loaded.memory.drains[0].since;
        assert!(n > last, "{n} after {last}: what was on the disk is gone");
        assert_eq!(loaded.memory, memory(n));
        last = n;
        // The child would find the torn file alone, were the copy not beside it.
        fs::write(file.path(), "").unwrap();
    }
}

#[test]
fn a_link_left_in_place_of_the_new_file_is_replaced_and_not_written_through() {
    let directory = tempfile::tempdir().unwrap();
    let file = StateFile::new(directory.path().join("state.json"));
    let precious = directory.path().join("precious");
    fs::write(&precious, "keep").unwrap();
    std::os::unix::fs::symlink(&precious, directory.path().join("state.json.new")).unwrap();
    file.save(&memory(7)).unwrap();
    assert_eq!(fs::read_to_string(&precious).unwrap(), "keep");
    assert_eq!(names(directory.path()), ["precious", "state.json"]);
}

#[test]
fn an_unwritable_place_is_named_by_the_error() {
    for place in ["/proc/goavail-state.json", "/nonexistent/goavail/state.json"] {
        let error = StateFile::new(place).save(&memory(1)).unwrap_err();
        assert!(error.to_string().contains(place), "{error}");
    }
}

/// Names the file that [`the_child`] writes, and how.
const CHILD_FILE: &str = "GOAVAIL_TEST_STATE_FILE";

/// The program that the tests below start, kill and starve: this very test binary, asked for this
/// one test. In an ordinary run there is nothing for it to do.
#[test]
fn the_child() {
    let Some(path) = std::env::var_os(CHILD_FILE) else { return };
    let file = StateFile::new(PathBuf::from(path));
    let first = file.load(now()).memory.drains.first().map_or(0, |drain| drain.since);
    for n in first + 1.. {
        match file.save(&memory(n)) {
            Ok(()) if n == first + 1 => println!("\nsaved"),
            Ok(()) => {}
            Err(error) => {
                println!("\nfailed: {error}");
                return;
            }
        }
    }
}

/// Starts the child under `shell`, in which `"$@"` stands for it.
fn child(shell: &str, file: &StateFile) -> Child {
    Command::new("sh")
        .args(["-c", shell, "sh"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "state_file::the_child", "--nocapture"])
        .env(CHILD_FILE, file.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Reads the child's output until it saved or failed.
fn word(child: &mut Child) -> String {
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let mut words = lines.filter(|line| line == "saved" || line.starts_with("failed"));
    words.next().expect("the child ended without a word")
}

#[test]
fn kill_9_at_any_moment_leaves_the_old_file_or_the_new_one_whole() {
    const KILLS: u64 = 100;
    let directory = tempfile::tempdir().unwrap();
    let file = StateFile::new(directory.path().join("state.json"));
    let (mut last, mut halves) = (0, 0);
    for _ in 0..KILLS {
        let mut child = child("exec \"$@\"", &file);
        assert_eq!(word(&mut child), "saved");
        // Not to wait for anything: the moment of the kill is meant to be any.
        std::thread::sleep(Duration::from_micros(rand::random_range(0..15_000)));
        child.kill().unwrap();
        child.wait().unwrap();
        halves += usize::from(names(directory.path()).len() > 1);
        let loaded = file.load(now());
        assert!(loaded.trouble.is_none(), "after save {last}: {:?}", loaded.trouble);
        let n = loaded.memory.drains[0].since;
        assert!(n > last, "{n} after {last}: what was on the disk is gone");
        assert_eq!(loaded.memory, memory(n));
        last = n;
    }
    println!("{KILLS} kills in {last} saves, {halves} of them before the new file had its place");
}

/// A limit on the size of files, at which a write fails as it does on a full disk.
#[test]
fn a_full_disk_leaves_the_last_file_whole_and_the_agent_alive() {
    let directory = tempfile::tempdir().unwrap();
    let file = StateFile::new(directory.path().join("state.json"));
    let child = child("trap '' XFSZ; ulimit -f 16; \"$@\"", &file);
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "the child lived on: {said}");
    assert!(said.contains("cannot write a new file beside it"), "{said}");
    let loaded = file.load(now());
    let n = loaded.memory.drains[0].since;
    assert!(n > 1 && loaded.memory == memory(n), "{n}");
    assert_eq!(names(directory.path()), ["state.json"], "nothing half written is left");
}

/// A link to a file in a missing folder, as in a volume that is not mounted.
#[test]
fn a_link_that_leads_nowhere_is_named_with_where_it_leads() {
    let directory = tempfile::tempdir().unwrap();
    let (first, last) =
        (directory.path().join("first"), directory.path().join("volume/state.json"));
    let file = StateFile::new(directory.path().join("state.json"));
    std::os::unix::fs::symlink("first", file.path()).unwrap();
    std::os::unix::fs::symlink(&last, &first).unwrap();
    assert!(file.load(now()).trouble.is_none(), "nothing was written yet");
    let told = goavail::testing::text::error_chain(&file.save(&memory(3)).unwrap_err());
    for path in [file.path(), &last] {
        assert!(told.contains(path.to_str().unwrap()), "{told}");
    }
    fs::create_dir(last.parent().unwrap()).unwrap();
    file.save(&memory(3)).unwrap();
    assert_eq!(file.load(now()).memory, memory(3));
    // A file that is there and cannot be read is named in the same way.
    fs::remove_file(&last).unwrap();
    fs::create_dir(&last).unwrap();
    let told = goavail::testing::text::error_chain(&file.load(now()).trouble.unwrap());
    assert!(told.contains(last.to_str().unwrap()), "{told}");
}
