//! The views of a running agent: `/status`, `/verdict`, `/metrics`, `/healthz`, `goavail status`.

use serde_json::Value;

use super::harness::{Harness, about, ask, first, one, two};
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
        let harness = Harness::new("name = \"sfo-1\"\nmin_in_service = 1\n");
        let mut agent = harness.confirmed();
        harness.until_shown(&mut agent, one(), |shown| {
            shown["records"].as_array().unwrap().iter().all(|record| record["present"] == true)
        });
        harness.until_shown(&mut agent, one(), |shown| shown["health"] == "up");
        let status = harness.status();
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
        let (code, from_socket) = ask(harness.connect_control(), "GET /status");
        assert_eq!(code, 200);
        let printed: Value = serde_json::from_str(&harness.done(&["status", "--json"])).unwrap();
        for other in [serde_json::from_str(&from_socket).unwrap(), printed] {
            assert_fields(&other, &CONTRACT);
            assert_eq!(other["agent"], status["agent"]);
        }
        let table = harness.done(&["status"]);
        assert!(table.lines().all(|line| line.chars().count() <= 100), "{table}");
        for part in ["sfo-1", "example.com", "guards off: canaries", &one().to_string()] {
            assert!(table.contains(part), "{part} is missing in\n{table}");
        }
        assert!(!table.contains('\u{1b}'), "no colour but on a terminal");
        assert_eq!(harness.get("/healthz"), (200, "ok\n".into()));
    });
}

#[test]
fn a_verdict_is_true_also_while_the_floor_keeps_the_record() {
    run(|| {
        let harness = Harness::new("min_in_service = 1\n");
        let mut agent = harness.confirmed();
        let verdict = |target| harness.get(&format!("/verdict/{target}"));
        assert_eq!(verdict(v4(99)), (404, "unknown not a target of this agent\n".into()));
        harness.until_shown(&mut agent, two(), |shown| shown["health"] == "up");
        assert_eq!([verdict(one()), verdict(two())], [(200, "up\n".into()), (200, "up\n".into())]);
        harness.lab.remove(&[one()]);
        first(&mut agent, &["withdrew", &about(one())]);
        harness.lab.remove(&[two()]);
        first(&mut agent, &["refused to act", &about(two()), "reason=\"floor\""]);
        harness.until_shown(&mut agent, two(), |shown| shown["reason"] == "floor");
        assert_eq!(verdict(one()), (503, "down\n".into()));
        assert_eq!(verdict(two()), (503, "down floor\n".into()));
        harness.assert_untouched(two());
        let table = harness.done(&["status"]);
        assert!(table.contains("floor"), "{table}");
        assert!(table.lines().all(|line| line.chars().count() <= 100), "{table}");

        harness.lab.add(&[one(), two()]);
        first(&mut agent, &["restored", &about(one())]);
        for target in [one(), two()] {
            harness.until_shown(&mut agent, target, |shown| {
                shown["health"] == "up" && shown["in_service"] == true
            });
            assert_eq!(verdict(target), (200, "up\n".into()));
        }
        harness.assert_untouched(one());
        harness.assert_untouched(two());
        assert_fields(&harness.status(), &[("/last_change", "at what")]);
    });
}

#[test]
fn an_isolated_agent_reports_that_and_the_cause_over_a_reload() {
    run(|| {
        let harness = Harness::new("");
        let mut agent = harness.confirmed();
        harness.lab.unplug(0);
        let cause = "this machine can ask none of its targets";
        first(&mut agent, &["WARN", &format!("isolated: {cause}")]);
        let config = harness.config("name = \"renamed\"\n");
        for name in [None, Some("renamed")] {
            if name.is_some() {
                harness.reload(&mut agent, &config);
            }
            harness.until_shown(&mut agent, one(), |_| {
                let of = &harness.status()["agent"];
                of["isolated"] == true && name.is_none_or(|name| of["name"] == name)
            });
            assert_eq!(harness.status()["agent"]["isolation_cause"], cause, "{name:?}");
            let line = format!("ISOLATED: {cause}, so nothing is withdrawn\n");
            let table = harness.done(&["status"]);
            assert!(table.contains(&line), "{name:?}: {table}");
            assert!(harness.get("/metrics").1.contains("goavail_isolated 1.0\n"), "{name:?}");
        }
        harness.lab.plug(0);
        first(&mut agent, &["no longer isolated"]);
        harness.until_shown(&mut agent, one(), |_| harness.status()["agent"]["isolated"] == false);
    });
}

/// A death, its withdrawal, the return, a reload and a bad one: something of everything.
fn eventful(harness: &Harness) -> Agent {
    let mut agent = harness.confirmed();
    harness.lab.remove(&[one()]);
    first(&mut agent, &["withdrew", &about(one())]);
    harness.lab.add(&[one()]);
    first(&mut agent, &["restored", &about(one())]);
    let good = std::fs::read_to_string(harness.path("goavail.toml")).unwrap();
    harness.reload(&mut agent, &good);
    harness.write("goavail.toml", "interval = 0");
    agent.signal(rustix::process::Signal::HUP);
    first(&mut agent, &["the old configuration stays in force"]);
    harness.write("goavail.toml", &good);
    harness.until_shown(&mut agent, one(), |shown| {
        shown["health"] == "up" && shown["loss_1m"].as_f64().unwrap() > 0.0
    });
    agent
}

#[test]
fn the_reading_of_the_start_is_counted_as_a_request() {
    run(|| {
        let harness = Harness::new("");
        let mut agent = harness.confirmed();
        let counted = "goavail_dns_requests_total{provider=\"cloudflare\",outcome=\"ok\"} 1\n";
        // Requests are taken over once a second: within some hundred probes at the most.
        let shown = (0..300).any(|_| {
            agent.wait_for_words(&["outcome=Reply"]);
            harness.get("/metrics").1.contains(counted)
        });
        assert!(shown, "{}", harness.get("/metrics").1);
    });
}

#[test]
fn the_metrics_of_a_real_agent_pass_a_strict_reader_and_count_what_happened() {
    run(|| {
        let harness = Harness::new("");
        let mut agent = eventful(&harness);
        // The status is refreshed once a second, and the refused reload came last.
        while !harness.get("/metrics").1.contains("goavail_reloads_total{outcome=\"refused\"} 1") {
            agent.wait_for_words(&["outcome="]);
        }
        let figure = |line: &str| {
            let (code, text) = harness.get("/metrics");
            assert_eq!(code, 200);
            let silent = [
                "goavail_votes_total",
                "goavail_notices_total",
                "goavail_target_limits_replies",
                "goavail_target_return_timestamp_seconds",
            ];
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
        let harness = Harness::new("");
        harness.cloudflare.zone(|zone| "moved".clone_into(&mut zone.status));
        let mut agent = harness.confirmed();
        first(&mut agent, &["WARN", "zone example.com has the status \"moved\" at Cloudflare"]);
        let failing = harness.status()["failing"].clone();
        let error = failing[0]["error"].as_str().unwrap_or_default();
        assert!(error.contains("has the status \"moved\""), "{failing:#}");
    });
}
