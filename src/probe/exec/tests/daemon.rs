//! The end of processes that have left the group of their command. It needs a process of its own.

use super::*;

/// Set in the process of [`the_daemon`].
const IS_DAEMON: &str = "GOAVAIL_TEST_EXEC_DAEMON";

#[test]
fn a_daemon_ends_what_has_left_its_group_and_reaps_all() {
    let output = std::process::Command::new("/bin/sh")
        // A descriptor that the starter of a daemon has left open.
        .args(["-c", "exec 9</dev/null; exec \"$@\"", "sh"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "probe::exec::tests::daemon::the_daemon", "--nocapture"])
        .env(IS_DAEMON, "1")
        .output()
        .unwrap();
    let report = String::from_utf8_lossy(&output.stdout);
    assert!(report.contains("1 passed"), "{report}{}", String::from_utf8_lossy(&output.stderr));
}

/// The program that the test above starts: this very test binary, asked for this one test. It ends every
/// child of its process, so in an ordinary run there is nothing for it to do.
///
/// influxdata/telegraf#9033, hashicorp/consul#3597: a process that leaves its group outlives every timeout.
#[tokio::test]
async fn the_daemon() {
    if std::env::var_os(IS_DAEMON).is_none() {
        return;
    }
    let exec = Exec::of_this_process();
    let rows = [
        ("a session of its own", "setsid sleep MARK & echo OK", AMPLE),
        (
            "a daemon",
            "(setsid sh -c 'sleep MARK & sleep MARK; true' >/dev/null 2>&1 &); echo OK",
            AMPLE,
        ),
        ("over its timeout", "setsid setsid sleep MARK & sleep MARK", SHORT),
        ("in the group", "(sleep MARK &); echo OK", AMPLE),
        ("ended long ago", "(setsid true &); (true &); echo OK", AMPLE),
    ];
    for (name, text, timeout) in rows {
        let mark = mark();
        let settings = script(&text.replace("MARK", &mark));
        let answer = exec.probe(&settings, &request(timeout)).await;
        assert_eq!(
            matches!(answer.answer, Answer::Reply(_)),
            timeout == AMPLE,
            "{name}: {answer:?}"
        );
        nothing_is_left(&exec, &mark);
        assert!(super::running::has_no_child(), "{name}: a child is left");
    }
    beside_another_command(&exec).await;
    let answer = exec.probe(&script("ls -m /proc/$$/fd; exit 2"), &request(AMPLE)).await;
    assert!(reason(&answer).ends_with(": 0, 1, 2"), "{answer:?}");
}

/// Processes of a command that still runs are left alone.
async fn beside_another_command(exec: &Exec) {
    let (mark, folder) = (mark(), tempfile::tempdir().unwrap());
    let [begun, gate] = ["begun", "gate"].map(|name| folder.path().join(name));
    rustix::fs::mkfifoat(rustix::fs::CWD, &gate, rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR)
        .unwrap();
    let text = format!(
        "(setsid sleep {mark} &); echo >{}; read line <{}; pgrep -f 'sleep {mark}' >/dev/null && exit 0; \
         exit 2",
        begun.display(),
        gate.display()
    );
    let settings = script(&text);
    let patient = request(AMPLE);
    let held = exec.probe(&settings, &patient);
    let others = async {
        until_written(&begun).await;
        for _ in 0..3 {
            exec.probe(&script("exit 0"), &request(AMPLE)).await;
        }
        tokio::task::spawn_blocking(move || fs::write(gate, "go\n").unwrap()).await.unwrap();
    };
    let (answer, ()) = tokio::join!(held, others);
    assert!(matches!(answer.answer, Answer::Reply(_)), "{answer:?}");
    nothing_is_left(exec, &mark);
}
