//! Agents that cannot observe: their earlier observations contribute to no quorum.

use super::world::World;
use super::zone::Kind;
use crate::engine::event::Reason;
use crate::engine::settings::Settings;
use crate::engine::tests::world::{canary, guarded, ip, ms, settings};
use crate::engine::types::{Health, Vote};

fn world(settings: &Settings) -> World {
    let mut world = World::new(3, 1, settings, Kind::ByRecord, 17);
    world.settle_down();
    world
}

/// A change that keeps an agent from observing.
type Blinding = fn(&mut World);

/// Agent 0 can no longer send probes to anyone, or nobody answers it.
fn blindings() -> [(&'static str, Settings, Blinding); 3] {
    let loses_its_routes: Blinding = |world| {
        world.net.faulty.extend([(0, ip(1)), (0, ip(2))]);
    };
    let loses_its_way_to_one: Blinding = |world| {
        world.net.faulty.insert((0, ip(1)));
    };
    let hears_nobody: Blinding = |world| {
        world.net.unseen.extend([(0, ip(1)), (0, ip(2)), (0, canary())]);
    };
    [
        ("its routes are gone", settings(&[1, 2]), loses_its_routes),
        ("its route to this target is gone", settings(&[1, 2]), loses_its_way_to_one),
        ("it is isolated", guarded(&[1, 2]), hears_nobody),
    ]
}

#[test]
fn a_down_of_an_agent_that_went_blind_takes_nobody_out() {
    for (name, settings, go_blind) in blindings() {
        let mut world = world(&settings);
        world.net.unseen.insert((0, ip(1)));
        world.run_for(ms(60_000));
        assert_eq!(world.agents[0].votes.get(&ip(1)), Some(&Vote::Down), "{name}: it saw it down");
        go_blind(&mut world);
        world.run_for(ms(20_000));
        assert_eq!(world.agents[0].votes.get(&ip(1)), None, "{name}: it has no vote any more");
        world.run_for(ms(20_000));
        world.net.unseen.insert((1, ip(1)));
        world.run_for(ms(60_000));
        assert_eq!(world.in_zone(), [1, 2], "{name}: {:?}", world.writes());
        assert_eq!(world.reason(1, 1), Some(Reason::NoQuorum), "{name}");
        assert_eq!(world.broken, [""; 0], "{name}");
    }
}

#[test]
fn an_up_of_an_agent_that_went_blind_puts_nobody_in() {
    for (name, settings, go_blind) in blindings() {
        let mut world = world(&settings);
        world.net.dead.insert(ip(1));
        world.run_for(ms(20_000));
        assert_eq!(world.in_zone(), [2], "{name}");
        // Half dead: agent 0 alone reaches it.
        world.net.dead.clear();
        world.net.unseen.extend([(1, ip(1)), (2, ip(1))]);
        world.run_for(ms(60_000));
        assert_eq!(world.agents[0].votes.get(&ip(1)), Some(&Vote::Up), "{name}: it saw it up");
        go_blind(&mut world);
        world.run_for(ms(40_000));
        world.net.unseen.remove(&(1, ip(1)));
        world.run_for(ms(60_000));
        assert_eq!(world.in_zone(), [2], "{name}: {:?}", world.writes());
        assert_eq!(world.broken, [""; 0], "{name}");
    }
}

#[test]
fn an_agent_that_sees_again_has_its_vote_again() {
    for (name, settings, go_blind) in blindings() {
        let mut world = world(&settings);
        world.net.unseen.insert((0, ip(1)));
        world.run_for(ms(10_000));
        go_blind(&mut world);
        world.run_for(ms(60_000));
        world.net.faulty.clear();
        world.net.unseen.clear();
        world.net.dead.insert(ip(1));
        world.run_for(ms(20_000));
        assert_eq!(world.health(0, 1), Some(Health::Down), "{name}");
        assert_eq!((world.in_zone(), world.zone.writes.len()), (vec![2], 1), "{name}");
        assert_eq!(world.broken, [""; 0], "{name}");
    }
}

#[test]
fn a_vote_that_was_taken_back_takes_a_pending_withdrawal_back() {
    let mut world = world(&settings(&[1, 2]));
    world.net.provider_down = true;
    world.net.unseen.extend([(0, ip(1)), (1, ip(1))]);
    world.run_for(ms(20_000));
    assert!(world.desired(1, ip(1)).is_some(), "agent 1 tries");
    world.net.faulty.insert((0, ip(1)));
    world.run_for(ms(15_000));
    assert_eq!(world.desired(1, ip(1)), None, "nobody agrees any more");
    world.net.provider_down = false;
    world.run_for(ms(120_000));
    assert_eq!(world.in_zone(), [1, 2], "{:?}", world.writes());
}
