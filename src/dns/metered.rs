//! Counts what became of each call to a provider.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use super::{Changes, DnsProvider, Listing, Permit, ProviderError, Successor};
use crate::engine::plan::SetKey;

/// How often calls to a provider came to which end: `ok`, `refused`, `rejected`, `partly`,
/// `unavailable`, `unconfirmed`, `already`, `changed` or `revoked`.
#[derive(Debug, Clone, Default)]
pub struct Tally(Arc<Mutex<BTreeMap<&'static str, u64>>>);

impl Tally {
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

    /// All counts so far.
    pub fn counts(&self) -> BTreeMap<&'static str, u64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A provider whose calls are counted.
#[derive(Debug)]
pub struct Metered<P> {
    /// Who is asked.
    pub inner: P,
    /// Where it is counted.
    pub tally: Tally,
}

impl<P> Metered<P> {
    /// Counts from nothing on.
    pub fn new(inner: P) -> Self {
        Self { inner, tally: Tally::default() }
    }
}

impl<P: DnsProvider> DnsProvider for Metered<P> {
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    async fn list(&self) -> Result<Listing, ProviderError> {
        let result = self.inner.list().await;
        self.tally.count(&result);
        result
    }

    async fn apply_while(
        &self,
        listing: &Listing,
        changes: &Changes,
        permit: Permit<'_>,
    ) -> Result<(), ProviderError> {
        let result = self.inner.apply_while(listing, changes, permit).await;
        self.tally.count(&result);
        result
    }

    fn said_to_be_so(&self) -> Vec<(SetKey, IpAddr)> {
        self.inner.said_to_be_so()
    }
}

impl<P: Successor> Successor for Metered<P> {
    fn succeed(&mut self, before: Self) -> bool {
        self.inner.succeed(before.inner)
    }
}
