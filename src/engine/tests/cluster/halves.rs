//! Agents that see different things, agents that do not receive each other's votes, agents that are
//! alone.

use super::world::World;
use super::zone::Kind;
use crate::engine::event::Reason;
use crate::engine::tests::world::{ip, ms, settings};

fn world(agents: usize, needed: usize) -> World {
    let mut world = World::new(agents, needed, &settings(&[1, 2]), Kind::ByRecord, 7);
    world.settle_down();
    world
}

fn reasons(world: &World) -> Vec<Option<Reason>> {
    (0..world.agents.len()).map(|agent| world.reason(agent, 1)).collect()
}

#[test]
fn two_halves_that_see_different_things_change_nothing_and_say_so() {
    let mut world = world(4, 1);
    world.net.unseen.extend([(0, ip(1)), (1, ip(1))]);
    world.run_for(ms(120_000));
    assert_eq!(world.writes(), [""; 0]);
    assert_eq!(reasons(&world), [Some(Reason::Contested); 4]);
    world.net.dead.insert(ip(1));
    world.run_for(ms(30_000));
    assert_eq!((world.in_zone(), reasons(&world)), (vec![2], vec![None; 4]), "now all see it");
}

/// The configuration that is warned about: both halves have their quorum.
#[test]
fn halves_that_acted_apart_are_contested_when_they_meet_and_agree_again_later() {
    let mut world = world(4, 1);
    for (one, other) in [(0, 2), (0, 3), (1, 2), (1, 3)] {
        world.cut_both(one, other);
    }
    world.net.unseen.extend([(0, ip(1)), (1, ip(1))]);
    world.run_for(ms(60_000));
    assert_eq!(world.in_zone(), [2], "one half has its quorum");
    world.net.cut.clear();
    world.look_around();
    world.run_for(ms(60_000));
    assert_eq!(world.zone.writes.len(), 1, "DNS stays as it is: {:?}", world.writes());
    assert_eq!(reasons(&world), [Some(Reason::Contested); 4]);
    world.net.unseen.clear();
    world.run_for(ms(30_000));
    assert_eq!((world.in_zone(), reasons(&world)), (vec![1, 2], vec![None; 4]));
    assert_eq!(world.zone.writes.len(), 2, "{:?}", world.writes());
}

#[test]
fn with_a_majority_needed_the_part_that_is_cut_off_does_nothing() {
    let mut world = world(3, 1);
    world.cut_both(0, 1);
    world.cut_both(0, 2);
    world.net.unseen.insert((0, ip(1)));
    world.run_for(ms(120_000));
    assert_eq!(world.writes(), [""; 0]);
    assert_eq!(reasons(&world), [Some(Reason::NoQuorum), None, None]);
    world.net.dead.insert(ip(2));
    world.run_for(ms(30_000));
    assert_eq!(world.in_zone(), [1], "the others still act");
    assert_eq!(world.reason(0, 2), Some(Reason::NoQuorum));
}

#[test]
fn without_live_peers_nothing_is_done_and_it_is_said() {
    let mut world = world(3, 1);
    world.kill(1);
    world.kill(2);
    world.run_for(ms(30_000));
    world.net.dead.insert(ip(1));
    world.run_for(ms(60_000));
    assert_eq!(world.writes(), [""; 0]);
    assert_eq!(world.reason(0, 1), Some(Reason::NoQuorum));
    world.start(1);
    world.run_for(ms(20_000));
    assert_eq!((world.in_zone(), world.reason(0, 1)), (vec![2], None), "one is back");
}

#[test]
fn with_none_needed_the_last_agent_acts_alone() {
    let mut world = world(3, 0);
    world.kill(1);
    world.kill(2);
    world.net.dead.insert(ip(1));
    world.run_for(ms(30_000));
    assert_eq!(world.writes(), ["0-1"]);
}

/// Agent 0 receives nothing from 1 and 2, so 1 and 2 count on it and it does not count on them.
#[test]
fn a_link_that_is_cut_one_way_costs_one_agent_its_say() {
    let mut world = world(3, 1);
    world.link(1, 0, false);
    world.link(2, 0, false);
    world.run_for(ms(40_000));
    world.net.dead.insert(ip(1));
    world.run_for(ms(40_000));
    assert_eq!((world.in_zone(), world.zone.writes.len()), (vec![2], 1));
    assert_eq!(world.reason(0, 1), Some(Reason::NoQuorum));
}

/// It withdrew a target that the others see up, and will never restore it.
#[test]
fn a_change_by_an_agent_gone_for_good_is_reverted_by_agents_that_received_its_vote() {
    let mut world = world(3, 0);
    world.net.unseen.insert((0, ip(1)));
    world.run_for(ms(20_000));
    assert_eq!(world.in_zone(), [2], "with none needed it acts against all others");
    world.kill(0);
    world.run_for(ms(40_000));
    assert_eq!(world.in_zone(), [1, 2], "{:?}", world.writes());
}

/// Agent 0 withdraws on the vote of 1. That one receives nothing from 0 and so never reaches a verdict
/// itself.
#[test]
fn an_agent_that_saw_it_down_puts_it_right_even_if_it_never_agreed_to_withdraw_it() {
    let mut world = world(3, 1);
    world.link(0, 1, false);
    world.link(2, 1, false);
    world.net.unseen.extend([(0, ip(1)), (1, ip(1))]);
    world.run_for(ms(20_000));
    assert_eq!(world.in_zone(), [2]);
    assert_eq!(world.reason(1, 1), Some(Reason::NoQuorum));
    world.kill(0);
    world.net.cut.clear();
    world.net.unseen.clear();
    world.look_around();
    world.run_for(ms(60_000));
    assert_eq!(world.in_zone(), [1, 2], "{:?}", world.writes());
}

/// A change that no live agent knows of is found by `resync_interval`.
#[test]
fn a_change_by_an_agent_gone_for_good_without_a_vote_is_found_by_resync() {
    let resync_interval = Some(ms(60_000));
    for (resync_interval, want) in [(None, vec![2]), (resync_interval, vec![1, 2])] {
        let mut alike = settings(&[1, 2]);
        alike.default_service_mut().resync_interval = resync_interval;
        let mut world = World::new(3, 0, &alike, Kind::ByRecord, 8);
        world.settle_down();
        world.cut_both(0, 1);
        world.cut_both(0, 2);
        world.net.unseen.insert((0, ip(1)));
        world.run_for(ms(10_000));
        assert_eq!(world.in_zone(), [2]);
        world.kill(0);
        world.run_for(ms(120_000));
        assert_eq!(world.in_zone(), want, "{resync_interval:?}");
    }
}
