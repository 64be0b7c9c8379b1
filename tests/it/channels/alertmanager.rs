//! Debian's Alertmanager: alerts fire, are grouped, survive its restart and ours, and are resolved.

use std::net::{IpAddr, Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime};

use goavail::testing::notify::{
    DeliveryPace, IncidentKey, IncidentProblem, IncidentStatus, Notice, NoticeEvidence, NoticeKind,
    NoticeMark, Notifier, Severity,
};
use goavail::testing::settings::{Asked, parse};
use serde_json::Value;

use super::Folder;
use super::stand_in::{Reply, StandIn};
use crate::cluster_net::in_time;
use crate::lab;

/// The program of Debian's package prometheus-alertmanager.
const PROGRAM: &str = "/usr/bin/prometheus-alertmanager";

/// The pace of the real thing, but much faster.
const QUICK: DeliveryPace = DeliveryPace {
    window: Duration::from_millis(10),
    tries: 5,
    first_wait: Duration::from_millis(200),
    repeat_every: Duration::from_millis(300),
};

/// A running Alertmanager.
struct Alertmanager(Child);

impl Drop for Alertmanager {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts an Alertmanager without a memory, and waits until it answers.
async fn start(folder: &Path, port: u16, memory: &str) -> Alertmanager {
    let child = Command::new(PROGRAM)
        .arg(format!("--config.file={}", folder.join("alertmanager.yml").display()))
        .arg(format!("--storage.path={}", folder.join(memory).display()))
        .arg(format!("--web.listen-address=127.0.0.1:{port}"))
        .arg("--cluster.listen-address=")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let running = Alertmanager(child);
    let url = format!("http://127.0.0.1:{port}/-/ready");
    in_time(async {
        // It announces to nobody that it answers.
        while !is_ready(&url).await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    running
}

async fn is_ready(url: &str) -> bool {
    let answer = goavail::testing::http::client().unwrap().get(url).send().await;
    answer.is_ok_and(|answer| answer.status().is_success())
}

/// The targets of the alerts that the Alertmanager has, sorted.
async fn targets(port: u16) -> Vec<String> {
    let url = format!("http://127.0.0.1:{port}/api/v2/alerts");
    let answer = goavail::testing::http::client().unwrap().get(url).send().await.unwrap();
    let alerts: Value = answer.json().await.unwrap();
    let alerts = alerts.as_array().unwrap().iter();
    let mut targets: Vec<_> =
        alerts.map(|alert| alert["labels"]["target"].as_str().unwrap().to_owned()).collect();
    targets.sort();
    targets
}

/// Waits until the Alertmanager has alerts about these targets.
async fn has(port: u16, wanted: &[&str]) {
    in_time(async {
        // The group announces its alerts later than they can be read.
        while targets(port).await != wanted {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
}

pub(super) fn notice(last: u8, status: IncidentStatus, agent: &str) -> Notice {
    let address = IpAddr::V4(Ipv4Addr::new(192, 0, 2, last));
    let kind = match status {
        IncidentStatus::Closed => NoticeKind::Restored,
        _ => NoticeKind::Withdrawn,
    };
    let problem = IncidentProblem::Withdrawn;
    #[expect(clippy::disallowed_methods, reason = "Alertmanager takes alerts of the present alone")]
    let now = SystemTime::now();
    Notice {
        at: now,
        agent: agent.to_owned(),
        dry_run: false,
        kind,
        targets: vec![address.into()],
        zone: None,
        names: vec!["www.example.com".to_owned()],
        reason: None,
        detail: None,
        evidence: NoticeEvidence::default(),
        incident: IncidentKey::new(Some("main"), Some("www"), Some(&address.to_string()), problem),
        joined: vec![],
        status,
        quiet: false,
        severity: Severity::Warning,
        worst: Severity::Warning,
        since: now,
        advice: None,
        mark: NoticeMark::News,
    }
}

/// The channels of a configuration.
pub(super) fn notifier(folder: &Folder) -> Notifier {
    let path = folder.path("goavail.toml");
    let asked = Asked { tcp: None, provider: None, dry_run: true };
    let config = parse(&std::fs::read_to_string(&path).unwrap(), &path, &asked, &|_| None);
    Notifier::with_pace(&config.unwrap().sections.notify, QUICK)
}

/// The status and the targets of the next notification of the Alertmanager.
async fn told(server: StandIn) -> (StandIn, String, Vec<String>) {
    tokio::task::spawn_blocking(move || {
        let notification = server.request().json();
        let alerts = notification["alerts"].as_array().unwrap().iter();
        let mut targets: Vec<_> =
            alerts.map(|alert| alert["labels"]["target"].as_str().unwrap().to_owned()).collect();
        targets.sort();
        let status = notification["status"].as_str().unwrap().to_owned();
        (server, status, targets)
    })
    .await
    .unwrap()
}

/// A folder with the configurations of both programs, the port of the Alertmanager, and the receiver of
/// its notifications.
fn set_up() -> (Folder, u16, StandIn) {
    let receiver = StandIn::start(|_| Reply::new("200 OK", ""));
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let channel =
        format!("[[notify]]\nto = \"alertmanager\"\nserver = \"http://127.0.0.1:{port}\"\n");
    let folder = Folder::new(&channel);
    let config = format!(
        "route:\n  receiver: us\n  group_by: [service]\n  group_wait: 2s\n  group_interval: 1s\n\
         receivers:\n- name: us\n  webhook_configs:\n  - url: http://{}/\n",
        receiver.address
    );
    folder.write("alertmanager.yml", &config);
    (folder, port, receiver)
}

#[tokio::test(flavor = "multi_thread")]
async fn alerts_fire_as_a_group_survive_restarts_of_both_and_are_resolved_by_another_agent() {
    if !Path::new(PROGRAM).exists() {
        return lab::skip("no Alertmanager; install prometheus-alertmanager");
    }
    let (folder, port, receiver) = set_up();
    let running = start(folder.0.path(), port, "one").await;
    let both = ["192.0.2.1", "192.0.2.2"];

    let first = notifier(&folder);
    for last in [1, 2] {
        first.send(&notice(last, IncidentStatus::Opened, "sfo-1"));
    }
    has(port, &both).await;
    let (receiver, status, group) = told(receiver).await;
    assert_eq!((status.as_str(), &group[..]), ("firing", &both.map(String::from)[..]));

    // It restarts without its memory, and learns all from the next repetition.
    drop(running);
    let _running = start(folder.0.path(), port, "two").await;
    has(port, &both).await;
    assert!(first.counters().failing().is_empty());

    // We restart: an incident stands, and is nothing new.
    first.close(Duration::from_secs(5)).await;
    let second = notifier(&folder);
    for last in [1, 2] {
        second.send(&notice(last, IncidentStatus::Standing, "sfo-1"));
    }
    // Another agent closes one of them.
    let third = notifier(&folder);
    third.send(&notice(1, IncidentStatus::Closed, "eu-1"));
    second.send(&notice(1, IncidentStatus::Closed, "sfo-1"));
    has(port, &both[1..]).await;
    second.send(&notice(2, IncidentStatus::Closed, "sfo-1"));
    has(port, &[]).await;
    let mut receiver = receiver;
    loop {
        let (again, status, _) = told(receiver).await;
        if status == "resolved" {
            break;
        }
        receiver = again;
    }
    for notifier in [second, third] {
        assert!(notifier.counters().failing().is_empty());
        notifier.close(Duration::from_secs(5)).await;
    }
}
