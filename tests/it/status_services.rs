//! The status of an agent with several services: the state of each, and the cost of all.

#![expect(clippy::unwrap_used, reason = "a test's helper fails as the test does")]

mod standby;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use goavail::engine::ids::{EndpointId, ServiceId, TargetRef, ZoneId};
use goavail::engine::plan::{Family, Observed, SetKey};
use goavail::testing::status::model::{Drained, Health, Reason, Status};
use goavail::testing::status::{
    Board, ClockReading, MetricsFormat, ReceivedVote, ServiceSetup, Setup, TargetState, ZoneSetup,
    encode, read_only,
};

use crate::status_sample::{after, beginning, down, fine, ip, setup};

/// A service with the id `id` in a zone, which has these targets.
fn service(id: usize, name: &str, zone: usize, targets: &[IpAddr]) -> ServiceSetup {
    ServiceSetup {
        id: id.into(),
        name: name.to_owned(),
        zone: zone.into(),
        checks: vec!["by echo requests".to_owned()],
        targets: targets.to_vec(),
        names: vec![format!("{name}.example.com")],
    }
}

fn zone(id: usize, name: &str) -> ZoneSetup {
    ZoneSetup {
        id: id.into(),
        name: name.to_owned(),
        provider: "Cloudflare".to_owned(),
        word: "cloudflare",
        domain: format!("{name}.example"),
    }
}

/// An agent with the services `www` and `api` in the zone `main`, and `mx` in `other`. One machine is in
/// all of them.
fn several() -> Setup {
    let (shared, own) = (ip("192.0.2.1"), ip("192.0.2.2"));
    let services = vec![
        service(1, "www", 1, &[shared, own]),
        service(2, "api", 1, &[shared]),
        service(3, "mx", 2, &[own, shared]),
    ];
    Setup { services, zones: vec![zone(1, "main"), zone(2, "other")], ..setup(&[]) }
}

fn at(service: usize, address: &str) -> TargetRef {
    TargetRef { service: service.into(), address: ip(address) }
}

/// A state with the probe of an endpoint.
fn probed(endpoint: usize, state: TargetState) -> TargetState {
    TargetState { probe: Some(EndpointId::from(endpoint)), ..state }
}

/// The board of `several` after a minute: `192.0.2.1` is down for `mx` alone.
fn board() -> (Board, ClockReading) {
    let (begun, end) = (beginning(), after(beginning(), 60));
    let mut board = Board::new(several(), begun);
    // The probe of 192.0.2.1 is shared by `www` and `api`; `mx` has a check of its own.
    for (target, endpoint) in [
        (at(1, "192.0.2.1"), 0),
        (at(1, "192.0.2.2"), 1),
        (at(2, "192.0.2.1"), 0),
        (at(3, "192.0.2.2"), 2),
        (at(3, "192.0.2.1"), 3),
    ] {
        board.update(target, begun.clock, &probed(endpoint, fine()));
    }
    board.reply(at(1, "192.0.2.1"), begun.clock, Duration::from_millis(7));
    board.loss(at(3, "192.0.2.1"), end.clock);
    board.update(at(3, "192.0.2.1"), end.clock, &probed(3, down(None, false)));
    board.publish(end);
    (board, end)
}

fn status(board: &Board) -> Status {
    board.reader().snapshot().status()
}

#[test]
fn each_service_has_its_own_state_and_shares_what_is_probed_once() {
    let (board, _) = board();
    let status = status(&board);
    let shown: Vec<_> = status
        .targets
        .iter()
        .map(|it| (it.service.as_str(), it.address.to_string(), it.health, it.last_rtt_ms))
        .collect();
    let (one, two) = ("192.0.2.1".to_owned(), "192.0.2.2".to_owned());
    let want = [
        ("www", one.clone(), Health::Up, Some(7.0)),
        ("www", two.clone(), Health::Up, None),
        ("api", one.clone(), Health::Up, Some(7.0)),
        ("mx", two, Health::Up, None),
        ("mx", one, Health::Down, None),
    ];
    assert_eq!(shown, want);
    let services: Vec<_> =
        status.services.iter().map(|it| (it.name.as_str(), it.in_service, it.of)).collect();
    assert_eq!(services, [("www", 2, 2), ("api", 1, 1), ("mx", 1, 2)]);
    assert_eq!(status.services[2].zone, "other");
    let zones: Vec<_> = status.zones.iter().map(|it| (it.name.as_str(), it.failing)).collect();
    assert_eq!(zones, [("main", false), ("other", false)]);
}

#[test]
fn the_records_of_a_service_are_those_of_its_own_zone() {
    let (mut board, end) = board();
    let key = |name: &str| SetKey { name: format!("{name}.example.com"), family: Family::A };
    let all: BTreeSet<IpAddr> = [ip("192.0.2.1"), ip("192.0.2.2")].into();
    let observed: Observed = [(key("www"), all.clone()), (key("mx"), all)].into_iter().collect();
    board.set_observed(ZoneId::from(1), Some(&observed));
    board.publish(end);
    let present = |status: &Status| -> Vec<Option<bool>> {
        status.targets.iter().map(|target| target.records[0].present).collect()
    };
    let there = present(&status(&board));
    assert_eq!(there, [Some(true), Some(true), Some(false), None, None], "mx is in another zone");
}

#[test]
fn metrics_have_the_service_and_the_zone_as_labels_only_if_the_file_names_them() {
    let (mut board, end) = board();
    board.counters().set_dns_requests(ZoneId::from(2), "ok", 3);
    board.publish(end);
    let text = encode(&board.reader().snapshot(), MetricsFormat::Text, String::new());
    for want in [
        "goavail_target_up{target=\"192.0.2.1\",service=\"www\"} 1.0\n",
        "goavail_target_up{target=\"192.0.2.1\",service=\"mx\"} 0.0\n",
        "goavail_probes_total{target=\"192.0.2.1\",outcome=\"reply\",service=\"api\"} 1\n",
        "goavail_flips_total{target=\"192.0.2.1\",to=\"down\",service=\"mx\"} 1\n",
        "goavail_refusals_total{reason=\"floor\",service=\"mx\"} 0\n",
        "goavail_name_failing{name=\"mx.example.com\",zone=\"other\"} 0.0\n",
        "goavail_dns_requests_total{provider=\"cloudflare\",outcome=\"ok\",zone=\"other\"} 3\n",
    ] {
        assert!(text.contains(want), "{want} is not in\n{text}");
    }
    let (old, _) = crate::status_sample::sample_board();
    let text = encode(&old.reader().snapshot(), MetricsFormat::Text, String::new());
    assert!(!text.contains("service=") && !text.contains("zone="), "{text}");
}

#[test]
fn a_removed_service_and_a_removed_zone_leave_nothing_behind() {
    let (mut board, end) = board();
    board.failed_in(ZoneId::from(2), end.clock, "keep DNS in step in other", "it is down");
    board.failed_in(ZoneId::from(1), end.clock, "keep DNS in step in main", "it is down");
    board.counters().set_name_failing(ZoneId::from(2), "mx.example.com", true);
    board.counters().dns_change(ZoneId::from(2), "withdraw", "ok");
    board.publish(end);
    let failing: Vec<_> = status(&board).zones.iter().map(|zone| zone.failing).collect();
    assert_eq!(failing, [true, true]);
    let mut without = several();
    without.services.pop();
    without.zones.pop();
    board.reload(without, end);
    board.publish(end);
    let (after, text) =
        (status(&board), encode(&board.reader().snapshot(), MetricsFormat::Text, String::new()));
    let failing: Vec<_> = after.failing.iter().map(|failure| failure.what.as_str()).collect();
    assert_eq!(failing, ["keep DNS in step in main"]);
    assert!(after.targets.iter().all(|target| target.service != "mx"));
    assert!(!text.contains("mx") && !text.contains("\"other\""), "{text}");
    assert_eq!(after.targets[0].last_rtt_ms, Some(7.0), "the others keep their figures");
}

#[test]
fn an_address_that_moves_to_another_service_keeps_the_figures_of_its_probe() {
    let (mut board, end) = board();
    let mut moved = several();
    moved.services[1].targets.clear();
    moved.services.push(service(4, "new", 1, &[ip("192.0.2.1")]));
    moved.services.remove(0);
    board.reload(moved, end);
    // The keys of endpoints are used again: the one of 192.0.2.2 for `www` is that of 192.0.2.1 now.
    board.update(at(4, "192.0.2.1"), end.clock, &probed(1, fine()));
    board.publish(end);
    let status = status(&board);
    let new = status.targets.iter().find(|target| target.service == "new").unwrap();
    assert_eq!(new.last_rtt_ms, Some(7.0));
}

#[test]
fn services_that_no_longer_share_a_probe_go_on_with_figures_of_their_own() {
    let (mut board, end) = board();
    board.reload(several(), end);
    board.update(at(1, "192.0.2.1"), end.clock, &probed(0, fine()));
    board.update(at(2, "192.0.2.1"), end.clock, &probed(9, fine()));
    board.reply(at(2, "192.0.2.1"), end.clock, Duration::from_millis(3));
    board.publish(end);
    let status = status(&board);
    let shown: Vec<_> = status.targets.iter().map(|target| target.last_rtt_ms).collect();
    assert_eq!((shown[0], shown[2]), (Some(7.0), Some(3.0)));
    let text = encode(&board.reader().snapshot(), MetricsFormat::Text, String::new());
    let count = "goavail_probes_total{target=\"192.0.2.1\",outcome=\"reply\",service=\"api\"} 2\n";
    assert!(text.contains(count), "the count of the shared probe is continued: {text}");
}

/// Answers of the listener to one request for each path.
async fn answers(board: &Board, paths: &[&str]) -> Vec<(u16, String)> {
    use tower::ServiceExt as _;
    let mut answers = Vec::new();
    for path in paths {
        let request = axum::http::Request::get(*path).body(axum::body::Body::empty()).unwrap();
        let answer = read_only(board.reader()).oneshot(request).await.unwrap();
        let status = answer.status().as_u16();
        let body = axum::body::to_bytes(answer.into_body(), usize::MAX).await.unwrap();
        answers.push((status, String::from_utf8(body.to_vec()).unwrap()));
    }
    answers
}

/// The body is written without a copy of the targets.
#[tokio::test]
async fn the_body_of_a_status_is_the_status() {
    let (mut board, end) = board();
    let drained = Drained { until: None, reason: Some("reboot".to_owned()), forced: false };
    let state = TargetState { drained: Some(drained), ..down(Some(Reason::Drained), true) };
    board.update(at(2, "192.0.2.1"), end.clock, &probed(0, state));
    let vote =
        ReceivedVote { peer: "192.0.2.81:8080".into(), health: Health::Up, heard: end.clock };
    board.set_votes(at(1, "192.0.2.2"), vec![vote]);
    board.publish(end);
    let status = board.reader().snapshot().status();
    let bodies = answers(&board, &["/status"]).await;
    let mut body: serde_json::Value = serde_json::from_str(&bodies[0].1).unwrap();
    body["silence_s"] = 0.0.into();
    assert_eq!(body, serde_json::to_value(&status).unwrap());
}

#[tokio::test]
async fn the_short_path_of_a_verdict_answers_while_the_services_agree() {
    let (mut board, end) = board();
    let paths = ["/verdict/192.0.2.1", "/verdict/www/192.0.2.1", "/verdict/mx/192.0.2.1"];
    let found = answers(&board, &paths).await;
    let ambiguous = "ambiguous ask for /verdict/SERVICE/ADDRESS\nwww: up\napi: up\nmx: down\n";
    let want = [(409, ambiguous), (200, "up\n"), (503, "down\n")];
    assert_eq!(found, want.map(|(status, body)| (status, body.to_owned())));
    board.update(at(3, "192.0.2.1"), end.clock, &probed(3, fine()));
    board.publish(end);
    assert_eq!(answers(&board, &paths[..1]).await, [(200, "up\n".to_owned())]);
}

#[tokio::test]
async fn a_verdict_that_is_unknown_says_whether_the_address_or_the_service_is() {
    let (board, _) = board();
    let paths = ["/verdict/192.0.2.9", "/verdict/api/192.0.2.2", "/verdict/web/192.0.2.1"];
    let no_target = (404, "unknown not a target of this agent\n".to_owned());
    let no_service = (404, "unknown not a service of this agent\n".to_owned());
    assert_eq!(answers(&board, &paths).await, [no_target.clone(), no_target, no_service]);
}

/// Under maintenance in one service, as the verdicts have it that others poll.
#[tokio::test]
async fn an_address_that_is_drained_in_one_service_serves_in_the_others() {
    let (mut board, end) = board();
    let drained = Some(Drained { until: None, reason: None, forced: false });
    let reason = Some(Reason::Drained);
    let state = TargetState { in_service: false, reason, drained, ..probed(0, fine()) };
    board.update(at(1, "192.0.2.1"), end.clock, &state);
    board.publish(end);
    let paths = ["/verdict/www/192.0.2.1", "/verdict/api/192.0.2.1", "/verdict/192.0.2.1"];
    let found: Vec<u16> = answers(&board, &paths).await.into_iter().map(|it| it.0).collect();
    assert_eq!(found, [503, 200, 409]);
    let in_service: Vec<_> = status(&board).services.iter().map(|it| it.in_service).collect();
    assert_eq!(in_service, [1, 1, 1]);
}

#[tokio::test]
async fn the_page_has_the_services_as_groups_the_worst_first_and_one_that_is_well_as_a_line() {
    let (board, _) = board();
    let (_, page) = answers(&board, &["/"]).await.remove(0);
    let places: Vec<_> = ["mx", "www", "api"]
        .iter()
        .map(|name| page.find(&format!("data-service=\"{name}\"")).unwrap())
        .collect();
    assert!(places.is_sorted(), "{places:?}");
    assert_eq!(page.matches("<tr class=\"target").count(), 1, "only the one that is down");
    assert!(page.contains("1 of 2 in service, zone other, by echo requests"), "{page}");
    let (_, all) = answers(&board, &["/?all"]).await.remove(0);
    assert_eq!(all.matches("<tr class=\"target").count(), 5);
}

/// A thousand services of twenty addresses each, on two hundred machines with a probe each.
fn many() -> (Board, ClockReading) {
    let machine = |n: usize| {
        IpAddr::from([10, 0, u8::try_from(n / 100).unwrap(), 1 + u8::try_from(n % 100).unwrap()])
    };
    let mut services = Vec::new();
    for n in 0..1_000 {
        let targets: Vec<_> = (0..20).map(|k| machine((n * 7 + k) % 200)).collect();
        services.push(service(n + 1, &format!("service-{n}"), 1 + n % 5, &targets));
    }
    let zones = (1..=5).map(|n| zone(n, &format!("zone-{n}"))).collect();
    let now = beginning();
    let mut board = Board::new(Setup { services: services.clone(), zones, ..setup(&[]) }, now);
    for service in &services {
        for (k, address) in service.targets.iter().enumerate() {
            let n = (usize::from(service.id) - 1) * 7 + k;
            let target = TargetRef { service: service.id, address: *address };
            board.update(target, now.clock, &probed(n % 200, fine()));
        }
    }
    board.publish(now);
    (board, now)
}

#[expect(clippy::disallowed_methods, reason = "real time is what is measured")]
fn clock() -> Instant {
    Instant::now()
}

/// The shortest of some runs. `cargo test --release` has figures that can be quoted.
fn least(mut run: impl FnMut()) -> Duration {
    let mut least = Duration::MAX;
    for _ in 0..5 {
        let began = clock();
        run();
        least = least.min(began.elapsed());
    }
    least
}

#[tokio::test]
async fn twenty_thousand_targets_are_published_and_shown_in_passing() {
    let (mut board, now) = many();
    let machines: Vec<TargetRef> = {
        let status = status(&board);
        assert_eq!((status.targets.len(), status.services.len()), (20_000, 1_000));
        let mut seen = BTreeSet::new();
        let targets = status.targets.iter().filter(|target| seen.insert(target.address));
        let id =
            |name: &str| ServiceId::from(1 + name["service-".len()..].parse::<usize>().unwrap());
        targets.map(|it| TargetRef { service: id(&it.service), address: it.address }).collect()
    };
    assert_eq!(machines.len(), 200);
    let publish = least(|| {
        for target in &machines {
            board.reply(*target, now.clock, Duration::from_millis(20));
        }
        board.publish(now);
    });
    let snapshot = board.reader().snapshot();
    let metrics = least(|| drop(encode(&snapshot, MetricsFormat::Text, String::new())));
    let began = clock();
    let (_, body) = answers(&board, &["/status"]).await.remove(0);
    let json = began.elapsed();
    let began = clock();
    let (_, page) = answers(&board, &["/"]).await.remove(0);
    let page_took = began.elapsed();
    println!(
        "20,000 targets: published in {publish:?}, /status of {} KiB in {json:?}, the page of {} KiB in \
         {page_took:?}, /metrics in {metrics:?}",
        body.len() / 1_024,
        page.len() / 1_024
    );
    // Unoptimized, and on a machine that does other work; a walk through all targets takes longer.
    assert!(publish < Duration::from_millis(10), "{publish:?}");
    assert_eq!(page.matches("<tr class=\"group\"").count(), 1_000);
}
