//! Each check as an operator sees it: in the status, the verdict, the metrics and the notices.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;

use serde_json::Value;

use super::{config, three_servers};
use crate::agent::{Agent, Setup, Within};
use crate::notify::Server;

/// Keys by which `web` counts, and `login` is only watched and always down.
fn keys(port: u16, webhook: &str) -> String {
    format!(
        "webhook_url = \"{webhook}\"\nchecks = [\"web\", \"login\"]\n\
         [check.web]\ntype = \"http\"\nport = {port}\npath = \"/healthz\"\n\
         [check.login]\ntype = \"http\"\nport = {port}\nstatus = [404]\nmode = \"watch\"\n\
         [Status]\nsocket = \"control.sock\"\n"
    )
}

/// Returns the body of the answer to a request on the socket of an agent.
pub(super) fn get(agent: &Agent, path: &str) -> String {
    let mut socket = UnixStream::connect(agent.folder().join("control.sock")).unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: goavail\r\nConnection: close\r\n\r\n");
    socket.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    answer.split_once("\r\n\r\n").unwrap().1.to_owned()
}

/// Waits until the status of the second address is as wanted. It is asked for again after each probe.
pub(super) fn until(agent: &mut Agent, wanted: impl Fn(&Value) -> bool) -> Value {
    loop {
        let status: Value = serde_json::from_str(&get(agent, "/status")).unwrap();
        if wanted(&status["targets"][1]) {
            return status["targets"][1].clone();
        }
        agent.wait_for_words(&["outcome="]);
    }
}

fn status(agent: &Agent) -> String {
    let (code, text) = agent.command(Within::Here, &["status"]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
    text
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn each_check_is_seen_with_its_reason_everywhere_and_no_reason_outlives_its_failure() {
    let (port, servers) = three_servers();
    let mut webhook = Server::start(&[]).await;
    let text = config(&keys(port, &webhook.url));
    let mut agent =
        Setup::new(&text, Within::Here).args(["monitor"]).env("RUST_LOG", "goavail=trace").start();
    agent.nth(3, &["target confirmed up"]);
    let watched = until(&mut agent, |target| target["checks"][1]["health"] == "down");
    assert_eq!((&watched["health"], watched.get("failed")), (&"up".into(), None), "{watched:#}");
    assert_eq!(watched["checks"][1]["mode"], "watch");
    assert!(watched["checks"][0]["phases_ms"]["connect"].is_number(), "{watched:#}");

    servers[1].answers("503 Service Unavailable", "no");
    let down = agent.wait_for_words(&["target down", "127.0.13.2"]);
    assert!(down.has(&["check=\"web\"", "503 (wanted 200-299)"]), "{down:?}");
    let out = agent.wait_for_words(&["would withdraw", "127.0.13.2"]);
    assert!(out.has(&["said=\"web: connect", "then 503 (wanted 200-299)"]), "{out:?}");
    let target = until(&mut agent, |target| target["reason"] == "dry_run");
    assert_eq!(target["failed"][0]["check"], "web", "{target:#}");
    let shown = status(&agent);
    for words in ["went down by web: connect", "watched, not counted", "503 (wanted 200-299)"] {
        assert!(shown.contains(words), "{words}: {shown}");
    }
    let verdict = get(&agent, "/verdict/127.0.13.2");
    assert!(verdict.starts_with("down dry_run\nweb: connect"), "{verdict}");
    let metrics = get(&agent, "/metrics");
    for (check, mode) in [("web", "count"), ("login", "watch")] {
        let labels = format!("{{target=\"127.0.13.2\",check=\"{check}\",mode=\"{mode}\"}} 0.0");
        assert!(metrics.contains(&format!("goavail_check_up{labels}")), "{metrics}");
    }
    let notice = webhook.body().await;
    let detail = notice["detail"].as_str().unwrap();
    assert!(detail.starts_with("web: connect"), "{notice:#}");
    assert!(notice["text"].as_str().unwrap().contains(detail), "{notice:#}");

    servers[1].answers("200 OK", "well");
    agent.wait_for_words(&["would restore", "127.0.13.2"]);
    let target = until(&mut agent, |target| target["reason"].is_null());
    assert_eq!((target.get("failed"), &target["checks"][0]["said"]), (None, &Value::Null));
    assert_eq!(get(&agent, "/verdict/127.0.13.2"), "up\n");
    assert_eq!(webhook.body().await["kind"], "restored");

    for server in &servers {
        server.answers("500 Internal Server Error", "no");
    }
    agent.wait_for_words(&["targets fail alike", "status 500"]);
    let notice = webhook.body().await;
    let detail = notice["detail"].as_str().unwrap();
    assert!(notice["reason"] == "alike" && detail.contains("; web: connect"), "{notice:#}");
    let target = until(&mut agent, |target| target["reason"] == "alike");
    assert_eq!(target["in_service"], true);
    assert!(status(&agent).contains("fail alike, so they stay in service"));
}
