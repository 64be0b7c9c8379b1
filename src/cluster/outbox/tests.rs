//! Tests of the votes sent to one peer and of their times.

mod services;

use std::net::IpAddr;

use super::*;

fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn target(number: u8) -> TargetRef {
    TargetRef::of_default([203, 0, 113, number].into())
}

/// Returns votes on one service with evidence of `seen`.
fn votes_on(service: ServiceId, seen: Duration, votes: &[(u8, Vote)]) -> Votes {
    let mut announced = AnnouncedVotes { term: s(30), ..AnnouncedVotes::default() };
    for &(number, vote) in votes {
        announced.votes.insert(target(number).address, AnnouncedVote { vote, evidence: seen });
    }
    Votes { services: [(service, Arc::new(announced))].into() }
}

/// Returns votes with evidence of `seen`.
fn votes_at(seen: Duration, votes: &[(u8, Vote)]) -> Votes {
    votes_on(ServiceId::DEFAULT, seen, votes)
}

fn votes(votes: &[(u8, Vote)]) -> Votes {
    votes_at(s(0), votes)
}

/// Returns target and vote of the next statement to send, if it is a vote.
fn next(outbox: &mut Outbox, now: Duration, held: bool) -> Option<(TargetRef, Vote)> {
    outbox.next(now, held, None).map(|due| match due.statement {
        Statement::Sees(vote) => (due.target, vote),
        Statement::Retracts(_) => panic!("{due:?}"),
    })
}

/// Returns target and statement of the next urgent statement to send.
fn next_urgent(outbox: &mut Outbox, now: Duration) -> Option<(TargetRef, Statement)> {
    outbox.next(now, true, None).map(|due| (due.target, due.statement))
}

/// Returns an outbox to a peer of our kind, with these votes due at 0.
fn outbox(of: &[(u8, Vote)]) -> Outbox {
    let mut outbox = Outbox::default();
    outbox.set_repeats(s(0), true);
    outbox.announce(s(0), &votes(of));
    outbox
}

/// Returns the earliest time at which there may be a vote to send.
fn soonest(outbox: &Outbox) -> Option<Duration> {
    outbox.wake().into_iter().flatten().min()
}

/// Sends and delivers all votes that are due.
fn deliver(outbox: &mut Outbox, now: Duration) -> Vec<(TargetRef, Vote)> {
    let sent: Vec<_> = std::iter::from_fn(|| next(outbox, now, false)).collect();
    for &(target, vote) in &sent {
        outbox.delivered(now, target, Statement::Sees(vote));
    }
    sent
}

#[test]
fn a_native_peer_receives_each_vote_again_every_ten_seconds() {
    let mut outbox = outbox(&[(1, Vote::Down), (2, Vote::Up)]);
    for round in 0..4 {
        let now = s(10 * round);
        assert_eq!(deliver(&mut outbox, now), [(target(1), Vote::Down), (target(2), Vote::Up)]);
        assert_eq!(soonest(&outbox), None, "nothing newer was seen");
        outbox.announce(now + s(5), &votes_at(now + s(4), &[(1, Vote::Down), (2, Vote::Up)]));
        assert_eq!(deliver(&mut outbox, now + s(9)), []);
        assert_eq!(soonest(&outbox), Some(now + s(10)));
    }
}

/// A repeated vote thus proves that its sender is alive.
#[test]
fn a_vote_without_newer_evidence_is_sent_once() {
    let mut outbox = outbox(&[(1, Vote::Down)]);
    assert_eq!(deliver(&mut outbox, s(0)).len(), 1);
    outbox.announce(s(15), &votes(&[(1, Vote::Down)]));
    assert_eq!((soonest(&outbox), deliver(&mut outbox, s(100))), (None, vec![]));
    outbox.announce(s(101), &votes_at(s(100), &[(1, Vote::Down)]));
    assert_eq!(deliver(&mut outbox, s(101)).len(), 1, "it was seen again");
}

#[test]
fn a_vote_is_not_sent_on_evidence_older_than_it_counts_or_than_the_last_standstill() {
    let all = [(1, Vote::Down), (2, Vote::Up)];
    let mut outbox = outbox(&all);
    assert_eq!(outbox.next(s(30), false, None), None, "its evidence is half a minute old");
    assert_eq!(soonest(&outbox), None);
    outbox.announce(s(40), &votes_at(s(39), &all));
    assert_eq!(outbox.next(s(40), false, Some(s(39))), None, "this process was suspended since");
    outbox.announce(s(41), &votes_at(s(40), &all));
    let sent = outbox.next(s(41), false, Some(s(39))).unwrap();
    assert_eq!((sent.target, sent.evidence), (target(1), s(40)));
    assert_eq!(deliver(&mut outbox, s(41)), [(target(2), Vote::Up)]);
}

#[test]
fn a_vote_that_is_no_longer_announced_is_retracted_once_if_it_was_sent() {
    let mut outbox = outbox(&[(1, Vote::Down), (2, Vote::Down), (3, Vote::Down)]);
    assert!(next(&mut outbox, s(0), false).is_some() && next(&mut outbox, s(0), false).is_some());
    outbox.delivered(s(0), target(1), Statement::Sees(Vote::Down));
    // The first was delivered, the second is in flight, and the third was never sent.
    outbox.announce(s(1), &votes(&[]));
    let retraction = Statement::Retracts(Vote::Down);
    assert_eq!(next_urgent(&mut outbox, s(1)), Some((target(1), retraction)), "that is urgent");
    assert_eq!(next_urgent(&mut outbox, s(1)), Some((target(2), retraction)));
    outbox.delivered(s(1), target(2), Statement::Sees(Vote::Down));
    outbox.delivered(s(1), target(1), Statement::Retracts(Vote::Down));
    outbox.failed(s(1), 1.0);
    assert_eq!(
        next_urgent(&mut outbox, s(2)),
        Some((target(2), retraction)),
        "it did not get there"
    );
    outbox.delivered(s(2), target(2), Statement::Retracts(Vote::Down));
    assert_eq!(soonest(&outbox), None);
    outbox.announce(s(3), &votes_at(s(3), &[(1, Vote::Down)]));
    assert_eq!(deliver(&mut outbox, s(3)), [(target(1), Vote::Down)]);
    outbox.announce(s(4), &votes(&[]));
    assert_eq!(next_urgent(&mut outbox, s(34)), None, "it has aged there by itself");
}

#[test]
fn a_possible_go_agent_receives_no_retraction() {
    let mut outbox = outbox(&[(1, Vote::Down)]);
    outbox.set_repeats(s(0), false);
    assert_eq!(deliver(&mut outbox, s(0)).len(), 1);
    outbox.announce(s(1), &votes(&[]));
    assert_eq!(outbox.next(s(1), false, None), None);
}

#[test]
fn urgent_votes_go_before_first_and_repeated_ones_and_alone_while_those_are_held() {
    let mut outbox = outbox(&[(1, Vote::Up), (2, Vote::Up), (3, Vote::Down)]);
    assert_eq!(
        next(&mut outbox, s(0), true),
        Some((target(3), Vote::Down)),
        "a first down vote is urgent"
    );
    assert_eq!(next(&mut outbox, s(0), true), None);
    assert_eq!(next(&mut outbox, s(0), false), Some((target(1), Vote::Up)));
    outbox.delivered(s(0), target(1), Statement::Sees(Vote::Up));
    outbox.announce(s(1), &votes(&[(1, Vote::Down), (2, Vote::Up), (3, Vote::Down)]));
    assert_eq!(next(&mut outbox, s(1), true), Some((target(1), Vote::Down)), "it changed");
    outbox.rejoined(s(2));
    assert_eq!(next(&mut outbox, s(2), true), Some((target(1), Vote::Down)));
    assert_eq!(next(&mut outbox, s(2), true), Some((target(3), Vote::Down)));
    assert_eq!(next(&mut outbox, s(2), true), None);
    assert_eq!(next(&mut outbox, s(2), false), Some((target(2), Vote::Up)));
}

#[test]
fn a_possible_go_agent_receives_changes_only() {
    let mut outbox = outbox(&[(1, Vote::Down)]);
    outbox.set_repeats(s(0), false);
    assert_eq!(deliver(&mut outbox, s(0)).len(), 1);
    assert_eq!(soonest(&outbox), None);
    outbox.announce(s(100), &votes_at(s(100), &[(1, Vote::Down)]));
    assert_eq!(deliver(&mut outbox, s(100)), [], "announced again, nothing new");
    outbox.announce(s(101), &votes_at(s(101), &[(1, Vote::Up)]));
    assert_eq!(deliver(&mut outbox, s(101)), [(target(1), Vote::Up)]);
    outbox.announce(s(200), &votes_at(s(200), &[(1, Vote::Up)]));
    outbox.set_repeats(s(200), true);
    assert_eq!(soonest(&outbox), Some(s(210)), "it turned out to be one of ours");
}

#[test]
fn a_returning_peer_receives_all_votes_at_once() {
    for repeats in [true, false] {
        let mut outbox = outbox(&[(1, Vote::Down), (2, Vote::Up)]);
        outbox.set_repeats(s(0), repeats);
        deliver(&mut outbox, s(0));
        outbox.failed(s(1), 1.0);
        outbox.rejoined(s(1));
        assert_eq!(deliver(&mut outbox, s(1)).len(), 2, "repeats {repeats}");
    }
}

#[test]
fn an_unreachable_peer_is_tried_ever_less_often_until_it_answers() {
    let mut outbox = outbox(&[(1, Vote::Down)]);
    let mut now = s(0);
    for wait in [1, 2, 4, 8, 10, 10] {
        outbox.announce(now, &votes_at(now, &[(1, Vote::Down)]));
        assert!(next(&mut outbox, now, false).is_some());
        outbox.failed(now, 1.0);
        assert_eq!(soonest(&outbox), Some(now + s(wait)));
        assert_eq!(next(&mut outbox, now + Duration::from_millis(1000 * wait - 1), false), None);
        now += s(wait);
    }
    for _ in 0..100 {
        outbox.failed(now, 1.5);
    }
    assert_eq!(soonest(&outbox), Some(now + s(15)), "jittered, and never without end");
    assert_eq!(deliver(&mut outbox, now + s(15)).len(), 1);
    assert!(!outbox.is_failing());
}

#[test]
fn urgent_votes_go_before_repeats_and_replace_older_ones() {
    let mut outbox = outbox(&[(1, Vote::Down), (2, Vote::Down), (3, Vote::Down)]);
    deliver(&mut outbox, s(0));
    outbox.announce(s(20), &votes_at(s(20), &[(1, Vote::Down), (2, Vote::Down), (3, Vote::Up)]));
    let order = deliver(&mut outbox, s(20));
    assert_eq!(order, [(target(3), Vote::Up), (target(1), Vote::Down), (target(2), Vote::Down)]);
    // Changed while the older statement is in flight.
    let told = [(2, Vote::Down), (3, Vote::Up)];
    outbox.announce(s(21), &votes_at(s(20), &[&[(1, Vote::Up)], &told[..]].concat()));
    assert_eq!(next(&mut outbox, s(21), false), Some((target(1), Vote::Up)));
    outbox.announce(s(21), &votes_at(s(20), &[&[(1, Vote::Down)], &told[..]].concat()));
    outbox.delivered(s(22), target(1), Statement::Sees(Vote::Up));
    assert_eq!(
        next(&mut outbox, s(22), false),
        Some((target(1), Vote::Down)),
        "the newer statement is still due"
    );
    assert_eq!(soonest(&outbox), None);
}

#[test]
fn a_vote_that_was_not_accepted_is_offered_again() {
    let mut outbox = outbox(&[(1, Vote::Down)]);
    outbox.set_repeats(s(0), false);
    for (name, at, due) in [("declined", 0, 10), ("postponed", 10, 11)] {
        assert!(next(&mut outbox, s(at), false).is_some(), "{name}");
        match name {
            "declined" => outbox.declined(s(at), target(1), Statement::Sees(Vote::Down)),
            _ => outbox.postponed(s(at), target(1), Statement::Sees(Vote::Down)),
        }
        assert_eq!(soonest(&outbox), Some(s(due)), "{name}");
    }
}

#[test]
fn a_thousand_targets_take_turns_quickly() {
    let mut outbox = Outbox::default();
    outbox.set_repeats(s(0), true);
    for round in 0..20 {
        let now = s(10 * round);
        let mut all = AnnouncedVotes { term: s(30), ..AnnouncedVotes::default() };
        for number in 0..1000_u32 {
            let address = IpAddr::from((0xCB00_7100 + number).to_be_bytes());
            all.votes.insert(address, AnnouncedVote { vote: Vote::Up, evidence: now });
        }
        let services = [(ServiceId::DEFAULT, Arc::new(all))].into();
        outbox.announce(now, &Votes { services });
        assert_eq!(deliver(&mut outbox, now).len(), 1000);
    }
}
