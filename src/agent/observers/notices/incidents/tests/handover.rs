//! The incidents that one run leaves to the next one, and one agent to another.

use std::collections::BTreeSet;

use super::*;

impl Agent {
    /// Is killed, and starts again with the content of the state file.
    fn killed(&mut self) {
        let text = serde_json::to_string(&self.incidents.saved()).unwrap();
        self.incidents = Incidents::default();
        let author = self.author();
        let saved = serde_json::from_str(&text).unwrap();
        self.incidents.inherit(&saved, &author, self.now);
        self.collect();
    }

    /// Asks for some seconds for the agents that come first; the causes of all incidents last.
    fn reconsider(&mut self, seconds: u64, ahead: &[u8]) {
        for _ in 0..seconds {
            self.wait(1);
            let author = self.author();
            let before: BTreeSet<_> = ahead.iter().map(|nth| peer(*nth)).collect();
            let its = IncidentWitnesses { here: true, others: before.clone(), before };
            self.incidents.reconsider(|_, _| Some(its.clone()), &author, self.now);
            self.collect();
        }
    }
}

#[test]
fn what_was_saved_and_not_sent_before_the_agent_died_is_said_by_the_next_run() {
    let mut agent = Agent::new();
    agent.report(NoticeKind::Refused, 1, &[]);
    agent.killed();
    assert_eq!(agent.told(), ["opened refused 10.0.0.1/floor"]);
    assert_eq!(agent.incidents.shown().len(), 1);
    agent.wait(60);
    agent.incidents.note_told(agent.now);
    agent.killed();
    assert_eq!(agent.told(), ["standing refused 10.0.0.1/floor"], "it was told long ago");
}

#[test]
fn what_may_be_in_a_channel_still_is_said_again_after_a_kill() {
    let mut agent = Agent::new();
    agent.report(NoticeKind::Refused, 1, &[]);
    agent.wait(2);
    assert_eq!(agent.told(), ["opened refused 10.0.0.1/floor"]);
    agent.incidents.note_told(agent.now);
    agent.killed();
    assert_eq!(agent.told(), ["opened refused 10.0.0.1/floor"]);
    agent.incidents.note_told_but(&[]);
    agent.killed();
    assert_eq!(agent.told(), ["standing refused 10.0.0.1/floor"], "the channels had taken it");
}

#[test]
fn an_incident_of_an_earlier_version_was_told() {
    let mut agent = Agent::new();
    agent.report(NoticeKind::Refused, 1, &[]);
    let mut saved = serde_json::to_value(agent.incidents.saved()).unwrap();
    let told = saved[0].as_object_mut().unwrap().remove("told");
    assert_eq!(told, Some(false.into()));
    let saved = serde_json::from_value(saved).unwrap();
    let mut next = Agent::new();
    let author = next.author();
    next.incidents.inherit(&saved, &author, next.now);
    next.collect();
    assert_eq!(next.told(), ["standing refused 10.0.0.1/floor"]);
}

#[test]
fn a_standing_notice_says_why_after_a_restart_too() {
    let mut agent = Agent::new();
    let draft = NoticeDraft::new(NoticeKind::Refused).targets([target(1)]).zone(Some("main"));
    agent.report_draft(draft.of(key(1, IncidentProblem::Floor)).detail("2 of 2 are out"), &[]);
    agent.wait(1);
    agent.incidents.note_told_but(&[]);
    agent.sent.clear();
    agent.restart();
    let [stands] = &agent.sent[..] else { panic!("{:?}", agent.sent) };
    assert_eq!(stands.detail.as_deref(), Some("2 of 2 are out"));
    assert_eq!((stands.zone.as_deref(), stands.reason.as_deref()), (Some("main"), Some("floor")));
}

#[test]
fn an_old_incident_is_taken_over_in_silence() {
    let mut agent = Agent::new();
    agent.report(NoticeKind::Refused, 1, &[1]);
    agent.wait(600);
    let author = agent.author();
    agent.incidents.peer_gone(peer(1), &author);
    agent.collect();
    assert_eq!(agent.told(), ["standing refused 10.0.0.1/floor"]);
}

#[test]
fn the_incidents_of_a_peer_that_the_file_has_no_more_are_taken_over() {
    let mut agent = Agent::new();
    agent.report(NoticeKind::Refused, 1, &[1, 2]);
    agent.wait(2);
    agent.killed();
    let author = agent.author();
    agent.incidents.keep_peers(&BTreeSet::new(), &author, agent.now);
    agent.collect();
    assert!(agent.told().is_empty(), "they may be about to be heard of");
    agent.wait(30);
    let author = agent.author();
    agent.incidents.keep_peers(&[peer(2)].into(), &author, agent.now);
    agent.collect();
    assert!(agent.told().is_empty(), "one of them is there");
    agent.incidents.keep_peers(&BTreeSet::new(), &author, agent.now);
    agent.collect();
    assert_eq!(agent.told(), ["updated refused 10.0.0.1/floor"]);
    agent.report(NoticeKind::RefusalOver, 1, &[]);
    assert_eq!(agent.told(), ["closed refusal_over 10.0.0.1/floor"]);
}

#[test]
fn what_lasts_here_alone_is_opened_here() {
    let mut agent = Agent::new();
    agent.report(NoticeKind::Refused, 1, &[1]);
    agent.report(NoticeKind::Withdrawn, 2, &[1]);
    agent.reconsider(60, &[1]);
    assert!(agent.told().is_empty(), "the other one sees it too");
    agent.reconsider(10, &[]);
    assert!(agent.told().is_empty(), "it may be about to end here");
    agent.reconsider(1, &[1]);
    agent.reconsider(16, &[]);
    // The agent that made a change has said so.
    let want = ["opened refused 10.0.0.1/floor", "standing withdrawn 10.0.0.2/withdrawn"];
    assert_eq!(agent.told(), want);
    agent.reconsider(60, &[]);
    assert!(agent.told().is_empty());
}

#[test]
fn trouble_that_each_agent_has_by_itself_has_its_name_in_the_key() {
    let mut agent = Agent::new();
    let provider = IncidentKey::new(Some("main"), None, None, IncidentProblem::Provider);
    agent.report_draft(NoticeDraft::new(NoticeKind::Failing).of(provider.clone()), &[]);
    for last in 1..=6 {
        agent.report(NoticeKind::Unknown, last, &[]);
    }
    agent.wait(1);
    let want = ["opened failing _@sfo-1/provider", "opened unknown _@sfo-1/unknown x6"];
    assert_eq!(agent.told(), want);
    agent.incidents.note_told_but(&[]);
    agent.restart();
    agent.told();
    // With another name it closes its incidents.
    let back = NoticeDraft::new(NoticeKind::ProviderBack).of(provider);
    let back = back.signed(agent.wall(), "fra-2", false);
    agent.incidents.report(back, OtherAgents::default(), agent.now);
    for last in 1..=6 {
        agent.report(NoticeKind::UnknownOver, last, &[]);
    }
    let want = ["closed provider_back _@sfo-1/provider", "closed unknown_over _@sfo-1/unknown x6"];
    agent.collect();
    assert_eq!(agent.told(), want);
}

#[test]
fn a_withdrawal_that_was_simulated_is_news_when_it_is_real() {
    let mut agent = Agent::new();
    for (kind, dry_run) in [
        (NoticeKind::Withdrawn, true),
        (NoticeKind::Withdrawn, false),
        (NoticeKind::Withdrawn, false),
        (NoticeKind::Restored, true),
        (NoticeKind::Restored, false),
    ] {
        let draft = NoticeDraft::new(kind).targets([target(1)]);
        let draft = draft.of(key(1, IncidentProblem::Withdrawn));
        let draft = draft.names(&["www.example.com".to_owned()]);
        let notice = draft.signed(agent.wall(), "sfo-1", dry_run);
        agent.incidents.report(notice, OtherAgents::default(), agent.now);
        agent.wait(2);
    }
    let dry: Vec<_> = agent.sent.iter().map(|notice| notice.dry_run).collect();
    assert_eq!(dry, [true, false, true, false]);
    let want = [
        "opened withdrawn 10.0.0.1/withdrawn",
        "updated withdrawn 10.0.0.1/withdrawn",
        "updated restored 10.0.0.1/withdrawn",
        "closed restored 10.0.0.1/withdrawn",
    ];
    assert_eq!(agent.told(), want);
}

#[test]
fn an_act_closes_what_only_another_agent_knows_alone_or_for_many() {
    let mut agent = Agent::new();
    let draft = NoticeDraft::new(NoticeKind::Withdrawn).targets([target(9)]);
    let draft = draft.of(key(9, IncidentProblem::StandbyIn)).status(IncidentStatus::Closed);
    agent.report_draft(draft, &[]);
    let quiet: Vec<_> = agent.sent.iter().map(|notice| notice.quiet).collect();
    assert_eq!(quiet, [true, false]);
    let want = ["closed withdrawn _/standby_in", "closed withdrawn 10.0.0.9/standby_in"];
    assert_eq!(agent.told(), want);
    agent.report(NoticeKind::Withdrawn, 2, &[1]);
    agent.report(NoticeKind::Restored, 1, &[]);
    assert_eq!(agent.told(), ["closed restored 10.0.0.1/withdrawn"], "one is still out");
}

#[test]
fn a_second_name_of_a_target_does_not_split_a_death_of_many() {
    let mut agent = Agent::new();
    for name in ["www.example.com", "api.example.com"] {
        for last in 1..=4 {
            let draft = NoticeDraft::new(NoticeKind::Withdrawn).targets([target(last)]);
            let draft = draft.of(key(last, IncidentProblem::Withdrawn));
            agent.report_draft(draft.names(&[name.to_owned()]), &[]);
        }
    }
    (5..=8).for_each(|last| agent.report(NoticeKind::Withdrawn, last, &[]));
    agent.wait(1);
    assert_eq!(agent.sent[0].names.len(), 2, "{:?}", agent.sent[0]);
    assert_eq!(agent.told(), ["opened withdrawn _/withdrawn x8"]);
}
