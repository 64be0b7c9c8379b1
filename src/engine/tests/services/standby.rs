//! Standbys: published only while too few others are in service.

mod drained;
mod last_resort;
mod model;
pub(in crate::engine::tests) mod never_empty;
mod reports;

use std::collections::BTreeMap;

use super::reason;
use super::site::{Site, icmp, no_services, service, target, with_service};
use super::zones::Provider;
use crate::engine::event::{Fact, Reason};
use crate::engine::plan::{Desired, Family, SetKey};
use crate::engine::settings::{ServiceSettings, Settings, StandbySettings};
use crate::engine::tests::world::{ip, ip6, last, ms};
pub(super) use never_empty::run_without_a_gap;

/// Returns the settings of a service with these primaries, these tiers of standbys, and a floor of 1.
fn with_tiers(primaries: &[u8], tiers: &[&[u8]], below: usize) -> Settings {
    let all = [primaries, &tiers.concat()].concat();
    let mut settings = with_service(no_services(), 1, 0, &all, icmp());
    let its = settings.services.get_mut(&service(1)).unwrap();
    its.floor = 1;
    its.standby.below = below;
    for (tier, standbys) in tiers.iter().enumerate() {
        its.standby.tiers.extend(standbys.iter().map(|last| (ip(*last), tier + 1)));
    }
    settings
}

/// Makes this tier, which is the last one, the last resort. In a service without other standbys nothing
/// says how many addresses have to be in service.
fn set_last_resort(settings: &mut Settings, tier: usize) {
    let standby = &mut settings.services.get_mut(&service(1)).unwrap().standby;
    standby.last_resort = Some(tier);
    if tier == 1 {
        standby.below = 0;
    }
}

/// Adds an IPv6 address for each address of a service, in the same tier.
fn add_ipv6(its: &mut ServiceSettings, all: &[u8]) {
    its.targets =
        its.targets.iter().copied().chain(all.iter().map(|at| ip6((*at).into()))).collect();
    for at in all {
        if let Some(tier) = its.standby.tiers.get(&ip(*at)).copied() {
            its.standby.tiers.insert(ip6((*at).into()), tier);
        }
    }
}

/// Returns a site in which the primaries alone are published.
fn site(settings: &Settings) -> Site {
    let mut site = Site::new(settings);
    let its = &settings.services[&service(1)];
    for set in site.zones.values_mut().flat_map(|zone| zone.records.sets.values_mut()) {
        set.retain(|address| !its.standby.tiers.contains_key(address));
    }
    site
}

/// Returns the desired states in each order so far, by the last byte of the address.
fn orders(site: &Site) -> Vec<BTreeMap<u8, Desired>> {
    let orders = site.ledger.orders.iter();
    orders
        .map(|(_, it)| it.desired.iter().map(|(at, state)| (last(at), *state)).collect())
        .collect()
}

fn words(site: &Site, number: u8) -> String {
    site.engine.why_standby(target(1, number)).unwrap()
}

/// Lets the primaries 1 and 2 die, one after the other. The standby goes in with the second one.
fn assert_it_goes_in_with_the_last_withdrawal(site: &mut Site, standby: u8, name: &str) {
    site.run_until(ms(8_000));
    assert_eq!(site.published(1), [1, 2]);
    assert_eq!(words(site, standby), format!("{name}, since 2 of 2 of tier 0 are in service"));
    site.dies(1);
    site.run_for(ms(5_000));
    assert_eq!(site.published(1), [2], "one is enough");
    site.dies(2);
    site.run_for(ms(5_000));
    assert_eq!(site.published(1), [standby]);
    assert_eq!(words(site, standby), format!("{name}, since 0 of 2 of tier 0 are in service"));
    let both = BTreeMap::from([(2, Desired::Withdraw), (standby, Desired::Serve)]);
    assert!(orders(site).contains(&both), "{:?}", orders(site));
}

#[test]
fn a_standby_goes_in_with_the_last_withdrawal_and_out_with_the_first_restoration() {
    let mut site = site(&with_tiers(&[1, 2], &[&[9]], 1));
    assert_it_goes_in_with_the_last_withdrawal(&mut site, 9, "tier 1");
    site.lives(1);
    site.run_for(ms(8_000));
    assert_eq!(site.published(1), [1]);
    assert_eq!(words(&site, 9), "tier 1, since 1 of 2 of tier 0 is in service");
    let both = BTreeMap::from([(1, Desired::Serve), (9, Desired::StandBy(1))]);
    assert!(orders(&site).contains(&both), "{:?}", orders(&site));
    let left = site.ledger.facts.iter().filter_map(|(_, fact)| match fact {
        Fact::Applied { withdrawn, .. } => Some(withdrawn),
        _ => None,
    });
    let left = left.flatten().map(|(address, its)| (last(address), its.standing_by));
    assert_eq!(left.collect::<Vec<_>>(), [(1, false), (2, false), (9, true)]);
    site.lives(2);
    site.run_for(ms(8_000));
    assert_eq!(site.published(1), [1, 2]);
    site.assert_sound("back and forth");
}

#[test]
fn nothing_is_ordered_of_a_standby_while_nothing_changes() {
    let mut site = site(&with_tiers(&[1, 2], &[&[8, 9]], 1));
    site.run_until(ms(10_000));
    let before = site.ledger.orders.len();
    assert!(before <= 3, "{:?}", orders(&site));
    site.run_for(ms(600_000));
    assert_eq!(site.ledger.orders.len(), before, "{:?}", orders(&site));
    assert_eq!((reason(&site, 8), reason(&site, 9)), (None, None));
}

#[test]
fn a_tier_goes_in_while_fewer_than_so_many_of_the_tiers_before_are_in_service() {
    let mut site = site(&with_tiers(&[1, 2, 3], &[&[7, 8], &[9]], 2));
    site.run_until(ms(8_000));
    let steps: [(&str, u8, bool, &[u8]); 9] = [
        ("two of three are enough", 3, false, &[1, 2]),
        ("one is not: all of tier 1 go in", 2, false, &[1, 7, 8]),
        ("one of tier 1 is gone, and two are left", 8, false, &[1, 7]),
        ("one of tiers 0 and 1 is left", 1, false, &[7, 9]),
        ("the second tier alone", 7, false, &[9]),
        ("tier 1 is back, and one does not suffice", 8, true, &[8, 9]),
        ("a primary is back: two of tiers 0 and 1", 1, true, &[1, 8]),
        ("two primaries are back", 2, true, &[1, 2]),
        ("a third changes nothing", 3, true, &[1, 2, 3]),
    ];
    for (name, number, lives, want) in steps {
        if lives {
            site.lives(number);
        } else {
            site.dies(number);
        }
        site.run_for(ms(10_000));
        assert_eq!(site.published(1), want, "{name}");
    }
    site.assert_sound("tiers");
}

#[test]
fn a_standby_in_dns_at_the_start_leaves_once_enough_primaries_are_confirmed() {
    let settings = with_tiers(&[1, 2], &[&[9]], 2);
    let mut site = Site::new(&settings);
    site.dies(2);
    site.run_until(ms(20_000));
    assert_eq!(site.published(1), [1, 9], "one of two is confirmed");
    site.lives(2);
    site.run_for(ms(10_000));
    assert_eq!(site.published(1), [1, 2]);
    let mut site = Site::new(&settings);
    site.run_until(ms(2_000));
    assert_eq!(site.published(1), [1, 2, 9], "none is confirmed yet");
    site.run_for(ms(6_000));
    assert_eq!(site.published(1), [1, 2]);
}

#[test]
fn a_standby_that_does_not_answer_stays_out_and_the_last_address_stays_in() {
    let mut site = site(&with_tiers(&[1], &[&[9]], 1));
    site.dies(9);
    site.run_until(ms(8_000));
    assert_eq!(reason(&site, 9), None, "it is not needed");
    site.dies(1);
    site.run_for(ms(8_000));
    assert_eq!(site.published(1), [1]);
    assert_eq!((reason(&site, 1), reason(&site, 9)), (Some(Reason::Floor), Some(Reason::Standby)));
    site.lives(9);
    site.run_for(ms(8_000));
    assert_eq!(site.published(1), [9]);
    assert_eq!((reason(&site, 1), reason(&site, 9)), (None, None));
    site.dies(9);
    site.run_for(ms(60_000));
    assert_eq!(site.published(1), [9], "all are down: DNS stays as it is");
    site.lives(1);
    site.run_for(ms(20_000));
    assert_eq!(site.published(1), [1]);
    site.assert_sound("dead standby");
}

#[test]
fn a_standby_that_was_never_seen_is_not_put_in() {
    let mut site = site(&with_tiers(&[1], &[&[9]], 1));
    site.unreachable.insert(ip(9));
    site.run_until(ms(8_000));
    site.dies(1);
    site.run_for(ms(30_000));
    assert_eq!(site.published(1), [1], "nothing is known of the standby");
    site.unreachable.clear();
    site.run_for(ms(8_000));
    assert_eq!(site.published(1), [9]);
}

#[test]
fn the_last_primary_can_be_drained_if_a_standby_answers() {
    let mut site = site(&with_tiers(&[1], &[&[9]], 1));
    site.run_until(ms(8_000));
    site.drain(target(1, 1), None, false);
    site.run_for(ms(2_000));
    assert_eq!(site.published(1), [9]);
    let both = BTreeMap::from([(1, Desired::WithdrawFirst), (9, Desired::Serve)]);
    assert!(orders(&site).contains(&both), "{:?}", orders(&site));
    site.undrain(target(1, 1));
    site.run_for(ms(2_000));
    assert_eq!(site.published(1), [1]);
    site.dies(9);
    site.run_for(ms(5_000));
    site.drain(target(1, 1), None, false);
    site.run_for(ms(2_000));
    assert_eq!(site.published(1), [1], "the floor");
    assert!(site.ledger.answers.last().unwrap().1.is_err(), "no standby answers");
    site.lives(9);
    site.run_for(ms(5_000));
    site.drain(target(1, 9), None, false);
    site.run_for(ms(2_000));
    site.dies(1);
    site.run_for(ms(10_000));
    assert_eq!(site.published(1), [1], "a drained standby is not put in");
    site.undrain(target(1, 9));
    site.run_for(ms(5_000));
    assert_eq!(site.published(1), [9]);
    site.assert_sound("drains");
}

#[test]
fn a_and_aaaa_have_tiers_of_their_own() {
    let mut settings = with_tiers(&[1], &[&[9]], 1);
    let its = settings.services.get_mut(&service(1)).unwrap();
    its.targets = its.targets.iter().copied().chain([ip6(1), ip6(9)]).collect();
    its.standby.tiers.insert(ip6(9), 1);
    let mut site = site(&settings);
    site.run_until(ms(8_000));
    site.dies(1);
    site.run_for(ms(8_000));
    assert_eq!(site.published(1), [9]);
    let key = SetKey { name: "s1.example.com".into(), family: Family::Aaaa };
    let zone = site.zones.values().next().unwrap();
    assert_eq!(zone.records.sets[&key], [ip6(1)].into(), "the other set is well");
}

#[test]
fn a_provider_that_fails_gets_the_newest_state_once_it_works_again() {
    for provider in [Provider::Fails, Provider::Hangs] {
        let mut site = site(&with_tiers(&[1], &[&[9]], 1));
        site.run_until(ms(8_000));
        site.set_provider(0, provider);
        site.dies(1);
        site.run_for(ms(20_000));
        assert_eq!(site.published(1), [1]);
        site.set_provider(0, Provider::Works);
        site.run_for(ms(5_000));
        assert_eq!(site.published(1), [9]);
        site.set_provider(0, provider);
        site.lives(1);
        site.run_for(ms(20_000));
        site.dies(1);
        site.run_for(ms(20_000));
        site.set_provider(0, Provider::Works);
        site.run_for(ms(5_000));
        assert_eq!(site.published(1), [9], "{provider:?}: it died again meanwhile");
        site.lives(1);
        site.run_for(ms(10_000));
        assert_eq!(site.published(1), [1]);
        site.assert_sound("provider");
    }
}

#[test]
fn a_reload_moves_addresses_between_the_tiers() {
    let mut site = site(&with_tiers(&[1, 2], &[&[9]], 1));
    site.run_until(ms(8_000));
    site.reload(with_tiers(&[1], &[&[2, 9]], 1));
    site.run_for(ms(5_000));
    assert_eq!(site.published(1), [1], "a primary became a standby");
    site.reload(with_tiers(&[1, 9], &[&[2]], 1));
    site.run_for(ms(5_000));
    assert_eq!(site.published(1), [1, 9], "a standby became a primary");
    site.dies(1);
    site.dies(9);
    site.run_for(ms(8_000));
    assert_eq!(site.published(1), [2]);
    site.reload(with_tiers(&[1, 9], &[&[2]], 1));
    site.run_for(ms(8_000));
    assert_eq!(site.published(1), [2], "the same file again");
    site.reload(with_tiers(&[1, 9], &[], 1));
    site.lives(1);
    site.run_for(ms(8_000));
    assert_eq!(site.published(1), [1, 2], "a tier that was removed is left as it is");
    site.reload(with_tiers(&[1, 9], &[&[2]], 1));
    site.run_for(ms(8_000));
    assert_eq!(site.published(1), [1], "and leaves once it is a standby again");
    site.assert_sound("reloads");
}

#[test]
fn records_that_an_operator_removed_stay_out_when_a_standby_leaves() {
    let mut site = site(&with_tiers(&[1, 2, 3], &[&[9]], 2));
    site.run_until(ms(8_000));
    let key = SetKey { name: "s1.example.com".into(), family: Family::A };
    for zone in site.zones.values_mut() {
        zone.records.sets.get_mut(&key).unwrap().remove(&ip(3));
    }
    site.dies(1);
    site.dies(2);
    site.run_for(ms(8_000));
    assert_eq!(site.published(1), [9], "by the verdicts one is in service");
    site.lives(1);
    site.run_for(ms(8_000));
    assert_eq!(site.published(1), [1, 9], "one of two that should be there is");
    site.lives(2);
    site.run_for(ms(20_000));
    assert_eq!(site.published(1), [1, 2]);
    assert_eq!(reason(&site, 9), None);
    site.assert_sound("by hand");
}

#[test]
fn an_isolated_agent_puts_no_standby_in_and_takes_none_out() {
    for is_in in [false, true] {
        let mut settings = with_tiers(&[1], &[&[9]], 1);
        settings.canaries = vec![crate::engine::types::Endpoint::echo(ip(200))];
        let mut site = site(&settings);
        site.run_until(ms(8_000));
        if is_in {
            site.dies(1);
            site.run_for(ms(8_000));
        }
        let before = site.published(1);
        for number in [1, 9, 200] {
            site.dies(number);
        }
        site.run_for(ms(30_000));
        assert_eq!(site.published(1), before, "in: {is_in}");
        for number in [1, 9, 200] {
            site.lives(number);
        }
        site.run_for(ms(20_000));
        assert_eq!(site.published(1), [1]);
        assert_eq!(reason(&site, 9), None);
    }
}

#[test]
fn settings_without_standbys_have_one_tier() {
    let none = StandbySettings::default();
    assert_eq!((none.last_tier(), none.tier(ip(1))), (0, 0));
}
