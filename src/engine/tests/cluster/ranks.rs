//! The order in which agents act: the first in rank at once, each other one later and only if it is
//! still needed.

use std::time::Duration;

use super::world::World;
use super::zone::Kind;
use crate::engine::event::Fact;
use crate::engine::tests::world::{ip, ms, settings};
use crate::engine::types::{Health, Verdict, Vote};

/// Creates agents that have confirmed every target and received each other's votes.
fn world(agents: usize, needed: usize, kind: Kind, seed: u64) -> World {
    let mut world = World::new(agents, needed, &settings(&[1, 2]), kind, seed);
    world.settle_down();
    world
}

/// Returns the time of an agent's verdict that the target goes.
fn verdict(world: &World, agent: usize) -> Duration {
    for (at, fact) in &world.agents[agent].facts {
        if matches!(fact, Fact::Verdict { verdict: Verdict::Withdrawn(_), .. }) {
            return *at;
        }
    }
    panic!("no verdict")
}

impl World {
    /// Kills the target so that the second in rank waits: the first has seen the death first and
    /// cannot act, the second has reached its verdict, the others cannot act either. Returns the
    /// waiting agent, and the time since which it waits.
    pub(super) fn have_one_wait_for_its_rank(&mut self, target: u8) -> (usize, Duration) {
        let target = ip(target);
        let ranked = self.ranked(target);
        self.net.barred.extend(ranked.iter().filter(|agent| **agent != ranked[1]));
        self.net.unseen.insert((ranked[0], target));
        self.run_for(ms(5_000));
        self.net.dead.insert(target);
        let decided = self.run_until_it_is("a verdict", |world| {
            world.agents[ranked[1]].view(target).is_some_and(|view| !view.in_service)
        });
        self.run_for(ms(1_000));
        assert!(self.zone.holds(target), "it waits for its turn");
        (ranked[1], decided)
    }
}

#[test]
fn with_any_number_of_agents_a_record_goes_once_and_comes_back_once() {
    for agents in 2..=7 {
        for (kind, seed) in [(Kind::ByRecord, 1), (Kind::WholeSet, 2), (Kind::ByRecord, 3)] {
            let mut world = world(agents, agents / 2, kind, seed);
            world.net.dead.insert(ip(1));
            world.run_for(ms(60_000));
            assert_eq!(
                world.zone.writes.len(),
                1,
                "{agents} {kind:?} {seed}: {:?}",
                world.writes()
            );
            world.net.dead.clear();
            world.run_for(ms(60_000));
            assert_eq!(
                world.zone.writes.len(),
                2,
                "{agents} {kind:?} {seed}: {:?}",
                world.writes()
            );
            assert_eq!((world.in_zone(), &world.broken), (vec![1, 2], &vec![]));
        }
    }
}

#[test]
fn a_cluster_acts_as_soon_as_enough_have_seen_it() {
    for agents in [3, 7] {
        let needed = agents / 2;
        let mut world = world(agents, needed, Kind::ByRecord, 4);
        world.net.dead.insert(ip(1));
        let seen = world.run_until_it_is("seen", |world| {
            (0..agents).filter(|agent| world.health(*agent, 1) == Some(Health::Down)).count()
                > needed
        });
        let gone = world.run_until_it_is("gone", |world| !world.zone.holds(ip(1)));
        assert!(gone < seen + ms(200), "{agents} agents: {seen:?}, {gone:?}");
    }
}

/// It would be the first of all, had the others not been enough without it. They have chosen one of
/// themselves by then, and its own listing, made at its first loss, is older than that one's write.
#[test]
fn an_agent_that_sees_it_when_others_were_enough_lists_again_before_it_acts() {
    for (seed, later) in (0..8).flat_map(|seed| [100, 200, 300, 400].map(|later| (seed, later))) {
        let mut world = world(3, 1, Kind::ByRecord, seed);
        let first = world.ranked(ip(1))[0];
        // It then probes at another phase than the others.
        world.kill(first);
        world.run_for(ms(20_000 + later));
        world.start(first);
        world.run_for(ms(20_000));
        world.net.dead.insert(ip(1));
        world.run_for(ms(30_000));
        assert!(!world.zone.holds(ip(1)));
        assert_eq!((world.zone.writes.len(), world.zone.refused), (1, 0), "{seed} {later}");
    }
}

#[test]
fn if_the_first_is_cut_off_from_the_provider_the_next_acts_within_five_seconds_and_a_read() {
    for (barred, dies) in [(1, false), (1, true), (2, false), (2, true)] {
        let mut world = world(4, 1, Kind::WholeSet, 5);
        let ranked = world.ranked(ip(1));
        world.net.barred.extend(&ranked[..barred]);
        world.net.dead.insert(ip(1));
        world.run_until_it_is("all see it", |world| {
            world.agents.iter().all(|agent| agent.votes.get(&ip(1)) == Some(&Vote::Down))
        });
        world.run_for(ms(2_000));
        if dies {
            ranked[..barred].iter().for_each(|agent| world.kill(*agent));
        }
        let next = ranked[barred];
        let gone = world.run_until_it_is("gone", |world| !world.zone.holds(ip(1)));
        let decided = verdict(&world, next);
        let most = ms(5_000 * u64::try_from(barred).unwrap() + 400);
        assert!(gone <= decided + most, "{barred} barred, dead {dies}: {decided:?}, {gone:?}");
        world.net.barred.clear();
        world.run_for(ms(120_000));
        assert_eq!(
            world.zone.writes.len(),
            1,
            "{barred} barred, dead {dies}: {:?}",
            world.writes()
        );
    }
}

#[test]
fn an_agent_of_a_later_rank_lists_before_it_acts() {
    let mut world = world(3, 2, Kind::ByRecord, 6);
    world.net.dead.insert(ip(1));
    world.run_for(ms(30_000));
    let ranked = world.ranked(ip(1));
    let [first, second, third] =
        [0, 1, 2].map(|rank| world.agents[ranked[rank]].orders.last().unwrap().clone());
    assert!(second.1.read_again && third.1.read_again, "{second:?} {third:?}");
    assert!(second.0 >= first.0 + ms(4_900) && third.0 >= first.0 + ms(9_900));
    assert_eq!(world.writes(), [format!("{}-1", ranked[0])]);
}

#[test]
fn agents_that_act_at_the_same_instant_change_each_record_once() {
    for (seed, kind) in (0..10).flat_map(|seed| [(seed, Kind::ByRecord), (seed, Kind::WholeSet)]) {
        let mut world = world(3, 0, kind, seed);
        // No agent receives from another, so each is the first in rank.
        for (one, other) in [(0, 1), (0, 2), (1, 2)] {
            world.cut_both(one, other);
        }
        world.run_for(ms(60_000));
        world.net.dead.insert(ip(1));
        world.run_for(ms(30_000));
        world.net.dead.clear();
        world.run_for(ms(30_000));
        let signs: Vec<_> = world.writes().iter().map(|write| write[1..].to_owned()).collect();
        assert_eq!(signs, ["-1", "+1"], "seed {seed} {kind:?}: {:?}", world.writes());
    }
}

/// Agents at phases of their own; one target after the other dies, and lives.
#[test]
fn in_a_calm_cluster_no_failover_waits_for_an_agent_that_has_nothing_to_do() {
    for (agents, needed) in [(3, 1), (3, 2), (5, 2), (7, 3)] {
        for seed in 0..4 {
            let mut world = World::new(agents, needed, &settings(&[1, 2, 3]), Kind::ByRecord, seed);
            world.story = Some(vec![]);
            for agent in 1..agents {
                world.kill(agent);
                let after = world.chance.between(1, 1_500);
                world.run_for(after);
                world.start(agent);
            }
            world.settle_down();
            for _ in 0..8 {
                let target = ip(world.chance.pick(&[1, 2, 3]));
                let before = world.story.as_ref().map_or(0, Vec::len);
                world.net.dead.insert(target);
                let died = world.now;
                let gone = world.run_until_it_is("gone", |world| !world.zone.holds(target));
                let story = world.story.as_ref().map(|story| story[before..].join("\n"));
                let took = gone.saturating_sub(died);
                assert!(
                    took < ms(4_500),
                    "{agents} {seed}: {took:?}\n{}",
                    story.unwrap_or_default()
                );
                let stays_dead = world.chance.between(0, 12_000);
                world.run_for(stays_dead);
                world.net.dead.clear();
                world.run_until_it_is("back", |world| world.zone.holds(target));
                let lives = world.chance.between(0, 12_000);
                world.run_for(lives);
            }
        }
    }
}

/// For the first in rank nothing changes when the target dies: it has seen it down all along. The
/// others had restored the record against its vote, and leave it to the first to withdraw it again.
#[test]
fn a_record_restored_by_others_goes_at_once_though_the_first_saw_it_down_all_along() {
    for (agents, needed) in [(3, 1), (4, 1), (5, 2), (7, 3)] {
        let mut world = world(agents, needed, Kind::ByRecord, 7);
        let first = world.ranked(ip(1))[0];
        world.net.dead.insert(ip(1));
        world.run_until_it_is("gone", |world| !world.zone.holds(ip(1)));
        world.net.unseen.insert((first, ip(1)));
        world.net.dead.clear();
        world.run_until_it_is("back", |world| world.zone.holds(ip(1)));
        world.run_for(ms(20_000));
        world.net.dead.insert(ip(1));
        let died = world.now;
        let gone = world.run_until_it_is("gone again", |world| !world.zone.holds(ip(1)));
        assert!(gone < died + ms(4_500), "{agents} agents: {:?}", gone.saturating_sub(died));
        world.run_for(ms(30_000));
        assert_eq!(world.zone.writes.len(), 3, "{agents} agents: {:?}", world.writes());
    }
}
