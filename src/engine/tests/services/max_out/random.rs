//! `max_out` by chance: never more than the share is out, and the end is right.

use super::*;
use crate::engine::tests::cluster::chance::Chance;
use crate::engine::tests::cluster::random::variable;

/// The number of random scenes. `GOAVAIL_SCENES` plays another number, and `GOAVAIL_SEED` one of them.
const SEEDS: u64 = 8;

/// The number of addresses of the service.
const COUNT: u8 = 6;

/// Returns the addresses that are not in DNS and were not taken out by hand.
fn out(site: &Site) -> BTreeSet<u8> {
    let published = site.published(1);
    let drained = |number: &u8| site.drained(target(1, *number)).is_some();
    (1..=COUNT).filter(|number| !published.contains(number) && !drained(number)).collect()
}

/// Changes the state of a machine, a drain or the provider, by chance.
fn stir(site: &mut Site, chance: &mut Chance) {
    let number = u8::try_from(chance.below(usize::from(COUNT)) + 1).unwrap();
    match chance.below(10) {
        0..4 => site.dies(number),
        4..7 => site.lives(number),
        7 if site.drained(target(1, number)).is_some() => {
            // A dead address stays out then, and counts: the claim is about addresses that go.
            site.lives(number);
            site.set_provider(0, Provider::Works);
            site.run_for(ms(10_000));
            site.undrain(target(1, number));
            site.run_for(ms(10_000));
        }
        7 => site.drain(target(1, number), None, true),
        8 => site.set_provider(0, Provider::Fails),
        _ => site.set_provider(0, Provider::Works),
    }
}

#[test]
pub(in crate::engine::tests) fn never_more_than_the_limit_is_out_and_the_end_is_right() {
    let count = variable("GOAVAIL_SCENES").unwrap_or(SEEDS);
    let seeds = variable("GOAVAIL_SEED").map_or(0..count, |seed| seed..seed + 1);
    for seed in seeds {
        let mut chance = Chance::new(seed);
        let (limit, floor) = (1 + chance.below(4), chance.below(3));
        let mut site = Site::started(&with_limit(COUNT, limit, floor));
        let mut before = out(&site);
        for _ in 0..40 {
            stir(&mut site, &mut chance);
            before.extend(out(&site));
            let end = site.now + chance.between(50, 9_000);
            while site.now < end {
                site.run_for(ms(20));
                let now = out(&site);
                let has_gone = now.difference(&before).next().is_some();
                assert!(!has_gone || now.len() <= limit, "seed {seed}, {limit}: {now:?}");
                before = now;
            }
        }
        site.set_provider(0, Provider::Works);
        for number in 1..=COUNT {
            if site.drained(target(1, number)).is_some() {
                site.undrain(target(1, number));
            }
            site.lives(number);
        }
        site.run_for(ms(60_000));
        assert_eq!((out(&site), held(&site)), (BTreeSet::new(), vec![]), "seed {seed}");
        for number in 1..=COUNT {
            site.dies(number);
        }
        site.run_for(ms(60_000));
        let most = limit.min(usize::from(COUNT) - floor);
        assert_eq!(out(&site).len(), most, "seed {seed}: as many as may go have gone");
        site.assert_sound(&format!("seed {seed}"));
    }
}
