//! The canaries: an agent that cannot trust its own network withdraws nothing.

use super::world::*;
use crate::engine::event::{DrainCommand, DrainStep, Event, Reason};
use crate::engine::ids::{ServiceId, Ticket};
use crate::engine::types::{Answer, Health};

fn everything_goes_silent(world: &mut World) {
    for last in [1, 2, 3] {
        world.dies(last);
    }
    world.set(canary(), Behaviour::Silent);
}

fn everything_answers(world: &mut World) {
    for last in [1, 2, 3] {
        world.lives(last);
    }
    world.set(canary(), Behaviour::Answers(ms(5)));
}

#[test]
fn an_agent_with_a_failed_network_withdraws_nothing_and_reports_that_once() {
    let mut world = World::new(guarded(&[1, 2, 3]));
    world.run_until(ms(6000));
    everything_goes_silent(&mut world);
    world.run_until(ms(60_000));
    assert!(world.writes().is_empty());
    assert_eq!(world.times("isolated"), 1);
    assert_eq!(world.view(1).reason, Some(Reason::Isolated));
    assert_eq!(world.view(1).health, Health::Up, "that run was no evidence");
    everything_answers(&mut world);
    world.run_until(ms(70_000));
    assert!(world.writes().is_empty());
    assert_eq!(world.view(1).reason, None);
    assert_eq!(world.times("isolation over"), 1);
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
    world.set(canary(), Behaviour::Fault("no route"));
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
    assert!(last.desired.is_empty(), "the order was called back: {last:?}");
}

fn nobody_can_be_asked(world: &mut World) {
    for address in [ip(1), ip(2), ip(3), canary()] {
        world.set(address, Behaviour::Fault("network is down"));
    }
}

/// A probe sent while the interface is down is a fault, which moves no target's counter.
#[test]
fn an_agent_that_can_ask_nobody_is_isolated_with_and_without_canaries() {
    for settings in [guarded(&[1, 2, 3]), settings(&[1, 2, 3])] {
        let mut world = World::new(settings);
        world.run_until(ms(6000));
        nobody_can_be_asked(&mut world);
        world.run_until(ms(10_000));
        assert!(world.engine.canaries.is_isolated(), "{:?}", world.story());
        world.run_until(ms(200_000));
        assert!(world.writes().is_empty());
        everything_answers(&mut world);
        world.run_until(ms(203_000));
        assert!(!world.engine.canaries.is_isolated());
        assert_eq!(
            (world.times("isolated"), world.times("isolation over")),
            (1, 1),
            "{:?}",
            world.story()
        );
    }
}

#[test]
fn canaries_that_are_all_missed_are_isolation_though_no_target_is_suspect() {
    let mut world = World::new(guarded(&[1, 2]));
    world.run_until(ms(6000));
    world.set(canary(), Behaviour::Silent);
    world.run_until(ms(10_000));
    assert!(world.engine.canaries.is_isolated());
    assert_eq!((world.view(1).health, world.view(1).reason), (Health::Up, None));
    world.dies(1);
    world.run_until(ms(30_000));
    assert!(world.writes().is_empty());
}

/// The operator has put it back by hand; this agent's evidence is minutes old.
#[test]
fn while_nobody_can_be_asked_a_resync_withdraws_nothing() {
    for canaries in [guarded(&[1, 2]), settings(&[1, 2])] {
        let mut world = World::new(resyncing(ms(15_000), canaries));
        world.run_until(ms(6000));
        world.dies(1);
        world.run_until(ms(12_000));
        assert_eq!(world.in_zone(), [2]);
        nobody_can_be_asked(&mut world);
        world.run_until(ms(16_000));
        world.zone.sets.values_mut().for_each(|set| _ = set.insert(ip(1)));
        world.run_until(ms(300_000));
        assert_eq!(world.in_zone(), [1, 2], "{:?}", world.writes());
    }
}

/// Only one target cannot be probed, so the agent is not isolated.
#[test]
fn on_evidence_that_has_aged_nothing_is_withdrawn_by_a_resync_or_a_pending_order() {
    let mut world = World::new(resyncing(ms(15_000), settings(&[1, 2])));
    world.run_until(ms(6000));
    world.dies(1);
    world.run_until(ms(12_000));
    world.set(ip(1), Behaviour::Fault("no route"));
    world.run_until(ms(23_000));
    world.zone.sets.values_mut().for_each(|set| _ = set.insert(ip(1)));
    world.run_until(ms(120_000));
    assert_eq!(world.in_zone(), [1, 2], "a resync");

    let mut world = World::new(settings(&[1, 2]));
    world.run_until(ms(6000));
    world.worker_is_slow = true;
    world.dies(1);
    world.run_until(ms(12_000));
    assert!(world.orders.last().unwrap().1.desired.contains_key(&ip(1)), "it waits");
    world.set(ip(1), Behaviour::Fault("no route"));
    world.run_until(ms(25_000));
    world.run_order();
    world.run_until(ms(60_000));
    assert_eq!(world.in_zone(), [1, 2], "a pending order: {:?}", world.writes());
    world.worker_is_slow = false;
    world.dies(1);
    world.run_until(ms(70_000));
    assert_eq!(world.in_zone(), [2], "it is seen again");
}

#[test]
fn a_target_that_cannot_be_asked_is_unknown_after_a_while_and_its_verdict_stands() {
    let mut world = World::new(settings(&[1, 2]));
    world.run_until(ms(6000));
    world.set(ip(1), Behaviour::Fault("no route"));
    world.run_until(ms(14_900));
    assert!(!world.view(1).unknown, "what was seen last is still evidence");
    world.run_until(ms(17_000));
    assert!(world.view(1).unknown && world.view(1).in_service && !world.view(2).unknown);
    world.run_until(ms(300_000));
    assert_eq!((world.in_zone(), world.writes().len()), (vec![1, 2], 0));
    world.lives(1);
    world.run_until(ms(310_000));
    assert!(!world.view(1).unknown);
    let lost = world.when("unseen 1");
    assert_eq!(
        world.when("still unseen 1"),
        lost + ms(60_000),
        "people are notified after a minute"
    );
    assert_eq!(
        (world.times("unseen 1"), world.times("still unseen 1"), world.times("seen 1")),
        (1, 1, 1)
    );
    assert_eq!(world.times("isolated"), 0, "the other one can be asked");
}

#[test]
fn a_target_that_was_never_asked_is_unknown_and_nobody_assumes_it_up() {
    let mut world = World::new(settings(&[1, 2]));
    world.set(ip(1), Behaviour::Fault("no route"));
    world.run_until(ms(11_000));
    assert!(world.view(1).unknown);
}

#[test]
fn a_target_given_back_by_hand_waits_for_evidence() {
    let mut world = World::new(settings(&[1, 2]));
    world.run_until(ms(6000));
    let (target, ticket) = (ip(1), Ticket::from(1));
    world.send(Event::Drain(DrainCommand {
        ticket,
        service: ServiceId::DEFAULT,
        target,
        lasts: None,
        reason: None,
        force: true,
        step: DrainStep::Both,
    }));
    world.set(ip(1), Behaviour::Fault("no route"));
    world.run_until(ms(60_000));
    assert_eq!(world.in_zone(), [2], "the operator's word needs no evidence");
    world.send(Event::Undrain { ticket, service: ServiceId::DEFAULT, target });
    world.run_until(ms(120_000));
    assert_eq!(world.in_zone(), [2], "nobody knows whether it lives");
    world.lives(1);
    world.run_until(ms(130_000));
    assert_eq!(world.in_zone(), [1, 2]);
}

/// The kernel reports some faults seconds late. Probes from before end in silence when it has.
#[test]
fn isolation_by_faults_is_not_over_by_the_silence_of_earlier_probes() {
    let mut world = World::new(settings(&[1]));
    world.run_until(ms(9900));
    world.dies(1);
    world.run_until(ms(10_450));
    let last: Vec<_> = world.probes.iter().rev().take(3).map(|(_, probe)| probe.id).collect();
    for probe in last.into_iter().rev() {
        let answer = Answer::Fault("no gateway".into());
        world.send(Event::Answered { probe, answer });
    }
    assert!(world.story().contains(&"isolated".to_owned()), "{:?}", world.story());
    // The first probe sent since, at 10.5 s, is given up a second later.
    world.run_until(ms(11_450));
    assert!(!world.story().contains(&"isolation over".to_owned()), "{:?}", world.story());
    world.run_until(ms(12_000));
    assert!(world.story().contains(&"isolation over".to_owned()), "{:?}", world.story());
}
