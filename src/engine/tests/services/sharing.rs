//! Equal probes are made once, and each service draws its own conclusions from them.

use std::collections::BTreeMap;
use std::num::{NonZeroU32, NonZeroUsize};

use super::site::*;
use crate::engine::event::Fact;
use crate::engine::settings::{CheckSettings, Settings};
use crate::engine::tests::world::{ip, last, ms};
use crate::engine::types::{Endpoint, Health, Method, Pace, Thresholds};

/// Two services that share two machines and their check, and one with another check.
fn three() -> Settings {
    let settings = with_service(no_services(), 1, 0, &[1, 2], icmp());
    let settings = with_service(settings, 2, 1, &[1, 2, 3], icmp());
    with_service(settings, 3, 1, &[1, 4], tcp(25))
}

#[test]
fn a_probe_is_made_once_for_all_services_that_ask_for_it() {
    let mut site = Site::new(&three());
    assert_eq!((site.engine.target_count(), site.engine.endpoint_count()), (7, 5));
    site.run_until(ms(10_000));
    site.ledger.clear();
    site.run_for(ms(10_000));
    let probes = [(1, None), (2, None), (3, None), (1, Some(25)), (4, Some(25))];
    assert_eq!(probes.map(|(last, port)| site.probes_of(last, port)), [10; 5]);
    assert_eq!(site.ledger.probes.len(), 50);
}

#[test]
fn a_machine_that_dies_leaves_every_service_and_a_port_only_its_own() {
    let mut site = Site::new(&three());
    site.run_until(ms(10_000));
    site.port_dies(1, 25);
    site.run_for(ms(10_000));
    assert_eq!([1, 2, 3].map(|it| site.published(it)), [vec![1, 2], vec![1, 2, 3], vec![4]]);
    site.dies(1);
    site.run_for(ms(10_000));
    assert_eq!([1, 2, 3].map(|it| site.published(it)), [vec![2], vec![2, 3], vec![4]]);
    for number in [1, 2] {
        let story = site.ledger.story(service(number));
        assert!(story.contains(&"1 Up Down".to_owned()), "{number}: {story:?}");
    }
    site.lives(1);
    site.run_for(ms(10_000));
    assert_eq!([1, 2, 3].map(|it| site.published(it)), [vec![1, 2], vec![1, 2, 3], vec![1, 4]]);
    site.assert_sound("in the end");
}

#[test]
fn targets_of_one_endpoint_flip_with_the_same_event() {
    let mut site = Site::new(&three());
    site.run_until(ms(10_000));
    site.dies(2);
    site.run_for(ms(10_000));
    let mut flips = BTreeMap::new();
    for (at, fact) in &site.ledger.facts {
        if let Fact::Flipped { service, to: Health::Down, .. } = fact {
            flips.insert(*service, *at);
        }
    }
    assert_eq!(flips.len(), 2);
    assert_eq!(flips[&service(1)], flips[&service(2)]);
}

#[test]
fn each_endpoint_has_the_pace_and_the_thresholds_of_its_check() {
    let slow = Pace { interval: ms(10_000), timeout: ms(5_000), retry_interval: ms(10_000) };
    let two = NonZeroU32::new(2).unwrap();
    let thresholds = Thresholds { failure: two, recovery: two };
    let slow = CheckSettings { method: Method::Echo, pace: slow, thresholds };
    let settings = with_service(no_services(), 1, 0, &[1], icmp());
    let mut site = Site::new(&with_service(settings, 2, 0, &[1], slow));
    assert_eq!(site.engine.endpoint_count(), 2, "another check is another probe");
    site.run_until(ms(60_000));
    let died = site.now;
    site.dies(1);
    site.run_for(ms(60_000));
    let mut noticed = BTreeMap::new();
    for (at, fact) in &site.ledger.facts {
        if let Fact::Flipped { service, to: Health::Down, count, .. } = fact {
            noticed.insert(usize::from(*service), (at.saturating_sub(died).as_secs(), *count));
        }
    }
    assert_eq!(noticed[&1], (1, 3), "three losses at the retry interval");
    assert_eq!(noticed[&2], (25, 2), "two losses of probes ten seconds apart, five seconds each");
}

/// Returns the time of the first probe of each address, in milliseconds.
fn first_probes(settings: &Settings) -> Vec<(u8, u128)> {
    let mut site = Site::new(settings);
    site.run_until(ms(1_999));
    let mut first = BTreeMap::new();
    for (at, endpoint) in &site.ledger.probes {
        first.entry(last(&endpoint.address)).or_insert(at.as_millis());
    }
    first.into_iter().collect()
}

#[test]
fn phases_are_spread_among_the_endpoints_of_the_same_interval() {
    let pace = Pace { interval: ms(2_000), timeout: ms(500), retry_interval: ms(2_000) };
    let calm = CheckSettings { pace, ..icmp() };
    let pace = Pace { interval: ms(1_000), timeout: ms(500), retry_interval: ms(1_000) };
    let quick = CheckSettings { pace, ..icmp() };
    let settings = with_service(no_services(), 1, 0, &[1, 2], quick);
    let settings = with_service(settings, 2, 0, &[3, 4], calm);
    let settings = with_service(settings, 3, 1, &[2, 5, 6], quick);
    let spread = [(1, 0), (2, 250), (3, 0), (4, 1000), (5, 500), (6, 750)];
    assert_eq!(first_probes(&settings), spread);
    let burst = NonZeroUsize::new(2).unwrap();
    let in_bursts = [(1, 0), (2, 500), (3, 0), (4, 0), (5, 0), (6, 500)];
    assert_eq!(first_probes(&Settings { burst, ..settings }), in_bursts);
}

/// The budget of retries is the sum of the ordinary paces of all endpoints, and at least 100.
#[test]
fn the_retries_of_all_endpoints_share_one_budget() {
    let pace = Pace { interval: ms(1_000), timeout: ms(1_000), retry_interval: ms(50) };
    let quick = CheckSettings { pace, ..icmp() };
    let never = NonZeroU32::new(1_000).unwrap();
    let thresholds = Thresholds { failure: never, recovery: NonZeroU32::MIN };
    let quick = CheckSettings { thresholds, ..quick };
    let settings = with_service(no_services(), 1, 0, &(1..=60).collect::<Vec<_>>(), quick);
    let other = CheckSettings { method: Method::Connect(80), ..quick };
    let mut site = Site::new(&with_service(settings, 2, 0, &(1..=90).collect::<Vec<_>>(), other));
    site.run_until(ms(60_000));
    (1..=90).for_each(|last| site.dies(last));
    site.run_for(ms(5_000));
    site.ledger.clear();
    site.run_for(ms(10_000));
    let a_second = site.ledger.probes.len() / 10;
    assert!((295..=305).contains(&a_second), "150 ordinary ones and 150 retries: {a_second}");
}

#[test]
fn only_connections_need_room() {
    let settings = with_service(no_services(), 1, 0, &[1, 2, 3, 4], tcp(80));
    let settings = with_service(settings, 2, 0, &[5, 6], icmp());
    let most_in_flight = NonZeroU32::new(1);
    let mut site = Site::new(&Settings { most_in_flight, ..settings });
    (1..=4).for_each(|last| site.dies(last));
    site.run_until(ms(20_000));
    let calm = [5, 6].map(|last| site.probes_of(last, None));
    assert_eq!(calm, [22; 2], "with two retries that are rehearsed");
    let connects = (1..=4).map(|last| site.probes_of(last, Some(80))).sum::<usize>();
    assert!((35..=45).contains(&connects), "one after the other, half a second each: {connects}");
}

/// The canaries are probed at the pace of the top level, and not at that of a service.
#[test]
fn canaries_have_a_check_of_their_own() {
    let pace = Pace { interval: ms(500), timeout: ms(500), retry_interval: ms(500) };
    let quick = CheckSettings { pace, ..tcp(80) };
    let mut settings = with_service(no_services(), 1, 0, &[1], quick);
    settings.canaries.push(Endpoint::echo(ip(99)));
    let pace = Pace { interval: ms(2_000), timeout: ms(500), retry_interval: ms(2_000) };
    settings.canary_check = CheckSettings { pace, ..icmp() };
    let mut site = Site::new(&settings);
    site.run_until(ms(20_000));
    assert_eq!((site.probes_of(1, Some(80)), site.probes_of(99, None)), (41, 10));
}
