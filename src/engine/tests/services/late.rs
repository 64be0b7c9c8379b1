//! Late reports about record sets: they belong to the service that published the set, even if it is
//! gone or publishes other sets now.

use std::net::IpAddr;

use super::site::*;
use crate::engine::event::{DnsReport, Fact};
use crate::engine::ids::{ServiceId, ZoneId};
use crate::engine::plan::{Family, SetKey};
use crate::engine::settings::{ServiceSettings, Settings};
use crate::engine::tests::world::{ip, ip6, ms};

/// Returns the settings of two services in zone 1 that share their machines.
fn two() -> Settings {
    let settings = with_service(no_services(), 1, 1, &[1, 2], icmp());
    with_service(settings, 2, 1, &[1, 2], icmp())
}

/// Returns a site with these settings, all of its targets confirmed.
fn started(settings: &Settings) -> Site {
    let mut site = Site::new(settings);
    site.run_until(ms(20_000));
    site.ledger.clear();
    site
}

/// Returns a record at a name.
fn record(name: &str, address: IpAddr) -> (SetKey, IpAddr) {
    (SetKey { name: name.to_owned(), family: Family::of(address) }, address)
}

/// Reports the withdrawal of a record in zone 1. Returns the zones and the services of the facts
/// about it.
fn withdrawn(site: &mut Site, record: (SetKey, IpAddr)) -> Vec<(ZoneId, ServiceId)> {
    site.ledger.clear();
    let (withdrawn, took) = (vec![record], ms(30));
    let applied =
        DnsReport::Applied { withdrawn, restored: vec![], created: vec![], took, is_part: false };
    site.reports(1.into(), vec![applied]);
    let mut changed = Vec::new();
    for (_, fact) in &site.ledger.facts {
        if let Fact::Applied { zone, service, .. } = fact {
            changed.push((*zone, *service));
        }
    }
    changed
}

#[test]
fn a_late_change_at_a_former_name_belongs_to_the_service_that_had_the_name() {
    let mut removed = two();
    removed.services.remove(&service(2));
    let mut renamed = two();
    renamed.services.get_mut(&service(2)).unwrap().names = vec!["new.example.com".to_owned()];
    let elsewhere = with_service(two(), 2, 5, &[1, 2], icmp());
    for (case, settings) in
        [("removed", removed), ("renamed", renamed), ("in another zone", elsewhere)]
    {
        let mut site = started(&two());
        site.reload(settings);
        let changed = withdrawn(&mut site, record("s2.example.com", ip(1)));
        assert_eq!(changed, [(1.into(), service(2))], "{case}");
    }
}

/// Returns settings in which service 1 publishes the IPv4 addresses of a name and service 2 the IPv6
/// addresses.
fn by_family() -> Settings {
    let mut settings = two();
    let v6 = [1, 2].map(ip6);
    for (number, targets) in [(1, [ip(1), ip(2)]), (2, v6)] {
        let its = settings.services.get_mut(&service(number)).unwrap();
        let names = vec!["www.example.com".to_owned()];
        *its = ServiceSettings { names, targets: targets.into(), ..its.clone() };
    }
    settings
}

#[test]
fn services_that_publish_one_name_by_family_have_a_record_set_each() {
    let settings = by_family();
    let mut site = started(&settings);
    for number in [1, 2] {
        let address = settings.services[&service(number)].targets[0];
        let changed = withdrawn(&mut site, record("www.example.com", address));
        assert_eq!(changed, [(1.into(), service(number))]);
    }
}

#[test]
fn a_contradicted_record_is_compared_again_for_the_service_of_its_family() {
    let settings = by_family();
    let mut site = started(&settings);
    let address = settings.services[&service(2)].targets[0];
    let contradicted = DnsReport::Contradicted(vec![record("www.example.com", address)]);
    site.reports(1.into(), vec![contradicted]);
    site.run_for(ms(1_000));
    assert_eq!([1, 2].map(|number| site.ledger.orders_of(service(number)).len()), [0, 1]);
}
