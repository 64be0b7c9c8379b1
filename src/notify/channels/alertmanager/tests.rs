use super::*;
use crate::notify::NoticeKind::{Restored, Withdrawn};
use crate::notify::Severity;
use crate::notify::tests::{examples, hold_against_page, notice};

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000 + seconds)
}

/// Returns the alertname, the severity and the end of each alert that is sent.
fn sent(alerts: &mut Alerts, now: SystemTime) -> Vec<(String, String, String)> {
    let mut sent = Vec::new();
    for alert in alerts.current(now) {
        let pointers = ["/labels/target", "/labels/severity", "/endsAt"];
        let [target, severity, end] =
            pointers.map(|it| alert.pointer(it).unwrap().as_str().unwrap().to_owned());
        sent.push((target, severity, end));
    }
    sent
}

fn row(target: &str, severity: &str, end: SystemTime) -> (String, String, String) {
    (target.to_owned(), severity.to_owned(), time(end))
}

#[test]
fn what_is_open_ends_four_minutes_later_and_what_is_over_is_said_for_five() {
    let mut alerts = Alerts::default();
    alerts.follow(&notice(Withdrawn, &[1]), at(0));
    alerts.follow(&notice(Withdrawn, &[2]), at(1));
    for minute in [0, 1, 600] {
        let end = at(60 * minute + 240);
        let want = [row("192.0.2.1", "warning", end), row("192.0.2.2", "warning", end)];
        assert_eq!(sent(&mut alerts, at(60 * minute)), want);
    }
    alerts.follow(&notice(Restored, &[1]), at(36_000));
    let open = row("192.0.2.2", "warning", at(36_300 + 240));
    let over = row("192.0.2.1", "warning", at(36_000));
    assert_eq!(sent(&mut alerts, at(36_300)), [open, over]);
    let open = row("192.0.2.2", "warning", at(36_301 + 240));
    assert_eq!(sent(&mut alerts, at(36_301)), [open]);
}

#[test]
fn an_incident_that_becomes_worse_is_another_alert_and_the_first_one_ends() {
    let mut alerts = Alerts::default();
    let mut worse = notice(Withdrawn, &[1]);
    alerts.follow(&worse, at(0));
    worse.status = IncidentStatus::Updated;
    worse.worst = Severity::Critical;
    alerts.follow(&worse, at(10));
    let want = [row("192.0.2.1", "critical", at(250)), row("192.0.2.1", "warning", at(10))];
    assert_eq!(sent(&mut alerts, at(10)), want);
    let mut over = notice(Restored, &[1]);
    over.incident = worse.incident.clone();
    over.worst = Severity::Critical;
    alerts.follow(&over, at(20));
    let want = [row("192.0.2.1", "warning", at(10)), row("192.0.2.1", "critical", at(20))];
    assert_eq!(sent(&mut alerts, at(20)), want);
}

/// The agent that opened it died; this one closes it.
#[test]
fn the_end_of_an_incident_that_another_agent_opened_has_the_same_labels() {
    let (mut one, mut other) = (Alerts::default(), Alerts::default());
    one.follow(&notice(Withdrawn, &[1]), at(0));
    let mut over = notice(Restored, &[1]);
    over.agent = "eu-1".into();
    over.severity = Severity::Info;
    other.follow(&over, at(20));
    assert_eq!(one.current(at(0))[0]["labels"], other.current(at(20))[0]["labels"]);
    assert_eq!(other.current(at(20))[0]["endsAt"], json!(time(at(20))));
}

#[test]
fn an_incident_that_is_opened_again_is_no_longer_said_to_be_over() {
    let mut alerts = Alerts::default();
    for (kind, second) in [(Withdrawn, 0), (Restored, 10), (Withdrawn, 20)] {
        alerts.follow(&notice(kind, &[1]), at(second));
    }
    assert_eq!(sent(&mut alerts, at(20)), [row("192.0.2.1", "warning", at(260))]);
}

#[test]
fn the_page_about_channels_has_an_alert() {
    let [notice, _] = examples();
    let alert = alert(&notice, &labels(&notice), notice.at + HOLDS_FOR);
    hold_against_page("Alertmanager", &serde_json::to_string_pretty(&alert).unwrap());
}

/// Another agent repeats it. An end that this agent repeats would end it there too.
#[test]
fn an_incident_that_is_left_to_another_agent_is_said_neither_to_be_open_nor_over() {
    for kinds in [&[Withdrawn][..], &[Withdrawn, Restored]] {
        let mut alerts = Alerts::default();
        alerts.follow(&notice(Withdrawn, &[2]), at(0));
        for kind in kinds {
            alerts.follow(&notice(*kind, &[1]), at(0));
        }
        let left = Notice { status: IncidentStatus::Left, ..notice(Withdrawn, &[1]) };
        alerts.follow(&left, at(10));
        assert_eq!(sent(&mut alerts, at(10)), [row("192.0.2.2", "warning", at(250))]);
    }
}
