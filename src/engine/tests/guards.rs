//! The floor and the operator's commands.

use std::collections::BTreeMap;

use super::world::*;
use crate::engine::event::{Drain, DrainCommand, DrainStep, Event, Fact, Reason};
use crate::engine::ids::{ServiceId, TargetRef};
use crate::engine::moment::Moment;
use crate::engine::settings::Settings;

fn drain(ticket: u64, target: u8) -> DrainCommand {
    DrainCommand {
        ticket: ticket.into(),
        target: ip(target),
        service: ServiceId::DEFAULT,
        lasts: None,
        reason: None,
        force: false,
        step: DrainStep::Both,
    }
}

#[test]
fn a_removed_service_answers_its_waiting_commands_and_its_drains_are_remembered() {
    let mut settings = with_floor(1, settings(&[1, 2, 3]));
    let service = ServiceId::from(1);
    let mut second = settings.default_service().clone();
    (second.targets, second.names) = ([ip(2), ip(3), ip(4)].into(), vec!["api.example.com".into()]);
    settings.default_service_mut().targets = [ip(1)].into();
    settings.services.insert(service, second);
    let mut world = World::new(settings.clone());
    world.worker_is_slow = true;
    world.run_until(ms(6000));
    world.send(Event::Drain(DrainCommand { service, force: true, ..drain(1, 3) }));
    world.send(Event::Drain(DrainCommand { service, force: true, ..drain(2, 4) }));
    world.send(Event::Drain(DrainCommand { service, ..drain(3, 2) }));
    // The drain of an address that is no longer watched is parked.
    settings.services.get_mut(&service).unwrap().targets = [ip(2), ip(3)].into();
    world.send(Event::Reloaded(Box::new(settings.clone())));
    assert_eq!(world.answers.len(), 2, "one waits: {:?}", world.answers);
    let removed = settings.services.remove(&service).unwrap();
    world.send(Event::Reloaded(Box::new(settings.clone())));
    assert_eq!(world.answers[2], (3.into(), "Err(NotATarget)".to_owned()));
    assert!(!world.facts.iter().any(|(_, fact)| matches!(fact, Fact::Undrained { .. })));
    assert_eq!(world.engine.drains()[&service].len(), 2, "and stays stored");
    settings.services.insert(service, removed);
    world.send(Event::Reloaded(Box::new(settings)));
    let drained = world.engine.target_view(TargetRef { service, address: ip(3) }).unwrap().drain;
    assert!(drained.is_some(), "and is in force again when the service is back");
}

#[test]
fn the_floor_keeps_the_last_address_until_another_is_back() {
    let mut world = World::new(with_floor(1, settings(&[1, 2])));
    world.run_until(ms(6000));
    world.dies(1);
    world.dies(2);
    world.run_until(ms(30_000));
    assert_eq!(world.in_zone().len(), 1, "{:?}", world.writes());
    let kept = world.in_zone()[0];
    assert_eq!(world.view(kept).reason, Some(Reason::Floor));
    let refusals = world.story().iter().filter(|line| line.ends_with(" floor")).count();
    assert_eq!(
        refusals,
        1 + usize::from(world.story().contains(&format!("{kept} no longer floor")))
    );
    let other = 3 - kept;
    world.lives(other);
    world.run_until(ms(60_000));
    assert_eq!(world.in_zone(), [other]);
    assert_eq!(world.view(kept).reason, None);
}

#[test]
fn a_held_back_address_goes_as_soon_as_a_foreign_record_makes_room() {
    let mut world = World::new(with_floor(1, settings(&[1])));
    world.run_until(ms(6000));
    world.dies(1);
    world.run_until(ms(20_000));
    assert_eq!(world.in_zone(), [1]);
    world.zone.sets.values_mut().for_each(|there| {
        there.insert(ip(99));
    });
    world.run_until(ms(60_000));
    assert_eq!(world.in_zone(), [99]);
}

#[test]
fn a_drained_target_is_out_at_any_health_and_comes_back_when_given_back() {
    let mut world = World::new(settings(&[1, 2]));
    world.run_until(ms(6000));
    world.send(Event::Drain(drain(7, 1)));
    world.run_until(ms(7000));
    assert_eq!(world.answers, [(7.into(), "Ok(())".into())]);
    assert_eq!(world.in_zone(), [2]);
    assert_eq!(world.view(1).reason, Some(Reason::Drained));
    world.run_until(ms(60_000));
    assert_eq!(world.in_zone(), [2], "its good health does not bring it back");
    world.send(Event::Undrain { ticket: 8.into(), service: ServiceId::DEFAULT, target: ip(1) });
    world.run_until(ms(61_000));
    assert_eq!(world.in_zone(), [1, 2]);
    assert_eq!(world.view(1).reason, None);
}

#[test]
fn a_dead_target_that_is_given_back_stays_out_until_it_answers() {
    let mut world = World::new(settings(&[1, 2]));
    world.run_until(ms(6000));
    world.send(Event::Drain(drain(7, 1)));
    world.dies(1);
    world.run_until(ms(20_000));
    world.send(Event::Undrain { ticket: 8.into(), service: ServiceId::DEFAULT, target: ip(1) });
    world.run_until(ms(30_000));
    assert_eq!(world.in_zone(), [2]);
    world.lives(1);
    world.run_until(ms(40_000));
    assert_eq!(world.in_zone(), [1, 2]);
}

#[test]
fn a_drain_asks_the_floor_once_and_force_overrides_it() {
    let mut world = World::new(with_floor(2, settings(&[1, 2])));
    world.run_until(ms(6000));
    world.send(Event::Drain(drain(7, 1)));
    world.run_until(ms(7000));
    assert_eq!(world.answers, [(7.into(), "Err(Floor([\"www.example.com\"]))".into())]);
    assert_eq!(world.in_zone(), [1, 2]);
    world.send(Event::Drain(DrainCommand { force: true, ..drain(8, 1) }));
    world.run_until(ms(8000));
    assert_eq!(world.in_zone(), [2]);
}

#[test]
fn a_drain_is_refused_if_the_floor_cannot_be_checked() {
    let mut world = World::new(with_floor(1, settings(&[1, 2])));
    world.run_until(ms(6000));
    world.zone_works = false;
    world.send(Event::Drain(drain(7, 1)));
    world.run_until(ms(7000));
    assert_eq!(world.answers, [(7.into(), "Err(ZoneUnknown(\"no connection\"))".into())]);
}

/// Both are answered after one listing of the zone; the second must see the first.
#[test]
fn two_drains_at_once_do_not_empty_a_name_together() {
    let mut world = World::new(with_floor(1, settings(&[1, 2])));
    world.run_until(ms(6000));
    world.send(Event::Drain(drain(7, 1)));
    world.send(Event::Drain(drain(8, 2)));
    world.run_until(ms(9000));
    let refused = "Err(Floor([\"www.example.com\"]))";
    assert_eq!(world.answers, [(7.into(), "Ok(())".into()), (8.into(), refused.into())]);
    assert_eq!(world.in_zone(), [2]);
}

/// The reload stops the worker that was listing the zone.
#[test]
fn a_drain_that_waits_for_the_floor_is_answered_after_a_reload() {
    let mut world = World::new(with_floor(1, settings(&[1, 2, 3])));
    world.run_until(ms(6000));
    world.worker_is_slow = true;
    for (ticket, target) in [(7, 1), (8, 3)] {
        world.send(Event::Drain(drain(ticket, target)));
    }
    world.worker_is_slow = false;
    world.send(Event::Reloaded(Box::new(with_floor(1, settings(&[1, 2])))));
    world.run_until(ms(7000));
    world.answers.sort();
    assert_eq!(world.answers, [(7.into(), "Ok(())".into()), (8.into(), "Err(NotATarget)".into())]);
    assert_eq!(world.in_zone(), [2, 3], "the record of what is no longer watched stays");
}

#[test]
fn a_drain_outlasts_a_time_in_which_its_target_was_not_watched() {
    let mut world = World::new(settings(&[1, 2]));
    world.run_until(ms(6000));
    world.send(Event::Drain(drain(7, 1)));
    world.send(Event::Drain(DrainCommand { lasts: Some(ms(1_000)), ..drain(8, 2) }));
    world.run_until(ms(6500));
    world.send(Event::Reloaded(Box::new(settings(&[3]))));
    assert_eq!(
        world.engine.drains()[&ServiceId::DEFAULT].len(),
        2,
        "they are still to be remembered"
    );
    world.run_until(ms(20_000));
    world.send(Event::Reloaded(Box::new(settings(&[1, 2, 3]))));
    world.run_until(ms(40_000));
    assert!(world.view(1).drain.is_some());
    assert_eq!(world.view(2).drain, None, "that one has ended meanwhile");
    assert_eq!(world.in_zone(), [2, 3]);

    world.send(Event::Reloaded(Box::new(settings(&[2, 3]))));
    world.send(Event::Undrain { ticket: 9.into(), service: ServiceId::DEFAULT, target: ip(1) });
    world.send(Event::Reloaded(Box::new(settings(&[1, 2, 3]))));
    world.run_until(ms(60_000));
    assert_eq!(world.in_zone(), [1, 2, 3]);
    assert_eq!(world.answers.last(), Some(&(9.into(), "Ok(())".into())));
}

#[test]
fn orders_about_strangers_are_answered() {
    let mut world = World::new(settings(&[1]));
    world.send(Event::Drain(drain(7, 99)));
    world.send(Event::Undrain { ticket: 8.into(), service: ServiceId::DEFAULT, target: ip(99) });
    world.send(Event::Undrain { ticket: 9.into(), service: ServiceId::DEFAULT, target: ip(1) });
    let answers: Vec<_> = world.answers.iter().map(|(_, answer)| answer.as_str()).collect();
    assert_eq!(answers, ["Err(NotATarget)", "Err(NotATarget)", "Err(NotDrained)"]);
}

#[test]
fn a_drain_ends_by_itself() {
    let mut world = World::new(settings(&[1, 2]));
    world.run_until(ms(6000));
    world.send(Event::Drain(DrainCommand { lasts: Some(ms(10_000)), ..drain(7, 1) }));
    world.run_until(ms(15_900));
    assert_eq!(world.in_zone(), [2]);
    world.run_until(ms(17_000));
    assert_eq!(world.in_zone(), [1, 2]);
    assert_eq!(world.when("1 drain expired"), ms(16_000));
}

/// The wall clock was set, and with it the end of a drain that an earlier process left.
#[test]
fn a_drain_ends_when_it_is_moved_to_sooner_or_later() {
    for (name, first, then) in [("sooner", 1_000_000, 16_000), ("later", 8_000, 20_000)] {
        let remembered =
            |until| Drain { until: Some(Moment::after_start(ms(until))), ..Drain::default() };
        let drains = BTreeMap::from([(ip(1), remembered(first)), (ip(77), remembered(first))]);
        let mut world = World::with_drains(settings(&[1, 2]), drains);
        world.run_until(ms(6000));
        let ends =
            [ip(1), ip(2), ip(77), ip(99)].map(|address| (address, Moment::after_start(ms(then))));
        world.send(Event::DrainEndsChanged { service: ServiceId::DEFAULT, ends: ends.into() });
        assert_eq!(
            world.engine.drains()[&ServiceId::DEFAULT][&ip(77)].until,
            Some(Moment::after_start(ms(then))),
            "{name}: not watched"
        );
        world.run_until(ms(30_000));
        assert_eq!(world.when("1 drain expired"), ms(then), "{name}");
        assert_eq!(world.in_zone(), [1, 2], "{name}");
    }
}

#[test]
fn a_drain_that_is_remembered_holds_from_the_start() {
    let drain = Drain { reason: Some("moving".into()), ..Drain::default() };
    let mut world = World::with_drains(settings(&[1, 2]), BTreeMap::from([(ip(1), drain)]));
    world.run_until(ms(20_000));
    assert_eq!(world.in_zone(), [2]);
    assert!(!world.writes().contains(&"+192.0.2.1"));
}

#[test]
fn dry_run_gives_its_own_reason() {
    let mut world = World::new(Settings { dry_run: true, ..settings(&[1, 2]) });
    world.run_until(ms(6000));
    world.dies(1);
    world.run_until(ms(10_000));
    assert_eq!(world.view(1).reason, Some(Reason::DryRun));
}
