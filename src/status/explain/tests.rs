//! The table as a person reads it, and the wrapping of its lines.

use super::*;
use crate::engine::event::Reason;
use crate::status::WIDTH;

fn guard(guard: &str, answer: &str, evidence: &str) -> StatedAnswer {
    StatedAnswer {
        guard: guard.into(),
        answer: answer.into(),
        reason: None,
        evidence: evidence.into(),
        details: vec![],
        until: None,
    }
}

fn at() -> Time {
    serde_json::from_str("\"2026-11-22T14:00:14Z\"").unwrap()
}

/// A target that is down and kept in service by a missing quorum.
fn answer() -> ExplainAnswer {
    let quorum = StatedAnswer {
        reason: Some(Reason::NoQuorum.into()),
        details: vec!["10.0.0.2:8081 said up, by evidence 0.4 s old".into()],
        ..guard("quorum", "holds", "0 of 1 peers say down, 1 up; 1 must agree")
    };
    let target = TargetExplanation {
        service: "www".into(),
        r#type: "A".into(),
        health: Health::Down,
        in_service: true,
        cause: None,
        reason: Some(Reason::NoQuorum.into()),
        since: at(),
        summary: "in service by its verdict; in DNS at 2 of 2 names; down; last changed 6.2 s ago"
            .into(),
        next: "it would be taken out, but quorum holds: 0 of 1 peers say down, 1 up; 1 must agree"
            .into(),
        waits_for: Some("the votes of the peers".into()),
        change: ChangeInQuestion { action: "withdraw".into(), called_for: true },
        records: vec![],
        listed_at: None,
        guards: vec![
            guard(
                "health",
                "calls",
                "down: 12 losses in a row, 3 make it down; last reply 6.2 s ago; said connect 0.4 ms, then 503 (wanted 200-299); next probe in 0.2 s",
            ),
            guard("drained", "does_not_apply", "not drained"),
            quorum,
        ],
    };
    ExplainAnswer {
        asked_for: None,
        at: at(),
        agent: "eu-1".into(),
        version: "0.1.0".into(),
        dry_run: false,
        address: "203.0.113.10".parse().unwrap(),
        targets: vec![target],
    }
}

#[test]
fn the_table_reads_like_this() {
    let want = "\
eu-1  goavail 0.1.0  at 2026-11-22 14:00:14 UTC

www/203.0.113.10: in service by its verdict; in DNS at 2 of 2 names; down; last changed 6.2 s ago
next: it would be taken out, but quorum holds: 0 of 1 peers say down, 1 up; 1 must agree
waits for: the votes of the peers

GUARD      ANSWER          EVIDENCE
health     calls           down: 12 losses in a row, 3 make it down; last reply 6.2 s ago; said
                           connect 0.4 ms, then 503 (wanted 200-299); next probe in 0.2 s
drained    does not apply  not drained
quorum     holds           no_quorum: 0 of 1 peers say down, 1 up; 1 must agree
                             10.0.0.2:8081 said up, by evidence 0.4 s old
";
    assert_eq!(explain_table(&answer(), false), want);
}

#[test]
fn colours_are_for_terminals_and_mark_the_first_guard_that_stops() {
    let text = explain_table(&answer(), true);
    let red: Vec<&str> = text.lines().filter(|line| line.starts_with("\u{1b}[31m")).collect();
    assert_eq!(red.len(), 3, "next, the guard and its detail: {text}");
    assert!(red[1].contains("quorum"), "{text}");
}

#[test]
fn external_text_neither_breaks_a_line_nor_the_terminal() {
    let mut answer = answer();
    let evidence = format!("{} \u{1b}[31m\u{202e}\n{}", "x".repeat(300), "word ".repeat(60));
    answer.targets[0].guards.push(guard("probing", "newer_word", &evidence));
    answer.targets[0].guards[0].details.push(evidence);
    let text = explain_table(&answer, false);
    let longest = text.lines().map(|line| line.chars().count()).max().unwrap();
    assert!(longest <= WIDTH, "{longest}: {text}");
    assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{text:?}");
    assert!(text.contains("newer word"), "{text}");
}

#[test]
fn an_answer_of_a_newer_agent_is_read_with_its_new_words() {
    let mut json = serde_json::to_value(answer()).unwrap();
    json["targets"][0]["guards"][0]["answer"] = "ponders".into();
    json["targets"][0]["reason"] = "new_reason".into();
    json["added"] = true.into();
    let read: ExplainAnswer = serde_json::from_value(json).unwrap();
    assert_eq!(read.targets[0].guards[0].answer, "ponders");
}
