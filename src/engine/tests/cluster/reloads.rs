//! SIGHUP in a running cluster: peers, the number that must agree, targets.

use super::agent::address;
use super::world::{World, member};
use super::zone::Kind;
use crate::engine::event::Reason;
use crate::engine::plan::Desired;
use crate::engine::settings::Settings;
use crate::engine::tests::world::{ip, ms, settings};
use crate::engine::types::Health;

fn world(agents: usize, needed: usize) -> World {
    let mut world = World::new(agents, needed, &settings(&[1, 2]), Kind::ByRecord, 12);
    world.settle_down();
    world
}

fn with(agent: usize, agents: usize, needed: usize, targets: &[u8]) -> Settings {
    member(agent, agents, needed, &settings(targets))
}

/// This froze a whole cluster of Go agents within threshold + 1 rounds (defects 6 and 18).
#[test]
fn a_target_that_one_agent_learns_of_before_the_others_freezes_nobody() {
    let mut world = world(2, 1);
    for agent in 0..2 {
        world.reload(agent, with(agent, 2, 1, &[1, 2, 3]));
        world.run_for(ms(20_000));
    }
    assert_eq!(world.writes(), ["0+3"], "the new one, once both have confirmed it");
    world.net.dead.insert(ip(3));
    world.run_for(ms(20_000));
    assert_eq!(world.in_zone(), [1, 2]);
    world.net.dead.insert(ip(1));
    world.run_for(ms(20_000));
    assert_eq!(world.in_zone(), [2], "and it still watches the others");
}

#[test]
fn a_reload_that_changes_nothing_forgets_neither_votes_nor_turns() {
    let mut world = world(3, 1);
    let (waiting, decided) = world.have_one_wait_for_its_rank(1);
    // Nothing is repeated any more, so the votes received before must suffice.
    world.net.loss = 100;
    world.reload(waiting, with(waiting, 3, 1, &[1, 2]));
    let gone = world.run_until_it_is("gone", |world| !world.zone.holds(ip(1)));
    assert!(gone < decided + ms(5_400), "{decided:?}, {gone:?}");
    assert_eq!(world.health(waiting, 1), Some(Health::Down));
}

#[test]
fn more_votes_needed_from_now_on_take_a_withdrawal_back_that_waits() {
    let mut world = world(4, 1);
    let last = world.ranked(ip(1))[3];
    world.kill(last);
    world.run_for(ms(30_000));
    let (waiting, _) = world.have_one_wait_for_its_rank(1);
    world.reload(waiting, with(waiting, 4, 3, &[1, 2]));
    world.run_for(ms(60_000));
    assert_ne!(world.desired(waiting, ip(1)), Some(Desired::Withdraw));
    assert_eq!(world.reason(waiting, 1), Some(Reason::NoQuorum));
    world.reload(waiting, with(waiting, 4, 1, &[1, 2]));
    world.run_for(ms(1_000));
    assert_eq!(world.in_zone(), [2], "one suffices again, and its turn has long come");
}

#[test]
fn fewer_votes_needed_from_now_on_let_a_refused_withdrawal_go() {
    let mut world = world(3, 2);
    world.kill(2);
    world.run_for(ms(20_000));
    world.net.dead.insert(ip(1));
    world.run_for(ms(20_000));
    assert_eq!((world.in_zone(), world.reason(0, 1)), (vec![1, 2], Some(Reason::NoQuorum)));
    for agent in 0..2 {
        world.reload(agent, with(agent, 3, 1, &[1, 2]));
    }
    world.run_for(ms(6_000));
    assert_eq!((world.in_zone(), world.reason(0, 1)), (vec![2], None));
}

#[test]
fn a_peer_that_is_removed_has_no_vote_and_one_that_is_added_must_be_heard() {
    let mut world = world(3, 1);
    let mut without = with(0, 3, 1, &[1, 2]);
    without.cluster.as_mut().unwrap().peers.remove(&address(2));
    world.net.unseen.insert((2, ip(1)));
    world.run_for(ms(10_000));
    world.reload(0, without);
    world.net.unseen.insert((0, ip(1)));
    world.run_for(ms(20_000));
    assert_eq!(world.reason(0, 1), Some(Reason::NoQuorum), "2 agrees, and is no peer");
    assert_eq!(world.writes(), [""; 0]);
    world.reload(0, with(0, 3, 1, &[1, 2]));
    assert_eq!(world.reason(0, 1), Some(Reason::NoQuorum), "not before a vote arrives");
    world.run_for(ms(5_000));
    assert_eq!((world.in_zone(), world.reason(0, 1)), (vec![2], None));
}

#[test]
fn a_target_that_is_removed_in_the_middle_is_left_as_it_is() {
    let mut world = world(3, 1);
    world.have_one_wait_for_its_rank(1);
    for agent in 0..3 {
        world.reload(agent, with(agent, 3, 1, &[2]));
    }
    world.net.barred.clear();
    world.run_for(ms(60_000));
    assert_eq!(world.in_zone(), [1, 2], "{:?}", world.writes());
    for agent in 0..3 {
        world.reload(agent, with(agent, 3, 1, &[1, 2]));
    }
    world.run_for(ms(30_000));
    assert_eq!((world.in_zone(), world.zone.writes.len()), (vec![2], 1), "watched anew, and dead");
}
