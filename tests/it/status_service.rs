//! The routes, over real sockets, with the client of `goavail status` and `drain`: the answers, also
//! to garbage, silence and other agents.

#![expect(clippy::unwrap_used, reason = "a test's helper fails as the test does")]

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use goavail::engine::ids::TargetRef;
use goavail::testing::serve::{ServeLimits, serve};
use goavail::testing::status::model::{Drained, Reason};
use goavail::testing::status::{
    ANSWER_WITHIN, AgentAddress, Board, ClientError, ClockReading, CommandDone, CommandKind,
    CommandRefused, CommandTarget, DrainRequest, MAX_SILENCE, OperatorCommand, SocketFile,
    StatusConfig, UndrainRequest, control, listen, open_control, read_only,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::mpsc;

use crate::status_sample::{beginning, ip, sample_board, setup, targets};

/// An agent that answers queries, until the test ends.
pub(crate) struct Asked {
    board: Board,
    commands: mpsc::Receiver<OperatorCommand>,
    pub(crate) directory: tempfile::TempDir,
    listener: SocketAddr,
    _file: SocketFile,
}

impl Asked {
    pub(crate) fn new((board, _): (Board, ClockReading)) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (orders, commands) = mpsc::channel(1);
        let (socket, file) = open_control(&directory.path().join("control.sock")).unwrap();
        let tcp = listen("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = tcp.local_addr().unwrap();
        let never = std::future::pending;
        tokio::spawn(serve(
            socket,
            control(board.reader(), orders),
            ServeLimits::default(),
            never(),
        ));
        tokio::spawn(serve(tcp, read_only(board.reader()), ServeLimits::default(), never()));
        Self { board, commands, directory, listener, _file: file }
    }

    fn socket(&self) -> PathBuf {
        self.directory.path().join("control.sock")
    }

    pub(crate) fn place(&self) -> AgentAddress {
        AgentAddress::Socket(self.socket())
    }
}

/// Sends one request with an empty body and returns status and answer, head and all.
async fn ask(listener: SocketAddr, line: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(listener).await.unwrap();
    let request = format!("{line} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    (answer[9..12].parse().unwrap(), answer)
}

#[tokio::test]
async fn status_is_the_same_on_the_socket_and_on_the_listener() {
    let agent = Asked::new(sample_board());
    let published = agent.board.reader().snapshot().status();
    assert!(!published.is_stale());
    for place in [agent.place(), AgentAddress::Listener(agent.listener)] {
        assert_eq!(place.status().await.unwrap(), published, "{place}");
    }
}

#[tokio::test]
async fn health_is_good_on_the_socket_and_on_the_listener() {
    let agent = Asked::new(sample_board());
    let request = "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let answer = raw(&agent.socket(), request).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert_eq!(ask(agent.listener, "GET /healthz").await.0, 200);
}

#[tokio::test]
async fn a_verdict_is_one_word_and_the_reason() {
    let agent = Asked::new(sample_board());
    let cases = [
        ("up", "198.51.100.10", 200, "up\n"),
        ("not confirmed", "2001:db8:51:100:aaaa:bbbb:cccc:dddd", 200, "assumed_up\n"),
        ("in brackets", "[2001:db8:51:100::15]", 200, "up\n"),
        ("written another way", "2001:DB8:51:100:0:0:0:15", 200, "up\n"),
        ("down and out", "198.51.100.13", 503, "down\n"),
        ("down, kept by the floor", "198.51.100.17", 503, "down floor\n"),
        ("down here, contested", "198.51.100.15", 200, "up contested\n"),
        ("drained", "198.51.100.11", 503, "drained\n"),
        ("no target", "198.51.100.99", 404, "unknown not a target of this agent\n"),
        ("no address", "example", 404, "unknown not a target of this agent\n"),
    ];
    for (name, address, status, body) in cases {
        let (got, answer) = ask(agent.listener, &format!("GET /verdict/{address}")).await;
        assert_eq!((got, answer.split("\r\n\r\n").nth(1)), (status, Some(body)), "{name}");
    }
}

#[tokio::test]
async fn the_listener_takes_no_orders_and_knows_no_other_ways() {
    let agent = Asked::new(sample_board());
    let cases = [
        ("POST /drain/198.51.100.10", 404),
        ("POST /undrain/198.51.100.10", 404),
        ("GET /drain/198.51.100.10", 404),
        ("POST /status", 405),
        ("DELETE /", 405),
        ("GET /../etc/passwd", 404),
        ("GET /verdict/", 404),
        ("HEAD /status", 200),
    ];
    for (line, status) in cases {
        assert_eq!(ask(agent.listener, line).await.0, status, "{line}");
    }
    let place = AgentAddress::Listener(agent.listener);
    let refused =
        place.drain(&"198.51.100.10".parse().unwrap(), &DrainRequest::default()).await.unwrap_err();
    assert!(matches!(refused, ClientError::ReadOnly { .. }), "{refused}");
}

#[tokio::test]
async fn metrics_and_page_name_their_content_types() {
    let agent = Asked::new(sample_board());
    let (status, metrics) = ask(agent.listener, "GET /metrics").await;
    assert_eq!(status, 200);
    assert!(metrics.contains("content-type: text/plain; version=0.0.4; charset=utf-8\r\n"));
    assert!(metrics.contains("\r\n\r\n# HELP goavail_build_info "), "{}", &metrics[..400]);
    let (status, page) = ask(agent.listener, "GET /").await;
    assert_eq!(status, 200);
    for header in [
        "content-type: text/html; charset=utf-8\r\n",
        "content-security-policy: default-src 'none'; ",
        "x-content-type-options: nosniff\r\n",
        "cache-control: no-store\r\n",
    ] {
        assert!(page.contains(header), "{header} is missing");
    }
    assert!(page.contains("style-src 'sha256-") && page.contains("script-src 'sha256-"));
    assert!(!page.contains("unsafe-inline"), "only what goavail wrote is run");
}

#[tokio::test(start_paused = true)]
async fn health_fails_when_the_loop_no_longer_turns() {
    let now = beginning();
    let mut board = Board::new(setup(&targets()), now);
    board.tick(now);
    let router = read_only(board.reader());
    let ask = || {
        let request = axum::http::Request::get("/healthz").body(axum::body::Body::empty()).unwrap();
        tower::ServiceExt::oneshot(router.clone(), request)
    };
    assert_eq!(ask().await.unwrap().status(), 200);
    // A real moment passes between the two clocks, hence the second more.
    tokio::time::advance(MAX_SILENCE + Duration::from_secs(2)).await;
    let answer = ask().await.unwrap();
    assert_eq!(answer.status(), 503);
    let body = axum::body::to_bytes(answer.into_body(), 1_000).await.unwrap();
    assert!(body.starts_with(b"the agent's event loop has not run for 11 s"), "{body:?}");
    board.tick(ClockReading { clock: now.clock + MAX_SILENCE + Duration::from_secs(2), ..now });
    assert_eq!(ask().await.unwrap().status(), 200, "it turns again");
}

#[tokio::test]
async fn an_order_reaches_the_event_loop_whole_and_its_answer_comes_back() {
    let mut agent = Asked::new(sample_board());
    let place = agent.place();
    let drain = DrainRequest {
        lasting: Some(Duration::from_hours(2)),
        reason: Some("disk <swap> & more".into()),
        force: true,
    };
    let target = ip("2001:db8:51:100::15");
    let asked = CommandTarget { service: None, address: target };
    let floor = CommandRefused::Guard {
        reason: Reason::Floor,
        message: "only 1 address would be left at www.example.com AAAA".into(),
    };
    let (message, warnings) = ("drained".to_owned(), vec!["careful".to_owned()]);
    let done = CommandDone { message, until: None, warnings, services: vec![] };
    let cases = [
        ("done", Ok(done.clone()), Ok(done)),
        ("refused by the floor", Err(floor), Err(("floor", "only 1 address would be left"))),
        (
            "no target",
            Err(CommandRefused::NotATarget(target)),
            Err(("not_a_target", "is not a target")),
        ),
        (
            "zone unreadable",
            Err(CommandRefused::Unknown { message: "the zone cannot be read".into() }),
            Err(("unknown", "the zone cannot be read")),
        ),
    ];
    for (name, answer, want) in cases {
        let event_loop = async {
            let command = agent.commands.recv().await.unwrap();
            assert_eq!(
                (command.target, &command.kind),
                (target, &CommandKind::Drain(drain.clone()))
            );
            command.reply.send(answer).unwrap();
        };
        let (got, ()) = tokio::join!(place.drain(&asked, &drain), event_loop);
        match (got, want) {
            (Ok(got), Ok(want)) => assert_eq!(got, want, "{name}"),
            (Err(ClientError::Refused { error, message }), Err((word, part))) => {
                assert_eq!(error, word, "{name}");
                assert!(message.contains(part), "{name}: {message}");
            }
            (got, want) => panic!("{name}: {got:?}, not {want:?}"),
        }
    }
    let event_loop = async {
        let command = agent.commands.recv().await.unwrap();
        assert_eq!(command.kind, CommandKind::Undrain);
        drop(command); // the agent is stopping
    };
    let (got, ()) = tokio::join!(place.undrain(&asked, UndrainRequest::default()), event_loop);
    assert_eq!(got.unwrap_err().to_string(), "the agent is stopping");
}

/// Sends `request` to the control socket as it is.
async fn raw(socket: &Path, request: &str) -> String {
    let mut stream = UnixStream::connect(socket).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn a_bad_order_is_refused_before_it_reaches_the_event_loop() {
    let mut agent = Asked::new(sample_board());
    let cases = [
        (
            "a bad duration",
            "/drain/198.51.100.10?for=2x",
            "",
            400,
            "`2x` is not a number and a unit",
        ),
        ("a key that is none", "/drain/198.51.100.10?fro=2h", "", 400, "unknown field `fro`"),
        ("not JSON", "/drain/198.51.100.10", "{", 400, "EOF"),
        ("a bad duration in JSON", "/drain/198.51.100.10", r#"{"for":"1"}"#, 400, "`1` is not"),
        ("no key of undrain", "/undrain/::1?soon=1", "", 400, "unknown field `soon`"),
        ("a bad undrain", "/undrain/::1", r#"{"now":1}"#, 400, "invalid type"),
        ("a return of no address", "/return/example", "", 404, "`example` is not an address"),
        ("no address", "/drain/example", "", 404, "`example` is not an address"),
        ("nothing at all", "/drain/", "", 404, ""),
    ];
    for (name, path, body, status, part) in cases {
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let answer = raw(&agent.socket(), &request).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{name}: {answer}");
        assert!(answer.contains(part), "{name}: {answer}");
    }
    assert!(agent.commands.try_recv().is_err(), "nothing reached the agent");
    // A valid query works, too.
    let request = "POST /drain/198.51.100.10?for=2h&reason=disk%20swap&force=true HTTP/1.1\r\n\
                   Host: x\r\nConnection: close\r\n\r\n";
    let socket = agent.socket();
    let event_loop = async {
        let command = agent.commands.recv().await.unwrap();
        let CommandKind::Drain(drain) = command.kind else { panic!("{:?}", command.kind) };
        assert_eq!(drain.lasting, Some(Duration::from_hours(2)));
        assert_eq!((drain.reason.as_deref(), drain.force), (Some("disk swap"), true));
    };
    tokio::join!(raw(&socket, request), event_loop);
}

#[tokio::test(start_paused = true)]
async fn an_unanswered_order_ends_with_the_known_state() {
    let (board, _) = sample_board();
    let (orders, mut commands) = mpsc::channel(1);
    let router = control(board.reader(), orders);
    let order = || {
        let request = axum::http::Request::post("/undrain/198.51.100.10");
        let request = request.body(axum::body::Body::empty()).unwrap();
        tower::ServiceExt::oneshot(router.clone(), request)
    };
    // The first is taken by an event loop that then hangs; the queue of one has room for the second.
    let (first, second, third) = tokio::join!(order(), order(), order());
    let status = |answer: Result<axum::response::Response, _>| answer.unwrap().status().as_u16();
    assert_eq!([status(first), status(second), status(third)], [504, 503, 503]);
    assert!(commands.try_recv().is_ok());
    assert!(ANSWER_WITHIN > Duration::from_secs(10), "reading the zone may take 10 s");
}

#[tokio::test]
async fn a_missing_agent_is_reported_in_one_line_with_its_cause() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("control.sock");
    let place =
        AgentAddress::of(&StatusConfig { listen: None, socket: Some(socket.clone()) }).unwrap();
    let line = |error: ClientError| {
        let cause = std::error::Error::source(&error).map(ToString::to_string);
        format!("{error}: {}", cause.unwrap_or_default())
    };
    let missing = line(place.status().await.unwrap_err());
    let begin = format!("no agent answers on {}: ", socket.display());
    assert!(missing.starts_with(&begin) && missing.contains("No such file"), "{missing}");
    drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    let dead = line(place.status().await.unwrap_err());
    assert!(dead.starts_with(&begin) && dead.contains("refused"), "{dead}");
    let nowhere = AgentAddress::of(&StatusConfig::default()).unwrap_err();
    assert!(nowhere.to_string().contains("neither Status.socket nor Status.listen is set"));
    let any = StatusConfig { listen: Some("0.0.0.0:9".parse().unwrap()), socket: None };
    assert_eq!(AgentAddress::of(&any).unwrap().to_string(), "127.0.0.1:9", "asked on loopback");
}

#[tokio::test]
async fn a_server_that_is_no_agent_is_reported_as_such() {
    for (name, answer) in [
        ("another protocol", "220 smtp.example.com ESMTP\r\n"),
        ("another service", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"),
        ("not found", "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"),
        ("nothing", ""),
    ] {
        let listener = listen("127.0.0.1:0".parse().unwrap()).unwrap();
        let place = AgentAddress::Listener(listener.local_addr().unwrap());
        let answering = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 1_024];
            let _ = stream.read(&mut request).await.unwrap();
            stream.write_all(answer.as_bytes()).await.unwrap();
        };
        let (got, ()) = tokio::join!(place.status(), answering);
        let error = got.unwrap_err();
        assert!(matches!(error, ClientError::NotAnAgent { .. }), "{name}: {error:?}");
    }
}

/// The cost of readers: `/status`, `/metrics` and the page of a thousand targets.
#[tokio::test]
async fn a_thousand_targets_are_shown_whole() {
    let now = beginning();
    let many: Vec<_> = (0..1_000).map(|n| ip(&format!("10.0.{}.{}", n / 250, n % 250))).collect();
    let mut board = Board::new(setup(&many), now);
    for target in &many {
        board.reply(TargetRef::of_default(*target), now.clock, Duration::from_millis(20));
    }
    board.publish(now);
    let agent = Asked::new((board, now));
    let status = agent.place().status().await.unwrap();
    assert_eq!(status.targets.len(), 1_000);
    for (line, part) in [
        ("GET /status", "{\"address\":"),
        ("GET /metrics", "\ngoavail_target_up{"),
        ("GET /?all", "<tr class=\"target"),
    ] {
        let began = clock();
        let (_, answer) = ask(agent.listener, line).await;
        let (took, length) = (began.elapsed(), answer.len() / 1_024);
        println!("{line} of 1,000 targets: {length} KiB in {took:?}");
        assert_eq!(answer.matches(part).count(), 1_000, "{line}");
    }
}

#[expect(clippy::disallowed_methods, reason = "real time is what is measured")]
fn clock() -> Instant {
    Instant::now()
}

/// External text may be invisible or run in the other direction.
#[tokio::test]
async fn json_hides_nothing_and_is_read_as_it_was_said() {
    const HIDDEN: &str = "swap\u{202e}disk\u{200b}\u{9b}31m größer";
    let (mut board, end) = sample_board();
    board.failed(end.clock, HIDDEN, HIDDEN);
    board.changed(end.clock, HIDDEN, HIDDEN, None);
    let drained = Some(Drained { until: None, reason: Some(HIDDEN.into()), forced: false });
    let facts = goavail::testing::status::TargetState { drained, ..crate::status_sample::fine() };
    board.update(TargetRef::of_default(ip("198.51.100.10")), end.clock, &facts);
    board.publish(end);
    let agent = Asked::new((board, end));
    let (_, answer) = ask(agent.listener, "GET /status").await;
    assert_eq!(answer.matches("swap\\u202edisk\\u200b\\u009b31m größer").count(), 9, "{answer}");
    assert!(!answer.contains(['\u{202e}', '\u{200b}', '\u{9b}']), "{answer}");
    let status = AgentAddress::Listener(agent.listener).status().await.unwrap();
    assert_eq!(status, agent.board.reader().snapshot().status());
    let target = status.targets.iter().find(|target| target.address == ip("198.51.100.10"));
    let drained = target.and_then(|target| target.drained.clone());
    assert_eq!(drained.and_then(|drained| drained.reason).as_deref(), Some(HIDDEN));
}
