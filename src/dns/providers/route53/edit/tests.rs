//! The replaced sets, row by row; `tests/it/route53` proves the same over the network.

use proptest::prelude::*;

use super::*;
use crate::dns::NewRecord;
use crate::engine::plan::Family;

fn key(name: &str) -> SetKey {
    SetKey { name: name.to_owned(), family: Family::A }
}

fn ip(last: u8) -> IpAddr {
    [192, 0, 2, last].into()
}

fn set(name: &str, id: Option<&str>, routing: Routing, addresses: &[u8]) -> RecordSet {
    RecordSet {
        key: key(name),
        ttl: 60,
        settings: Route53Set {
            set_identifier: id.map(str::to_owned),
            routing,
            ..Route53Set::default()
        },
        addresses: addresses.iter().map(|last| ip(*last)).collect(),
    }
}

fn listing(sets: &[RecordSet]) -> Listing {
    let mut by_key: BTreeMap<SetKey, Vec<&RecordSet>> = BTreeMap::new();
    for set in sets {
        by_key.entry(set.key.clone()).or_default().push(set);
    }
    let records =
        |(key, sets): (SetKey, Vec<&RecordSet>)| (key, super::super::sets::records(&sets));
    Listing { sets: by_key.into_iter().map(records).collect(), ..Listing::default() }
}

/// Returns the deletion of `last` from every set of `listing`.
fn without(listing: &Listing, last: u8) -> RecordChanges {
    let all = listing.sets.iter().flat_map(|(key, records)| records.iter().map(move |r| (key, r)));
    let deleted = all.filter(|(_, record)| record.address == ip(last));
    RecordChanges {
        delete: deleted.map(|(k, r)| (k.clone(), r.clone())).collect(),
        ..RecordChanges::default()
    }
}

fn create(name: &str, last: u8, attributes: Option<Attributes>) -> RecordChanges {
    let create = vec![NewRecord { set: key(name), address: ip(last), attributes }];
    RecordChanges { create, ..RecordChanges::default() }
}

#[test]
fn a_deletion_replaces_only_the_sets_that_hold_the_address() {
    let (a, b) = (
        set("www.x.org", Some("a"), Routing::Weighted(1), &[1, 2]),
        set("www.x.org", Some("b"), Routing::Weighted(2), &[3]),
    );
    let listing = listing(&[a.clone(), b]);
    let after = RecordSet { addresses: vec![ip(2)], ..a.clone() };
    let want = [Edit { before: Some(a), after: Some(after) }];
    assert_eq!(edits(&listing, &without(&listing, 1), &BySet::new(60)), (want.to_vec(), vec![]));
}

#[test]
fn a_restored_set_of_a_weighted_group_takes_the_time_to_live_of_the_group() {
    let sibling = RecordSet { ttl: 30, ..set("www.x.org", Some("b"), Routing::Weighted(2), &[3]) };
    let remembered = set("www.x.org", Some("a"), Routing::Weighted(1), &[1]);
    let changes = create("www.x.org", 1, Some(remembered.attributes()));
    let after = RecordSet { ttl: 30, ..remembered };
    let want = [Edit { before: None, after: Some(after) }];
    assert_eq!(edits(&listing(&[sibling]), &changes, &BySet::new(60)), (want.to_vec(), vec![]));
}

#[test]
fn an_address_of_a_replaced_kind_of_set_goes_into_the_existing_one() {
    let simple = set("www.x.org", None, Routing::Simple, &[2]);
    let remembered = set("www.x.org", Some("a"), Routing::Weighted(1), &[1]);
    let changes = create("www.x.org", 1, Some(remembered.attributes()));
    let after = RecordSet { addresses: vec![ip(2), ip(1)], ..simple.clone() };
    let want = [Edit { before: Some(simple.clone()), after: Some(after) }];
    assert_eq!(edits(&listing(&[simple]), &changes, &BySet::new(60)), (want.to_vec(), vec![]));
}

#[test]
fn a_simple_address_is_refused_where_there_are_several_sets_by_now() {
    let group = [
        set("www.x.org", Some("a"), Routing::Weighted(1), &[2]),
        set("www.x.org", Some("b"), Routing::Weighted(1), &[3]),
    ];
    let remembered = set("www.x.org", None, Routing::Simple, &[1]);
    let changes = create("www.x.org", 1, Some(remembered.attributes()));
    let want = UnknownHome { address: ip(1), key: key("www.x.org") };
    assert_eq!(edits(&listing(&group), &changes, &BySet::new(60)), (vec![], vec![want]));
}

#[test]
fn an_address_without_a_home_keeps_no_dead_one_in_elsewhere() {
    let dead = set("api.x.org", None, Routing::Simple, &[1]);
    let there = [
        set("www.x.org", Some("a"), Routing::Weighted(1), &[2]),
        set("www.x.org", Some("b"), Routing::Weighted(1), &[3]),
        dead.clone(),
    ];
    let mut changes = create("www.x.org", 4, None);
    changes.delete = listing(&there).sets[&key("api.x.org")]
        .iter()
        .map(|record| (key("api.x.org"), record.clone()))
        .collect();
    let (made, unknown_homes) = edits(&listing(&there), &changes, &BySet::new(60));
    assert_eq!(made, [Edit { before: Some(dead), after: None }]);
    assert_eq!(unknown_homes, [UnknownHome { address: ip(4), key: key("www.x.org") }]);
}

#[test]
fn an_address_that_changes_places_with_the_only_other_keeps_a_simple_set() {
    let simple = set("www.x.org", None, Routing::Simple, &[1]);
    let listing = listing(std::slice::from_ref(&simple));
    let mut changes = create("www.x.org", 2, None);
    changes.delete = without(&listing, 1).delete;
    let after = RecordSet { addresses: vec![ip(2)], ..simple.clone() };
    let want = [Edit { before: Some(simple), after: Some(after) }];
    assert_eq!(edits(&listing, &changes, &BySet::new(60)), (want.to_vec(), vec![]));
}

/// The floor may have relied on the address without a home.
#[test]
fn nothing_is_deleted_from_a_set_beside_which_an_address_has_no_home() {
    let weighted = set("www.x.org", Some("a"), Routing::Weighted(1), &[1]);
    let listing = listing(&[weighted]);
    let mut changes = create("www.x.org", 2, None);
    changes.delete = without(&listing, 1).delete;
    let want = UnknownHome { address: ip(2), key: key("www.x.org") };
    assert_eq!(edits(&listing, &changes, &BySet::new(60)), (vec![], vec![want]));
}

#[test]
fn an_address_returns_to_the_only_set_of_its_role_or_place_despite_a_new_identifier() {
    let france = Routing::Geo { continent: None, country: Some("FR".into()), subdivision: None };
    for routing in
        [Routing::Failover("PRIMARY".into()), Routing::Latency("eu-west-3".into()), france]
    {
        let now = set("www.x.org", Some("new"), routing.clone(), &[2]);
        let remembered = set("www.x.org", Some("old"), routing, &[1]);
        let changes = create("www.x.org", 1, Some(remembered.attributes()));
        let after = RecordSet { addresses: vec![ip(2), ip(1)], ..now.clone() };
        let want = [Edit { before: Some(now.clone()), after: Some(after) }];
        assert_eq!(edits(&listing(&[now]), &changes, &BySet::new(60)), (want.to_vec(), vec![]));
    }
}

#[test]
fn a_multivalue_answer_never_gets_a_second_value() {
    let now = set("www.x.org", Some("a"), Routing::MultiValue, &[2]);
    let remembered = set("www.x.org", Some("a"), Routing::MultiValue, &[1]);
    let changes = create("www.x.org", 1, Some(remembered.attributes()));
    let new = set("www.x.org", Some("192.0.2.1"), Routing::MultiValue, &[1]);
    let want = [Edit { before: None, after: Some(new) }];
    assert_eq!(edits(&listing(&[now]), &changes, &BySet::new(60)), (want.to_vec(), vec![]));
}

#[test]
fn an_address_of_a_missing_kind_of_set_goes_into_no_other_routed_set() {
    let remembered = set("www.x.org", Some("old"), Routing::Weighted(1), &[1]);
    let now = set("www.x.org", Some("a"), Routing::Failover("PRIMARY".into()), &[2]);
    let changes = create("www.x.org", 1, Some(remembered.attributes()));
    let want = UnknownHome { address: ip(1), key: key("www.x.org") };
    assert_eq!(edits(&listing(&[now]), &changes, &BySet::new(60)), (vec![], vec![want]));
}

fn many(name: &str, values: usize) -> Edit {
    let mut big = set(name, None, Routing::Simple, &[]);
    big.addresses =
        (0..values).map(|n| IpAddr::from(u32::try_from(n).unwrap().to_be_bytes())).collect();
    Edit { before: Some(big), after: None }
}

/// Returns the names in a batch, in their order.
fn names(batch: &[Edit]) -> Vec<String> {
    let mut names: Vec<_> = batch.iter().map(|edit| edit.key().unwrap().name.clone()).collect();
    names.dedup();
    names
}

proptest! {
    #[test]
    fn batches_keep_the_order_and_every_name_together_within_the_limits(
        sizes in prop::collection::vec((0_usize..9, 1_usize..400), 0..30),
    ) {
        let mut sizes = sizes;
        sizes.sort_unstable();
        let edits: Vec<Edit> =
            sizes.iter().map(|(name, values)| many(&format!("n{name}.x.org"), *values)).collect();
        let batches = batches(&edits);
        prop_assert_eq!(batches.concat(), edits);
        for batch in &batches {
            let size = batch.iter().map(Edit::size).fold(Size::default(), Size::plus);
            prop_assert!(size.fits() || names(batch).len() == 1, "{:?}", size);
        }
        for pair in batches.windows(2) {
            let (end, start) = (names(&pair[0]), names(&pair[1]));
            prop_assert_ne!(end.last(), start.first());
        }
    }
}
