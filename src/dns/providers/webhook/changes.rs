//! Changes in the protocol's form: creations, replacements and deletions.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use serde_json::{Value, json};

use super::endpoint::WebhookEndpoint;
use crate::dns::{Attributes, BySet, RecordChanges};
use crate::engine::plan::SetKey;

/// The change of one set.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct EndpointEdit {
    pub(super) set: SetKey,
    /// The endpoint as it is listed; `None` if the set does not exist.
    pub(super) before: Option<WebhookEndpoint>,
    /// The endpoint as it is to be; `None` if the set loses its last address.
    pub(super) after: Option<WebhookEndpoint>,
}

impl EndpointEdit {
    /// Returns the addresses that a change of this set leaves in it.
    pub(super) fn addresses(&self) -> BTreeSet<IpAddr> {
        let after = self.after.as_ref().and_then(|after| after.addresses(self.set.family).ok());
        after.into_iter().flatten().collect()
    }
}

/// The changes of one set.
#[derive(Default)]
struct SetChanges<'a> {
    gone: BTreeSet<IpAddr>,
    new: BTreeSet<IpAddr>,
    /// The remembered settings of the first new record.
    remembered: Option<&'a Attributes>,
}

/// Returns the edits that make `changes`, one for each set that differs afterwards.
///
/// # Errors
///
/// Fails with a set and a target that cannot be read.
pub(super) fn edits(
    changes: &RecordChanges,
    listed: &BTreeMap<SetKey, WebhookEndpoint>,
    ttls: &BySet<u32>,
) -> Result<Vec<EndpointEdit>, (SetKey, String)> {
    let mut sets: BTreeMap<&SetKey, SetChanges<'_>> = BTreeMap::new();
    for (set, record) in &changes.delete {
        sets.entry(set).or_default().gone.insert(record.address);
    }
    for new in &changes.create {
        let its = sets.entry(&new.set).or_default();
        its.new.insert(new.address);
        its.remembered = its.remembered.or(new.attributes.as_ref());
    }
    let mut edits = Vec::new();
    for (set, SetChanges { mut gone, new, remembered }) in sets {
        gone.retain(|address| !new.contains(address));
        let before = listed.get(set).cloned();
        let base = before.clone();
        let base = base.unwrap_or_else(|| WebhookEndpoint::new(set, remembered, ttls.at(set)));
        let after = base.edited(&gone, &new).map_err(|target| (set.clone(), target))?;
        let is_empty = after.targets().is_ok_and(|targets| targets.is_empty());
        let after = Some(after).filter(|_| !is_empty);
        let edit = EndpointEdit { set: set.clone(), before, after };
        if edit.before != edit.after {
            edits.push(edit);
        }
    }
    Ok(edits)
}

/// Returns the body of a request for these edits.
pub(super) fn body<'a>(edits: impl IntoIterator<Item = &'a EndpointEdit>) -> Value {
    let [mut create, mut update_old, mut update_new, mut delete] = [const { Vec::new() }; 4];
    for edit in edits {
        match (edit.before.clone(), edit.after.clone()) {
            (Some(before), Some(after)) => {
                update_old.push(before.into_value());
                update_new.push(after.into_value());
            }
            (Some(before), None) => delete.push(before.into_value()),
            (None, Some(after)) => create.push(after.into_value()),
            (None, None) => {}
        }
    }
    json!({
        "create": create, "updateOld": update_old, "updateNew": update_new, "delete": delete
    })
}
