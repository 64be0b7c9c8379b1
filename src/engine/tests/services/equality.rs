//! Several services in one engine make the orders, facts and verdicts that an agent for each of them
//! would make.

use std::num::NonZeroUsize;
use std::time::Duration;

use super::site::*;
use super::zones::Provider;
use crate::engine::ids::TargetRef;
use crate::engine::settings::{CheckSettings, Settings};
use crate::engine::tests::cluster::chance::Chance;
use crate::engine::tests::cluster::random::variable;
use crate::engine::tests::world::{ip, ms};
use crate::engine::types::{Endpoint, Pace};

/// The number of scenarios of each kind; in CI ten times as many.
const SCENARIOS: u64 = 4;

/// The last byte of the canary's address.
const CANARY: u8 = 99;

const MACHINES: u8 = 4;

/// The time after which every target is confirmed.
const CONFIRMED: Duration = Duration::from_mins(1);

/// A change of the surroundings, or a command.
#[derive(Debug, Clone, Copy)]
enum Step {
    Dies(u8),
    PortDies(u8),
    Lives(u8),
    Unreachable(u8, bool),
    Drain(TargetRef, Option<Duration>, bool),
    Undrain(TargetRef),
    Provider(usize, Provider),
}

impl Step {
    fn random(chance: &mut Chance, services: usize, canary: bool) -> Self {
        let last = 1 + u8::try_from(chance.below(MACHINES.into())).unwrap();
        let target = target(1 + chance.below(services), last);
        let zone = chance.below(2);
        match chance.below(if canary { 15 } else { 12 }) {
            0..=2 => Self::Dies(last),
            3 => Self::PortDies(last),
            4..=7 => Self::Lives(last),
            8 => Self::Drain(target, chance.percent(50).then_some(ms(40_000)), false),
            9 => Self::Undrain(target),
            10 => Self::Provider(zone, Provider::Fails),
            11 => Self::Provider(zone, Provider::Works),
            12 => Self::Dies(CANARY),
            13 => Self::Lives(CANARY),
            _ => Self::Unreachable(last, chance.percent(50)),
        }
    }

    /// Whether the step concerns a site with these settings.
    fn concerns(self, settings: &Settings) -> bool {
        match self {
            Self::Drain(target, ..) | Self::Undrain(target) => {
                settings.services.contains_key(&target.service)
            }
            _ => true,
        }
    }

    fn take(self, site: &mut Site) {
        match self {
            Self::Dies(last) => site.dies(last),
            Self::PortDies(last) => site.port_dies(last, 80),
            Self::Lives(last) => site.lives(last),
            Self::Unreachable(last, true) => _ = site.unreachable.insert(ip(last)),
            Self::Unreachable(last, false) => _ = site.unreachable.remove(&ip(last)),
            Self::Drain(target, lasts, force) => site.drain(target, lasts, force),
            Self::Undrain(target) => site.undrain(target),
            Self::Provider(zone, provider) => site.set_provider(zone, provider),
        }
    }
}

/// Some services in two zones, and the steps of a run.
#[derive(Debug)]
struct Scenario {
    settings: Settings,
    steps: Vec<(Duration, Step)>,
}

impl Scenario {
    /// Returns the scenario of this seed, with or without a canary. `several` means that some services
    /// have several checks.
    fn new(seed: u64, canary: bool, several: bool) -> Self {
        let mut chance = Chance::new(seed);
        let pace = Pace { interval: ms(3_000), timeout: ms(1_000), retry_interval: ms(1_000) };
        let checks = [icmp(), tcp(80), CheckSettings { pace, ..icmp() }];
        // All probes go together, as they would in an agent of each service.
        let burst = NonZeroUsize::new(1_000).unwrap();
        let mut settings = Settings { burst, ..no_services() };
        let services = 2 + chance.below(4);
        for number in 1..=services {
            let machines: Vec<u8> = (1..=MACHINES).filter(|_| chance.percent(60)).collect();
            let machines = if machines.is_empty() { vec![1] } else { machines };
            let check = chance.pick(&checks);
            settings = with_service(settings, number, chance.below(2), &machines, check);
            let its = settings.services.get_mut(&service(number)).unwrap();
            its.floor = chance.below(2);
            if several && chance.percent(50) {
                set_checks(its, &[icmp(), tcp(80)], 1 + chance.below(2));
            }
        }
        if canary {
            settings.canaries.push(Endpoint::echo(ip(CANARY)));
        }
        // The agents of single services notice that the canary is gone sooner or later, by their own
        // suspects, so each step has its time.
        let mut at = CONFIRMED;
        let (shortest, longest) = if canary { (25_000, 40_000) } else { (100, 20_000) };
        let mut steps = vec![];
        for _ in 0..20 {
            at += chance.between(shortest, longest);
            steps.push((at, Step::random(&mut chance, services, canary)));
        }
        Self { settings, steps }
    }

    /// Takes the steps that concern these settings, and returns the site after them.
    fn run(&self, settings: &Settings) -> Site {
        let mut site = Site::new(settings);
        // Until then the endpoints rehearse the retry pace one after the other, and are confirmed in
        // another order.
        site.run_until(CONFIRMED);
        site.ledger.clear();
        for (at, step) in &self.steps {
            if step.concerns(&site.settings) {
                site.run_until(*at);
                step.take(&mut site);
            }
        }
        site.run_for(ms(60_000));
        site
    }

    /// Compares one agent for all services with one for each.
    fn compare(&self, label: &str) {
        let together = self.run(&self.settings);
        together.assert_sound(label);
        for id in self.settings.services.keys() {
            let mut alone = self.settings.clone();
            alone.services.retain(|its, _| its == id);
            let alone = self.run(&alone);
            let label = format!("{label}, service {id}: {:?}", self.steps);
            let stories = [&together, &alone].map(|site| without_checks(site.ledger.story(*id)));
            assert_eq!(stories[0], stories[1], "{label}");
            assert_eq!(together.ledger.orders_of(*id), alone.ledger.orders_of(*id), "{label}");
            if self.settings.canaries.is_empty() {
                let flips = [&together, &alone].map(|site| site.ledger.flips(*id));
                assert_eq!(flips[0], flips[1], "{label}: at the same moments");
            }
            let number = usize::from(*id);
            assert_eq!(together.published(number), alone.published(number), "{label}");
            for address in alone.settings.services[id].targets.iter() {
                let name = TargetRef { service: *id, address: *address };
                let [one, other] = [&together, &alone].map(|site| site.engine.target_view(name));
                let [one, other] =
                    [one, other].map(|view| view.map(|it| (it.health, it.in_service, it.reason)));
                assert_eq!(one, other, "{label}, {address}");
            }
        }
    }
}

/// Removes the lines about single checks: equal probes of several services keep another order.
fn without_checks(story: Vec<String>) -> Vec<String> {
    story.into_iter().filter(|line| !line.contains(" c")).collect()
}

/// Returns the number of scenarios that each test plays.
fn scenarios() -> u64 {
    variable("GOAVAIL_SCHEDULES").map_or(SCENARIOS, |schedules| schedules / 16)
}

#[test]
fn services_in_one_agent_do_as_an_agent_for_each_would() {
    for seed in 0..scenarios() {
        let several = seed % 2 == 1;
        Scenario::new(seed, false, several).compare(&format!("seed {seed}"));
    }
}

#[test]
fn services_in_one_agent_are_isolated_as_an_agent_for_each_would_be() {
    for seed in 0..scenarios() {
        let several = seed % 2 == 1;
        Scenario::new(seed, true, several).compare(&format!("seed {seed} with a canary"));
    }
}
