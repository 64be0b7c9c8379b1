//! `max_out`: at most so many addresses of a service are out for their health at once.

mod ending;
pub(in crate::engine::tests) mod random;
mod reports;

use std::collections::BTreeSet;

use super::site::{Site, icmp, no_services, service, target, with_service};
use super::zones::Provider;
use crate::engine::event::{Fact, Reason};
use crate::engine::plan::{Family, SetKey};
use crate::engine::settings::Settings;
use crate::engine::tests::world::{ip, ip6, last, ms};
use crate::engine::types::{Answer, Endpoint, Health};

/// Returns the settings of a service with the targets 1 to `count`. At most `limit` may be out.
fn with_limit(count: u8, limit: usize, floor: usize) -> Settings {
    let targets: Vec<u8> = (1..=count).collect();
    let mut settings = with_service(no_services(), 1, 0, &targets, icmp());
    let its = settings.services.get_mut(&service(1)).unwrap();
    its.max_out = Some(limit);
    its.floor = floor;
    settings
}

/// Returns the targets that are held.
fn held(site: &Site) -> Vec<u8> {
    let targets = &site.settings.services[&service(1)].targets;
    let numbers = targets.iter().map(last);
    numbers.filter(|number| site.reason(1, *number) == Some(Reason::MaxOut)).collect()
}

/// Lets these targets die at once, and waits until that is decided.
fn all_die(site: &mut Site, numbers: &[u8]) {
    for number in numbers {
        site.dies(*number);
    }
    site.run_for(ms(8_000));
}

/// Lets these targets die one after the other, each once the one before is decided.
fn die_in_turn(site: &mut Site, numbers: &[u8]) {
    for number in numbers {
        all_die(site, &[*number]);
    }
}

/// Asserts which targets are published, and which of these are held.
#[track_caller]
fn assert_out(site: &Site, published: &[u8], held: &[u8], why: &str) {
    assert_eq!(
        (site.published(1).as_slice(), self::held(site).as_slice()),
        (published, held),
        "{why}"
    );
}

/// Removes a target from DNS, or puts it there, as others would.
fn set_record(site: &mut Site, number: u8, is_there: bool) {
    let key = SetKey { name: "s1.example.com".into(), family: Family::A };
    for zone in site.zones.values_mut() {
        let set = zone.records.sets.entry(key.clone()).or_default();
        if is_there {
            set.insert(ip(number))
        } else {
            set.remove(&ip(number))
        };
    }
}

#[test]
fn of_three_that_are_dead_at_once_two_go_and_the_third_as_soon_as_one_is_back() {
    let mut site = Site::started(&with_limit(4, 2, 1));
    all_die(&mut site, &[1, 2, 3]);
    assert_out(&site, &[1, 4], &[1], "the lowest one stays");
    let view = site.engine.target_view(target(1, 1)).unwrap();
    assert_eq!((view.health, view.in_service), (Health::Down, true));
    let refused = site.ledger.facts.iter().find_map(|(_, fact)| match fact {
        Fact::Refused { reason: Reason::MaxOut, detail, .. } => Some(detail.as_str()),
        _ => None,
    });
    let words = "2 of 4 addresses are out or about to leave, and no more may be";
    assert_eq!(refused, Some(words));
    let (orders, refusals) = (site.ledger.orders.len(), refusals(&site));
    site.run_for(ms(600_000));
    assert_eq!((site.ledger.orders.len(), refusals), (orders, 1), "said once, ordered once");
    site.lives(2);
    site.run_for(ms(8_000));
    assert_out(&site, &[2, 4], &[], "one is back, and the third goes");
    site.lives(1);
    site.lives(3);
    site.run_for(ms(8_000));
    assert_eq!(site.published(1), [1, 2, 3, 4]);
    site.assert_sound("three of four");
}

fn refusals(site: &Site) -> usize {
    let facts = site.ledger.facts.iter();
    facts.filter(|(_, fact)| matches!(fact, Fact::Refused { reason: Reason::MaxOut, .. })).count()
}

#[test]
fn the_ones_that_are_out_stay_out_and_a_lower_one_does_not_take_their_place() {
    let mut site = Site::started(&with_limit(4, 2, 0));
    die_in_turn(&mut site, &[2, 1, 3, 4]);
    assert_out(&site, &[3, 4], &[3, 4], "the first two");
    site.lives(1);
    site.run_for(ms(8_000));
    assert_out(&site, &[1, 3], &[3], "the highest one goes next");
    site.assert_sound("one after the other");
}

#[test]
fn a_dead_one_waits_until_the_one_that_is_back_is_in_dns() {
    let mut site = Site::started(&with_limit(4, 2, 0));
    all_die(&mut site, &[1, 2, 3]);
    site.set_provider(0, Provider::Fails);
    site.lives(3);
    site.run_for(ms(30_000));
    assert_out(&site, &[1, 4], &[1], "it is not back yet");
    site.set_provider(0, Provider::Works);
    site.run_for(ms(8_000));
    assert_out(&site, &[3, 4], &[], "it is back");
    site.assert_sound("waits");
}

#[test]
fn drained_targets_do_not_count_and_are_not_held() {
    let mut site = Site::started(&with_limit(4, 2, 0));
    site.drain(target(1, 4), None, false);
    all_die(&mut site, &[1, 2, 3]);
    assert_out(&site, &[1], &[1], "4 is drained");
    site.drain(target(1, 1), None, true);
    site.run_for(ms(2_000));
    assert_out(&site, &[], &[], "the operator's word");
    site.undrain(target(1, 1));
    site.run_for(ms(20_000));
    assert_eq!(site.published(1), [0; 0], "a dead address is not put back");
    site.undrain(target(1, 4));
    site.lives(2);
    site.run_for(ms(8_000));
    assert_eq!(site.published(1), [2, 4]);
    all_die(&mut site, &[4]);
    assert_out(&site, &[2, 4], &[4], "1 and 3 are out");
    site.drain(target(1, 3), None, true);
    site.run_for(ms(2_000));
    assert_out(&site, &[2], &[], "3 does not count any more");
    site.assert_sound("drains");
}

#[test]
fn targets_that_asked_to_be_taken_out_do_not_count_and_are_not_held() {
    let mut settings = with_limit(4, 1, 0);
    let its = settings.services.get_mut(&service(1)).unwrap();
    its.checks[0].check.method = crate::engine::types::Method::Request(0.into());
    let method = its.checks[0].check.method;
    let mut site = Site::started(&settings);
    for number in [1, 2] {
        let endpoint = Endpoint { address: ip(number), method };
        site.answers.insert(endpoint, Answer::Asked("drain".into()));
    }
    site.run_for(ms(8_000));
    assert_eq!(site.published(1), [3, 4]);
    site.answers.clear();
    all_die(&mut site, &[1, 3]);
    assert_eq!(site.published(1), [2, 4], "1 asked and is silent now: it does not count");
    all_die(&mut site, &[4]);
    assert_out(&site, &[2, 4], &[4], "3 is out");
}

#[test]
fn an_agent_that_is_restarted_counts_those_that_are_out_of_dns() {
    for is_readable in [true, false] {
        let mut site = Site::new(&with_limit(4, 2, 0));
        // An earlier agent withdrew 1 and 2, and 3 and 4 die now.
        set_record(&mut site, 1, false);
        set_record(&mut site, 2, false);
        for number in [1, 2, 3, 4] {
            site.dies(number);
        }
        let zone = 0.into();
        if is_readable {
            let listing = site.zones[&zone].listing();
            site.reports(zone, vec![listing]);
        }
        site.run_until(ms(20_000));
        assert_out(&site, &[3, 4], &[3, 4], &format!("{is_readable}"));
        site.lives(1);
        site.run_for(ms(8_000));
        assert_out(&site, &[1, 3], &[3], &format!("{is_readable}"));
        site.assert_sound("restart");
    }
}

#[test]
fn an_agent_that_is_restarted_counts_those_that_are_not_seen_yet() {
    let mut site = Site::new(&with_limit(4, 2, 0));
    set_record(&mut site, 1, false);
    set_record(&mut site, 2, false);
    site.dies(3);
    site.unreachable.extend([ip(1), ip(2)]);
    let zone = 0.into();
    let listing = site.zones[&zone].listing();
    site.reports(zone, vec![listing]);
    site.run_until(ms(20_000));
    assert_out(&site, &[3, 4], &[3], "nothing is known of 1, 2");
    site.unreachable.clear();
    site.run_for(ms(10_000));
    assert_out(&site, &[1, 2, 4], &[], "1 and 2 are seen again");
}

#[test]
fn records_that_an_operator_removed_do_not_count() {
    let mut site = Site::started(&with_limit(4, 1, 0));
    set_record(&mut site, 1, false);
    set_record(&mut site, 2, false);
    all_die(&mut site, &[3]);
    assert_out(&site, &[4], &[], "what others removed is not out for its health");
}

#[test]
fn the_floor_and_max_out_bind_together() {
    let mut site = Site::started(&with_limit(4, 2, 3));
    for number in [1, 2, 3, 4] {
        site.dies(number);
    }
    site.run_for(ms(60_000));
    let reasons: Vec<_> = (1..=4).map(|number| site.reason(1, number)).collect();
    assert_eq!(site.published(1).len(), 3);
    let kept = reasons.iter().filter(|reason| **reason == Some(Reason::Floor)).count();
    let held = reasons.iter().filter(|reason| **reason == Some(Reason::MaxOut)).count();
    assert_eq!((kept, held), (1, 2), "{reasons:?}");
    for number in [1, 2, 3, 4] {
        site.lives(number);
    }
    site.run_for(ms(30_000));
    assert_eq!(site.published(1), [1, 2, 3, 4]);
    site.assert_sound("floor");
}

/// An address that the floor keeps in DNS is not out, so another one may go in its stead.
#[test]
fn an_address_that_the_floor_keeps_takes_no_place() {
    let mut settings = with_limit(2, 2, 1);
    let its = settings.services.get_mut(&service(1)).unwrap();
    its.targets = its.targets.iter().copied().chain([ip6(1), ip6(2)]).collect();
    let mut site = Site::started(&settings);
    site.dies(1);
    site.dies(2);
    site.run_for(ms(20_000));
    assert_eq!(site.published(1), [1]);
    site.dead.insert(Endpoint::echo(ip6(1)));
    site.ledger.changed.insert(ip6(1), site.now);
    site.run_for(ms(8_000));
    let key = SetKey { name: "s1.example.com".into(), family: Family::Aaaa };
    let sets = &site.zones[&0.into()].records.sets;
    assert_eq!(sets[&key], BTreeSet::from([ip6(2)]), "one A and one AAAA record are out");
    site.run_for(ms(60_000));
    assert_eq!(site.published(1), [1]);
    site.lives(2);
    site.run_for(ms(30_000));
    assert_eq!(site.published(1), [2], "the floor lets it go, and it has a place");
    site.assert_sound("kept");
}

#[test]
fn a_primary_that_is_held_counts_as_in_service_for_its_standby() {
    let mut settings = with_limit(3, 1, 1);
    let its = settings.services.get_mut(&service(1)).unwrap();
    its.targets = its.targets.iter().copied().chain([ip(9)]).collect();
    its.standby.below = 2;
    its.standby.tiers.insert(ip(9), 1);
    let mut site = Site::new(&settings);
    set_record(&mut site, 9, false);
    site.run_until(ms(8_000));
    die_in_turn(&mut site, &[3, 2, 1]);
    assert_out(&site, &[1, 2], &[1, 2], "one of three is out");
    site.drain(target(1, 1), None, true);
    site.run_for(ms(8_000));
    assert_eq!(site.published(1), [2, 9], "one of three is in service");
    site.undrain(target(1, 1));
    for number in [1, 2, 3] {
        site.lives(number);
    }
    site.run_for(ms(20_000));
    assert_eq!(site.published(1), [1, 2, 3]);
    site.assert_sound("standby");
}

#[test]
fn a_reload_changes_the_limit_and_the_number_of_addresses() {
    let mut site = Site::started(&with_limit(4, 2, 0));
    die_in_turn(&mut site, &[4, 3, 2, 1]);
    assert_out(&site, &[1, 2], &[1, 2], "two are out");
    site.reload(with_limit(4, 1, 0));
    site.run_for(ms(8_000));
    assert_out(&site, &[1, 2], &[1, 2], "out is out");
    site.lives(4);
    site.run_for(ms(8_000));
    assert_out(&site, &[1, 2, 4], &[1, 2], "one is out");
    site.reload(with_limit(4, 3, 0));
    site.run_for(ms(8_000));
    assert_out(&site, &[4], &[], "three may be out");
    site.reload(with_limit(6, 3, 0));
    site.run_for(ms(8_000));
    assert_eq!(site.published(1), [4, 5, 6]);
    let mut unlimited = with_limit(6, 3, 0);
    unlimited.services.get_mut(&service(1)).unwrap().max_out = None;
    all_die(&mut site, &[4, 5, 6]);
    assert_out(&site, &[4, 5, 6], &[4, 5, 6], "three are out already");
    site.reload(unlimited);
    site.run_for(ms(8_000));
    assert_eq!(site.published(1), [0; 0]);
    site.assert_sound("reloads");
}

#[test]
fn an_isolated_agent_gives_isolation_as_its_reason_and_starts_over() {
    let mut settings = with_limit(4, 2, 0);
    settings.canaries = vec![Endpoint::echo(ip(200))];
    let mut site = Site::started(&settings);
    for number in [1, 2, 3, 200] {
        site.dies(number);
    }
    site.run_for(ms(30_000));
    assert_out(&site, &[1, 2, 3, 4], &[], "this agent is cut off");
    site.lives(200);
    site.run_for(ms(15_000));
    assert_eq!((site.published(1).len(), held(&site).len()), (2, 1));
    site.assert_sound("isolation");
}

#[test]
fn a_rehearsal_beyond_the_limit_is_held_and_ends() {
    let settings = with_limit(2, 1, 0);
    let mut site = Site::rehearsing(&settings, &[target(1, 1), target(1, 2)].into());
    site.run_until(ms(60_000));
    assert_out(&site, &[1, 2], &[], "the rehearsals are over");
    let of_two: Vec<_> = site.ledger.story(service(1));
    let held = of_two.iter().filter(|line| line.ends_with(" refused max_out")).count();
    assert_eq!(held, 1, "{of_two:#?}");
    let over = of_two.iter().filter(|line| line.ends_with("rehearsal Over")).count();
    assert_eq!(over, 2, "{of_two:#?}");
}
