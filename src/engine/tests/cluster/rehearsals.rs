//! Rehearsals in a cluster: one agent ignores the replies of a target, and the others do not know of it.

use super::world::World;
use super::zone::Kind;
use crate::engine::event::{Fact, Reason, RehearsalStage};
use crate::engine::moment::Moment;
use crate::engine::tests::world::{ip, ms, settings, target_ref};

/// Returns two agents that act together. The first one rehearses the death of target 1.
fn rehearsing() -> World {
    let mut world = World::new(2, 1, &settings(&[1, 2]), Kind::ByRecord, 3);
    let engine = world.agents[0].engine.take().unwrap();
    let begin = Moment::after_start(ms(40_000));
    world.agents[0].engine = Some(engine.rehearsing(&[target_ref(ip(1))].into(), begin));
    world.settle_down();
    world
}

fn is_over(world: &World) -> bool {
    let facts = world.agents[0].facts.iter();
    let mut stages = facts.filter_map(|(_, fact)| match fact {
        Fact::Rehearsal { stage, .. } => Some(*stage),
        _ => None,
    });
    stages.any(|stage| stage == RehearsalStage::Over)
}

#[test]
fn a_rehearsal_is_not_over_while_the_others_keep_the_target_out_of_dns() {
    let mut world = rehearsing();
    world.net.unseen.insert((1, ip(1)));
    world.run_until(ms(80_000));
    assert_eq!((world.in_zone(), world.reason(0, 1)), (vec![2], Some(Reason::NoQuorum)));
    assert!(!is_over(&world), "it is up for this agent alone");
    world.net.unseen.clear();
    world.run_for(ms(60_000));
    assert_eq!((world.in_zone(), is_over(&world)), (vec![1, 2], true));
}

#[test]
fn a_rehearsal_that_the_others_do_not_follow_is_over_once_the_target_answers() {
    let mut world = rehearsing();
    world.run_until(ms(80_000));
    assert_eq!((world.in_zone(), world.zone.writes.len()), (vec![1, 2], 0));
    assert!(is_over(&world));
}
