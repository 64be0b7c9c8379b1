//! The views of a running agent: `/status`, `/verdict`, `/metrics`, `/healthz`, `goavail status`.

use serde_json::Value;

use super::desk::{Desk, about, ask, first, one, two};
use crate::agent::Agent;
use crate::lab::{run, v4};
use crate::status_metrics::assert_promised;

/// The fields of section 8 of the contract.
const CONTRACT: [(&str, &str); 5] = [
    ("", "agent targets peers last_change last_error"),
    ("/agent", "version started_at dry_run mode type provider zone isolated config_loaded_at"),
    (
        "/targets/0",
        "address health in_service reason streak last_rtt_ms loss_1m since drained records votes",
    ),
    ("/targets/0/streak", "outcome count"),
    ("/targets/0/records/0", "name type present"),
];

fn assert_fields(status: &Value, contract: &[(&str, &str)]) {
    for (place, names) in contract {
        let object = status.pointer(place).and_then(Value::as_object);
        let object = object.unwrap_or_else(|| panic!("{place} is missing in {status:#}"));
        for name in names.split_whitespace() {
            assert!(object.contains_key(name), "{place}/{name} is missing in {status:#}");
        }
    }
}

#[test]
fn status_has_the_contracts_fields_and_values_and_is_the_same_from_everywhere() {
    run(|| {
        let desk = Desk::new("name = \"sfo-1\"\nmin_in_service = 1\n");
        let mut agent = desk.confirmed();
        desk.until_shown(&mut agent, one(), |shown| {
            shown["records"].as_array().unwrap().iter().all(|record| record["present"] == true)
        });
        desk.until_shown(&mut agent, one(), |shown| shown["health"] == "up");
        let status = desk.status();
        assert_fields(&status, &CONTRACT);
        let want = [
            ("/agent/dry_run", Value::from(false)),
            ("/agent/mode", "single".into()),
            ("/agent/type", "ip".into()),
            ("/agent/zone", "example.com".into()),
            ("/agent/isolated", false.into()),
            ("/agent/version", env!("CARGO_PKG_VERSION").into()),
            ("/targets/0/address", one().to_string().into()),
            ("/targets/0/in_service", true.into()),
            ("/targets/0/streak/outcome", "reply".into()),
            ("/targets/0/loss_1m", 0.0.into()),
            ("/targets/0/reason", Value::Null),
            ("/targets/0/drained", Value::Null),
            ("/last_change", Value::Null),
            ("/last_error", Value::Null),
        ];
        for (place, want) in want {
            assert_eq!(status.pointer(place), Some(&want), "{place}");
        }
        assert!(status["targets"][0]["last_rtt_ms"].as_f64().unwrap() > 0.0);
        let time = status["agent"]["started_at"].as_str().unwrap();
        assert!(time.starts_with("20") && time.ends_with('Z'), "RFC 3339 in UTC: {time}");
        let (code, from_socket) = ask(desk.connect_control(), "GET /status");
        assert_eq!(code, 200);
        let printed: Value = serde_json::from_str(&desk.done(&["status", "--json"])).unwrap();
        for other in [serde_json::from_str(&from_socket).unwrap(), printed] {
            assert_fields(&other, &CONTRACT);
            assert_eq!(other["agent"], status["agent"]);
        }
        let table = desk.done(&["status"]);
        assert!(table.lines().all(|line| line.chars().count() <= 100), "{table}");
        for part in ["sfo-1", "example.com", "guards off: canaries", &one().to_string()] {
            assert!(table.contains(part), "{part} is missing in\n{table}");
        }
        assert!(!table.contains('\u{1b}'), "no colour but on a terminal");
        assert_eq!(desk.get("/healthz"), (200, "ok\n".into()));
    });
}

#[test]
fn a_verdict_tells_the_truth_also_while_the_floor_keeps_the_record() {
    run(|| {
        let desk = Desk::new("min_in_service = 1\n");
        let mut agent = desk.confirmed();
        let verdict = |target| desk.get(&format!("/verdict/{target}"));
        assert_eq!(verdict(v4(99)), (404, "unknown not a target of this agent\n".into()));
        desk.until_shown(&mut agent, two(), |shown| shown["health"] == "up");
        assert_eq!([verdict(one()), verdict(two())], [(200, "up\n".into()), (200, "up\n".into())]);
        desk.lab.remove(&[one()]);
        first(&mut agent, &["withdrew", &about(one())]);
        desk.lab.remove(&[two()]);
        first(&mut agent, &["refused to act", &about(two()), "reason=\"floor\""]);
        desk.until_shown(&mut agent, two(), |shown| shown["reason"] == "floor");
        assert_eq!(verdict(one()), (503, "down\n".into()));
        assert_eq!(verdict(two()), (503, "down floor\n".into()));
        desk.assert_untouched(two());
        let table = desk.done(&["status"]);
        assert!(table.contains("floor"), "{table}");
        assert!(table.lines().all(|line| line.chars().count() <= 100), "{table}");

        desk.lab.add(&[one(), two()]);
        first(&mut agent, &["restored", &about(one())]);
        for target in [one(), two()] {
            desk.until_shown(&mut agent, target, |shown| {
                shown["health"] == "up" && shown["in_service"] == true
            });
            assert_eq!(verdict(target), (200, "up\n".into()));
        }
        desk.assert_untouched(one());
        desk.assert_untouched(two());
        assert_fields(&desk.status(), &[("/last_change", "at what")]);
    });
}

#[test]
fn an_isolated_agent_says_so_and_why_over_a_reload() {
    run(|| {
        let desk = Desk::new("");
        let mut agent = desk.confirmed();
        desk.lab.unplug(0);
        let cause = "this machine can ask none of its targets";
        first(&mut agent, &["WARN", &format!("isolated: {cause}")]);
        let config = desk.config("name = \"renamed\"\n");
        for name in [None, Some("renamed")] {
            if name.is_some() {
                desk.reload(&mut agent, &config);
            }
            desk.until_shown(&mut agent, one(), |_| {
                let of = &desk.status()["agent"];
                of["isolated"] == true && name.is_none_or(|name| of["name"] == name)
            });
            assert_eq!(desk.status()["agent"]["isolation_cause"], cause, "{name:?}");
            let line = format!("ISOLATED: {cause}, so nothing is withdrawn\n");
            let table = desk.done(&["status"]);
            assert!(table.contains(&line), "{name:?}: {table}");
            assert!(desk.get("/metrics").1.contains("goavail_isolated 1.0\n"), "{name:?}");
        }
        desk.lab.plug(0);
        first(&mut agent, &["no longer isolated"]);
        desk.until_shown(&mut agent, one(), |_| desk.status()["agent"]["isolated"] == false);
    });
}

/// A death, its withdrawal, the return, a reload and a bad one: something of everything.
fn eventful(desk: &Desk) -> Agent {
    let mut agent = desk.confirmed();
    desk.lab.remove(&[one()]);
    first(&mut agent, &["withdrew", &about(one())]);
    desk.lab.add(&[one()]);
    first(&mut agent, &["restored", &about(one())]);
    let good = std::fs::read_to_string(desk.path("goavail.toml")).unwrap();
    desk.reload(&mut agent, &good);
    desk.write("goavail.toml", "interval = 0");
    agent.signal(rustix::process::Signal::HUP);
    first(&mut agent, &["the old configuration stays in force"]);
    desk.write("goavail.toml", &good);
    desk.until_shown(&mut agent, one(), |shown| {
        shown["health"] == "up" && shown["loss_1m"].as_f64().unwrap() > 0.0
    });
    agent
}

#[test]
fn the_reading_of_the_start_is_counted_as_a_request() {
    run(|| {
        let desk = Desk::new("");
        let mut agent = desk.confirmed();
        let counted = "goavail_dns_requests_total{provider=\"cloudflare\",outcome=\"ok\"} 1\n";
        // Requests are taken over once a second: within some hundred probes at the most.
        let shown = (0..300).any(|_| {
            agent.wait_for_words(&["outcome=Reply"]);
            desk.get("/metrics").1.contains(counted)
        });
        assert!(shown, "{}", desk.get("/metrics").1);
    });
}

#[test]
fn the_metrics_of_a_real_agent_pass_a_strict_reader_and_count_what_happened() {
    run(|| {
        let desk = Desk::new("");
        let mut agent = eventful(&desk);
        // The status is refreshed once a second, and the refused reload came last.
        while !desk.get("/metrics").1.contains("goavail_reloads_total{outcome=\"refused\"} 1") {
            agent.wait_for_words(&["outcome="]);
        }
        let figure = |line: &str| {
            let (code, text) = desk.get("/metrics");
            assert_eq!(code, 200);
            let silent =
                ["goavail_votes_total", "goavail_notices_total", "goavail_target_limits_replies"];
            let families = assert_promised(&text, &silent);
            let (name, labels) = line.split_once(' ').unwrap_or((line, ""));
            let labels: Vec<_> =
                labels.split_whitespace().map(|pair| pair.split_once('=').unwrap()).collect();
            families.value(name, &labels)
        };
        let target = format!("target={}", one());
        let want = [
            (format!("goavail_flips_total {target} to=down"), 1.0),
            (format!("goavail_flips_total {target} to=up"), 1.0),
            (format!("goavail_verdicts_total {target} to=down"), 1.0),
            (format!("goavail_target_up {target}"), 1.0),
            (format!("goavail_target_in_service {target} name=www.example.com"), 1.0),
            (
                "goavail_dns_changes_total provider=cloudflare action=withdraw outcome=ok".into(),
                2.0,
            ),
            ("goavail_dns_changes_total provider=cloudflare action=restore outcome=ok".into(), 2.0),
            ("goavail_failover_seconds_count".into(), 1.0),
            ("goavail_failover_seconds_bucket le=+Inf".into(), 1.0),
            ("goavail_reloads_total outcome=ok".into(), 1.0),
            ("goavail_reloads_total outcome=refused".into(), 1.0),
            ("goavail_dry_run".into(), 0.0),
            ("goavail_isolated".into(), 0.0),
            ("goavail_peers_alive".into(), 0.0),
            (format!("goavail_build_info version={}", env!("CARGO_PKG_VERSION")), 1.0),
        ];
        for (line, want) in want {
            assert_eq!(figure(&line), Some(want), "{line}");
        }
        let losses = figure(&format!("goavail_probes_total {target} outcome=loss")).unwrap();
        assert!(losses >= 3.0, "{losses}");
        let failover = figure("goavail_failover_seconds_sum").unwrap();
        assert!(failover > 0.2, "three losses take longer than {failover} s");
    });
}

#[test]
fn a_zone_that_is_not_active_is_named_in_the_log_and_in_the_status() {
    run(|| {
        let desk = Desk::new("");
        desk.cloudflare.zone(|zone| "moved".clone_into(&mut zone.status));
        let mut agent = desk.confirmed();
        first(&mut agent, &["WARN", "zone example.com has the status \"moved\" at Cloudflare"]);
        let failing = desk.status()["failing"].clone();
        let error = failing[0]["error"].as_str().unwrap_or_default();
        assert!(error.contains("has the status \"moved\""), "{failing:#}");
    });
}
