//! From single records to whole sets: which sets go and which come so that records do.
//!
//! Route 53 knows no records, only sets, and a set is replaced, never edited. So a change is the
//! deletion of the set exactly as it was listed and the creation of the one that should be there,
//! in one transaction: whoever changed it in between makes the deletion fail, and with it all.

use std::collections::{BTreeMap, BTreeSet};
use std::mem::discriminant;
use std::net::IpAddr;

use super::sets::RecordSet;
use crate::dns::{Attributes, Changes, Extra, Listing, Record, Route53Set, Routing};
use crate::engine::plan::SetKey;

/// How many values one request may hold, those of deleted sets included.
///
/// Source: "Maximums on `ChangeResourceRecordSets` API requests" in the developer guide.
const MOST_VALUES: usize = 1_000;

/// How many characters the values of one request may have together. Source: as above.
const MOST_CHARACTERS: usize = 32_000;

/// One set before and after. At least one of the two is there, and they differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Edit {
    /// As it was listed; `None` if it is to be made.
    pub(super) before: Option<RecordSet>,
    /// As it should be; `None` if no value is left, for a set cannot be empty.
    pub(super) after: Option<RecordSet>,
}

impl Edit {
    /// Name and type of the set.
    pub(super) fn key(&self) -> Option<&SetKey> {
        self.sets().next().map(|set| &set.key)
    }

    /// The health check that the set is to have.
    pub(super) fn health_check(&self) -> Option<String> {
        self.after.as_ref().and_then(|set| set.settings.health_check_id.clone())
    }

    /// Leaves out a health check that is in `gone`. Returns the set that loses it.
    pub(super) fn lose_health_check(&mut self, gone: &BTreeSet<String>) -> Option<&RecordSet> {
        let after = self.after.as_mut()?;
        let lost = after.settings.health_check_id.take_if(|id| gone.contains(id));
        lost.map(|_| &*after)
    }

    fn sets(&self) -> impl Iterator<Item = &RecordSet> {
        self.before.iter().chain(&self.after)
    }

    fn size(&self) -> Size {
        let values = || self.sets().flat_map(|set| &set.addresses);
        Size { values: values().count(), characters: values().map(longest_spelling).sum() }
    }
}

/// No spelling of an address is longer than this many characters, whatever Route 53 keeps.
fn longest_spelling(address: &IpAddr) -> usize {
    if address.is_ipv4() { 15 } else { 39 }
}

/// What counts against the limits of one request.
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

/// An address that must be restored, but into which of several sets is not known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{address} is not put back at {key}: a routed record set is there, and nothing is remembered of the \
     set that the address belongs to; put it back once by hand, and set state_file so that it is \
     remembered over a restart"
)]
pub(super) struct Homeless {
    pub(super) address: IpAddr,
    pub(super) key: SetKey,
}

/// Works out which sets to replace so that `changes`, planned from `listing`, come true.
///
/// What is already so asks for nothing. `ttl` (seconds) is for a set of which nothing is known.
///
/// An address without any memory of its set goes into a simple one, or becomes one more multivalue
/// answer. Any other set says something of an address, a weight, a role, a place, that nobody said of
/// this one. Such an address is told, and nothing is changed of the sets where it belongs, since what
/// is to be deleted there may count on it; it keeps no dead address in service elsewhere.
pub(super) fn edits(listing: &Listing, changes: &Changes, ttl: u32) -> (Vec<Edit>, Vec<Homeless>) {
    let mut homeless = Vec::new();
    let mut groups: BTreeMap<&SetKey, Group> = BTreeMap::new();
    let listed = |key| Group::new(key, listing.sets.get(key).map_or(&[][..], Vec::as_slice));
    for (key, record) in &changes.delete {
        groups.entry(key).or_insert_with(|| listed(key)).remove(record);
    }
    for new in &changes.create {
        let group = groups.entry(&new.set).or_insert_with(|| listed(&new.set));
        homeless.extend(group.restore(new.address, new.attributes.as_ref(), ttl).err());
    }
    groups.retain(|key, _| homeless.iter().all(|left_out: &Homeless| left_out.key != **key));
    (groups.into_values().flat_map(Group::edits).collect(), homeless)
}

/// All sets of one name and type while they are being changed.
struct Group {
    key: SetKey,
    drafts: Vec<Draft>,
}

/// A set as it was listed, if it was, and as it is becoming.
struct Draft {
    before: Option<RecordSet>,
    now: RecordSet,
}

impl Group {
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
        let draft = |set: RecordSet| Draft { before: Some(set.clone()), now: set };
        Self { key: key.clone(), drafts: sets.into_iter().map(draft).collect() }
    }

    fn remove(&mut self, record: &Record) {
        for draft in self.drafts.iter_mut().filter(|draft| draft.now.id() == record.id) {
            draft.now.addresses.retain(|address| *address != record.address);
        }
    }

    /// Puts `address` back into every set that it was in, or where it most plainly belongs.
    fn restore(
        &mut self,
        address: IpAddr,
        remembered: Option<&Attributes>,
        ttl: u32,
    ) -> Result<(), Homeless> {
        let homes = remembered.map(homes).unwrap_or_default();
        if homes.is_empty() {
            return self.restore_anew(address, ttl);
        }
        // One that it cannot go to keeps it out of no other.
        let restored = homes.into_iter().map(|(ttl, set)| self.restore_to(address, ttl, set));
        restored.fold(Ok(()), Result::and)
    }

    fn restore_to(
        &mut self,
        address: IpAddr,
        ttl: u32,
        settings: Route53Set,
    ) -> Result<(), Homeless> {
        match self.home_of(&settings) {
            Some(at) if self.drafts[at].takes(address) => self.drafts[at].add(address),
            Some(_) => self.answer_too(address, ttl, settings.health_check_id),
            None if self.takes(&settings.routing) => self.create(address, ttl, settings),
            // Somebody changed the routing meanwhile: as it is now, it is meant.
            None => return self.restore_anew(address, ttl),
        }
        Ok(())
    }

    /// The set that was meant: of that identifier, or else of that place, that region or that role,
    /// for there is one of each only.
    fn home_of(&self, settings: &Route53Set) -> Option<usize> {
        let by_name = |d: &Draft| d.now.settings.set_identifier == settings.set_identifier;
        let only = matches!(
            settings.routing,
            Routing::Latency(_) | Routing::Failover(_) | Routing::Geo { .. }
        );
        let by_place = |d: &Draft| only && d.now.settings.routing == settings.routing;
        let at = self.drafts.iter().position(by_name);
        at.or_else(|| self.drafts.iter().position(by_place))
    }

    fn restore_anew(&mut self, address: IpAddr, ttl: u32) -> Result<(), Homeless> {
        match &mut self.drafts[..] {
            [] => self.create(address, ttl, Route53Set::default()),
            [only] if only.now.settings.routing == Routing::Simple => only.add(address),
            [first, ..] if first.now.settings.routing == Routing::MultiValue => {
                let ttl = first.now.ttl;
                self.answer_too(address, ttl, None);
            }
            _ => return Err(self.homeless(address)),
        }
        Ok(())
    }

    /// One more multivalue answer: each has one value, and they are told apart by nothing else.
    fn answer_too(&mut self, address: IpAddr, ttl: u32, health_check_id: Option<String>) {
        if self.drafts.iter().any(|draft| draft.now.addresses.contains(&address)) {
            return;
        }
        let is_taken = |id: &String| self.drafts.iter().any(|draft| draft.now.id() == id);
        let numbered = (2..).map(|n| format!("{address} {n}"));
        let mut names = std::iter::once(address.to_string()).chain(numbered);
        let set_identifier = names.find(|name| !is_taken(name));
        let routing = Routing::MultiValue;
        let also_in = Vec::new();
        self.create(address, ttl, Route53Set { set_identifier, routing, health_check_id, also_in });
    }

    /// Whether a set of this kind may stand beside those that are there: a simple one stands alone,
    /// and the others only among their like.
    fn takes(&self, routing: &Routing) -> bool {
        let like =
            |draft: &Draft| discriminant(&draft.now.settings.routing) == discriminant(routing);
        self.drafts.is_empty() || (*routing != Routing::Simple && self.drafts.iter().all(like))
    }

    fn create(&mut self, address: IpAddr, ttl: u32, settings: Route53Set) {
        // All sets of a weighted group must have one TTL, and it may have been changed meanwhile.
        let sibling = self.drafts.iter().find(|draft| !draft.now.addresses.is_empty());
        let ttl = match (&settings.routing, sibling) {
            (Routing::Weighted(_), Some(sibling)) => sibling.now.ttl,
            _ => ttl,
        };
        let now = RecordSet { key: self.key.clone(), ttl, settings, addresses: vec![address] };
        self.drafts.push(Draft { before: None, now });
    }

    fn homeless(&self, address: IpAddr) -> Homeless {
        Homeless { address, key: self.key.clone() }
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
    /// Whether it may hold `address`: a multivalue answer has one value (the API reference,
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

/// TTL and settings of the set that a record is a value of, without the record's own memory.
fn settings_of(attributes: &Attributes) -> (u32, Route53Set) {
    let settings = match &attributes.extra {
        Extra::Route53(set) => Route53Set { also_in: Vec::new(), ..set.clone() },
        _ => Route53Set::default(),
    };
    (attributes.ttl, settings)
}

/// Every set that a remembered record was in.
fn homes(attributes: &Attributes) -> Vec<(u32, Route53Set)> {
    let Extra::Route53(set) = &attributes.extra else { return Vec::new() };
    [attributes].into_iter().chain(&set.also_in).map(settings_of).collect()
}

/// Spreads edits over as few requests as the limits allow, all sets of one name in one of them.
///
/// A name that is too big by itself gets a request of its own, which Route 53 will refuse.
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
