//! The end of commands: at their timeout, on request, and of their remains. A test of a defect that
//! users of another program reported names its project and number.

use super::*;

/// influxdata/telegraf#2526, hashicorp/consul#3565: at the timeout the script dies, and its children
/// live on. Icinga/icinga2#8931: the exit code after a signal is taken for an answer.
#[tokio::test]
async fn at_the_timeout_the_whole_group_is_killed_and_no_exit_code_counts() {
    let rows = [
        ("a single command", "exec sleep MARK"),
        ("a child", "sleep MARK; true"),
        ("a child in the background", "sleep MARK & wait"),
        ("a grandchild", "(sleep MARK; true) & (sh -c 'sleep MARK; true'; true); true"),
        ("deaf to signals", "trap '' TERM INT HUP QUIT; sleep MARK; true"),
        ("an exit code of its own", "trap 'exit 0' TERM INT HUP; sleep MARK & wait"),
        ("a new child for each that dies", "while :; do sleep MARK; done"),
        ("endless output", "yes MARK"),
        ("stopped", "kill -STOP $$; sleep MARK"),
        ("a pipe", "yes MARK | sleep MARK"),
    ];
    let exec = Exec::default();
    for (name, text) in rows {
        let mark = mark();
        let settings = script(&text.replace("MARK", &mark));
        let answer = exec.probe(&settings, &request(SHORT)).await;
        assert!(matches!(answer.answer, Answer::TimedOut(_)), "{name}: {answer:?}");
        assert!(reason(&answer).starts_with("no end within 1 s"), "{name}: {answer:?}");
        nothing_is_left(&exec, &mark);
    }
}

/// hashicorp/consul#1332 and #1508: the output of a command until its timeout is lost.
#[tokio::test]
async fn the_reason_of_a_timeout_has_the_output_until_then() {
    let answer = run(&script("echo connecting to 127.0.0.1; sleep 60"), SHORT).await;
    let want = "no end within 1 s, after the line \"connecting to 127.0.0.1\"";
    assert_eq!(answer.answer, Answer::TimedOut(want.to_owned()));
}

/// influxdata/telegraf#13935: a child that holds the output open holds up the check.
#[tokio::test]
async fn what_a_command_leaves_behind_holds_nothing_up_and_is_ended() {
    let rows = [
        ("with our pipes", "sleep MARK & echo OK"),
        ("with its own", "sleep MARK >/dev/null 2>&1 & echo OK"),
        ("that writes on", "yes MARK & echo OK"),
        ("deaf to signals", "(trap '' TERM HUP; sleep MARK; true) & echo OK"),
        ("of another parent", "(sleep MARK &) ; echo OK"),
    ];
    let exec = Exec::default();
    for (name, text) in rows {
        let mark = mark();
        let settings = script(&text.replace("MARK", &mark));
        let answer = exec.probe(&settings, &request(AMPLE)).await;
        assert!(matches!(answer.answer, Answer::Reply(_)), "{name}: {answer:?}");
        nothing_is_left(&exec, &mark);
    }
}

#[tokio::test]
async fn a_command_whose_answer_nobody_wants_is_killed() {
    let (exec, mark) = (Arc::new(Exec::default()), mark());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("begun");
    let settings = script(&format!("echo begun >{}; sleep {mark}; true", path.display()));
    let probing = Arc::clone(&exec);
    let task = tokio::spawn(async move { probing.probe(&settings, &request(AMPLE)).await });
    until_written(&path).await;
    assert_ne!(processes(&mark), Vec::<String>::new());
    task.abort();
    assert!(task.await.unwrap_err().is_cancelled());
    nothing_is_left(&exec, &mark);
}
