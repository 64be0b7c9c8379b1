//! The registry of DNS providers.
//!
//! A provider is a module here that implements [`DnsProvider`] and has a section of the configuration
//! file, and a line in [`PROVIDERS`]. The time limit, dry-run and metering wrap any provider and need
//! no changes.

pub(crate) mod cloudflare;
pub(crate) mod rfc2136;
pub(crate) mod route53;
pub(crate) mod section;
#[cfg(test)]
mod tests;
pub(crate) mod webhook;

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use self::section::{BuiltProvider, ProviderSection, ServiceRecords, ZoneTable};
use super::account::Account;
use super::confirm::section::ConfirmSettings;
use super::deadline::Deadline;
use super::dry_run::DryRun;
use super::{BySet, Capabilities, DnsProvider, ProviderCause, ServiceNames};
use crate::config::field::FieldReader;
use crate::config::keys::{Key, Section};
use crate::config::problem::Report;
use crate::config::section::ConfigSection;
use crate::engine::ids::ServiceId;
use crate::engine::plan::SetKey;

/// A provider that is being built.
pub(crate) type Building<'a> =
    Pin<Box<dyn Future<Output = Result<Box<dyn DnsProvider>, BuildError>> + Send + 'a>>;

/// One kind of provider.
#[derive(Debug, Clone, Copy)]
pub struct ProviderKind {
    /// The name on the command line and in metrics.
    pub kind: &'static str,
    /// The name for the operator, as [`DnsProvider::name`] returns it.
    pub name: &'static str,
    /// The description in the help of the command line.
    pub about: &'static str,
    /// The declared capabilities.
    pub capabilities: Capabilities,
    /// The section of the configuration file.
    pub(crate) section: Section,
    /// The keys of that section.
    pub(crate) keys: &'static [Key],
    /// Takes the values of that section out of a file.
    pub(crate) parse: fn(&mut FieldReader<'_>) -> Box<dyn ProviderSection>,
    /// The keys of a `[zone.NAME]` table with this provider, besides those of every zone.
    pub(crate) table_keys: &'static [Key],
    /// Takes the values of a `[zone.NAME]` table out of it.
    pub(crate) parse_table: fn(&mut FieldReader<'_>) -> Box<dyn ProviderSection>,
}

impl ProviderKind {
    /// Returns the kind with the section `S`.
    pub(crate) const fn new<S>(
        kind: &'static str,
        name: &'static str,
        about: &'static str,
        capabilities: Capabilities,
    ) -> Self
    where
        S: ConfigSection<Settings = BuiltProvider> + ZoneTable + 'static,
    {
        Self {
            kind,
            name,
            about,
            capabilities,
            section: S::SECTION,
            keys: S::KEYS,
            parse: |values| Box::new(S::parse(values)),
            table_keys: S::TABLE_KEYS,
            parse_table: |values| Box::new(S::parse_table(values)),
        }
    }
}

/// The settings of a provider's section.
pub trait ProviderSettings: Any + Debug + Send + Sync {
    /// Returns the entry of the registry.
    fn kind(&self) -> ProviderKind;

    /// Returns the name of the zone.
    fn zone(&self) -> &str;

    /// Returns the owner names at which the targets are published.
    fn names(&self) -> &[String];

    /// Identifies the zone and the place where it is managed.
    fn place(&self) -> String;

    /// Describes newly created records in a set, as in `TTL 60 s`.
    fn new_records(&self, set: &SetKey) -> String;

    /// Describes the credentials, without secrets.
    fn access(&self) -> String;

    /// Describes a TTL of new records.
    fn ttl_in_words(&self, ttl: u32) -> String {
        ttl.to_string()
    }

    /// Returns the TTL that every newly created record set gets, if there is one.
    fn ttl_of_new_sets(&self) -> Option<BySet<u32>> {
        None
    }

    /// Returns the least that must be granted there, a line for each kind of server with its label.
    fn grants(&self) -> Vec<(&'static str, String)> {
        Vec::new()
    }

    /// Returns whether new records are answered with addresses of the provider's own.
    fn proxies_new_records(&self) -> BySet<bool> {
        BySet::new(false)
    }

    /// Returns the rest of a sentence about the record sets in which the floor holds.
    fn floor_applies_to(&self) -> &'static str {
        ""
    }

    /// Returns the same settings with the names of these services, and with their settings of new
    /// records. Values that the provider does not accept are refused.
    fn publishing(
        &self,
        services: &[ServiceRecords<'_>],
        report: &mut Report,
    ) -> Arc<dyn ProviderSettings>;

    /// Whether both may manage the records of one zone.
    fn may_be_one_zone_with(&self, other: &dyn ProviderSettings) -> bool;

    /// Returns the rest of a sentence about two zones of one name, if a key tells them apart.
    fn told_apart_by(&self) -> &'static str {
        ""
    }

    /// Whether requests with these settings and with `other` ones count against the same limit of the
    /// provider.
    fn shares_account_with(&self, other: &dyn ProviderSettings) -> bool;

    /// Builds the provider, which shares the pauses of `account`. No request is sent.
    fn build<'a>(&'a self, account: &'a Account) -> Building<'a>;

    /// Returns the name for the operator.
    fn name(&self) -> &'static str {
        self.kind().name
    }

    /// Returns the declared capabilities.
    fn capabilities(&self) -> Capabilities {
        self.kind().capabilities
    }

    /// Returns the name on the command line and in metrics.
    fn word(&self) -> &'static str {
        self.kind().kind
    }
}

/// A zone with its provider.
#[derive(Debug, Clone)]
pub(crate) struct ZoneConfig {
    /// The name of the zone in the configuration.
    pub name: String,
    /// The provider of the records.
    pub provider: Arc<dyn ProviderSettings>,
    /// The services that are published in the zone.
    pub services: BTreeMap<ServiceId, PublishedService>,
    /// The pauses of all zones with the same credentials.
    pub account: Account,
    /// Whether nothing is written at the provider.
    pub dry_run: bool,
    /// Whether other agents manage the same records.
    pub shared: bool,
    /// The proof of effect; `None` if it is off.
    pub confirm: Option<ConfirmSettings>,
}

impl ZoneConfig {
    /// Returns the name for people: `None` for the zone of a file that names none.
    pub(crate) fn shown_name(&self) -> Option<&str> {
        Some(self.name.as_str()).filter(|name| *name != "default")
    }

    /// Returns the owner names of each service.
    pub(crate) fn names(&self) -> ServiceNames {
        self.services.iter().map(|(id, service)| (*id, service.names.clone())).collect()
    }
}

/// The content of a zone that belongs to one service.
#[derive(Debug, Clone)]
pub(crate) struct PublishedService {
    /// The owner names.
    pub names: Vec<String>,
    /// The watched addresses.
    pub targets: Vec<IpAddr>,
    /// The addresses that serve if those are down.
    pub standbys: Vec<IpAddr>,
}

impl PublishedService {
    /// Iterates over all addresses.
    pub(crate) fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        self.targets.iter().chain(&self.standbys).copied()
    }
}

/// All kinds of providers.
pub(crate) const PROVIDERS: [ProviderKind; 4] =
    [cloudflare::KIND, route53::KIND, rfc2136::KIND, webhook::KIND];

/// Maximum time to build a provider. It reads files, and a file system may hang.
const MAX_BUILD: Duration = Duration::from_secs(15);

/// The reason why a provider could not be built. Nothing was sent.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The provider could not be built, for example because its HTTP client cannot be set up.
    #[error(transparent)]
    Failed(#[from] ProviderCause),
    /// The files of the provider could not be read in time.
    #[error("what the DNS provider needs could not be read within {} s", MAX_BUILD.as_secs())]
    TimedOut,
}

/// Builds the provider of `zone`. Its calls have a time limit, and in dry-run it cannot write. No
/// request is sent.
///
/// # Errors
///
/// Fails if the provider cannot be built, for example because its HTTP client cannot be set up.
pub(crate) async fn build(zone: &ZoneConfig) -> Result<Box<dyn DnsProvider>, BuildError> {
    let provider = Box::new(Deadline::new(zone.provider.build(&zone.account).await?));
    if !zone.dry_run {
        return Ok(provider);
    }
    let mut dry_run = DryRun::new(provider).named(zone.shown_name());
    for PublishedService { names, targets, .. } in zone.services.values() {
        dry_run = dry_run.publishing(names, targets);
    }
    Ok(Box::new(dry_run))
}

/// Builds the provider of `zone` within a time limit; see [`build`].
///
/// # Errors
///
/// Fails as [`build`] does, or with [`BuildError::TimedOut`].
pub(crate) async fn build_in_time(zone: &ZoneConfig) -> Result<Box<dyn DnsProvider>, BuildError> {
    let built = tokio::time::timeout(MAX_BUILD, Box::pin(build(zone))).await;
    built.unwrap_or(Err(BuildError::TimedOut))
}
