//! Carrying changes out: in batches, and one by one where batches will not do.

use std::collections::HashSet;
use std::sync::atomic::Ordering;

use reqwest::Method;
use serde::de::IgnoredAny;

use super::Cloudflare;
use super::call::{Ask, CallError};
use super::changes::{self, Act, LARGEST_BATCH, Operation};
use super::refusal::{Kind, Refusal};
use crate::dns::Changes;
use crate::engine::plan::SetKey;

/// A run that did not get to its end.
#[derive(Debug)]
pub(super) struct Stopped {
    /// How many changes are known to be in force.
    pub(super) done: usize,
    /// How many there were to make.
    pub(super) of: usize,
    /// What stopped it, or the first change that was refused.
    pub(super) cause: CallError,
}

/// How far a run has got.
#[derive(Debug, Default)]
struct Progress {
    done: usize,
    /// The first refusal of a single change; the others go on.
    refused: Option<Refusal>,
    /// Sets where a creation was refused: nothing is deleted there, or it would be emptier than
    /// planned.
    held: HashSet<SetKey>,
}

impl Cloudflare {
    /// Makes all of `changes`, or says how far it got.
    pub(super) async fn carry_out(&self, zone: &str, changes: &Changes) -> Result<(), Stopped> {
        let batches = changes::batches(changes, self.settings, LARGEST_BATCH);
        let of = batches.iter().map(Vec::len).sum();
        let mut progress = Progress::default();
        for batch in &batches {
            if let Err(cause) = self.carry_out_batch(zone, batch, &mut progress).await {
                return Err(Stopped { done: progress.done, of, cause });
            }
        }
        match progress.refused {
            None => Ok(()),
            Some(refusal) => Err(Stopped { done: progress.done, of, cause: refusal.into() }),
        }
    }

    /// Makes one batch of changes.
    ///
    /// Where the service has no batches, or refuses this one for a reason that may concern but one
    /// of its records, the changes are made one by one: a record that may not be created at one
    /// name must not keep a dead address in service at all the others.
    async fn carry_out_batch(
        &self,
        zone: &str,
        batch: &[Operation],
        progress: &mut Progress,
    ) -> Result<(), CallError> {
        if self.without_batch.load(Ordering::Relaxed) {
            return self.one_by_one(zone, batch, progress).await;
        }
        // After a refusal a set may be on hold, of which a batch would know nothing.
        if batch.iter().any(|operation| progress.held.contains(&operation.set)) {
            return self.one_by_one(zone, batch, progress).await;
        }
        let path = ["zones", zone, "dns_records", "batch"];
        let ask = Ask::write(Method::POST, &path, Some(changes::batch_body(batch)));
        let refusal = match self.api.ask::<IgnoredAny>(ask).await {
            Ok(_) => {
                progress.done += batch.len();
                return Ok(());
            }
            Err(CallError::Refused(refusal)) => refusal,
            Err(other) => return Err(other),
        };
        match refusal.kind {
            Kind::Denied | Kind::Throttled | Kind::Exists | Kind::Gone => Err(refusal.into()),
            Kind::Rejected if refusal.status < 400 => Err(refusal.into()),
            // "No zone" is also what a service without batches may say, for it takes the word
            // "batch" for the id of a record. If it is the zone, the next request tells.
            Kind::Unsupported | Kind::NoZone | Kind::Rejected => {
                tracing::info!(refusal = %refusal, "Cloudflare refused a batch; trying its changes one by one");
                self.one_by_one(zone, batch, progress).await?;
                let missing = matches!(refusal.kind, Kind::Unsupported | Kind::NoZone);
                self.without_batch.fetch_or(missing, Ordering::Relaxed);
                Ok(())
            }
        }
    }

    /// Makes changes by a request each. Here "already there" and "already gone" are success, and a
    /// change that is refused does not stop those at other sets.
    async fn one_by_one(
        &self,
        zone: &str,
        operations: &[Operation],
        progress: &mut Progress,
    ) -> Result<(), CallError> {
        for operation in operations {
            if progress.held.contains(&operation.set) && matches!(operation.act, Act::Delete(_)) {
                continue;
            }
            match self.one(zone, &operation.act).await {
                Ok(()) => progress.done += 1,
                Err(CallError::Refused(refusal)) if refusal.kind == Kind::Rejected => {
                    if matches!(operation.act, Act::Create(_)) {
                        progress.held.insert(operation.set.clone());
                    }
                    progress.refused.get_or_insert(refusal);
                }
                Err(other) => return Err(other),
            }
        }
        Ok(())
    }

    async fn one(&self, zone: &str, act: &Act) -> Result<(), CallError> {
        let (answer, already) = match act {
            Act::Create(body) => {
                let path = ["zones", zone, "dns_records"];
                let ask = Ask::write(Method::POST, &path, Some(body.clone()));
                (self.api.ask::<IgnoredAny>(ask).await, Kind::Exists)
            }
            Act::Delete(id) => {
                let path = ["zones", zone, "dns_records", id.as_str()];
                let ask = Ask::write(Method::DELETE, &path, None);
                (self.api.ask::<IgnoredAny>(ask).await, Kind::Gone)
            }
        };
        match answer {
            Err(CallError::Refused(refusal)) if refusal.kind == already => Ok(()),
            other => other.map(drop),
        }
    }
}
