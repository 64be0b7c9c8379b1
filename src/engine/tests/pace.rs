//! When probes are sent, and how fast a death is noticed.

use std::collections::{BTreeMap, BTreeSet};
use std::num::{NonZeroU32, NonZeroUsize};

use super::world::*;
use crate::engine::event::Event;
use crate::engine::ids::{ProbeId, RequestId, RoomId};
use crate::engine::settings::{CheckSettings, RequestRoom, Settings};
use crate::engine::types::{Answer, Endpoint, Method, Pace, Thresholds};

#[test]
fn targets_are_spread_over_the_interval_and_keep_their_phase() {
    let mut world = World::new(settings(&[1, 2, 3, 4]));
    world.run_until(ms(2900));
    // Each endpoint rehearses its retries in turn.
    assert_eq!(world.sent(ip(1)), [0, 200, 400, 1000, 2000]);
    assert_eq!(world.sent(ip(2)), [250, 1250, 1450, 1650, 2250]);
    assert_eq!(world.sent(ip(4)), [750, 1750, 1950, 2150, 2750]);
}

#[test]
fn a_missing_reply_quickens_the_probes_until_it_has_flipped() {
    let mut world = World::new(settings(&[1]));
    world.run_until(ms(4500));
    world.dies(1);
    world.run_until(ms(8500));
    let sent: Vec<_> = world.sent(ip(1)).into_iter().filter(|at| *at >= 5000).collect();
    // Overdue at 5050; retries every 200 ms until the third loss at 5400 + 500.
    assert_eq!(sent, [5000, 5200, 5400, 5600, 5800, 6000, 7000, 8000]);
    assert_eq!(world.when("1 Down"), ms(5900));
}

#[test]
fn a_death_is_noticed_within_the_formula_of_the_readme() {
    // interval + (threshold - 1) * retry_interval + timeout at worst; less by the phase otherwise.
    for phase in (0..1000).step_by(50) {
        let mut world = World::new(settings(&[1]));
        let death = ms(4010 + phase);
        world.run_until(death);
        world.dies(1);
        world.run_for(ms(5000));
        let after = world.when("1 Down").saturating_sub(death);
        assert!(after <= ms(1000 + 2 * 200 + 500), "phase {phase}: {after:?}");
        assert!(after >= ms(2 * 200 + 500), "phase {phase}: {after:?}");
    }
}

#[test]
fn one_lost_probe_changes_nothing_and_writes_nothing() {
    let mut world = World::new(settings(&[1, 2]));
    world.run_until(ms(5500));
    world.dies(1);
    world.run_until(ms(6100));
    world.lives(1);
    world.run_until(ms(20_000));
    assert_eq!(world.story(), ["1 Up", "2 Up"]);
    assert!(world.writes().is_empty());
}

#[test]
fn each_suspicion_changes_the_flow() {
    let mut world = World::new(settings(&[1]));
    world.run_until(ms(4500));
    world.dies(1);
    world.run_until(ms(5250));
    let flows: Vec<_> = world.probes.iter().map(|(_, probe)| u16::from(probe.flow)).collect();
    assert_eq!(flows, [0, 0, 0, 0, 0, 0, 0, 0, 1]);
}

#[test]
fn a_late_reply_is_a_loss_and_stays_one() {
    let mut world = World::new(settings(&[1]));
    world.run_until(ms(4500));
    world.set(ip(1), Behaviour::Answers(ms(700)));
    world.run_until(ms(7000));
    assert!(world.story().contains(&"late 1".into()));
    assert_eq!(world.when("1 Down"), ms(5900));
}

#[test]
fn a_fault_moves_no_counter_and_is_reported_once() {
    let mut world = World::new(settings(&[1]));
    world.run_until(ms(4500));
    world.set(ip(1), Behaviour::Fault("no route"));
    world.run_until(ms(60_000));
    world.lives(1);
    world.run_until(ms(70_000));
    // Without canaries, an agent that cannot send any probe is isolated, and soon has no evidence.
    let after = ["isolated", "unseen 1", "fault over 1", "isolation over", "seen 1"];
    assert_eq!(world.story(), [&["1 Up", "fault 1 no route"], &after[..]].concat());
}

#[test]
fn an_unreachable_answer_is_a_loss_at_once() {
    let one = NonZeroU32::MIN;
    let mut world = World::new(
        settings(&[1]).checked(Pace::default(), Thresholds { failure: one, recovery: one }),
    );
    world.run_until(ms(100));
    let (_, probe) = world.probes[0];
    let answer = Answer::Unreachable("ICMP type 3 code 1".into());
    world.send(Event::Answered { probe: probe.id, answer: answer.clone() });
    assert_eq!(world.story(), ["1 Up"], "that probe had been answered");
    world.dies(1);
    world.run_until(ms(1020));
    let (_, probe) = *world.probes.last().unwrap();
    world.send(Event::Answered { probe: probe.id, answer });
    assert_eq!(world.when("1 Down"), ms(1020));
}

#[test]
fn answers_of_somebody_elses_probes_count_for_nothing() {
    let mut world = World::new(settings(&[1]));
    world.dies(1);
    world.run_until(ms(100));
    for (endpoint, seq) in [(0, 99), (7, 0), (usize::MAX, 0)] {
        let probe = ProbeId { endpoint: endpoint.into(), seq: seq.into() };
        world.send(Event::Answered { probe, answer: Answer::Reply(ms(1)) });
    }
    assert_eq!(world.view(1).replies, 0);
}

/// Returns the world after half a minute in which six targets answered after 400 ms each: they came up, and
/// none went down.
fn world_of_six_slow_targets(mut settings: Settings, method: Method) -> World {
    let check = CheckSettings { method, ..settings.default_service().check() };
    settings.default_service_mut().set_check(check);
    let mut world = World::new(settings);
    for last in 1..=6 {
        world.set(ip(last), Behaviour::Answers(ms(400)));
    }
    world.run_until(ms(30_000));
    assert_eq!(world.story().iter().filter(|line| line.ends_with("Up")).count(), 6);
    assert_eq!(world.story().len(), 6, "{:?}", world.story());
    world
}

#[test]
fn a_probe_that_waits_for_room_is_no_loss() {
    let most_in_flight = NonZeroU32::new(2);
    let settings = Settings { most_in_flight, ..settings(&[1, 2, 3, 4, 5, 6]) };
    let world = world_of_six_slow_targets(settings, Method::Connect(443));
    assert!(world.sent(ip(6)).len() > 15, "{}", world.sent(ip(6)).len());
}

#[test]
fn a_request_that_waits_for_others_of_its_kind_is_no_loss() {
    let (request, most) = (RequestId::from(0), NonZeroU32::new(2).unwrap());
    let rooms = BTreeMap::from([(request, RequestRoom { id: RoomId::from(0), most })]);
    let settings = Settings { rooms, ..settings(&[1, 2, 3, 4, 5, 6]) };
    let world = world_of_six_slow_targets(settings, Method::Request(request));
    // Two at once, each for 400 ms, make 150 probes of all six in that time.
    let sent: Vec<_> = (1..=6).map(|last| world.sent(ip(last)).len()).collect();
    assert!(sent.iter().all(|sent| (20..=27).contains(sent)), "{sent:?}");
}

#[test]
fn a_reply_missed_while_the_process_did_not_run_is_no_evidence() {
    let mut world = World::new(guarded(&[1, 2, 3]));
    world.run_until(ms(10_500));
    for _ in 0..20 {
        world.stall_for(ms(4000));
        world.run_for(ms(50));
    }
    world.run_for(ms(5000));
    let story = world.story();
    assert!(story.contains(&"stalled".into()), "{story:?}");
    assert!(!story.iter().any(|line| line.ends_with("Down")), "{story:?}");
}

#[test]
fn a_probe_that_waited_while_the_process_did_not_run_is_no_evidence_either() {
    let one = NonZeroU32::MIN;
    let thresholds = Thresholds { failure: one, recovery: one };
    let mut world = World::new(settings(&[1]).checked(Pace::default(), thresholds));
    world.run_until(ms(10_000));
    let (_, probe) = *world.probes.last().unwrap();
    world.dies(1);
    world.run_until(ms(11_100));
    let (_, pending) = *world.probes.last().unwrap();
    assert_ne!(probe.id, pending.id);
    world.now += ms(4000);
    for answer in [Answer::Silence, Answer::Reply(ms(4050))] {
        world.send(Event::Answered { probe: pending.id, answer });
    }
    world.send(Event::Tick);
    assert_eq!(world.story(), ["1 Up", "late 1", "stalled"]);
}

#[test]
fn ten_thousand_targets_keep_the_pace() {
    let targets: Vec<_> = (0..10_000u32).map(|n| (0x0a00_0000 + n).to_be_bytes().into()).collect();
    let mut many = settings(&[]);
    many.default_service_mut().targets = targets.into();
    let mut world = World::new(many);
    world.run_until(ms(8000));
    let mut seconds = [0; 9];
    for (moment, _) in &world.probes {
        seconds[usize::try_from(moment.as_secs()).unwrap()] += 1;
    }
    let all: usize = seconds.iter().sum();
    assert_eq!(all, 80_001 + 20_000, "one a second each, and two retries that are rehearsed");
    assert!(seconds.iter().all(|second| *second <= 20_000), "it never doubles: {seconds:?}");
    assert_eq!(seconds[6..], [10_000, 10_000, 1]);
}

#[test]
fn in_a_burst_a_silent_target_is_retried_and_noticed_as_ever() {
    let burst = NonZeroUsize::new(50).unwrap();
    let targets = (1..=150).collect::<Vec<_>>();
    let mut world = World::new(Settings { burst, ..settings(&targets) });
    world.run_until(ms(8500));
    world.dies(2);
    world.run_until(ms(11_500));
    let moments = world.probes.iter().map(|(moment, _)| moment.as_millis());
    let all: BTreeSet<_> = moments.filter(|at| (4000..8000).contains(at)).collect();
    assert_eq!(all.len(), 4 * 3, "three bursts a second: {all:?}");
    let sent: Vec<_> = world.sent(ip(2)).into_iter().filter(|at| *at >= 8500).collect();
    // Overdue by its own round-trip times, retried until the third loss, and back in its burst.
    assert_eq!(sent, [9333, 9533, 9733, 9933, 10_133, 10_333, 11_333]);
    let neighbour = world.sent(ip(5)).into_iter().filter(|at| *at >= 8500);
    assert_eq!(neighbour.collect::<Vec<_>>(), [9333, 10_333, 11_333], "in the burst");
    assert_eq!(world.when("2 Down").as_millis(), 10_233);
}

#[test]
fn a_canary_lies_between_the_targets_or_goes_with_a_burst() {
    let canaries = [201, 202].map(|last| Endpoint::echo(ip(last)));
    for (burst, want) in [(1, [250, 750]), (2, [0, 500]), (4, [0, 0])] {
        let burst = NonZeroUsize::new(burst).unwrap();
        let canaries = canaries.to_vec();
        let mut world = World::new(Settings { canaries, burst, ..settings(&[1, 2, 3, 4]) });
        world.run_until(ms(900));
        assert_eq!([201, 202].map(|last| world.sent(ip(last))), want.map(|at| [at]), "{burst}");
    }
}

#[test]
fn behind_a_firewall_that_lets_few_requests_pass_at_once_nobody_is_lost() {
    for (targets, every, at_once) in [(100, 1, 1), (100, 3, 5), (250, 1, 1), (250, 3, 5)] {
        let mut world = World::new(settings(&(1..=targets).collect::<Vec<_>>()));
        world.run_until(ms(5000));
        world.limit = Some(Limit::new(ms(every), at_once));
        world.run_until(ms(35_000));
        let half_a_minute = ms(5000)..ms(35_000);
        let probes =
            world.probes.iter().filter(|(moment, _)| half_a_minute.contains(moment)).count();
        let label = format!("{targets} targets, one in {every} ms, {at_once} at once");
        assert_eq!(probes, 30 * usize::from(targets), "{label}: nothing is asked twice");
        assert!(!world.story().iter().any(|line| line.contains("Down")), "{label}");
    }
}
