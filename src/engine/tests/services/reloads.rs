//! SIGHUP with several services: nothing is lost, and nothing is given to another service or zone.

use super::site::*;
use super::zones::Provider;
use crate::engine::event::{DnsReport, Fact};
use crate::engine::settings::{CheckSettings, ServiceSettings, Settings};
use crate::engine::tests::world::{ip, ms};
use crate::engine::types::{Health, Method, Pace};

/// Three services: two in one zone, one in another; they share the machines 1 and 2.
fn three() -> Settings {
    let settings = with_service(no_services(), 1, 0, &[1, 2, 3], icmp());
    let settings = with_service(settings, 2, 0, &[1, 2, 4], icmp());
    with_service(settings, 3, 1, &[1, 2, 5], icmp())
}

fn its(settings: &mut Settings, number: usize) -> &mut ServiceSettings {
    settings.services.get_mut(&service(number)).unwrap()
}

/// A site with `three`, all of them confirmed.
fn site() -> Site {
    let mut site = Site::new(&three());
    site.run_until(ms(20_000));
    site
}

/// Returns the published addresses of the services 1, 2 and 3.
fn published(site: &Site) -> [Vec<u8>; 3] {
    [1, 2, 3].map(|number| site.published(number))
}

/// The state of a service that a change of another one must not move.
fn state(site: &Site, number: usize) -> Vec<String> {
    let views = site.engine.targets().filter(|view| view.service == service(number));
    let mut lines: Vec<String> = views.map(|view| format!("{view:?}")).collect();
    lines.push(format!("{:?}", site.published(number)));
    lines
}

#[test]
fn a_reload_of_the_same_file_moves_nothing() {
    let mut site = site();
    site.dies(2);
    site.run_for(ms(10_000));
    site.drain(target(3, 1), None, true);
    site.run_for(ms(1_000));
    site.ledger.clear();
    let before = [1, 2, 3].map(|number| state(&site, number));
    site.reload(site.settings.clone());
    assert_eq!([1, 2, 3].map(|number| state(&site, number)), before);
    site.run_for(ms(10_000));
    for number in [1, 2, 3] {
        assert_eq!(site.ledger.story(service(number)), [""; 0], "{number}");
        assert_eq!(site.ledger.orders_of(service(number)), [""; 0], "{number}");
    }
}

/// Each of the services is removed while a target of it is down, another one drained.
#[test]
fn a_removed_service_leaves_its_records_and_its_drains_and_no_other_service_moves() {
    for gone in [1, 2, 3] {
        let mut site = site();
        site.dies(1);
        site.drain(target(gone, 2), None, true);
        site.run_for(ms(10_000));
        let others: Vec<usize> = [1, 2, 3].into_iter().filter(|it| *it != gone).collect();
        let before: Vec<_> = others.iter().map(|number| state(&site, *number)).collect();
        let all = site.settings.clone();
        let records = site.zones[&all.services[&service(gone)].zone].records.clone();
        let mut without = all.clone();
        without.services.remove(&service(gone));
        site.ledger.clear();
        site.reload(without);
        site.run_for(ms(10_000));
        assert_eq!(site.zones[&all.services[&service(gone)].zone].records, records, "{gone}");
        for (number, before) in others.iter().zip(&before) {
            assert_eq!(site.ledger.story(service(*number)), [""; 0], "{number} without {gone}");
            let last = state(&site, *number).pop();
            assert_eq!(last.as_ref(), before.last(), "{number} without {gone}");
        }
        assert!(!site.ledger.facts.iter().any(|(_, it)| matches!(it, Fact::Undrained { .. })));
        site.reload(all);
        site.run_for(ms(10_000));
        assert!(site.drained(target(gone, 2)).is_some(), "{gone}: in force again");
        assert_eq!(site.health(gone, 1), Some(Health::Down), "{gone}: the others still watch it");
        site.lives(1);
        site.run_for(ms(10_000));
        assert!(site.published(gone).contains(&1), "{gone}");
        assert!(!site.published(gone).contains(&2), "{gone}");
        site.assert_sound("in the end");
    }
}

/// The service of a removed one is not the next one's.
#[test]
fn a_new_service_has_nothing_of_one_that_is_gone() {
    let mut site = site();
    site.dies(5);
    site.drain(target(3, 2), None, true);
    site.run_for(ms(10_000));
    let mut other = three();
    other.services.remove(&service(3));
    other = with_service(other, 4, 1, &[6, 7], icmp());
    site.publish_all(&other);
    site.reload(other);
    site.run_for(ms(10_000));
    assert_eq!(site.health(4, 6), Some(Health::Up));
    assert_eq!(site.drained(target(4, 6)), None);
    assert_eq!(site.published(4), [6, 7]);
    assert_eq!(site.ledger.stored[&service(3)].len(), 1, "the drain of the other is remembered");
}

#[test]
fn a_service_that_comes_while_a_machine_is_down_withdraws_it_at_once() {
    let mut site = site();
    site.dies(1);
    site.run_for(ms(10_000));
    let with = with_service(three(), 4, 1, &[1, 2], icmp());
    site.publish_all(&with);
    site.reload(with);
    let died = site.now;
    site.run_for(ms(500));
    assert_eq!(site.published(4), [2], "others have seen it down; since {died:?}");
    assert_eq!(site.engine.endpoint_count(), 5, "nothing is probed twice");
}

/// A renamed service has another id; its targets move there.
#[test]
fn a_renamed_service_keeps_health_withdrawal_and_drain() {
    let mut site = site();
    site.dies(1);
    site.drain(target(2, 4), Some(ms(600_000)), true);
    site.run_for(ms(10_000));
    let until = site.drained(target(2, 4)).unwrap().until;
    let mut renamed = three();
    let settings = renamed.services.remove(&service(2)).unwrap();
    let settings = ServiceSettings { name: "other".to_owned(), ..settings };
    renamed.services.insert(service(9), settings);
    site.reload(renamed);
    assert_eq!(site.health(9, 1), Some(Health::Down));
    assert_eq!(site.drained(target(9, 4)).unwrap().until, until);
    assert_eq!(site.ledger.stored[&service(2)].len(), 0, "it moved");
    assert_eq!(site.ledger.stored[&service(9)].len(), 1);
    site.run_for(ms(10_000));
    assert_eq!(site.published(9), [2], "1 is down, 4 drained");
    site.lives(1);
    site.run_for(ms(10_000));
    assert_eq!(site.published(9), [1, 2]);
    site.undrain(target(9, 4));
    site.run_for(ms(10_000));
    assert_eq!(site.published(9), [1, 2, 4]);
    site.assert_sound("in the end");
}

/// Returns settings with this service alone. The owner name is the same for all.
fn only(number: usize) -> Settings {
    let mut settings = with_service(no_services(), number, 0, &[1, 2, 3], icmp());
    its(&mut settings, number).names = vec!["www.example.com".to_owned()];
    settings
}

/// A file of the old form becomes one with a service, or its only service another name.
#[test]
fn the_only_service_keeps_everything_under_another_name() {
    let mut site = Site::new(&only(0));
    site.run_until(ms(20_000));
    site.dies(1);
    site.drain(target(0, 2), None, true);
    site.run_for(ms(5_000));
    for number in [1, 2] {
        site.reload(only(number));
        assert_eq!(site.health(number, 1), Some(Health::Down), "{number}");
        assert!(site.drained(target(number, 2)).is_some(), "{number}");
        site.run_for(ms(5_000));
        assert_eq!(site.published(number), [3], "{number}");
    }
    site.lives(1);
    site.run_for(ms(10_000));
    assert_eq!(site.published(2), [1, 3]);
    site.assert_sound("in the end");
}

#[test]
fn an_address_that_moves_keeps_its_history_and_its_drain() {
    let mut site = site();
    site.drain(target(1, 3), None, true);
    site.dies(5);
    site.run_for(ms(10_000));
    let mut moved = three();
    its(&mut moved, 1).targets = [ip(1), ip(2), ip(5)].into();
    its(&mut moved, 2).targets = [ip(1), ip(2), ip(4), ip(3)].into();
    its(&mut moved, 3).targets = [ip(1), ip(2)].into();
    site.ledger.clear();
    site.reload(moved);
    assert_eq!(site.health(1, 5), Some(Health::Down), "down without another loss");
    assert!(site.drained(target(2, 3)).is_some());
    assert_eq!(site.ledger.stored[&service(1)].len(), 0);
    site.run_for(ms(10_000));
    assert_eq!(site.published(2), [1, 2, 4], "drained there, too");
    site.lives(5);
    site.run_for(ms(10_000));
    assert!(site.published(1).contains(&5));
    site.assert_sound("in the end");
}

/// The service that loses it keeps the drain, since the other had the address before.
#[test]
fn the_drain_of_one_service_is_no_drain_of_another_that_had_the_address_before() {
    let mut site = site();
    site.drain(target(1, 2), None, true);
    site.run_for(ms(10_000));
    let mut without = three();
    its(&mut without, 1).targets = [ip(1), ip(3)].into();
    site.reload(without);
    site.run_for(ms(1_000));
    assert_eq!([2, 3].map(|number| site.drained(target(number, 2))), [None, None]);
    site.reload(three());
    site.run_for(ms(1_000));
    assert!(site.drained(target(1, 2)).is_some(), "it is back where it was drained");
}

#[test]
fn another_check_for_all_services_keeps_the_counters_of_each_endpoint() {
    let mut site = site();
    site.dies(1);
    site.run_for(ms(10_000));
    let mut settings = three();
    let pace = Pace { interval: ms(2_000), ..Pace::default() };
    for service in settings.services.values_mut() {
        service.set_check(CheckSettings { pace, method: Method::Connect(80), ..service.check() });
    }
    site.ledger.clear();
    site.reload(settings);
    assert_eq!(site.engine.endpoint_count(), 5);
    assert_eq!(site.health(2, 1), Some(Health::Down));
    site.run_for(ms(10_000));
    assert_eq!(site.ledger.story(service(1)), [""; 0]);
    assert_eq!(published(&site), [vec![2, 3], vec![2, 4], vec![2, 5]]);
}

#[test]
fn another_check_for_one_service_copies_the_health() {
    let mut site = site();
    site.dies(1);
    site.run_for(ms(10_000));
    let mut settings = three();
    its(&mut settings, 2).set_check(tcp(80));
    site.ledger.clear();
    site.reload(settings);
    assert_eq!(site.engine.endpoint_count(), 7, "1 and 2 are probed in two ways, 4 in another");
    assert_eq!([1, 2, 3].map(|number| site.health(number, 1)), [Some(Health::Down); 3]);
    assert_eq!([1, 2, 3].map(|number| site.health(number, 2)), [Some(Health::Up); 3]);
    site.run_for(ms(10_000));
    for number in [1, 2, 3] {
        assert_eq!(site.ledger.story(service(number)), [""; 0], "{number}");
    }
    site.port_dies(2, 80);
    site.lives(1);
    site.run_for(ms(10_000));
    assert_eq!(published(&site), [vec![1, 2, 3], vec![1, 4], vec![1, 2, 5]]);
    // Back to the check of the others: the probes that are made count.
    site.reload(three());
    assert_eq!(site.engine.endpoint_count(), 5);
    site.run_for(ms(1_000));
    assert_eq!(published(&site)[1], [1, 2, 4]);
    site.assert_sound("in the end");
}

#[test]
fn two_services_may_swap_their_checks() {
    let settings = with_service(no_services(), 1, 0, &[1, 2], tcp(80));
    let settings = with_service(settings, 2, 0, &[1, 2], tcp(25));
    let mut site = Site::new(&settings);
    site.run_until(ms(20_000));
    site.port_dies(1, 25);
    site.run_for(ms(10_000));
    assert_eq!([1, 2].map(|number| site.published(number)), [vec![1, 2], vec![2]]);
    let mut swapped = settings;
    its(&mut swapped, 1).set_check(tcp(25));
    its(&mut swapped, 2).set_check(tcp(80));
    site.reload(swapped);
    assert_eq!(site.engine.endpoint_count(), 4);
    site.run_for(ms(1_000));
    assert_eq!([1, 2].map(|number| site.published(number)), [vec![2], vec![1, 2]]);
    site.assert_sound("in the end");
}

#[test]
fn a_service_in_another_zone_is_compared_there_and_nothing_else_moves() {
    let mut site = site();
    site.dies(1);
    site.run_for(ms(10_000));
    let mut moved = three();
    its(&mut moved, 2).zone = 1.into();
    site.publish_all(&moved);
    site.ledger.clear();
    let before = [1, 3].map(|number| state(&site, number));
    site.reload(moved);
    assert_eq!([1, 3].map(|number| state(&site, number)), before);
    site.run_for(ms(10_000));
    assert_eq!(site.published(2), [2, 4], "it is taken out there, too");
    assert_eq!([1, 3].map(|number| site.ledger.orders_of(service(number)).len()), [0; 2]);
}

/// The floor holds the last address of a service; a reload of another one changes nothing.
#[test]
fn a_held_address_stays_held_while_other_services_come_and_go() {
    let mut settings = three();
    its(&mut settings, 3).floor = 1;
    let mut site = Site::new(&settings);
    site.run_until(ms(20_000));
    for last in [1, 2, 5] {
        site.dies(last);
    }
    site.run_for(ms(10_000));
    let held = site.published(3);
    assert_eq!(held.len(), 1);
    let mut without = settings.clone();
    without.services.remove(&service(1));
    for settings in [without, settings] {
        site.reload(settings);
        site.run_for(ms(20_000));
        assert_eq!(site.published(3), held);
    }
    site.lives(5);
    site.run_for(ms(30_000));
    assert_eq!(site.published(3), [5]);
    site.assert_sound("in the end");
}

/// The reconciler of the removed zone ends its write after the reload, and reports it.
#[test]
fn a_zone_that_is_removed_while_its_write_hangs_confirms_nothing_of_later_orders() {
    let mut site = site();
    site.set_provider(1, Provider::Hangs);
    site.dies(1);
    site.run_for(ms(5_000));
    let (_, hung) =
        site.ledger.orders.iter().rfind(|(_, it)| it.service == service(3)).cloned().unwrap();
    let mut without = three();
    without.services.remove(&service(3));
    without.zones.remove(&1.into());
    site.reload(without);
    site.run_for(ms(1_000));
    assert_eq!([1, 2].map(|number| site.published(number)), [vec![2, 3], vec![2, 4]]);
    // The zone comes back with the service before the old reconciler has ended.
    site.zones.get_mut(&1.into()).unwrap().orders.clear();
    site.reload(three());
    site.run_for(ms(1_000));
    let late = DnsReport::Confirmed {
        service: hung.service,
        number: hung.number,
        desired: hung.desired,
        held: [].into(),
        open: [].into(),
    };
    site.reports(1.into(), vec![late]);
    let orders = &site.engine.services.get(service(3)).unwrap().orders;
    assert!(orders.has_in_hand(ip(1)), "that was another order");
    site.set_provider(1, Provider::Works);
    site.run_for(ms(10_000));
    assert_eq!(site.published(3), [2, 5], "the order of the new service was carried out");
    site.assert_sound("in the end");
}

/// An order hangs in one zone; services of other zones are added, changed and removed.
#[test]
fn no_reload_waits_for_a_zone_that_hangs() {
    let mut site = site();
    site.set_provider(0, Provider::Hangs);
    site.dies(1);
    site.run_for(ms(5_000));
    assert_eq!(site.published(3), [2, 5]);
    let mut settings = with_service(three(), 4, 2, &[1, 6], icmp());
    site.publish_all(&settings);
    // The dead one was published again with the others.
    its(&mut settings, 3).set_check(tcp(443));
    site.reload(settings);
    site.run_for(ms(2_000));
    assert_eq!([3, 4].map(|number| site.published(number)), [vec![1, 2, 5], vec![6]]);
    site.set_provider(0, Provider::Works);
    site.run_for(ms(5_000));
    assert_eq!([1, 2].map(|number| site.published(number)), [vec![2, 3], vec![2, 4]]);
}
