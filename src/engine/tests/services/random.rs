//! Random steps over several services and zones: deaths, drains, reloads, providers that fail or hang,
//! changes by others. `GOAVAIL_STEPS=<number>` sets how many there are in all.

use std::time::Duration;

use super::site::*;
use super::zones::Provider;
use crate::engine::ids::ServiceId;
use crate::engine::plan::{Family, SetKey};
use crate::engine::settings::{CheckSettings, ReturnSettings, Settings};
use crate::engine::tests::cluster::chance::Chance;
use crate::engine::tests::cluster::random::variable;
use crate::engine::tests::world::{ip, last, ms};
use crate::engine::types::{Endpoint, Health, Method, Pace};

/// The default number of steps.
const STEPS: u64 = 3_000;

/// The number of steps of each run, and of those between two checks of a calm site.
const STEPS_A_RUN: u64 = 500;
const STEPS_TO_CALM: u64 = 100;

const MACHINES: usize = 6;
const SERVICES: usize = 5;
const ZONES: usize = 3;
const CANARY: u8 = 99;

fn checks() -> [CheckSettings; 3] {
    let pace = Pace { interval: ms(5_000), timeout: ms(1_000), retry_interval: ms(1_000) };
    let slow = Pace { interval: ms(8_000), ..pace };
    let echo = CheckSettings { pace, ..icmp() };
    [
        echo,
        CheckSettings { method: Method::Connect(80), ..echo },
        CheckSettings { pace: slow, ..echo },
    ]
}

/// Returns settings with some of the services, each with some machines.
fn random_settings(chance: &mut Chance) -> Settings {
    let mut settings = no_services();
    settings.canaries.push(Endpoint::echo(ip(CANARY)));
    settings.canary_check = checks()[0];
    for number in 1..=SERVICES {
        if number > 1 && chance.percent(25) {
            continue;
        }
        let mut machines: Vec<u8> = (1..=6).filter(|_| chance.percent(60)).collect();
        machines.extend(machines.is_empty().then_some(1));
        let check = chance.pick(&checks());
        settings = with_service(settings, number, chance.below(ZONES), &machines, check);
        let its = settings.services.get_mut(&service(number)).unwrap();
        if chance.percent(30) {
            let several: Vec<_> = checks().into_iter().filter(|_| chance.percent(60)).collect();
            let several = if several.is_empty() { vec![check] } else { several };
            set_checks(its, &several, 1 + chance.below(several.len()));
        }
        its.floor = chance.below(3);
        its.resync_interval = Some(ms(20_000));
        if chance.percent(50) {
            let delay = chance.between(1, 15_000);
            its.returns = ReturnSettings { delay, max: delay * 4 };
        }
    }
    settings
}

/// Changes one service of the settings, or all.
fn change(settings: &Settings, chance: &mut Chance) -> Settings {
    let other = random_settings(chance);
    if chance.percent(20) {
        return other;
    }
    let mut settings = settings.clone();
    let id = ServiceId::from(1 + chance.below(SERVICES));
    match other.services.get(&id) {
        Some(its) => _ = settings.services.insert(id, its.clone()),
        None if settings.services.len() > 1 => _ = settings.services.remove(&id),
        None => {}
    }
    settings.zones.extend(other.zones);
    let used: Vec<_> = settings.services.values().map(|its| its.zone).collect();
    settings.zones.retain(|zone, _| used.contains(zone));
    settings
}

/// Changes records of a zone from outside.
fn change_by_others(site: &mut Site, chance: &mut Chance) {
    let numbers: Vec<ServiceId> = site.settings.services.keys().copied().collect();
    let its = &site.settings.services[&chance.pick(&numbers)];
    let key = SetKey { name: its.names[0].clone(), family: Family::A };
    let zone = site.zones.entry(its.zone).or_default();
    let set = zone.records.sets.entry(key.clone()).or_default();
    if chance.percent(50) {
        let address = ip(200 + u8::try_from(chance.below(5)).unwrap());
        set.insert(address);
        zone.foreign.insert((key, address));
    } else {
        let address = ip(1 + u8::try_from(chance.below(MACHINES)).unwrap());
        if !set.remove(&address) {
            set.insert(address);
        }
    }
}

fn step(site: &mut Site, chance: &mut Chance) {
    let machine = 1 + u8::try_from(chance.below(MACHINES)).unwrap();
    let zone = chance.below(ZONES);
    let target = target(1 + chance.below(SERVICES), machine);
    match chance.below(20) {
        0..=3 => site.dies(machine),
        4 => site.port_dies(machine, 80),
        5..=9 => site.lives(machine),
        10 => _ = site.unreachable.insert(ip(machine)),
        11 => site.unreachable.clear(),
        12 => site.drain(target, chance.percent(50).then(|| ms(30_000)), chance.percent(30)),
        13 if chance.percent(50) => site.undrain(target),
        13 => site.put_back(target, chance.percent(50)),
        14 => site.set_provider(zone, chance.pick(&[Provider::Fails, Provider::Hangs])),
        15 => site.set_provider(zone, Provider::Works),
        16 => change_by_others(site, chance),
        17 => site.dies(CANARY),
        18 => site.lives(CANARY),
        _ => {
            let settings = change(&site.settings, chance);
            site.reload(settings);
        }
    }
    site.run_for(chance.between(50, 4_000));
}

/// Checks that no target waits while its set has too few addresses that are in service and not down, or for
/// longer than its service says.
fn assert_nothing_waits_in_vain(site: &Site, label: &str) {
    let views: Vec<_> = site.engine.targets().collect();
    for view in &views {
        let Some(wait) = view.returning else { continue };
        let its = &site.settings.services[&view.service];
        let others = views.iter().filter(|other| {
            other.service == view.service && other.in_service && other.health != Health::Down
        });
        assert!(others.count() >= its.floor.max(1), "{label}: {view:?}");
        let left = wait.until.since_start().saturating_sub(site.now);
        assert!(left <= its.returns.max && wait.delay <= its.returns.max, "{label}: {view:?}");
        assert!(!view.in_service && view.drain.is_none(), "{label}: {view:?}");
    }
}

/// Heals everything, and checks that every target is where it belongs, for its own service.
fn calm_down(site: &mut Site, label: &str) {
    site.dead.clear();
    site.unreachable.clear();
    for address in site.settings.services.values().flat_map(|its| its.targets.iter()) {
        site.ledger.changed.insert(*address, site.now);
    }
    site.zones.values_mut().for_each(|zone| zone.provider = Provider::Works);
    site.run_for(Duration::from_mins(2));
    site.assert_sound(label);
    for view in site.engine.targets().collect::<Vec<_>>() {
        let there = site.published(view.service.into()).contains(&last(&view.address));
        let wanted = view.drain.is_none();
        assert_eq!(there, wanted, "{label}: {view:?}, {:?}", site.zones);
    }
    let endpoints: std::collections::BTreeSet<_> = site
        .settings
        .services
        .values()
        .flat_map(|its| its.targets.iter().map(move |address| (*address, its)))
        .flat_map(|(address, its)| its.checks.iter().map(move |it| (address, it.check)))
        .collect();
    assert_eq!(site.engine.endpoint_count(), endpoints.len(), "{label}");
    site.ledger.clear();
}

/// Takes random steps, without any claim about them.
pub(in crate::engine::tests) fn stir(seed: u64, steps: u64) {
    let mut chance = Chance::new(seed);
    let mut site = Site::new(&random_settings(&mut chance));
    for _ in 0..steps {
        step(&mut site, &mut chance);
    }
}

fn run(seed: u64, steps: u64) {
    let mut chance = Chance::new(seed);
    let mut site = Site::new(&random_settings(&mut chance));
    for number in 1..=steps {
        step(&mut site, &mut chance);
        let label = format!("seed {seed}, step {number}");
        site.assert_sound(&label);
        assert_nothing_waits_in_vain(&site, &label);
        if number % STEPS_TO_CALM == 0 {
            calm_down(&mut site, &label);
        }
    }
}

#[test]
fn the_floor_foreign_records_and_other_services_are_safe_through_random_steps() {
    let steps = variable("GOAVAIL_STEPS").unwrap_or(STEPS);
    if let Some(seed) = variable("GOAVAIL_SEED") {
        return run(seed, STEPS_A_RUN);
    }
    for seed in 0..steps.div_ceil(STEPS_A_RUN) {
        run(seed, STEPS_A_RUN);
    }
}
