//! Targets that flap: the number of changes to DNS is bounded as the doubling says.

use super::*;
use crate::engine::settings::CheckSettings;
use crate::engine::tests::cluster::chance::Chance;
use crate::engine::types::Pace;

const MINUTE: Duration = Duration::from_mins(1);
const TEN_DAYS: Duration = Duration::from_hours(240);

/// Returns a site with two targets that are asked once a minute, and every ten seconds while one is missing:
/// a return is noticed within three minutes. They wait for `delay` minutes, up to `max`.
fn slow_site(delay: u64, max: u64) -> Site {
    let mut settings = waiting(&[1, 2], delay * 60, max * 60);
    let pace = Pace { interval: MINUTE, timeout: ms(10_000), retry_interval: ms(10_000) };
    let its = settings.services.get_mut(&service(1)).unwrap();
    its.set_check(CheckSettings { pace, ..icmp() });
    let mut site = Site::new(&settings);
    site.run_until(MINUTE * 10);
    site
}

/// Returns the numbers of withdrawals and returns of target 1 that were ordered.
fn changes(site: &Site) -> [usize; 2] {
    [Desired::Withdraw, Desired::Serve].map(|wanted| {
        let orders = site.ledger.orders.iter();
        orders.filter(|(_, order)| order.desired.get(&ip(1)) == Some(&wanted)).count()
    })
}

/// Lets target 1 be silent for `down`, and answer for `up`.
fn flap(site: &mut Site, [up, down]: [Duration; 2]) {
    site.dies(1);
    site.run_for(down);
    site.lives(1);
    site.run_for(up);
}

/// The target of a small part is dead right after it was put back, and alive right after it was withdrawn, for
/// ten days.
#[test]
fn a_target_that_dies_as_soon_as_it_is_back_waits_for_the_maximum_in_the_end() {
    let mut site = slow_site(10, 240);
    let end = site.now + TEN_DAYS;
    while site.now < end {
        if site.published(1).contains(&1) {
            site.dies(1);
        } else {
            site.lives(1);
        }
        site.run_for(ms(20_000));
    }
    let [out, back] = changes(&site);
    // 10, 20, 40, 80 and 160 minutes, then 60 times 240 in 14,400 minutes.
    assert!((50..=66).contains(&out), "{out} withdrawals");
    assert!(out.abs_diff(back) <= 2, "{back} returns");
    site.assert_sound("an adversary");
}

#[test]
fn a_target_that_lives_shorter_than_its_wait_is_out_until_it_is_well() {
    let pace = [MINUTE * 10, MINUTE * 2];
    let mut without = slow_site(0, 0);
    for _ in 0..120 {
        flap(&mut without, pace);
    }
    assert!(changes(&without)[0] > 110, "a withdrawal each time, in one day");
    let mut site = slow_site(5, 240);
    for _ in 0..1200 {
        flap(&mut site, pace);
    }
    // It lives for longer than 5 minutes, but not than 10.
    let [out, back] = changes(&site);
    assert!(out <= 3 && back <= 3, "{out} withdrawals, {back} returns");
    assert_eq!(site.published(1), [2]);
    site.run_for(MINUTE * 60);
    assert_eq!(site.published(1), [1, 2], "it is well now");
    site.assert_sound("a short-lived flapper");
}

#[test]
fn a_target_that_lives_for_long_is_withdrawn_each_time_and_put_back_soon() {
    let mut site = slow_site(10, 240);
    for _ in 0..80 {
        flap(&mut site, [MINUTE * 178, MINUTE * 2]);
        assert_eq!(site.published(1), [1, 2]);
    }
    let [out, back] = changes(&site);
    assert!((79..=81).contains(&out) && (79..=82).contains(&back), "{out}, {back}");
    site.assert_sound("a long-lived flapper");
}

#[test]
pub(in crate::engine::tests) fn a_target_that_dies_at_random_is_withdrawn_a_few_times_in_ten_days()
{
    for seed in 0..4 {
        let mut chance = Chance::new(seed);
        let mut site = slow_site(10, 240);
        let (end, mut lives) = (site.now + TEN_DAYS, 0);
        while site.now < end {
            flap(&mut site, [chance.between(60_000, 3_600_000), chance.between(90_000, 300_000)]);
            lives += 1;
        }
        let [out, back] = changes(&site);
        assert!(lives > 400, "{lives}");
        assert!(out.abs_diff(back) <= 2 && out <= 60, "seed {seed}: {out} of {lives}, {back}");
        site.assert_sound("a random flapper");
    }
}
