//! Wrong answers in a cluster: each agent compares the targets by itself, and has no vote on those that
//! fail alike.

use std::net::IpAddr;

use super::world::World;
use super::zone::Kind;
use crate::engine::event::{Fact, Reason};
use crate::engine::ids::ServiceId;
use crate::engine::settings::{CheckSettings, Settings};
use crate::engine::tests::world::{ip, last, ms, settings, with_floor};
use crate::engine::types::Method;

const TARGETS: [u8; 3] = [1, 2, 3];

/// The number of random times at which a deployment happens.
const SEEDS: u64 = 6;

/// Returns settings with three targets that get a request.
fn requests() -> Settings {
    let mut settings = settings(&TARGETS);
    let its = settings.default_service_mut();
    let check = CheckSettings { method: Method::Request(1.into()), ..its.check() };
    its.set_check(check);
    settings
}

/// Three agents that have confirmed every target, at a random moment.
fn world(needed: usize, settings: &Settings, seed: u64) -> World {
    let mut world = World::new(3, needed, settings, Kind::ByRecord, seed);
    world.settle_down();
    let after = world.chance.between(0, 2_000);
    world.run_for(after);
    world
}

impl World {
    /// Lets a target answer all agents wrongly.
    fn breaks_down(&mut self, target: IpAddr, kind: &'static str) {
        for agent in 0..self.agents.len() {
            self.net.wrong.insert((agent, target), kind);
        }
    }

    /// Returns the number of times that an agent reported that targets fail alike.
    fn alarms(&self, agent: usize) -> usize {
        let facts = self.agents[agent].facts.iter();
        facts.filter(|(_, fact)| matches!(fact, Fact::Alike { .. })).count()
    }

    /// Returns the targets in a random order.
    fn shuffled(&mut self) -> [u8; 3] {
        let mut order = TARGETS;
        for place in [2, 1] {
            order.swap(place, self.chance.below(place + 1));
        }
        order
    }
}

/// No agent has a vote on a target that fails alike, so they are not asked for the votes that agree.
#[test]
fn of_the_agents_that_see_targets_fail_alike_one_comes_before_all_others() {
    for seed in 0..SEEDS {
        let mut world = world(1, &requests(), seed);
        for target in TARGETS {
            world.breaks_down(ip(target), "status 503");
        }
        world.run_for(ms(40_000));
        let mut before = Vec::new();
        for agent in &world.agents {
            let engine = agent.engine.as_ref().unwrap();
            before.push(engine.agents_before_alike(ServiceId::DEFAULT).len());
        }
        before.sort_unstable();
        assert_eq!(before, [0, 1, 2], "{seed}");
    }
}

#[test]
pub(in crate::engine::tests) fn a_deployment_that_breaks_all_targets_at_once_withdraws_none() {
    for (needed, seed) in (0..3).flat_map(|needed| (0..SEEDS).map(move |seed| (needed, seed))) {
        let mut world = world(needed, &requests(), seed);
        for target in TARGETS {
            world.breaks_down(ip(target), "status 503");
        }
        world.run_for(ms(40_000));
        for (agent, target) in (0..3).flat_map(|agent| TARGETS.map(|target| (agent, target))) {
            let reason = world.reason(agent, target);
            assert_eq!(reason, Some(Reason::Alike), "{needed}, {seed}: {agent} about {target}");
        }
        assert!(world.agents.iter().all(|agent| agent.votes.is_empty()), "{needed}, {seed}");
        // An agent that starts now has never seen any of them well.
        world.kill(0);
        world.start(0);
        world.run_for(ms(40_000));
        world.net.wrong.clear();
        world.run_for(ms(30_000));
        assert_eq!(world.writes(), [""; 0], "{needed}, {seed}");
        assert_eq!([1, 2].map(|agent| world.alarms(agent)), [1, 1], "{needed}, {seed}");
        assert_eq!(world.broken, [""; 0], "{needed}, {seed}");
    }
}

#[test]
pub(in crate::engine::tests) fn one_broken_target_goes_once_and_comes_back_once() {
    for (needed, seed) in (0..3).flat_map(|needed| (0..SEEDS).map(move |seed| (needed, seed))) {
        let mut world = world(needed, &requests(), seed);
        world.breaks_down(ip(2), "status 503");
        let since = world.now;
        let gone = world.run_until_it_is("gone", |world| !world.zone.holds(ip(2)));
        assert!(gone < since + ms(3_000), "{needed}, {seed}: {:?}", gone.saturating_sub(since));
        world.run_for(ms(40_000));
        world.net.wrong.clear();
        world.run_for(ms(40_000));
        assert_eq!((world.zone.writes.len(), world.in_zone()), (2, TARGETS.to_vec()));
        assert_eq!([0, 1, 2].map(|agent| world.alarms(agent)), [0; 3], "{needed}, {seed}");
        assert_eq!(world.broken, [""; 0], "{needed}, {seed}");
    }
}

/// The agents probe at different times, so that they find the targets broken in different orders. None
/// of them sees the last target of a deployment fail while another one is well.
#[test]
pub(in crate::engine::tests) fn a_deployment_that_breaks_one_target_after_another_never_takes_the_last()
 {
    for (needed, seed) in (0..3).flat_map(|needed| (0..2 * SEEDS).map(move |it| (needed, it))) {
        let mut world = world(needed, &requests(), seed);
        let order = world.shuffled();
        for target in order {
            world.breaks_down(ip(target), "status 503");
            let after = world.chance.between(0, 1_500);
            world.run_for(after);
        }
        world.run_for(ms(90_000));
        let gone: Vec<u8> = world.zone.writes.iter().map(|write| last(&write.address)).collect();
        assert!(!gone.contains(&order[2]), "{needed}, {seed}: {gone:?} of {order:?}");
        world.net.wrong.clear();
        world.run_for(ms(60_000));
        assert_eq!(world.in_zone(), TARGETS, "{needed}, {seed}: {:?}", world.writes());
        assert_eq!(world.broken, [""; 0], "{needed}, {seed}");
    }
}

/// One agent is refused by all targets, as by a firewall for requests.
#[test]
fn an_agent_that_alone_gets_wrong_answers_has_no_vote_and_harms_nothing() {
    for seed in 0..SEEDS {
        let mut world = world(0, &requests(), seed);
        for target in TARGETS {
            world.net.wrong.insert((0, ip(target)), "status 403");
        }
        world.run_for(ms(40_000));
        assert_eq!([0, 1, 2].map(|agent| world.alarms(agent)), [1, 0, 0], "{seed}");
        assert!(world.agents[0].votes.is_empty(), "{seed}");
        // The others act as before.
        world.net.dead.insert(ip(3));
        for agent in [1, 2] {
            world.net.wrong.remove(&(agent, ip(3)));
        }
        world.run_for(ms(40_000));
        assert_eq!(world.in_zone(), [1, 2], "{seed}: {:?}", world.writes());
        assert_eq!(world.broken, [""; 0], "{seed}");
    }
}

/// A deployment at each place at another time: each agent finds the targets broken in an order of its
/// own, so that each finds another one the last.
#[test]
fn agents_that_see_different_deployments_leave_as_many_as_the_floor() {
    for (needed, seed) in (0..3).flat_map(|needed| (0..SEEDS).map(move |seed| (needed, seed))) {
        let mut world = world(needed, &with_floor(1, requests()), seed);
        for _ in 0..3 {
            for (agent, target) in world.shuffled().into_iter().enumerate() {
                let target = ip(1 + (target + u8::try_from(agent).unwrap()) % 3);
                world.net.wrong.insert((agent, target), "status 503");
                let after = world.chance.between(0, 3_000);
                world.run_for(after);
            }
        }
        for target in TARGETS {
            world.breaks_down(ip(target), "status 503");
        }
        world.run_for(ms(120_000));
        assert!(world.zone.len() > 0, "{needed}, {seed}: {:?}", world.writes());
        world.net.wrong.clear();
        world.run_for(ms(60_000));
        assert_eq!(world.in_zone(), TARGETS, "{needed}, {seed}: {:?}", world.writes());
    }
}
