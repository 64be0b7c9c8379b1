//! Every notice word for word, and short with any content.

use std::net::IpAddr;

use proptest::prelude::*;

use super::*;
use crate::notify::tests::notice;

#[test]
fn each_kind_names_the_event_its_targets_and_the_reason() {
    use NoticeKind::*;
    let when = "2001-09-09T01:46:40Z";
    let cases = [
        (Withdrawn, "withdrew 192.0.2.1 from www.example.com"),
        (Restored, "restored 192.0.2.1 to www.example.com"),
        (ZoneInactive, "the zone is not active, so changes to it may be seen by nobody"),
        (ZoneActive, "the zone is active"),
        (Refused, "refused to change DNS for 192.0.2.1 at www.example.com"),
        (RefusalOver, "no longer refuses to change DNS for 192.0.2.1 at www.example.com"),
        (
            Unconfirmed,
            "could not confirm a change of 192.0.2.1 at www.example.com; \
             it may be in force or not",
        ),
        (
            Failing,
            "could not keep DNS in step for 192.0.2.1 at www.example.com and is trying again",
        ),
        (Isolated, "isolated: the own network may be the cause, so nothing is withdrawn"),
        (IsolationOver, "no longer isolated, and losses are counted anew"),
        (
            Unknown,
            "cannot see 192.0.2.1: health unknown, and the verdict stands at www.example.com",
        ),
        (UnknownOver, "sees 192.0.2.1 again at www.example.com"),
        (ReloadRefused, "refused the new configuration and keeps the old one"),
        (ProviderRefused, "the DNS provider refuses our requests, so nothing can be changed"),
        (ProviderBack, "the DNS provider accepts our requests again"),
        (Drained, "drained 192.0.2.1: kept out of www.example.com"),
        (Undrained, "undrained 192.0.2.1: its probes decide again at www.example.com"),
        (Stopped, "stopped by a failure, so nothing is watched from here"),
        (CertificateEnds, "the certificate of 192.0.2.1 ends soon at www.example.com"),
        (CertificateRenewed, "the certificate of 192.0.2.1 is renewed at www.example.com"),
        (NoneLeft, "nothing is left in service at www.example.com"),
        (SomeBack, "something is in service again at www.example.com"),
        (Reloaded, "a new configuration is in force"),
        (Over, "over: withdrawn of 192.0.2.1"),
    ];
    for (kind, what) in cases {
        let mut notice = notice(kind, &[1]);
        assert_eq!(notice.text(), format!("sfo-1: {what}; {when}"));
        notice.reason = Some("no_quorum".into());
        notice.detail = Some("1 of 2 agree".into());
        let why = format!("sfo-1: {what}; no_quorum; 1 of 2 agree; {when}");
        assert_eq!(notice.text(), why);
    }
}

#[test]
fn trouble_with_the_provider_that_keeps_no_target_waiting_names_none() {
    use NoticeKind::{Failing, Unconfirmed};
    let cases = [
        (Unconfirmed, "could not confirm a change of DNS; it may be in force or not"),
        (Failing, "the DNS provider cannot be asked and is tried again"),
    ];
    for (kind, what) in cases {
        let mut notice = notice(kind, &[]);
        notice.names.clear();
        assert_eq!(notice.text(), format!("sfo-1: {what}; 2001-09-09T01:46:40Z"));
    }
}

#[test]
fn the_evidence_is_in_the_message() {
    let mut notice = notice(NoticeKind::Withdrawn, &[1]);
    notice.evidence = NoticeEvidence {
        losses: Some(3),
        replies: None,
        votes: vec!["eu-1".into(), "us-1".into()],
        since_last_reply: Some(Duration::from_millis(2_449)),
        took: Some(Duration::from_millis(310)),
    };
    assert_eq!(
        notice.text(),
        "sfo-1: withdrew 192.0.2.1 from www.example.com; 3 losses in a row; last reply 2.4 s \
         before; agreed by eu-1 and us-1; took 310 ms; 2001-09-09T01:46:40Z"
    );
    notice.evidence.losses = Some(1);
    notice.evidence.replies = Some(2);
    notice.evidence.since_last_reply = Some(Duration::from_secs(3_903));
    let text = notice.text();
    assert!(text.contains("; 1 loss in a row; 2 replies in a row; "), "{text}");
    assert!(text.contains("; last reply 1h 5m 3s before; "), "{text}");
}

#[test]
fn the_next_step_is_in_the_message() {
    let mut notice = notice(NoticeKind::Isolated, &[]);
    notice.advice = Some("look at the network of this agent".into());
    let text = notice.text();
    assert!(
        text.ends_with("; next: look at the network of this agent; 2001-09-09T01:46:40Z"),
        "{text}"
    );
}

#[test]
fn several_addresses_are_named_and_many_are_counted() {
    let mut notice = notice(NoticeKind::Withdrawn, &[1, 2, 3]);
    notice.dry_run = true;
    notice.evidence.losses = Some(3);
    notice.evidence.took = Some(Duration::from_secs(1));
    assert_eq!(
        notice.text(),
        "sfo-1 (dry-run): would withdraw 192.0.2.1, 192.0.2.2 and 192.0.2.3 from \
         www.example.com; at least 3 losses in a row; took at most 1.0 s; 2001-09-09T01:46:40Z"
    );
    notice.kind = NoticeKind::Restored;
    notice.targets = (1..=100).map(|n| IpAddr::from([192, 0, 2, n]).into()).collect();
    notice.names = vec!["a.example.com".into(), "b.example.com".into()];
    notice.evidence = NoticeEvidence::default();
    assert_eq!(
        notice.text(),
        "sfo-1 (dry-run): would restore 100 addresses (192.0.2.1, 192.0.2.2, 192.0.2.3 and 97 \
         more) to a.example.com and b.example.com; 2001-09-09T01:46:40Z"
    );
}

#[test]
fn a_detail_of_many_lines_is_one_line_and_cut_short() {
    let mut notice = notice(NoticeKind::ReloadRefused, &[]);
    notice.detail = Some(format!("goavail.toml:\n\tport:  0\u{1b}[31m {}", "x".repeat(400)));
    let text = notice.text();
    assert!(text.contains("; goavail.toml: port: 0 [31m xxx"), "{text}");
    assert!(text.contains("xxx…; 2001"), "{text}");
    assert!(text.chars().count() < 450, "{text}");
}

#[test]
fn a_clock_that_is_far_off_is_no_panic() {
    let mut notice = notice(NoticeKind::Stopped, &[]);
    notice.at = SystemTime::UNIX_EPOCH - Duration::from_secs(1);
    assert!(notice.text().ends_with("1970-01-01T00:00:00Z"));
    notice.at = SystemTime::UNIX_EPOCH + Duration::from_secs(1 << 40);
    assert!(notice.text().ends_with("9999-12-31T23:59:59Z"));
}

proptest! {
    #[test]
    fn any_notice_is_one_line_under_two_thousand_characters(
        texts in (".*", ".{0,500}", ".{0,2000}"), names in prop::collection::vec(".*", 0..20),
        votes in prop::collection::vec(".{0,300}", 0..20), count in 0u8..100,
    ) {
        let mut notice = notice(NoticeKind::Unconfirmed, &(0..count).collect::<Vec<_>>());
        let (agent, reason, detail) = texts;
        (notice.agent, notice.names) = (agent, names);
        (notice.reason, notice.detail) = (Some(reason), Some(detail));
        notice.advice = Some("x".repeat(400));
        notice.evidence = NoticeEvidence {
            losses: Some(u32::MAX),
            replies: Some(u32::MAX),
            votes,
            since_last_reply: Some(Duration::MAX),
            took: Some(Duration::MAX),
        };
        let text = notice.text();
        prop_assert!(text.chars().count() < 2_000, "{}", text.chars().count());
        prop_assert!(!text.chars().any(char::is_control));
    }
}
