//! Any provider behind a webhook of external-dns: goavail is a client of its protocol, version 1.
//!
//! | part | purpose |
//! |---|---|
//! | `call` | one request and its outcome |
//! | `filter` | the names that the webhook looks after |
//! | `listing` | the endpoints at managed names, from an answer of any length |
//! | `endpoint` | one record set with all of its fields |
//! | `ownership` | names that an external-dns manages |
//! | `changes` | record changes in the protocol's form |
//! | `adjust` | the adjustments that the webhook makes before a write |
//! | `apply` | carrying out a change, and reading whether it is in force |
//! | `failure` | the consequences of errors |
//!
//! The protocol promises little: a change may be carried out in part, late or not at all, and nothing
//! refuses one that was planned from an outdated listing. So the zone is read right before a write,
//! which is given up if a set differs from its listing, and right after it: the answer of the webhook is
//! not believed before its records show the change.
//!
//! Source: `api/webhook.yaml` and `docs/tutorials/webhook-provider.md` of kubernetes-sigs/external-dns.

mod adjust;
mod apply;
mod call;
mod changes;
mod endpoint;
mod failure;
mod filter;
pub(crate) mod listing;
mod ownership;
mod section;
#[cfg(test)]
mod tests;

pub(crate) use self::section::KIND;
pub use self::section::{CAPABILITIES, WebhookConfig};

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use self::call::WebhookClient;
use self::failure::{ReadFailure, read_failed};
use self::filter::DomainFilter;
use self::listing::{ListedEndpoints, ManagedNames, UnfitEndpoint};
use crate::dns::account::Account;
use crate::dns::{
    BySet, Call, ChangeRequest, DnsProvider, Listing, ProviderCause, ProviderError, downcast,
};
use crate::engine::plan::SetKey;

/// The provider's name for the operator.
const PROVIDER: &str = KIND.name;

/// Reads and changes the address records of one zone through a webhook.
#[derive(Debug)]
pub struct Webhook {
    client: WebhookClient,
    zone: String,
    names: ManagedNames,
    ttls: BySet<u32>,
    /// The negotiated filter, until a request fails.
    filter: Mutex<Option<DomainFilter>>,
    /// The sets of the last change that the webhook answered with a server error.
    failing: Mutex<BTreeSet<SetKey>>,
    /// Whether the webhook has no adjustments to make.
    adjusts_nothing: Mutex<bool>,
}

impl Webhook {
    /// Creates a provider for the zone and names of `config`. Nothing is sent yet.
    ///
    /// # Errors
    ///
    /// Fails if the HTTP client cannot be set up.
    pub fn new(config: &WebhookConfig) -> Result<Self, ProviderCause> {
        Self::in_account(config, &Account::default())
    }

    /// Creates a provider as [`Webhook::new`] does, with the pauses that are asked for in any zone of
    /// `account`.
    ///
    /// # Errors
    ///
    /// Fails if the HTTP client cannot be set up.
    pub fn in_account(config: &WebhookConfig, account: &Account) -> Result<Self, ProviderCause> {
        Ok(Self {
            client: WebhookClient::new(config, account)?,
            zone: config.zone.clone(),
            names: ManagedNames::new(&config.zone, &config.names),
            ttls: config.ttls(),
            filter: Mutex::default(),
            failing: Mutex::default(),
            adjusts_nothing: Mutex::default(),
        })
    }

    /// Reads all endpoints at managed names.
    async fn read(&self) -> Result<ListedEndpoints, ReadFailure> {
        let filter = self.negotiated().await?;
        let answer = self.client.get("records").await?;
        if let Err(told) = answer.check_version(false) {
            return Err(ReadFailure::OtherService(told));
        }
        let listed = ListedEndpoints::read(&answer.body, &self.names);
        let mut listed = listed.map_err(|why| ReadFailure::Malformed(why, answer.in_words()))?;
        for (canonical, name) in self.names.each() {
            if !filter.includes(canonical) {
                listed.unfit.push(UnfitEndpoint::Filtered(name.clone(), filter.in_words()));
            }
        }
        Ok(listed)
    }

    /// Returns the filter, which is negotiated once.
    async fn negotiated(&self) -> Result<DomainFilter, ReadFailure> {
        if let Some(filter) = lock(&self.filter).clone() {
            return Ok(filter);
        }
        let answer = self.client.get("").await?;
        if answer.is_page() {
            return Err(ReadFailure::Page(answer.in_words()));
        }
        answer.check_version(true).map_err(ReadFailure::OtherService)?;
        let filter = DomainFilter::read(&answer.body).map_err(ReadFailure::NoFilter)?;
        if self.names.each().all(|(name, _)| !filter.includes(name)) {
            return Err(ReadFailure::NotItsZone(self.zone.clone(), filter.in_words()));
        }
        *lock(&self.filter) = Some(filter.clone());
        Ok(filter)
    }

    /// Converts the error of a failed read. The next one negotiates again: the webhook may have been
    /// replaced.
    fn read_failed(&self, what: String, failure: ReadFailure) -> ProviderError {
        self.forget_webhook();
        read_failed(what, failure)
    }

    /// Forgets the answers of the webhook about itself.
    fn forget_webhook(&self) {
        *lock(&self.filter) = None;
        *lock(&self.adjusts_nothing) = false;
    }
}

impl DnsProvider for Webhook {
    fn name(&self) -> &'static str {
        PROVIDER
    }

    fn list(&self) -> Call<'_, Listing> {
        Box::pin(async {
            let listed = self.read().await.map_err(|failure| {
                self.read_failed(format!("list the records of {}", self.zone), failure)
            })?;
            Ok(listed.listing())
        })
    }

    fn apply<'a>(&'a self, request: ChangeRequest<'a>) -> Call<'a, ()> {
        Box::pin(self.carry_out(request))
    }

    /// Keeps the open connections and the knowledge of the webhook, if it is the same. The filter is
    /// negotiated again.
    fn inherit_from(&mut self, before: Box<dyn DnsProvider>) -> bool {
        let Some(before) = downcast::<Self>(before) else { return false };
        let same = self.zone == before.zone && self.client.is_like(&before.client);
        if same {
            self.client.inherit_from(before.client);
            self.failing = before.failing;
            self.adjusts_nothing = before.adjusts_nothing;
        }
        same
    }
}

/// Locks a mutex that guards no decision: a holder that panicked left nothing inconsistent.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
