//! Votes that age, and agents that are suspended, while a withdrawal waits.

use super::world::World;
use super::zone::Kind;
use crate::engine::event::Reason;
use crate::engine::plan::Desired;
use crate::engine::tests::world::{ip, ms, settings};

fn world(agents: usize, needed: usize) -> World {
    let mut world = World::new(agents, needed, &settings(&[1, 2]), Kind::ByRecord, 9);
    world.settle_down();
    world
}

fn wants_it_out(world: &World, agent: usize) -> bool {
    world.desired(agent, ip(1)) == Some(Desired::Withdraw)
}

#[test]
fn votes_that_age_while_a_withdrawal_waits_for_its_rank_take_it_back() {
    // Both have to agree, so the first vote that lapses ends it.
    let mut world = world(3, 2);
    let ranked = world.ranked(ip(1));
    let waiting = ranked[1];
    // The others see it down, cannot act on it, and their votes no longer arrive: only gossip
    // continues.
    for other in [ranked[0], ranked[2]] {
        world.net.unseen.insert((other, ip(1)));
        world.net.barred.insert(other);
    }
    world.run_for(ms(5_000));
    world.net.loss = 100;
    world.run_for(ms(23_000));
    world.net.unseen.insert((waiting, ip(1)));
    world.run_until_it_is("a verdict", |world| {
        world.agents[waiting].view(ip(1)).is_some_and(|view| !view.in_service)
    });
    assert!(!wants_it_out(&world, waiting), "it waits");
    world.run_for(ms(60_000));
    for (at, order) in &world.agents[waiting].orders {
        assert!(*at < ms(35_000) || !order.desired.contains_key(&ip(1)), "it asked at {at:?}");
    }
    assert_eq!(world.reason(waiting, 1), Some(Reason::NoQuorum));
    world.net.loss = 0;
    world.run_for(ms(20_000));
    assert_eq!(world.in_zone(), [2], "votes arrive again");
}

#[test]
fn votes_that_age_while_the_provider_fails_take_the_order_back() {
    let mut world = world(3, 1);
    world.net.provider_down = true;
    world.net.dead.insert(ip(1));
    world.run_for(ms(20_000));
    assert!((0..3).all(|agent| wants_it_out(&world, agent)), "all of them try");
    world.net.loss = 100;
    world.run_for(ms(45_000));
    assert!(!(0..3).any(|agent| wants_it_out(&world, agent)), "nobody does any more");
    assert!((0..3).all(|agent| world.reason(agent, 1) == Some(Reason::NoQuorum)));
    world.net.provider_down = false;
    world.run_for(ms(60_000));
    assert_eq!(world.in_zone(), [1, 2], "nothing was left to be done by mistake");
    world.net.loss = 0;
    world.run_for(ms(20_000));
    assert_eq!((world.in_zone(), world.zone.writes.len()), (vec![2], 1));
}

/// Suspended while its turn was coming; its queue is full of votes sent before and during that
/// time.
#[test]
fn a_suspended_agent_does_not_act_on_votes_from_before() {
    for stood_still in [8, 20, 60, 600] {
        let mut world = world(3, 1);
        let (stopped, _) = world.have_one_wait_for_its_rank(1);
        world.suspend(stopped, ms(stood_still * 1_000));
        world.run_for(ms(500));
        // It is back before any agent could act.
        world.net.dead.clear();
        world.net.unseen.clear();
        world.run_for(ms(stood_still * 1_000 + 60_000));
        assert_eq!(world.writes(), [""; 0], "{stood_still} s");
        assert_eq!(world.broken, [""; 0], "{stood_still} s");
    }
}

#[test]
fn an_agent_that_stood_still_acts_again_once_its_peers_are_heard() {
    let mut world = world(3, 1);
    let ranked = world.ranked(ip(1));
    world.net.barred.extend([ranked[0], ranked[2]]);
    world.net.dead.insert(ip(1));
    world.suspend(ranked[1], ms(60_000));
    world.run_for(ms(59_000));
    assert_eq!(world.in_zone(), [1, 2]);
    world.run_for(ms(25_000));
    assert_eq!(world.writes(), [format!("{}-1", ranked[1])]);
}
