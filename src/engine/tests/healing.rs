//! Restarts, retries, reloads, resync, rehearsal: DNS ends up right.

use std::collections::BTreeMap;

use super::world::*;
use crate::engine::event::{DnsProblem, DnsProblemKind, DnsReport, Event, Fact};
use crate::engine::ids::ZoneId;
use crate::engine::moment::Moment;
use crate::engine::plan::{Desired, Family, SetKey};
use crate::engine::settings::Settings;
use crate::engine::types::Health;

#[test]
fn a_dead_target_is_withdrawn_and_a_living_one_restored() {
    let mut world = World::new(settings(&[1, 2]));
    world.run_until(ms(6000));
    world.dies(1);
    world.run_until(ms(10_000));
    assert_eq!(world.in_zone(), [2]);
    world.lives(1);
    world.run_until(ms(15_000));
    assert_eq!(world.in_zone(), [1, 2]);
    assert_eq!(world.writes(), ["-192.0.2.1", "+192.0.2.1"]);
}

#[test]
fn an_agent_that_was_restarted_after_a_withdrawal_heals_it() {
    let mut world = World::new(settings(&[1, 2]));
    world.zone.sets.values_mut().for_each(|there| {
        there.remove(&ip(1));
    });
    world.run_until(ms(10_000));
    assert_eq!(world.writes(), ["+192.0.2.1"]);
}

#[test]
fn an_agent_that_starts_while_a_target_is_dead_withdraws_it() {
    let mut world = World::new(settings(&[1, 2]));
    world.dies(1);
    world.run_until(ms(10_000));
    assert_eq!(world.writes(), ["-192.0.2.1"]);
}

#[test]
fn records_edited_by_hand_are_left_alone_until_the_next_flip() {
    let mut world = World::new(settings(&[1, 2, 3]));
    world.run_until(ms(6000));
    world.zone.sets.values_mut().for_each(|there| {
        there.remove(&ip(1));
    });
    world.dies(2);
    world.run_until(ms(20_000));
    world.lives(2);
    world.run_until(ms(40_000));
    assert_eq!(world.in_zone(), [2, 3], "the flips of 2 do not touch 1");
    world.dies(1);
    world.run_until(ms(50_000));
    world.lives(1);
    world.run_until(ms(60_000));
    assert_eq!(world.in_zone(), [1, 2, 3], "its own flips do");
}

#[test]
fn resync_repairs_an_edit_by_hand() {
    let mut world = World::new(resyncing(ms(30_000), settings(&[1, 2])));
    world.run_until(ms(6000));
    world.zone.sets.values_mut().for_each(|there| {
        there.remove(&ip(1));
    });
    world.run_until(ms(29_000));
    assert_eq!(world.in_zone(), [2]);
    world.run_until(ms(31_000));
    assert_eq!(world.in_zone(), [1, 2]);
    assert!(world.orders.last().unwrap().1.read_again);
    world.run_until(ms(91_000));
    assert_eq!(world.writes(), ["+192.0.2.1"], "nothing to repair, nothing written");
}

/// An edit by hand is repaired even if a target dies at the same moment.
#[test]
fn a_resync_that_is_overtaken_by_a_flip_is_done_with_it() {
    let mut world = World::new(resyncing(ms(30_000), settings(&[1, 2, 3])));
    world.run_until(ms(6000));
    world.zone.sets.values_mut().for_each(|there| {
        there.remove(&ip(1));
    });
    world.run_until(ms(29_000));
    world.worker_is_slow = true;
    world.run_until(ms(30_001));
    world.dies(2);
    world.run_until(ms(40_000));
    assert_eq!(world.in_zone(), [2, 3], "nothing was done yet");
    world.worker_is_slow = false;
    world.run_order();
    world.run_until(ms(41_000));
    assert_eq!(world.in_zone(), [1, 3], "both");
}

/// The same with a reload that starts the worker anew.
#[test]
fn a_resync_that_is_overtaken_by_a_reload_is_done_after_it() {
    let settings = resyncing(ms(30_000), settings(&[1, 2, 3]));
    let mut world = World::new(settings.clone());
    world.run_until(ms(29_000));
    world.zone.sets.values_mut().for_each(|there| {
        there.remove(&ip(1));
    });
    world.worker_is_slow = true;
    world.run_until(ms(30_001));
    world.worker_is_slow = false;
    world.send(Event::Reloaded(Box::new(settings)));
    world.run_until(ms(32_000));
    assert_eq!(world.in_zone(), [1, 2, 3]);
}

#[test]
fn a_target_published_in_another_zone_is_compared_with_that() {
    let mut world = World::new(settings(&[1, 2]));
    world.run_until(ms(6000));
    world.dies(1);
    world.run_until(ms(10_000));
    assert_eq!(world.in_zone(), [2]);
    world.zone.sets.values_mut().for_each(|there| {
        there.insert(ip(1));
    });
    let mut elsewhere = settings(&[1, 2]);
    elsewhere.zones.get_mut(&ZoneId::DEFAULT).unwrap().location = "another zone".to_owned();
    world.send(Event::Reloaded(Box::new(elsewhere)));
    world.run_until(ms(12_000));
    assert_eq!(world.in_zone(), [2], "it is taken out there too");
}

#[test]
fn another_pace_of_the_resync_stands_for_the_one_before() {
    let mut world = World::new(resyncing(ms(30_000), settings(&[1, 2])));
    world.run_until(ms(10_000));
    for pace in [20_000, 30_000, 20_000, 30_000] {
        let settings = resyncing(ms(pace), settings(&[1, 2]));
        world.send(Event::Reloaded(Box::new(settings)));
    }
    let before = world.orders.len();
    world.run_until(ms(310_000));
    let resyncs = world.orders[before..].iter().filter(|(_, order)| order.read_again).count();
    assert_eq!(resyncs, 10);
}

/// The worker from before a reload may have carried out its last order at the names from before it.
#[test]
fn late_reports_of_the_old_worker_confirm_nothing_at_new_names() {
    let mut world = World::new(settings(&[1, 2, 3]));
    world.run_until(ms(6000));
    world.worker_is_slow = true;
    world.dies(1);
    world.run_until(ms(10_000));
    let before = world.orders.last().unwrap().1.clone();
    assert_eq!(before.desired, [(ip(1), Desired::Withdraw)].into());
    let mut elsewhere = settings(&[1, 2, 3]);
    elsewhere.default_service_mut().names = vec!["other.example.com".to_owned()];
    world.send(Event::Reloaded(Box::new(elsewhere)));
    let service = before.service;
    let (number, desired, held) = (before.number, before.desired, BTreeMap::new());
    world.send(Event::Dns(
        ZoneId::DEFAULT,
        DnsReport::Confirmed {
            service,
            number,
            desired,
            held,
            open: std::collections::BTreeSet::new(),
        },
    ));
    world.dies(2);
    world.run_until(ms(20_000));
    let after = &world.orders.last().unwrap().1.desired;
    let gone = [ip(1), ip(2)].map(|address| after.get(&address).copied());
    assert_eq!(gone, [Some(Desired::Withdraw); 2], "1 is still to be withdrawn there");
}

#[test]
fn the_zone_is_read_in_advance_at_the_first_loss_and_not_again_for_half_a_minute() {
    let mut world = World::new(settings(&[1, 2]));
    world.run_until(ms(5990));
    world.dies(1);
    world.run_until(ms(6600));
    assert_eq!(world.prepared, [ms(6500)]);
    world.dies(2);
    world.run_until(ms(30_000));
    assert_eq!(world.prepared.len(), 1);
}

#[test]
fn a_provider_that_fails_and_recovers_is_reported_once_each() {
    let mut world = World::new(settings(&[1, 2]));
    world.run_until(ms(6000));
    world.zone_works = false;
    world.dies(1);
    world.run_until(ms(12_000));
    world.zone_works = true;
    world.lives(1);
    world.run_until(ms(20_000));
    let story = world.story();
    assert_eq!(story.iter().filter(|line| *line == "failing over").count(), 1, "{story:?}");
}

/// A change is made in parts, and the rest of it is refused again and again.
#[test]
fn a_part_of_a_change_is_no_recovery_of_the_provider() {
    let mut world = World::new(settings(&[1, 2]));
    world.run_until(ms(6000));
    let problem = DnsProblem {
        kind: DnsProblemKind::Refused,
        what: "refused".into(),
        retry_in: Some(ms(1000)),
    };
    for (is_part, recoveries) in [(true, 0), (false, 1)] {
        world.send(Event::Dns(ZoneId::DEFAULT, DnsReport::Failing(problem.clone())));
        let (withdrawn, restored, created) = (vec![], vec![], vec![]);
        let took = ms(1);
        let applied = DnsReport::Applied { withdrawn, restored, created, took, is_part };
        world.send(Event::Dns(ZoneId::DEFAULT, applied));
        let story = world.story();
        let found = story.iter().filter(|line| *line == "failing over").count();
        assert_eq!(found, recoveries, "{story:?}");
    }
}

#[test]
fn a_reload_keeps_counters_adds_and_removes_targets_and_touches_no_record() {
    let mut world = World::new(settings(&[1, 2]));
    world.run_until(ms(6000));
    world.dies(1);
    world.run_until(ms(10_000));
    assert_eq!(world.in_zone(), [2]);
    world.send(Event::Reloaded(Box::new(settings(&[1, 3]))));
    let before = world.writes().len();
    world.run_until(ms(20_000));
    assert_eq!(world.view(1).health, Health::Down, "it is still known to be down");
    assert_eq!(world.writes()[before..], ["+192.0.2.3"], "the new one is confirmed and put in");
    assert_eq!(world.in_zone(), [2, 3], "the removed one is left as it is");
    let later = world.sent(ip(2)).into_iter().filter(|at| *at > 10_000).count();
    assert_eq!(later, 0, "and no longer probed");
}

#[test]
fn a_reload_gives_no_target_a_false_miss() {
    let mut world = World::new(settings(&[1, 2, 3]));
    world.run_until(ms(6005));
    for round in 0..200 {
        let targets: &[u8] = if round % 2 == 0 { &[1, 2, 3, 4] } else { &[1, 2, 3] };
        world.send(Event::Reloaded(Box::new(settings(targets))));
        world.run_for(ms(137));
    }
    let story = world.story();
    assert!(!story.iter().any(|line| line.ends_with("Down")), "{story:?}");
    assert!(world.writes().iter().all(|write| *write == "+192.0.2.4"), "{:?}", world.writes());
}

#[test]
fn a_rehearsal_reports_the_whole_story() {
    let mut world = World::new(Settings { dry_run: true, ..guarded(&[1, 2]) });
    let engine = std::mem::replace(&mut world.engine, World::new(settings(&[])).engine);
    world.engine = engine.rehearsing(&[target_ref(ip(1))].into(), Moment::after_start(ms(5000)));
    world.run_until(ms(20_000));
    let reported: Vec<_> = world
        .story()
        .into_iter()
        .filter(|line| line.starts_with("reh") || line.starts_with('1'))
        .collect();
    assert_eq!(
        reported,
        [
            "1 Up",
            "rehearsal 1 Dead",
            "1 Down",
            "1 out",
            "rehearsal 1 Alive",
            "1 dry_run",
            "1 Up",
            "1 in",
            "1 no longer dry_run",
            "rehearsal 1 Over"
        ]
    );
    assert_eq!(world.view(2).health, Health::Up);
}

#[test]
fn a_restart_in_the_middle_of_an_outage_of_everything_empties_nothing() {
    let mut world = World::new(with_floor(1, guarded(&[1, 2, 3])));
    for last in [1, 2, 3] {
        world.dies(last);
    }
    world.set(canary(), Behaviour::Silent);
    world.run_until(ms(60_000));
    assert_eq!(world.in_zone(), [1, 2, 3]);
}

#[test]
fn a_set_that_is_fit_again_is_compared_with_the_verdicts_made_before() {
    let mut world = World::new(settings(&[1, 2]));
    world.run_until(ms(6000));
    let set = SetKey { name: NAME.into(), family: Family::A };
    let there = world.zone.sets.remove(&set).unwrap();
    world.zone.unfit.insert(set.clone(), "it is an alias".into());
    world.dies(1);
    world.run_until(ms(20_000));
    assert_eq!(world.writes(), [""; 0], "nothing is done there");

    world.zone.unfit.clear();
    world.zone.sets.insert(set, there);
    let report = DnsReport::Listed(world.zone.clone());
    world.send(Event::Dns(ZoneId::DEFAULT, report));
    world.run_until(ms(30_000));
    assert_eq!(world.in_zone(), [2]);
    assert_eq!(world.writes(), ["-192.0.2.1"]);
    let reported = world.facts.iter().filter_map(|(_, fact)| match fact {
        Fact::NameFailing { name, what, .. } => Some(format!("{name}: {what}")),
        Fact::NameFailingOver { name, .. } => Some(format!("{name} again")),
        _ => None,
    });
    let reported: Vec<_> = reported.collect();
    assert_eq!(reported, [format!("{NAME}: it is an alias"), format!("{NAME} again")]);
}

/// Another agent seemed to have withdrawn the address, and a later listing shows it.
#[test]
fn an_address_that_is_in_dns_against_a_confirmed_verdict_is_withdrawn_if_the_verdict_still_stands()
{
    for isolated in [false, true] {
        let mut world = World::new(guarded(&[1, 2]));
        world.run_until(ms(6000));
        world.dies(1);
        world.run_until(ms(20_000));
        assert_eq!(world.in_zone(), [2]);
        if isolated {
            world.set(canary(), Behaviour::Silent);
            world.dies(2);
            world.run_until(ms(40_000));
        }
        let set = SetKey { name: NAME.into(), family: Family::A };
        world.zone.sets.get_mut(&set).unwrap().insert(ip(1));
        let report = DnsReport::Listed(world.zone.clone());
        world.send(Event::Dns(ZoneId::DEFAULT, report));
        world.run_until(world.now + ms(10_000));
        assert_eq!(world.in_zone(), [1, 2], "a listing alone undoes nobody's edit");
        let report = DnsReport::Contradicted(vec![(set, ip(1))]);
        world.send(Event::Dns(ZoneId::DEFAULT, report));
        world.run_until(world.now + ms(10_000));
        assert_eq!(world.in_zone(), if isolated { vec![1, 2] } else { vec![2] });
    }
}
