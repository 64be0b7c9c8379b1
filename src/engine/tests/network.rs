//! The effects of a network on a probe: untrue errors, limits, and faults that flicker.

use super::world::*;
use crate::engine::event::{Event, Fact, ProbeRequest};
use crate::engine::types::Answer;

/// Reports that the last probe was not delivered.
fn doubt(world: &mut World) -> ProbeRequest {
    let (_, probe) = *world.probes.last().unwrap();
    let report = "host unreachable".to_owned();
    world.send(Event::Undelivered { probe: probe.id, report });
    probe
}

#[test]
fn an_error_hurries_the_next_probe_and_a_reply_after_it_makes_all_well() {
    let mut world = World::new(settings(&[1]));
    world.set(ip(1), Behaviour::Answers(ms(300)));
    world.run_until(ms(9900));
    for second in 10..30 {
        world.run_until(ms(second * 1000 + 5));
        doubt(&mut world);
        world.run_until(ms(second * 1000 + 999));
        let sent = world.sent(ip(1)).into_iter().filter(|at| *at >= u128::from(second) * 1000);
        let sent: Vec<_> = sent.map(|at| at - u128::from(second) * 1000).collect();
        assert_eq!(sent, [0, 200], "a retry, until the reply is there");
    }
    assert_eq!(world.story(), ["1 Up"]);
}

#[test]
fn an_error_that_no_reply_follows_is_a_loss_when_the_time_is_up_as_silence_is() {
    for undelivered in [false, true] {
        let mut world = World::new(settings(&[1]));
        world.run_until(ms(9900));
        world.dies(1);
        for step in 0..20 {
            world.run_until(ms(10_005 + step * 50));
            if undelivered {
                doubt(&mut world);
            }
        }
        world.run_until(ms(12_000));
        assert_eq!(world.when("1 Down"), ms(10_900), "undelivered: {undelivered}");
    }
}

/// Returns the number of probes in each whole second from `begin` on.
fn probes_a_second(world: &World, begin: u64) -> Vec<usize> {
    let mut seconds = vec![];
    for (moment, _) in &world.probes {
        let Some(second) = moment.as_secs().checked_sub(begin) else { continue };
        let second = usize::try_from(second).unwrap();
        seconds.resize(seconds.len().max(second + 1), 0);
        seconds[second] += 1;
    }
    seconds
}

#[test]
fn one_lost_reply_takes_no_target_out_that_answers_once_a_second() {
    let mut world = World::new(settings(&[1]));
    world.limit = Some(Limit::new(ms(1000), 1));
    world.run_until(ms(20_500));
    world.dies(1);
    world.run_until(ms(21_100));
    world.lives(1);
    world.run_until(ms(50_000));
    assert_eq!(world.story(), ["1 limits", "1 Up"]);
    assert!(world.view(1).limits.is_some());
    let sent = world.sent(ip(1)).into_iter().filter(|at| (20_500..25_000).contains(at));
    assert_eq!(sent.collect::<Vec<_>>(), [21_000, 22_000, 23_000, 24_000]);
    world.limit = None;
    world.run_until(ms(90_000));
    assert_eq!(world.story(), ["1 limits", "1 Up", "1 answers all"]);
    assert_eq!(world.view(1).limits, None);
}

/// Probed at the retry pace while a target is suspect, the canary would seem to be missing, and the
/// whole network with it.
#[test]
fn a_canary_that_answers_once_a_second_is_found_out_at_the_start_and_hides_no_death() {
    let mut world = World::new(guarded(&[1, 2]));
    world.canary_limit = Some(Limit::new(ms(1000), 1));
    world.run_until(ms(20_500));
    let named = world.facts.iter().any(|(_, fact)| {
        matches!(fact, Fact::Limits { endpoint, noticed_after: Some(_) } if endpoint.address == canary())
    });
    assert!(named, "{:?}", world.story());
    world.dies(1);
    world.run_until(ms(25_000));
    let story = world.story();
    assert!(!story.contains(&"isolated".to_owned()), "{story:?}");
    assert_eq!(world.in_zone(), [2], "{story:?}");
    let sent = world.sent(canary()).into_iter().filter(|at| *at >= 20_500);
    let sent: Vec<_> = sent.collect();
    assert!(sent.windows(2).all(|two| two[1] - two[0] >= 1000), "{sent:?}");
}

#[test]
fn a_rate_limited_target_is_found_dead_within_the_reported_time() {
    let mut world = World::new(settings(&[1]));
    world.limit = Some(Limit::new(ms(1000), 1));
    world.run_until(ms(20_010));
    world.dies(1);
    world.run_until(ms(30_000));
    let after = world.when("1 Down").saturating_sub(ms(20_010));
    assert!(after <= ms(3 * 1000 + 500), "{after:?}");
}

#[test]
fn a_target_that_dies_while_it_rehearses_is_found_dead_as_soon_as_ever() {
    for death in (20..1_000).step_by(20) {
        let mut world = World::new(settings(&[1]));
        world.run_until(ms(death));
        world.dies(1);
        world.run_for(ms(5000));
        let after = world.when("1 Down").saturating_sub(ms(death));
        assert!(after <= ms(1000 + 2 * 200 + 500), "at {death}: {after:?}");
        assert!(!world.story().contains(&"1 limits".to_owned()), "at {death}");
    }
}

#[test]
fn the_retry_pace_is_rehearsed_about_once_an_hour_and_not_by_all_at_once() {
    let mut world = World::new(settings(&(1..=20).collect::<Vec<_>>()));
    world.run_until(ms(60_000));
    let start = world.probes.len();
    assert_eq!(start, 60 * 20 + 1 + 2 * 20);
    world.run_until(ms(2 * 3_600_000));
    let extra = world.probes.len() - start - (7_140 * 20);
    assert!((20 * 2..=20 * 4).contains(&extra), "{extra}");
    let most = probes_a_second(&world, 60).into_iter().max().unwrap();
    assert!(most <= 40, "{most}");
}

#[test]
fn all_retries_share_a_budget_and_take_turns() {
    let mut world = World::new(guarded(&(1..=100).collect::<Vec<_>>()));
    world.run_until(ms(9_900));
    for last in 1..=100 {
        world.dies(last);
    }
    world.set(canary(), Behaviour::Silent);
    world.run_until(ms(30_000));
    let seconds = probes_a_second(&world, 10);
    assert!(seconds.iter().all(|second| *second <= 100 + 100 + 11 + 5), "{seconds:?}");
    let each = (1..=100).map(|last| world.sent(ip(last)).into_iter().filter(|at| *at > 12_000));
    let each: Vec<_> = each.map(Iterator::count).collect();
    let (least, most) = (each.iter().min().unwrap(), each.iter().max().unwrap());
    assert!(*least >= 18 && most - least <= 8, "{each:?}");
}

#[test]
fn behind_a_limit_just_under_the_pace_retries_do_not_multiply() {
    for every in [11, 20] {
        let mut world = World::new(guarded(&(1..=100).collect::<Vec<_>>()));
        world.run_until(ms(20_000));
        world.limit = Some(Limit::new(ms(every), 5));
        world.run_until(ms(65_000));
        let seconds = probes_a_second(&world, 21);
        assert!(seconds.iter().all(|second| *second <= 100 + 100 + 11 + 5), "{seconds:?}");
        let (left, writes) = (world.in_zone().len(), world.writes().len());
        eprintln!("one in {every} ms: {left} of 100 left, {writes} writes, {seconds:?}");
    }
}

#[test]
fn faults_that_flicker_are_summed_up_once_a_minute() {
    let mut world = World::new(settings(&(1..=100).collect::<Vec<_>>()));
    world.run_until(ms(10_000));
    for second in 0..180_u64 {
        for last in 1..=100 {
            let faulty = (second + u64::from(last)) % 2 == 0;
            world.set(
                ip(last),
                if faulty { Behaviour::Fault("not permitted") } else { Behaviour::Answers(ms(5)) },
            );
        }
        world.run_for(ms(1000));
    }
    let story = world.story();
    let lines: Vec<_> = story.iter().filter(|line| line.contains("fault")).collect();
    assert!(lines.len() <= 3 * 2 + 3, "{lines:?}");
    assert!(lines.iter().filter(|line| line.contains("faults of 100")).count() >= 2, "{lines:?}");
    assert!(!story.iter().any(|line| line.contains("Down")), "{story:?}");
}

/// The kernel reports only after seconds that its gateway is dead. The probes that it held up until
/// then seemed lost.
#[test]
fn a_fault_that_is_known_late_is_not_over_by_the_silence_of_earlier_probes() {
    let mut world = World::new(settings(&[1]));
    world.run_until(ms(9900));
    world.dies(1);
    world.run_until(ms(10_450));
    let (_, probe) = *world.probes.last().unwrap();
    let answer = Answer::Fault("no gateway".into());
    world.send(Event::Answered { probe: probe.id, answer });
    // The first probe that was sent after that, at 10.5 s, times out a second later.
    world.run_until(ms(11_450));
    assert_eq!(world.times("fault over 1"), 0, "{:?}", world.story());
    world.run_until(ms(15_000));
    assert_eq!(world.times("fault over 1"), 1, "{:?}", world.story());
}
