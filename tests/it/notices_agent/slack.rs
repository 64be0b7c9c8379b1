//! The agent continues regardless of Slack. Defect 20 of the Go agent: it ended when Slack could not be
//! reached, waited for ever when Slack hung, and printed the webhook.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;

use super::{Harness, about, setup};
use crate::agent::{Agent, PATIENT, Setup, Within};
use crate::notify::{Answer, SECRET, Server};

const HANGS: &[Answer] = &[Answer::Hang; 20];
const FAILS: &[Answer] = &[Answer::Status("500 Oops\r\n\r\nno /services/T0SECRET"); 20];
const BUSY: &[Answer] = &[Answer::Status("429 Slow\r\nRetry-After: 3\r\n\r\n")];
const REFUSES: &[Answer] = &[Answer::Status("403 Forbidden\r\n\r\ninvalid_token"); 20];

/// The secrets that the log may never hold.
fn keeps_the_secret(name: &str, text: &str) {
    for part in SECRET.split('/') {
        assert!(!text.contains(part), "{name}: the URL is in the log:\n{text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_slack_that_hangs_or_fails_or_is_gone_delays_nothing_and_ends_nothing() {
    let rows = [
        ("hangs", HANGS, "the agent is ending"),
        ("fails", FAILS, "the agent is ending"),
        ("refuses", REFUSES, "403 Forbidden: invalid_token"),
        ("is gone", &[], "the agent is ending"),
    ];
    let mut running = Vec::new();
    for (name, answers, why) in rows {
        let mut harness = Harness::with(Server::start(answers).await).await;
        if name == "is gone" {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            let free = listener.local_addr().unwrap(); // and free again at once
            harness.slack.url = format!("http://{free}/services/{SECRET}");
        }
        // Everything that anything in the process has to say.
        let agent = setup(&harness.config("")).env("RUST_LOG", "trace");
        let agent = agent.args(["--debug", "--no-dry-run", "monitor"]).start();
        running.push((name, why, harness, agent));
    }
    for (_, _, harness, agent) in &mut running {
        agent.nth(3, &["target confirmed up"]);
        harness.close(0);
        harness.close(1);
    }
    for (name, _, harness, agent) in &mut running {
        agent.nth(2, &["withdrew"]);
        let told = harness.webhook.body().await;
        assert_eq!(told["kind"], "withdrawn", "{name}");
        assert_eq!(about(&told), harness.named(&[0, 1]), "{name}");
        harness.open(0);
    }
    for (name, _, harness, agent) in &mut running {
        agent.nth(1, &["restored"]);
        let told = harness.webhook.body().await;
        assert_eq!(told["kind"], "restored", "{name}: {told:#}");
        agent.signal(Signal::TERM);
    }
    let ending = now();
    for (name, why, _harness, agent) in running {
        let ended = agent.wait_end(PATIENT);
        assert_eq!(ended.status.code(), Some(0), "{name}: {}", ended.stderr);
        let dropped = ended.stderr.lines().filter(|line| line.contains("notice dropped"));
        let dropped: Vec<_> = dropped.collect();
        assert!(!dropped.is_empty(), "{name}: {}", ended.stderr);
        for line in dropped {
            assert!(line.contains("channel=\"slack\"") && line.contains(why), "{name}: {line}");
            assert!(line.contains("probe-1: "), "{name}: it says what is lost: {line}");
        }
        keeps_the_secret(name, &ended.stderr);
    }
    let took = ending.elapsed();
    assert!(
        took < Duration::from_secs(10),
        "a request to Slack may take 10 s, and ending {took:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_slack_address_that_is_none_is_refused_without_being_shown() {
    let harness = Harness::new().await;
    for bad in
        [format!("hooks.slack.com/services/{SECRET}"), format!("http://example.com/{SECRET}")]
    {
        let text = harness.config("").replace(&harness.slack.url, &bad);
        let setup = Setup::new(&text, Within::Here).args(["--debug", "--type", "tcp", "monitor"]);
        let ended = setup.start().wait_end(PATIENT);
        assert_eq!(ended.status.code(), Some(2), "{bad}: {}", ended.stderr);
        let said = &ended.stderr;
        assert!(said.starts_with("goavail: goavail.toml:3: slack_addr: a value of "), "{said}");
        assert!(said.contains("the path of a Slack webhook, T…/B…/X…, or its whole URL"), "{said}");
        keeps_the_secret(&bad, said);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn notices_waiting_for_slack_are_sent_after_a_reload_too() {
    let mut harness = Harness::with(Server::start(BUSY).await).await;
    let mut agent = harness.confirmed("");
    harness.close(0);
    let busy = harness.slack.text().await;
    agent.nth(1, &["notice not sent yet", "429"]);
    agent.signal(Signal::HUP);
    agent.nth(1, &["configuration in force"]);
    assert_eq!(harness.slack.text().await, busy);
    assert_eq!(agent.lines_with(&["notice dropped"]).len(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn slack_is_shown_as_failing_until_it_accepts_a_notice_or_is_removed() {
    let mut harness = Harness::with(Server::start(&REFUSES[..1]).await).await;
    let shown = |agent: &mut Agent, wanted: &dyn Fn(&Value, &str) -> bool| {
        loop {
            let socket = agent.folder().join("control.sock");
            let (status, metrics) = (get(&socket, "/status"), get(&socket, "/metrics"));
            let text = format!("{status}{metrics}");
            keeps_the_secret("the status and the metrics", &text);
            if wanted(&serde_json::from_str(&status).unwrap(), &metrics) {
                return;
            }
            agent.wait_for_words(&["outcome="]);
        }
    };
    let config = harness.config("") + "\n[Status]\nsocket = \"control.sock\"\n";
    let setup = setup(&config).env("RUST_LOG", "info,goavail=trace");
    let mut agent = setup.args(["--no-dry-run", "monitor"]).start();
    agent.nth(3, &["target confirmed up"]);
    harness.close(0);
    agent.nth(1, &["notice dropped", "channel=\"slack\""]);
    shown(&mut agent, &|status, metrics| {
        let failing = status["failing"].as_array().unwrap();
        let told = failing.iter().find(|failure| failure["what"] == "deliver notices to slack");
        let why =
            told.is_some_and(|told| told["error"] == "it answered 403 Forbidden: invalid_token");
        let counted = metrics.contains(&notices("slack", "failed", 1));
        why && counted && metrics.contains(&notices("webhook", "delivered", 1))
    });
    harness.open(0);
    agent.nth(1, &["restored"]);
    shown(&mut agent, &|status, metrics| {
        let failing = status["failing"].as_array().unwrap();
        failing.is_empty() && metrics.contains(&notices("slack", "delivered", 1))
    });
}

/// How a counter of notices is written.
fn notices(channel: &str, outcome: &str, count: u64) -> String {
    format!("goavail_notices_total{{channel=\"{channel}\",outcome=\"{outcome}\"}} {count}\n")
}

/// The response of the control socket.
pub(super) fn get(socket: &Path, path: &str) -> String {
    let mut stream = UnixStream::connect(socket).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: agent\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.split_once("\r\n\r\n").unwrap().1.to_owned()
}

#[expect(clippy::disallowed_methods, reason = "tests measure")]
fn now() -> Instant {
    Instant::now()
}
