//! Reports about other programs, played here. Others of them are elsewhere: a silent change of an old page
//! (Alertmanager 1587, 2874) beside the rows, duplicates of a cluster (Alertmanager 2222, 1718) in
//! `cluster_agents::incidents`, a reload that resolves active alerts (Grafana 61917, Pulse 1682) and an
//! alert that nobody closes after a crash (Gatus 1111) in `notices_agent::incidents`.

use std::collections::BTreeSet;

use super::*;

/// netdata 18179: with a filter for critical alerts, the end of a critical alert was filtered out too,
/// since an end is not critical.
#[test]
fn the_end_passes_a_filter_that_the_begin_passed() {
    let mut agent = Agent::new();
    agent.report(NoticeKind::Refused, 1, &[]);
    agent.wait(1);
    agent.report(NoticeKind::RefusalOver, 1, &[]);
    assert!(agent.sent.iter().all(|notice| notice.worst >= Severity::Critical), "{:?}", agent.sent);
    assert_eq!(agent.told().len(), 2);
}

/// sensu-plugins-pagerduty 30, graphite-beacon 246: the key had the level in it, so a problem that went
/// from warning to critical was never resolved.
#[test]
fn the_key_stays_the_same_when_a_problem_becomes_worse() {
    let mut agent = Agent::new();
    let key = IncidentKey::new(Some("main"), None, None, IncidentProblem::Provider);
    for severity in [Severity::Warning, Severity::Critical] {
        let draft = NoticeDraft::new(NoticeKind::Failing).of(key.clone()).severity(severity);
        agent.report_draft(draft, &[]);
    }
    agent.report_draft(NoticeDraft::new(NoticeKind::ProviderBack).of(key.clone()), &[]);
    assert_eq!(agent.sent.len(), 3);
    assert!(agent.sent.iter().all(|notice| notice.incident == key.clone().at_agent("sfo-1")));
}

/// Uptime Kuma 7148, 2846: after a maintenance, monitors that were down before were reported again.
#[test]
fn a_dead_target_that_is_drained_and_given_back_is_not_reported_again() {
    let mut agent = Agent::new();
    agent.report(NoticeKind::Withdrawn, 1, &[]);
    agent.wait(1);
    agent.told();
    agent.report(NoticeKind::Drained, 1, &[]);
    agent.wait(1);
    agent.report(NoticeKind::Undrained, 1, &[]);
    agent.report(NoticeKind::Withdrawn, 1, &[]);
    agent.wait(60);
    let want = ["opened drained 10.0.0.1/drained", "closed undrained 10.0.0.1/drained"];
    assert_eq!(agent.told(), want);
    agent.report(NoticeKind::Restored, 1, &[]);
    assert_eq!(agent.told(), ["closed restored 10.0.0.1/withdrawn"]);
}

/// Uptime Kuma 4085: after a restart, a monitor that was down was assumed up and reported as down again.
#[test]
fn a_target_that_is_still_dead_after_a_restart_is_not_reported_again() {
    let mut agent = Agent::new();
    agent.report(NoticeKind::Refused, 1, &[]);
    agent.restart();
    agent.told();
    agent.look(30, &[(1, IncidentProblem::Floor)]);
    agent.report(NoticeKind::Refused, 1, &[]);
    agent.wait(30);
    assert!(agent.told().is_empty());
}

/// Alertmanager 44: an alert was resolved because its source was restarted, and not because it was over.
#[test]
fn a_restart_alone_closes_nothing() {
    let mut agent = Agent::new();
    agent.report(NoticeKind::Withdrawn, 1, &[]);
    agent.restart();
    agent.told();
    agent.look(3_600, &[(1, IncidentProblem::Withdrawn)]);
    assert!(agent.told().is_empty());
    assert_eq!(agent.incidents.shown().len(), 1);
}

/// kubestellar console 7378, 8389: where parts of the key were missing, all alerts had the same one, and
/// the end of one closed another.
#[test]
fn incidents_without_all_parts_of_a_key_are_told_apart() {
    let mut keys = BTreeSet::new();
    for problem in IncidentProblem::ALL {
        for zone in [None, Some("main")] {
            for service in [None, Some("www"), Some("mx")] {
                for place in [None, Some("192.0.2.1"), Some("sfo-1")] {
                    keys.insert(IncidentKey::new(zone, service, place, problem).to_string());
                }
            }
        }
    }
    assert_eq!(keys.len(), IncidentProblem::ALL.len() * 2 * 3 * 3);
}

/// Kibana 142757: a key over 255 characters is refused by the receiver.
#[test]
fn the_longest_names_make_a_key_that_receivers_accept() {
    let name = format!("{}.example.com", "a".repeat(240));
    let key = IncidentKey::new(Some(&name), None, Some(&name), IncidentProblem::NameFailing);
    assert!(key.to_string().len() <= 255);
    let other = format!("{}b.example.com", "a".repeat(239));
    let other = IncidentKey::new(Some(&name), None, Some(&other), IncidentProblem::NameFailing);
    assert_ne!(key, other);
}
