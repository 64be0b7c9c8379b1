//! Changes in the API's format: operations, and batches in an order that does little harm if the
//! run breaks off between two of them.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::net::IpAddr;

use serde_json::{Map, Value, json};

use super::record::{self, NewRecordSettings};
use crate::dns::{BySet, NewRecord, Record, RecordChanges};
use crate::engine::plan::SetKey;

/// Maximum number of operations in a batch, for the smallest plan. Source: "Batch record changes"
/// in Cloudflare's DNS documentation.
pub(super) const LARGEST_BATCH: usize = 200;

/// One operation at a record set.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Operation {
    pub(super) set: SetKey,
    pub(super) kind: OperationKind,
}

/// The kind of an operation, with its record.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum OperationKind {
    /// Creates this record with this body.
    Create(NewRecord, Map<String, Value>),
    /// Deletes this record.
    Delete(Record),
}

impl Operation {
    /// Adds this operation to `done`.
    pub(super) fn add_to(&self, done: &mut RecordChanges) {
        match &self.kind {
            OperationKind::Create(new, _) => done.create.push(new.clone()),
            OperationKind::Delete(record) => done.delete.push((self.set.clone(), record.clone())),
        }
    }

    /// Returns the address of the record.
    pub(super) fn address(&self) -> IpAddr {
        match &self.kind {
            OperationKind::Create(new, _) => new.address,
            OperationKind::Delete(record) => record.address,
        }
    }

    /// Returns the key by which two operations are the same.
    pub(super) fn key(&self) -> (SetKey, String) {
        let record = match &self.kind {
            OperationKind::Create(new, _) => new.address.to_string(),
            OperationKind::Delete(record) => record.id.clone(),
        };
        (self.set.clone(), record)
    }

    /// Whether it creates a record.
    pub(super) fn creates(&self) -> bool {
        matches!(self.kind, OperationKind::Create(..))
    }
}

/// Returns all operations of `changes`, in batches of at most `largest`, in the order to send them.
///
///
/// The operations of one set stay in one batch if they fit, so that no set is ever emptier than
/// planned; otherwise records are created first. Sets that gain a record come first, because a
/// missing address does more harm than an additional one. The others are ordered by address, so
/// that a run that breaks off leaves few addresses half withdrawn.
pub(super) fn batches(
    changes: &RecordChanges,
    settings: &BySet<NewRecordSettings>,
    largest: usize,
) -> Vec<Vec<Operation>> {
    let mut batches: Vec<Vec<Operation>> = Vec::new();
    for operations in by_set(changes, settings) {
        for piece in operations.chunks(largest.max(1)) {
            match batches.last_mut() {
                Some(batch) if batch.len() + piece.len() <= largest => {
                    batch.extend_from_slice(piece);
                }
                _ => batches.push(piece.to_vec()),
            }
        }
    }
    batches
}

/// Returns the operations of each set, creations before deletions, and the sets in their order.
fn by_set(changes: &RecordChanges, settings: &BySet<NewRecordSettings>) -> Vec<Vec<Operation>> {
    let mut sets: BTreeMap<&SetKey, (Vec<Operation>, Option<IpAddr>)> = BTreeMap::new();
    for new in &changes.create {
        let kind = OperationKind::Create(new.clone(), record::body(new, settings.at(&new.set)));
        let operation = Operation { set: new.set.clone(), kind };
        sets.entry(&new.set).or_default().0.push(operation);
    }
    let gaining: BTreeSet<&SetKey> = sets.keys().copied().collect();
    let mut deleted = HashSet::new();
    for (set, record) in &changes.delete {
        if deleted.insert(&record.id) {
            let kind = OperationKind::Delete(record.clone());
            let (operations, first) = sets.entry(set).or_default();
            operations.push(Operation { set: set.clone(), kind });
            first.get_or_insert(record.address);
        }
    }
    let mut ordered: Vec<_> = sets.into_iter().collect();
    ordered.sort_by_key(|(set, (_, first))| (!gaining.contains(set), *first));
    ordered.into_iter().map(|(_, (operations, _))| operations).collect()
}

/// Returns the body of a request for one batch.
pub(super) fn batch_body<'a>(operations: impl IntoIterator<Item = &'a Operation>) -> Value {
    let (mut deletes, mut posts) = (Vec::new(), Vec::new());
    for operation in operations {
        match &operation.kind {
            OperationKind::Create(_, body) => posts.push(body.clone()),
            OperationKind::Delete(record) => deletes.push(json!({ "id": record.id })),
        }
    }
    json!({ "deletes": deletes, "posts": posts })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dns::{Attributes, Extra};
    use crate::engine::plan::Family;

    const SETTINGS: NewRecordSettings = NewRecordSettings { proxied: false, ttl: 300 };

    fn set(name: &str) -> SetKey {
        SetKey { name: name.to_owned(), family: Family::A }
    }

    fn new(name: &str, address: &str) -> NewRecord {
        NewRecord { set: set(name), address: address.parse().unwrap(), attributes: None }
    }

    fn old(name: &str, address: &str, id: &str) -> (SetKey, Record) {
        let attributes = Attributes { ttl: 1, extra: Extra::None };
        let record = Record { address: address.parse().unwrap(), id: id.to_owned(), attributes };
        (set(name), record)
    }

    /// Returns the batches as text, creations as `+name`, deletions as `-id`.
    fn shown(changes: &RecordChanges, largest: usize) -> Vec<String> {
        let batches = batches(changes, &BySet::new(SETTINGS), largest);
        batches.iter().map(|b| b.iter().map(show).collect::<Vec<_>>().join(" ")).collect()
    }

    fn show(operation: &Operation) -> String {
        match &operation.kind {
            OperationKind::Create(..) => format!("+{}", operation.set.name),
            OperationKind::Delete(record) => format!("-{}", record.id),
        }
    }

    #[test]
    fn batches_leave_no_set_emptier_than_planned() {
        let cases = [
            ("nothing", vec![], vec![], 2, vec![]),
            (
                "all that fits goes together",
                vec![new("a", "192.0.2.2")],
                vec![old("a", "192.0.2.1", "1"), old("b", "192.0.2.1", "2")],
                3,
                vec!["+a -1 -2"],
            ),
            (
                "a set is not torn apart",
                vec![new("b", "192.0.2.2")],
                vec![old("a", "192.0.2.1", "1"), old("b", "192.0.2.1", "2")],
                2,
                vec!["+b -2", "-1"],
            ),
            (
                "a set that is too large is filled before it is emptied",
                vec![new("a", "192.0.2.2")],
                vec![old("a", "192.0.2.1", "1"), old("a", "192.0.2.1", "2")],
                2,
                vec!["+a -1", "-2"],
            ),
            (
                "withdrawals go address by address",
                vec![],
                vec![
                    old("a", "192.0.2.2", "1"),
                    old("b", "192.0.2.1", "2"),
                    old("c", "192.0.2.2", "3"),
                ],
                2,
                vec!["-2 -1", "-3"],
            ),
            (
                "a record is deleted once",
                vec![],
                vec![old("a", "192.0.2.1", "1"), old("a", "192.0.2.1", "1")],
                2,
                vec!["-1"],
            ),
        ];
        for (name, create, delete, largest, want) in cases {
            assert_eq!(shown(&RecordChanges { create, delete }, largest), want, "{name}");
        }
    }
}
