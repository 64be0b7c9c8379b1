//! Carrying changes out: in batches, set by set where a batch is rejected, and one by one where
//! batches will not do.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use reqwest::Method;
use serde_json::Value;

use super::Cloudflare;
use super::call::{Ask, CallError};
use super::changes::{self, Act, LARGEST_BATCH, Operation};
use super::create::Created;
use super::refusal::{Kind, Refusal};
use super::strangers::{Stranger, is_meant};
use crate::dns::{Changes, Permit, Record};
use crate::engine::plan::SetKey;

/// A run that did not do all that it was to do.
#[derive(Debug)]
pub(super) struct Stopped {
    /// What is known to be in force.
    pub(super) done: Changes,
    /// Why that is not all.
    pub(super) cause: Cause,
}

/// Why a run did not do all that it was to do.
#[derive(Debug)]
pub(super) enum Cause {
    /// A request failed, and with it all that was left.
    Call(CallError),
    /// What was left was revoked before a request for it was sent.
    Revoked,
    /// Records were other than they were listed.
    Edited(String),
    /// These sets could not be changed; all others were.
    Rejected { refusal: Refusal, culprits: Vec<SetKey> },
}

/// Why a run stops in the middle.
#[derive(Debug)]
pub(super) enum Halt {
    /// A request failed.
    Call(CallError),
    /// What was left was revoked.
    Revoked,
}

impl<E: Into<CallError>> From<E> for Halt {
    fn from(error: E) -> Self {
        Self::Call(error.into())
    }
}

/// How far a run has got.
#[derive(Debug, Default)]
pub(super) struct Run<'a> {
    permit: Permit<'a>,
    /// A request was sent: from now on the permit is asked before each one.
    begun: bool,
    done: Changes,
    /// The first change that was refused for what is in it.
    rejected: Option<Refusal>,
    /// Where changes were refused. Nothing is deleted there, or the set would be emptier than planned.
    culprits: BTreeSet<SetKey>,
    /// What was found in the place of a record that was to be deleted.
    edited: Option<String>,
}

impl Run<'_> {
    /// Asks whether a request for `operations` may be sent.
    fn may_send<'o>(
        &mut self,
        operations: impl Iterator<Item = &'o Operation>,
    ) -> Result<(), Halt> {
        let first = !std::mem::replace(&mut self.begun, true);
        let stands = first || self.permit.covers(operations.map(Operation::address));
        if stands { Ok(()) } else { Err(Halt::Revoked) }
    }

    fn reject(&mut self, refusal: Refusal, sets: impl Iterator<Item = SetKey>) {
        self.culprits.extend(sets);
        self.rejected.get_or_insert(refusal);
    }

    fn end(self) -> Result<(), Stopped> {
        let cause = match (self.edited, self.rejected) {
            (Some(edited), _) => Cause::Edited(edited),
            (None, Some(refusal)) => {
                let culprits = self.culprits.into_iter().collect();
                Cause::Rejected { refusal, culprits }
            }
            (None, None) => return Ok(()),
        };
        Err(Stopped { done: self.done, cause })
    }
}

impl Cloudflare {
    /// Makes all of `changes`, or says how far it got.
    pub(super) async fn carry_out(
        &self,
        zone: &str,
        changes: &Changes,
        permit: Permit<'_>,
    ) -> Result<(), Stopped> {
        let mut run = Run { permit, ..Run::default() };
        for batch in &changes::batches(changes, self.settings, LARGEST_BATCH) {
            let cause = match self.carry_out_batch(zone, batch, &mut run).await {
                Ok(()) => continue,
                Err(Halt::Call(error)) => Cause::Call(error),
                Err(Halt::Revoked) => Cause::Revoked,
            };
            return Err(Stopped { done: run.done, cause });
        }
        run.end()
    }

    /// Makes one batch of changes.
    ///
    /// One that is rejected goes set by set: a record that may not be created at one name must not
    /// keep a dead address in service at all the others. "Already there" and "already gone" mean
    /// that the zone is to be listed again; where that has led to the same request, the listing lags
    /// behind, and they are as good as done.
    async fn carry_out_batch(
        &self,
        zone: &str,
        batch: &[Operation],
        run: &mut Run<'_>,
    ) -> Result<(), Halt> {
        if self.without_batch.load(Ordering::Relaxed) {
            return self.singly(zone, batch, run).await;
        }
        let refusal = match self.batch(zone, batch.iter(), run).await {
            Ok(None) => {
                self.refused.lock().unwrap_or_else(PoisonError::into_inner).clear();
                return Ok(());
            }
            Ok(Some(refusal)) => refusal,
            // A service without batches may say so in words that are not the API's. Whether it was
            // that, the next request tells.
            Err(Halt::Call(CallError::Garbage { status: 404 | 405 | 501, .. })) => {
                return self.without_batches(zone, batch, run).await;
            }
            Err(other) => return Err(other),
        };
        match refusal.kind {
            Kind::Denied | Kind::Throttled => Err(refusal.into()),
            Kind::Rejected if refusal.status < 400 => Err(refusal.into()),
            Kind::Exists | Kind::Gone if !self.is_refused_again(batch) => Err(refusal.into()),
            Kind::Exists | Kind::Gone | Kind::Rejected => {
                tracing::info!(%refusal, "Cloudflare refused a batch; its changes go set by set");
                self.set_by_set(zone, batch, refusal, run).await
            }
            // "No zone" is also what a service without batches may say, for it takes the word
            // "batch" for the id of a record. If it is the zone, the next request tells.
            Kind::Unsupported | Kind::NoZone => {
                tracing::info!(%refusal, "Cloudflare refused a batch; its changes go one by one");
                self.without_batches(zone, batch, run).await
            }
        }
    }

    /// Makes changes one by one, and from now on always, if that works.
    async fn without_batches(
        &self,
        zone: &str,
        batch: &[Operation],
        run: &mut Run<'_>,
    ) -> Result<(), Halt> {
        self.singly(zone, batch, run).await?;
        self.without_batch.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Makes changes in one request; returns the API's "no".
    async fn batch(
        &self,
        zone: &str,
        batch: impl Iterator<Item = &Operation> + Clone,
        run: &mut Run<'_>,
    ) -> Result<Option<Refusal>, Halt> {
        run.may_send(batch.clone())?;
        let path = ["zones", zone, "dns_records", "batch"];
        let ask = Ask::write(Method::POST, &path, Some(changes::batch_body(batch.clone())));
        match self.api.ask::<Value>(ask).await {
            Ok(answer) => {
                let result = answer.result.unwrap_or_default();
                let deleted = result["deletes"].as_array().map(Vec::as_slice).unwrap_or_default();
                let strangers = compare(batch, deleted, run);
                self.put_back(zone, strangers).await;
                Ok(None)
            }
            Err(CallError::Refused(refusal)) => Ok(Some(refusal)),
            Err(other) => Err(other.into()),
        }
    }

    /// Whether a batch was refused because something is there or gone already, and the batch before
    /// it, which had some of the same changes, was too.
    fn is_refused_again(&self, batch: &[Operation]) -> bool {
        let now: BTreeSet<_> = batch.iter().map(key).collect();
        let mut before = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        let again = !before.is_disjoint(&now);
        *before = now;
        again
    }

    /// Makes a request for each set, first where there is nothing but withdrawals. `refusal` is the
    /// answer to all of it in one.
    async fn set_by_set(
        &self,
        zone: &str,
        batch: &[Operation],
        refusal: Refusal,
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
        refusal: Refusal,
        run: &mut Run<'_>,
    ) -> Result<(), Halt> {
        match (refusal.kind, operations) {
            (Kind::Rejected, _) if refusal.status < 400 => Err(refusal.into()),
            (Kind::Rejected, [one]) if !one.creates() => {
                run.reject(refusal, std::iter::once(one.set.clone()));
                Ok(())
            }
            (Kind::Rejected | Kind::Exists | Kind::Gone, _) => {
                for operation in operations {
                    self.one(zone, operation, true, run).await?;
                }
                Ok(())
            }
            _ => Err(refusal.into()),
        }
    }

    /// Makes changes by a request each, without batches.
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

    /// Makes one change. Here "already there" and "already gone" are success, and a change that is
    /// rejected does not stop those at other sets.
    async fn one(
        &self,
        zone: &str,
        operation: &Operation,
        batches: bool,
        run: &mut Run<'_>,
    ) -> Result<(), Halt> {
        let refusal = match &operation.act {
            Act::Create(new, body) => {
                run.may_send(std::iter::once(operation))?;
                match self.create(zone, body.clone()).await? {
                    Created::Rejected(refusal) => Some(refusal),
                    Created::There(concessions) => {
                        self.note_concessions(new, concessions);
                        operation.add_to(&mut run.done);
                        None
                    }
                    Created::Already => {
                        self.take_as_done(operation, run);
                        None
                    }
                }
            }
            Act::Delete(_) if run.culprits.contains(&operation.set) => None,
            Act::Delete(_) if batches => {
                let refusal = self.batch(zone, std::iter::once(operation), run).await?;
                let gone = refusal.as_ref().is_some_and(|refusal| refusal.kind == Kind::Gone);
                if gone {
                    self.take_as_done(operation, run);
                }
                refusal.filter(|_| !gone)
            }
            Act::Delete(record) => self.look_and_delete(zone, operation, record, run).await?,
        };
        match refusal {
            None => {}
            Some(refusal) if refusal.kind == Kind::Rejected && refusal.status >= 400 => {
                run.reject(refusal, std::iter::once(operation.set.clone()));
            }
            Some(refusal) => return Err(refusal.into()),
        }
        Ok(())
    }

    /// Deletes one record by a request of its own, if it still is what it was listed as: the answer
    /// to such a request does not say what was deleted.
    async fn look_and_delete(
        &self,
        zone: &str,
        operation: &Operation,
        record: &Record,
        run: &mut Run<'_>,
    ) -> Result<Option<Refusal>, Halt> {
        run.may_send(std::iter::once(operation))?;
        let path = ["zones", zone, "dns_records", record.id.as_str()];
        let looked = self.api.ask::<Value>(Ask::get(&path, &[])).await;
        let shown = match looked {
            Ok(answer) => Ok(answer.result.unwrap_or_default()),
            Err(error) => Err(error),
        };
        let deleted = match shown {
            Ok(shown) if !is_meant(&operation.set, record, &shown) => {
                run.edited = Some(Stranger::words(&operation.set, record, &shown));
                return Ok(None);
            }
            Ok(_) => self.api.ask::<Value>(Ask::write(Method::DELETE, &path, None)).await.map(drop),
            Err(error) => Err(error),
        };
        match deleted {
            Ok(()) => {}
            Err(CallError::Refused(refusal)) if refusal.kind == Kind::Gone => {
                self.take_as_done(operation, run);
                return Ok(None);
            }
            Err(CallError::Refused(refusal)) => return Ok(Some(refusal)),
            Err(error) => return Err(error.into()),
        }
        operation.add_to(&mut run.done);
        Ok(None)
    }

    /// Takes the API's word that a change was in force before it was asked for.
    fn take_as_done(&self, operation: &Operation, run: &mut Run<'_>) {
        operation.add_to(&mut run.done);
        let entry = (operation.set.clone(), operation.address());
        self.so_already.lock().unwrap_or_else(PoisonError::into_inner).push(entry);
    }
}

/// What tells one change from another.
fn key(operation: &Operation) -> (SetKey, String) {
    let what = match &operation.act {
        Act::Create(new, _) => new.address.to_string(),
        Act::Delete(record) => record.id.clone(),
    };
    (operation.set.clone(), what)
}

/// Notes what a batch did. Returns what it deleted by an id that now stands for something else.
fn compare<'a>(
    batch: impl Iterator<Item = &'a Operation>,
    deleted: &[Value],
    run: &mut Run<'_>,
) -> Vec<Stranger> {
    let mut strangers = Vec::new();
    for operation in batch {
        if let Act::Delete(record) = &operation.act
            && let Some(shown) = deleted.iter().find(|shown| shown["id"] == record.id.as_str())
            && !is_meant(&operation.set, record, shown)
        {
            let stranger = Stranger::new(&operation.set, record, shown);
            run.edited = Some(Stranger::words(&operation.set, record, shown));
            strangers.push(stranger);
        } else {
            operation.add_to(&mut run.done);
        }
    }
    strangers
}
