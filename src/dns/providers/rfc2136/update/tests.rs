use proptest::prelude::*;

use super::*;
use crate::dns::{Attributes, Extra, NewRecord, Record as Listed};
use crate::engine::plan::Family;

fn key(name: &str) -> SetKey {
    SetKey { name: name.to_owned(), family: Family::A }
}

fn ip(last: u8) -> IpAddr {
    [192, 0, 2, last].into()
}

fn listed(address: IpAddr, ttl: u32) -> Listed {
    Listed { address, id: String::new(), attributes: Attributes { ttl, extra: Extra::None } }
}

fn listing(name: &str, addresses: &[u8]) -> Listing {
    let mut listing = Listing::default();
    for last in addresses {
        listing.add(key(name), listed(ip(*last), 120));
    }
    listing
}

fn create(name: &str, last: u8, ttl: Option<u32>) -> NewRecord {
    let attributes = ttl.map(|ttl| Attributes { ttl, extra: Extra::None });
    NewRecord { set: key(name), address: ip(last), attributes }
}

fn delete(name: &str, last: u8) -> (SetKey, Listed) {
    (key(name), listed(ip(last), 120))
}

fn ttls() -> BySet<u32> {
    BySet::new(300)
}

/// Returns the sections of a message as text.
fn sections(edits: &[SetEdit]) -> [Vec<String>; 2] {
    let message = message("example.com", edits).unwrap();
    let read = Message::from_vec(&message.to_vec().unwrap()).unwrap();
    [read.answers, read.authorities]
        .map(|records| records.iter().map(ToString::to_string).collect())
}

#[test]
fn the_prerequisites_are_the_set_as_listed_and_the_changes_are_by_value() {
    let changes = RecordChanges {
        create: vec![create("www.example.com", 3, None)],
        delete: vec![delete("www.example.com", 1)],
    };
    let edits = edits(&listing("www.example.com", &[1, 2]), &changes, &ttls());
    let [prerequisites, updates] = sections(&edits);
    assert_eq!(
        prerequisites,
        ["www.example.com. 0 IN A 192.0.2.1", "www.example.com. 0 IN A 192.0.2.2"]
    );
    assert_eq!(
        updates,
        ["www.example.com. 0 NONE A 192.0.2.1", "www.example.com. 120 IN A 192.0.2.3"]
    );
}

#[test]
fn an_empty_set_does_not_exist_and_no_alias_does() {
    let changes =
        RecordChanges { create: vec![create("www.example.com", 3, None)], delete: vec![] };
    let edits = edits(&Listing::default(), &changes, &ttls());
    let message = message("example.com", &edits).unwrap();
    let kinds: Vec<_> = message.answers.iter().map(|it| (it.dns_class, it.record_type())).collect();
    assert_eq!(kinds, [(DNSClass::NONE, RecordType::A), (DNSClass::NONE, RecordType::CNAME)]);
}

#[test]
fn an_added_record_takes_the_ttl_of_the_set_that_it_joins() {
    let name = "www.example.com";
    for (there, leaves, remembered, want) in [
        (&[1, 2][..], &[][..], Some(777), 120),
        (&[1, 2], &[1], Some(777), 120),
        (&[1], &[1], Some(777), 777),
        (&[1], &[1], None, 120),
        (&[], &[], Some(777), 777),
        (&[], &[], None, 300),
    ] {
        let changes = RecordChanges {
            create: vec![create(name, 9, remembered)],
            delete: leaves.iter().map(|last| delete(name, *last)).collect(),
        };
        let edits = edits(&listing(name, there), &changes, &ttls());
        assert_eq!(edits[0].ttl, want, "{there:?} {leaves:?} {remembered:?}");
    }
}

#[test]
fn what_is_in_force_already_needs_no_edit() {
    let changes = RecordChanges {
        create: vec![create("www.example.com", 1, None)],
        delete: vec![delete("www.example.com", 9)],
    };
    assert_eq!(edits(&listing("www.example.com", &[1]), &changes, &ttls()), []);
}

#[test]
fn very_many_names_are_several_messages_that_fit() {
    let label = "a".repeat(60);
    let names: Vec<_> = (0..2000).map(|nth| format!("{nth}.{label}.example.com")).collect();
    let create = names.iter().map(|name| create(name, 1, None)).collect();
    let changes = RecordChanges { create, delete: vec![] };
    let edits = edits(&Listing::default(), &changes, &ttls());
    let batches = batches(&edits);
    assert!(batches.len() > 1);
    assert_eq!(batches.concat(), edits);
    for batch in batches {
        assert!(message("example.com", &batch).unwrap().to_vec().unwrap().len() < 65_000);
    }
}

proptest! {
    /// The prerequisites are exactly the listing, and only listed records are deleted.
    #[test]
    fn no_update_touches_what_was_not_listed(
        there in prop::collection::btree_set(0u8..8, 0..6),
        leave in prop::collection::btree_set(0u8..8, 0..6),
        come in prop::collection::btree_set(0u8..8, 0..6),
    ) {
        let name = "www.example.com";
        let there: Vec<u8> = there.into_iter().collect();
        let changes = RecordChanges {
            create: come.iter().map(|last| create(name, *last, None)).collect(),
            delete: leave.iter().map(|last| delete(name, *last)).collect(),
        };
        for edit in edits(&listing(name, &there), &changes, &ttls()) {
            let listed: Vec<_> = there.iter().map(|last| ip(*last)).collect();
            prop_assert_eq!(&edit.before, &listed);
            prop_assert!(edit.delete.iter().all(|address| listed.contains(address)));
            prop_assert!(edit.create.iter().all(|address| !listed.contains(address)));
        }
    }
}
