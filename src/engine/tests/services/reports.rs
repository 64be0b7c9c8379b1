//! Faults that other programs had with shared checks and with several services: each test shows that
//! this engine does not have one of them.

use std::num::NonZeroU32;

use super::site::*;
use super::zones::Provider;
use crate::engine::event::{Fact, Reason};
use crate::engine::settings::{CheckSettings, Settings};
use crate::engine::tests::world::{ip, ms};
use crate::engine::types::{Endpoint, Health, Pace, Thresholds};

/// Two services in one zone that share both machines and their check.
fn two() -> Settings {
    let settings = with_service(no_services(), 1, 0, &[1, 2], icmp());
    with_service(settings, 2, 0, &[1, 2], icmp())
}

fn started(settings: &Settings) -> Site {
    let mut site = Site::new(settings);
    site.run_until(ms(20_000));
    site
}

fn both(site: &Site) -> [Vec<u8>; 2] {
    [1, 2].map(|number| site.published(number))
}

/// `HAProxy`: a server that tracks another one went into maintenance with it.
#[test]
fn maintenance_in_one_service_is_none_in_a_service_that_shares_the_check() {
    let mut site = started(&two());
    site.drain(target(1, 1), None, true);
    site.run_for(ms(5_000));
    assert_eq!(both(&site), [vec![2], vec![1, 2]]);
}

/// keepalived: after a reload, real servers that had failed were taken for alive until their checks
/// failed again.
#[test]
fn a_reload_does_not_bring_a_dead_machine_back_for_a_moment() {
    let mut site = started(&two());
    site.dies(1);
    site.run_for(ms(5_000));
    let mut settings = two();
    settings.services.get_mut(&service(1)).unwrap().set_check(tcp(80));
    for settings in [with_service(two(), 3, 0, &[1, 2], icmp()), settings, two()] {
        site.reload(settings);
        for _ in 0..20 {
            site.run_for(ms(100));
            assert_eq!(both(&site), [vec![2], vec![2]], "{:?}", site.now);
        }
    }
}

/// `octoDNS`, Consul: with the first user of a health check that was removed, the check was deleted
/// for the others, too.
#[test]
fn the_last_service_that_shares_a_probe_keeps_it() {
    let mut site = started(&two());
    for gone in [1, 2] {
        let mut settings = two();
        settings.services.remove(&service(gone));
        let left = 3 - gone;
        site.reload(settings);
        site.ledger.clear();
        site.run_for(ms(10_000));
        assert_eq!(site.probes_of(1, None), 10, "without {gone}");
        site.dies(1);
        site.run_for(ms(5_000));
        assert_eq!(site.published(left), [2], "without {gone}");
        site.lives(1);
        site.run_for(ms(10_000));
        site.reload(two());
        site.run_for(ms(1_000));
    }
}

/// Prometheus, `blackbox_exporter`: a machine in many jobs was asked once for each.
#[test]
fn the_load_on_a_machine_does_not_grow_with_the_services() {
    let mut settings = no_services();
    for number in 1..=50 {
        settings = with_service(settings, number, 0, &[1, 2], icmp());
    }
    let mut site = started(&settings);
    site.ledger.clear();
    site.run_for(ms(10_000));
    assert_eq!((site.probes_of(1, None), site.ledger.probes.len()), (10, 20));
    // Nor while it is dead: five retries a second, until all of them have flipped.
    site.ledger.clear();
    site.dies(1);
    site.run_for(ms(2_000));
    assert!(site.probes_of(1, None) <= 8, "{}", site.probes_of(1, None));
}

/// Gatus: two endpoints of the same name had one history, though they were asked different things.
#[test]
fn checks_that_differ_in_any_setting_have_nothing_in_common() {
    let thresholds = Thresholds { failure: NonZeroU32::MIN, recovery: NonZeroU32::MIN };
    let pace = Pace { timeout: ms(400), ..Pace::default() };
    let others = [
        tcp(80),
        tcp(81),
        CheckSettings { thresholds, ..icmp() },
        CheckSettings { pace, ..icmp() },
    ];
    let mut settings = with_service(no_services(), 1, 0, &[1, 2], icmp());
    for (number, check) in (2..).zip(others) {
        settings = with_service(settings, number, 0, &[1, 2], check);
    }
    let mut site = started(&settings);
    assert_eq!(site.engine.endpoint_count(), 10);
    site.port_dies(1, 80);
    site.run_for(ms(5_000));
    let down: Vec<usize> = (1..=5).filter(|it| site.health(*it, 1) == Some(Health::Down)).collect();
    assert_eq!(down, [2], "only the service that asks at port 80");
}

/// Uptime Kuma: the retries of one monitor were made at the interval of another.
#[test]
fn a_slow_service_does_not_slow_a_quick_one() {
    let pace = Pace { interval: ms(60_000), timeout: ms(10_000), retry_interval: ms(60_000) };
    let slow = CheckSettings { pace, ..icmp() };
    let settings = with_service(no_services(), 1, 0, &[1, 2], slow);
    let mut site = Site::new(&with_service(settings, 2, 0, &[1, 2], icmp()));
    site.run_until(ms(300_000));
    site.dies(1);
    site.run_for(ms(3_000));
    assert_eq!(both(&site), [vec![1, 2], vec![2]]);
    // The slow one is not without evidence, since a term is three of its own intervals.
    assert!(!site.engine.target_view(target(1, 2)).unwrap().unknown);
}

/// keepalived, lbcd: the last machine of one pool was kept since another pool had others left, or
/// was taken out since another pool had one too many.
#[test]
fn each_service_has_a_floor_of_its_own() {
    let mut settings = with_service(two(), 3, 0, &[1, 2, 3], icmp());
    settings.services.get_mut(&service(1)).unwrap().floor = 2;
    settings.services.get_mut(&service(3)).unwrap().floor = 1;
    let mut site = started(&settings);
    for last in [1, 2] {
        site.dies(last);
    }
    site.run_for(ms(10_000));
    let published = [1, 2, 3].map(|number| site.published(number));
    assert_eq!(published, [vec![1, 2], vec![], vec![3]]);
    let views = [1, 2, 3].map(|number| site.engine.target_view(target(number, 1)).unwrap());
    assert_eq!(views.map(|view| view.reason), [Some(Reason::Floor), None, None]);
}

/// external-dns, `octoDNS`: one provider that failed kept the changes for all others from being
/// made.
#[test]
fn a_provider_that_fails_holds_up_its_own_zone_alone() {
    let settings = with_service(no_services(), 1, 0, &[1, 2], icmp());
    let mut site = started(&with_service(settings, 2, 1, &[1, 2], icmp()));
    for provider in [Provider::Fails, Provider::Hangs] {
        site.set_provider(0, provider);
        site.dies(1);
        site.run_for(ms(2_000));
        assert_eq!(both(&site), [vec![1, 2], vec![2]], "{provider:?}");
        site.set_provider(0, Provider::Works);
        site.run_for(ms(5_000));
        assert_eq!(both(&site), [vec![2], vec![2]], "{provider:?}");
        site.lives(1);
        site.run_for(ms(10_000));
        assert_eq!(both(&site), [vec![1, 2], vec![1, 2]], "{provider:?}");
    }
}

/// dnsdist: a server that was removed from one pool and added to another one began as up, though
/// its check had failed.
#[test]
fn a_machine_that_changes_the_pool_is_not_assumed_to_be_up() {
    let settings = with_service(no_services(), 1, 0, &[1, 2], icmp());
    let settings = with_service(settings, 2, 0, &[3], icmp());
    let mut site = started(&settings);
    site.dies(1);
    site.run_for(ms(5_000));
    let mut moved = settings;
    moved.services.get_mut(&service(1)).unwrap().targets = [ip(2)].into();
    moved.services.get_mut(&service(2)).unwrap().targets = [ip(3), ip(1)].into();
    site.reload(moved);
    site.run_for(ms(200));
    assert_eq!(site.health(2, 1), Some(Health::Down));
    assert_eq!(both(&site)[1], [3], "and is not published");
}

/// Uptime Kuma, Nagios: with the monitoring host's own network gone, every service was reported down
/// on its own.
#[test]
fn an_isolated_agent_withdraws_nothing_of_any_service() {
    let mut settings = with_service(two(), 3, 1, &[1, 3], tcp(80));
    settings.canaries.push(Endpoint::echo(ip(99)));
    let mut site = started(&settings);
    for last in [1, 2, 3, 99] {
        site.dies(last);
    }
    site.run_for(ms(60_000));
    let published = [1, 2, 3].map(|number| site.published(number));
    assert_eq!(published, [vec![1, 2], vec![1, 2], vec![1, 3]]);
    let facts = site.ledger.facts.iter();
    let isolations = facts.filter(|(_, it)| matches!(it, Fact::Isolated { .. }));
    assert_eq!(isolations.count(), 1, "it is reported once, not by service");
}
