//! Votes on several services.

use super::*;

/// Returns the votes on all of these services.
fn together(all: &[&Votes]) -> Votes {
    let mut services = BTreeMap::new();
    for votes in all {
        services.extend(votes.services.iter().map(|(id, votes)| (*id, Arc::clone(votes))));
    }
    Votes { services }
}

fn of(service: usize, number: u8) -> TargetRef {
    TargetRef { service: service.into(), ..target(number) }
}

/// Returns an outbox to a peer of our kind.
fn native() -> Outbox {
    let mut outbox = Outbox::default();
    outbox.set_repeats(s(0), true);
    outbox
}

#[test]
fn the_same_address_has_a_vote_in_each_service() {
    let default = votes(&[(1, Vote::Up)]);
    let www = votes_on(1.into(), s(0), &[(1, Vote::Down)]);
    let mut outbox = native();
    outbox.announce(s(0), &together(&[&default, &www]));
    assert_eq!(deliver(&mut outbox, s(0)), [(of(1, 1), Vote::Down), (of(0, 1), Vote::Up)]);
    let mx = votes_on(2.into(), s(1), &[(1, Vote::Down)]);
    outbox.announce(s(1), &together(&[&default, &www, &mx]));
    assert_eq!(deliver(&mut outbox, s(1)), [(of(2, 1), Vote::Down)], "the others are known");
}

#[test]
fn a_possible_go_agent_receives_votes_on_default_only_until_it_turns_out_to_be_native() {
    let all = together(&[&votes(&[(1, Vote::Up)]), &votes_on(1.into(), s(0), &[(1, Vote::Down)])]);
    let mut outbox = Outbox::default();
    outbox.announce(s(0), &all);
    assert_eq!(deliver(&mut outbox, s(0)), [(of(0, 1), Vote::Up)]);
    assert_eq!(soonest(&outbox), None);
    outbox.set_repeats(s(1), true);
    outbox.announce(s(1), &all);
    assert_eq!(deliver(&mut outbox, s(1)), [(of(1, 1), Vote::Down)]);
    outbox.set_repeats(s(2), false);
    outbox.announce(s(2), &votes_at(s(2), &[(1, Vote::Up)]));
    outbox.rejoined(s(3));
    assert_eq!(deliver(&mut outbox, s(3)), [(of(0, 1), Vote::Up)], "and no retraction");
}

#[test]
fn the_votes_on_a_removed_service_are_retracted_and_no_others() {
    let [default, www, mx] =
        [0, 1, 2].map(|service| votes_on(service.into(), s(0), &[(1, Vote::Down)]));
    let mut outbox = native();
    outbox.announce(s(0), &together(&[&default, &www, &mx]));
    assert_eq!(deliver(&mut outbox, s(0)).len(), 3);
    outbox.announce(s(1), &together(&[&default, &mx]));
    let retraction = Statement::Retracts(Vote::Down);
    assert_eq!(next_urgent(&mut outbox, s(1)), Some((of(1, 1), retraction)));
    outbox.delivered(s(1), of(1, 1), retraction);
    assert_eq!(soonest(&outbox), None);
    outbox.announce(s(2), &together(&[&default, &www, &mx]));
    assert_eq!(deliver(&mut outbox, s(2)), [(of(1, 1), Vote::Down)], "it is back");
}

/// Each service may be probed at an interval of its own.
#[test]
fn each_service_has_a_term_of_its_own() {
    let www = votes_on(1.into(), s(0), &[(1, Vote::Down)]);
    let mut slow = AnnouncedVotes::clone(&www.services[&1.into()]);
    slow.term = s(600);
    let slow = Votes { services: [(2.into(), Arc::new(slow))].into() };
    let mut outbox = native();
    outbox.announce(s(0), &together(&[&www, &slow]));
    assert_eq!(deliver(&mut outbox, s(30)), [(of(2, 1), Vote::Down)], "the other is too old");
}

/// With a thousand services, one that changes must not cost a look at all of the others.
#[test]
fn a_service_that_stays_the_same_is_not_looked_at_again() {
    let mut all = Votes::default();
    for service in 0..1000_usize {
        let mut one = votes_on(service.into(), s(0), &[(1, Vote::Up), (2, Vote::Up)]);
        all.services.append(&mut one.services);
    }
    let mut outbox = native();
    outbox.announce(s(0), &all);
    assert_eq!(deliver(&mut outbox, s(0)).len(), 2000);
    let changed = votes_on(7.into(), s(1), &[(1, Vote::Down), (2, Vote::Up)]);
    all.services.extend(changed.services);
    outbox.announce(s(1), &all);
    assert_eq!(deliver(&mut outbox, s(1)), [(of(7, 1), Vote::Down)]);
    let repeats = deliver(&mut outbox, s(11));
    assert_eq!(repeats, [(of(7, 2), Vote::Up)], "only its evidence is newer");
}
