//! Plans for a listing and desired states.

use proptest::prelude::*;

use super::*;
use crate::engine::place::Place;
use crate::engine::tests::world::{ip, last};

const NAME: &str = "www.example.com";

fn key() -> SetKey {
    SetKey { name: NAME.into(), family: Family::A }
}

fn set(last: &[u8]) -> Observed {
    [(key(), last.iter().map(|n| ip(*n)).collect())].into_iter().collect()
}

fn lasts(entries: &[(SetKey, IpAddr)]) -> Vec<u8> {
    entries.iter().map(|(_, address)| last(address)).collect()
}

/// `desired`: `+1` serve, `-1` withdraw, `!1` withdraw anyway, `^1` withdraw first, `~1` stand by if one
/// serves, `=1` stay.
fn desired(words: &str) -> BTreeMap<IpAddr, Desired> {
    let mut desired = BTreeMap::new();
    for word in words.split_whitespace() {
        let (sign, last) = word.split_at(1);
        let state = match sign {
            "+" => Desired::Serve,
            "-" => Desired::Withdraw,
            "^" => Desired::WithdrawFirst,
            "~" => Desired::StandBy(1),
            "=" => Desired::Stay,
            _ => Desired::WithdrawAnyway,
        };
        desired.insert(ip(last.parse().unwrap()), state);
    }
    desired
}

#[test]
fn a_plan_changes_the_ordered_addresses_and_nothing_else() {
    // listing, desired, floor; then created, deleted, held
    type Row = (&'static str, &'static [u8], &'static str, usize, [&'static [u8]; 3]);
    let cases: [Row; 14] = [
        ("a dead address goes", &[1, 2], "-1", 0, [&[], &[1], &[]]),
        ("without a floor even the last one goes", &[1], "-1", 0, [&[], &[1], &[]]),
        ("the floor keeps the last one", &[1], "-1", 1, [&[], &[], &[1]]),
        ("a foreign address counts towards the floor", &[1, 9], "-1", 1, [&[], &[1], &[]]),
        ("the lowest of two stays", &[1, 2], "-1 -2", 1, [&[], &[2], &[1]]),
        ("one that comes back makes room", &[1], "-1 +2", 1, [&[2], &[1], &[]]),
        ("what is there is not created again", &[1, 2], "+1 +2", 1, [&[], &[], &[]]),
        ("what is gone is not deleted again", &[2], "-1", 1, [&[], &[], &[]]),
        ("nothing desired, no change", &[1, 2, 9], "", 1, [&[], &[], &[]]),
        ("the operator's word does not ask the floor", &[1], "!1", 1, [&[], &[1], &[]]),
        ("but it leaves less for the others", &[1, 2, 3], "!3 -1 -2", 1, [&[], &[2, 3], &[1]]),
        ("unless it waits for a standby", &[1], "^1", 1, [&[], &[], &[1]]),
        ("which goes in with the same change", &[1], "^1 +9", 1, [&[9], &[1], &[]]),
        ("and then it goes before a dead one", &[1, 2], "^1 -2", 1, [&[], &[1], &[2]]),
    ];
    for (name, there, words, floor, [create, delete, held]) in cases {
        let plan = plan(&[NAME.into()], &set(there), &desired(words), floor);
        assert_eq!(lasts(&plan.create), create, "{name}: create");
        assert_eq!(lasts(&plan.delete), delete, "{name}: delete");
        assert_eq!(lasts(&plan.held), held, "{name}: held");
    }
}

#[test]
fn a_standby_leaves_once_another_address_serves() {
    type Row = (&'static str, &'static [u8], &'static str, usize, [&'static [u8]; 3]);
    let cases: [Row; 9] = [
        ("another comes with it", &[9], "+1 ~9", 1, [&[1], &[9], &[]]),
        ("another is there", &[1, 9], "+1 ~9", 1, [&[], &[9], &[]]),
        ("another is there and stays", &[1, 9], "=1 ~9", 1, [&[], &[9], &[]]),
        ("the other is not there", &[2, 9], "=1 ~9", 1, [&[], &[], &[9]]),
        ("the other one leaves", &[2, 9], "-2 ~9", 1, [&[], &[2], &[9]]),
        ("nothing is known of the others", &[2, 9], "~9", 0, [&[], &[], &[9]]),
        ("the floor needs it", &[1, 9], "=1 ~9", 2, [&[], &[], &[9]]),
        ("a dead one leaves first", &[1, 2, 9], "=1 -2 ~9", 2, [&[], &[2], &[9]]),
        ("it is not there", &[2], "=1 ~9", 1, [&[], &[], &[]]),
    ];
    for (name, there, words, floor, [create, delete, held]) in cases {
        let plan = plan(&[NAME.into()], &set(there), &desired(words), floor);
        assert_eq!(lasts(&plan.create), create, "{name}: create");
        assert_eq!(lasts(&plan.delete), delete, "{name}: delete");
        assert_eq!(lasts(&plan.held), held, "{name}: held");
    }
    let refused = BTreeSet::from([(key(), ip(1))]);
    let plan = plan_without(&[NAME.into()], &set(&[9]), &desired("+1 ~9"), 1, &refused);
    assert_eq!((lasts(&plan.delete), lasts(&plan.held)), (vec![], vec![9]), "it will not come");
}

#[test]
fn a_set_that_is_unfit_is_left_alone_and_the_others_are_planned() {
    let api = SetKey { name: "api.example.com".into(), ..key() };
    let mut observed = set(&[1, 2]);
    observed.unfit.insert(api.clone(), "it is an alias".into());
    let plan = plan(&[NAME.into(), api.name.clone()], &observed, &desired("-1 +3"), 1);
    assert_eq!((plan.create, plan.delete), (vec![(key(), ip(3))], vec![(key(), ip(1))]));
    assert_eq!(observed.holds(&api, ip(1)), None, "unknown, and not absent");
}

#[test]
fn the_families_are_planned_apart() {
    let v6: IpAddr = "2001:db8::1".parse().unwrap();
    let mut observed = set(&[1]);
    observed.sets.insert(SetKey { family: Family::Aaaa, ..key() }, BTreeSet::from([v6]));
    let desired = BTreeMap::from([(ip(1), Desired::Withdraw), (v6, Desired::Withdraw)]);
    let plan = plan(&[NAME.into()], &observed, &desired, 1);
    assert_eq!((plan.delete.len(), plan.held.len()), (0, 2));
}

#[test]
fn two_agents_that_emptied_a_set_put_the_same_address_back() {
    let (both, none) = ([(key(), ip(2)), (key(), ip(1))], BTreeMap::new());
    assert_eq!(lasts(&repair(&set(&[]), &both, &none, 1)), [1]);
    assert_eq!(lasts(&repair(&set(&[]), &both[..1], &none, 1)), [2], "it knows of its own only");
    assert_eq!(lasts(&repair(&set(&[7]), &both, &none, 1)), [0u8; 0], "the floor stands");
    assert_eq!(lasts(&repair(&set(&[1]), &both, &none, 2)), [2], "one is back already");
}

#[test]
fn a_refused_drain_names_where_the_floor_would_break() {
    let names = [NAME.to_owned(), "api.example.com".to_owned()];
    assert_eq!(floor_breaks(&names, &set(&[1, 2]), ip(1), 2), [NAME.to_owned()]);
    assert!(floor_breaks(&names, &set(&[1, 2]), ip(1), 1).is_empty());
    assert!(floor_breaks(&names, &set(&[2]), ip(1), 1).is_empty(), "it is not there anyway");
}

/// `"FR 1 2, * 3"`: the addresses for each place.
fn by_place(text: &str) -> Observed {
    let mut observed = Observed::default();
    for part in text.split(", ").filter(|part| !part.is_empty()) {
        let mut words = part.split(' ');
        let place = match words.next().unwrap() {
            "EU" => Place::Continent("EU".into()),
            country => Place::new(None, Some(country), None),
        };
        let addresses: BTreeSet<IpAddr> = words.map(|last| ip(last.parse().unwrap())).collect();
        observed.sets.entry(key()).or_default().extend(&addresses);
        observed.parts.entry(key()).or_default().insert(place, addresses);
    }
    observed
}

#[test]
fn the_floor_counts_the_addresses_for_a_client_at_each_place() {
    // listing by place, desired, floor; then deleted, held
    let cases = [
        ("a country's only set stays", "FR 1, DE 2", "-1", 1, [vec![], vec![1]]),
        ("without a floor it goes", "FR 1, DE 2", "-1", 0, [vec![1], vec![]]),
        ("everywhere answers for a country", "FR 1, * 2", "-1", 1, [vec![1], vec![]]),
        ("and so does its continent", "FR 1, EU 2", "-1", 1, [vec![1], vec![]]),
        ("but not the other way round", "FR 1, EU 2", "-2", 1, [vec![], vec![2]]),
        ("the last for everywhere stays", "FR 1, * 2", "-2", 1, [vec![], vec![2]]),
        ("both dead: the wider one stays", "FR 1, * 2", "-1 -2", 1, [vec![1], vec![2]]),
        ("one of two in a country", "FR 1 3, DE 2", "-1", 1, [vec![1], vec![]]),
        ("a country has its own floor", "FR 1 3, DE 2 4", "-1", 2, [vec![], vec![1]]),
        ("in two sets, one of them alone", "FR 1, DE 1 2", "-1", 1, [vec![], vec![1]]),
        ("what comes back may be elsewhere", "FR 1, DE 2", "-1 +3", 1, [vec![], vec![1]]),
        ("the operator's word", "FR 1, DE 2", "!1", 1, [vec![1], vec![]]),
    ];
    for (name, there, words, floor, want) in cases {
        let plan = plan(&[NAME.into()], &by_place(there), &desired(words), floor);
        assert_eq!([lasts(&plan.delete), lasts(&plan.held)], want, "{name}");
    }
}

#[test]
fn a_refused_drain_names_where_one_country_would_get_nothing() {
    let names = [NAME.to_owned()];
    assert_eq!(floor_breaks(&names, &by_place("FR 1, DE 2"), ip(1), 1), names);
    assert!(floor_breaks(&names, &by_place("FR 1, * 2"), ip(1), 1).is_empty());
}

#[test]
fn a_restored_address_is_for_the_place_that_lacks_it() {
    let both = [(key(), ip(1)), (key(), ip(2))];
    let repaired =
        |before: &str, now: &str| lasts(&repair(&by_place(now), &both, &by_place(before).parts, 1));
    assert_eq!(repaired("FR 1 2, DE 3", "DE 3"), [1], "France has nothing");
    assert_eq!(repaired("FR 1 2, DE 3", "FR 4, DE 3"), [0u8; 0], "it has");
    assert_eq!(repaired("FR 1, DE 2", ""), [1, 2], "one cannot answer for the other");
    assert_eq!(repaired("FR 1 2, * 3", "* 3"), [0u8; 0], "the wider one answers");
    assert_eq!(repaired("FR 2, * 1 3", ""), [1], "what is everywhere helps France too");
}

fn apply(observed: &Observed, plan: &Plan) -> Observed {
    let mut after = observed.clone();
    for (key, address) in &plan.delete {
        after.sets.entry(key.clone()).or_default().remove(address);
    }
    for (key, address) in &plan.create {
        after.sets.entry(key.clone()).or_default().insert(*address);
    }
    after
}

proptest! {
    #[test]
    fn any_plan_is_safe_and_final(
        there in proptest::collection::btree_set(0u8..12, 0..10),
        states in proptest::collection::btree_map(0u8..8, 0u8..3, 0..8),
        floor in 0usize..5,
    ) {
        let kinds = [Desired::Serve, Desired::Withdraw, Desired::WithdrawAnyway];
        let desired: BTreeMap<_, _> =
            states.iter().map(|(last, kind)| (ip(*last), kinds[usize::from(*kind)])).collect();
        let before = set(&there.iter().copied().collect::<Vec<_>>());
        let names = [NAME.to_owned()];
        let first = plan(&names, &before, &desired, floor);
        let after = apply(&before, &first);
        let again = plan(&names, &after, &desired, floor);
        prop_assert!(again.is_empty(), "planning again: {again:?}");
        let (was, is) = (&before.sets[&key()], &after.sets[&key()]);
        for foreign in was.iter().filter(|address| !desired.contains_key(address)) {
            prop_assert!(is.contains(foreign), "{foreign} is foreign and was touched");
        }
        let mut forced = 0;
        for address in was {
            forced += usize::from(desired.get(address) == Some(&Desired::WithdrawAnyway));
        }
        let asked = first.delete.len() - forced;
        prop_assert!(asked == 0 || is.len() >= floor, "the floor is broken: {is:?}");
        for (address, state) in &desired {
            let served = is.contains(address);
            prop_assert!(*state != Desired::Serve || served, "{address} is missing");
            let held = first.held.contains(&(key(), *address));
            prop_assert!(*state != Desired::Withdraw || served == held, "{address}");
        }
    }
}
