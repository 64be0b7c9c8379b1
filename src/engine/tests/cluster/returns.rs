//! Targets that come back late, in a cluster: each agent waits by itself, and the shortest wait decides.

use std::time::Duration;

use super::world::World;
use super::zone::Kind;
use crate::engine::event::{Event, Fact, Reason};
use crate::engine::ids::ServiceId;
use crate::engine::settings::{ReturnSettings, Settings};
use crate::engine::tests::world::{ip, ms, settings, with_floor};

const KINDS: [Kind; 2] = [Kind::ByRecord, Kind::WholeSet];

const MINUTE: Duration = Duration::from_mins(1);

/// Returns settings with two targets that wait for a minute, up to ten.
fn waiting() -> Settings {
    let mut settings = settings(&[1, 2]);
    let returns = ReturnSettings { delay: MINUTE, max: MINUTE * 10 };
    settings.default_service_mut().returns = returns;
    settings
}

/// Returns three agents that have withdrawn target 1 and see it up again.
fn world(kind: Kind, alike: &Settings) -> World {
    let mut world = World::new(3, 1, alike, kind, 5);
    world.settle_down();
    fails(&mut world, 1);
    world
}

/// Lets a target die until it is withdrawn, and live until all agents see it up.
fn fails(world: &mut World, last: u8) {
    world.net.dead.insert(ip(last));
    world.run_for(ms(20_000));
    assert!(!world.in_zone().contains(&last), "{:?}", world.writes());
    world.net.dead.remove(&ip(last));
    world.run_for(ms(5_000));
}

fn reasons(world: &World, last: u8) -> Vec<Option<Reason>> {
    (0..3).map(|agent| world.reason(agent, last)).collect()
}

const WAITS: Option<Reason> = Some(Reason::Returning);

#[test]
fn agents_that_wait_alike_put_a_target_back_once() {
    for kind in KINDS {
        let mut world = world(kind, &waiting());
        assert_eq!((world.in_zone(), reasons(&world, 1)), (vec![2], vec![WAITS; 3]));
        world.run_for(ms(54_000));
        assert_eq!(world.in_zone(), [2], "the wait is not over");
        world.run_for(ms(30_000));
        assert_eq!((world.in_zone(), reasons(&world, 1)), (vec![1, 2], vec![None; 3]));
        assert_eq!(world.zone.writes.len(), 2, "one out, one in: {:?}", world.writes());
        world.run_for(MINUTE * 2);
        assert_eq!(world.zone.writes.len(), 2, "{:?}", world.writes());
    }
}

#[test]
fn no_agent_is_refused_or_contested_for_a_wait() {
    let mut world = world(Kind::ByRecord, &waiting());
    world.run_for(MINUTE * 2);
    for agent in 0..3 {
        let refused = world.agents[agent].facts.iter().filter_map(|(_, fact)| match fact {
            Fact::Refused { reason, .. } => Some(*reason),
            _ => None,
        });
        assert_eq!(refused.collect::<Vec<_>>(), [Reason::Returning], "agent {agent}");
    }
}

#[test]
fn an_agent_without_a_wait_puts_the_target_back() {
    for restarted in 0..3 {
        let mut world = world(Kind::ByRecord, &waiting());
        world.kill(restarted);
        world.start(restarted);
        world.run_for(ms(30_000));
        assert_eq!(
            world.in_zone(),
            [1, 2],
            "it was not withdrawn since the restart of {restarted}"
        );
        let waiting = reasons(&world, 1).iter().filter(|reason| **reason == WAITS).count();
        assert_eq!(waiting, 2, "the others wait: {:?}", reasons(&world, 1));
        world.run_for(MINUTE * 2);
        assert_eq!((world.in_zone(), world.zone.writes.len()), (vec![1, 2], 2));
        assert_eq!(reasons(&world, 1), [None; 3]);
    }
}

#[test]
fn a_target_that_fails_again_is_withdrawn_by_agents_that_still_wait() {
    for kind in KINDS {
        let mut settings = waiting();
        settings.default_service_mut().returns.delay = MINUTE * 5;
        let mut world = world(kind, &settings);
        world.kill(0);
        world.start(0);
        world.run_for(ms(30_000));
        assert_eq!(world.in_zone(), [1, 2]);
        world.kill(0);
        world.run_for(MINUTE);
        assert_eq!(reasons(&world, 1)[1..], [WAITS; 2], "the votes of the other are forgotten");
        world.net.dead.insert(ip(1));
        world.run_for(ms(30_000));
        assert_eq!(world.in_zone(), [2], "{:?}", world.writes());
        world.net.dead.clear();
        world.run_for(MINUTE * 4);
        assert_eq!(world.in_zone(), [2], "they wait anew");
        world.run_for(MINUTE * 2);
        assert_eq!(world.in_zone(), [1, 2]);
    }
}

#[test]
fn a_wait_ends_in_all_agents_when_another_address_leaves() {
    let (mut others, mut together) = (0, 0);
    for (kind, leaving) in KINDS.into_iter().flat_map(|kind| (2..=6).map(move |at| (kind, at))) {
        let mut alike = with_floor(1, waiting());
        alike.default_service_mut().targets = [ip(1), ip(leaving)].into();
        let mut world = world(kind, &alike);
        others += usize::from(world.ranked(ip(1))[0] != world.ranked(ip(leaving))[0]);
        world.zone.writes.clear();
        world.net.dead.insert(ip(leaving));
        let end = world.now + ms(30_000);
        while world.now < end {
            world.run_for(ms(5));
            assert!(world.zone.len() > 0, "never empty");
        }
        assert_eq!(world.in_zone(), [1]);
        let writes = &world.zone.writes;
        let [first, second] = &writes[..] else { panic!("{:?}", world.writes()) };
        let (came, gone) = if first.came { (first, second) } else { (second, first) };
        assert!(came.came && !gone.came && came.at <= gone.at, "{:?}", world.writes());
        together += usize::from((came.by, came.at) == (gone.by, gone.at));
    }
    assert!(others >= 2, "agents rank the two targets alike");
    assert!(
        together >= 4,
        "in one change, unless the first agent to see it puts the other back: {together}"
    );
}

/// It must not withdraw the other one, and sees too few addresses in service for a wait.
#[test]
fn an_agent_that_alone_sees_the_other_address_dead_puts_the_target_back() {
    let mut world = world(Kind::ByRecord, &waiting());
    world.net.unseen.insert((0, ip(2)));
    world.run_for(ms(30_000));
    assert_eq!((world.in_zone(), world.reason(0, 2)), (vec![1, 2], Some(Reason::NoQuorum)));
    assert_eq!(reasons(&world, 1), [None, WAITS, WAITS]);
}

#[test]
fn the_operator_ends_the_wait_on_one_agent() {
    let mut world = world(Kind::ByRecord, &waiting());
    let (service, target) = (ServiceId::DEFAULT, ip(1));
    let command = Event::Return { ticket: 1.into(), service, target, undrain: false };
    world.send(1, command);
    world.run_for(ms(20_000));
    assert_eq!(world.in_zone(), [1, 2], "{:?}", world.writes());
    world.run_for(MINUTE * 2);
    assert_eq!((world.in_zone(), world.zone.writes.len()), (vec![1, 2], 2));
}

#[test]
fn agents_count_the_same_withdrawals_and_wait_alike_the_next_time() {
    let mut world = world(Kind::ByRecord, &waiting());
    world.run_for(MINUTE + ms(20_000));
    assert_eq!(world.in_zone(), [1, 2]);
    fails(&mut world, 1);
    for agent in 0..3 {
        let wait = world.agents[agent].view(ip(1)).unwrap().returning.unwrap();
        assert_eq!((wait.delay, wait.withdrawals), (MINUTE * 2, 2), "agent {agent}");
    }
    world.run_for(MINUTE);
    assert_eq!(world.in_zone(), [2]);
    world.run_for(MINUTE + ms(20_000));
    assert_eq!((world.in_zone(), world.zone.writes.len()), (vec![1, 2], 4));
}
