//! The conversion of record changes to sets to delete and to create.
//!
//! Route 53 has no records, only sets, and a set is replaced as a whole. A change is therefore the
//! deletion of the set exactly as it was listed and the creation of the desired one, in one
//! transaction: a concurrent change makes the deletion fail, and the whole transaction with it.

use std::collections::{BTreeMap, BTreeSet};
use std::mem::discriminant;
use std::net::IpAddr;

use super::sets::RecordSet;
use crate::dns::{Attributes, BySet, Extra, Listing, Record, RecordChanges, Route53Set, Routing};
use crate::engine::plan::SetKey;

/// Maximum number of values in one request, including those of deleted sets.
///
/// Source: "Maximums on `ChangeResourceRecordSets` API requests" in the developer guide.
const MOST_VALUES: usize = 1_000;

/// Maximum number of characters of all values in one request. Source: as above.
const MOST_CHARACTERS: usize = 32_000;

/// One set before and after a change. At least one of the two exists, and they differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Edit {
    /// The set as it was listed; `None` if it has to be created.
    pub(super) before: Option<RecordSet>,
    /// The desired set; `None` if it has no values, because a set cannot be empty.
    pub(super) after: Option<RecordSet>,
}

impl Edit {
    /// Returns the name and the type of the set.
    pub(super) fn key(&self) -> Option<&SetKey> {
        self.sets().next().map(|set| &set.key)
    }

    /// Returns the health check of the desired set.
    pub(super) fn health_check(&self) -> Option<String> {
        self.after.as_ref().and_then(|set| set.settings.health_check_id.clone())
    }

    /// Removes a health check that is in `gone`. Returns the set that loses it.
    pub(super) fn lose_health_check(&mut self, gone: &BTreeSet<String>) -> Option<&RecordSet> {
        let after = self.after.as_mut()?;
        let lost = after.settings.health_check_id.take_if(|id| gone.contains(id));
        lost.map(|_| &*after)
    }

    fn sets(&self) -> impl Iterator<Item = &RecordSet> {
        self.before.iter().chain(&self.after)
    }

    fn size(&self) -> Size {
        let mut size = Size::default();
        for address in self.sets().flat_map(|set| &set.addresses) {
            size.values += 1;
            size.characters += longest_spelling(address);
        }
        size
    }
}

/// Returns the maximum length of an address in characters, in any spelling of Route 53.
fn longest_spelling(address: &IpAddr) -> usize {
    if address.is_ipv4() { 15 } else { 39 }
}

/// The amounts that count against the limits of one request.
#[derive(Debug, Clone, Copy, Default)]
struct Size {
    values: usize,
    characters: usize,
}

impl Size {
    fn plus(self, other: Self) -> Self {
        Self { values: self.values + other.values, characters: self.characters + other.characters }
    }

    fn fits(self) -> bool {
        self.values <= MOST_VALUES && self.characters <= MOST_CHARACTERS
    }
}

/// An address to restore of which the set is not known, where several sets exist.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{address} is not restored at {key}: a routed record set exists there, and the set that the address \
     belonged to is not known; restore it once by hand, and set state_file so that it is remembered \
     across a restart"
)]
pub(super) struct UnknownHome {
    pub(super) address: IpAddr,
    pub(super) key: SetKey,
}

/// Returns the sets to replace for `changes`, which were planned from `listing`.
///
/// Changes that are in force already need no edit. `ttls` (seconds) are for sets without
/// known settings.
///
/// An address without a remembered set is added to a simple set, or becomes a further multivalue
/// answer. Any other set has a property of its addresses (a weight, a role, a location) that is not
/// known for this one. Such an address is returned as an [`UnknownHome`], and the sets of its name are not
/// changed, because a deletion there may rely on it. It does not keep a dead address in service at
/// other names.
pub(super) fn edits(
    listing: &Listing,
    changes: &RecordChanges,
    ttls: &BySet<u32>,
) -> (Vec<Edit>, Vec<UnknownHome>) {
    let mut unknown_homes = Vec::new();
    let mut groups: BTreeMap<&SetKey, SetGroup> = BTreeMap::new();
    for (key, record) in &changes.delete {
        groups.entry(key).or_insert_with(|| SetGroup::listed(key, listing)).remove(record);
    }
    for new in &changes.create {
        let group = groups.entry(&new.set).or_insert_with(|| SetGroup::listed(&new.set, listing));
        let ttl = ttls.at(&new.set);
        unknown_homes.extend(group.restore(new.address, new.attributes.as_ref(), ttl).err());
    }
    groups
        .retain(|key, _| unknown_homes.iter().all(|left_out: &UnknownHome| left_out.key != **key));
    (groups.into_values().flat_map(SetGroup::edits).collect(), unknown_homes)
}

/// All sets of one name and type during a change.
struct SetGroup {
    key: SetKey,
    drafts: Vec<Draft>,
}

/// A set as it was listed, if it was, and as it will be.
struct Draft {
    before: Option<RecordSet>,
    now: RecordSet,
}

impl SetGroup {
    fn new(key: &SetKey, records: &[Record]) -> Self {
        let mut sets: Vec<RecordSet> = Vec::new();
        for record in records {
            let (ttl, settings) = settings_of(&record.attributes);
            match sets.iter_mut().find(|set| set.settings.set_identifier == settings.set_identifier)
            {
                Some(set) => set.addresses.push(record.address),
                None => sets.push(RecordSet {
                    key: key.clone(),
                    ttl,
                    settings,
                    addresses: vec![record.address],
                }),
            }
        }
        let mut drafts = Vec::new();
        for set in sets {
            drafts.push(Draft { before: Some(set.clone()), now: set });
        }
        Self { key: key.clone(), drafts }
    }

    /// Returns the sets of `key` in a listing.
    fn listed(key: &SetKey, listing: &Listing) -> Self {
        Self::new(key, listing.sets.get(key).map_or(&[][..], Vec::as_slice))
    }

    fn remove(&mut self, record: &Record) {
        for draft in self.drafts.iter_mut().filter(|draft| draft.now.id() == record.id) {
            draft.now.addresses.retain(|address| *address != record.address);
        }
    }

    /// Restores `address` in every set that contained it, or in the most plausible one.
    fn restore(
        &mut self,
        address: IpAddr,
        remembered: Option<&Attributes>,
        ttl: u32,
    ) -> Result<(), UnknownHome> {
        let homes = remembered.map(homes).unwrap_or_default();
        if homes.is_empty() {
            return self.restore_anew(address, ttl);
        }
        // A set that cannot accept it does not affect the others.
        let restored = homes.into_iter().map(|(ttl, set)| self.restore_to(address, ttl, set));
        restored.fold(Ok(()), Result::and)
    }

    fn restore_to(
        &mut self,
        address: IpAddr,
        ttl: u32,
        settings: Route53Set,
    ) -> Result<(), UnknownHome> {
        match self.home_of(&settings) {
            Some(at) if self.drafts[at].takes(address) => self.drafts[at].add(address),
            Some(_) => self.answer_too(address, ttl, settings.health_check_id),
            None if self.takes(&settings.routing) => self.create(address, ttl, settings),
            // The routing was changed since then, and the new routing is intended.
            None => return self.restore_anew(address, ttl),
        }
        Ok(())
    }

    /// Returns the remembered set: the one with that identifier, or else the one with that
    /// location, region or role, which are unique.
    fn home_of(&self, settings: &Route53Set) -> Option<usize> {
        let Route53Set { set_identifier, routing, .. } = settings;
        let mut drafts = self.drafts.iter();
        if let Some(named) = drafts.position(|it| it.now.settings.set_identifier == *set_identifier)
        {
            return Some(named);
        }
        let is_unique =
            matches!(routing, Routing::Latency(_) | Routing::Failover(_) | Routing::Geo { .. });
        if !is_unique {
            return None;
        }
        self.drafts.iter().position(|it| it.now.settings.routing == *routing)
    }

    fn restore_anew(&mut self, address: IpAddr, ttl: u32) -> Result<(), UnknownHome> {
        match &mut self.drafts[..] {
            [] => self.create(address, ttl, Route53Set::default()),
            [only] if only.now.settings.routing == Routing::Simple => only.add(address),
            [first, ..] if first.now.settings.routing == Routing::MultiValue => {
                let ttl = first.now.ttl;
                self.answer_too(address, ttl, None);
            }
            _ => return Err(self.unknown_home(address)),
        }
        Ok(())
    }

    /// Adds a multivalue answer. Each has one value, and only the identifiers differ.
    fn answer_too(&mut self, address: IpAddr, ttl: u32, health_check_id: Option<String>) {
        if self.drafts.iter().any(|draft| draft.now.addresses.contains(&address)) {
            return;
        }
        let numbered = (2..).map(|n| format!("{address} {n}"));
        let mut names = std::iter::once(address.to_string()).chain(numbered);
        let set_identifier =
            names.find(|name| self.drafts.iter().all(|draft| draft.now.id() != name));
        let routing = Routing::MultiValue;
        let also_in = Vec::new();
        self.create(address, ttl, Route53Set { set_identifier, routing, health_check_id, also_in });
    }

    /// Whether a set of this kind can exist beside the others: a simple one exists alone, and
    /// others only with the same kind.
    fn takes(&self, routing: &Routing) -> bool {
        if self.drafts.is_empty() {
            return true;
        }
        let kind = discriminant(routing);
        let mut kinds = self.drafts.iter().map(|draft| discriminant(&draft.now.settings.routing));
        *routing != Routing::Simple && kinds.all(|its| its == kind)
    }

    fn create(&mut self, address: IpAddr, ttl: u32, settings: Route53Set) {
        // All sets of a weighted group need the same TTL, and it may have been changed since then.
        let sibling = self.drafts.iter().find(|draft| !draft.now.addresses.is_empty());
        let ttl = match (&settings.routing, sibling) {
            (Routing::Weighted(_), Some(sibling)) => sibling.now.ttl,
            _ => ttl,
        };
        let now = RecordSet { key: self.key.clone(), ttl, settings, addresses: vec![address] };
        self.drafts.push(Draft { before: None, now });
    }

    fn unknown_home(&self, address: IpAddr) -> UnknownHome {
        UnknownHome { address, key: self.key.clone() }
    }

    fn edits(self) -> impl Iterator<Item = Edit> {
        let changed = self.drafts.into_iter().filter(|draft| {
            draft.before.as_ref().is_none_or(|set| set.addresses != draft.now.addresses)
        });
        changed.map(|draft| {
            let after = (!draft.now.addresses.is_empty()).then_some(draft.now);
            Edit { before: draft.before, after }
        })
    }
}

impl Draft {
    /// Whether it can contain `address`: a multivalue answer has one value (the API reference,
    /// `MultiValueAnswer`).
    fn takes(&self, address: IpAddr) -> bool {
        let others = self.now.addresses.iter().any(|other| *other != address);
        self.now.settings.routing != Routing::MultiValue || !others
    }

    fn add(&mut self, address: IpAddr) {
        if !self.now.addresses.contains(&address) {
            self.now.addresses.push(address);
        }
    }
}

/// Returns the TTL and the settings of the set that contains a record, without the record's own
/// memory.
fn settings_of(attributes: &Attributes) -> (u32, Route53Set) {
    let settings = match &attributes.extra {
        Extra::Route53(set) => Route53Set { also_in: Vec::new(), ..set.clone() },
        _ => Route53Set::default(),
    };
    (attributes.ttl, settings)
}

/// Returns every set that contained a remembered record.
fn homes(attributes: &Attributes) -> Vec<(u32, Route53Set)> {
    let Extra::Route53(set) = &attributes.extra else { return Vec::new() };
    [attributes].into_iter().chain(&set.also_in).map(settings_of).collect()
}

/// Distributes edits over as few requests as the limits allow, with all sets of one name in one
/// request.
///
/// A name that exceeds the limits gets a request of its own, which Route 53 will refuse.
pub(super) fn batches(edits: &[Edit]) -> Vec<Vec<Edit>> {
    let mut batches: Vec<(Size, Vec<Edit>)> = Vec::new();
    for name in edits.chunk_by(|a, b| a.key().map(|k| &k.name) == b.key().map(|k| &k.name)) {
        let size = name.iter().map(Edit::size).fold(Size::default(), Size::plus);
        match batches.last_mut() {
            Some((filled, batch)) if filled.plus(size).fits() => {
                *filled = filled.plus(size);
                batch.extend_from_slice(name);
            }
            _ => batches.push((size, name.to_vec())),
        }
    }
    batches.into_iter().map(|(_, batch)| batch).collect()
}

#[cfg(test)]
mod tests;
