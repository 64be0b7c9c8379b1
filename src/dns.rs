//! DNS: the providers, and the reconciler that brings the record sets to the desired state.
//!
//! - `records`: records, listings and changes
//! - [`by_set`]: values that services override at their record sets
//! - `capability`: the capabilities that a provider declares
//! - `error`: [`ProviderError`], split by the caller's next step
//! - [`name`]: domain names in the form in which they are compared
//! - [`providers`]: the registry of providers
//! - [`account`]: the pauses that a provider asks for, shared by zones with the same credentials
//! - [`deadline`], [`dry_run`], [`metered`]: wrappers around any provider, from the inside out
//! - [`message`]: DNS messages, for everything that speaks with name servers itself
//! - [`clock`]: the time of the reconciler
//! - [`confirm`]: asks name servers whether a change is visible
//! - [`reconciler`]: lists, plans, applies and retries
//!
//! A provider lists the address records at the managed names and carries out changes. It decides
//! nothing: [`crate::engine::plan`] selects the records, and the reconciler retries.

pub(crate) mod account;
pub(crate) mod by_set;
mod capability;
pub(crate) mod clock;
pub(crate) mod confirm;
pub(crate) mod deadline;
pub(crate) mod dry_run;
mod error;
pub(crate) mod message;
pub(crate) mod metered;
pub(crate) mod name;
pub(crate) mod providers;
pub(crate) mod reconciler;
mod records;

use std::any::Any;
use std::fmt;
use std::net::IpAddr;
use std::pin::Pin;

pub use by_set::BySet;
pub use capability::{Capabilities, Capability};
pub(crate) use error::ProviderCause;
pub use error::ProviderError;
pub use records::{Attributes, Extra, Listing, NewRecord, Record, RecordChanges, ServiceNames};
pub(crate) use records::{Placement, Route53Set, Routing};

/// One call to a provider, boxed so that a provider can be used as `dyn DnsProvider`.
pub type Call<'a, T> = Pin<Box<dyn Future<Output = Result<T, ProviderError>> + Send + 'a>>;

/// Reads and changes the address records at the managed names of one zone.
///
/// Each call makes one attempt, and each of its requests has a time limit (5 s to connect, 10 s in
/// all); the caller retries. Calls never overlap.
pub trait DnsProvider: Any + fmt::Debug + Send + Sync {
    /// Returns the name of the provider for the operator, such as `Cloudflare`.
    fn name(&self) -> &'static str;

    /// Lists every address record at the managed names.
    fn list(&self) -> Call<'_, Listing>;

    /// Carries out a change, all or nothing where the provider supports that. Applying it twice is
    /// the same as applying it once.
    ///
    /// Where the change takes several requests, a rejected part does not stop the parts after it,
    /// unless those would leave the same set emptier than planned. [`ProviderError::Partly`] reports
    /// the part that is in force.
    ///
    /// The permit is checked before each request but the first, because the state of an address may
    /// have changed by then. If it does not cover the addresses of a request, nothing more is sent
    /// and the rest fails with [`ProviderError::Revoked`].
    fn apply<'a>(&'a self, request: ChangeRequest<'a>) -> Call<'a, ()>;

    /// Returns the changes that the last call of [`apply`](Self::apply) did not make because the
    /// provider reports that they are already in force, and forgets them. The listing may not show
    /// them for a while.
    fn take_already_in_force(&self) -> Vec<Placement> {
        Vec::new()
    }

    /// Inherits the knowledge of a provider that this one replaces, such as at a reload, as far as
    /// it still applies. Returns whether both show the same zone in the same way, so that a recent
    /// listing made through `before` need not be repeated.
    fn inherit_from(&mut self, before: Box<dyn DnsProvider>) -> bool;
}

/// Returns `before` as a provider of type `P`, or `None` if it is of another type.
pub fn downcast<P: DnsProvider>(before: Box<dyn DnsProvider>) -> Option<P> {
    let before: Box<dyn Any> = before;
    before.downcast().ok().map(|before| *before)
}

/// A change to be carried out.
#[derive(Debug, Clone, Copy)]
pub struct ChangeRequest<'a> {
    /// The listing from which the change was planned.
    pub listing: &'a Listing,
    /// The records to create and to delete.
    pub changes: &'a RecordChanges,
    /// Permission to continue after the first request.
    pub permit: Permit<'a>,
}

impl<'a> ChangeRequest<'a> {
    /// Creates a request for a change that is not revoked between two requests.
    pub fn new(listing: &'a Listing, changes: &'a RecordChanges) -> Self {
        Self { listing, changes, permit: Permit::default() }
    }
}

/// Permission to continue a change, checked between two of its requests. The default permits
/// everything.
#[derive(Clone, Copy, Default)]
pub struct Permit<'a>(Option<&'a (dyn Fn(IpAddr) -> bool + Send + Sync)>);

impl<'a> Permit<'a> {
    /// Creates a permit for the addresses for which `is_current` returns true.
    pub fn new(is_current: &'a (dyn Fn(IpAddr) -> bool + Send + Sync)) -> Self {
        Self(Some(is_current))
    }

    /// Whether the changes of all `addresses` are still permitted.
    pub fn covers(self, mut addresses: impl Iterator<Item = IpAddr>) -> bool {
        self.0.is_none_or(|is_current| addresses.all(is_current))
    }
}

impl fmt::Debug for Permit<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(if self.0.is_some() { "Permit(checked)" } else { "Permit(everything)" })
    }
}
