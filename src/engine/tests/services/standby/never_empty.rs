//! Random deaths, drains, faults and restarts: the set is never empty unless the operator forces it.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::super::site::{Site, service, target};
use super::super::zones::Provider;
use super::{orders, site, with_tiers};
use crate::engine::settings::ReturnSettings;
use crate::engine::tests::cluster::random::variable;
use crate::engine::tests::world::{ip, ms};

const PRIMARIES: [u8; 2] = [1, 2];

const ALL: [u8; 4] = [1, 2, 8, 9];

/// Runs for a while, and checks that the set is never empty.
pub(super) fn run_without_a_gap(site: &mut Site, milliseconds: u64) {
    for _ in 0..milliseconds / 10 {
        site.run_for(ms(10));
        assert!(!site.published(1).is_empty(), "at {:?}: {:?}", site.now, orders(site));
    }
}

/// Lets one thing happen.
fn step(site: &mut Site, dice: &mut StdRng) {
    let address = ALL[dice.random_range(0..ALL.len())];
    match dice.random_range(0..10) {
        0..3 => site.dies(address),
        3..5 => site.lives(address),
        5 => site.drain(target(1, address), None, false),
        6 => site.undrain(target(1, address)),
        7 => {
            let states = [Provider::Works, Provider::Works, Provider::Fails, Provider::Hangs];
            site.set_provider(0, states[dice.random_range(0..states.len())]);
        }
        8 if dice.random() => {
            if !site.unreachable.remove(&ip(address)) {
                site.unreachable.insert(ip(address));
            }
        }
        8 => site.reload(site.settings.clone()),
        _ => site.restart(),
    }
}

/// Plays so many sites; `GOAVAIL_STANDBYS` plays others.
#[test]
fn the_set_is_never_empty() {
    for seed in 0..variable("GOAVAIL_STANDBYS").unwrap_or(12) {
        let tiers: [&[&[u8]]; 2] = [&[&[8, 9]], &[&[8], &[9]]];
        let mut dice = StdRng::seed_from_u64(seed);
        let tiers = tiers[dice.random_range(0..tiers.len())];
        let mut settings = with_tiers(&PRIMARIES, tiers, dice.random_range(1..3));
        let its = settings.services.get_mut(&service(1)).unwrap();
        its.max_out = dice.random::<bool>().then_some(1);
        let delay = Duration::from_secs(dice.random_range(0..2) * 20);
        its.returns = ReturnSettings { delay, max: delay * dice.random_range(1..4) };
        let mut site = site(&settings);
        run_without_a_gap(&mut site, 4_000);
        for _ in 0..40 {
            step(&mut site, &mut dice);
            run_without_a_gap(&mut site, dice.random_range(0..4_000));
        }
        site.unreachable.clear();
        site.set_provider(0, Provider::Works);
        // A drain that waits for a listing is answered first.
        run_without_a_gap(&mut site, 4_000);
        for address in ALL {
            site.lives(address);
            site.undrain(target(1, address));
        }
        run_without_a_gap(&mut site, 100_000);
        assert_eq!(site.published(1), PRIMARIES, "seed {seed}: {:?}", orders(&site));
    }
}
