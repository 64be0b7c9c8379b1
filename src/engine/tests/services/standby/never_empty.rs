//! Random deaths, drains, faults, reloads and restarts: no set is ever empty unless the operator forces it.

use std::net::IpAddr;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::super::site::{Site, service};
use super::super::zones::Provider;
use super::{add_ipv6, orders, set_last_resort, site, with_tiers};
use crate::engine::ids::TargetRef;
use crate::engine::plan::Family;
use crate::engine::settings::{ReturnSettings, ServiceSettings, Settings};
use crate::engine::tests::cluster::random::variable;
use crate::engine::tests::world::{last, ms};

const PRIMARIES: [u8; 2] = [1, 2];

/// The last resort of the sites that have one.
const RESORT: u8 = 99;

/// Runs for a while, and checks that no set is ever empty.
pub(in super::super) fn run_without_a_gap(site: &mut Site, milliseconds: u64) {
    for _ in 0..milliseconds / 10 {
        site.run_for(ms(10));
        for family in families(site) {
            let published = site.published_of(1, family);
            assert!(!published.is_empty(), "{family} at {:?}: {:?}", site.now, orders(site));
        }
    }
}

/// Returns the families of a site's addresses.
fn families(site: &Site) -> Vec<Family> {
    let targets = &site.settings.services[&service(1)].targets;
    let mut families = vec![Family::A, Family::Aaaa];
    families.retain(|family| targets.iter().any(|it| Family::of(*it) == *family));
    families
}

/// Returns the settings of a service with standbys, a last resort or both, for one family or for two.
fn settings_by_chance(dice: &mut StdRng) -> Settings {
    let arrangements: [&[&[u8]]; 5] =
        [&[&[8, 9]], &[&[8], &[9]], &[&[8, 9], &[RESORT]], &[&[8], &[9], &[RESORT]], &[&[RESORT]]];
    let tiers = arrangements[dice.random_range(0..arrangements.len())];
    let mut settings = with_tiers(&PRIMARIES, tiers, dice.random_range(1..3));
    if tiers.concat().contains(&RESORT) {
        set_last_resort(&mut settings, tiers.len());
    }
    let its = settings.services.get_mut(&service(1)).unwrap();
    if dice.random_range(0..3) == 0 {
        add_ipv6(its, &[&PRIMARIES, &tiers.concat()[..]].concat());
    }
    set_guards_by_chance(its, dice);
    settings
}

/// Gives a service another `max_out` and another delay of returns.
fn set_guards_by_chance(its: &mut ServiceSettings, dice: &mut StdRng) {
    its.max_out = dice.random::<bool>().then_some(1);
    let delay = Duration::from_secs(dice.random_range(0..2) * 20);
    its.returns = ReturnSettings { delay, max: delay * dice.random_range(1..4) };
}

/// Returns settings that a reload puts in the place of these: other guards, or a tier less.
fn changed_by_chance(settings: &Settings, dice: &mut StdRng) -> Settings {
    let mut settings = settings.clone();
    let its = settings.services.get_mut(&service(1)).unwrap();
    match dice.random_range(0..3) {
        0 => {}
        1 => set_guards_by_chance(its, dice),
        _ => {
            let gone = its.standby.last_tier();
            let is_gone = |at: &IpAddr| its.standby.tiers.get(at) == Some(&gone);
            its.targets = its.targets.iter().copied().filter(|at| !is_gone(at)).collect();
            its.standby.tiers.retain(|_, tier| *tier != gone);
            its.standby.last_resort = None;
        }
    }
    settings
}

/// Lets one thing happen. `settings` are those that the site began with.
fn step(site: &mut Site, settings: &Settings, dice: &mut StdRng) {
    let targets = settings.services[&service(1)].targets.clone();
    let address = targets[dice.random_range(0..targets.len())];
    let target = TargetRef { service: service(1), address };
    match dice.random_range(0..11) {
        0..3 => site.dies_at(address),
        3..5 => site.lives_at(address),
        5 => site.drain(target, None, false),
        6 => site.undrain(target),
        7 => {
            let states = [Provider::Works, Provider::Works, Provider::Fails, Provider::Hangs];
            site.set_provider(0, states[dice.random_range(0..states.len())]);
        }
        8 if dice.random() => {
            if !site.unreachable.remove(&address) {
                site.unreachable.insert(address);
            }
        }
        8 => site.put_back(target, false),
        9 => site.reload(changed_by_chance(settings, dice)),
        _ => site.restart(),
    }
}

/// Plays so many sites; `GOAVAIL_STANDBYS` plays others.
#[test]
pub(in crate::engine::tests) fn the_set_is_never_empty() {
    for seed in 0..variable("GOAVAIL_STANDBYS").unwrap_or(12) {
        let mut dice = StdRng::seed_from_u64(seed);
        let settings = settings_by_chance(&mut dice);
        let mut site = site(&settings);
        run_without_a_gap(&mut site, 4_000);
        for _ in 0..40 {
            step(&mut site, &settings, &mut dice);
            run_without_a_gap(&mut site, dice.random_range(0..4_000));
        }
        site.unreachable.clear();
        site.set_provider(0, Provider::Works);
        site.reload(settings.clone());
        // A drain that waits for a listing is answered first.
        run_without_a_gap(&mut site, 4_000);
        for address in settings.services[&service(1)].targets.iter().copied() {
            site.lives_at(address);
            site.undrain(TargetRef { service: service(1), address });
        }
        run_without_a_gap(&mut site, 100_000);
        for family in families(&site) {
            let published = site.published_of(1, family);
            let published: Vec<u8> = published.iter().map(last).collect();
            assert_eq!(published, PRIMARIES, "seed {seed}, {family}: {:?}", orders(&site));
        }
    }
}
