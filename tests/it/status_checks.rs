//! The checks of targets in the status: each with its reason, and none for a file that chooses no check.

#![expect(clippy::unwrap_used, reason = "a test's helper fails as the test does")]

use std::time::Duration;

use goavail::engine::ids::TargetRef;
use goavail::testing::status::model::{Health, Outcome, Reason, Status, Streak};
use goavail::testing::status::{
    Board, CheckState, ClockReading, MetricsFormat, ServiceSetup, Setup, TargetChecks, TargetState,
    encode, read_only,
};

use crate::status_sample::{after, beginning, down, fine, ip, sample_board, setup};

const REASON: &str = "connect 0.4 ms, TLS 8 ms, then 503 (wanted 200-299)";

fn state(name: &str, kind: &'static str, health: Health) -> CheckState {
    let outcome = if health == Health::Down { Outcome::Loss } else { Outcome::Reply };
    CheckState {
        name: name.into(),
        kind,
        is_counted: true,
        health,
        streak: Streak { outcome, count: 12 },
        last_rtt: Some(Duration::from_micros(2_310)),
        said: (health == Health::Down).then(|| REASON.to_owned()),
        warning: None,
        certificate_ends: None,
        phases: vec![],
    }
}

fn target(last: u8) -> TargetRef {
    TargetRef::of_default(ip(&format!("192.0.2.{last}")))
}

/// Returns the checks of a target that is down by `web`, while `login` is only watched.
fn several() -> TargetChecks {
    let web = CheckState {
        certificate_ends: Some(1_797_908_400),
        phases: vec![("connect", Duration::from_micros(400)), ("tls", Duration::from_millis(8))],
        ..state("web", "https", Health::Down)
    };
    let login = CheckState {
        is_counted: false,
        warning: Some("12 mails wait".to_owned()),
        ..state("login", "exec", Health::Up)
    };
    TargetChecks {
        checks: vec![web, state("icmp", "icmp", Health::Unknown), login],
        failed: vec![("web".to_owned(), Some(REASON.to_owned()))],
    }
}

/// Returns a board with two targets: the first is down by its checks, the second has none.
fn board() -> (Board, ClockReading) {
    let (begun, end) = (beginning(), after(beginning(), 60));
    let mut board = Board::new(setup(&[target(1).address, target(2).address]), begun);
    board.update(target(1), begun.clock, &down(None, false));
    board.update(target(2), begun.clock, &fine());
    board.set_checks(target(1), Some(several()));
    board.publish(end);
    (board, end)
}

fn metrics(board: &Board) -> Vec<String> {
    let text = encode(&board.reader().snapshot(), MetricsFormat::Text, String::new());
    let lines = text.lines().filter(|line| line.contains("check=") && !line.starts_with('#'));
    lines.map(str::to_owned).collect()
}

/// Returns the body of the answer to a request.
async fn body_of(router: &axum::Router, path: &str) -> String {
    let request = axum::http::Request::get(path).body(axum::body::Body::empty()).unwrap();
    let answer = tower::ServiceExt::oneshot(router.clone(), request).await.unwrap();
    let body = axum::body::to_bytes(answer.into_body(), 1 << 20).await.unwrap();
    String::from_utf8(body.to_vec()).unwrap()
}

#[tokio::test]
async fn the_status_has_each_check_with_its_reason() {
    let (board, _) = board();
    let router = read_only(board.reader());
    let text = body_of(&router, "/status").await;
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    let want = serde_json::json!([
        {
            "name": "web", "type": "https", "mode": "count", "health": "down",
            "streak": { "outcome": "loss", "count": 12 }, "last_rtt_ms": 2.31, "said": REASON,
            "certificate_ends": "2026-12-22T03:00:00.000Z",
            "phases_ms": { "connect": 0.4, "tls": 8.0 },
        },
        {
            "name": "icmp", "type": "icmp", "mode": "count", "health": "unknown",
            "streak": { "outcome": "reply", "count": 12 }, "last_rtt_ms": 2.31, "said": null,
        },
        {
            "name": "login", "type": "exec", "mode": "watch", "health": "up",
            "streak": { "outcome": "reply", "count": 12 }, "last_rtt_ms": 2.31, "said": null,
            "warning": "12 mails wait",
        },
    ]);
    assert_eq!(json["targets"][0]["checks"], want);
    let failed = serde_json::json!([{ "check": "web", "said": REASON }]);
    assert_eq!(json["targets"][0]["failed"], failed);
    let status: Status = serde_json::from_str(&text).unwrap();
    assert_eq!(status.targets, board.reader().snapshot().status().targets, "it is read back");
    for absent in ["checks", "failed"] {
        assert_eq!(json["targets"][1].get(absent), None, "a target without chosen checks");
    }
}

#[tokio::test]
async fn a_verdict_has_the_reason_in_its_second_line() {
    let (mut board, end) = board();
    let router = read_only(board.reader());
    let web = format!("web: {REASON}\n");
    assert_eq!(body_of(&router, "/verdict/192.0.2.1").await, format!("down\n{web}"));
    assert_eq!(body_of(&router, "/verdict/192.0.2.2").await, "up\n");
    for (reason, in_service, word) in
        [(Reason::Alike, true, "up alike"), (Reason::Asked, false, "down asked")]
    {
        board.update(target(1), end.clock, &down(Some(reason), in_service));
        board.publish(end);
        assert_eq!(body_of(&router, "/verdict/192.0.2.1").await, format!("{word}\n{web}"));
    }
}

#[test]
fn metrics_have_a_series_for_each_check_and_none_for_targets_without() {
    let (mut board, end) = board();
    let web = "{target=\"192.0.2.1\",check=\"web\"";
    let want = [
        format!("goavail_check_up{web},mode=\"count\"}} 0.0"),
        "goavail_check_up{target=\"192.0.2.1\",check=\"login\",mode=\"watch\"} 1.0".to_owned(),
        format!("goavail_certificate_expiry_seconds{web}}} 1797908400.0"),
        format!("goavail_probe_phase_seconds{web},phase=\"connect\"}} 0.0004"),
        format!("goavail_probe_phase_seconds{web},phase=\"tls\"}} 0.008"),
    ];
    assert_eq!(metrics(&board), want);
    // Over a reload the series stay, and vanish with the target.
    board.reload(setup(&[target(2).address, target(1).address]), end);
    board.publish(end);
    assert_eq!(metrics(&board), want);
    board.reload(setup(&[target(2).address]), end);
    board.publish(end);
    assert_eq!(metrics(&board), [""; 0]);
}

#[test]
fn a_target_whose_checks_are_no_longer_chosen_has_none() {
    let (mut board, end) = board();
    board.set_checks(target(1), None);
    board.publish(end);
    assert_eq!(metrics(&board), [""; 0]);
    assert_eq!(board.reader().snapshot().status().targets[0].checks, []);
}

#[test]
fn a_file_without_chosen_checks_sees_no_new_family_and_no_new_field() {
    let (board, _) = sample_board();
    let snapshot = board.reader().snapshot();
    let text = encode(&snapshot, MetricsFormat::OpenMetrics, String::new());
    for family in ["goavail_check_up", "goavail_certificate", "goavail_probe_phase"] {
        assert!(!text.contains(family), "{family}");
    }
    let json = serde_json::to_string(&snapshot.status().targets).unwrap();
    assert!(!json.contains("\"checks\"") && !json.contains("\"failed\""), "{json}");
}

/// Returns the services `www`, with as many checks, and `default`, with one. Both have the same target.
fn two_services(checks: usize) -> Setup {
    let words = ["by echo requests", "by TCP connects"].map(str::to_owned);
    let one = setup(&[target(1).address]);
    let default = one.services[0].clone();
    let (id, name) = (1.into(), "www".to_owned());
    let www = ServiceSetup { id, name, checks: words[..checks].to_vec(), ..default.clone() };
    Setup { services: vec![www, default], ..one }
}

/// Returns the number of probes of a service with this outcome.
fn count(metrics: &str, service: &str, outcome: &str) -> u64 {
    let labels = format!("outcome=\"{outcome}\",service=\"{service}\"}} ");
    let mut lines = metrics.lines().filter(|line| line.starts_with("goavail_probes_total"));
    let line = lines.find(|line| line.contains(&labels)).unwrap();
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

/// A target with two checks shares one of them with another target.
#[test]
fn the_figures_of_several_checks_are_those_of_their_target_and_never_fall() {
    let (begun, end) = (beginning(), after(beginning(), 60));
    let (both, other) = (TargetRef { service: 1.into(), address: target(1).address }, target(1));
    let probed = TargetState { probe: Some(0.into()), ..fine() };
    let ms = Duration::from_millis;
    let mut board = Board::new(two_services(1), begun);
    // Both targets have one check, and share its probe.
    for target in [both, other] {
        board.update(target, begun.clock, &probed);
    }
    board.reply(both, begun.clock, ms(1));
    board.reload(two_services(2), begun);
    board.update(both, begun.clock, &fine());
    board.update(other, begun.clock, &probed);
    // A reply to the shared check, and a loss of the other one.
    board.reply(both, begun.clock, ms(2));
    board.reply_again(other, begun.clock, ms(2));
    board.loss(both, begun.clock);
    board.update(both, begun.clock, &down(None, false));
    board.update(both, begun.clock, &fine());
    board.publish(end);
    let text = encode(&board.reader().snapshot(), MetricsFormat::Text, String::new());
    assert_eq!(["reply", "loss"].map(|outcome| count(&text, "www", outcome)), [2, 1]);
    assert_eq!(["reply", "loss"].map(|outcome| count(&text, "default", outcome)), [2, 0]);
    assert!(text.contains("goavail_probe_rtt_seconds_count 2\n"), "each reply once");
}
