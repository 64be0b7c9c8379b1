//! The last resort: put in unprobed once all others are down.

mod reports;

use std::collections::BTreeMap;
use std::time::Duration;

use super::super::site::{Site, service, target};
use super::super::zones::Provider;
use super::{
    add_ipv6, assert_it_goes_in_with_the_last_withdrawal, orders, reason, run_without_a_gap,
    set_last_resort, site, with_tiers, words,
};
use crate::engine::plan::{Desired, Family};
use crate::engine::settings::{ReturnSettings, Settings};
use crate::engine::tests::world::{ip, ip6, ms};
use crate::engine::types::{Endpoint, Health};

/// Returns the settings of a service with these primaries, these tiers and the last resort 99.
fn with_last_resort(primaries: &[u8], tiers: &[&[u8]]) -> Settings {
    let mut settings = with_tiers(primaries, &[tiers, &[&[99]]].concat(), 1);
    set_last_resort(&mut settings, tiers.len() + 1);
    settings
}

#[test]
fn a_last_resort_goes_in_with_the_last_withdrawal_and_out_with_the_first_restoration() {
    let mut site = site(&with_last_resort(&[1, 2], &[]));
    assert_it_goes_in_with_the_last_withdrawal(&mut site, 99, "last resort");
    let before = site.ledger.orders.len();
    site.run_for(ms(600_000));
    assert_eq!((site.published(1), site.ledger.orders.len()), (vec![99], before));
    site.lives(1);
    site.run_for(ms(8_000));
    assert_eq!(site.published(1), [1]);
    let both = BTreeMap::from([(1, Desired::Serve), (99, Desired::StandBy(1))]);
    assert!(orders(&site).contains(&both), "{:?}", orders(&site));
    site.lives(2);
    site.run_for(ms(8_000));
    assert_eq!(site.published(1), [1, 2]);
    site.assert_sound("back and forth");
}

#[test]
fn a_last_resort_is_never_probed_and_has_no_health() {
    let mut site = site(&with_last_resort(&[1], &[]));
    site.dies(99);
    site.run_until(ms(60_000));
    site.dies(1);
    site.run_for(ms(60_000));
    assert_eq!(site.published(1), [99], "nobody asked it");
    assert_eq!(site.probes_of(99, None), 0);
    let view = site.engine.target_view(target(1, 99)).unwrap();
    assert_eq!((view.health, view.unknown, view.reason), (Health::AssumedUp, false, None));
    let story = site.ledger.story(service(1));
    assert!(!story.iter().any(|line| line.contains("unknown")), "{story:#?}");
}

#[test]
fn a_last_resort_waits_until_every_tier_is_known_to_be_down() {
    let mut site = site(&with_last_resort(&[1], &[&[8], &[9]]));
    site.unreachable.insert(ip(9));
    site.run_until(ms(8_000));
    site.dies(1);
    site.run_for(ms(8_000));
    assert_eq!(site.published(1), [8]);
    site.dies(8);
    site.run_for(ms(20_000));
    assert_eq!(site.published(1), [8], "nothing is known of 9");
    site.unreachable.clear();
    site.dies(9);
    site.run_for(ms(20_000));
    assert_eq!(site.published(1), [99]);
    assert_eq!(words(&site, 99), "last resort, since 0 of 3 of tiers 0 to 2 are in service");
    site.lives(9);
    site.run_for(ms(20_000));
    assert_eq!(site.published(1), [9], "a standby is back");
    site.lives(1);
    site.run_for(ms(20_000));
    assert_eq!(site.published(1), [1]);
    site.assert_sound("tiers");
}

#[test]
fn a_last_resort_in_dns_at_the_start_leaves_once_another_address_is_confirmed() {
    let settings = with_last_resort(&[1, 2], &[]);
    let mut site = Site::new(&settings);
    site.run_until(ms(1_500));
    assert!(site.published(1).contains(&99), "none is confirmed yet");
    site.run_for(ms(8_000));
    assert_eq!(site.published(1), [1, 2]);
    let mut site = Site::new(&settings);
    site.dies(1);
    site.dies(2);
    site.run_until(ms(60_000));
    assert_eq!(site.published(1), [99], "all are down");
}

#[test]
fn a_last_resort_can_be_drained_and_lets_the_last_address_be_drained() {
    let mut site = site(&with_last_resort(&[1], &[]));
    site.run_until(ms(8_000));
    site.drain(target(1, 1), None, false);
    site.run_for(ms(2_000));
    assert_eq!(site.published(1), [99]);
    site.undrain(target(1, 1));
    site.run_for(ms(8_000));
    assert_eq!(site.published(1), [1]);
    site.drain(target(1, 99), None, false);
    site.run_for(ms(2_000));
    site.dies(1);
    site.run_for(ms(8_000));
    assert_eq!(site.published(1), [1], "it is drained, and the floor keeps the other one");
    site.undrain(target(1, 99));
    site.run_for(ms(20_000));
    assert_eq!((site.published(1), reason(&site, 1)), (vec![99], None));
    site.assert_sound("drains");
}

#[test]
fn an_isolated_agent_resorts_to_nothing() {
    let mut settings = with_last_resort(&[1, 2], &[]);
    settings.canaries = vec![Endpoint::echo(ip(200))];
    let mut site = site(&settings);
    site.run_until(ms(8_000));
    for number in [1, 2, 200] {
        site.dies(number);
    }
    site.run_for(ms(60_000));
    assert_eq!(site.published(1), [1, 2]);
}

#[test]
fn max_out_keeps_a_last_resort_out() {
    let mut settings = with_last_resort(&[1, 2], &[]);
    settings.services.get_mut(&service(1)).unwrap().max_out = Some(1);
    let mut site = site(&settings);
    site.run_until(ms(8_000));
    site.dies(1);
    site.dies(2);
    site.run_for(ms(20_000));
    assert_eq!(site.published(1).len(), 1, "the one that is held counts as in service");
    assert!(!site.published(1).contains(&99));
}

#[test]
fn a_and_aaaa_have_a_last_resort_each() {
    let mut settings = with_last_resort(&[1], &[]);
    add_ipv6(settings.services.get_mut(&service(1)).unwrap(), &[1, 99]);
    let mut site = site(&settings);
    site.run_until(ms(8_000));
    site.dies_at(ip6(1));
    site.run_for(ms(8_000));
    assert_eq!(site.published_of(1, Family::Aaaa), [ip6(99)]);
    assert_eq!(site.published(1), [1]);
}

/// `standby_below` is about the standbys, which only the A records have.
#[test]
fn a_target_waits_for_its_return_beside_a_last_resort_whatever_the_other_family_needs() {
    let mut settings = with_tiers(&[1, 2, 3], &[&[9], &[]], 2);
    let its = settings.services.get_mut(&service(1)).unwrap();
    add_ipv6(its, &[1, 2, 99]);
    its.standby.tiers.insert(ip6(99), 2);
    let delay = Duration::from_mins(1);
    its.returns = ReturnSettings { delay, max: delay };
    set_last_resort(&mut settings, 2);
    let mut site = site(&settings);
    site.run_until(ms(8_000));
    site.dies_at(ip6(1));
    site.run_for(ms(8_000));
    site.lives_at(ip6(1));
    site.run_for(ms(8_000));
    assert_eq!(site.published_of(1, Family::Aaaa), [ip6(2)], "one is enough");
    site.run_for(ms(60_000));
    assert_eq!(site.published_of(1, Family::Aaaa), [ip6(1), ip6(2)]);
}

#[test]
fn a_reload_makes_an_address_a_last_resort_and_back() {
    let mut site = site(&with_last_resort(&[1], &[]));
    site.run_until(ms(8_000));
    site.reload(with_tiers(&[1, 99], &[], 1));
    site.run_for(ms(8_000));
    assert_eq!(site.published(1), [1, 99], "it is a primary now");
    assert!(site.probes_of(99, None) > 0);
    site.reload(with_last_resort(&[1], &[]));
    site.run_for(ms(8_000));
    assert_eq!(site.published(1), [1]);
    let probes = site.probes_of(99, None);
    site.dies(1);
    site.run_for(ms(8_000));
    assert_eq!((site.published(1), site.probes_of(99, None)), (vec![99], probes));
    site.reload(with_last_resort(&[1], &[]));
    site.run_for(ms(8_000));
    assert_eq!(site.published(1), [99], "the same file again");
    site.reload(with_tiers(&[1], &[], 1));
    site.lives(1);
    site.run_for(ms(8_000));
    assert_eq!(site.published(1), [1, 99], "one that was removed is left as it is");
    site.assert_sound("reloads");
}

#[test]
fn a_provider_that_fails_gets_the_newest_state_once_it_works_again() {
    for provider in [Provider::Fails, Provider::Hangs] {
        let mut site = site(&with_last_resort(&[1], &[]));
        site.run_until(ms(8_000));
        site.set_provider(0, provider);
        site.dies(1);
        site.run_for(ms(20_000));
        assert_eq!(site.published(1), [1]);
        site.set_provider(0, Provider::Works);
        site.run_for(ms(5_000));
        assert_eq!(site.published(1), [99], "{provider:?}");
        site.set_provider(0, provider);
        site.lives(1);
        site.run_for(ms(20_000));
        site.set_provider(0, Provider::Works);
        site.run_for(ms(5_000));
        assert_eq!(site.published(1), [1], "{provider:?}");
        site.assert_sound("provider");
    }
}
