//! Votes on several services at the same address.

use super::*;

/// Returns the same address in the service with this number.
fn of(service: usize) -> TargetRef {
    TargetRef { service: service.into(), ..TARGET }
}

/// Records the vote of a peer on the address in one service.
fn record(ballots: &mut Ballots, from: usize, service: usize, its: Vote) -> bool {
    ballots.record(at(0), PeerVote { target: of(service), ..vote(from, its) })
}

/// Returns one word for the result of going down in one service.
fn down_in(ballots: &Ballots, service: usize, needed: usize, now: Moment) -> &'static str {
    let target = of(service);
    word(&ballots.agreement(&Poll { target, ..poll(0, Some(Vote::Down), needed) }, now))
}

/// Redis Sentinel counted four votes of two voters for one of eight masters, since the votes of
/// several masters at one host were taken together.
#[test]
fn a_vote_counts_for_its_own_service_only() {
    let mut ballots = ballots("..");
    for from in [1, 2] {
        assert!(record(&mut ballots, from, 1, Vote::Down));
        assert!(record(&mut ballots, from, 2, Vote::Up));
    }
    assert_eq!(ballots.on(of(1), at(1)).count(), 2, "one for each voter");
    let results = [0, 1, 2].map(|service| down_in(&ballots, service, 1, at(1)));
    assert_eq!(results, ["no_quorum", "agreed", "no_quorum"]);
    assert_eq!(down_in(&ballots, 2, 0, at(1)), "agreed", "alone, as ever");
}

#[test]
fn a_vote_expires_and_is_retracted_in_its_own_service_only() {
    let mut ballots = ballots(".");
    for service in [0, 1, 2] {
        record(&mut ballots, 1, service, Vote::Down);
    }
    assert!(ballots.retract(at(1), agent(1), of(1)));
    let newer = PeerVote { target: of(2), ..vote(1, Vote::Down) };
    assert!(!ballots.record(at(20), newer), "it says the same");
    let results = [0, 1, 2].map(|service| down_in(&ballots, service, 1, at(29)));
    assert_eq!(results, ["agreed", "no_quorum", "agreed"]);
    let results = [0, 1, 2].map(|service| down_in(&ballots, service, 1, at(30)));
    assert_eq!(results, ["no_quorum", "no_quorum", "agreed"]);
    let expiries = [0, 1, 2].map(|service| ballots.next_expiry(of(service), at(29)));
    assert_eq!(expiries, [Some(at(30)), None, Some(at(50))]);
}

#[test]
fn the_votes_on_a_removed_service_are_forgotten_and_no_others() {
    let mut ballots = ballots(".");
    for service in [1, 2] {
        record(&mut ballots, 1, service, Vote::Down);
    }
    ballots.retain_targets(&[of(2)].into());
    assert_eq!([1, 2].map(|service| ballots.on(of(service), at(1)).count()), [0, 1]);
}

/// A Go agent sends no such vote, and its votes do not age: one that is sent in its name must not
/// stand for ever.
#[test]
fn a_go_agent_has_a_vote_on_default_only_until_it_turns_out_to_be_native() {
    let mut ballots = without_votes([agent(1)]);
    ballots.set_state(agent(1), alive(true, PeerKind::Legacy));
    assert!(record(&mut ballots, 1, 0, Vote::Down));
    assert!(!record(&mut ballots, 1, 1, Vote::Down), "it does not count");
    assert_eq!([0, 1].map(|service| down_in(&ballots, service, 1, at(1))), ["agreed", "no_quorum"]);
    ballots.set_state(agent(1), alive(true, PeerKind::Native));
    assert_eq!([0, 1].map(|service| down_in(&ballots, service, 1, at(2))), ["agreed"; 2]);
}

/// The services may be listed in another order in each file, so their ids differ.
#[test]
fn all_agents_determine_the_same_order_whatever_ids_they_give_to_a_service() {
    for name in ["www", "mx", "a", "default2"] {
        let mut order = Vec::new();
        for local in 0..5 {
            let mut ballots = without_votes((0..5).filter(|&other| other != local).map(agent));
            let target = TargetRef { service: (local + 1).into(), ..TARGET };
            for other in (0..5).filter(|&other| other != local) {
                ballots.set_state(agent(other), alive(true, PeerKind::Native));
                ballots.record(at(0), PeerVote { target, ..vote(other, Vote::Down) });
            }
            let named = TargetName { service: Some(name), address: TARGET.address };
            let poll = Poll { target, name: named, ..poll(local, Some(Vote::Down), 2) };
            match ballots.agreement(&poll, at(1)) {
                Agreement::Agreed { rank, .. } => order.push(rank),
                other => panic!("{other:?}"),
            }
        }
        order.sort_unstable();
        assert_eq!(order, [0, 1, 2, 3, 4], "{name}");
    }
}
