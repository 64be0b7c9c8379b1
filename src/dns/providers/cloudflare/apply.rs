//! Carrying out changes: in batches, set by set if a batch is rejected, and one by one if batches
//! are not supported.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use reqwest::Method;
use serde_json::Value;

use super::Cloudflare;
use super::call::{Ask, CallError};
use super::changes::{self, LARGEST_BATCH, Operation, OperationKind};
use super::create::Created;
use super::edited::{EditedRecord, is_same_record};
use super::refusal::{ApiRefusal, RefusalKind};
use crate::dns::{Permit, Record, RecordChanges};
use crate::engine::plan::SetKey;

/// A run that did not make all of its changes.
#[derive(Debug)]
pub(super) struct Stopped {
    /// The changes that are known to be in force.
    pub(super) done: RecordChanges,
    /// The reason why these are not all.
    pub(super) cause: StopCause,
}

/// The reason why a run did not make all of its changes.
#[derive(Debug)]
pub(super) enum StopCause {
    /// A request failed, and the remaining changes with it.
    Call(CallError),
    /// The remaining changes were revoked before a request for them was sent.
    Revoked,
    /// Records differed from their listing. Carries a description.
    Edited(String),
    /// These sets could not be changed; all others were.
    Rejected { refusal: ApiRefusal, culprits: Vec<SetKey> },
}

/// The reason why a run stops in the middle.
#[derive(Debug)]
pub(super) enum Halt {
    /// A request failed.
    Call(CallError),
    /// The remaining changes were revoked.
    Revoked,
}

impl<E: Into<CallError>> From<E> for Halt {
    fn from(error: E) -> Self {
        Self::Call(error.into())
    }
}

/// The progress of a run.
#[derive(Debug, Default)]
pub(super) struct Run<'a> {
    permit: Permit<'a>,
    /// Whether a request was sent. From then on the permit is checked before each one.
    begun: bool,
    done: RecordChanges,
    /// The first change that was rejected because of its content.
    rejected: Option<ApiRefusal>,
    /// The sets with rejected changes. Nothing is deleted there, or the set would be emptier than
    /// planned.
    culprits: BTreeSet<SetKey>,
    /// A description of an edited record in the place of one to delete.
    edited: Option<String>,
}

impl Run<'_> {
    /// Checks whether a request for `operations` may be sent.
    fn may_send<'o>(
        &mut self,
        operations: impl Iterator<Item = &'o Operation>,
    ) -> Result<(), Halt> {
        let first = !std::mem::replace(&mut self.begun, true);
        let is_permitted = first || self.permit.covers(operations.map(Operation::address));
        if is_permitted { Ok(()) } else { Err(Halt::Revoked) }
    }

    fn reject(&mut self, refusal: ApiRefusal, sets: impl Iterator<Item = SetKey>) {
        self.culprits.extend(sets);
        self.rejected.get_or_insert(refusal);
    }

    fn end(self) -> Result<(), Stopped> {
        let cause = match (self.edited, self.rejected) {
            (Some(edited), _) => StopCause::Edited(edited),
            (None, Some(refusal)) => {
                let culprits = self.culprits.into_iter().collect();
                StopCause::Rejected { refusal, culprits }
            }
            (None, None) => return Ok(()),
        };
        Err(Stopped { done: self.done, cause })
    }
}

impl Cloudflare {
    /// Makes all of `changes`. The error describes the progress.
    pub(super) async fn carry_out(
        &self,
        zone: &str,
        changes: &RecordChanges,
        permit: Permit<'_>,
    ) -> Result<(), Stopped> {
        let mut run = Run { permit, ..Run::default() };
        for batch in &changes::batches(changes, &self.settings, LARGEST_BATCH) {
            let cause = match self.carry_out_batch(zone, batch, &mut run).await {
                Ok(()) => continue,
                Err(Halt::Call(error)) => StopCause::Call(error),
                Err(Halt::Revoked) => StopCause::Revoked,
            };
            return Err(Stopped { done: run.done, cause });
        }
        run.end()
    }

    /// Makes one batch of changes.
    ///
    ///
    /// A rejected batch is sent set by set: a record that is rejected at one name must not keep a
    /// dead address in service at all the others. A report that a record exists or is gone already
    /// requires a new listing. If that has led to the same request, the listing is outdated, and
    /// the change counts as made.
    async fn carry_out_batch(
        &self,
        zone: &str,
        batch: &[Operation],
        run: &mut Run<'_>,
    ) -> Result<(), Halt> {
        if self.no_batches.load(Ordering::Relaxed) {
            return self.singly(zone, batch, run).await;
        }
        let refusal = match self.batch(zone, batch.iter(), run).await {
            Ok(None) => {
                self.refused.lock().unwrap_or_else(PoisonError::into_inner).clear();
                return Ok(());
            }
            Ok(Some(refusal)) => refusal,
            // A service without batches may report this in a foreign format. The next request shows
            // whether this was the reason.
            Err(Halt::Call(CallError::Foreign { status: 404 | 405 | 501, .. })) => {
                return self.without_batches(zone, batch, run).await;
            }
            Err(other) => return Err(other),
        };
        match refusal.kind {
            RefusalKind::Denied | RefusalKind::Throttled => Err(refusal.into()),
            RefusalKind::Rejected if refusal.status < 400 => Err(refusal.into()),
            RefusalKind::Exists | RefusalKind::Gone if !self.is_refused_again(batch) => {
                Err(refusal.into())
            }
            RefusalKind::Exists | RefusalKind::Gone | RefusalKind::Rejected => {
                tracing::info!(%refusal, "Cloudflare refused a batch; sending its changes set by set");
                self.set_by_set(zone, batch, refusal, run).await
            }
            // A service without batches may report "no zone", because it takes the word "batch" for
            // the id of a record. The next request shows whether the zone is the reason.
            RefusalKind::Unsupported | RefusalKind::NoZone => {
                tracing::info!(%refusal, "Cloudflare refused a batch; sending its changes one by one");
                self.without_batches(zone, batch, run).await
            }
        }
    }

    /// Makes changes one by one, and from now on always, if that succeeds.
    async fn without_batches(
        &self,
        zone: &str,
        batch: &[Operation],
        run: &mut Run<'_>,
    ) -> Result<(), Halt> {
        self.singly(zone, batch, run).await?;
        self.no_batches.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Makes changes in one request. Returns the API's refusal.
    async fn batch(
        &self,
        zone: &str,
        batch: impl Iterator<Item = &Operation> + Clone,
        run: &mut Run<'_>,
    ) -> Result<Option<ApiRefusal>, Halt> {
        run.may_send(batch.clone())?;
        let path = ["zones", zone, "dns_records", "batch"];
        let ask = Ask::write(Method::POST, &path, Some(changes::batch_body(batch.clone())));
        match self.api.ask::<Value>(ask).await {
            Ok(answer) => {
                let result = answer.result.unwrap_or_default();
                let deleted = result["deletes"].as_array().map(Vec::as_slice).unwrap_or_default();
                let edited = compare(batch, deleted, run);
                self.restore_edited(zone, edited).await;
                Ok(None)
            }
            Err(CallError::Refused(refusal)) => Ok(Some(refusal)),
            Err(other) => Err(other.into()),
        }
    }

    /// Whether a batch was refused because a record existed or was gone already, and so was the
    /// batch before it, with some of the same changes.
    fn is_refused_again(&self, batch: &[Operation]) -> bool {
        let now: BTreeSet<_> = batch.iter().map(Operation::key).collect();
        let mut before = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        let again = !before.is_disjoint(&now);
        *before = now;
        again
    }

    /// Sends a request for each set, first for sets with withdrawals only. `refusal` is the answer
    /// to all changes in one request.
    async fn set_by_set(
        &self,
        zone: &str,
        batch: &[Operation],
        refusal: ApiRefusal,
        run: &mut Run<'_>,
    ) -> Result<(), Halt> {
        let mut sets: BTreeMap<&SetKey, Vec<&Operation>> = BTreeMap::new();
        for operation in batch {
            sets.entry(&operation.set).or_default().push(operation);
        }
        if let [operations] = sets.values().collect::<Vec<_>>()[..] {
            return self.one_set(zone, operations, refusal, run).await;
        }
        let mut sets: Vec<_> = sets.into_values().collect();
        sets.sort_by_key(|operations| operations.iter().any(|operation| operation.creates()));
        for operations in sets {
            if let Some(refusal) = self.batch(zone, operations.iter().copied(), run).await? {
                self.one_set(zone, &operations, refusal, run).await?;
            }
        }
        Ok(())
    }

    /// Makes the changes of one set, which were refused in one request.
    async fn one_set(
        &self,
        zone: &str,
        operations: &[&Operation],
        refusal: ApiRefusal,
        run: &mut Run<'_>,
    ) -> Result<(), Halt> {
        match (refusal.kind, operations) {
            (RefusalKind::Rejected, _) if refusal.status < 400 => Err(refusal.into()),
            (RefusalKind::Rejected, [one]) if !one.creates() => {
                run.reject(refusal, std::iter::once(one.set.clone()));
                Ok(())
            }
            (RefusalKind::Rejected | RefusalKind::Exists | RefusalKind::Gone, _) => {
                for operation in operations {
                    self.one(zone, operation, true, run).await?;
                }
                Ok(())
            }
            _ => Err(refusal.into()),
        }
    }

    /// Makes changes by one request each, without batches.
    async fn singly(
        &self,
        zone: &str,
        operations: &[Operation],
        run: &mut Run<'_>,
    ) -> Result<(), Halt> {
        for operation in operations {
            self.one(zone, operation, false, run).await?;
        }
        Ok(())
    }

    /// Makes one change. A report that it is in force already is a success here, and a rejected
    /// change does not stop those at other sets.
    async fn one(
        &self,
        zone: &str,
        operation: &Operation,
        batches: bool,
        run: &mut Run<'_>,
    ) -> Result<(), Halt> {
        let refusal = match &operation.kind {
            OperationKind::Create(new, body) => {
                run.may_send(std::iter::once(operation))?;
                match self.create(zone, body.clone(), self.settings.at(&new.set)).await? {
                    Created::Rejected(refusal) => Some(refusal),
                    Created::There(omissions) => {
                        self.record_omissions(new, omissions);
                        operation.add_to(&mut run.done);
                        None
                    }
                    Created::Already => {
                        self.trust_in_force(operation, run);
                        None
                    }
                }
            }
            OperationKind::Delete(_) if run.culprits.contains(&operation.set) => None,
            OperationKind::Delete(_) if batches => {
                let refusal = self.batch(zone, std::iter::once(operation), run).await?;
                let gone =
                    refusal.as_ref().is_some_and(|refusal| refusal.kind == RefusalKind::Gone);
                if gone {
                    self.trust_in_force(operation, run);
                }
                refusal.filter(|_| !gone)
            }
            OperationKind::Delete(record) => {
                self.look_and_delete(zone, operation, record, run).await?
            }
        };
        match refusal {
            None => {}
            Some(refusal) if refusal.kind == RefusalKind::Rejected && refusal.status >= 400 => {
                run.reject(refusal, std::iter::once(operation.set.clone()));
            }
            Some(refusal) => return Err(refusal.into()),
        }
        Ok(())
    }

    /// Deletes one record by a request of its own, if it still matches its listing: the answer to
    /// such a request does not describe the deleted record.
    async fn look_and_delete(
        &self,
        zone: &str,
        operation: &Operation,
        record: &Record,
        run: &mut Run<'_>,
    ) -> Result<Option<ApiRefusal>, Halt> {
        run.may_send(std::iter::once(operation))?;
        let path = ["zones", zone, "dns_records", record.id.as_str()];
        let looked = self.api.ask::<Value>(Ask::get(&path, &[])).await;
        let shown = match looked {
            Ok(answer) => Ok(answer.result.unwrap_or_default()),
            Err(error) => Err(error),
        };
        let deleted = match shown {
            Ok(shown) if !is_same_record(&operation.set, record, &shown) => {
                run.edited = Some(EditedRecord::words(&operation.set, record, &shown));
                return Ok(None);
            }
            Ok(_) => self.api.ask::<Value>(Ask::write(Method::DELETE, &path, None)).await.map(drop),
            Err(error) => Err(error),
        };
        match deleted {
            Ok(()) => {}
            Err(CallError::Refused(refusal)) if refusal.kind == RefusalKind::Gone => {
                self.trust_in_force(operation, run);
                return Ok(None);
            }
            Err(CallError::Refused(refusal)) => return Ok(Some(refusal)),
            Err(error) => return Err(error.into()),
        }
        operation.add_to(&mut run.done);
        Ok(None)
    }

    /// Trusts the API's report that a change was in force before it was requested.
    fn trust_in_force(&self, operation: &Operation, run: &mut Run<'_>) {
        operation.add_to(&mut run.done);
        let entry = (operation.set.clone(), operation.address());
        self.already_in_force.lock().unwrap_or_else(PoisonError::into_inner).push(entry);
    }
}

/// Records the changes of a batch. Returns the records that it deleted although they had been
/// edited.
fn compare<'a>(
    batch: impl Iterator<Item = &'a Operation>,
    deleted: &[Value],
    run: &mut Run<'_>,
) -> Vec<EditedRecord> {
    let mut edited = Vec::new();
    for operation in batch {
        if let OperationKind::Delete(record) = &operation.kind
            && let Some(shown) = deleted.iter().find(|shown| shown["id"] == record.id.as_str())
            && !is_same_record(&operation.set, record, shown)
        {
            run.edited = Some(EditedRecord::words(&operation.set, record, shown));
            edited.push(EditedRecord::new(&operation.set, record, shown));
        } else {
            operation.add_to(&mut run.done);
        }
    }
    edited
}
