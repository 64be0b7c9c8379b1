//! Standbys in a cluster: they need the same votes as withdrawals, and agents with different views never leave
//! a set empty.

use std::collections::BTreeMap;
use std::time::Duration;

use super::random::seeds;
use super::world::World;
use super::zone::Kind;
use crate::engine::event::Reason;
use crate::engine::settings::Settings;
use crate::engine::tests::world::{ip, last, ms, settings, with_floor};

const KINDS: [Kind; 2] = [Kind::ByRecord, Kind::WholeSet];

/// Returns settings with these primaries, the standby 9, and a floor of 1.
fn with_standby(primaries: &[u8], below: usize) -> Settings {
    let mut settings = with_floor(1, settings(&[primaries, &[9]].concat()));
    let its = settings.default_service_mut();
    its.standby.tiers = BTreeMap::from([(ip(9), 1)]);
    its.standby.below = below;
    settings
}

/// Returns agents with the primary 1 and the standby 9, after the start.
fn world(agents: usize, needed: usize, kind: Kind) -> World {
    let mut world = World::new(agents, needed, &with_standby(&[1], 1), kind, 7);
    world.run_until(ms(60_000));
    assert_eq!(world.in_zone(), [1], "the standby was published, and is not needed");
    world.zone.writes.clear();
    world
}

/// Runs for a while, and returns the times at which the set is empty.
fn watch(world: &mut World, time: Duration) -> Vec<Duration> {
    let end = world.now + time;
    let mut empty = vec![];
    while world.now < end {
        world.run_for(ms(5));
        if world.zone.len() == 0 {
            empty.push(world.now);
        }
    }
    empty
}

#[test]
fn the_agent_that_withdraws_puts_the_standby_in_and_the_one_that_restores_takes_it_out() {
    for kind in KINDS {
        let mut world = world(3, 1, kind);
        world.net.dead.insert(ip(1));
        assert!(watch(&mut world, ms(30_000)).is_empty());
        world.net.dead.clear();
        assert!(watch(&mut world, ms(30_000)).is_empty());
        let writes = &world.zone.writes;
        let changes: Vec<_> =
            writes.iter().map(|write| (last(&write.address), write.came)).collect();
        assert_eq!(changes, [(1, false), (9, true), (9, false), (1, true)], "{kind:?}");
        assert_eq!((writes[0].by, writes[2].by), (writes[1].by, writes[3].by), "by one agent each");
        assert_eq!(
            (writes[0].at, writes[2].at),
            (writes[1].at, writes[3].at),
            "in one change each"
        );
    }
}

#[test]
fn a_standby_that_too_few_agents_see_stays_out() {
    let mut world = world(3, 1, Kind::ByRecord);
    world.net.unseen.extend([(1, ip(9)), (2, ip(9))]);
    world.net.dead.insert(ip(1));
    world.run_for(ms(60_000));
    let reasons: Vec<_> = (0..3).map(|agent| world.reason(agent, 9)).collect();
    let (alone, blind) = (Some(Reason::NoQuorum), Some(Reason::Standby));
    assert_eq!((world.in_zone(), reasons), (vec![1], vec![alone, blind, blind]));
    world.net.unseen.remove(&(1, ip(9)));
    world.run_for(ms(60_000));
    assert_eq!(world.in_zone(), [9], "two agents see it");
}

#[test]
fn an_agent_that_is_cut_off_puts_no_standby_in() {
    let mut world = world(3, 1, Kind::ByRecord);
    world.cut_both(0, 1);
    world.cut_both(0, 2);
    world.net.unseen.insert((0, ip(1)));
    world.run_for(ms(120_000));
    assert_eq!((world.in_zone(), world.zone.writes.len()), (vec![1], 0));
    world.net.cut.clear();
    world.net.unseen.clear();
    world.look_around();
    world.run_for(ms(60_000));
    assert_eq!((world.in_zone(), world.zone.writes.len()), (vec![1], 0));
}

#[test]
fn halves_that_contest_a_primary_change_nothing_about_its_standby() {
    let mut world = world(4, 1, Kind::ByRecord);
    world.net.unseen.extend([(0, ip(1)), (1, ip(1))]);
    world.run_for(ms(120_000));
    assert_eq!(world.zone.writes.len(), 0, "{:?}", world.writes());
    world.net.unseen.clear();
    world.run_for(ms(60_000));
    assert_eq!((world.in_zone(), world.zone.writes.len()), (vec![1], 0));
}

/// The configuration that is warned about: both halves have their quorum.
#[test]
fn halves_that_act_apart_leave_one_of_both_tiers_in_and_agree_once_healed() {
    for kind in KINDS {
        for restarted in [None, Some(0), Some(3)] {
            let mut world = world(4, 1, kind);
            for (one, other) in [(0, 2), (0, 3), (1, 2), (1, 3)] {
                world.cut_both(one, other);
            }
            world.net.unseen.extend([(0, ip(1)), (1, ip(1))]);
            let mut empty = watch(&mut world, ms(60_000));
            assert!(world.zone.holds(ip(9)), "{:?}", world.writes());
            if let Some(agent) = restarted {
                world.kill(agent);
                world.start(agent);
                empty.extend(watch(&mut world, ms(60_000)));
            }
            world.net.cut.clear();
            world.look_around();
            empty.extend(watch(&mut world, ms(60_000)));
            world.net.unseen.clear();
            empty.extend(watch(&mut world, ms(60_000)));
            assert!(empty.is_empty(), "{kind:?} {restarted:?}: {:?}", world.writes());
            assert_eq!(world.in_zone(), [1], "{kind:?} {restarted:?}: {:?}", world.writes());
        }
    }
}

#[test]
fn the_others_take_a_standby_out_that_a_dead_agent_put_in() {
    for kind in KINDS {
        let mut world = world(3, 1, kind);
        let first = world.ranked(ip(1))[0];
        world.net.dead.insert(ip(1));
        world.run_for(ms(20_000));
        assert_eq!(world.in_zone(), [9]);
        world.kill(first);
        world.run_for(ms(20_000));
        world.net.dead.clear();
        world.run_for(ms(60_000));
        assert_eq!(world.in_zone(), [1], "{kind:?}");
        world.start(first);
        world.run_for(ms(60_000));
        assert_eq!(world.in_zone(), [1], "{kind:?}");
    }
}

#[test]
fn agents_that_are_restarted_while_a_standby_is_in_heal_the_set() {
    for lives in [false, true] {
        let mut world = world(3, 1, Kind::WholeSet);
        world.net.dead.insert(ip(1));
        world.run_for(ms(20_000));
        (0..3).for_each(|agent| world.kill(agent));
        if lives {
            world.net.dead.clear();
        }
        world.run_for(ms(10_000));
        (0..3).for_each(|agent| world.start(agent));
        assert!(watch(&mut world, ms(60_000)).is_empty());
        assert_eq!(world.in_zone(), [if lives { 1 } else { 9 }]);
    }
}

#[test]
fn the_next_agent_fails_over_whole_if_the_first_cannot_reach_the_provider() {
    let mut world = world(3, 1, Kind::ByRecord);
    let ranked = world.ranked(ip(1));
    world.net.barred.insert(ranked[0]);
    world.net.dead.insert(ip(1));
    assert!(watch(&mut world, ms(30_000)).is_empty());
    assert_eq!(world.writes(), [format!("{}-1", ranked[1]), format!("{}+9", ranked[1])]);
}

/// Returns agents with the primaries 1 and 2 and the last resort 9, after the start.
fn world_with_last_resort(agents: usize, needed: usize, kind: Kind) -> World {
    let mut settings = with_standby(&[1, 2], 1);
    settings.default_service_mut().standby.last_resort = Some(1);
    let mut world = World::new(agents, needed, &settings, kind, 7);
    world.run_until(ms(60_000));
    assert_eq!(world.in_zone(), [1, 2], "the last resort was published, and is not needed");
    world.zone.writes.clear();
    world
}

#[test]
fn a_last_resort_goes_in_once_enough_agents_see_all_others_down() {
    for kind in KINDS {
        let mut world = world_with_last_resort(3, 1, kind);
        world.net.dead.insert(ip(1));
        world.net.unseen.insert((0, ip(2)));
        assert!(watch(&mut world, ms(60_000)).is_empty());
        assert_eq!(world.in_zone(), [2], "one agent alone sees all of them down");
        world.net.unseen.insert((1, ip(2)));
        assert!(watch(&mut world, ms(60_000)).is_empty());
        assert_eq!(world.in_zone(), [9], "{kind:?}: {:?}", world.writes());
        (0..3).for_each(|agent| world.kill(agent));
        (0..3).for_each(|agent| world.start(agent));
        assert!(watch(&mut world, ms(60_000)).is_empty());
        assert_eq!(world.in_zone(), [9], "{kind:?}: {:?}", world.writes());
        world.net.unseen.clear();
        assert!(watch(&mut world, ms(60_000)).is_empty());
        assert_eq!(world.in_zone(), [2], "{kind:?}: {:?}", world.writes());
        world.net.dead.clear();
        world.run_for(ms(60_000));
        assert_eq!(world.in_zone(), [1, 2], "{kind:?}: {:?}", world.writes());
    }
}

#[test]
fn an_agent_that_is_cut_off_resorts_to_nothing() {
    let mut world = world_with_last_resort(3, 1, Kind::ByRecord);
    world.cut_both(0, 1);
    world.cut_both(0, 2);
    world.net.unseen.extend([(0, ip(1)), (0, ip(2))]);
    world.run_for(ms(120_000));
    assert_eq!((world.in_zone(), world.zone.writes.len()), (vec![1, 2], 0));
}

/// The number of random schedules of each kind. `GOAVAIL_SCHEDULES` plays a twentieth of that number,
/// and `GOAVAIL_SEED` one of them with its story.
const SEEDS: u64 = 8;

/// Changes something by chance.
fn stir(world: &mut World) {
    match world.chance.below(9) {
        8 => world.net.lost_answers = world.chance.pick(&[0, 30]),
        kind => world.stir(kind, &[1, 2, 9]),
    }
}

#[test]
pub(in crate::engine::tests) fn by_chance_the_set_is_never_left_empty_and_ends_up_right() {
    for seed in seeds(SEEDS) {
        for (kind, needed) in [(Kind::WholeSet, 1), (Kind::ByRecord, 1), (Kind::ByRecord, 0)] {
            let mut world = World::new(3, needed, &with_standby(&[1, 2], 1), kind, seed);
            let empty = world.play_by_chance(12, stir, watch);
            let label = format!("seed {seed} {kind:?} {needed}: {:?}", world.writes());
            assert_eq!(world.in_zone(), [1, 2], "{label}");
            assert!(kind == Kind::ByRecord || empty.is_empty(), "{label}");
            assert!(empty.len() < 200, "empty for a second: {label}");
            assert!(world.broken.is_empty(), "{label}: {:#?}", world.broken);
        }
    }
}
