//! Several agents that report the same incident, until it is one of them again.

use std::collections::BTreeSet;

use super::*;

impl Agent {
    /// Leaves a withdrawal to other agents, which all come after this one in rank.
    pub(super) fn left_to_writers(&mut self, writers: &[u8]) {
        let draft = NoticeDraft::new(NoticeKind::Withdrawn).targets([target(1)]);
        let draft = draft.of(key(1, IncidentProblem::Withdrawn));
        let notice = draft.signed(self.wall(), "sfo-1", false);
        let any = writers.iter().map(|nth| peer(*nth)).collect();
        self.incidents.report(notice, OtherAgents { any, before: BTreeSet::new() }, self.now);
        self.wait(2);
        assert!(self.told().is_empty());
    }

    /// Looks for some seconds at the witnesses of the incidents; the cause lasts here.
    pub(super) fn witnessed(&mut self, seconds: u64, before: &[u8], others: &[u8]) {
        let [before, others] =
            [before, others].map(|peers| peers.iter().map(|nth| peer(*nth)).collect());
        self.witnesses(seconds, &IncidentWitnesses { here: true, before, others });
    }

    fn witnesses(&mut self, seconds: u64, its: &IncidentWitnesses) {
        for _ in 0..seconds {
            self.wait(1);
            let author = self.author();
            self.incidents.reconsider(|_, _| Some(its.clone()), &author, self.now);
            self.collect();
        }
    }

    /// Looks for some seconds; the cause is over here, and these agents see it.
    fn seen_by_others(&mut self, seconds: u64, others: &[u8]) {
        let others = others.iter().map(|nth| peer(*nth)).collect();
        let its = IncidentWitnesses { here: false, before: BTreeSet::new(), others };
        self.witnesses(seconds, &its);
    }

    fn is_ours(&self) -> bool {
        self.incidents.shown()[0].is_ours
    }

    fn opens(&mut self) {
        self.report(NoticeKind::Refused, 1, &[]);
        self.wait(2);
        assert_eq!(self.told(), ["opened refused 10.0.0.1/floor"]);
    }
}

#[test]
fn of_two_agents_that_report_an_incident_one_remains() {
    let [mut first, mut second] = [Agent::new(), Agent::new()];
    first.opens();
    second.opens();
    for _ in 0..40 {
        first.witnessed(1, &[], &[2]);
        second.witnessed(1, &[1], &[1]);
        assert!(first.is_ours() || second.is_ours());
    }
    assert!(first.is_ours() && !second.is_ours());
    assert!(first.told().is_empty());
    assert_eq!(second.told(), ["left refused 10.0.0.1/floor"], "once, and no end");
    let author = second.author();
    second.incidents.peer_gone(peer(1), &author);
    second.collect();
    assert!(second.is_ours(), "the first one died again");
    assert_eq!(second.told(), ["updated refused 10.0.0.1/floor"]);
}

#[test]
fn an_agent_that_is_ahead_for_a_few_seconds_takes_nothing() {
    let mut agent = Agent::new();
    agent.opens();
    for _ in 0..5 {
        agent.witnessed(20, &[1], &[1]);
        agent.witnessed(1, &[], &[]);
    }
    assert!(agent.is_ours());
    assert!(agent.told().is_empty());
}

#[test]
fn what_was_left_to_another_ends_here_only_for_receivers_that_keep_incidents() {
    for restarts in [false, true] {
        let mut agent = Agent::new();
        agent.opens();
        agent.witnessed(30, &[1], &[1]);
        assert_eq!(agent.told(), ["left refused 10.0.0.1/floor"]);
        if restarts {
            agent.restart();
        }
        agent.report(NoticeKind::RefusalOver, 1, &[]);
        assert!(agent.sent[0].quiet);
        assert_eq!(agent.told(), ["closed refusal_over 10.0.0.1/floor"]);
    }
}

#[test]
fn what_is_over_here_and_lasts_with_another_agent_is_left_to_it() {
    let mut agent = Agent::new();
    agent.opens();
    agent.seen_by_others(24, &[1]);
    assert!(agent.told().is_empty(), "the other one takes it over before");
    agent.seen_by_others(3, &[1]);
    assert_eq!(agent.told(), ["left refused 10.0.0.1/floor"]);
    agent.seen_by_others(60, &[1]);
    assert!(agent.told().is_empty());
}

#[test]
fn receivers_that_keep_incidents_are_told_again_after_a_peer_came_back() {
    let mut agent = Agent::new();
    agent.opens();
    agent.incidents.peer_returned(agent.now);
    agent.witnessed(29, &[], &[1]);
    assert!(agent.told().is_empty());
    agent.witnessed(2, &[], &[1]);
    assert!(agent.sent[0].quiet);
    assert_eq!(agent.told(), ["updated refused 10.0.0.1/floor"]);
    agent.witnessed(60, &[], &[1]);
    assert!(agent.told().is_empty(), "once");
}

#[test]
fn an_end_is_not_repeated_if_another_agent_still_sees_the_cause() {
    let mut agent = Agent::new();
    agent.opens();
    agent.report(NoticeKind::RefusalOver, 1, &[]);
    agent.told();
    agent.seen_by_others(5, &[]);
    assert!(agent.told().is_empty());
    agent.seen_by_others(5, &[1]);
    assert_eq!(agent.told(), ["left refusal_over 10.0.0.1/floor"], "once");
}

#[test]
fn incidents_of_one_agent_are_left_to_no_other() {
    let mut agent = Agent::new();
    agent.report(NoticeKind::Unknown, 1, &[]);
    agent.report(NoticeKind::Drained, 2, &[]);
    agent.wait(2);
    agent.told();
    agent.witnessed(60, &[1], &[1]);
    assert!(agent.told().is_empty());
}

#[test]
fn what_was_not_delivered_at_the_end_is_said_again_and_nothing_else() {
    let mut agent = Agent::new();
    for last in [1, 2] {
        agent.report(NoticeKind::Refused, last, &[]);
    }
    agent.wait(2);
    let lost: Vec<_> = agent.sent.extract_if(.., |it| it.targets[0] == target(2)).collect();
    agent.told();
    agent.incidents.note_told_but(&lost);
    let text = serde_json::to_string(&agent.incidents.saved()).unwrap();
    let mut next = Agent::new();
    let author = next.author();
    next.incidents.inherit(&serde_json::from_str(&text).unwrap(), &author, next.now);
    next.collect();
    let want = ["standing refused 10.0.0.1/floor", "opened refused 10.0.0.2/floor"];
    assert_eq!(next.told(), want);
}

#[test]
fn the_evidence_is_known_after_a_restart() {
    let mut agent = Agent::new();
    let draft = NoticeDraft::new(NoticeKind::Refused).targets([target(1)]);
    let mut notice = draft.of(key(1, IncidentProblem::Floor)).signed(agent.wall(), "sfo-1", false);
    notice.evidence.losses = Some(7);
    notice.evidence.votes = (0..100).map(|nth| format!("agent-{nth}")).collect();
    notice.evidence.since_last_reply = Some(Duration::from_millis(3_500));
    let mut want = notice.evidence.clone();
    want.votes.truncate(32);
    agent.incidents.report(notice, OtherAgents::default(), agent.now);
    agent.wait(2);
    agent.sent.clear();
    agent.restart();
    let [stands] = &agent.sent[..] else { panic!("{:?}", agent.sent) };
    assert_eq!(stands.evidence, want);
}
