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
use serde_json::{Map, Value};

use crate::engine::place::{Parts, Place};
use crate::engine::plan::{Family, Observed, SetKey};

/// What a record carries beside its name, type and address: all that restoring must bring back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attributes {
    /// Time to live in seconds; at Cloudflare 1 means automatic.
    pub ttl: u32,
    /// What only one provider knows.
    pub extra: Extra,
}

impl Attributes {
    /// The clients that get the record, if it depends on their place.
    fn place(&self) -> Option<Place> {
        let Extra::Route53(Route53Set {
            routing: Routing::Geo { continent, country, subdivision },
            ..
        }) = &self.extra
        else {
            return None;
        };
        Some(Place::new(continent.as_deref(), country.as_deref(), subdivision.as_deref()))
    }
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
        /// Every other field that may be sent, as the API shows it: `settings`, what the API has
        /// grown since, and a field above whose value is of an unexpected type.
        #[serde(default, skip_serializing_if = "Map::is_empty")]
        other_fields: Map<String, Value>,
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
/// Complete or not there at all: a listing that broke off is an error, never a shorter listing. What
/// is wrong with one record set alone (an alias, a CNAME in its place, a routing policy that cannot be
/// edited, a value that is no address) is no error of the listing: that set is left out by
/// [`Listing::leave_out`], and all others are listed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Listing {
    /// Records by set, in the provider's order. A set without records may be absent.
    pub sets: BTreeMap<SetKey, Vec<Record>>,
    /// The sets that could not be listed, or cannot be edited, and why: a whole sentence for people
    /// that names the set, without secrets. None of them has an entry in `sets`. Nothing is planned
    /// there until a listing has it without such an entry.
    pub unfit: BTreeMap<SetKey, String>,
    /// What is wrong with the zone as a whole though its records can be read and changed: a whole
    /// sentence for people that names the zone.
    pub caution: Option<String>,
}

impl Listing {
    /// The addresses alone, as planning wants them.
    pub fn observed(&self) -> Observed {
        let addresses = |records: &Vec<Record>| records.iter().map(|r| r.address).collect();
        let sets = self.sets.iter().map(|(key, records)| (key.clone(), addresses(records)));
        let mut parts: BTreeMap<SetKey, Parts> = BTreeMap::new();
        for (key, record) in self.sets.iter().flat_map(|(k, all)| all.iter().map(move |r| (k, r))) {
            if let Some(place) = record.attributes.place() {
                let part = parts.entry(key.clone()).or_default().entry(place).or_default();
                part.insert(record.address);
            }
        }
        let (unfit, caution) = (self.unfit.clone(), self.caution.clone());
        Observed { sets: sets.collect(), unfit, parts, caution, ..Observed::default() }
    }

    /// Leaves one set out, with all that was listed of it already. The first reason stands.
    pub fn leave_out(&mut self, set: SetKey, why: impl std::fmt::Display) {
        self.sets.remove(&set);
        self.unfit.entry(set).or_insert_with(|| why.to_string());
    }

    /// Leaves both sets of an owner name out.
    pub fn leave_out_name(&mut self, name: &str, why: impl std::fmt::Display) {
        for family in [Family::A, Family::Aaaa] {
            self.leave_out(SetKey { name: name.to_owned(), family }, &why);
        }
    }

    /// Adds a record to a set, unless the set is left out.
    pub fn add(&mut self, set: SetKey, record: Record) {
        if !self.unfit.contains_key(&set) {
            self.sets.entry(set).or_default().push(record);
        }
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
    /// The provider said no to whatever would be asked in this zone: credentials, permissions or a
    /// zone that is not there. Nothing changed, and another change would get the same answer.
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
    /// The provider will not make this very change, for what is in it: a record that may not be so,
    /// a quota, a name that these credentials may not touch, a health check that is gone. Nothing
    /// changed; another change may pass, and so may a part of this one. The caller tries the sets one
    /// by one.
    #[error("{provider} rejected: {what}")]
    Rejected {
        /// Whom we asked.
        provider: &'static str,
        /// What we asked.
        what: String,
        /// The sets that the provider named as the cause, if it did: the others are then tried
        /// together first. Empty if it did not say.
        culprits: Vec<SetKey>,
        /// Why.
        #[source]
        source: Cause,
    },
    /// A part of the change is in force and confirmed; the rest is not, for the reason within. What
    /// that reason says about "nothing changed" is about the rest.
    #[error("a part of the change is in force, the rest is not")]
    Partly {
        /// What is in force. Never all of the change, never nothing.
        done: Changes,
        /// What became of the rest; never another [`ProviderError::Partly`].
        #[source]
        rest: Box<ProviderError>,
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
    /// The provider says that a record to be created is there, or that one to be deleted is gone, and
    /// so changed nothing. List and plan again; if the listing still says otherwise, it is the older
    /// of the two, and the change counts as done.
    #[error("{provider} did not {what}, for it says that this is so already")]
    Already {
        /// Whom we asked.
        provider: &'static str,
        /// What we asked.
        what: String,
        /// Why.
        #[source]
        source: Cause,
    },
    /// The change was revoked before the request for it was sent, so nothing changed.
    #[error("{what} was revoked before the request was sent to {provider}")]
    Revoked {
        /// The provider that would have been asked.
        provider: &'static str,
        /// What would have been asked.
        what: String,
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

/// Tells a provider, between two requests of one change, whether it may go on.
#[derive(Clone, Copy, Default)]
pub struct Permit<'a>(Option<&'a (dyn Fn(IpAddr) -> bool + Send + Sync)>);

impl<'a> Permit<'a> {
    /// A permit for the addresses about which `stands` returns true.
    pub fn new(stands: &'a (dyn Fn(IpAddr) -> bool + Send + Sync)) -> Self {
        Self(Some(stands))
    }

    /// Whether the change of all these addresses still stands.
    pub fn covers(self, mut addresses: impl Iterator<Item = IpAddr>) -> bool {
        self.0.is_none_or(|stands| addresses.all(stands))
    }
}

impl std::fmt::Debug for Permit<'_> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(if self.0.is_some() { "Permit(asked)" } else { "Permit(everything)" })
    }
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
    ///
    /// Where it takes several requests, sets that gain a record and withdrawals are in no need of one
    /// another: a part that is rejected does not stop the parts after it, unless those would leave the
    /// same set emptier than planned. What is in force then is told by [`ProviderError::Partly`].
    ///
    /// `permit` is asked before each request after the first, since the state of an address may have
    /// changed by then. If it does not cover what the request would change, nothing more is sent and
    /// the rest fails with [`ProviderError::Revoked`].
    fn apply_while(
        &self,
        listing: &Listing,
        changes: &Changes,
        permit: Permit<'_>,
    ) -> impl Future<Output = Result<(), ProviderError>> + Send;

    /// The changes of the last call of [`apply_while`](Self::apply_while) that were not made by it, since
    /// the provider says that they are in force already. Its listing may go on saying otherwise for a
    /// while. Each is handed out once.
    fn said_to_be_so(&self) -> Vec<(SetKey, IpAddr)> {
        Vec::new()
    }

    /// Carries out `changes` as [`apply_while`](Self::apply_while) does, with nothing that could be
    /// revoked in between.
    fn apply(
        &self,
        listing: &Listing,
        changes: &Changes,
    ) -> impl Future<Output = Result<(), ProviderError>> + Send {
        self.apply_while(listing, changes, Permit::default())
    }
}

/// A provider that comes after another one, as at a reload.
pub trait Successor: Sized {
    /// Takes over what `before` had learnt of the zone, as far as that holds for this one too.
    /// Returns whether it speaks of the same zone in the same way, so that what was read through
    /// `before` a moment ago needs not be read again.
    fn succeed(&mut self, before: Self) -> bool;
}
