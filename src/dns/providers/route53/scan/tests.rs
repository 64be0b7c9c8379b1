//! The scan of a zone in memory that lists as Route 53 does.

use std::cell::Cell;
use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

/// Owner name and set identifier of each set, in the order of the listing.
type Sets = Vec<(String, String)>;

/// A zone that lists `page` sets at a time from any set on.
struct Zone {
    sets: Sets,
    page: usize,
    /// The sort key of a name: as it is written, or as it is listed.
    sorted_as: fn(&str) -> String,
    requests: Cell<usize>,
}

fn as_written(name: &str) -> String {
    name.to_owned()
}

fn as_listed(name: &str) -> String {
    let mut listed = Vec::new();
    for character in name.chars() {
        listed.push(match character {
            'a'..='z' | '0'..='9' | '-' | '_' | '.' => character.to_string(),
            odd => format!("\\{:03o}", u32::from(odd)),
        });
    }
    listed.concat()
}

impl Zone {
    fn new(mut sets: Sets, page: usize, sorted_as: fn(&str) -> String) -> Self {
        sets.sort_by_key(|(name, id)| (reversed(&sorted_as(name)), id.clone()));
        sets.dedup();
        Self { sets, page, sorted_as, requests: Cell::new(0) }
    }

    /// Returns the position of a set in the order of the zone.
    fn place(&self, name: &str, id: &str) -> (String, String) {
        (reversed(&(self.sorted_as)(name)), id.to_owned())
    }

    fn list(&self, start: &Start) -> (Sets, Option<Start>) {
        self.requests.set(self.requests.get() + 1);
        let id = start.identifier.clone().unwrap_or_default();
        let first = self.place(&plain_name(&start.name), &id);
        let sets = self.sets.iter();
        let later: Vec<_> =
            sets.skip_while(|(name, id)| self.place(name, id) < first).cloned().collect();
        let next = later.get(self.page).map(|(name, id)| Start {
            name: as_listed(name),
            kind: Some("A".into()),
            identifier: Some(id.clone()),
        });
        (later.into_iter().take(self.page).collect(), next)
    }

    /// Scans the zone. Returns the sets of `names` that were found.
    fn walk(&self, names: &[String]) -> BTreeSet<(String, String)> {
        let mut scan = Scan::new(names);
        let mut found = BTreeSet::new();
        while let Some(start) = scan.wants() {
            assert!(self.requests.get() < 10_000, "it goes in circles at {start:?}");
            let (sets, next) = self.list(&start);
            found.extend(sets.into_iter().filter(|(name, _)| names.contains(name)));
            scan.read(next).unwrap();
        }
        found
    }
}

fn all_of(zone: &Zone, names: &[String]) -> BTreeSet<(String, String)> {
    zone.sets.iter().filter(|(name, _)| names.contains(name)).cloned().collect()
}

prop_compose! {
    /// Few labels, so that names often coincide, some of them with an escaped character.
    fn a_name()(labels in prop::collection::vec("[ab]{1,2}|a-b|a_|\\*|\\{|!", 0..3)) -> String {
        labels.into_iter().map(|label| label + ".").collect::<String>() + "x.org"
    }
}

proptest! {
    #[test]
    fn every_set_of_every_name_is_found(
        sets in prop::collection::vec((a_name(), "[123]?"), 0..40),
        names in prop::collection::vec(a_name(), 1..8),
        page in 1_usize..6,
        listed in any::<bool>(),
    ) {
        let zone = Zone::new(sets, page, if listed { as_listed } else { as_written });
        prop_assert_eq!(zone.walk(&names), all_of(&zone, &names));
    }

    #[test]
    fn no_more_requests_are_made_than_there_are_names_and_their_further_pages(
        sets in prop::collection::vec((a_name(), "[123]?"), 0..40),
        names in prop::collection::vec(a_name(), 1..8),
        page in 1_usize..6,
    ) {
        let plain: Vec<String> = names.into_iter().filter(|name| is_plain(name)).collect();
        let sets = sets.into_iter().filter(|(name, _)| is_plain(name)).collect();
        let zone = Zone::new(sets, page, as_listed);
        let found = zone.walk(&plain).len();
        let distinct = plain.iter().collect::<BTreeSet<_>>().len();
        prop_assert!(zone.requests.get() <= distinct + found / page);
        prop_assert!(zone.requests.get() <= zone.sets.len() / page + 1, "never more than all pages");
    }
}

#[test]
fn names_are_ordered_by_their_labels_from_the_right_with_a_dot_after_each() {
    let sorted = ["x.org", "a-b.x.org", "a.x.org", "a.a.x.org", "b.x.org"];
    // `-` is sorted before the dot after `a`, so `a-b` comes before `a`: the documentation warns of
    // it.
    assert!(sorted.is_sorted_by(|a, b| order(a, b) == Ordering::Less));
}

#[test]
fn a_page_that_leads_back_to_itself_is_an_error() {
    let mut scan = Scan::new(&["a.x.org".to_owned()]);
    let start = scan.wants();
    assert_eq!(scan.read(start), Err(Stuck("a.x.org".into())));
}
