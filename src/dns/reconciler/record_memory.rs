//! The settings of withdrawn records, so that a restored record gets all of them back.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crate::dns::{Attributes, Extra, Listing, Placement, RecordChanges};
use crate::engine::plan::SetKey;

/// A record that was withdrawn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remembered {
    /// The settings that it had.
    pub attributes: Attributes,
    /// The settings that it has since it was restored, if the provider did not accept all of them. The
    /// missing ones are requested again with the next restore. `None` while it is withdrawn.
    pub came_back_as: Option<Attributes>,
}

impl Remembered {
    /// Creates the memory of a record that is withdrawn now.
    pub fn out(attributes: Attributes) -> Self {
        Self { attributes, came_back_as: None }
    }
}

/// The settings of withdrawn records by place, and the places of unfinished writes.
///
/// An entry is made before the record is deleted, and stays until a listing shows the address at its
/// place again: a confirmed restore may have to be requested once more.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RecordMemory {
    records: BTreeMap<Placement, Remembered>,
    /// Places without a remembered record at which a write may still take effect.
    pending: BTreeSet<Placement>,
    /// Records that this agent has restored, or may have: the create was confirmed, or its answer was
    /// lost. No listing has shown them since.
    restoring: BTreeSet<Placement>,
}

impl RecordMemory {
    /// Returns the settings of the record at `set`, if this agent has withdrawn it.
    pub fn recall(&self, set: &SetKey, address: IpAddr) -> Option<&Attributes> {
        self.records.get(&(set.clone(), address)).map(|record| &record.attributes)
    }

    /// Remembers the records that are about to be deleted or created; of identical duplicates, the
    /// first one. Returns whether the memory has changed.
    pub(super) fn remember(&mut self, changes: &RecordChanges) -> bool {
        let mut kept = BTreeSet::new();
        let mut has_changed = false;
        for (set, record) in &changes.delete {
            let place = (set.clone(), record.address);
            if kept.insert(place.clone()) {
                let is_ours = self.restoring.remove(&place);
                let before = self.records.get(&place);
                let full = Remembered::out(in_full(before, &record.attributes, is_ours));
                has_changed |= before != Some(&full);
                self.records.insert(place, full);
            }
        }
        for new in &changes.create {
            let place = (new.set.clone(), new.address);
            match self.records.get_mut(&place) {
                Some(record) => {
                    has_changed |= record.came_back_as.take().is_some();
                    // A standby comes back with the settings of the record that it stands in for.
                    if let Some(attributes) = &new.attributes
                        && record.attributes != *attributes
                    {
                        record.attributes.clone_from(attributes);
                        has_changed = true;
                    }
                }
                None => has_changed |= self.add_pending(place),
            }
        }
        has_changed
    }

    /// Records the records that a write created, or may have created. A create that the provider
    /// refused because the record exists must not be recorded: another party made that record.
    pub(super) fn created(&mut self, places: impl IntoIterator<Item = Placement>) {
        let records = &self.records;
        self.restoring.extend(places.into_iter().filter(|place| records.contains_key(place)));
    }

    /// Records that a write may still take effect at a place. Returns whether the memory has changed.
    pub(super) fn add_pending(&mut self, place: Placement) -> bool {
        !self.records.contains_key(&place) && self.pending.insert(place)
    }

    /// Forgets records that a listing shows, by whichever party they were restored: their settings in
    /// the zone count from now on. Records at uncertain places are kept, because they may still
    /// disappear; so are the settings that are missing from a record that this agent restored. Returns
    /// whether the memory has changed.
    pub(super) fn found(
        &mut self,
        listing: &Listing,
        is_uncertain: impl Fn(&Placement) -> bool,
    ) -> bool {
        let before = (self.records.len(), self.pending.len());
        let mut has_changed = false;
        let restoring = &mut self.restoring;
        self.records.retain(|place, record| {
            let (set, address) = place;
            if is_uncertain(place) {
                return true;
            }
            let mut there = listing.sets.get(set).into_iter().flatten();
            let Some(found) = there.find(|record| record.address == *address) else { return true };
            let was_restored = restoring.remove(place);
            let is_same = record.came_back_as.as_ref() == Some(&found.attributes);
            if was_restored && is_incomplete(&record.attributes, &found.attributes) && !is_same {
                record.came_back_as = Some(found.attributes.clone());
                has_changed = true;
                return true;
            }
            is_same
        });
        self.pending.retain(is_uncertain);
        has_changed || before != (self.records.len(), self.pending.len())
    }

    /// Returns the saved records, with the knowledge of this memory about them.
    pub(super) fn following(mut self, saved: Self) -> Self {
        self.restoring.retain(|place| saved.records.contains_key(place));
        Self { restoring: self.restoring, ..saved }
    }

    /// Whether anything is remembered of an owner name.
    pub(super) fn knows(&self, name: &str) -> bool {
        self.records.keys().any(|(set, _)| set.name == name)
    }

    /// Whether a record was withdrawn at a place and has not been restored.
    fn is_out(&self, place: &Placement) -> bool {
        self.records.get(place).is_some_and(|record| record.came_back_as.is_none())
    }

    /// Returns the places of records that were restored without all of their settings.
    pub(super) fn incomplete(&self) -> Vec<Placement> {
        let back = self.records.iter().filter(|(_, record)| record.came_back_as.is_some());
        back.map(|(place, _)| place.clone()).collect()
    }

    /// Returns the places at which a write may still take effect: those of withdrawn records, and
    /// those at which a record was created.
    pub(super) fn places(&self) -> Vec<Placement> {
        let out = self.records.keys().filter(|place| self.is_out(place));
        out.chain(&self.pending).cloned().collect()
    }

    /// Returns all remembered records.
    pub fn records(&self) -> impl Iterator<Item = (&SetKey, IpAddr, &Remembered)> {
        self.records.iter().map(|((set, address), record)| (set, *address, record))
    }

    /// Returns the places without a remembered record at which a write may still take effect.
    pub fn pending(&self) -> impl Iterator<Item = &Placement> {
        self.pending.iter()
    }

    /// Adds places at which a write may still take effect.
    #[must_use]
    pub fn with_pending(mut self, places: impl IntoIterator<Item = Placement>) -> Self {
        for place in places {
            self.add_pending(place);
        }
        self
    }
}

/// Returns the settings to remember of a record that is being deleted: its own, or those remembered
/// before if it is still as incomplete as it was restored. `is_ours` means that this agent has restored
/// it and no listing has shown its settings since.
fn in_full(before: Option<&Remembered>, now: &Attributes, is_ours: bool) -> Attributes {
    let Some(before) = before else { return now.clone() };
    let is_less = match &before.came_back_as {
        Some(less) => less == now,
        None => is_ours && is_incomplete(&before.attributes, now),
    };
    if is_less { before.attributes.clone() } else { now.clone() }
}

/// Whether a restored record lacks settings because the provider did not accept all of them. A record
/// with additional settings was edited or made by another party. This does not apply to fields that
/// are unknown here, because the provider may add some itself. A Route 53 set may have been edited
/// while the address was out, so only its health check counts.
fn is_incomplete(was: &Attributes, is: &Attributes) -> bool {
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

impl FromIterator<(SetKey, IpAddr, Remembered)> for RecordMemory {
    fn from_iter<I: IntoIterator<Item = (SetKey, IpAddr, Remembered)>>(records: I) -> Self {
        let mut memory = Self::default();
        for (set, address, record) in records {
            memory.records.insert((set, address), record);
        }
        memory
    }
}

impl FromIterator<(SetKey, IpAddr, Attributes)> for RecordMemory {
    fn from_iter<I: IntoIterator<Item = (SetKey, IpAddr, Attributes)>>(records: I) -> Self {
        let mut memory = Self::default();
        for (set, address, attributes) in records {
            memory.records.insert((set, address), Remembered::out(attributes));
        }
        memory
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dns::{NewRecord, Record};
    use crate::engine::plan::Family;

    fn place() -> Placement {
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

    fn gone(attributes: Attributes) -> RecordChanges {
        RecordChanges { create: vec![], delete: vec![(place().0, record(attributes))] }
    }

    fn back(memory: &RecordMemory) -> RecordChanges {
        let attributes = memory.recall(&place().0, place().1).cloned();
        let new = NewRecord { set: place().0, address: place().1, attributes };
        RecordChanges { create: vec![new], delete: vec![] }
    }

    fn shows(attributes: Attributes) -> Listing {
        let sets = [(place().0, vec![record(attributes)])].into();
        Listing { sets, ..Listing::default() }
    }

    /// Returns the memory after a withdrawal and a restore with these settings only.
    fn restored_as(less: Attributes) -> RecordMemory {
        let mut memory = RecordMemory::default();
        assert!(memory.remember(&gone(tagged(60, &["a:b"]))));
        let back = back(&memory);
        memory.remember(&back);
        memory.created([place()]);
        memory.found(&shows(less), |_| false);
        memory
    }

    /// Returns the settings of a record that a person made, proxied and with a comment.
    fn by_hand() -> Attributes {
        let (comment, other_fields) = (Some("by hand".to_owned()), serde_json::Map::new());
        let extra = Extra::Cloudflare { proxied: true, comment, tags: vec![], other_fields };
        Attributes { ttl: 1, extra }
    }

    #[test]
    fn settings_that_were_missing_are_requested_with_the_next_restore() {
        let mut memory = restored_as(tagged(60, &[]));
        assert!(!memory.found(&shows(tagged(60, &[])), |_| false), "kept, and unchanged");
        assert!(memory.places().is_empty(), "nothing is out");
        assert!(memory.remember(&gone(tagged(60, &[]))));
        assert_eq!(memory.recall(&place().0, place().1), Some(&tagged(60, &["a:b"])));
        assert_eq!(memory.places(), [place()]);
    }

    #[test]
    fn a_record_that_was_restored_completely_or_edited_since_counts_as_it_is() {
        assert_eq!(restored_as(tagged(60, &["a:b"])), RecordMemory::default());
        let mut edited = restored_as(tagged(60, &[]));
        edited.found(&shows(tagged(120, &[])), |_| false);
        assert_eq!(edited, RecordMemory::default());
        let mut by_others = RecordMemory::default();
        by_others.remember(&gone(tagged(60, &["a:b"])));
        by_others.found(&shows(tagged(300, &[])), |_| false);
        assert_eq!(by_others, RecordMemory::default(), "another party restored it");
    }

    #[test]
    fn a_record_that_existed_when_ours_was_refused_counts_as_it_is() {
        let mut refused = RecordMemory::default();
        refused.remember(&gone(tagged(60, &["a:b"])));
        let back = back(&refused);
        refused.remember(&back);
        refused.found(&shows(tagged(60, &[])), |_| false);
        assert_eq!(refused, RecordMemory::default(), "less than ours, but not ours");
    }

    #[test]
    fn a_record_with_more_settings_than_ours_was_made_or_edited_by_another_party() {
        assert_eq!(restored_as(by_hand()), RecordMemory::default());
        assert_eq!(restored_as(tagged(60, &["a:b", "c:d"])), RecordMemory::default());
    }

    #[test]
    fn a_record_that_is_withdrawn_again_before_it_was_verified_is_remembered_in_full() {
        for (shown, want) in [(tagged(60, &[]), tagged(60, &["a:b"])), (by_hand(), by_hand())] {
            let mut memory = RecordMemory::default();
            memory.remember(&gone(tagged(60, &["a:b"])));
            memory.created([place()]);
            memory.found(&shows(shown.clone()), |_| true);
            memory.remember(&gone(shown));
            assert_eq!(memory.recall(&place().0, place().1), Some(&want));
        }
    }
}
