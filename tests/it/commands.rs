//! The real binary asking an agent: `status`, `drain`, `undrain`, against a status service that the
//! test serves in the agent's place. `plan` has a file of its own and uses the same service.

#![expect(clippy::unwrap_used, reason = "a test's helper fails as the test does")]

mod terminal;

use std::fs;
use std::path::Path;
use std::time::Duration;

use goavail::testing::serve::{ServeLimits, serve};
use goavail::testing::status::model::{Reason, Status};
use goavail::testing::status::{
    Board, ClockReading, CommandDone, CommandKind, CommandRefused, DrainRequest, OperatorCommand,
    SocketFile, WIDTH, control, listen, open_control, read_only,
};
use tokio::sync::mpsc;

use crate::status_sample::{after, beginning, ip, sample_board, setup, targets};

/// A folder with a `goavail.toml` that names a control socket.
pub(crate) struct Place {
    folder: tempfile::TempDir,
}

/// Exit code, stdout, stderr.
pub(crate) type Ended = (i32, String, String);

impl Place {
    /// With `config` and, below it, `[Status]`.
    pub(crate) fn new(config: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = format!("{config}\n[Status]\nsocket = \"control.sock\"\n");
        fs::write(folder.path().join("goavail.toml"), config).unwrap();
        Self { folder }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Runs the binary there, with nothing in its environment but `env`.
    pub(crate) async fn run(&self, arguments: &str, env: &[(&str, &str)]) -> Ended {
        self.run_with(arguments.split_whitespace(), env).await
    }

    async fn run_with<'a>(
        &self,
        arguments: impl IntoIterator<Item = &'a str>,
        env: &[(&str, &str)],
    ) -> Ended {
        let ran = tokio::process::Command::new(env!("CARGO_BIN_EXE_goavail"))
            .args(arguments)
            .current_dir(self.path())
            .env_clear()
            .envs(env.iter().copied())
            .kill_on_drop(true)
            .output();
        let output = tokio::time::timeout(Duration::from_mins(1), ran).await.unwrap().unwrap();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
    }

    /// Serves this board on the control socket, in the place of an agent.
    pub(crate) fn serve(&self, board: Board) -> FakeAgent {
        let (orders, commands) = mpsc::channel(1);
        let (socket, file) = open_control(&self.path().join("control.sock")).unwrap();
        let routes = control(board.reader(), orders);
        tokio::spawn(serve(socket, routes, ServeLimits::default(), std::future::pending()));
        FakeAgent { commands, _board: board, _file: file }
    }
}

/// A server in the place of an agent, until the test ends.
pub(crate) struct FakeAgent {
    /// The orders that it is given.
    commands: mpsc::Receiver<OperatorCommand>,
    _board: Board,
    _file: SocketFile,
}

/// One agent in a folder with a file that holds `[Status]` and something that `check` would refuse:
/// a query does not look at the rest.
fn asked() -> (Place, FakeAgent) {
    let place = Place::new("interval = \"being edited\"");
    let agent = place.serve(sample_board().0);
    (place, agent)
}

#[tokio::test]
async fn status_is_a_table_that_fits_the_terminal_with_the_worst_first() {
    let (place, _agent) = asked();
    let (code, table, complaint) = place.run("status", &[]).await;
    assert_eq!((code, complaint.as_str()), (0, ""));
    let longest = table.lines().map(|line| line.chars().count()).max().unwrap();
    assert!(longest <= WIDTH, "{longest} columns:\n{table}");
    assert!(table.chars().all(|c| c == '\n' || !c.is_control()), "no colour in a pipe: {table}");
    let rows: Vec<&str> = table.lines().skip_while(|line| !line.starts_with("ADDRESS")).collect();
    assert_eq!(rows.len(), 1 + targets().len(), "{table}");
    let first = |row: usize, words: [&str; 2]| words.iter().all(|word| rows[row].contains(word));
    assert!(first(1, ["198.51.100.15 ", "yes: contested"]), "{table}");
    assert!(first(2, ["198.51.100.17 ", "kept: floor"]), "{table}");
    for part in ["eu-1  goavail 0.1.0  cluster", "peers: 2 of 3 alive", "drained: 198.51.100.11 "] {
        assert!(table.contains(part), "{part} is missing:\n{table}");
    }
}

#[tokio::test]
async fn status_as_json_is_what_the_agent_answers() {
    let (mut board, end) = sample_board();
    board.failed(end.clock, "swap\u{202e}disk", "a\u{200b}b");
    board.publish(end);
    let published = board.reader().snapshot().status();
    let place = Place::new("");
    let _agent = place.serve(board);
    let (code, json, complaint) = place.run("status --json", &[]).await;
    assert_eq!((code, complaint.as_str()), (0, ""));
    assert!(!json.contains(['\u{202e}', '\u{200b}']), "a terminal would hide it: {json}");
    assert_eq!(serde_json::from_str::<Status>(&json).unwrap(), published);
}

#[tokio::test]
async fn status_asks_the_listener_where_there_is_no_socket_and_orders_need_the_socket() {
    let (board, _) = sample_board();
    let listener = listen("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = listener.local_addr().unwrap();
    let routes = read_only(board.reader());
    tokio::spawn(serve(listener, routes, ServeLimits::default(), std::future::pending()));
    let place = Place::new("");
    let config = format!("[Status]\nlisten = \"{address}\"\n");
    fs::write(place.path().join("goavail.toml"), config).unwrap();
    assert_eq!(place.run("status", &[]).await.0, 0);
    let want = format!(
        "goavail: {address} is read only; for drain, undrain and return, set Status.socket\n"
    );
    assert_eq!(place.run("undrain 198.51.100.10", &[]).await, (1, String::new(), want));
}

#[tokio::test]
async fn an_agent_whose_loop_does_not_turn_is_shown_and_is_a_failure() {
    let now = beginning();
    let past = |at: ClockReading| ClockReading {
        clock: at.clock.checked_sub(Duration::from_secs(20)).unwrap(),
        ..at
    };
    let place = Place::new("");
    let _agent = place.serve(Board::new(setup(&targets()), past(now)));
    for arguments in ["status", "status --json"] {
        let (code, shown, complaint) = place.run(arguments, &[]).await;
        assert_eq!(code, 1, "{arguments}");
        assert!(
            complaint.starts_with("goavail: the agent's event loop has not run for 2"),
            "{complaint}"
        );
        assert_eq!(complaint.lines().count(), 1, "{complaint}");
        assert!(shown.contains("198.51.100.10"), "it is shown nevertheless: {shown}");
    }
}

#[tokio::test]
async fn every_command_reports_a_missing_agent_in_one_line() {
    let place = Place::new("");
    let socket = "./control.sock";
    let missing = "No such file or directory (os error 2)";
    let refused = "Connection refused (os error 111)";
    let commands = [
        "status",
        "status --json",
        "explain 198.51.100.10",
        "drain 198.51.100.10",
        "undrain 198.51.100.10",
    ];
    for why in [missing, refused] {
        for command in commands {
            let (code, said, complaint) = place.run(command, &[]).await;
            assert_eq!((code, said.as_str()), (1, ""), "{command}: {complaint}");
            let want = format!("goavail: no agent answers on {socket}: {why}\n");
            assert_eq!(
                complaint.replace("on control.sock", "on ./control.sock"),
                want,
                "{command}"
            );
        }
        // The leftovers of a dead agent.
        let _ = fs::remove_file(place.path().join("control.sock"));
        drop(std::os::unix::net::UnixListener::bind(place.path().join("control.sock")).unwrap());
    }
    fs::write(place.path().join("goavail.toml"), "interval = 1\n").unwrap();
    let want =
        "goavail: the agent cannot be queried: neither Status.socket nor Status.listen is set\n";
    for command in ["status", "status --watch", "explain ::1", "undrain ::1"] {
        let got = place.run(command, &[]).await;
        assert_eq!(got, (1, String::new(), want.to_owned()), "{command}");
    }
}

/// An agent of before explanations: it knows the status, and not this path.
#[tokio::test]
async fn an_agent_that_cannot_explain_is_named_with_its_version() {
    let (place, _agent) = asked();
    let (code, said, complaint) = place.run("explain 198.51.100.10", &[]).await;
    assert_eq!((code, said.as_str()), (1, ""), "{complaint}");
    let want =
        "control.sock (goavail 0.1.0) cannot explain: it is older than this program; restart it\n";
    assert!(
        complaint.starts_with("goavail: the agent on ") && complaint.ends_with(want),
        "{complaint}"
    );
}

#[tokio::test]
async fn a_drain_reports_its_effect_and_its_warnings() {
    let (place, mut agent) = asked();
    let want = CommandKind::Drain(DrainRequest {
        lasting: Some(Duration::from_hours(2)),
        reason: Some("disk swap".into()),
        force: true,
    });
    let event_loop = async {
        let command = agent.commands.recv().await.unwrap();
        assert_eq!((command.target, command.kind), (ip("198.51.100.10"), want));
        let done = CommandDone {
            message: "drained 198.51.100.10 until 2026-11-22 05:12:45 UTC".into(),
            until: None,
            warnings: vec!["state_file is not set, so a restart\nforgets it".into()],
            services: vec![],
        };
        command.reply.send(Ok(done)).unwrap();
    };
    let arguments = ["drain", "198.51.100.10", "--for", "2h", "--reason", "disk swap", "--force"];
    let (ended, ()) = tokio::join!(place.run_with(arguments, &[]), event_loop);
    let said = "\
drained 198.51.100.10 until 2026-11-22 05:12:45 UTC
warning: state_file is not set, so a restart?forgets it
";
    assert_eq!(ended, (0, said.to_owned(), String::new()));
}

#[tokio::test]
async fn the_ways_back_reach_the_agent_as_they_are_asked_for() {
    let (place, mut agent) = asked();
    let cases = [
        ("undrain 198.51.100.10", CommandKind::Undrain, None),
        ("undrain 198.51.100.10 --now", CommandKind::UndrainNow, None),
        ("return 198.51.100.10", CommandKind::Return, None),
        ("return www/198.51.100.10", CommandKind::Return, Some("www")),
        ("return 198.51.100.10 --service www", CommandKind::Return, Some("www")),
    ];
    for (arguments, kind, service) in cases {
        let event_loop = async {
            let command = agent.commands.recv().await.unwrap();
            assert_eq!((command.target, command.kind), (ip("198.51.100.10"), kind));
            assert_eq!(command.service.as_deref(), service, "{arguments}");
            let (message, warnings) = ("done".to_owned(), vec![]);
            let done = CommandDone { message, until: None, warnings, services: vec![] };
            command.reply.send(Ok(done)).unwrap();
        };
        let (ended, ()) = tokio::join!(place.run(arguments, &[]), event_loop);
        assert_eq!(ended, (0, "done\n".to_owned(), String::new()), "{arguments}");
    }
}

#[tokio::test]
async fn a_refusal_is_told_in_the_agents_words_with_exit_code_1() {
    let (place, mut agent) = asked();
    let floor = "only 1 address would be left at www.example.com, at least 2 must be; --force \
                 overrides it";
    let target = ip("198.51.100.10");
    let guard = CommandRefused::Guard { reason: Reason::Floor, message: floor.into() };
    let cases = [
        ("drain 198.51.100.10", guard, floor.to_owned()),
        (
            "undrain 198.51.100.10",
            CommandRefused::NotATarget(target),
            "198.51.100.10 is not a target of this agent".to_owned(),
        ),
    ];
    for (arguments, refused, words) in cases {
        let event_loop = async {
            let command = agent.commands.recv().await.unwrap();
            assert_eq!(command.kind == CommandKind::Undrain, arguments.starts_with("undrain"));
            command.reply.send(Err(refused)).unwrap();
        };
        let (ended, ()) = tokio::join!(place.run(arguments, &[]), event_loop);
        assert_eq!(ended, (1, String::new(), format!("goavail: {words}\n")), "{arguments}");
    }
}

#[tokio::test]
async fn an_invalid_command_is_refused_before_any_request() {
    let (place, mut agent) = asked();
    let long = "x".repeat(201);
    let cases = [
        (
            vec!["drain", "198.51.100.10", "--for", "2x"],
            "invalid value '2x' for '--for <DURATION>'",
        ),
        (vec!["drain", "web1"], "invalid value 'web1' for '<ADDRESS>'"),
        (vec!["drain", "::1", "--reason", &long], "--reason: has at most 200 characters\n"),
        (vec!["status", "-f", "none.toml"], "none.toml: cannot be read: No such file"),
    ];
    for (arguments, want) in cases {
        let (code, said, complaint) = place.run_with(arguments, &[]).await;
        assert_eq!((code, said.as_str()), (2, ""), "{complaint}");
        assert!(complaint.starts_with(&format!("goavail: {want}")), "{complaint}");
    }
    assert!(agent.commands.try_recv().is_err(), "nothing was ordered");
    fs::write(place.path().join("goavail.toml"), "[Status]\nlisten = 7\n").unwrap();
    let (code, _, complaint) = place.run("status", &[]).await;
    assert_eq!(code, 2);
    assert!(complaint.starts_with("goavail: goavail.toml:2: Status.listen: "), "{complaint}");
}

/// The moment that boards of these tests were last written at.
pub(crate) fn now() -> ClockReading {
    after(beginning(), 0)
}
