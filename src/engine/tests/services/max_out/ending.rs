//! The end of a mass death: those that `max_out` or the floor kept.

use super::super::site::{Site, service};
use super::{held, with_limit};
use crate::engine::event::Fact;
use crate::engine::tests::cluster::chance::Chance;
use crate::engine::tests::world::ms;

/// Returns the number of withdrawals so far.
fn withdrawals(site: &Site) -> usize {
    let facts = site.ledger.facts.iter();
    let counts = facts.map(|(_, fact)| match fact {
        Fact::Applied { withdrawn, .. } => withdrawn.len(),
        _ => 0,
    });
    counts.sum()
}

#[test]
fn those_that_were_held_do_not_go_when_a_wrong_mass_death_ends() {
    for seed in 0..50 {
        let mut chance = Chance::new(seed);
        let mut site = Site::started(&with_limit(4, 2, 0));
        site.run_for(chance.between(0, 2_000));
        (1..=4).for_each(|number| site.dies(number));
        site.run_for(ms(8_000) + chance.between(0, 2_000));
        assert_eq!((withdrawals(&site), held(&site).len()), (2, 2), "seed {seed}");
        (1..=4).for_each(|number| site.lives(number));
        site.run_for(ms(20_000));
        assert_eq!((withdrawals(&site), site.published(1).len()), (2, 4), "seed {seed}");
    }
}

#[test]
fn the_one_that_the_floor_kept_does_not_go_when_a_wrong_mass_death_ends() {
    for seed in 0..50 {
        let mut chance = Chance::new(seed);
        let mut settings = with_limit(2, 2, 1);
        settings.services.get_mut(&service(1)).unwrap().max_out = None;
        let mut site = Site::started(&settings);
        site.run_for(chance.between(0, 2_000));
        (1..=2).for_each(|number| site.dies(number));
        site.run_for(ms(8_000) + chance.between(0, 20_000));
        assert_eq!(withdrawals(&site), 1, "seed {seed}");
        (1..=2).for_each(|number| site.lives(number));
        site.run_for(ms(60_000));
        assert_eq!((withdrawals(&site), site.published(1)), (1, vec![1, 2]), "seed {seed}");
    }
}

#[test]
fn one_that_the_floor_kept_and_that_only_answers_now_and_then_goes_once_there_is_room() {
    for seed in 0..50 {
        let mut chance = Chance::new(seed);
        let mut settings = with_limit(2, 2, 1);
        settings.services.get_mut(&service(1)).unwrap().max_out = None;
        let mut site = Site::started(&settings);
        (1..=2).for_each(|number| site.dies(number));
        site.run_for(ms(8_000) + chance.between(0, 2_000));
        let kept = site.published(1)[0];
        site.lives(3 - kept);
        site.run_for(chance.between(0, 1_500));
        site.lives(kept);
        site.run_for(chance.between(0, 900));
        site.dies(kept);
        site.run_for(ms(5_000));
        assert_eq!(site.published(1), [3 - kept], "seed {seed}");
    }
}

#[test]
fn one_that_was_held_and_only_answers_now_and_then_goes_once_there_is_room() {
    for seed in 0..50 {
        let mut chance = Chance::new(seed);
        let mut site = Site::started(&with_limit(4, 2, 0));
        (1..=3).for_each(|number| site.dies(number));
        site.run_for(ms(8_000) + chance.between(0, 2_000));
        let (kept, others) = (held(&site)[0], site.published(1));
        let back = (1..=3).find(|number| !others.contains(number)).unwrap();
        site.lives(back);
        site.run_for(chance.between(0, 1_500));
        site.lives(kept);
        site.run_for(chance.between(0, 900));
        site.dies(kept);
        site.run_for(ms(20_000));
        let published = site.published(1);
        assert!(!published.contains(&kept) && published.contains(&back), "seed {seed}");
    }
}
