//! The engine against a model: which addresses are published in the end, in the A and in the AAAA records.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::super::site::{Site, service};
use super::{add_ipv6, set_last_resort, site, with_tiers};
use crate::engine::ids::TargetRef;
use crate::engine::plan::Family;
use crate::engine::tests::cluster::random::variable;
use crate::engine::tests::world::{ip, ip6, ms};

/// The state of an address in the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Up,
    Down,
    Drained,
}

const STATES: [State; 3] = [State::Up, State::Down, State::Drained];

/// The tiers of a service, and its guards.
#[derive(Debug)]
struct Scene<'a> {
    /// The last bytes of the addresses of each tier.
    tiers: &'a [&'a [u8]],
    below: usize,
    floor: usize,
    /// Whether the last tier is put in unprobed.
    last_resort: bool,
}

/// The states of the addresses, by their last bytes.
type States = BTreeMap<u8, State>;

/// Returns the addresses that are in service: all of tier 0 that are up, and all that are up of each tier
/// with fewer than `below` of the tiers before in service. A last resort is up, and needed if none is.
fn in_service(scene: &Scene<'_>, states: &States) -> BTreeSet<u8> {
    let mut serving = BTreeSet::new();
    for (tier, addresses) in scene.tiers.iter().enumerate() {
        let is_last_resort = scene.last_resort && tier + 1 == scene.tiers.len();
        let below = if is_last_resort { 1 } else { scene.below };
        if tier == 0 || serving.len() < below {
            serving.extend(addresses.iter().copied().filter(|at| match states[at] {
                State::Up => true,
                State::Down => is_last_resort,
                State::Drained => false,
            }));
        }
    }
    serving
}

/// Returns the objection to the published addresses, if there is one. Others stay for the floor alone,
/// and only as many as it needs.
fn objection(scene: &Scene<'_>, published: &[u8], states: &States) -> Option<String> {
    let published: BTreeSet<u8> = published.iter().copied().collect();
    let serving = in_service(scene, states);
    let kept: BTreeSet<u8> = published.difference(&serving).copied().collect();
    if !serving.is_subset(&published) {
        return Some(format!("{serving:?} belong in"));
    }
    if kept.iter().any(|at| states[at] == State::Drained) {
        return Some("a drained one stays".to_owned());
    }
    let is_for_floor = kept.is_empty() || published.len() <= scene.floor;
    (!is_for_floor).then(|| format!("{kept:?} stay, and the floor does not need them"))
}

/// Returns the address of a family with this last byte.
fn address(family: Family, last: u8) -> IpAddr {
    match family {
        Family::A => ip(last),
        Family::Aaaa => ip6(last.into()),
    }
}

/// Puts the addresses of a family into these states at once.
fn put(site: &mut Site, family: Family, states: &States) {
    for (at, state) in states {
        let address = address(family, *at);
        let target = TargetRef { service: service(1), address };
        let is_drained = site.drained(target).is_some();
        match state {
            State::Drained if !is_drained => site.drain(target, None, true),
            State::Drained => {}
            _ if is_drained => site.undrain(target),
            _ => {}
        }
        if *state == State::Down { site.dies_at(address) } else { site.lives_at(address) }
    }
}

/// Returns the combination of states with this number.
fn combination(all: &[u8], mut number: usize) -> States {
    let mut states = States::new();
    for at in all {
        states.insert(*at, STATES[number % 3]);
        number /= 3;
    }
    states
}

/// Plays a scene through these numbered combinations of states, one after the other. The IPv6 addresses
/// have other states than the IPv4 addresses at the same time.
fn play(scene: &Scene<'_>, combinations: impl Iterator<Item = usize>) {
    let mut settings = with_tiers(scene.tiers[0], &scene.tiers[1..], scene.below);
    let its = settings.services.get_mut(&service(1)).unwrap();
    its.floor = scene.floor;
    let all = scene.tiers.concat();
    add_ipv6(its, &all);
    if scene.last_resort {
        set_last_resort(&mut settings, scene.tiers.len() - 1);
    }
    let mut site = site(&settings);
    site.run_until(ms(8_000));
    for number in combinations {
        let states = [(Family::A, number), (Family::Aaaa, number * 5 + 7)]
            .map(|(family, number)| (family, combination(&all, number)));
        for (family, states) in &states {
            put(&mut site, *family, states);
        }
        site.run_for(ms(25_000));
        for (family, states) in &states {
            let published = site.published_of(1, *family);
            let in_dns = all.iter().copied();
            let in_dns = in_dns.filter(|at| published.contains(&address(*family, *at)));
            let published: Vec<u8> = in_dns.collect();
            let objection = objection(scene, &published, states);
            assert_eq!(objection, None, "{scene:?} {family} {states:?}: {published:?}");
        }
        site.ledger.clear();
    }
    site.assert_sound(&format!("{scene:?}"));
}

/// Returns numbers that step through all of `count`, in an order in which neighbours differ much.
fn mixed(count: usize) -> impl Iterator<Item = usize> {
    (0..count).map(move |nth| nth * 7_919 % count)
}

/// Every combination of states of two primaries and two standbys.
#[test]
fn the_engine_publishes_what_the_model_says() {
    let arrangements: [&[&[u8]]; 3] = [&[&[1, 2], &[8, 9]], &[&[1, 2], &[8], &[9]], &[&[1], &[9]]];
    for tiers in arrangements {
        let count = 3_usize.pow(u32::try_from(tiers.concat().len()).unwrap());
        for (below, floor) in [(1, 1), (2, 1), (1, 2)] {
            play(&Scene { tiers, below, floor, last_resort: false }, mixed(count));
        }
    }
}

/// Every combination of states of two primaries, a standby or none, and a last resort.
#[test]
fn the_engine_resorts_to_what_the_model_says() {
    let arrangements: [&[&[u8]]; 3] =
        [&[&[1, 2], &[99]], &[&[1, 2], &[9], &[99]], &[&[1], &[98, 99]]];
    for tiers in arrangements {
        let count = 3_usize.pow(u32::try_from(tiers.concat().len()).unwrap());
        for (below, floor) in [(1, 1), (2, 1), (1, 2)] {
            play(&Scene { tiers, below, floor, last_resort: true }, mixed(count));
        }
    }
}

/// The same of four primaries and three standbys: as many of the 2,187 combinations as
/// `GOAVAIL_STANDBYS` says.
#[test]
fn the_engine_publishes_what_the_model_says_of_many() {
    let wanted = variable("GOAVAIL_STANDBYS").unwrap_or(4);
    let wanted = usize::try_from(wanted).unwrap();
    let arrangements: [&[&[u8]]; 3] = [
        &[&[1, 2, 3, 4], &[7, 8, 9]],
        &[&[1, 2, 3, 4], &[7], &[8, 9]],
        &[&[1, 2, 3, 4], &[7], &[8], &[9]],
    ];
    for tiers in arrangements {
        for (below, floor) in [(1, 1), (2, 1), (3, 2), (4, 1), (1, 4)] {
            let scene = Scene { tiers, below, floor, last_resort: false };
            play(&scene, mixed(2_187).take(wanted));
        }
    }
}
