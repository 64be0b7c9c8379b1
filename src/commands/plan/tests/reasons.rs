//! The reasons of targets that are down by checks, in the text and in JSON.

use super::*;
use crate::status::model::CheckFailure;

/// Returns an answer in which these targets are down by a check, each with the reason of the agent.
fn down_by_checks(rows: &[(&str, bool, Option<&str>)]) -> DesiredByAgent {
    let rows =
        rows.iter().map(|(address, is_in, reason)| (*address, "down", *is_in, *reason, false));
    let mut status = status(&rows.collect::<Vec<_>>());
    for target in &mut status.targets {
        let said = Some("connect 0.4 ms, then 503 (wanted 200-299)\u{1b}[31m".to_owned());
        target.failed = vec![CheckFailure { check: "web".to_owned(), said }];
    }
    DesiredByAgent::answered("/run/goavail.sock".into(), "default", "example.com", &status)
}

#[test]
fn a_withdrawal_and_a_refusal_have_the_check_that_failed_with_its_reason() {
    let comparison = compare(
        &listing(),
        0,
        down_by_checks(&[
            ("192.0.2.10", false, None),
            ("192.0.2.11", true, Some("alike")),
            ("192.0.2.12", false, Some("asked")),
            ("192.0.2.77", false, None),
        ]),
    );
    let text = render(&comparison, false);
    let want = "\n\nwhy, as the agent sees it:\n\
                \x20 192.0.2.10 down: web: connect 0.4 ms, then 503 (wanted 200-299)";
    assert!(text.contains(want), "{text}");
    for words in ["192.0.2.11 alike: web: connect", "192.0.2.12 asked: web: connect"] {
        assert!(text.contains(words), "{text}");
    }
    assert!(!text.contains("192.0.2.77") && !text.contains('\u{1b}'), "{text}");
    let json: serde_json::Value = serde_json::from_str(&comparison.json()).unwrap();
    assert_eq!(json["reasons"][1]["why"], "alike");
    let without = compare(&listing(), 1, two_down());
    assert!(!without.json().contains("\"reasons\""), "a file without chosen checks");
}
