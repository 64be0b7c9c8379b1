//! The UPDATE for a change: its prerequisites, deletions and additions. Source: RFC 2136, 2.4 and 2.5.
//!
//! The prerequisites make it compare-and-swap: each touched set is exactly as it was listed, or does
//! not exist. Deletions are by value, so no other record can be meant.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use hickory_proto::op::{Message, MessageType, OpCode, Query};
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};

use crate::dns::message::set::{owner, record_type};
use crate::dns::{BySet, Listing, RecordChanges};
use crate::engine::plan::SetKey;

/// Maximum size of the sets in one message, as [`SetEdit::size`] estimates it. A message has at most
/// 65535 bytes, with its signature.
const MOST_BYTES: usize = 60_000;

/// The bytes of a record beside its name and its address: type, class, TTL, length.
const RECORD_BYTES: usize = 10;

/// One set before a change, and its changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SetEdit {
    /// The set that is changed.
    pub(super) key: SetKey,
    before: Vec<IpAddr>,
    delete: Vec<IpAddr>,
    create: Vec<IpAddr>,
    /// The TTL of created records. All records of a set have one. Source: RFC 2181, 5.2.
    ttl: u32,
}

impl SetEdit {
    fn new(key: &SetKey, listing: &Listing) -> Self {
        let records = listing.sets.get(key).into_iter().flatten();
        let before: BTreeSet<IpAddr> = records.map(|record| record.address).collect();
        let (delete, create) = (Vec::new(), Vec::new());
        Self { key: key.clone(), before: before.into_iter().collect(), delete, create, ttl: 0 }
    }

    /// Whether the listing showed records of the set.
    pub(super) fn was_listed(&self) -> bool {
        !self.before.is_empty()
    }

    fn is_empty(&self) -> bool {
        self.delete.is_empty() && self.create.is_empty()
    }

    /// Returns the maximum number of bytes of this set in a message.
    fn size(&self) -> usize {
        let address = if self.key.family == crate::engine::plan::Family::A { 4 } else { 16 };
        let records = self.before.len() + self.delete.len() + self.create.len() + 2;
        // Names may be written as a reference to an earlier one, and need not be.
        records * (RECORD_BYTES + self.key.name.len() + 2 + address)
    }
}

/// Returns the edits of all sets for `changes`, which were planned from `listing`, in the order of
/// names. Changes that the listing shows as made need none. `ttls` are the configured ones.
pub(super) fn edits(listing: &Listing, changes: &RecordChanges, ttls: &BySet<u32>) -> Vec<SetEdit> {
    let mut edits: BTreeMap<&SetKey, SetEdit> = BTreeMap::new();
    for (key, record) in &changes.delete {
        let edit = edits.entry(key).or_insert_with(|| SetEdit::new(key, listing));
        if edit.before.contains(&record.address) && !edit.delete.contains(&record.address) {
            edit.delete.push(record.address);
        }
    }
    for new in &changes.create {
        let edit = edits.entry(&new.set).or_insert_with(|| SetEdit::new(&new.set, listing));
        if !edit.before.contains(&new.address) && !edit.create.contains(&new.address) {
            let listed = listing.sets.get(&new.set).into_iter().flatten();
            let mut stay = listed.clone().filter(|it| !edit.delete.contains(&it.address));
            let remembered = new.attributes.as_ref().map(|attributes| attributes.ttl);
            let mut left = listed.map(|record| record.attributes.ttl);
            edit.ttl = match stay.next() {
                Some(record) => record.attributes.ttl,
                None => remembered.or_else(|| left.next()).unwrap_or(ttls.at(&new.set)),
            };
            edit.create.push(new.address);
        }
    }
    edits.into_values().filter(|edit| !edit.is_empty()).collect()
}

/// Distributes edits over as few messages as their size allows, with both sets of a name in one.
pub(super) fn batches(edits: &[SetEdit]) -> Vec<Vec<SetEdit>> {
    let mut batches: Vec<(usize, Vec<SetEdit>)> = Vec::new();
    for name in by_name(edits) {
        let size = name.iter().map(SetEdit::size).sum();
        match batches.last_mut() {
            Some((filled, batch)) if *filled + size <= MOST_BYTES => {
                *filled += size;
                batch.extend_from_slice(name);
            }
            _ => batches.push((size, name.to_vec())),
        }
    }
    batches.into_iter().map(|(_, batch)| batch).collect()
}

/// Returns the edits of each name.
pub(super) fn by_name(edits: &[SetEdit]) -> impl Iterator<Item = &[SetEdit]> {
    edits.chunk_by(|one, other| one.key.name == other.key.name)
}

/// Returns the UPDATE of a zone for these edits.
///
/// # Errors
///
/// Fails in words if a name is none, which no name of the configuration is.
pub(super) fn message(zone: &str, edits: &[SetEdit]) -> Result<Message, String> {
    let mut message = Message::new(rand::random(), MessageType::Query, OpCode::Update);
    message.add_query(Query::query(owner(zone)?, RecordType::SOA));
    for edit in edits {
        let name = owner(&edit.key.name)?;
        let kind = record_type(edit.key.family);
        for address in &edit.before {
            message.add_answer(record(&name, 0, *address, DNSClass::IN));
        }
        if edit.before.is_empty() {
            message.add_answer(absent(&name, kind));
            // Some servers silently ignore an address that is to stand beside an alias.
            message.add_answer(absent(&name, RecordType::CNAME));
        }
        for address in &edit.delete {
            message.add_authority(record(&name, 0, *address, DNSClass::NONE));
        }
        for address in &edit.create {
            message.add_authority(record(&name, edit.ttl, *address, DNSClass::IN));
        }
    }
    Ok(message)
}

/// Returns an UPDATE that changes nothing, and succeeds if a set exists.
///
/// # Errors
///
/// Fails in words, as [`message`] does.
pub(super) fn existence(zone: &str, set: &SetKey) -> Result<Message, String> {
    let mut message = Message::new(rand::random(), MessageType::Query, OpCode::Update);
    message.add_query(Query::query(owner(zone)?, RecordType::SOA));
    let mut exists = Record::update0(owner(&set.name)?, 0, record_type(set.family));
    exists.dns_class = DNSClass::ANY;
    message.add_answer(exists);
    Ok(message)
}

fn record(name: &Name, ttl: u32, address: IpAddr, class: DNSClass) -> Record {
    let data = match address {
        IpAddr::V4(address) => RData::A(address.into()),
        IpAddr::V6(address) => RData::AAAA(address.into()),
    };
    let mut record = Record::from_rdata(name.clone(), ttl, data);
    record.dns_class = class;
    record
}

/// Returns the prerequisite that a set does not exist.
fn absent(name: &Name, kind: RecordType) -> Record {
    let mut record = Record::update0(name.clone(), 0, kind);
    record.dns_class = DNSClass::NONE;
    record
}

#[cfg(test)]
mod tests;
