//! Carrying out changes: one UPDATE for all names, and several only where one cannot be.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::Rfc2136;
use super::failure::{FailureKind, MessagePurpose, ServerFailure};
use super::request::exchange;
use super::update::{self, SetEdit};
use crate::dns::{ChangeRequest, Permit, ProviderError, RecordChanges};
use crate::engine::plan::SetKey;
use crate::text::first_few;

/// The number of sets that an error names.
const NAMED: usize = 3;

/// The permission to send another request for some edits.
struct Sending<'a> {
    changes: &'a RecordChanges,
    permit: Permit<'a>,
    /// Whether no request was sent yet: the first one needs no permission.
    is_first: bool,
}

impl Rfc2136 {
    /// Carries out a change.
    pub(super) async fn carry_out(&self, request: ChangeRequest<'_>) -> Result<(), ProviderError> {
        let ChangeRequest { listing, changes, permit } = request;
        let edits = update::edits(listing, changes, &self.config.ttls());
        let mut sending = Sending { changes, permit, is_first: true };
        let mut results = UpdateResults::default();
        for batch in update::batches(&edits) {
            self.update(&batch, &mut sending, &mut results).await;
        }
        results.result(changes)
    }

    /// Makes one batch. Where its names are denied together, each is tried by itself: a key that may
    /// not change one of them concerns that name alone.
    async fn update(
        &self,
        batch: &[SetEdit],
        sending: &mut Sending<'_>,
        results: &mut UpdateResults,
    ) {
        if results.is_over() {
            results.leave(batch);
            return;
        }
        let Err(failure) = self.update_once(batch, sending).await else { return };
        let has_parts = update::by_name(batch).count() > 1;
        if !has_parts || !matches!(failure.kind, FailureKind::Denied | FailureKind::Rejected) {
            results.fail(failure, batch);
            return;
        }
        for name in update::by_name(batch) {
            if results.is_over() {
                results.leave(name);
            } else if let Err(failure) = self.update_once(name, sending).await {
                results.fail(failure, name);
            }
        }
    }

    /// Sends one UPDATE to the primary: to the next server only if the one before did nothing.
    async fn update_once(
        &self,
        edits: &[SetEdit],
        sending: &mut Sending<'_>,
    ) -> Result<(), ServerFailure> {
        let mut attempts = self.attempts();
        while let Some(nth) = attempts.next() {
            if !sending.may_send(edits) {
                return Err(ServerFailure::new(FailureKind::Revoked, "revoked"));
            }
            match self.update_at(nth, edits).await {
                Ok(()) => {
                    attempts.succeeded(nth);
                    return Ok(());
                }
                Err(failure) if failure.is_about_this_server() => attempts.failed(nth, failure),
                Err(failure) => {
                    if failure.kind == FailureKind::Changed {
                        self.ask_about_wildcards(&self.config.servers[nth], edits).await;
                    }
                    return Err(failure);
                }
            }
        }
        Err(attempts.end(MessagePurpose::Update))
    }

    async fn update_at(&self, nth: usize, edits: &[SetEdit]) -> Result<(), ServerFailure> {
        let server = &self.config.servers[nth];
        let message = update::message(&self.config.zone, edits);
        let message = message.map_err(ServerFailure::rejected)?;
        let request = [self.signing().sign(message)?];
        if request[0].size() > usize::from(u16::MAX) {
            let what = "the set has too many addresses: a message has at most 65535 bytes";
            return Err(ServerFailure::rejected(what));
        }
        let mut stream = server.connect().await?;
        let exchanged = exchange(&mut stream, &request).await;
        exchanged.map(|_| ()).map_err(|failure| failure.at(server))
    }
}

impl Sending<'_> {
    /// Whether a request for these edits may be sent; the first one needs no permission.
    fn may_send(&mut self, edits: &[SetEdit]) -> bool {
        if std::mem::take(&mut self.is_first) {
            return true;
        }
        let sets: BTreeSet<&SetKey> = edits.iter().map(|edit| &edit.key).collect();
        let created = self.changes.create.iter().filter(|new| sets.contains(&new.set));
        let deleted = self.changes.delete.iter().filter(|(set, _)| sets.contains(set));
        let created = created.map(|new| new.address);
        let addresses: BTreeSet<IpAddr> =
            created.chain(deleted.map(|(_, record)| record.address)).collect();
        self.permit.covers(addresses.into_iter())
    }
}

/// The outcome of the requests so far.
#[derive(Debug, Default)]
struct UpdateResults {
    /// The sets that are not, or may not be, as desired.
    left: BTreeSet<SetKey>,
    failed: Option<ServerFailure>,
}

impl UpdateResults {
    fn fail(&mut self, failure: ServerFailure, edits: &[SetEdit]) {
        self.leave(edits);
        self.failed = Some(match self.failed.take() {
            Some(before) if rank(before.kind) >= rank(failure.kind) => before,
            _ => failure,
        });
    }

    fn leave(&mut self, edits: &[SetEdit]) {
        self.left.extend(edits.iter().map(|edit| edit.key.clone()));
    }

    /// Whether nothing more is to be sent.
    fn is_over(&self) -> bool {
        self.failed.as_ref().is_some_and(|failure| rank(failure.kind) > 2)
    }

    fn result(self, changes: &RecordChanges) -> Result<(), ProviderError> {
        let Some(failure) = self.failed else { return Ok(()) };
        let mut done = changes.clone();
        done.create.retain(|new| !self.left.contains(&new.set));
        done.delete.retain(|(set, _)| !self.left.contains(set));
        let left: Vec<SetKey> = self.left.into_iter().collect();
        let what = format!("change {}", first_few(&left, NAMED, ", "));
        let error = failure.into_error(MessagePurpose::Update, what, left);
        if done.is_empty() {
            return Err(error);
        }
        Err(ProviderError::Partly { done, rest: Box::new(error) })
    }
}

/// Returns the rank of a failure: the higher, the less is known of the zone. Above 2, nothing more is
/// sent.
fn rank(kind: FailureKind) -> u8 {
    match kind {
        FailureKind::Rejected => 0,
        FailureKind::Denied => 1,
        FailureKind::Changed => 2,
        _ => 3,
    }
}
