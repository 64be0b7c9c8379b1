//! Commands that behave, and commands that do not. A test of a defect that users of another program
//! reported names its project and number.

mod daemon;
mod ending;
mod plugins;

use std::collections::BTreeSet;
use std::fs;
use std::net::Ipv4Addr;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, Ordering};

use super::account::UserAccount;
use super::settings::{DEFAULT_MAX_RUNNING, Replaced};
use super::*;
use crate::engine::types::Endpoint;
use crate::probe::skip;

/// Long enough for a command on a busy machine.
const AMPLE: Duration = Duration::from_mins(1);

/// Short enough to wait for, and long enough for a command to start on a busy machine.
const SHORT: Duration = Duration::from_secs(1);

fn request(timeout: Duration) -> ProbeRequest {
    ProbeRequest::first(Endpoint::echo(Ipv4Addr::LOCALHOST.into()), timeout)
}

fn command(command: &[&str]) -> ExecSettings {
    let command = command.iter().map(ToString::to_string).collect();
    let values = Replaced {
        service: Some("www".to_owned()),
        host: Some("www.example.com".to_owned()),
        port: Some(8443),
    };
    ExecSettings::new(command, values, None, DEFAULT_MAX_RUNNING)
}

fn script(text: &str) -> ExecSettings {
    command(&["/bin/sh", "-c", text, "sh", "{address}", "{service}", "{host}", "{port}"])
}

async fn run(settings: &ExecSettings, timeout: Duration) -> ExecAnswer {
    Exec::default().probe(settings, &request(timeout)).await
}

/// A number that no other test has, for a `sleep` that can be found by it.
fn mark() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let next = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("31536{next}.{}", std::process::id())
}

/// Returns the processes with a text among their arguments, zombies excepted: they have none.
fn processes(text: &str) -> Vec<String> {
    let own = std::process::id().to_string();
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let lines =
        entries.filter(|entry| entry.file_name().to_str() != Some(&own)).filter_map(|entry| {
            let line = fs::read(entry.path().join("cmdline")).ok()?;
            Some(String::from_utf8_lossy(&line).replace('\0', " "))
        });
    lines.filter(|line| line.contains(text)).collect()
}

/// Waits until a command has written its first word to a file.
async fn until_written(path: &std::path::Path) {
    while fs::read(path).is_ok_and(|text| text.is_empty()) || !path.exists() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Waits until nothing runs any more, and proves that nothing is left.
fn nothing_is_left(exec: &Exec, mark: &str) {
    assert!(exec.running.wait_for_none(AMPLE), "a command still runs");
    assert_eq!(processes(mark), Vec::<String>::new());
}

fn reason(answer: &ExecAnswer) -> &str {
    match &answer.answer {
        Answer::Failed(failure) => &failure.reason,
        Answer::TimedOut(reason) | Answer::Fault(reason) => reason,
        _ => "",
    }
}

#[tokio::test]
async fn the_exit_code_is_the_answer() {
    let rows = [
        ("exit 0", "reply", ""),
        ("echo OK - fine", "reply", ""),
        ("echo WARNING - slow; exit 1", "warning", "WARNING - slow"),
        ("exit 1", "warning", "exit code 1, without output"),
        ("echo CRITICAL - down; echo more; exit 2", "failed", ": CRITICAL - down"),
        ("exit 2", "failed", ": without output"),
        ("echo no such table >&2; exit 2", "failed", ": no such table"),
        ("echo first >&2; echo second; exit 2", "failed", ": second"),
        ("printf 'caf\\351\\n'; exit 2", "failed", ": caf\u{fffd}"),
        ("echo UNKNOWN - usage; exit 3", "fault", "/bin/sh: exit code 3: UNKNOWN - usage"),
        ("exit 255", "fault", "exit code 255: without output"),
        ("exec /no/such/program", "fault", "exit code 127"),
        ("kill -9 $$", "fault", "was killed by signal 9"),
        ("echo half; kill -SEGV $$", "fault", "was killed by signal 11: half"),
        ("exec >&- 2>&-; exit 2", "failed", ": without output"),
        ("exec >&- 2>&-; sleep 0.05; exit 0", "reply", ""),
    ];
    for (text, want, words) in rows {
        let answer = run(&script(text), AMPLE).await;
        let found = match &answer.answer {
            Answer::Reply(_) if answer.warning.is_some() => "warning",
            Answer::Reply(_) => "reply",
            Answer::Failed(_) => "failed",
            Answer::Fault(_) => "fault",
            _ => "none of these",
        };
        assert_eq!(found, want, "{text}: {answer:?}");
        let message = answer.warning.as_deref().unwrap_or_else(|| reason(&answer));
        assert!(message.contains(words), "{text}: {message}");
        if let Answer::Failed(failure) = answer.answer {
            assert_eq!(failure.kind, "exit code 2", "the same for every target");
        }
    }
}

#[tokio::test]
async fn what_cannot_be_started_is_a_fault() {
    let folder = tempfile::tempdir().unwrap();
    let plain = folder.path().join("plain");
    fs::write(&plain, "echo").unwrap();
    for program in ["/no/such/program", "/", plain.to_str().unwrap()] {
        let answer = run(&command(&[program]), AMPLE).await;
        assert!(reason(&answer).contains(&format!("cannot start {program}: ")), "{answer:?}");
        assert!(matches!(answer.answer, Answer::Fault(_)), "{answer:?}");
    }
}

#[tokio::test]
async fn a_command_gets_its_arguments_and_nothing_of_ours() {
    let rows = [
        ("echo \"$1 $2 $3 $4\"", "127.0.0.1 www www.example.com 8443".to_owned()),
        ("tr '\\0' ' ' </proc/$$/environ", format!("PATH={}", super::supervisor::PATH)),
        ("pwd", "/".to_owned()),
        ("readlink /proc/self/fd/0", "/dev/null".to_owned()),
        (
            "until [ $(ulimit -Sn) = 1024 ]; do sleep 0.01; done; echo few files",
            "few files".to_owned(),
        ),
        ("trap - PIPE; kill -PIPE $$; echo ignored", String::new()),
    ];
    for (text, want) in rows {
        let answer = run(&script(&format!("{text}; exit 2")), AMPLE).await;
        let output = reason(&answer).split_once(": ").map_or("", |(_, output)| output);
        let want = if want.is_empty() { "without output" } else { &want };
        assert_eq!(output, want, "{text}");
    }
}

/// Icinga/icinga2#6641: descriptors of the parent reach its commands.
#[tokio::test]
async fn no_descriptor_of_this_program_reaches_a_command() {
    let _listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let _socket = tokio::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let _file = tempfile::tempfile().unwrap();
    let answer = run(&script("ls -m /proc/$$/fd; exit 2"), AMPLE).await;
    let (_, output) = reason(&answer).split_once(": ").unwrap();
    let found: BTreeSet<i32> = output.split(", ").map(|fd| fd.parse().unwrap()).collect();
    // Descriptors of the test's own starter are not ours.
    let inherited = super::running::inherited_descriptors();
    let own = found.difference(&inherited.into_iter().collect()).copied().collect::<Vec<_>>();
    assert_eq!(own, [0, 1, 2], "{output}");
}

#[tokio::test]
async fn a_gigabyte_of_output_is_neither_kept_nor_waited_for() {
    let answer = run(&script("echo OK; head -c 1073741824 /dev/zero"), AMPLE).await;
    assert!(matches!(answer.answer, Answer::Reply(_)), "{answer:?}");
    let answer = run(&script("head -c 268435456 /dev/zero | tr '\\0' x; exit 2"), AMPLE).await;
    let (_, output) = reason(&answer).split_once(": ").unwrap();
    assert_eq!(output.chars().count(), 201, "{output}");
}

/// Returns the numbers of the commands of this process that have ended and were not reaped.
fn zombies() -> Vec<u32> {
    let own = format!("(sh) Z {} ", std::process::id());
    let stats = fs::read_dir("/proc").unwrap().flatten();
    let stats = stats.filter_map(|entry| fs::read_to_string(entry.path().join("stat")).ok());
    let zombies = stats.filter(|stat| stat.contains(&own));
    zombies.filter_map(|stat| stat.split(' ').next()?.parse().ok()).collect()
}

/// exacheck/exacheck#8, Icinga/icinga2#8981: zombies.
#[tokio::test]
async fn each_command_is_reaped() {
    let exec = Exec::default();
    for text in ["exit 0", "kill -9 $$", "sleep 60"] {
        exec.probe(&script(text), &request(SHORT)).await;
    }
    assert!(exec.running.wait_for_none(AMPLE));
    // Those of other tests are reaped soon as well.
    let mut zombies = zombies();
    for _ in 0..2000 {
        zombies.retain(|id| self::zombies().contains(id));
        if zombies.is_empty() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("{zombies:?} were not reaped");
}

/// hashicorp/consul#3457, acassen/keepalived#429: commands pile up.
#[tokio::test]
async fn at_most_max_running_run_at_once_and_those_that_wait_count_for_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let gate = folder.path().join("gate");
    rustix::fs::mkfifoat(rustix::fs::CWD, &gate, rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR)
        .unwrap();
    let text = format!("read line <{}; exit 0", gate.display());
    let line = ["/bin/sh", "-c", text.as_str(), "{service}"].map(str::to_owned).to_vec();
    let exec = Arc::new(Exec::default());
    let mut probes = Vec::new();
    for service in ["one", "other"] {
        let values = Replaced { service: Some(service.to_owned()), ..Replaced::default() };
        let settings = ExecSettings::new(line.clone(), values, None, NonZeroU32::MIN);
        let probing = Arc::clone(&exec);
        probes.push(tokio::spawn(async move { probing.probe(&settings, &request(AMPLE)).await }));
        tokio::task::yield_now().await;
    }
    let settings = ExecSettings::new(line, Replaced::default(), None, NonZeroU32::MIN);
    let answer = exec.probe(&settings, &request(SHORT)).await;
    assert_eq!(answer.answer, Answer::Unsent, "one runs, and one waits before it");
    for probe in probes {
        let gate = gate.clone();
        tokio::task::spawn_blocking(move || fs::write(gate, "go\n").unwrap()).await.unwrap();
        // The second is let in by the first one's end, and has its whole time.
        let answer = probe.await.unwrap();
        assert!(matches!(answer.answer, Answer::Reply(_)), "{answer:?}");
    }
}

/// Icinga/icinga2#4981: a command of another user cannot be killed, and nobody notices.
#[tokio::test]
async fn a_command_runs_as_its_user_with_its_groups_and_no_rights_and_can_be_killed() {
    if !rustix::process::geteuid().is_root() {
        return skip("only root can run commands as another user");
    }
    let user = UserAccount {
        name: "nobody".to_owned(),
        uid: 65534,
        gid: 65534,
        groups: vec![65534, 4, 24],
    };
    let line = ["/bin/sh", "-c", "", "sh"].map(str::to_owned);
    let exec = Exec::default();
    let rows = [
        ("id -u; exit 2", "65534"),
        ("id -ru; exit 2", "65534"),
        ("id -G; exit 2", "65534 4 24"),
        ("grep -cE '^Cap(Prm|Eff|Amb):.0*$' /proc/self/status; exit 2", "3"),
        ("ls -d /proc/1/root/. 2>/dev/null || echo no; exit 2", "no"),
    ];
    for (text, want) in rows {
        let mut line = line.clone();
        text.clone_into(&mut line[2]);
        let settings = ExecSettings::new(
            line.to_vec(),
            Replaced::default(),
            Some(user.clone()),
            DEFAULT_MAX_RUNNING,
        );
        let answer = exec.probe(&settings, &request(AMPLE)).await;
        let (_, output) = reason(&answer).split_once(": ").unwrap_or_else(|| panic!("{answer:?}"));
        assert_eq!(output, want, "{text}");
    }
    let mark = mark();
    let mut line = line.to_vec();
    line[2] = format!("sleep {mark} & sleep {mark}; true");
    let settings = ExecSettings::new(line, Replaced::default(), Some(user), DEFAULT_MAX_RUNNING);
    let answer = exec.probe(&settings, &request(SHORT)).await;
    assert!(matches!(answer.answer, Answer::TimedOut(_)), "{answer:?}");
    nothing_is_left(&exec, &mark);
}
