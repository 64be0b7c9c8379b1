//! `/metrics` as a scraper reads it: by the letter of the format, and by an independent reader.

#![expect(clippy::unwrap_used, reason = "a test's helper fails as the test does")]
#![expect(clippy::print_stdout, reason = "a skip is said where it can be seen")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use goavail::engine::ids::{TargetRef, ZoneId};
use goavail::engine::plan::{Family, Observed, SetKey};
use goavail::testing::status::{Board, MetricsFormat, encode};

use crate::lab::is_ci;
use crate::status_sample::{ip, sample_board, setup};

/// One sample: its labels and its value.
type Sample = (BTreeMap<String, String>, f64);

/// Family name → type and samples by sample name.
#[derive(Debug, Default)]
pub(crate) struct Families(BTreeMap<String, (String, BTreeMap<String, Vec<Sample>>)>);

/// Reads the Prometheus text format 0.0.4 and refuses everything that the format's own page does not
/// allow: families that come twice, samples outside their family, labels that repeat, series that
/// repeat, unknown escapes, histograms that do not add up.
fn parse(text: &str) -> Families {
    assert!(text.ends_with('\n'), "the last line has its line feed");
    let mut families = Families::default();
    let mut current = String::new();
    let mut helped = BTreeSet::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').expect(line);
            assert!(is_name(name) && !help.is_empty(), "{line}");
            assert!(helped.insert(name.to_owned()), "HELP twice: {line}");
            name.clone_into(&mut current);
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').expect(line);
            assert_eq!(name, current, "TYPE follows its HELP");
            assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
            let fresh = families.0.insert(name.to_owned(), (kind.to_owned(), BTreeMap::new()));
            assert!(fresh.is_none(), "family twice: {line}");
        } else {
            assert!(!line.starts_with('#'), "a comment of no known kind: {line}");
            let (name, labels, value) = sample(line);
            let (kind, samples) = families.0.get_mut(&current).expect(line);
            let suffixes: &[&str] =
                if kind == "histogram" { &["_bucket", "_sum", "_count"] } else { &[""] };
            let own = suffixes.iter().any(|suffix| name == format!("{current}{suffix}"));
            assert!(own, "{line} is not of the family {current}");
            assert!(kind != "counter" || name.ends_with("_total") && value >= 0.0, "{line}");
            let series = samples.entry(name).or_default();
            assert!(series.iter().all(|(known, _)| *known != labels), "series twice: {line}");
            series.push((labels, value));
        }
    }
    families.0.iter().for_each(|(name, family)| check_histogram(name, family));
    families
}

fn is_name(name: &str) -> bool {
    let first = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_' || c == ':');
    first && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == ':')
}

fn sample(line: &str) -> (String, BTreeMap<String, String>, f64) {
    let (name, rest) = line.split_at(line.find(['{', ' ']).expect(line));
    assert!(is_name(name), "{line}");
    let (labels, rest) = match rest.strip_prefix('{') {
        Some(rest) => labels(rest, line),
        None => (BTreeMap::new(), rest),
    };
    let value = rest.strip_prefix(' ').expect(line);
    assert!(!value.contains(' '), "no timestamps here: {line}");
    (name.to_owned(), labels, value.parse().expect(line))
}

fn labels<'a>(mut rest: &'a str, line: &str) -> (BTreeMap<String, String>, &'a str) {
    let mut labels = BTreeMap::new();
    loop {
        let (key, after) = rest.split_once("=\"").expect(line);
        assert!(is_name(key) && !key.contains(':'), "{line}");
        let (value, after) = quoted(after, line);
        assert!(labels.insert(key.to_owned(), value).is_none(), "label twice: {line}");
        match after.strip_prefix(',') {
            Some(after) => rest = after,
            None => return (labels, after.strip_prefix('}').expect(line)),
        }
    }
}

fn quoted<'a>(text: &'a str, line: &str) -> (String, &'a str) {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return (value, &text[at + 1..]),
            '\\' => value.push(match chars.next() {
                Some((_, 'n')) => '\n',
                Some((_, c @ ('"' | '\\'))) => c,
                other => panic!("unknown escape {other:?}: {line}"),
            }),
            c => value.push(c),
        }
    }
    panic!("a label without an end: {line}")
}

fn check_histogram(name: &str, (kind, samples): &(String, BTreeMap<String, Vec<Sample>>)) {
    if kind != "histogram" {
        return;
    }
    let buckets = &samples[&format!("{name}_bucket")];
    let bound = |sample: &Sample| -> f64 { sample.0["le"].parse().unwrap() };
    assert!(buckets.is_sorted_by(|one, next| bound(one) < bound(next)), "{name}: bounds ascend");
    assert!(buckets.is_sorted_by_key(|bucket| bucket.1), "{name}: buckets are cumulative");
    let last = buckets.last().unwrap();
    assert!(bound(last).is_infinite(), "{name}: the last bucket holds everything");
    assert!((last.1 - samples[&format!("{name}_count")][0].1).abs() < 0.5, "{name}: count");
    assert!(samples.contains_key(&format!("{name}_sum")), "{name}: sum");
}

impl Families {
    pub(crate) fn value(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let family = ["_count", "_sum", "_bucket", ""].iter().find_map(|suffix| {
            self.0.get(name.strip_suffix(suffix)?).filter(|family| family.1.contains_key(name))
        })?;
        let wanted: BTreeMap<String, String> =
            labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        family.1[name].iter().find(|sample| sample.0 == wanted).map(|sample| sample.1)
    }
}

/// Every metric, its type and its labels, as they were promised.
const PROMISED: [(&str, &str, &[&str]); 24] = [
    ("goavail_target_up", "gauge", &["target"]),
    ("goavail_target_evidence_age_seconds", "gauge", &["target"]),
    ("goavail_target_limits_replies", "gauge", &["target"]),
    ("goavail_target_return_timestamp_seconds", "gauge", &["target"]),
    ("goavail_target_in_service", "gauge", &["target", "name"]),
    ("goavail_name_failing", "gauge", &["name"]),
    ("goavail_probes_total", "counter", &["target", "outcome"]),
    ("goavail_probe_rtt_seconds", "histogram", &[]),
    ("goavail_target_rtt_seconds", "gauge", &["target"]),
    ("goavail_flips_total", "counter", &["target", "to"]),
    ("goavail_verdicts_total", "counter", &["target", "to"]),
    ("goavail_refusals_total", "counter", &["reason"]),
    ("goavail_dns_changes_total", "counter", &["provider", "action", "outcome"]),
    ("goavail_dns_requests_total", "counter", &["provider", "outcome"]),
    ("goavail_failover_seconds", "histogram", &[]),
    ("goavail_peers_alive", "gauge", &[]),
    ("goavail_votes_total", "counter", &["peer", "outcome"]),
    ("goavail_notices_total", "counter", &["channel", "outcome"]),
    ("goavail_reloads_total", "counter", &["outcome"]),
    ("goavail_caught_panics_total", "counter", &["part"]),
    ("goavail_incidents_open", "gauge", &["severity"]),
    ("goavail_isolated", "gauge", &[]),
    ("goavail_dry_run", "gauge", &[]),
    ("goavail_build_info", "gauge", &["version"]),
];

/// Reads `text` strictly, and holds every promised metric against its promise. Each has series,
/// but for those of `silent`.
pub(crate) fn assert_promised(text: &str, silent: &[&str]) -> Families {
    let families = parse(text);
    for (name, kind, labels) in PROMISED {
        let (found, samples) = families.0.get(name).expect(name);
        assert_eq!(found, kind, "{name}");
        let labels: BTreeSet<&str> = labels.iter().copied().collect();
        for (series, samples) in samples {
            let bucket = series.ends_with("_bucket").then_some("le");
            let labels: BTreeSet<&str> = labels.iter().copied().chain(bucket).collect();
            for (found, _) in samples {
                assert_eq!(found.keys().map(String::as_str).collect::<BTreeSet<_>>(), labels);
            }
        }
        assert_eq!(samples.is_empty(), silent.contains(&name), "series of {name}: {samples:?}");
    }
    assert_eq!(families.0.len(), PROMISED.len(), "{:?}", families.0.keys());
    families
}

#[test]
fn every_promised_metric_is_there_with_its_type_and_labels_and_no_other() {
    let (board, _) = sample_board();
    assert_promised(
        &encode(&board.reader().snapshot(), MetricsFormat::Text, String::new()),
        &[
            "goavail_target_evidence_age_seconds",
            "goavail_target_limits_replies",
            "goavail_target_return_timestamp_seconds",
        ],
    );
}

#[test]
fn the_figures_are_those_of_the_status() {
    let (board, _) = sample_board();
    let snapshot = board.reader().snapshot();
    let families = parse(&encode(&snapshot, MetricsFormat::Text, String::new()));
    let value = |name: &str, labels: &[(&str, &str)]| families.value(name, labels);
    for target in snapshot.status().targets {
        let address = target.address.to_string();
        let label = ("target", address.as_str());
        let up = target.health != goavail::testing::status::model::Health::Down;
        assert_eq!(value("goavail_target_up", &[label]), Some(f64::from(u8::from(up))));
        let rtt = target.last_rtt_ms.map(|ms| (ms * 1e3).round());
        let seconds = value("goavail_target_rtt_seconds", &[label]).map(|s| (s * 1e6).round());
        assert_eq!(seconds, rtt, "{address}");
        for record in target.records {
            let labels = [label, ("name", record.name.as_str())];
            let there = record.present.map(|there| f64::from(u8::from(there)));
            assert_eq!(value("goavail_target_in_service", &labels), there, "{address}");
        }
    }
    let replies: f64 = families.0["goavail_probes_total"].1["goavail_probes_total"]
        .iter()
        .filter(|(labels, _)| labels["outcome"] == "reply")
        .map(|(_, value)| value)
        .sum();
    assert_eq!(value("goavail_probe_rtt_seconds_count", &[]), Some(replies));
    assert_eq!(value("goavail_peers_alive", &[]), Some(2.0));
    assert_eq!(value("goavail_failover_seconds_sum", &[]), Some(1.42));
    let peer = [("peer", "192.0.2.83:8080"), ("outcome", "accepted")];
    assert_eq!(value("goavail_votes_total", &peer), Some(1.0));
}

#[test]
fn series_of_removed_targets_and_peers_disappear_and_an_unread_zone_has_none() {
    let (mut board, end) = sample_board();
    board.reload(setup(&[ip("198.51.100.10")]), end);
    board.set_peers(Vec::new());
    board.set_observed(ZoneId::DEFAULT, None);
    board.publish(end);
    let text = encode(&board.reader().snapshot(), MetricsFormat::Text, String::new());
    let families = parse(&text);
    assert!(!text.contains("198.51.100.11") && !text.contains("192.0.2.83"), "{text}");
    assert!(families.0["goavail_target_in_service"].1.is_empty(), "unknown is not absent");
}

#[test]
fn an_unknown_value_is_null_in_the_status_and_absent_from_the_metrics() {
    let (mut board, end) = sample_board();
    let (target, name) = (ip("198.51.100.10"), "www.example.com");
    let set = SetKey { name: name.into(), family: Family::A };
    let mut observed: Observed = [(set.clone(), [target].into())].into_iter().collect();
    observed.uncertain.insert((set, target));
    board.set_observed(ZoneId::DEFAULT, Some(&observed));
    board.publish(end);
    let snapshot = board.reader().snapshot();
    let status = snapshot.status();
    let shown = status.targets.iter().find(|shown| shown.address == target).unwrap();
    let at = |name: &str| shown.records.iter().find(|record| record.name == name).unwrap();
    assert_eq!((at(name).present, at("api.example.com").present), (None, Some(false)));
    let families = parse(&encode(&snapshot, MetricsFormat::Text, String::new()));
    let value = |name| {
        let labels = [("target", "198.51.100.10"), ("name", name)];
        families.value("goavail_target_in_service", &labels)
    };
    assert_eq!((value(name), value("api.example.com")), (None, Some(0.0)));
}

#[test]
fn only_a_target_that_limits_its_replies_has_the_series_that_says_so() {
    let (mut board, end) = sample_board();
    let target = ip("198.51.100.10");
    let series = |board: &mut Board, end| {
        board.publish(end);
        let families =
            parse(&encode(&board.reader().snapshot(), MetricsFormat::Text, String::new()));
        families.value("goavail_target_limits_replies", &[("target", "198.51.100.10")])
    };
    board.set_limits(TargetRef::of_default(target), Some(Duration::from_secs(4)));
    assert_eq!(series(&mut board, end), Some(1.0));
    board.set_limits(TargetRef::of_default(target), None);
    assert_eq!(series(&mut board, end), None);
}

#[test]
fn a_name_with_quotes_and_line_feeds_stays_one_label() {
    let (mut board, end) = sample_board();
    let mut setup = setup(&[ip("198.51.100.10")]);
    setup.agent.version = "1\"2\\3\n4".into();
    board.reload(setup, end);
    board.publish(end);
    let families = parse(&encode(&board.reader().snapshot(), MetricsFormat::Text, String::new()));
    assert_eq!(families.value("goavail_build_info", &[("version", "1\"2\\3\n4")]), Some(1.0));
}

#[test]
fn the_format_is_the_one_that_the_scraper_accepts() {
    let prometheus = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
                      application/openmetrics-text;version=0.0.1;q=0.5,text/plain;q=0.3,*/*;q=0.2";
    let cases = [
        ("nothing", "", MetricsFormat::Text),
        ("curl", "*/*", MetricsFormat::Text),
        ("a browser", "text/html,application/xhtml+xml", MetricsFormat::Text),
        ("Prometheus", prometheus, MetricsFormat::OpenMetrics),
        ("only the draft", "application/openmetrics-text;version=0.0.1", MetricsFormat::Text),
        ("not that", "application/openmetrics-text;q=0, text/plain", MetricsFormat::Text),
    ];
    for (name, accept, want) in cases {
        assert_eq!(MetricsFormat::wanted(accept), want, "{name}");
    }
}

/// Prometheus's own Python client, in a virtual environment that is kept under `target/`.
///
/// Without network or Python the test says so loudly and passes, except with `CI=true`.
fn python() -> Option<PathBuf> {
    let home = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("prometheus-client-venv");
    let python = home.join("bin/python");
    let ready = |python: &PathBuf| {
        let check = Command::new(python).args(["-c", "import prometheus_client"]).output();
        check.is_ok_and(|output| output.status.success())
    };
    if !ready(&python) {
        let run = |program: &std::ffi::OsStr, arguments: &[&str]| {
            Command::new(program).args(arguments).output().is_ok_and(|out| out.status.success())
        };
        let package = "prometheus-client==0.23.1";
        let made = run("python3".as_ref(), &["-m", "venv", home.to_str().unwrap()])
            && run(python.as_os_str(), &["-m", "pip", "install", "-q", package]);
        if !made || !ready(&python) {
            assert!(!is_ci(), "no {package} in CI");
            println!("SKIPPED: {package} cannot be installed, so no independent reader read this");
            return None;
        }
    }
    Some(python)
}

#[test]
fn prometheus_own_parsers_read_both_formats_and_agree_with_ours() {
    let Some(python) = python() else { return };
    let (board, _) = sample_board();
    let snapshot = board.reader().snapshot();
    let ours = parse(&encode(&snapshot, MetricsFormat::Text, String::new()));
    let samples: usize = ours.0.values().flat_map(|family| family.1.values()).map(Vec::len).sum();
    for (format, module) in [
        (MetricsFormat::Text, "prometheus_client.parser"),
        (MetricsFormat::OpenMetrics, "prometheus_client.openmetrics.parser"),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("metrics");
        std::fs::write(&file, encode(&snapshot, format, String::new())).unwrap();
        let script = format!(
            "import sys\nfrom {module} import text_string_to_metric_families as parse\n\
             families = list(parse(open(sys.argv[1], newline='').read()))\n\
             assert all(f.type != 'unknown' for f in families), families\n\
             print(len(families), sum(len(f.samples) for f in families))"
        );
        let output = Command::new(&python).args(["-c", &script]).arg(&file).output().unwrap();
        let (said, error) = (output.stdout, String::from_utf8_lossy(&output.stderr).into_owned());
        assert!(output.status.success(), "{module} refuses it: {error}");
        let want = format!("{} {samples}\n", PROMISED.len());
        assert_eq!(String::from_utf8_lossy(&said), want, "{module}");
    }
}
