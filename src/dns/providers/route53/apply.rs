//! Carrying out changes: one batch after the other, each independent.
//!
//! All sets of one name are in one batch, and no two batches share a name, so a rejected batch does
//! not stop those after it. A problem of Route 53 itself does.

use std::collections::BTreeSet;
use std::net::IpAddr;

use aws_sdk_route53::config::http::HttpResponse;
use aws_sdk_route53::error::{BuildError, SdkError};
use aws_sdk_route53::operation::change_resource_record_sets::ChangeResourceRecordSetsError;
use aws_sdk_route53::types::{Change, ChangeAction, ChangeBatch};

use super::edit::{self, Edit, UnknownHome};
use super::failure::{RequestKind, convert_error, refused};
use super::rejection::Rejection;
use super::sets::{self, AddressSpellings, RecordSet};
use super::{PROVIDER, Route53, lock};
use crate::dns::account::RequestOrder;
use crate::dns::{ChangeRequest, ProviderError, RecordChanges};
use crate::engine::plan::SetKey;

/// Maximum number of attempts to send one batch without deleted health checks.
const MOST_LOST_CHECKS: usize = 20;

impl Route53 {
    /// Carries out a change.
    pub(super) async fn carry_out(&self, request: ChangeRequest<'_>) -> Result<(), ProviderError> {
        let ChangeRequest { listing, changes, permit } = request;
        let (edits, unknown_homes) = edit::edits(listing, changes, &self.config.ttls());
        let mut outcome = BatchResults::default();
        if !unknown_homes.is_empty() {
            outcome.fail(
                unknown_home_error(&unknown_homes),
                unknown_homes.iter().map(|left_out| &left_out.key),
            );
        }
        if edits.is_empty() {
            return outcome.result(changes);
        }
        let zone = self.zone_id().await?;
        let batches = edit::batches(&edits);
        for (nth, batch) in batches.iter().enumerate() {
            if nth > 0 && !permit.covers(addresses(changes, batch)) {
                let left = batches[nth..].iter().flatten().filter_map(Edit::key);
                outcome.fail(revoked(batch), left);
                break;
            }
            let changed =
                self.change(&zone, batch, &|| permit.covers(addresses(changes, batch))).await;
            let Err(error) = changed else { continue };
            self.forget_zone_if_refused(&error);
            let concerns_it_alone =
                matches!(error, ProviderError::Rejected { .. } | ProviderError::Changed { .. });
            let end = if concerns_it_alone { nth + 1 } else { batches.len() };
            outcome.fail(error, batches[nth..end].iter().flatten().filter_map(Edit::key));
            if !concerns_it_alone {
                break;
            }
        }
        outcome.result(changes)
    }

    /// Sends one batch, if necessary without deleted health checks.
    async fn change(
        &self,
        zone: &str,
        batch: &[Edit],
        may_send: &(dyn Fn() -> bool + Send + Sync),
    ) -> Result<(), ProviderError> {
        let what = describe(batch);
        let mut batch = batch.to_vec();
        let mut lost = Vec::new();
        for attempt in 0..MOST_LOST_CHECKS {
            if attempt > 0 && !may_send() {
                return Err(revoked(&batch));
            }
            let wanted = wanted(&batch, &lock(&self.spellings));
            let wanted = wanted.map_err(|why| refused(what.clone(), why))?;
            let Err(error) = self.send(zone, wanted).await else {
                lock(&self.disputes).forget(&batch);
                self.log_lost(&lost);
                return Ok(());
            };
            let Some(rejection) = Rejection::of(&error) else {
                return Err(convert_error(&error, RequestKind::Write, what));
            };
            let gone = rejection.gone_checks(&batch);
            if gone.is_empty() {
                return Err(self.rejected(&rejection, what, &batch));
            }
            lost.extend(batch.iter_mut().filter_map(|edit| {
                let check = edit.health_check()?;
                edit.lose_health_check(&gone).map(|set| (set.key.clone(), check))
            }));
        }
        Err(refused(what, TooManyLost))
    }

    async fn send(
        &self,
        zone: &str,
        batch: ChangeBatch,
    ) -> Result<(), SdkError<ChangeResourceRecordSetsError, HttpResponse>> {
        let answer = self.access.send(RequestOrder::Now, |client| {
            let request = client.change_resource_record_sets().hosted_zone_id(zone);
            request.change_batch(batch.clone()).send()
        });
        if let Some(change) = answer.await?.change_info() {
            self.followers.follow(&self.access, change);
        }
        Ok(())
    }

    /// Converts a rejection to an error. A set that differs from its listing has to be listed and
    /// planned again, unless it was listed again already and is still reported as different: the
    /// listing does not show the difference then, and the other sets must not wait for it.
    fn rejected(&self, rejection: &Rejection, what: String, batch: &[Edit]) -> ProviderError {
        if rejection.is_conflict() {
            let culprits = rejection.culprits(batch);
            let meant = batch.iter().filter(|edit| {
                culprits.is_empty() || edit.key().is_some_and(|key| culprits.contains(key))
            });
            if !lock(&self.disputes).is_old(meant) {
                return rejection.changed(what);
            }
        }
        rejection.rejected(what, batch)
    }

    /// Logs the lost health checks, once for each set.
    fn log_lost(&self, lost: &[(SetKey, String)]) {
        for (set, check) in lost {
            if lock(&self.logged).insert((set.clone(), check.clone())) {
                tracing::warn!(
                    %set,
                    health_check = %check,
                    "the health check was deleted at Route 53; the record set was written without it"
                );
            }
        }
    }
}

/// A batch has an unreasonable number of deleted health checks, each reported in an answer of its
/// own.
#[derive(Debug, thiserror::Error)]
#[error("too many of its health checks were deleted")]
struct TooManyLost;

/// The outcome of a change so far.
#[derive(Default)]
struct BatchResults {
    /// The sets that are not, or may not be, as desired.
    left: BTreeSet<SetKey>,
    failed: Option<ProviderError>,
}

impl BatchResults {
    fn fail<'a>(&mut self, error: ProviderError, sets: impl Iterator<Item = &'a SetKey>) {
        self.left.extend(sets.cloned());
        self.failed = Some(match self.failed.take() {
            Some(before) => worse(before, error),
            None => error,
        });
    }

    fn result(self, changes: &RecordChanges) -> Result<(), ProviderError> {
        let Some(error) = self.failed else { return Ok(()) };
        let mut done = changes.clone();
        done.create.retain(|new| !self.left.contains(&new.set));
        done.delete.retain(|(set, _)| !self.left.contains(set));
        if done.is_empty() {
            return Err(error);
        }
        Err(ProviderError::Partly { done, rest: Box::new(error) })
    }
}

/// Returns the rank of a failure: the higher, the less is known of the zone.
fn rank(error: &ProviderError) -> u8 {
    match error {
        ProviderError::Rejected { .. } => 0,
        ProviderError::Changed { .. } => 1,
        _ => 2,
    }
}

/// Returns the more uncertain one of two failures; two rejections are combined.
fn worse(one: ProviderError, other: ProviderError) -> ProviderError {
    match (one, other) {
        (
            ProviderError::Rejected { provider, what, mut culprits, source },
            ProviderError::Rejected { what: too, culprits: more, source: also, .. },
        ) => {
            // If one names no culprit, none is known.
            if culprits.is_empty() || more.is_empty() {
                culprits.clear();
            } else {
                culprits.extend(more);
            }
            let (what, source) = (format!("{what}; {too}"), format!("{source}; {also}").into());
            ProviderError::Rejected { provider, what, culprits, source }
        }
        (one, other) if rank(&one) > rank(&other) => one,
        (_, other) => other,
    }
}

fn unknown_home_error(unknown_homes: &[UnknownHome]) -> ProviderError {
    let messages: Vec<String> = unknown_homes.iter().map(UnknownHome::to_string).collect();
    let mut culprits: Vec<SetKey> =
        unknown_homes.iter().map(|left_out| left_out.key.clone()).collect();
    culprits.dedup();
    let addresses: BTreeSet<IpAddr> =
        unknown_homes.iter().map(|left_out| left_out.address).collect();
    let addresses: Vec<String> = addresses.iter().map(IpAddr::to_string).collect();
    ProviderError::Rejected {
        provider: PROVIDER,
        what: format!("restore {}", addresses.join(", ")),
        culprits,
        source: messages.join("; ").into(),
    }
}

fn wanted(batch: &[Edit], spellings: &AddressSpellings) -> Result<ChangeBatch, BuildError> {
    let changes = batch.iter().map(|edit| changes_of(edit, spellings));
    let changes = changes.collect::<Result<Vec<_>, _>>()?;
    ChangeBatch::builder().set_changes(Some(changes.concat())).build()
}

fn changes_of(edit: &Edit, spellings: &AddressSpellings) -> Result<Vec<Change>, BuildError> {
    let mut changes = Vec::new();
    for (action, set) in [(ChangeAction::Delete, &edit.before), (ChangeAction::Create, &edit.after)]
    {
        if let Some(set) = set {
            let set = sets::write(set, spellings)?;
            changes.push(Change::builder().action(action).resource_record_set(set).build()?);
        }
    }
    Ok(changes)
}

/// Returns the addresses that a batch adds or removes.
fn addresses<'a>(
    changes: &'a RecordChanges,
    batch: &'a [Edit],
) -> impl Iterator<Item = IpAddr> + 'a {
    let created = changes.create.iter().filter(|new| concerns(batch, &new.set));
    let deleted = changes.delete.iter().filter(|(set, _)| concerns(batch, set));
    created.map(|new| new.address).chain(deleted.map(|(_, record)| record.address))
}

/// Whether a batch changes a set.
fn concerns(batch: &[Edit], set: &SetKey) -> bool {
    batch.iter().any(|edit| edit.key() == Some(set))
}

fn revoked(batch: &[Edit]) -> ProviderError {
    ProviderError::Revoked { provider: PROVIDER, what: describe(batch) }
}

/// Describes a batch for an error.
fn describe(batch: &[Edit]) -> String {
    let mut sets: Vec<String> = batch.iter().filter_map(Edit::key).map(SetKey::to_string).collect();
    sets.dedup();
    match &sets[..] {
        few if few.len() <= 3 => format!("change {}", few.join(", ")),
        many => format!("change {} and {} more sets", many[..3].join(", "), many.len() - 3),
    }
}

/// Sets that were reported to differ from their listing, as they were listed.
#[derive(Debug, Default)]
pub(super) struct Disputes {
    /// Those reported since the last listing.
    new: Vec<(SetKey, Option<RecordSet>)>,
    /// Those reported before it.
    old: Vec<(SetKey, Option<RecordSet>)>,
}

impl Disputes {
    /// Records that the zone was listed.
    pub(super) fn listed(&mut self) {
        self.old.append(&mut self.new);
    }

    /// Whether all of `edits` were disputed before the last listing, which shows them unchanged.
    fn is_old<'a>(&mut self, edits: impl Iterator<Item = &'a Edit>) -> bool {
        let entries: Vec<_> =
            edits.filter_map(|edit| Some((edit.key()?.clone(), edit.before.clone()))).collect();
        let is_old = entries.iter().all(|entry| self.old.contains(entry));
        self.new.extend(entries.into_iter().filter(|entry| !self.old.contains(entry)));
        is_old
    }

    /// Forgets the sets of a successful batch.
    fn forget(&mut self, batch: &[Edit]) {
        self.new.retain(|(key, _)| !concerns(batch, key));
        self.old.retain(|(key, _)| !concerns(batch, key));
    }
}
