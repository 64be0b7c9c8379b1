//! Carrying out a change: read, adjust, write in one request, read again.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use serde_json::Value;

use super::adjust::{BadAdjustment, adjusted};
use super::call::RequestFailure;
use super::changes::{self, EndpointEdit};
use super::endpoint::WebhookEndpoint;
use super::failure::{unconfirmed, write_failed};
use super::listing::ListedEndpoints;
use super::{PROVIDER, Webhook, lock};
use crate::dns::{ChangeRequest, Listing, Permit, ProviderCause, ProviderError, RecordChanges};
use crate::engine::plan::SetKey;

/// Pauses before the readings after the first one, by which a change must be shown. A provider that
/// takes longer is asked again by the reconciler.
const READ_AGAIN_AFTER: [Duration; 2] = [Duration::from_millis(250), Duration::from_millis(750)];

/// The webhook answered with a success, and its records do not show the change.
#[derive(Debug, thiserror::Error)]
#[error("the webhook accepted the change, and its records do not show it")]
struct NotShown;

/// The requests for a change that was sent set by set, because it failed as a whole.
#[derive(Debug, Default)]
struct SetBySet {
    /// The sets that the webhook accepted.
    accepted: BTreeSet<SetKey>,
    /// The last failure of a set of its own.
    failed: Option<RequestFailure>,
    /// The failure that ended the run.
    stopped: Option<ProviderError>,
}

impl SetBySet {
    /// Whether a set of these changes was accepted.
    fn has_accepted(&self, changes: &RecordChanges) -> bool {
        sets_of(changes).into_iter().any(|set| self.accepted.contains(set))
    }
}

/// A write, and the endpoints before it.
struct Written<'a> {
    before: &'a ListedEndpoints,
    edits: &'a [EndpointEdit],
}

impl Written<'_> {
    /// Logs addresses at managed names that are gone, although they were to stay.
    fn report_losses(&self, now: &ListedEndpoints) {
        for (set, endpoint) in &self.before.sets {
            let edit = self.edits.iter().find(|edit| edit.set == *set);
            let before = addresses(Some(endpoint), set);
            let wanted = edit.map_or_else(|| before.clone(), EndpointEdit::addresses);
            let now = addresses(now.sets.get(set), set);
            for address in before.intersection(&wanted).filter(|address| !now.contains(address)) {
                tracing::warn!(
                    %set,
                    %address,
                    "the webhook removed an address that was to stay; put it back, if it is no target"
                );
            }
        }
    }
}

fn addresses(endpoint: Option<&WebhookEndpoint>, set: &SetKey) -> BTreeSet<IpAddr> {
    let addresses = endpoint.and_then(|endpoint| endpoint.addresses(set.family).ok());
    addresses.into_iter().flatten().collect()
}

impl Webhook {
    /// Makes all of the changes.
    pub(super) async fn carry_out(&self, request: ChangeRequest<'_>) -> Result<(), ProviderError> {
        let ChangeRequest { listing, changes, permit } = request;
        if changes.is_empty() {
            return Ok(());
        }
        let what = changes.in_words();
        let read = self.read().await;
        let listed = read.map_err(|failure| self.read_failed(what.clone(), failure))?;
        if let Some(set) = first_difference(changes, listing, &listed.listing()) {
            let source = format!("{set} was changed after it was listed").into();
            return Err(ProviderError::Changed { provider: PROVIDER, what, source });
        }
        let mut edits = self.edits(changes, &listed, &what)?;
        if edits.is_empty() {
            return Ok(());
        }
        self.adjust(&mut edits, &what).await?;
        // The zone was read and the change was adjusted first, and both may have taken long.
        if !permit.covers(edits.iter().flat_map(touched)) {
            return Err(revoked(&what));
        }
        match self.post(&edits).await {
            Ok(()) => {
                self.confirm(changes, &Written { before: &listed, edits: &edits }, what, None).await
            }
            Err(failure) if self.fails_again(&failure, &edits) => {
                let run = self.set_by_set(&edits, permit, &what).await;
                self.confirm(changes, &Written { before: &listed, edits: &edits }, what, Some(run))
                    .await
            }
            Err(failure) => Err(write_failed(what, failure, &edits)),
        }
    }

    /// Returns the edits of a change.
    fn edits(
        &self,
        changes: &RecordChanges,
        listed: &ListedEndpoints,
        what: &str,
    ) -> Result<Vec<EndpointEdit>, ProviderError> {
        changes::edits(changes, &listed.sets, &self.ttls).map_err(|(set, target)| {
            let source = format!("{set} holds `{target}`, which is no target").into();
            rejected(what, vec![set], source)
        })
    }

    /// Has the webhook adjust the endpoints before the write.
    async fn adjust(&self, edits: &mut [EndpointEdit], what: &str) -> Result<(), ProviderError> {
        let endpoints: Vec<Value> = edits
            .iter()
            .filter_map(|edit| edit.after.clone())
            .map(WebhookEndpoint::into_value)
            .collect();
        if endpoints.is_empty() || *lock(&self.adjusts_nothing) {
            return Ok(());
        }
        let answer = match self.client.post("adjustendpoints", &endpoints.into()).await {
            Ok(answer) => answer,
            // A webhook of the first days, which has no such path.
            Err(RequestFailure::Status { status, is_page: false, .. })
                if [404, 405, 501].contains(&status.as_u16()) =>
            {
                *lock(&self.adjusts_nothing) = true;
                return Ok(());
            }
            // Nothing was changed, even if this request was carried out.
            Err(failure) => {
                return Err(match write_failed(what.to_owned(), failure, edits) {
                    ProviderError::Unconfirmed { retry_after, source, .. } => {
                        unavailable(what, source, retry_after)
                    }
                    other => other,
                });
            }
        };
        let bad = adjusted(edits, &answer.body).map_err(|why| {
            let found = answer.in_words();
            let source = format!("its adjustments cannot be read: {why}; it is {found}").into();
            unavailable(what, source, None)
        })?;
        let sets = bad.iter().map(|BadAdjustment(set, _)| set.clone()).collect();
        match bad.into_iter().next() {
            Some(first) => Err(rejected(what, sets, first.into())),
            None => Ok(()),
        }
    }

    /// Writes edits in one request.
    async fn post<'a>(
        &self,
        edits: impl IntoIterator<Item = &'a EndpointEdit>,
    ) -> Result<(), RequestFailure> {
        let answer = self.client.post("records", &changes::body(edits)).await?;
        // No body is expected. A page is something else's, and says nothing of the change.
        if answer.is_page() {
            return Err(RequestFailure::Foreign(answer.status, answer.in_words()));
        }
        Ok(())
    }

    /// Whether the webhook has a problem with a change of several sets for the second time. It may have
    /// it with one of them alone, which must not keep the others from being changed.
    fn fails_again(&self, failure: &RequestFailure, edits: &[EndpointEdit]) -> bool {
        let RequestFailure::Status { status, .. } = failure else { return false };
        if !status.is_server_error() {
            return false;
        }
        let sets: BTreeSet<SetKey> = edits.iter().map(|edit| edit.set.clone()).collect();
        let mut before = lock(&self.failing);
        let again = edits.len() > 1 && !before.is_disjoint(&sets);
        *before = sets;
        again
    }

    /// Sends a request for each set. A server error concerns its set alone, any other failure ends the
    /// run.
    async fn set_by_set(&self, edits: &[EndpointEdit], permit: Permit<'_>, what: &str) -> SetBySet {
        tracing::info!("the webhook failed twice with a change; sending it set by set");
        let mut run = SetBySet::default();
        for edit in edits {
            if !permit.covers(touched(edit).into_iter()) {
                run.stopped = Some(revoked(what));
                break;
            }
            match self.post([edit]).await {
                Ok(()) => {
                    run.accepted.insert(edit.set.clone());
                }
                Err(failure) if is_of_set(&failure) => run.failed = Some(failure),
                Err(failure) => {
                    run.stopped = Some(write_failed(what.to_owned(), failure, &[]));
                    break;
                }
            }
        }
        run
    }

    /// Reads whether the change is in force. Only the records count.
    async fn confirm(
        &self,
        changes: &RecordChanges,
        written: &Written<'_>,
        what: String,
        run: Option<SetBySet>,
    ) -> Result<(), ProviderError> {
        let mut pauses = READ_AGAIN_AFTER.into_iter();
        let (done, left, listed) = loop {
            let read = self.read().await;
            let listed = read.map_err(|failure| {
                self.forget_webhook();
                unconfirmed(what.clone(), None, failure.into())
            })?;
            let (done, left) = divide(changes, &listed.listing());
            let may_come = run.as_ref().is_none_or(|run| run.has_accepted(&left));
            let pause = pauses.next().filter(|_| !left.is_empty() && may_come);
            let Some(pause) = pause else { break (done, left, listed) };
            tokio::time::sleep(pause).await;
        };
        written.report_losses(&listed);
        if left.is_empty() {
            lock(&self.failing).clear();
            return Ok(());
        }
        let rest = rest_of(left.in_words(), &left, run);
        Err(if done.is_empty() {
            rest
        } else {
            ProviderError::Partly { done, rest: Box::new(rest) }
        })
    }
}

/// Returns the error of the part of a change that is not in force.
fn rest_of(what: String, left: &RecordChanges, run: Option<SetBySet>) -> ProviderError {
    // The webhook accepted it, and may yet show it.
    let Some(SetBySet { accepted, failed, stopped }) = run.filter(|run| !run.has_accepted(left))
    else {
        return unconfirmed(what, None, NotShown.into());
    };
    let Some(failure) = failed else {
        return stopped.unwrap_or_else(|| unconfirmed(what, None, NotShown.into()));
    };
    if stopped.is_some() || accepted.is_empty() {
        // A server error may be about a change that was made.
        return write_failed(what, failure, &[]);
    }
    // Others were accepted, so the problem is of these sets.
    let sets = sets_of(left).into_iter().cloned().collect();
    rejected(&what, sets, failure.into())
}

/// Whether a failure may be one of a set alone.
fn is_of_set(failure: &RequestFailure) -> bool {
    matches!(failure, RequestFailure::Status { status, is_page: false, .. }
        if status.is_server_error() || [400, 422].contains(&status.as_u16()))
}

fn revoked(what: &str) -> ProviderError {
    ProviderError::Revoked { provider: PROVIDER, what: what.to_owned() }
}

fn unavailable(what: &str, source: ProviderCause, retry_after: Option<Duration>) -> ProviderError {
    let (provider, what) = (PROVIDER, what.to_owned());
    ProviderError::Unavailable { provider, what, retry_after, source }
}

fn rejected(what: &str, culprits: Vec<SetKey>, source: ProviderCause) -> ProviderError {
    let (provider, what) = (PROVIDER, what.to_owned());
    ProviderError::Rejected { provider, what, culprits, source }
}

/// Returns the addresses that an edit adds or removes.
fn touched(edit: &EndpointEdit) -> Vec<IpAddr> {
    let before = addresses(edit.before.as_ref(), &edit.set);
    before.symmetric_difference(&edit.addresses()).copied().collect()
}

/// Returns the sets that a change is about.
fn sets_of(changes: &RecordChanges) -> BTreeSet<&SetKey> {
    let new = changes.create.iter().map(|new| &new.set);
    new.chain(changes.delete.iter().map(|(set, _)| set)).collect()
}

/// Returns the first set of a change with other addresses in the second listing. Its settings are taken
/// from the newer one.
fn first_difference<'a>(
    changes: &'a RecordChanges,
    before: &Listing,
    now: &Listing,
) -> Option<&'a SetKey> {
    let (observed, observed_now) = (before.observed(), now.observed());
    for set in sets_of(changes) {
        let (before, after) = (observed.get(set), observed_now.get(set));
        let is_same = before.cloned().unwrap_or_default() == after.cloned().unwrap_or_default();
        if now.unfit.contains_key(set) || !is_same {
            return Some(set);
        }
    }
    None
}

/// Divides a change into the part that a listing shows and the rest.
fn divide(changes: &RecordChanges, listing: &Listing) -> (RecordChanges, RecordChanges) {
    let observed = listing.observed();
    let (mut done, mut left) = (RecordChanges::default(), RecordChanges::default());
    for new in &changes.create {
        let is_shown = observed.holds(&new.set, new.address) == Some(true);
        let part = if is_shown { &mut done } else { &mut left };
        part.create.push(new.clone());
    }
    for (set, record) in &changes.delete {
        let is_shown = observed.holds(set, record.address) == Some(false);
        let part = if is_shown { &mut done } else { &mut left };
        part.delete.push((set.clone(), record.clone()));
    }
    (done, left)
}
