//! Counts the calls to a provider by their outcome.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::{Call, ChangeRequest, DnsProvider, Listing, Placement, ProviderError, downcast};

/// Every outcome of a call to a provider.
const OUTCOMES: [&str; 9] = [
    "ok",
    "refused",
    "rejected",
    "partly",
    "unavailable",
    "unconfirmed",
    "already",
    "changed",
    "revoked",
];

/// The number of calls to a provider by outcome. Outcomes that never occurred are there with 0, because
/// Prometheus does not see the increase of a series that begins with 1.
#[derive(Debug, Clone)]
pub(crate) struct ProviderCounters(Arc<Mutex<BTreeMap<&'static str, u64>>>);

impl Default for ProviderCounters {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(OUTCOMES.map(|outcome| (outcome, 0)).into())))
    }
}

impl ProviderCounters {
    fn count<T>(&self, result: &Result<T, ProviderError>) {
        let outcome = match result {
            Ok(_) => "ok",
            Err(ProviderError::Refused { .. }) => "refused",
            Err(ProviderError::Rejected { .. }) => "rejected",
            Err(ProviderError::Partly { .. }) => "partly",
            Err(ProviderError::Unavailable { .. }) => "unavailable",
            Err(ProviderError::Unconfirmed { .. }) => "unconfirmed",
            Err(ProviderError::Already { .. }) => "already",
            Err(ProviderError::Changed { .. }) => "changed",
            Err(ProviderError::Revoked { .. }) => "revoked",
        };
        *self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(outcome).or_default() += 1;
    }

    /// Returns all counts so far.
    pub(crate) fn counts(&self) -> BTreeMap<&'static str, u64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A provider with counted calls.
#[derive(Debug)]
pub(crate) struct Metered {
    inner: Box<dyn DnsProvider>,
    counters: ProviderCounters,
}

impl Metered {
    /// Wraps `inner`, and counts its calls in `counters`.
    pub(crate) fn new(inner: Box<dyn DnsProvider>, counters: ProviderCounters) -> Self {
        Self { inner, counters }
    }
}

impl DnsProvider for Metered {
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    fn list(&self) -> Call<'_, Listing> {
        Box::pin(async move {
            let result = self.inner.list().await;
            self.counters.count(&result);
            result
        })
    }

    fn apply<'a>(&'a self, request: ChangeRequest<'a>) -> Call<'a, ()> {
        Box::pin(async move {
            let result = self.inner.apply(request).await;
            self.counters.count(&result);
            result
        })
    }

    fn take_already_in_force(&self) -> Vec<Placement> {
        self.inner.take_already_in_force()
    }

    fn inherit_from(&mut self, before: Box<dyn DnsProvider>) -> bool {
        downcast::<Self>(before).is_some_and(|before| self.inner.inherit_from(before.inner))
    }
}
