//! Parts of a plan: by set, by address, and by their state of completion.

use std::collections::BTreeSet;

use crate::dns::{Placement, RecordChanges};
use crate::engine::plan::{Plan, SetKey};

/// Returns all changes of a plan, each with the desired presence of the address: first the addresses
/// to delete, then those to create.
pub(super) fn entries(plan: &Plan) -> impl Iterator<Item = (&Placement, bool)> {
    let deleted = plan.delete.iter().map(|entry| (entry, false));
    deleted.chain(plan.create.iter().map(|entry| (entry, true)))
}

/// Returns the sets that a plan changes, withdrawals first.
pub(super) fn sets(plan: &Plan) -> Vec<SetKey> {
    let gaining: BTreeSet<_> = plan.create.iter().map(|(set, _)| set).collect();
    let losing: BTreeSet<_> = plan.delete.iter().map(|(set, _)| set).collect();
    let mut sets: Vec<_> = gaining.union(&losing).copied().cloned().collect();
    sets.sort_by_key(|set| (!losing.contains(set), gaining.contains(set)));
    sets
}

/// Returns the part of a plan at the sets for which `is_selected` returns true.
pub(super) fn at_sets(plan: &Plan, is_selected: impl Fn(&SetKey) -> bool) -> Plan {
    let mut part = Plan { held: vec![], ..plan.clone() };
    part.create.retain(|(set, _)| is_selected(set));
    part.delete.retain(|(set, _)| is_selected(set));
    part
}

/// Returns the part of a plan that is among the changes in force.
pub(super) fn in_force(plan: &Plan, done: &RecordChanges) -> Plan {
    let mut part = Plan { held: vec![], ..plan.clone() };
    part.create.retain(|(set, address)| {
        done.create.iter().any(|new| new.set == *set && new.address == *address)
    });
    part.delete.retain(|(set, address)| {
        done.delete.iter().any(|(at, record)| at == set && record.address == *address)
    });
    part
}

/// Returns a plan without the changes of `part`.
pub(super) fn without(plan: &Plan, part: &Plan) -> Plan {
    let mut rest = plan.clone();
    rest.create.retain(|entry| !part.create.contains(entry));
    rest.delete.retain(|entry| !part.delete.contains(entry));
    rest
}
