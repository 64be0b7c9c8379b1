//! The course of incidents, in virtual time.

mod cluster;
mod handover;
mod random;
mod reports;
mod sharing;

use std::net::{IpAddr, SocketAddr};

use super::super::draft::NoticeDraft;
use super::*;

/// The peers of a cluster, by number.
fn peer(nth: u8) -> SocketAddr {
    (IpAddr::from([198, 51, 100, nth]), 8081).into()
}

fn target(last: u16) -> NoticeTarget {
    let [high, low] = last.to_be_bytes();
    IpAddr::from([10, 0, high, low]).into()
}

fn key(last: u16, problem: IncidentProblem) -> IncidentKey {
    let place = target(last).address.to_string();
    IncidentKey::new(Some("main"), Some("www"), Some(&place), problem)
}

/// The incidents of an agent, and the notices that it sent.
struct Agent {
    incidents: Incidents,
    now: Moment,
    sent: Vec<Notice>,
}

impl Agent {
    fn new() -> Self {
        Self { incidents: Incidents::default(), now: Moment::START, sent: vec![] }
    }

    fn wall(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000) + self.now.since_start()
    }

    fn author(&self) -> Notice {
        NoticeDraft::new(NoticeKind::Over).signed(self.wall(), "sfo-1", false)
    }

    fn collect(&mut self) {
        self.incidents.settle(self.now, |_| OtherAgents::default());
        self.sent.extend(self.incidents.take_outbox(self.now));
    }

    fn wait(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
        self.collect();
    }

    /// Reports a notice about one target.
    fn report(&mut self, kind: NoticeKind, last: u16, ahead: &[u8]) {
        let draft = NoticeDraft::new(kind).targets([target(last)]);
        let draft = draft.of(key(last, kind.problem(None)));
        self.report_draft(draft.names(&["www.example.com".to_owned()]), ahead);
    }

    fn report_draft(&mut self, draft: NoticeDraft, ahead: &[u8]) {
        let notice = draft.signed(self.wall(), "sfo-1", false);
        let ahead = ahead.iter().map(|nth| peer(*nth)).collect();
        self.incidents.report(notice, OtherAgents::before(ahead), self.now);
        self.collect();
    }

    /// Looks at all causes for some seconds; those of `lasting` last.
    fn look(&mut self, seconds: u64, lasting: &[(u16, IncidentProblem)]) {
        for _ in 0..seconds {
            self.wait(1);
            let author = self.author();
            let judge = |suspect: Suspect<'_>| {
                let mut lasting = lasting.iter();
                let lasts = lasting.any(|(last, problem)| {
                    suspect.key.problem == *problem && suspect.target == Some(&target(*last))
                });
                if lasts { Cause::Lasts } else { Cause::Over("it is over") }
            };
            self.incidents.look(judge, &author, self.now);
            self.collect();
        }
    }

    /// Ends, and starts again with the content of the state file.
    fn restart(&mut self) {
        self.sent.extend(self.incidents.take_all(self.now));
        self.incidents.note_told_but(&[]);
        let text = serde_json::to_string(&self.incidents.saved()).unwrap();
        self.incidents = Incidents::default();
        let author = self.author();
        let saved = serde_json::from_str(&text).unwrap();
        self.incidents.inherit(&saved, &author, self.now);
        self.collect();
    }

    /// Removes and returns the notices so far: status, severity, kind, place and problem, and the number
    /// of targets if there are several.
    fn told(&mut self) -> Vec<String> {
        let mut told = Vec::new();
        for notice in std::mem::take(&mut self.sent) {
            let Notice { status, kind, incident, targets, .. } = notice;
            let many = match targets.len() {
                0 | 1 => String::new(),
                more => format!(" x{more}"),
            };
            let (status, kind) = (status.word(), kind.word());
            told.push(format!("{status} {kind} {}/{}{many}", incident.place, incident.problem));
        }
        told
    }
}

#[test]
fn an_incident_is_opened_once_updated_on_news_and_closed_once() {
    let mut agent = Agent::new();
    agent.report(NoticeKind::Withdrawn, 1, &[]);
    assert!(agent.told().is_empty(), "it waits for others of its service");
    agent.wait(1);
    assert_eq!(agent.told(), ["opened withdrawn 10.0.0.1/withdrawn"]);
    agent.report(NoticeKind::Withdrawn, 1, &[]);
    assert!(agent.told().is_empty(), "the same is no news");
    let more = NoticeDraft::new(NoticeKind::Withdrawn).targets([target(1)]);
    let more = more.of(key(1, IncidentProblem::Withdrawn));
    agent.report_draft(more.clone().names(&["api.example.com".to_owned()]), &[]);
    assert_eq!(agent.told(), ["updated withdrawn 10.0.0.1/withdrawn"], "another name is");
    agent.report(NoticeKind::Restored, 1, &[]);
    assert_eq!(agent.told(), ["updated restored 10.0.0.1/withdrawn"], "one name is still out");
    let last = NoticeDraft::new(NoticeKind::Restored).targets([target(1)]);
    let last = last.of(key(1, IncidentProblem::Withdrawn));
    agent.report_draft(last.names(&["api.example.com".to_owned()]), &[]);
    assert_eq!(agent.told(), ["closed restored 10.0.0.1/withdrawn"]);
    agent.report(NoticeKind::RefusalOver, 1, &[]);
    assert!(agent.told().is_empty(), "nothing was open");
    agent.report(NoticeKind::Restored, 1, &[]);
    let quiet: Vec<_> = agent.sent.iter().map(|notice| notice.quiet).collect();
    assert_eq!(quiet, [true, false], "only receivers that know keys hear of an incident of many");
    let by_another = ["closed restored _/withdrawn", "closed restored 10.0.0.1/withdrawn"];
    assert_eq!(agent.told(), by_another, "another agent may have opened it");
}

#[test]
fn the_close_has_the_severity_that_the_incident_had_and_its_time() {
    let mut agent = Agent::new();
    agent.report(NoticeKind::Refused, 1, &[]);
    agent.wait(60);
    agent.report(NoticeKind::RefusalOver, 1, &[]);
    let [opened, closed] = &agent.sent[..] else { panic!("{:?}", agent.sent) };
    assert_eq!((opened.severity, opened.worst), (Severity::Critical, Severity::Critical));
    assert_eq!((closed.severity, closed.worst), (Severity::Info, Severity::Critical));
    assert_eq!(closed.since, opened.at);
    assert!(opened.advice.is_some() && closed.advice.is_none());
}

#[test]
fn what_comes_and_goes_within_a_second_is_opened_and_closed() {
    let mut agent = Agent::new();
    agent.report(NoticeKind::Withdrawn, 1, &[]);
    agent.report(NoticeKind::Restored, 1, &[]);
    let want = ["opened withdrawn 10.0.0.1/withdrawn", "closed restored 10.0.0.1/withdrawn"];
    assert_eq!(agent.told(), want);
}

#[test]
fn up_to_five_targets_have_an_incident_each_and_five_hundred_are_one_of_the_service() {
    let mut agent = Agent::new();
    (1..=5).for_each(|last| agent.report(NoticeKind::Withdrawn, last, &[]));
    agent.wait(1);
    assert_eq!(agent.told().len(), 5);
    let mut agent = Agent::new();
    (1..=500).for_each(|last| agent.report(NoticeKind::Withdrawn, last, &[]));
    agent.wait(1);
    assert_eq!(agent.told(), ["opened withdrawn _/withdrawn x500"]);
    // Of those that come back together, the rest are told together.
    (1..=400).for_each(|last| agent.report(NoticeKind::Restored, last, &[]));
    assert!(agent.told().is_empty());
    agent.wait(10);
    assert_eq!(agent.told(), ["updated restored _/withdrawn x400"]);
    (401..=500).for_each(|last| agent.report(NoticeKind::Restored, last, &[]));
    assert_eq!(agent.told(), ["closed restored _/withdrawn x100"]);
    assert!(agent.incidents.shown().is_empty());
}

#[test]
fn refusals_of_many_are_one_too_and_problems_stay_apart() {
    let mut agent = Agent::new();
    for last in 1..=6 {
        agent.report(NoticeKind::Withdrawn, last, &[]);
        agent.report(NoticeKind::Refused, last + 100, &[]);
    }
    agent.wait(1);
    assert_eq!(agent.told(), ["opened withdrawn _/withdrawn x6", "opened refused _/floor x6"]);
}

/// Alertmanager 1587 and 2874: later alerts of a group changed an old page in silence.
#[test]
fn a_later_death_is_no_silent_change_of_an_old_incident_of_many() {
    let mut agent = Agent::new();
    (1..=6).for_each(|last| agent.report(NoticeKind::Withdrawn, last, &[]));
    agent.wait(1);
    agent.told();
    agent.report(NoticeKind::Withdrawn, 7, &[]);
    agent.wait(10);
    assert_eq!(agent.told(), ["updated withdrawn _/withdrawn"], "the same wave");
    agent.wait(3_600);
    agent.report(NoticeKind::Withdrawn, 8, &[]);
    agent.wait(1);
    assert_eq!(agent.told(), ["opened withdrawn 10.0.0.8/withdrawn"], "another event");
    // Another wave cannot have a second incident under the same key, so the old one ends.
    (11..=20).for_each(|last| agent.report(NoticeKind::Withdrawn, last, &[]));
    agent.wait(1);
    let want = ["closed over _/withdrawn", "opened withdrawn _/withdrawn x10"];
    assert_eq!(agent.told(), want, "a receiver tells nobody of an update");
    assert_eq!(agent.incidents.shown()[1].targets, 17);
    for last in (1..=7).chain(11..=20) {
        agent.report(NoticeKind::Restored, last, &[]);
    }
    agent.wait(10);
    assert_eq!(agent.told().last().unwrap(), "closed restored _/withdrawn x17");
}

#[test]
fn a_target_that_flaps_within_an_incident_of_many_is_told_in_order() {
    let mut agent = Agent::new();
    (1..=6).for_each(|last| agent.report(NoticeKind::Withdrawn, last, &[]));
    agent.wait(1);
    agent.told();
    agent.report(NoticeKind::Restored, 1, &[]);
    agent.report(NoticeKind::Withdrawn, 1, &[]);
    for last in 1..=6 {
        agent.report(NoticeKind::Restored, last, &[]);
    }
    let want = [
        "updated restored _/withdrawn",
        "updated withdrawn _/withdrawn",
        "closed restored _/withdrawn x6",
    ];
    assert_eq!(agent.told(), want);
}

#[test]
fn an_incident_of_an_earlier_run_stands_and_is_closed_when_its_cause_is_over() {
    let mut agent = Agent::new();
    agent.report(NoticeKind::Withdrawn, 1, &[]);
    agent.report(NoticeKind::Refused, 2, &[]);
    agent.wait(1);
    agent.told();
    agent.restart();
    let want = ["standing withdrawn 10.0.0.1/withdrawn", "standing refused 10.0.0.2/floor"];
    assert_eq!(agent.told(), want);
    agent.look(4, &[(2, IncidentProblem::Floor)]);
    assert!(agent.told().is_empty(), "a fact with more to say may be on its way");
    agent.look(3, &[(2, IncidentProblem::Floor)]);
    assert_eq!(agent.told(), ["closed over 10.0.0.1/withdrawn"]);
    agent.report(NoticeKind::Refused, 2, &[]);
    assert!(agent.told().is_empty(), "it was opened before");
    agent.report(NoticeKind::RefusalOver, 2, &[]);
    assert_eq!(agent.told(), ["closed refusal_over 10.0.0.2/floor"]);
}

#[test]
fn a_key_of_an_edited_state_file_is_made_fit_again() {
    let mut agent = Agent::new();
    agent.report(NoticeKind::Refused, 1, &[]);
    agent.wait(1);
    let mut saved = serde_json::to_value(agent.incidents.saved()).unwrap();
    saved[0]["service"] = "a\nb/c".into();
    let saved = serde_json::from_value(saved).unwrap();
    let mut next = Agent::new();
    let author = next.author();
    next.incidents.inherit(&saved, &author, next.now);
    next.collect();
    assert_eq!(next.sent[0].incident.to_string(), "goavail/main/a_b_c/10.0.0.1/floor");
}

#[test]
fn an_incident_of_many_is_closed_after_a_restart_with_the_last_of_them() {
    let mut agent = Agent::new();
    (1..=500).for_each(|last| agent.report(NoticeKind::Withdrawn, last, &[]));
    agent.restart();
    let want = ["opened withdrawn _/withdrawn x500", "standing withdrawn _/withdrawn x500"];
    assert_eq!(agent.told(), want);
    agent.look(30, &[(7, IncidentProblem::Withdrawn)]);
    let told = agent.told();
    assert!(told.iter().all(|line| line.starts_with("updated over _/withdrawn")), "{told:?}");
    agent.report(NoticeKind::Restored, 7, &[]);
    assert_eq!(agent.told().last().unwrap(), "closed restored _/withdrawn");
}

#[test]
fn what_the_configuration_has_no_more_is_closed_at_once_with_the_reason() {
    let mut agent = Agent::new();
    agent.report(NoticeKind::Withdrawn, 1, &[]);
    agent.wait(1);
    agent.told();
    let author = agent.author();
    let judge = |_: Suspect<'_>| Cause::Gone("the configuration has its service no more");
    agent.incidents.look(judge, &author, agent.now);
    agent.collect();
    let detail = agent.sent[0].detail.as_deref();
    assert_eq!(detail, Some("the configuration has its service no more"));
    assert_eq!(agent.told(), ["closed over 10.0.0.1/withdrawn"]);
}

#[test]
fn an_agent_with_another_name_closes_what_it_opened() {
    let mut agent = Agent::new();
    agent.report_draft(NoticeDraft::new(NoticeKind::ReloadRefused).detail("line 1"), &[]);
    let good = NoticeDraft::new(NoticeKind::Reloaded).signed(agent.wall(), "fra-2", false);
    agent.incidents.report(good, OtherAgents::default(), agent.now);
    agent.collect();
    assert_eq!(
        agent.told(),
        ["opened reload_refused sfo-1/reload", "closed reloaded sfo-1/reload"]
    );
}

#[test]
fn trouble_that_becomes_worse_is_an_update_with_the_new_severity() {
    let mut agent = Agent::new();
    let key = IncidentKey::new(Some("main"), None, None, IncidentProblem::Provider);
    let failing = NoticeDraft::new(NoticeKind::Failing).of(key.clone()).severity(Severity::Warning);
    agent.report_draft(failing.clone(), &[]);
    agent.report_draft(failing.clone(), &[]);
    agent.report_draft(failing.targets([target(1)]).severity(Severity::Critical), &[]);
    agent.report_draft(NoticeDraft::new(NoticeKind::ProviderBack).of(key), &[]);
    let worst: Vec<_> = agent.sent.iter().map(|notice| notice.worst).collect();
    assert_eq!(worst, [Severity::Warning, Severity::Critical, Severity::Critical]);
    let want = [
        "opened failing _@sfo-1/provider",
        "updated failing _@sfo-1/provider",
        "closed provider_back _@sfo-1/provider",
    ];
    assert_eq!(agent.told(), want);
}
