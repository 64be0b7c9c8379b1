//! Some 170 random schedules, in CI sixteen times as many. One that breaks a claim is printed with its
//! seed and its story; `GOAVAIL_SEED=<seed>` plays it alone, `GOAVAIL_SCHEDULES=<number>` plays more
//! or fewer.

use std::ops::Range;
use std::time::Duration;

use super::net::Net;
use super::schedule::{About, Schedule};
use super::trace::Trace;
use super::world::World;
use crate::engine::settings::ReturnSettings;
use crate::engine::tests::world::{ip, ms};

/// The number of schedules that each of the tests plays.
const SCHEDULES: u64 = 44;

/// Time after the end of all failures until DNS must be right: votes have aged, deaths are
/// believed, the longest waits for the provider and for the floor are over.
const PATIENCE: u64 = 240_000;

/// Returns the seeds of random scenes: `count` of them, or a twentieth of `GOAVAIL_SCHEDULES`, or
/// `GOAVAIL_SEED` alone.
pub(super) fn seeds(count: u64) -> Range<u64> {
    let count = variable("GOAVAIL_SCHEDULES").map_or(count, |schedules| schedules / 20);
    variable("GOAVAIL_SEED").map_or(0..count, |seed| seed..seed + 1)
}

impl World {
    /// Changes the state of the agents or of their surroundings: one of eight kinds of change.
    pub(super) fn stir(&mut self, kind: usize, targets: &[u8]) {
        let agents = self.agents.len();
        let agent = self.chance.below(agents);
        let other = (agent + 1 + self.chance.below(agents - 1)) % agents;
        let target = ip(self.chance.pick(targets));
        match kind {
            0 => _ = self.net.dead.insert(target),
            1 => _ = self.net.dead.remove(&target),
            2 => _ = self.net.unseen.insert((agent, target)),
            3 => _ = self.net.unseen.remove(&(agent, target)),
            4 => self.cut_both(agent, other),
            5 => {
                self.net.cut.clear();
                self.look_around();
            }
            6 => {
                self.kill(agent);
                self.start(agent);
            }
            _ => self.net.provider_down = !self.net.provider_down,
        }
    }

    /// Lets agents start, `stir` a number of times, and all trouble end. Returns all moments that `watch` returned.
    pub(super) fn play_by_chance(
        &mut self,
        times: usize,
        stir: impl Fn(&mut Self),
        watch: impl Fn(&mut Self, Duration) -> Vec<Duration>,
    ) -> Vec<Duration> {
        self.story = variable("GOAVAIL_SEED").map(|_| Vec::new());
        self.run_until(ms(30_000));
        let mut seen = vec![];
        for _ in 0..times {
            stir(self);
            let time = self.chance.between(100, 15_000);
            seen.extend(watch(self, time));
        }
        self.net = Net::default();
        self.look_around();
        seen.extend(watch(self, ms(200_000)));
        if let Some(story) = &self.story {
            eprintln!("{}", story.join("\n"));
        }
        seen
    }
}

pub(crate) fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Prints its seed if an engine panics.
struct Seed(u64);

impl Drop for Seed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("play it again with GOAVAIL_SEED={}", self.0);
        }
    }
}

fn play(schedule: &Schedule, with_story: bool) -> World {
    let mut world = schedule.world();
    world.story = with_story.then(Vec::new);
    play_in(schedule, world)
}

/// Plays the schedule of this seed, with several services or one.
pub(in crate::engine::tests) fn play_seed(seed: u64, with_services: bool) {
    let schedule = if with_services { Schedule::with_services(seed) } else { Schedule::of(seed) };
    let delay = ms(seed % 3 * 4_000);
    let returns = ReturnSettings { delay, max: delay * 3 };
    play(&Schedule { returns, ..schedule }, false);
}

/// Returns all actions of the engines in the schedule of this seed.
pub(super) fn play_traced(seed: u64) -> Trace {
    let schedule = Schedule::of(seed);
    let mut world = schedule.world();
    world.trace = Some(Trace::default());
    play_in(&schedule, world).trace.unwrap_or_default()
}

fn play_in(schedule: &Schedule, mut world: World) -> World {
    for (at, step) in &schedule.steps {
        world.run_until(*at);
        world.check_reasons();
        schedule.take(step, &mut world);
    }
    world.run_until(schedule.healed);
    schedule.heal(&mut world);
    let living = world.agents.iter().filter(|agent| agent.engine.is_some()).count();
    let end = schedule.healed + ms(PATIENCE);
    let mut calm = 0;
    while world.now < end && calm < 3 {
        world.run_for(ms(5_000));
        world.check_reasons();
        calm = if world.wrong().is_empty() { calm + 1 } else { 0 };
    }
    if living > schedule.needed {
        for wrong in world.wrong() {
            world.breaks(&wrong);
        }
    }
    let resyncs = world.agents[0].settings.default_service().resync_interval.is_some();
    if schedule.floor == 0 && !resyncs {
        world.check_writes();
    }
    world
}

/// Plays the seeds of one kind.
fn play_all(about: About) {
    if let Some(seed) = variable("GOAVAIL_SEED") {
        if Schedule::of(seed).about == about {
            play_one(&Schedule::of(seed));
        }
        return;
    }
    let seeds = variable("GOAVAIL_SCHEDULES").unwrap_or(SCHEDULES) * 4;
    let schedules = (0..seeds).map(Schedule::of);
    schedules.filter(|schedule| schedule.about == about).for_each(|schedule| play_one(&schedule));
}

fn play_one(schedule: &Schedule) {
    let seed = schedule.seed;
    let mark = Seed(seed);
    let with_story = variable("GOAVAIL_SEED").is_some();
    let world = play(schedule, with_story);
    if with_story || !world.broken.is_empty() {
        let story = play(schedule, true).story.unwrap_or_default().join("\n");
        eprintln!("{schedule}\n{story}");
    }
    assert!(world.broken.is_empty(), "seed {}: {:#?}", mark.0, world.broken);
}

#[test]
fn with_a_majority_needed_nothing_is_done_without_it_and_dns_ends_up_right() {
    play_all(About::Majority);
}

#[test]
fn with_fewer_needed_agents_that_acted_apart_agree_in_the_end() {
    play_all(About::Minority);
}

/// The services differ in their failures, and each agent numbers them in an order of its own.
#[test]
fn with_several_services_every_claim_holds_for_each_of_them() {
    let seeds = variable("GOAVAIL_SEED").map_or(0..services(), |seed| seed..seed + 1);
    for seed in seeds {
        play_one(&Schedule::with_services(seed));
    }
}

/// In the schedules of all kinds, targets wait to be put back, for up to a minute.
#[test]
fn targets_that_come_back_late_break_no_claim() {
    let seeds = variable("GOAVAIL_SEED").map_or(0..services(), |seed| seed..seed + 1);
    for seed in seeds {
        let delay = ms(1_000 + seed % 7 * 3_000);
        let returns = ReturnSettings { delay, max: delay * 3 };
        play_one(&Schedule { returns, ..Schedule::of(seed) });
    }
}

/// Returns the number of schedules with several services: each costs as much as several others.
fn services() -> u64 {
    variable("GOAVAIL_SCHEDULES").unwrap_or(SCHEDULES) / 2
}

#[test]
fn the_floor_holds_in_the_end_despite_concurrent_withdrawals() {
    play_all(About::Floor);
}

#[test]
fn agents_that_die_start_stand_still_or_reload_act_on_nothing_that_they_do_not_know() {
    play_all(About::Processes);
}
