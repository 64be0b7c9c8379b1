//! The floor, with several agents that withdraw at once.

use std::sync::Arc;

use super::world::World;
use super::zone::Kind;
use crate::engine::tests::world::{ip, ms, settings, with_floor};

#[test]
fn the_floor_holds_when_two_agents_withdraw_the_last_two_at_once() {
    let mut emptied = 0;
    for (seed, kind) in (0..40).flat_map(|seed| [(seed, Kind::ByRecord), (seed, Kind::WholeSet)]) {
        let alike = with_floor(1, settings(&[1, 2]));
        let mut world = World::new(2, 0, &alike, kind, seed);
        // Each sees one of them dead, at the same moment, and neither receives the other's votes.
        let mut other_way_round = world.agents[1].settings.clone();
        Arc::make_mut(&mut other_way_round.default_service_mut().targets).reverse();
        world.kill(1);
        world.reload(1, other_way_round);
        world.start(1);
        world.settle_down();
        world.cut_both(0, 1);
        world.net.unseen.extend([(0, ip(1)), (1, ip(2))]);
        world.run_for(ms(1_000));
        for _ in 0..500 {
            world.run_for(ms(5));
            emptied += usize::from(world.zone.len() == 0);
        }
        world.run_for(ms(180_000));
        assert!(world.zone.len() > 0, "seed {seed} {kind:?}: {:?}", world.writes());
        world.net.unseen.clear();
        world.run_for(ms(60_000));
        assert_eq!(world.in_zone(), [1, 2], "seed {seed} {kind:?}: {:?}", world.writes());
    }
    assert!(emptied > 0, "it was never tried: no two writes met");
}

#[test]
fn of_two_dead_ones_the_floor_keeps_the_same_one_at_every_agent() {
    for kind in [Kind::ByRecord, Kind::WholeSet] {
        let alike = with_floor(1, settings(&[1, 2]));
        let mut world = World::new(3, 1, &alike, kind, 10);
        world.settle_down();
        world.net.dead.extend([ip(1), ip(2)]);
        world.run_for(ms(180_000));
        assert_eq!(world.zone.len(), 1, "{kind:?}: {:?}", world.writes());
        let kept = world.in_zone()[0];
        world.net.dead.remove(&ip(3 - kept));
        world.run_for(ms(60_000));
        assert_eq!(world.in_zone(), [3 - kept], "{kind:?}: the dead one goes once it can");
    }
}

/// Each flip elsewhere is one more report that the floor holds an address; it must not cause one
/// more listing every few seconds, forever.
#[test]
fn the_floor_is_checked_no_more_often_after_many_flips() {
    use crate::engine::tests::world::World;
    let mut world = World::new(with_floor(3, settings(&[1, 2, 3])));
    world.run_until(ms(6_000));
    world.dies(1);
    for _ in 0..20 {
        world.dies(2);
        world.run_for(ms(10_000));
        world.lives(2);
        world.run_for(ms(10_000));
    }
    let before = world.orders.len();
    world.run_for(ms(60_000));
    let asked = world.orders.len() - before;
    assert!((3..=5).contains(&asked), "{asked} orders in a quiet minute");
}
