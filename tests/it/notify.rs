//! Notices against servers that behave and that do not, all on loopback. Belongs here: the effects of
//! the channels on the wire and in the log. Words, grouping and pace are proved beside their code.

use std::io::{self, Write};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use goavail::testing::notify::{
    DeliveryPace, IncidentKey, Notice, NoticeEvidence, NoticeKind, NoticeMark, Notifier,
    NotifyConfig, Severity,
};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tracing::subscriber::DefaultGuard;

/// Generous: a test that meets it is broken, not slow.
const PATIENT: Duration = Duration::from_secs(30);

/// The part of the URLs that nobody may ever read in a log.
pub(crate) const SECRET: &str = "T0SECRET/B0SECRET/x0secretx";

/// The pace of the real thing, a hundred times as fast.
const QUICK: DeliveryPace = DeliveryPace {
    window: Duration::from_millis(10),
    tries: 5,
    first_wait: Duration::from_millis(10),
    repeat_every: Duration::from_mins(1),
};

fn notice(kind: NoticeKind, last: u8) -> Notice {
    Notice {
        at: SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000),
        agent: "sfo-1".into(),
        dry_run: false,
        kind,
        targets: vec![IpAddr::from([192, 0, 2, last]).into()],
        zone: None,
        names: vec!["www.example.com".into()],
        reason: None,
        detail: None,
        evidence: NoticeEvidence::default(),
        incident: IncidentKey::new(
            Some("main"),
            Some("www"),
            Some(&format!("192.0.2.{last}")),
            kind.problem(None),
        ),
        joined: vec![],
        status: kind.status(),
        quiet: false,
        severity: Severity::Warning,
        worst: Severity::Warning,
        since: SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000),
        advice: None,
        mark: NoticeMark::News,
    }
}

/// A server that gives out its answers in turn, then 200 for ever, and reports each request's body.
pub(crate) struct Server {
    pub(crate) url: String,
    bodies: mpsc::UnboundedReceiver<Value>,
}

/// One answer of a [`Server`].
#[derive(Clone, Copy)]
pub(crate) enum Answer {
    Status(&'static str),
    /// Take the request and say nothing, for ever.
    Hang,
    /// Close the connection instead of answering.
    Cut,
}

impl Server {
    pub(crate) async fn start(answers: &'static [Answer]) -> Self {
        let listener = loopback().await;
        let url = format!("http://{}/services/{SECRET}", address(&listener));
        let (sender, bodies) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            let mut answers = answers.iter();
            let mut held = Vec::new();
            loop {
                let (stream, _) = listener.accept().await.expect("a client comes whole");
                let mut stream = BufReader::new(stream);
                sender.send(request(&mut stream).await).expect("the test listens");
                let said = match answers.next() {
                    Some(Answer::Hang) => {
                        held.push(stream);
                        continue;
                    }
                    Some(Answer::Cut) => continue,
                    Some(Answer::Status(said)) => said,
                    None => "200 OK\r\n\r\nok",
                };
                let text =
                    format!("HTTP/1.1 {}", said.replacen("\r\n", "\r\nConnection: close\r\n", 1));
                stream.write_all(text.as_bytes()).await.expect("the client waits");
            }
        });
        Self { url, bodies }
    }

    pub(crate) async fn body(&mut self) -> Value {
        let body = tokio::time::timeout(PATIENT, self.bodies.recv()).await;
        body.expect("a request comes").expect("the server runs")
    }

    /// The next request that has come in already, if there is one.
    pub(crate) fn received(&mut self) -> Option<Value> {
        self.bodies.try_recv().ok()
    }

    pub(crate) async fn text(&mut self) -> String {
        self.body().await["text"].as_str().expect("a text").to_owned()
    }
}

async fn loopback() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port")
}

fn address(listener: &TcpListener) -> SocketAddr {
    listener.local_addr().expect("it is bound")
}

/// Reads one request and returns its body.
pub(crate) async fn request(stream: &mut BufReader<TcpStream>) -> Value {
    let mut length = 0;
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.expect("a header");
        let line = line.trim_end().to_ascii_lowercase();
        if let Some(value) = line.strip_prefix("content-length: ") {
            length = value.parse().expect("a length");
        }
        if line.is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.expect("a body");
    serde_json::from_slice(&body).expect("JSON")
}

/// Everything that is logged on this thread, at every level.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn capture() -> (Self, DefaultGuard) {
        let log = Self::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .finish();
        (log, tracing::subscriber::set_default(subscriber))
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().expect("no panic while logging")).into_owned()
    }

    /// The lines that report a notice as dropped.
    fn dropped(&self) -> Vec<String> {
        let text = self.text();
        text.lines().filter(|line| line.contains("notice dropped")).map(str::to_owned).collect()
    }

    fn keeps_the_secret(&self) {
        let text = self.text();
        for part in SECRET.split('/') {
            assert!(!text.contains(part), "the URL is in the log:\n{text}");
        }
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no panic while logging").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn slack(url: &str) -> NotifyConfig {
    NotifyConfig::new([("slack", url.to_owned().into())])
}

#[tokio::test]
async fn both_channels_are_told_and_addresses_that_fall_together_are_one_message() {
    let (mut slack, mut webhook) = (Server::start(&[]).await, Server::start(&[]).await);
    let config = NotifyConfig::new([
        ("slack", slack.url.clone().into()),
        ("webhook", webhook.url.clone().into()),
    ]);
    let notifier = Notifier::start(&config);
    for last in [1, 2] {
        notifier.send(&notice(NoticeKind::Withdrawn, last));
    }
    notifier.close(PATIENT).await;
    let text = "sfo-1: withdrew 192.0.2.1 and 192.0.2.2 from www.example.com; 2001-09-09T01:46:40Z";
    assert_eq!(slack.body().await, serde_json::json!({ "text": text }));
    let body = webhook.body().await;
    assert_eq!(body["targets"], serde_json::json!(["192.0.2.1", "192.0.2.2"]));
    assert_eq!((body["kind"].as_str(), body["text"].as_str()), (Some("withdrawn"), Some(text)));
    assert_eq!((slack.received(), webhook.received()), (None, None));
}

/// Defect 20 of the Go agent: it ended when Slack could not be reached, waited for ever when Slack
/// hung, and printed the webhook.
#[tokio::test]
async fn a_notice_that_slack_does_not_accept_is_dropped_with_its_cause_and_without_the_url() {
    use Answer::{Cut, Status};
    let free = address(&loopback().await); // and free again at once
    let refusing = format!("http://{free}/services/{SECRET}");
    // A label over 63 bytes is no name, so the resolver refuses it without asking anybody.
    let unresolvable = format!("http://{}.invalid/services/{SECRET}", "a".repeat(64));
    let failing = Server::start(&[Status("500 Oops\r\n\r\n"); 5]).await;
    let cutting = Server::start(&[Cut; 5]).await;
    let archived = Server::start(&[Status("410 Gone\r\n\r\nchannel_is_archived")]).await;
    let chatty = Server::start(&[Status("404 Not Found\r\n\r\nno /services/T0SECRET")]).await;
    // A portal on the way sends everybody to itself until somebody has logged in, so that may pass.
    let moved =
        Server::start(&[Status("302 Found\r\nLocation: http://127.0.0.1/\r\n\r\n"); 5]).await;
    let cases = [
        ("nobody listens", refusing, 0, "error sending request"),
        ("no such host", unresolvable, 0, "error sending request"),
        ("it answers 500", failing.url.clone(), 5, "500"),
        ("it cuts the connection", cutting.url.clone(), 5, "error sending request"),
        ("the channel is gone", archived.url.clone(), 1, "410 Gone: channel_is_archived"),
        ("the path is wrong", chatty.url.clone(), 1, "404 Not Found"),
        ("it sends us elsewhere", moved.url.clone(), 5, "302 Found"),
    ];
    let mut servers = [failing, cutting, archived, chatty, moved];
    for (name, url, requests, why) in cases {
        let (log, _guard) = Log::capture();
        let notifier = Notifier::with_pace(&slack(&url), QUICK);
        notifier.send(&notice(NoticeKind::Withdrawn, 1));
        notifier.close(PATIENT).await;
        let dropped = log.dropped();
        assert_eq!(dropped.len(), 1, "{name}: {}", log.text());
        for part in ["withdrew 192.0.2.1 from www.example.com", "slack", why] {
            assert!(dropped[0].contains(part), "{name}: {part} is missing in {}", dropped[0]);
        }
        log.keeps_the_secret();
        let server = servers.iter_mut().find(|server| server.url == url);
        let seen = server.map_or(0, |server| server.bodies.len());
        assert_eq!(seen, requests, "{name}: tries");
    }
}

#[tokio::test]
async fn a_notice_gets_through_after_failures_and_waits_as_long_as_retry_after_says() {
    const FIRST: &[Answer] = &[
        Answer::Status("503 Busy\r\n\r\n"),
        Answer::Cut,
        Answer::Status("429 Slow\r\nRetry-After: 1\r\n\r\n"),
    ];
    let mut server = Server::start(FIRST).await;
    let (log, _guard) = Log::capture();
    let notifier = Notifier::with_pace(&slack(&server.url), QUICK);
    notifier.send(&notice(NoticeKind::Restored, 1));
    for _ in 0..3 {
        server.body().await;
    }
    let told_to_wait = now();
    assert!(server.text().await.contains("restored 192.0.2.1"));
    let waited = told_to_wait.elapsed();
    assert!(waited >= Duration::from_millis(950), "waited {waited:?}");
    notifier.close(PATIENT).await;
    assert_eq!(log.dropped().len(), 0, "{}", log.text());
    log.keeps_the_secret();
}

#[tokio::test]
async fn a_slack_that_hangs_delays_neither_the_sender_nor_the_webhook_nor_the_end() {
    let mut hanging = Server::start(&[Answer::Hang; 100]).await;
    let mut webhook = Server::start(&[]).await;
    let config = NotifyConfig::new([
        ("slack", hanging.url.clone().into()),
        ("webhook", webhook.url.clone().into()),
    ]);
    let (log, _guard) = Log::capture();
    let notifier = Notifier::with_pace(&config, QUICK);
    notifier.send(&notice(NoticeKind::Withdrawn, 1));
    hanging.body().await;
    webhook.body().await;
    let started = now();
    for last in 0..=u8::MAX {
        notifier.send(&notice(NoticeKind::Restored, last));
    }
    let took = started.elapsed();
    assert!(took < Duration::from_secs(9), "256 notices took {took:?} to hand over");
    // In one message, or on a busy machine in a few.
    let mut told = 0;
    while told < 256 {
        told += webhook.body().await["targets"].as_array().map_or(0, Vec::len);
    }
    assert_eq!(told, 256);

    let ending = now();
    notifier.close(Duration::from_millis(50)).await;
    let took = ending.elapsed();
    assert!(took < Duration::from_secs(9), "closing took {took:?}, a request may take 10 s");
    let dropped = log.dropped();
    assert_eq!(dropped.len(), 2, "{dropped:?}");
    assert!(dropped[0].contains("withdrew 192.0.2.1 "), "{dropped:?}");
    assert!(dropped[1].contains("restored 256 addresses"), "{dropped:?}");
    log.keeps_the_secret();
}

#[tokio::test]
async fn more_than_a_queue_can_hold_is_dropped_at_once_and_said() {
    let server = Server::start(&[]).await;
    let (log, _guard) = Log::capture();
    let notifier = Notifier::with_pace(&slack(&server.url), QUICK);
    for _ in 0..=16_384 {
        notifier.send(&notice(NoticeKind::Failing, 1)); // this thread never lets the task run
    }
    let dropped = log.dropped();
    assert_eq!(dropped.len(), 1, "{dropped:?}");
    assert!(dropped[0].contains("its queue is full"), "{dropped:?}");
}

#[tokio::test]
async fn a_slack_address_that_is_no_url_is_an_error_line_and_the_webhook_still_serves() {
    let mut webhook = Server::start(&[]).await;
    let config =
        NotifyConfig::new([("slack", SECRET.into()), ("webhook", webhook.url.clone().into())]);
    let (log, _guard) = Log::capture();
    let notifier = Notifier::with_pace(&config, QUICK);
    assert!(log.text().contains("channel unusable; no notices are sent to it"), "{}", log.text());
    notifier.send(&notice(NoticeKind::Drained, 1));
    assert!(webhook.text().await.contains("drained 192.0.2.1"));
    notifier.close(PATIENT).await;
    log.keeps_the_secret();
}

#[expect(clippy::disallowed_methods, reason = "tests measure")]
fn now() -> Instant {
    Instant::now()
}
