//! What withdrawn records carried, so that restoring brings all of it back.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::{Attributes, Changes, Extra, Listing};
use crate::engine::plan::SetKey;

/// An address at its place.
type Entry = (SetKey, IpAddr);

/// One record that was withdrawn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remembered {
    /// What it carried.
    pub attributes: Attributes,
    /// What it carries since it was restored, where the provider took less of it than it had: the
    /// rest is asked for again with the next restoring. `None` while it is out.
    pub came_back_as: Option<Attributes>,
}

impl Remembered {
    /// What a record carried that is out now.
    pub fn out(attributes: Attributes) -> Self {
        Self { attributes, came_back_as: None }
    }
}

/// The attributes of withdrawn records, by where they were, and what may be under way.
///
/// An entry is made before the record is deleted, and stays until a listing shows the address at
/// its place again: what a provider merely confirmed may still have to be asked for once more.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Memory {
    records: BTreeMap<Entry, Remembered>,
    /// Places of which nothing is remembered and at which a write may still change something.
    pending: BTreeSet<Entry>,
    /// Records that this agent has restored, or may have: the create was confirmed, or its answer was
    /// lost. No listing has shown them since.
    restoring: BTreeSet<Entry>,
}

impl Memory {
    /// What the record at `set` carried, if it was withdrawn by this agent.
    pub fn recall(&self, set: &SetKey, address: IpAddr) -> Option<&Attributes> {
        self.records.get(&(set.clone(), address)).map(|record| &record.attributes)
    }

    /// Remembers what is about to be deleted, and what is about to be created. Of identical
    /// duplicates the first one is kept. Returns whether that is news.
    pub(super) fn remember(&mut self, changes: &Changes) -> bool {
        let mut kept = BTreeSet::new();
        let mut news = false;
        for (set, record) in &changes.delete {
            let place = (set.clone(), record.address);
            if kept.insert(place.clone()) {
                let is_ours = self.restoring.remove(&place);
                let before = self.records.get(&place);
                let full = Remembered::out(in_full(before, &record.attributes, is_ours));
                news |= before != Some(&full);
                self.records.insert(place, full);
            }
        }
        for new in &changes.create {
            let place = (new.set.clone(), new.address);
            match self.records.get_mut(&place) {
                Some(record) => news |= record.came_back_as.take().is_some(),
                None => news |= self.pend(place),
            }
        }
        news
    }

    /// Notes the records that a write created, or may have created. A create that the provider refused,
    /// because the record exists, does not belong here: that record was made by somebody else.
    pub(super) fn created(&mut self, places: impl IntoIterator<Item = Entry>) {
        let records = &self.records;
        self.restoring.extend(places.into_iter().filter(|place| records.contains_key(place)));
    }

    /// Notes that a write may still change something there. Returns whether that is news.
    pub(super) fn pend(&mut self, place: Entry) -> bool {
        !self.records.contains_key(&place) && self.pending.insert(place)
    }

    /// Forgets what is in the zone, whoever put it back: from now on it counts as it is there. What
    /// `is_doubted` may still go, and is kept; so is what a record carried that this agent put back with
    /// less. Returns whether that is news.
    pub(super) fn found(&mut self, listing: &Listing, is_doubted: impl Fn(&Entry) -> bool) -> bool {
        let before = (self.records.len(), self.pending.len());
        let mut news = false;
        let restoring = &mut self.restoring;
        self.records.retain(|place, record| {
            let (set, address) = place;
            if is_doubted(place) {
                return true;
            }
            let mut there = listing.sets.get(set).into_iter().flatten();
            let Some(found) = there.find(|record| record.address == *address) else { return true };
            let restored = restoring.remove(place);
            let is_same = record.came_back_as.as_ref() == Some(&found.attributes);
            if restored && came_with_less(&record.attributes, &found.attributes) && !is_same {
                record.came_back_as = Some(found.attributes.clone());
                news = true;
                return true;
            }
            is_same
        });
        self.pending.retain(is_doubted);
        news || before != (self.records.len(), self.pending.len())
    }

    /// Whether anything is remembered of an owner name.
    pub(super) fn knows(&self, name: &str) -> bool {
        self.records.keys().any(|(set, _)| set.name == name)
    }

    /// Whether a record was withdrawn there and has not come back.
    pub(super) fn is_out(&self, place: &Entry) -> bool {
        self.records.get(place).is_some_and(|record| record.came_back_as.is_none())
    }

    /// The places of records that are back with less than they had.
    pub(super) fn came_back(&self) -> Vec<Entry> {
        let back = self.records.iter().filter(|(_, record)| record.came_back_as.is_some());
        back.map(|(place, _)| place.clone()).collect()
    }

    /// The places at which something may still be under way: those of withdrawn records, and those
    /// at which something was created.
    pub(super) fn places(&self) -> Vec<Entry> {
        let out = self.records.keys().filter(|place| self.is_out(place));
        out.chain(&self.pending).cloned().collect()
    }

    /// Everything that is remembered of records.
    pub fn records(&self) -> impl Iterator<Item = (&SetKey, IpAddr, &Remembered)> {
        self.records.iter().map(|((set, address), record)| (set, *address, record))
    }

    /// Where a write may still change something though nothing is remembered of the record.
    pub fn pending(&self) -> impl Iterator<Item = &Entry> {
        self.pending.iter()
    }

    /// The same with these places at which a write may still change something.
    #[must_use]
    pub fn with_pending(mut self, places: impl IntoIterator<Item = Entry>) -> Self {
        for place in places {
            self.pend(place);
        }
        self
    }
}

/// What to remember of a record that goes: what it carries, and what it carried before the provider
/// took less of it, if it is as it came back then. `is_ours`: this agent has restored it, and no listing
/// has settled since how it came back.
fn in_full(before: Option<&Remembered>, now: &Attributes, is_ours: bool) -> Attributes {
    let less = |before: &&Remembered| match &before.came_back_as {
        Some(less) => less == now,
        None => is_ours && came_with_less(&before.attributes, now),
    };
    before.filter(less).map_or(now, |before| &before.attributes).clone()
}

/// Whether a record that was restored lacks something, because the provider would not take all of it.
/// A record with anything more than it had was edited by somebody else, or made by him. Not so the
/// fields that this program does not know: the provider may add some of its own. A Route 53 set may
/// have been edited while the address was out, so that only its health check tells.
fn came_with_less(was: &Attributes, is: &Attributes) -> bool {
    match (&was.extra, &is.extra) {
        (
            Extra::Cloudflare { proxied: was_proxied, comment: was_comment, tags: had, .. },
            Extra::Cloudflare { proxied, comment, tags, .. },
        ) => {
            let has_more = (*proxied && !was_proxied)
                || (comment.is_some() && comment != was_comment)
                || tags.iter().any(|tag| !had.contains(tag));
            was != is && !has_more
        }
        (Extra::Route53(was), Extra::Route53(is)) => {
            was.health_check_id.is_some() && is.health_check_id.is_none()
        }
        _ => false,
    }
}

impl FromIterator<(SetKey, IpAddr, Remembered)> for Memory {
    fn from_iter<I: IntoIterator<Item = (SetKey, IpAddr, Remembered)>>(records: I) -> Self {
        let entry = |(set, address, record)| ((set, address), record);
        Self { records: records.into_iter().map(entry).collect(), ..Self::default() }
    }
}

impl FromIterator<(SetKey, IpAddr, Attributes)> for Memory {
    fn from_iter<I: IntoIterator<Item = (SetKey, IpAddr, Attributes)>>(records: I) -> Self {
        let out = |(set, address, carried)| (set, address, Remembered::out(carried));
        records.into_iter().map(out).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dns::{NewRecord, Record};
    use crate::engine::plan::Family;

    fn place() -> Entry {
        let set = SetKey { name: "www.example.com".into(), family: Family::A };
        (set, IpAddr::from([192, 0, 2, 1]))
    }

    fn tagged(ttl: u32, tags: &[&str]) -> Attributes {
        let tags = tags.iter().map(|&tag| tag.to_owned()).collect();
        let (comment, other_fields) = (None, serde_json::Map::new());
        Attributes { ttl, extra: Extra::Cloudflare { proxied: false, comment, tags, other_fields } }
    }

    fn record(attributes: Attributes) -> Record {
        Record { address: place().1, id: "1".into(), attributes }
    }

    fn gone(attributes: Attributes) -> Changes {
        Changes { create: vec![], delete: vec![(place().0, record(attributes))] }
    }

    fn back(memory: &Memory) -> Changes {
        let attributes = memory.recall(&place().0, place().1).cloned();
        let new = NewRecord { set: place().0, address: place().1, attributes };
        Changes { create: vec![new], delete: vec![] }
    }

    fn shows(attributes: Attributes) -> Listing {
        let sets = [(place().0, vec![record(attributes)])].into();
        Listing { sets, ..Listing::default() }
    }

    /// After a withdrawal, and a restoring of which the provider took this.
    fn restored_as(less: Attributes) -> Memory {
        let mut memory = Memory::default();
        assert!(memory.remember(&gone(tagged(60, &["a:b"]))));
        let back = back(&memory);
        memory.remember(&back);
        memory.created([place()]);
        memory.found(&shows(less), |_| false);
        memory
    }

    /// The same record, proxied and with a comment, as somebody else might make it.
    fn by_hand() -> Attributes {
        let (comment, other_fields) = (Some("by hand".to_owned()), serde_json::Map::new());
        let extra = Extra::Cloudflare { proxied: true, comment, tags: vec![], other_fields };
        Attributes { ttl: 1, extra }
    }

    #[test]
    fn what_a_record_could_not_take_back_is_asked_for_with_the_next_restoring() {
        let mut memory = restored_as(tagged(60, &[]));
        assert!(!memory.found(&shows(tagged(60, &[])), |_| false), "kept, and no news");
        assert!(memory.places().is_empty(), "nothing is out");
        assert!(memory.remember(&gone(tagged(60, &[]))));
        assert_eq!(memory.recall(&place().0, place().1), Some(&tagged(60, &["a:b"])));
        assert_eq!(memory.places(), [place()]);
    }

    #[test]
    fn a_record_that_came_back_whole_or_was_edited_since_counts_as_it_is() {
        assert_eq!(restored_as(tagged(60, &["a:b"])), Memory::default());
        let mut edited = restored_as(tagged(60, &[]));
        edited.found(&shows(tagged(120, &[])), |_| false);
        assert_eq!(edited, Memory::default());
        let mut by_others = Memory::default();
        by_others.remember(&gone(tagged(60, &["a:b"])));
        by_others.found(&shows(tagged(300, &[])), |_| false);
        assert_eq!(by_others, Memory::default(), "somebody else put it back");
    }

    #[test]
    fn a_record_that_was_there_when_ours_was_refused_counts_as_it_is() {
        let mut refused = Memory::default();
        refused.remember(&gone(tagged(60, &["a:b"])));
        let back = back(&refused);
        refused.remember(&back);
        refused.found(&shows(tagged(60, &[])), |_| false);
        assert_eq!(refused, Memory::default(), "less than ours, but not ours");
    }

    #[test]
    fn a_record_with_more_than_ours_had_was_made_or_edited_by_somebody_else() {
        assert_eq!(restored_as(by_hand()), Memory::default());
        assert_eq!(restored_as(tagged(60, &["a:b", "c:d"])), Memory::default());
    }

    #[test]
    fn what_goes_again_before_it_is_settled_how_it_came_back_is_remembered_in_full() {
        for (shown, want) in [(tagged(60, &[]), tagged(60, &["a:b"])), (by_hand(), by_hand())] {
            let mut memory = Memory::default();
            memory.remember(&gone(tagged(60, &["a:b"])));
            memory.created([place()]);
            memory.found(&shows(shown.clone()), |_| true);
            memory.remember(&gone(shown));
            assert_eq!(memory.recall(&place().0, place().1), Some(&want));
        }
    }
}
