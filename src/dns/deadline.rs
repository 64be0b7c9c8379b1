//! A time limit for every provider call.

use std::time::Duration;

use super::{Call, ChangeRequest, DnsProvider, Listing, Placement, ProviderError, downcast};

/// Maximum duration of a provider call. Each request has its own limit of 10 s, but a call may take
/// many requests, and a defect of a library must not block the caller forever.
const MAX_CALL: Duration = Duration::from_mins(5);

/// A provider with calls that end within five minutes.
#[derive(Debug)]
pub struct Deadline {
    inner: Box<dyn DnsProvider>,
}

/// The error of a call that did not end in time.
#[derive(Debug, thiserror::Error)]
#[error("it did not end within {} s", MAX_CALL.as_secs())]
struct TimedOut;

impl Deadline {
    /// Wraps the provider `inner`.
    pub fn new(inner: Box<dyn DnsProvider>) -> Self {
        Self { inner }
    }
}

impl DnsProvider for Deadline {
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    fn list(&self) -> Call<'_, Listing> {
        Box::pin(async {
            match tokio::time::timeout(MAX_CALL, self.inner.list()).await {
                Ok(listed) => listed,
                Err(_) => Err(ProviderError::Unavailable {
                    provider: self.name(),
                    what: "list the records".into(),
                    retry_after: None,
                    source: TimedOut.into(),
                }),
            }
        })
    }

    fn apply<'a>(&'a self, request: ChangeRequest<'a>) -> Call<'a, ()> {
        Box::pin(async move {
            match tokio::time::timeout(MAX_CALL, self.inner.apply(request)).await {
                Ok(applied) => applied,
                Err(_) => Err(ProviderError::Unconfirmed {
                    provider: self.name(),
                    what: "change the records".into(),
                    retry_after: None,
                    source: TimedOut.into(),
                }),
            }
        })
    }

    fn take_already_in_force(&self) -> Vec<Placement> {
        self.inner.take_already_in_force()
    }

    fn inherit_from(&mut self, before: Box<dyn DnsProvider>) -> bool {
        downcast::<Self>(before).is_some_and(|before| self.inner.inherit_from(before.inner))
    }
}
