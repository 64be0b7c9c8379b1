//! `max_out` in a cluster: agents with the same votes choose the same addresses, and count those that others
//! have withdrawn.

use std::time::Duration;

use super::random::seeds;
use super::world::World;
use super::zone::Kind;
use crate::engine::event::Reason;
use crate::engine::settings::Settings;
use crate::engine::tests::world::{ip, ms, settings};

const KINDS: [Kind; 2] = [Kind::ByRecord, Kind::WholeSet];

/// The addresses of the service. Two of them may be out.
const TARGETS: [u8; 4] = [1, 2, 3, 4];

const LIMIT: usize = 2;

/// The number of random moments at which addresses die.
const SEEDS: u64 = 2;

fn half_may_be_out() -> Settings {
    let mut settings = settings(&TARGETS);
    settings.default_service_mut().max_out = Some(LIMIT);
    settings
}

/// Returns agents that have confirmed every target, at a random moment.
fn world(agents: usize, needed: usize, kind: Kind, seed: u64) -> World {
    let mut world = World::new(agents, needed, &half_may_be_out(), kind, seed);
    world.settle_down();
    let after = world.chance.between(0, 2_000);
    world.run_for(after);
    world
}

impl World {
    /// Runs for a while, and returns the times at which more addresses are out than may be.
    fn beyond(&mut self, time: Duration) -> Vec<Duration> {
        let end = self.now + time;
        let mut beyond = vec![];
        while self.now < end {
            self.run_for(ms(5));
            if self.out().len() > LIMIT {
                beyond.push(self.now);
            }
        }
        beyond
    }

    /// Returns the addresses that are not in the zone.
    fn out(&self) -> Vec<u8> {
        TARGETS.into_iter().filter(|last| !self.zone.holds(ip(*last))).collect()
    }

    /// Runs for a while in which no more addresses are out than may be.
    #[track_caller]
    fn runs_within_the_limit(&mut self, time: Duration, label: &str) {
        let beyond = self.beyond(time);
        assert!(beyond.is_empty(), "{label}: {beyond:?}: {:?}", self.writes());
    }

    /// Lets every agent see every address again, until all of them are back.
    #[track_caller]
    fn recovers(&mut self, label: &str) {
        self.net.cut.clear();
        self.look_around();
        self.net.dead.clear();
        self.net.unseen.clear();
        self.run_for(ms(120_000));
        assert_eq!(self.out(), [0; 0], "{label}: {:?}", self.writes());
    }

    fn none_is_seen_by(&mut self, agent: usize, dead: &[u8]) {
        self.net.unseen.extend(dead.iter().map(|last| (agent, ip(*last))));
    }
}

/// Plays a scene at many moments, with both kinds of sets.
fn at_many_moments(agents: usize, needed: usize, play: impl Fn(&mut World, &str)) {
    for (kind, seed) in KINDS.into_iter().flat_map(|kind| (0..SEEDS).map(move |seed| (kind, seed)))
    {
        let mut world = world(agents, needed, kind, seed);
        play(&mut world, &format!("{kind:?}, {needed}, seed {seed}"));
        let writes = world.writes();
        assert_eq!(world.broken, [""; 0], "{kind:?}, {needed}, seed {seed}: {writes:?}");
    }
}

#[test]
fn of_three_that_die_at_once_two_go_whoever_acts() {
    for needed in [0, 1, 2] {
        at_many_moments(3, needed, |world, label| {
            world.net.dead.extend([ip(1), ip(2), ip(3)]);
            world.runs_within_the_limit(ms(60_000), label);
            assert_eq!(world.out().len(), LIMIT, "{label}: {:?}", world.writes());
            let held: Vec<u8> =
                [1, 2, 3].into_iter().filter(|last| world.zone.holds(ip(*last))).collect();
            for agent in 0..3 {
                let reason = world.reason(agent, held[0]);
                assert_eq!(reason, Some(Reason::MaxOut), "{label}: {agent}");
            }
            let back = world.out()[0];
            world.net.dead.remove(&ip(back));
            world.runs_within_the_limit(ms(60_000), label);
            let want: Vec<u8> = [1, 2, 3].into_iter().filter(|last| *last != back).collect();
            assert_eq!(world.out(), want, "{label}: the third goes: {:?}", world.writes());
            world.recovers(label);
        });
    }
}

/// One agent sees all of them dead, and each of the others another half, a moment after the other.
#[test]
fn agents_with_different_views_withdraw_no_more_together() {
    at_many_moments(3, 1, |world, label| {
        world.none_is_seen_by(0, &[1, 2, 3, 4]);
        world.none_is_seen_by(1, &[1, 2]);
        world.runs_within_the_limit(ms(5_000), label);
        world.none_is_seen_by(2, &[3, 4]);
        world.runs_within_the_limit(ms(120_000), label);
        assert_eq!(world.out().len(), LIMIT, "{label}: {:?}", world.writes());
        world.recovers(label);
    });
}

/// The same at one moment: two agents may choose before they know of each other's choice. Neither takes out
/// more than may be, and nothing goes after that.
#[test]
fn agents_that_choose_at_the_same_moment_withdraw_no_more_than_the_limit_each() {
    at_many_moments(3, 1, |world, label| {
        world.none_is_seen_by(0, &[1, 2, 3, 4]);
        world.none_is_seen_by(1, &[1, 2]);
        world.none_is_seen_by(2, &[3, 4]);
        world.run_for(ms(10_000));
        let writes = world.writes();
        for agent in 0..3 {
            let own = writes.iter().filter(|write| write.starts_with(&format!("{agent}-")));
            assert!(own.count() <= LIMIT, "{label}: {writes:?}");
        }
        world.run_for(ms(120_000));
        assert_eq!(world.writes(), writes, "{label}");
        world.recovers(label);
    });
}

/// Each agent acts alone: one sees a half dead, and then the other one the other half.
#[test]
fn an_agent_that_acts_alone_counts_what_another_one_has_withdrawn() {
    for is_cut in [false, true] {
        at_many_moments(2, 0, |world, label| {
            if is_cut {
                world.cut_both(0, 1);
            }
            world.none_is_seen_by(0, &[1, 2]);
            let label = format!("{label}, {is_cut}");
            world.runs_within_the_limit(ms(20_000), &label);
            world.none_is_seen_by(1, &[3, 4]);
            world.runs_within_the_limit(ms(120_000), &label);
            world.recovers(&label);
        });
    }
}

#[test]
fn agents_that_are_restarted_count_those_that_are_out() {
    at_many_moments(3, 1, |world, label| {
        world.net.dead.extend([ip(1), ip(4)]);
        world.run_for(ms(20_000));
        assert_eq!(world.out(), [1, 4], "{label}");
        (0..3).for_each(|agent| world.kill(agent));
        world.net.dead.extend([ip(2), ip(3)]);
        world.run_for(ms(10_000));
        (0..3).for_each(|agent| world.start(agent));
        world.runs_within_the_limit(ms(60_000), label);
        assert_eq!(world.out(), [1, 4], "{label}");
        world.recovers(label);
    });
}

/// The number of random schedules. `GOAVAIL_SCHEDULES` plays a twentieth of that number, and
/// `GOAVAIL_SEED` one of them with its story.
const SCHEDULES: u64 = 2;

/// Changes something by chance. Three of ten times an address dies.
fn stir(world: &mut World) {
    let kind = world.chance.below(10).saturating_sub(2);
    world.stir(kind, &TARGETS);
}

#[test]
pub(in crate::engine::tests) fn by_chance_no_more_are_out_and_the_end_is_right() {
    for seed in seeds(SCHEDULES) {
        for (kind, needed) in [(Kind::WholeSet, 1), (Kind::ByRecord, 1), (Kind::ByRecord, 2)] {
            let mut world = World::new(3, needed, &half_may_be_out(), kind, seed);
            let beyond = world.play_by_chance(16, stir, World::beyond);
            let label = format!("seed {seed} {kind:?} {needed}: {:?}", world.writes());
            assert_eq!(world.out(), [0; 0], "{label}");
            assert!(beyond.is_empty(), "{label}: {beyond:?}");
            assert!(world.broken.is_empty(), "{label}: {:#?}", world.broken);
        }
    }
}
