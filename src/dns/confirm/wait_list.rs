//! The changes that are waited for, by number, by address and by time.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use tokio::time::Instant;

use super::change::ChangeId;
use super::open_change::OpenChange;

/// The changes that are waited for.
#[derive(Debug, Default)]
pub(super) struct WaitList {
    changes: BTreeMap<ChangeId, OpenChange>,
    by_address: BTreeMap<IpAddr, BTreeSet<ChangeId>>,
    /// Those within the timeout, the oldest first.
    in_time: BTreeSet<(Instant, ChangeId)>,
    /// Those past the timeout, the newest first.
    overdue: BTreeSet<(Reverse<Instant>, ChangeId)>,
}

impl WaitList {
    pub(super) fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// Returns the number of changes past the timeout.
    pub(super) fn overdue(&self) -> usize {
        self.overdue.len()
    }

    pub(super) fn add(&mut self, change: OpenChange) {
        let id = change.id;
        self.by_address.entry(change.address).or_default().insert(id);
        self.in_time.insert((change.at, id));
        self.changes.insert(id, change);
    }

    pub(super) fn get(&self, id: ChangeId) -> Option<&OpenChange> {
        self.changes.get(&id)
    }

    pub(super) fn get_mut(&mut self, id: ChangeId) -> Option<&mut OpenChange> {
        self.changes.get_mut(&id)
    }

    pub(super) fn values_mut(&mut self) -> impl Iterator<Item = &mut OpenChange> {
        self.changes.values_mut()
    }

    /// Returns the numbers of all changes.
    pub(super) fn ids(&self) -> impl Iterator<Item = ChangeId> {
        self.changes.keys().copied()
    }

    pub(super) fn remove(&mut self, id: ChangeId) -> Option<OpenChange> {
        let change = self.changes.remove(&id)?;
        self.in_time.remove(&(change.at, id));
        self.overdue.remove(&(Reverse(change.at), id));
        if let Some(its) = self.by_address.get_mut(&change.address) {
            its.remove(&id);
            if its.is_empty() {
                self.by_address.remove(&change.address);
            }
        }
        Some(change)
    }

    /// Returns the numbers of the changes of an address, the oldest first.
    pub(super) fn of(&self, address: IpAddr) -> Vec<ChangeId> {
        self.by_address.get(&address).into_iter().flatten().copied().collect()
    }

    /// Returns the numbers of the changes of addresses that are not in `kept`.
    pub(super) fn of_others(&self, kept: &BTreeSet<IpAddr>) -> Vec<ChangeId> {
        let others = self.by_address.iter().filter(|(address, _)| !kept.contains(address));
        others.flat_map(|(_, ids)| ids).copied().collect()
    }

    /// Returns the time at which the next timeout is over.
    pub(super) fn next_end(&self, timeout: Duration) -> Option<Instant> {
        self.in_time.first().map(|(at, _)| *at + timeout)
    }

    /// Marks the oldest change as overdue if its timeout is over, and returns its number.
    pub(super) fn next_overdue(&mut self, now: Instant, timeout: Duration) -> Option<ChangeId> {
        let (at, id) = *self.in_time.first().filter(|(at, _)| *at + timeout <= now)?;
        self.in_time.remove(&(at, id));
        self.overdue.insert((Reverse(at), id));
        let change = self.changes.get_mut(&id)?;
        change.is_overdue = true;
        Some(id)
    }

    /// Returns the time of the newest change.
    pub(super) fn newest(&self) -> Option<Instant> {
        let in_time = self.in_time.last().map(|(at, _)| *at);
        in_time.max(self.overdue.first().map(|(Reverse(at), _)| *at))
    }

    /// Iterates over the changes made at `newest` and over all that are overdue, the newest first.
    pub(super) fn shown(&self, newest: Instant) -> impl Iterator<Item = &OpenChange> {
        let in_time = self.in_time.range((newest, ChangeId::FIRST)..).map(|(_, id)| id);
        let overdue = self.overdue.iter().map(|(_, id)| id);
        in_time.chain(overdue).filter_map(|id| self.changes.get(id))
    }
}
