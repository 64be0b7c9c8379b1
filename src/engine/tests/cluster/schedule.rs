//! Random schedules: the setup, the failures and their times, all from one seed.

use std::collections::BTreeSet;
use std::fmt;
use std::num::NonZeroU32;
use std::time::Duration;

use super::agent::address;
use super::chance::Chance;
use super::services::{STRIDE, in_world, with_services};
use super::world::{World, member};
use super::zone::Kind;
use crate::engine::settings::{ReturnSettings, Settings};
use crate::engine::tests::world::{canary, ip, ms, settings, with_floor};
use crate::engine::types::{Endpoint, Pace, Thresholds};

/// A failure, or its end. Agents and targets by number.
#[derive(Debug, Clone)]
pub(super) enum Step {
    Dies(u8),
    Lives(u8),
    /// The link from an agent to a target.
    Unseen(usize, u8),
    Seen(usize, u8),
    /// The link between two agents, in one direction.
    Cut(usize, usize),
    Open(usize, usize),
    /// Agents below this number and the others do not reach each other.
    Halves(usize),
    /// The connection from an agent to the provider.
    Barred(usize),
    Unbarred(usize),
    ProviderDown,
    ProviderUp,
    /// An agent's own network fails, and works again.
    Island(usize),
    Mainland(usize),
    Kill(usize),
    Start(usize),
    /// A process is suspended for so many seconds.
    Suspend(usize, u64),
    /// SIGHUP: the number of peers that must agree, the peer and the target that are left out.
    Reload {
        agent: usize,
        needed: usize,
        without: Option<usize>,
        unwatched: Option<u8>,
    },
    /// SIGHUP: the service with this number is left out.
    Drop(usize, usize),
}

/// The main subject of a schedule; the seed modulo four selects it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum About {
    /// So many must agree that no two groups can both have their quorum.
    Majority,
    /// Fewer: groups that are cut off from each other may act apart.
    Minority,
    /// There is a floor to keep.
    Floor,
    /// Agents are killed, started, stopped and reloaded, and have canaries.
    Processes,
}

/// One random schedule.
#[derive(Debug, Clone)]
pub(super) struct Schedule {
    pub(super) seed: u64,
    pub(super) about: About,
    pub(super) agents: usize,
    pub(super) services: usize,
    /// The number of targets in each service.
    pub(super) targets: u8,
    pub(super) needed: usize,
    pub(super) floor: usize,
    pub(super) returns: ReturnSettings,
    pub(super) kind: Kind,
    pub(super) loss: usize,
    pub(super) lost_answers: usize,
    pub(super) steps: Vec<(Duration, Step)>,
    /// The time at which all failures have ended.
    pub(super) healed: Duration,
    /// Agents that are dead then and stay so.
    pub(super) gone: BTreeSet<usize>,
}

impl fmt::Display for Schedule {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            out,
            "seed {}, {:?}: {} agents, {} peers must agree, {} services, {} targets, floor {}, {:?}, {} \
             % of votes and {} % of answers lost",
            self.seed,
            self.about,
            self.agents,
            self.needed,
            self.services,
            self.targets,
            self.floor,
            self.kind,
            self.loss,
            self.lost_answers,
        )?;
        for (at, step) in &self.steps {
            writeln!(out, "{:9.3}  {step:?}", at.as_secs_f64())?;
        }
        write!(out, "{:9.3}  healed, but for {:?}", self.healed.as_secs_f64(), self.gone)
    }
}

/// Settings with a calm pace, so that a schedule is cheap: probing is not the subject here.
pub(super) fn calm(targets: u8, floor: usize) -> Settings {
    let two = NonZeroU32::new(2).unwrap();
    let pace = Pace { interval: ms(5_000), timeout: ms(1_000), retry_interval: ms(1_000) };
    let targets: Vec<u8> = (1..=targets).collect();
    let thresholds = Thresholds { failure: two, recovery: two };
    with_floor(floor, settings(&targets).checked(pace, thresholds))
}

impl Step {
    /// Returns the same step about the targets of the service with this number.
    fn in_service(&self, service: usize) -> Self {
        let away = STRIDE * u8::try_from(service).unwrap();
        let mut step = self.clone();
        match &mut step {
            Self::Dies(target)
            | Self::Lives(target)
            | Self::Unseen(_, target)
            | Self::Seen(_, target)
            | Self::Reload { unwatched: Some(target), .. } => *target += away,
            _ => {}
        }
        step
    }
}

impl Schedule {
    /// Returns the schedule of this seed.
    pub(super) fn of(seed: u64) -> Self {
        let about = [About::Majority, About::Minority, About::Floor, About::Processes];
        let about = about[usize::try_from(seed % 4).unwrap()];
        let mut chance = Chance::new(seed);
        let agents = chance.pick(&[2, 3, 3, 3, 4, 5]);
        let majority = agents / 2;
        let needed = match about {
            About::Majority => majority + chance.below(agents - majority).min(1),
            About::Minority => chance.below(majority),
            About::Floor | About::Processes => chance.below(agents.min(4)),
        };
        let floor = if about == About::Floor { 1 + chance.below(2) } else { 0 };
        let mut schedule = Self {
            seed,
            about,
            agents,
            services: 1,
            targets: chance.pick(if floor > 0 { &[2, 2, 3] } else { &[1, 2, 2, 3] }),
            needed,
            floor,
            returns: ReturnSettings::default(),
            kind: chance.pick(&[Kind::ByRecord, Kind::WholeSet]),
            loss: chance.pick(&[0, 0, 10, 40]),
            lost_answers: chance.pick(&[0, 0, 20]),
            steps: vec![],
            healed: ms(25_000) + chance.between(20_000, 70_000),
            gone: BTreeSet::new(),
        };
        let window = u64::try_from(schedule.healed.as_millis()).unwrap();
        for _ in 0..=chance.below(9) {
            let at = chance.between(14_000, window);
            let step = schedule.any_step(&mut chance);
            schedule.steps.push((at, step));
        }
        schedule.steps.sort_by_key(|(at, _)| *at);
        if chance.percent(25) {
            schedule.gone.insert(chance.below(agents));
        }
        schedule
    }

    /// Returns the schedule of this seed with several services. Each step about a target is about
    /// one service, or about all, as the death of a machine is.
    pub(super) fn with_services(seed: u64) -> Self {
        let mut schedule = Self { services: 3, ..Self::of(seed) };
        let mut chance = Chance::new(seed ^ 0x5e4c);
        for (at, step) in std::mem::take(&mut schedule.steps) {
            let services = match chance.below(4) {
                3 => 0..schedule.services,
                one => one..one + 1,
            };
            for service in services {
                schedule.steps.push((at, step.in_service(service)));
            }
            if chance.percent(10) {
                let agent = chance.below(schedule.agents);
                let service = chance.below(schedule.services);
                schedule.steps.push((at, Step::Drop(agent, service)));
            }
        }
        schedule
    }

    fn any_step(&self, chance: &mut Chance) -> Step {
        let agent = chance.below(self.agents);
        let other = (agent + 1 + chance.below(self.agents - 1)) % self.agents;
        let target = 1 + u8::try_from(chance.below(self.targets.into())).unwrap();
        let kinds = if self.about == About::Processes { 34 } else { 26 };
        match chance.below(kinds) {
            0..=4 => Step::Dies(target),
            5..=6 => Step::Lives(target),
            7..=9 => Step::Unseen(agent, target),
            10 => Step::Seen(agent, target),
            11..=12 => Step::Cut(agent, other),
            13 => Step::Open(agent, other),
            14 => Step::Halves(1 + chance.below(self.agents - 1)),
            15 => Step::Barred(agent),
            16 => Step::Unbarred(agent),
            17 => Step::ProviderDown,
            18 => Step::ProviderUp,
            19 => Step::Island(agent),
            20 => Step::Mainland(agent),
            21 | 26 => Step::Kill(agent),
            22 | 27 => Step::Start(agent),
            23 | 28..=30 => Step::Suspend(agent, chance.pick(&[3, 8, 20, 40, 70])),
            _ => self.any_reload(agent, other, target, chance),
        }
    }

    fn any_reload(&self, agent: usize, other: usize, target: u8, chance: &mut Chance) -> Step {
        let without = chance.percent(30).then_some(other);
        let most = self.agents - 1 - usize::from(without.is_some());
        let needed =
            if self.is_majority() { self.needed.min(most) } else { chance.below(most + 1) };
        let unwatched = chance.percent(30).then_some(target);
        Step::Reload { agent, needed, without, unwatched }
    }

    /// Whether no two groups can both have their quorum.
    pub(super) fn is_majority(&self) -> bool {
        2 * (self.needed + 1) > self.agents
    }

    fn alike(&self) -> Settings {
        let mut settings = calm(self.targets, self.floor);
        settings.default_service_mut().returns = self.returns;
        if self.about == About::Processes {
            settings.canaries.push(Endpoint::echo(canary()));
        }
        // A change made by an agent that is gone for good and sent nothing about it to any other
        // agent cannot be found otherwise.
        if !self.gone.is_empty() && !self.is_majority() {
            settings.default_service_mut().resync_interval = Some(ms(60_000));
        }
        if self.services > 1 { with_services(settings) } else { settings }
    }

    /// Cuts or opens all links of an agent, as when its own network fails or recovers.
    fn island(&self, agent: usize, is: bool, world: &mut World) {
        let targets = (0..self.services)
            .flat_map(|it| (1..=self.targets).map(move |to| in_world(it, ip(to))));
        let seen = targets.chain([canary()]).map(|address| (agent, address));
        if is {
            world.net.unseen.extend(seen);
            world.net.barred.insert(agent);
        } else {
            seen.for_each(|way| _ = world.net.unseen.remove(&way));
            world.net.barred.remove(&agent);
        }
        for other in (0..self.agents).filter(|other| *other != agent) {
            world.link(agent, other, !is);
            world.link(other, agent, !is);
        }
    }

    pub(super) fn world(&self) -> World {
        let mut world =
            World::new(self.agents, self.needed, &self.alike(), self.kind, self.seed ^ 0xa5a5);
        world.net.loss = self.loss;
        world.net.lost_answers = self.lost_answers;
        world
    }

    pub(super) fn take(&self, step: &Step, world: &mut World) {
        world.note(|| format!("*** {step:?}"));
        match *step {
            Step::Dies(target) => _ = world.net.dead.insert(ip(target)),
            Step::Lives(target) => _ = world.net.dead.remove(&ip(target)),
            Step::Unseen(agent, target) => _ = world.net.unseen.insert((agent, ip(target))),
            Step::Seen(agent, target) => _ = world.net.unseen.remove(&(agent, ip(target))),
            Step::Cut(from, to) => world.link(from, to, false),
            Step::Open(from, to) => world.link(from, to, true),
            Step::Halves(first) => {
                for (one, other) in
                    (0..first).flat_map(|a| (first..self.agents).map(move |b| (a, b)))
                {
                    world.cut_both(one, other);
                }
            }
            Step::Barred(agent) => _ = world.net.barred.insert(agent),
            Step::Unbarred(agent) => _ = world.net.barred.remove(&agent),
            Step::ProviderDown => world.net.provider_down = true,
            Step::ProviderUp => world.net.provider_down = false,
            Step::Island(agent) => self.island(agent, true, world),
            Step::Mainland(agent) => self.island(agent, false, world),
            Step::Kill(agent) => world.kill(agent),
            Step::Start(agent) => world.start(agent),
            Step::Suspend(agent, seconds) => world.suspend(agent, ms(seconds * 1_000)),
            Step::Reload { agent, needed, without, unwatched } => {
                let mut settings = member(agent, self.agents, needed, &self.alike());
                if let Some(cluster) = &mut settings.cluster {
                    cluster.peers.retain(|peer| Some(*peer) != without.map(address));
                }
                for its in settings.services.values_mut() {
                    let targets = its.targets.iter().copied();
                    its.targets = targets.filter(|it| Some(*it) != unwatched.map(ip)).collect();
                }
                world.reload(agent, settings);
            }
            Step::Drop(agent, service) => {
                let mut settings = world.agents[agent].settings.clone();
                settings.services.remove(&service.into());
                world.reload(agent, settings);
            }
        }
    }

    /// Ends all failures; dead agents are started, except for those that are gone for good.
    pub(super) fn heal(&self, world: &mut World) {
        world.note(|| "*** healed".into());
        let net = &mut world.net;
        (net.loss, net.lost_answers, net.provider_down) = (0, 0, false);
        net.cut.clear();
        net.unseen.clear();
        net.barred.clear();
        for agent in 0..self.agents {
            let settings = member(agent, self.agents, self.needed, &self.alike());
            if world.agents[agent].engine.is_none() && !self.gone.contains(&agent) {
                world.agents[agent].settings = settings;
                world.start(agent);
            } else {
                world.reload(agent, settings);
            }
        }
        world.look_around();
    }
}
