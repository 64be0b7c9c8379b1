//! Reports from users of other tools: a configuration of checks was accepted and did something else. Each has
//! its number there.

use super::super::read;
use super::with_top;

/// Returns the problems of a file of one service with these lines at its top.
fn problems(lines: &str) -> String {
    read(&with_top(lines)).err().unwrap_or_default().join(" | ")
}

/// Lines, a part of the answer, and the report.
const REPORTS: &[(&str, &str, &str)] = &[
    (
        "gatus 1779: an unknown placeholder is accepted, and never true",
        "check = { type = \"exec\", command = [\"/bin/true\", \"{addres}\"], user = \"nobody\" }",
        "{addres} is not replaced; did you mean {address}?",
    ),
    (
        "gatus 407: the rcode NOERRORS is accepted, and never true",
        "check = { type = \"dns\", rcode = \"NOERRORS\" }",
        "\"NOERRORS\" is not allowed; an rcode: \"NOERROR\"",
    ),
    (
        "keepalived 1350: the status class 3xx is accepted, and never matches",
        "check = { type = \"http\", status = [\"3xx\"] }",
        "\"3xx\" is not allowed; written as \"300-399\"",
    ),
    (
        "keepalived 258: of two requests only the first is made",
        "check = { type = \"http\" }\nchecks = [{ type = \"http\", path = \"/mrtg/\" }]",
        "checks: not used together with check, line 1; put that into the list",
    ),
    (
        "blackbox_exporter 936, 1167: a Host header in the configuration has no effect",
        "check = { type = \"http\", headers = { Host = \"my.super.host\" } }",
        "headers.Host: Host is not allowed; cannot be set here: the key host sets it",
    ),
    (
        "blackbox_exporter 90: a misspelt key is accepted",
        "check = { type = \"https\", staus = [200, 301, 302] }",
        "staus: not a known key; did you mean status?",
    ),
    (
        "haproxytech/dataplaneapi 161: a header is smuggled in by the path",
        "check = { type = \"http\", path = \"/healthcheck\\r\\nHost: subdomain.example.com\" }",
        "is not allowed; a path such as \"/healthz\"",
    ),
    (
        "Ecwid/consul-api 171: a check of a removed kind is answered by \"TTL must be > 0\"",
        "check = { script = \"mysqladmin status\", interval = 30 }",
        "check.type: missing; \"icmp\", \"tcp\", \"http\", \"https\", \"exec\" or \"dns\"",
    ),
    (
        "consul 4962: a command and its arguments in one text",
        "check = { type = \"exec\", command = [\"/bin/true -w 85\"], user = \"nobody\" }",
        "; each argument is an item of its own",
    ),
    (
        "telegraf 6681: a list of good statuses under a name that is not known ends the daemon later",
        "check = { type = \"http\", success_status_codes = [200, 503] }",
        "success_status_codes: not a known key",
    ),
    (
        "telegraf 2204, 9746: an expression is compiled at each probe, and a list of them is not refused",
        "check = { type = \"http\", body_regex = [\"\\\"code\\\":0\", \"\\\"code\\\":1\"] }",
        "is not allowed; a regular expression",
    ),
    (
        "haproxy 1212: \"missing connect rule\" for rules in another order",
        "check = { status = [200], host = \"foo.bar\", path = \"healthz\", type = \"http\" }",
        "check.path: \"healthz\" is not allowed; a path such as",
    ),
];

#[test]
fn what_other_tools_accept_and_do_not_do_is_refused_in_words() {
    let mut wrong = Vec::new();
    for (report, lines, want) in REPORTS {
        let got = problems(lines);
        if !got.contains(want) {
            wrong.push(format!("{report}\n  want {want}\n  got  {got}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// haproxy 1772: a directive above another one loses its headers.
#[test]
fn the_order_of_keys_means_nothing() {
    let keys = [
        "type = \"http\"",
        "path = \"/x\"",
        "headers = { A = \"b\" }",
        "port = 8080",
        "status = [204]",
    ];
    let checks = [keys.to_vec(), keys.iter().rev().copied().collect()].map(|keys: Vec<&str>| {
        let config = read(&with_top(&format!("check = {{ {} }}", keys.join(", ")))).unwrap();
        config.services[0].first_check().method.clone()
    });
    assert_eq!(checks[0], checks[1]);
}

/// Uptime-Kuma-Web-API 52: the range 200-209 is logged as unknown at the level debug, and ignored.
#[test]
fn any_range_of_statuses_is_one() {
    let lines = "check = { type = \"http\", status = [\"200-209\", 418] }";
    let config = read(&with_top(lines)).unwrap();
    assert!(config.in_words().contains("wanted 200-209, 418:"), "{}", config.in_words());
}
