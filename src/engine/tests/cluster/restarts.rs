//! Agents that are restarted.

use super::world::World;
use super::zone::Kind;
use crate::engine::tests::world::{ip, ms, settings};

fn world(needed: usize) -> World {
    let mut world = World::new(3, needed, &settings(&[1, 2]), Kind::WholeSet, 11);
    world.settle_down();
    world
}

#[test]
fn an_agent_restarted_after_a_withdrawal_does_not_put_a_dead_target_back() {
    for restarted in 0..3 {
        let mut world = world(1);
        world.net.dead.insert(ip(1));
        world.run_for(ms(20_000));
        assert_eq!(world.in_zone(), [2]);
        world.kill(restarted);
        world.start(restarted);
        world.run_for(ms(60_000));
        assert_eq!(world.zone.writes.len(), 1, "{restarted}: {:?}", world.writes());
    }
}

/// It alone sees the target up, and would confirm it if no peer contradicted.
#[test]
fn an_agent_restarted_where_the_target_answers_waits_for_its_peers_to_say_so() {
    let mut world = world(1);
    world.net.unseen.extend([(0, ip(1)), (1, ip(1))]);
    world.run_for(ms(20_000));
    assert_eq!(world.in_zone(), [2]);
    world.kill(2);
    world.start(2);
    world.run_for(ms(120_000));
    assert_eq!(world.in_zone(), [2], "{:?}", world.writes());
    world.net.unseen.clear();
    world.run_for(ms(30_000));
    assert_eq!((world.in_zone(), world.zone.writes.len()), (vec![1, 2], 2));
}

#[test]
fn agents_that_are_all_restarted_restore_their_withdrawals() {
    for needed in 0..3 {
        let mut world = world(needed);
        world.net.dead.insert(ip(1));
        world.run_for(ms(20_000));
        assert_eq!(world.in_zone(), [2]);
        (0..3).for_each(|agent| world.kill(agent));
        world.net.dead.clear();
        world.run_for(ms(10_000));
        (0..3).for_each(|agent| world.start(agent));
        world.run_for(ms(60_000));
        assert_eq!((world.in_zone(), world.zone.writes.len()), (vec![1, 2], 2), "{needed} needed");
    }
}

#[test]
fn agents_that_start_at_the_same_moment_or_one_by_one_write_nothing() {
    for apart in [0, 1, 1_500, 20_000] {
        let mut world = world(2);
        (0..3).for_each(|agent| world.kill(agent));
        for agent in 0..3 {
            world.start(agent);
            world.run_for(ms(apart));
        }
        world.run_for(ms(60_000));
        assert_eq!(world.writes(), [""; 0], "{apart} ms apart");
    }
}

#[test]
fn a_peer_restarted_so_fast_that_nobody_missed_it_receives_all_votes_anew() {
    let mut world = world(2);
    world.net.provider_down = true;
    world.net.dead.insert(ip(1));
    world.run_for(ms(15_000));
    world.kill(2);
    world.start(2);
    world.net.provider_down = false;
    world.run_for(ms(30_000));
    assert_eq!((world.in_zone(), world.zone.writes.len()), (vec![2], 1));
}
