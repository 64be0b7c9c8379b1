//! Several agents that see the same.

use super::*;

#[test]
fn an_agent_leaves_the_notices_to_the_one_before_it_and_takes_over_when_that_is_gone() {
    let mut agent = Agent::new();
    agent.report(NoticeKind::Refused, 1, &[1, 2]);
    agent.wait(2);
    assert!(agent.told().is_empty());
    assert_eq!(agent.incidents.shown().len(), 1, "it knows the incident");
    let author = agent.author();
    agent.incidents.peer_gone(peer(1), &author);
    agent.collect();
    assert!(agent.told().is_empty(), "another is still before it");
    agent.incidents.peer_gone(peer(2), &author);
    agent.collect();
    assert_eq!(agent.told(), ["updated refused 10.0.0.1/floor"], "nobody may have said it");
    agent.report(NoticeKind::RefusalOver, 1, &[]);
    assert_eq!(agent.told(), ["closed refusal_over 10.0.0.1/floor"]);
}

#[test]
fn an_incident_that_another_agent_reports_ends_in_silence() {
    let mut agent = Agent::new();
    agent.report(NoticeKind::Refused, 1, &[1]);
    agent.wait(2);
    agent.report(NoticeKind::RefusalOver, 1, &[]);
    assert!(agent.told().is_empty());
    assert!(agent.incidents.shown().is_empty());
}

/// The agent that withdrew it is dead, and this one has restored it.
#[test]
fn the_agent_that_restores_closes_what_another_opened() {
    let mut agent = Agent::new();
    agent.report(NoticeKind::Withdrawn, 1, &[1]);
    agent.wait(2);
    assert!(agent.told().is_empty());
    agent.report(NoticeKind::Restored, 1, &[]);
    assert_eq!(agent.told(), ["closed restored 10.0.0.1/withdrawn"]);
}

/// The others agreed first, so the agent that opened it is not the first in rank.
#[test]
fn while_an_agent_lives_that_may_have_opened_it_the_first_in_rank_takes_over_in_silence() {
    let mut agent = Agent::new();
    agent.left_to_writers(&[1, 2]);
    let author = agent.author();
    agent.incidents.peer_gone(peer(2), &author);
    agent.collect();
    assert!(agent.told().is_empty(), "the other one lives, and may have opened it");
    agent.witnessed(14, &[], &[1]);
    assert!(agent.told().is_empty());
    agent.witnessed(2, &[], &[1]);
    // The one that is gone may have been the one to say it.
    assert_eq!(agent.told(), ["updated withdrawn 10.0.0.1/withdrawn"]);
    let mut agent = Agent::new();
    agent.left_to_writers(&[1, 2]);
    agent.witnessed(20, &[], &[1, 2]);
    assert_eq!(agent.told(), ["standing withdrawn 10.0.0.1/withdrawn"], "one of them said it");
}

#[test]
fn the_last_agent_that_may_have_opened_it_is_gone() {
    let mut agent = Agent::new();
    agent.left_to_writers(&[1]);
    let author = agent.author();
    agent.incidents.peer_gone(peer(1), &author);
    agent.collect();
    assert_eq!(agent.told(), ["updated withdrawn 10.0.0.1/withdrawn"]);
}

#[test]
fn another_agent_that_comes_to_see_the_same_within_a_second_and_is_first_reports_it() {
    let mut agent = Agent::new();
    agent.report(NoticeKind::Refused, 1, &[]);
    agent.now += Duration::from_secs(1);
    agent.incidents.settle(agent.now, |_| OtherAgents::before([peer(1)].into()));
    agent.collect();
    assert!(agent.told().is_empty());
    assert!(!agent.incidents.shown()[0].is_ours);
}

/// The agent that restored it has said so. Channels that repeat open incidents must stop all the same.
#[test]
fn an_end_that_another_agent_reported_is_only_for_channels_that_know_incidents() {
    let mut agent = Agent::new();
    agent.report(NoticeKind::Withdrawn, 1, &[]);
    agent.wait(1);
    agent.told();
    let author = agent.author();
    for _ in 0..2 {
        agent.wait(6);
        agent.incidents.look(|_| Cause::Reported, &author, agent.now);
    }
    agent.collect();
    assert!(agent.sent[0].quiet);
    assert_eq!(agent.told(), ["closed over 10.0.0.1/withdrawn"]);
}

#[test]
fn what_an_agent_left_to_another_and_then_did_itself_it_reports() {
    let mut agent = Agent::new();
    agent.report(NoticeKind::Withdrawn, 1, &[1]);
    agent.wait(2);
    agent.report(NoticeKind::Withdrawn, 1, &[]);
    agent.wait(1);
    assert_eq!(agent.told(), ["opened withdrawn 10.0.0.1/withdrawn"]);
}
