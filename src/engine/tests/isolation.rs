//! The canaries: an agent that cannot trust its own network withdraws nothing.

use super::world::*;
use crate::engine::event::Reason;
use crate::engine::target::Health;

fn everything_goes_silent(world: &mut World) {
    for last in [1, 2, 3] {
        world.dies(last);
    }
    world.set(canary(), Way::Silent);
}

fn everything_answers(world: &mut World) {
    for last in [1, 2, 3] {
        world.lives(last);
    }
    world.set(canary(), Way::Answers(ms(5)));
}

#[test]
fn an_agent_whose_own_network_fails_withdraws_nothing_and_says_so_once() {
    let mut world = World::new(guarded(&[1, 2, 3]));
    world.run_until(ms(6000));
    everything_goes_silent(&mut world);
    world.run_until(ms(60_000));
    assert!(world.writes().is_empty());
    assert_eq!(world.story().iter().filter(|line| *line == "isolated").count(), 1);
    assert_eq!(world.view(1).reason, Some(Reason::Isolated));
    assert_eq!(world.view(1).health, Health::Up, "that run was no evidence");
    everything_answers(&mut world);
    world.run_until(ms(70_000));
    assert!(world.writes().is_empty());
    assert_eq!(world.view(1).reason, None);
    assert_eq!(world.story().iter().filter(|line| *line == "isolation over").count(), 1);
}

#[test]
fn a_target_that_is_dead_when_isolation_ends_needs_a_whole_new_run() {
    let mut world = World::new(guarded(&[1, 2, 3]));
    world.run_until(ms(6000));
    everything_goes_silent(&mut world);
    world.run_until(ms(30_000));
    everything_answers(&mut world);
    world.dies(2);
    world.run_until(ms(40_000));
    let over = world.when("isolation over");
    let down = world.when("2 Down");
    assert!(down >= over + ms(2 * 200 + 500), "{down:?} after {over:?}");
    assert_eq!(world.in_zone(), [1, 3]);
}

#[test]
fn a_dead_target_is_withdrawn_while_the_canary_answers() {
    let mut world = World::new(guarded(&[1, 2]));
    world.run_until(ms(6000));
    world.dies(1);
    world.run_until(ms(9000));
    assert_eq!(world.in_zone(), [2]);
    assert!(!world.story().contains(&"isolated".into()));
}

#[test]
fn the_canary_does_not_slow_a_withdrawal_down() {
    for phase in (0..1000).step_by(50) {
        let mut world = World::new(guarded(&[1, 2]));
        let death = ms(6000 + phase);
        world.run_until(death);
        world.dies(1);
        world.run_for(ms(5000));
        let after = world.when("1 Down").saturating_sub(death);
        assert!(after <= ms(1000 + 2 * 200 + 500), "phase {phase}: {after:?}");
    }
}

#[test]
fn canaries_quicken_with_a_suspect() {
    let mut world = World::new(guarded(&[1]));
    world.run_until(ms(6400));
    let calm = world.sent(canary()).len();
    world.dies(1);
    world.run_until(ms(7950));
    let quick = world.sent(canary()).len() - calm;
    assert!(quick >= 5, "{quick} in a second and a half");
    assert!((7..=9).contains(&calm), "{calm} in six seconds, two of them rehearsed");
}

#[test]
fn a_canary_that_this_machine_cannot_ask_proves_nothing() {
    let mut world = World::new(guarded(&[1, 2, 3]));
    world.run_until(ms(6000));
    world.dies(1);
    world.set(canary(), Way::Fault("no route"));
    world.run_until(ms(20_000));
    assert!(world.writes().is_empty());
    assert_eq!(world.view(1).reason, Some(Reason::Isolated));
}

#[test]
fn withdrawals_that_wait_are_stopped_by_isolation() {
    let mut world = World::new(guarded(&[1, 2, 3]));
    world.run_until(ms(6000));
    world.zone_works = false;
    world.dies(1);
    world.run_until(ms(12_000));
    assert_eq!(world.view(1).health, Health::Down);
    everything_goes_silent(&mut world);
    world.run_until(ms(20_000));
    let (_, last) = world.orders.last().unwrap();
    assert!(last.wishes.is_empty(), "the order was called back: {last:?}");
}
