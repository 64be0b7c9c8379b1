//! Reading and changing the records of a zone: what every DNS provider does here.
//!
//! A provider lists the address records at the managed names and carries out changes. It decides
//! nothing: which records go is worked out by [`crate::engine::plan`], and retrying is the
//! worker's.

mod backoff;
pub mod chosen;
pub mod cloudflare;
pub mod dry_run;
pub mod memory;
pub mod metered;
pub mod route53;
pub mod worker;

use std::collections::BTreeMap;
use std::future::Future;
use std::net::IpAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::engine::plan::{Observed, SetKey};

/// What a record carries beside its name, type and address: all that restoring must bring back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attributes {
    /// Time to live in seconds; at Cloudflare 1 means automatic.
    pub ttl: u32,
    /// What only one provider knows.
    pub extra: Extra,
}

/// The part of [`Attributes`] that differs between providers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Extra {
    /// Nothing more.
    None,
    /// Cloudflare's settings of one record.
    Cloudflare {
        /// Whether Cloudflare answers with its own addresses and forwards.
        proxied: bool,
        /// The operator's note.
        comment: Option<String>,
        /// The operator's tags, `name:value`.
        tags: Vec<String>,
    },
    /// The settings of the Route 53 record set that the address is a value of.
    Route53(Route53Set),
}

/// The settings of a Route 53 record set, beside its name, type, TTL and values.
///
/// Source: the `ResourceRecordSet` data type of the Route 53 API reference.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Route53Set {
    /// Tells apart the sets of one name and type; absent on a simple set.
    pub set_identifier: Option<String>,
    /// How Route 53 chooses between the sets of one name and type.
    pub routing: Routing,
    /// The health check that the set is tied to.
    pub health_check_id: Option<String>,
    /// The other sets of this name and type that hold the same address (a geolocation's own set and
    /// the default one, say), so that whichever of them is remembered brings all of them back.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub also_in: Vec<Attributes>,
}

/// How Route 53 chooses between the sets of one name and type.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Routing {
    /// One set, all its values.
    #[default]
    Simple,
    /// Up to eight healthy values at random.
    MultiValue,
    /// By weight, 0–255.
    Weighted(i64),
    /// By the lowest latency; the AWS region's name.
    Latency(String),
    /// `PRIMARY` or `SECONDARY`.
    Failover(String),
    /// By the place of the one who asks.
    Geo {
        /// Two-letter code of the continent.
        continent: Option<String>,
        /// Two-letter code of the country, or `*`.
        country: Option<String>,
        /// Code of the subdivision.
        subdivision: Option<String>,
    },
}

/// One address record as the provider lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The address.
    pub address: IpAddr,
    /// What the provider calls the record; empty where it has no such name.
    pub id: String,
    /// What else it carries.
    pub attributes: Attributes,
}

/// Every address record at the managed names, foreign ones and duplicates included.
///
/// Complete or not there at all: a listing that broke off is an error, never a shorter listing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Listing {
    /// Records by set, in the provider's order. A set without records may be absent.
    pub sets: BTreeMap<SetKey, Vec<Record>>,
}

impl Listing {
    /// The addresses alone, as planning wants them.
    pub fn observed(&self) -> Observed {
        let addresses = |records: &Vec<Record>| records.iter().map(|r| r.address).collect();
        self.sets.iter().map(|(key, records)| (key.clone(), addresses(records))).collect()
    }
}

/// A record that is to be created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRecord {
    /// Where.
    pub set: SetKey,
    /// What.
    pub address: IpAddr,
    /// What it carried when it was withdrawn; `None` if that is not known, and then the
    /// configuration's settings are used.
    pub attributes: Option<Attributes>,
}

/// Changes to the records of one zone, carried out together.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Changes {
    /// Records to create; no two with the same set and address.
    pub create: Vec<NewRecord>,
    /// Records to delete, each as it was listed.
    pub delete: Vec<(SetKey, Record)>,
}

impl Changes {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.create.is_empty() && self.delete.is_empty()
    }
}

/// The provider's own words, or the transport's.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Why a provider call did not do what it was asked.
///
/// Split by what the caller may do next, not by status code. Nothing in it holds a secret.
#[derive(Debug, thiserror::Error)]
pub enum ProviderError {
    /// The provider said no: credentials, permissions or a zone that is not there. Nothing
    /// changed, and asking again soon gets the same answer.
    #[error("{provider} refused to {what}")]
    Refused {
        /// Whom we asked, as the operator names it.
        provider: &'static str,
        /// What we asked, as a verb and its object: `list the records of example.com`.
        what: String,
        /// Why.
        #[source]
        source: Cause,
    },
    /// Nothing changed, and asking later may work: no connection, a server error, a limit.
    #[error("{provider} could not {what}")]
    Unavailable {
        /// Whom we asked.
        provider: &'static str,
        /// What we asked.
        what: String,
        /// How long the provider wants to be left alone.
        retry_after: Option<Duration>,
        /// Why.
        #[source]
        source: Cause,
    },
    /// The request left but its answer did not come back: the change may be in force or not.
    /// List again before deciding anything.
    #[error("could not confirm that {provider} did {what}; the change may be in force or not")]
    Unconfirmed {
        /// Whom we asked.
        provider: &'static str,
        /// What we asked.
        what: String,
        /// Why.
        #[source]
        source: Cause,
    },
    /// The zone is no longer as it was listed, so nothing was changed. List and plan again.
    #[error("{provider} did not {what}, for the zone had changed meanwhile")]
    Changed {
        /// Whom we asked.
        provider: &'static str,
        /// What we asked.
        what: String,
        /// Why.
        #[source]
        source: Cause,
    },
}

/// Reads and changes the address records at the managed names of one zone.
///
/// Each call makes one attempt and gives up by itself (5 s to connect, 10 s in all); retrying is
/// the caller's. Calls never overlap.
pub trait DnsProvider: Send + Sync + 'static {
    /// The provider as the operator names it: `Cloudflare`.
    fn name(&self) -> &'static str;

    /// Every address record at the managed names now.
    fn list(&self) -> impl Future<Output = Result<Listing, ProviderError>> + Send;

    /// Carries out `changes`, which were planned from `listing`, all or nothing where the
    /// provider can. Doing it twice is the same as once.
    fn apply(
        &self,
        listing: &Listing,
        changes: &Changes,
    ) -> impl Future<Output = Result<(), ProviderError>> + Send;
}

/// A provider that comes after another one, as at a reload.
pub trait Successor: Sized {
    /// Takes over what `before` had learnt of the zone, as far as that holds for this one too.
    /// Returns whether it speaks of the same zone in the same way, so that what was read through
    /// `before` a moment ago needs not be read again.
    fn succeed(&mut self, before: Self) -> bool;
}
