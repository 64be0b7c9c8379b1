//! One write: recording the records before it, and recording its outcome after it.

use std::collections::{BTreeMap, BTreeSet};

use tokio::time::Instant;

use super::Reconciler;
use super::interruption::Interruption;
use super::pending_writes::{Applied, PendingWrite};
use super::plan_parts::{self, in_force, without};
use crate::dns::clock::now;
use crate::dns::confirm::change::Proof;
use crate::dns::{
    Attributes, ChangeRequest, Listing, NewRecord, Permit, Placement, ProviderError, RecordChanges,
};
use crate::engine::ids::TargetRef;
use crate::engine::plan::{Desired, Family, Plan, SetKey};

/// The knowledge about one write that its changes have in common.
#[derive(Debug)]
pub(super) struct WriteContext {
    /// The time at which the write began.
    began: Instant,
    /// The records that are the first at names without any, and not remembered.
    first_at_name: BTreeSet<Placement>,
    /// How name servers can prove each change.
    proofs: BTreeMap<Placement, Proof>,
    /// Whether there is more to write, or a part failed.
    is_part: bool,
}

impl WriteContext {
    /// Returns the context of a write without requests: others made its changes.
    pub(super) fn at(began: Instant) -> Self {
        Self { began, first_at_name: BTreeSet::new(), proofs: BTreeMap::new(), is_part: true }
    }
}

impl Reconciler {
    /// Returns the record changes of `plan`, after saving the settings of the records to delete.
    pub(super) async fn remember_changes(
        &mut self,
        plan: &Plan,
        listing: &Listing,
    ) -> RecordChanges {
        let changes = self.record_changes(plan, listing);
        self.memory.remember(&changes).await;
        changes
    }

    /// Writes the changes of `plan`, after which `has_more` tells of others. Returns the confirmed part of
    /// a write that broke off, and the result of the rest.
    pub(super) async fn write(
        &mut self,
        plan: &Plan,
        listing: &Listing,
        changes: &RecordChanges,
        has_more: bool,
    ) -> Result<(Plan, Result<(), ProviderError>), Interruption> {
        self.pending.record_locations(&listing.observed());
        let began = now();
        let (mailbox, orders) = (&self.mailbox, &self.orders);
        let applied = self
            .provider
            .apply(ChangeRequest {
                listing,
                changes,
                permit: Permit::new(&|address| mailbox.borrow().permits(orders, address)),
            })
            .await;
        self.listing.discard();
        self.listing.served();
        let (done, rest) = match applied {
            Err(ProviderError::Partly { done, rest }) => (Some(in_force(plan, &done)), Err(*rest)),
            other => (None, other),
        };
        let already = self.already_in_force(plan);
        let may_be_done = matches!(rest, Ok(()) | Err(ProviderError::Unconfirmed { .. }));
        if let Some(made) = if may_be_done { Some(plan) } else { done.as_ref() } {
            self.uncertain.record_write(made);
            let created = made.create.iter().filter(|entry| !already.contains(*entry));
            self.memory.created(created.cloned());
        }
        let context = WriteContext {
            began,
            first_at_name: self.first_at_name(changes, listing),
            proofs: proofs(changes, listing),
            is_part: has_more || rest.is_err(),
        };
        if let Some(done) = &done {
            self.record_write(done, true, &context).await?;
        }
        if may_be_done {
            let left = done.as_ref().map_or_else(|| plan.clone(), |done| without(plan, done));
            if rest.is_err() {
                self.mark_uncertain(left.delete.iter().chain(&left.create).cloned()).await?;
            }
            self.record_write(&left, rest.is_ok(), &context).await?;
        }
        self.trust_already_in_force(plan, already).await?;
        Ok((done.unwrap_or_default(), rest))
    }

    /// Trusts the provider's report that changes are already in force. If they were requested again
    /// while the listing is outdated, the name would be reported as failing without a reason. The zone
    /// is listed again until it shows them.
    async fn trust_already_in_force(
        &mut self,
        plan: &Plan,
        already: BTreeSet<Placement>,
    ) -> Result<(), Interruption> {
        let now = now();
        for entry in &already {
            self.rejections.trust(entry.clone(), plan.create.contains(entry), now);
        }
        self.mark_uncertain(already).await
    }

    /// Returns the changes of `plan` that the last write did not make because the provider reports
    /// them as already in force.
    fn already_in_force(&self, plan: &Plan) -> BTreeSet<Placement> {
        let mut already = BTreeSet::new();
        for entry in self.provider.take_already_in_force() {
            if plan.create.contains(&entry) || plan.delete.contains(&entry) {
                already.insert(entry);
            }
        }
        already
    }

    /// Records and reports the changes that a write made, or may have made.
    pub(super) async fn record_write(
        &mut self,
        plan: &Plan,
        confirmed: bool,
        context: &WriteContext,
    ) -> Result<(), Interruption> {
        self.owe_withdrawals(plan);
        let mut applied = Applied::default();
        for (place, present) in plan_parts::entries(plan) {
            let write = PendingWrite {
                present,
                confirmed,
                first_at_name: present && context.first_at_name.contains(place),
                since: self.desired_since(place).unwrap_or(context.began),
                proof: context.proofs.get(place).copied(),
            };
            self.pending.record(place, write, &mut applied);
        }
        self.report_applied(applied, context.is_part).await
    }

    /// Returns the time since which the change of a place has been desired.
    fn desired_since(&self, place: &Placement) -> Option<Instant> {
        let service = self.orders.owner(place)?;
        self.desired_since.since(TargetRef { service, address: place.1 })
    }

    /// Records the withdrawals that the operator did not command, for a repair of the floor.
    fn owe_withdrawals(&mut self, plan: &Plan) {
        for place in &plan.delete {
            let is_owed = self.orders.desired(place).is_some_and(Desired::is_held_by_floor);
            if is_owed && self.orders.floor(place) > 0 {
                self.pending.owe(place.clone());
            }
        }
    }

    /// Converts a plan to record changes.
    fn record_changes(&self, plan: &Plan, listing: &Listing) -> RecordChanges {
        let mut changes = RecordChanges::default();
        for (set, address) in &plan.create {
            let place = (set.clone(), *address);
            let inherited =
                self.orders.is_standby(&place).then(|| self.inherited(set, plan, listing));
            let remembered = self.memory.recall(set, *address).cloned();
            let attributes = inherited.flatten().or(remembered);
            changes.create.push(NewRecord { set: set.clone(), address: *address, attributes });
        }
        for (set, address) in &plan.delete {
            for record in listing.sets.get(set).into_iter().flatten() {
                if record.address == *address {
                    changes.delete.push((set.clone(), record.clone()));
                }
            }
        }
        changes
    }

    /// Returns the settings for a standby that is created at a set: those of the record that it stands
    /// in for, which leaves with the same change or has left before. Of several, the first one counts.
    fn inherited(&self, set: &SetKey, plan: &Plan, listing: &Listing) -> Option<Attributes> {
        let mut leaving = plan.delete.iter().filter(|place| place.0 == *set);
        if let Some((_, address)) = leaving.find(|place| !self.orders.is_standby(place)) {
            let mut records = listing.sets.get(set).into_iter().flatten();
            return records.find(|it| it.address == *address)?.attributes.for_another_address();
        }
        let mut places = self.memory.places().into_iter();
        let (_, left) = places.find(|place| {
            place.0 == *set
                && !self.orders.is_standby(place)
                && self.memory.recall(&place.0, place.1).is_some()
        })?;
        self.memory.recall(set, left)?.for_another_address()
    }

    /// Returns the records to create at names without any address and without a remembered record.
    fn first_at_name(&mut self, changes: &RecordChanges, listing: &Listing) -> BTreeSet<Placement> {
        let mut first = BTreeSet::new();
        for new in changes.create.iter().filter(|new| new.attributes.is_none()) {
            let name = &new.set.name;
            let is_new = is_empty_name(listing, name) && !self.memory.knows(name);
            if self.new_names.contains(name) || is_new {
                first.insert((new.set.clone(), new.address));
            }
        }
        self.new_names.extend(first.iter().map(|(set, _)| set.name.clone()));
        first
    }
}

/// Returns how name servers can prove each change of a write.
fn proofs(changes: &RecordChanges, listing: &Listing) -> BTreeMap<Placement, Proof> {
    let mut proofs = BTreeMap::new();
    for (set, record) in &changes.delete {
        proofs.insert((set.clone(), record.address), Proof::of_deletion(listing, set, record));
    }
    for new in &changes.create {
        let proof = Proof::of_creation(listing, &new.set, new.attributes.as_ref());
        proofs.insert((new.set.clone(), new.address), proof);
    }
    proofs
}

/// Whether both sets of a name were listed and are empty.
fn is_empty_name(listing: &Listing, name: &str) -> bool {
    [Family::A, Family::Aaaa].into_iter().all(|family| {
        let set = SetKey { name: name.to_owned(), family };
        listing.sets.get(&set).is_none_or(Vec::is_empty) && !listing.unfit.contains_key(&set)
    })
}
