//! A time limit for every provider call of the reconciler.

use std::time::Duration;

use super::{ChangeRequest, DnsProvider, Listing, Placement, ProviderError};

/// Maximum duration of a provider call. Each request has its own limit of 10 s, but a call may take
/// many requests, and a defect of a library must not block the reconciler forever.
const MAX_CALL: Duration = Duration::from_mins(5);

/// A provider with calls that end within [`MAX_CALL`].
#[derive(Debug)]
pub(super) struct Deadline {
    inner: Box<dyn DnsProvider>,
}

/// The error of a call that did not end in time.
#[derive(Debug, thiserror::Error)]
#[error("it did not end within {} s", MAX_CALL.as_secs())]
struct TimedOut;

impl Deadline {
    /// Wraps the provider `inner`.
    pub(super) fn new(inner: Box<dyn DnsProvider>) -> Self {
        Self { inner }
    }

    /// Returns the wrapped provider.
    pub(super) fn into_inner(self) -> Box<dyn DnsProvider> {
        self.inner
    }

    /// Returns the name of the provider.
    pub(super) fn name(&self) -> &'static str {
        self.inner.name()
    }

    /// Lists the records; see [`DnsProvider::list`].
    pub(super) async fn list(&self) -> Result<Listing, ProviderError> {
        match tokio::time::timeout(MAX_CALL, self.inner.list()).await {
            Ok(listed) => listed,
            Err(_) => Err(ProviderError::Unavailable {
                provider: self.name(),
                what: "list the records".into(),
                retry_after: None,
                source: TimedOut.into(),
            }),
        }
    }

    /// Carries out a change; see [`DnsProvider::apply`].
    pub(super) async fn apply(&self, request: ChangeRequest<'_>) -> Result<(), ProviderError> {
        match tokio::time::timeout(MAX_CALL, self.inner.apply(request)).await {
            Ok(applied) => applied,
            Err(_) => Err(ProviderError::Unconfirmed {
                provider: self.name(),
                what: "change the records".into(),
                retry_after: None,
                source: TimedOut.into(),
            }),
        }
    }

    /// Returns the changes that were in force already; see [`DnsProvider::take_already_in_force`].
    pub(super) fn take_already_in_force(&self) -> Vec<Placement> {
        self.inner.take_already_in_force()
    }
}
