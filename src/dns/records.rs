//! Records, listings and changes, in the form that all providers share.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::engine::ids::ServiceId;
use crate::engine::place::{Parts, Place};
use crate::engine::plan::{Family, Observed, SetKey};

/// The settings of a record beside its name, type and address; a restored record gets them back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attributes {
    /// Time to live in seconds; at Cloudflare 1 means automatic.
    pub ttl: u32,
    /// The settings that are specific to one provider.
    pub extra: Extra,
}

impl Attributes {
    /// Returns the settings for another address that takes the place of this one; `None` if the
    /// provider has to choose. A health check at Route 53 asks one address, and a multivalue answer
    /// holds one. The primary set of a failover pair has to have one (`ResourceRecordSet` in the API
    /// reference, `Failover`).
    pub(crate) fn for_another_address(&self) -> Option<Self> {
        let mut other = self.clone();
        let Extra::Route53(set) = &mut other.extra else { return Some(other) };
        if set.routing == Routing::MultiValue {
            return None;
        }
        set.lose_health_check();
        for also in &mut set.also_in {
            if let Extra::Route53(set) = &mut also.extra {
                set.lose_health_check();
            }
        }
        Some(other)
    }

    /// Returns the location of the clients that receive the record, if it depends on that.
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
    /// No further settings.
    None,
    /// Cloudflare's settings of one record.
    Cloudflare {
        /// Whether Cloudflare answers with its own addresses and forwards.
        proxied: bool,
        /// The operator's note.
        comment: Option<String>,
        /// The operator's tags, each as `name:value`.
        tags: Vec<String>,
        /// Every other field that may be sent, as the API shows it: `settings`, fields that are new
        /// in the API, and a field above with a value of an unexpected type.
        #[serde(default, skip_serializing_if = "Map::is_empty")]
        other_fields: Map<String, Value>,
    },
    /// The settings of the Route 53 record set that contains the address.
    Route53(Route53Set),
    /// The endpoint of a webhook that contains the address.
    Webhook {
        /// Every field but the type, the TTL and the targets, as the webhook lists it.
        fields: Map<String, Value>,
    },
}

/// The settings of a Route 53 record set, beside its name, type, TTL and values.
///
/// Source: the `ResourceRecordSet` data type of the Route 53 API reference.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Route53Set {
    /// Distinguishes the sets of one name and type; absent on a simple set.
    pub set_identifier: Option<String>,
    /// The routing policy, by which Route 53 selects one of the sets of one name and type.
    pub routing: Routing,
    /// The health check that the set is tied to.
    pub health_check_id: Option<String>,
    /// The other sets of this name and type that contain the same address, such as the set of one
    /// location and the default set. The memory of one of them restores all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub also_in: Vec<Attributes>,
}

impl Route53Set {
    /// Removes the health check, unless the set has to have one.
    fn lose_health_check(&mut self) {
        if !matches!(self.routing, Routing::Failover(_)) {
            self.health_check_id = None;
        }
    }
}

/// The routing policy of a Route 53 record set.
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
    /// `PRIMARY` or `SECONDARY`, as the role of the set.
    Failover(String),
    /// By the location of the client.
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
    /// The address of the record.
    pub address: IpAddr,
    /// The provider's identifier of the record; empty if the provider has none.
    pub id: String,
    /// The other settings of the record.
    pub attributes: Attributes,
}

/// Every address record at the managed names, foreign ones and duplicates included.
///
/// A listing is complete: one that broke off is an error and never a shorter listing. A problem of a
/// single record set (an alias, a CNAME in its place, an unsupported routing policy, a value that is
/// not an address) is not an error of the listing: [`Listing::leave_out`] omits that set, and all
/// others are listed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Listing {
    /// Records by set, in the provider's order. A set without records may be absent.
    pub sets: BTreeMap<SetKey, Vec<Record>>,
    /// The sets that could not be listed or cannot be edited, with the reason: a whole sentence for
    /// people that names the set, without secrets. None of them has an entry in `sets`. Nothing is
    /// planned for such a set until a later listing includes it.
    pub unfit: BTreeMap<SetKey, String>,
    /// A problem of the whole zone that does not prevent reading and changing its records: a whole
    /// sentence for people that names the zone.
    pub caution: Option<String>,
}

impl Listing {
    /// Returns the addresses alone, as planning requires them.
    pub fn observed(&self) -> Observed {
        let mut sets = BTreeMap::new();
        let mut parts: BTreeMap<SetKey, Parts> = BTreeMap::new();
        for (key, records) in &self.sets {
            sets.insert(key.clone(), records.iter().map(|record| record.address).collect());
            for record in records {
                if let Some(place) = record.attributes.place() {
                    let part = parts.entry(key.clone()).or_default().entry(place).or_default();
                    part.insert(record.address);
                }
            }
        }
        let (unfit, caution) = (self.unfit.clone(), self.caution.clone());
        Observed { sets, unfit, parts, caution, ..Observed::default() }
    }

    /// Omits one set, including the records listed so far. The first reason is kept.
    pub fn leave_out(&mut self, set: SetKey, why: impl fmt::Display) {
        self.sets.remove(&set);
        self.unfit.entry(set).or_insert_with(|| why.to_string());
    }

    /// Omits both sets of an owner name.
    pub fn leave_out_name(&mut self, name: &str, why: impl fmt::Display) {
        for family in [Family::A, Family::Aaaa] {
            self.leave_out(SetKey { name: name.to_owned(), family }, &why);
        }
    }

    /// Adds a record to a set, unless the set is omitted.
    pub fn add(&mut self, set: SetKey, record: Record) {
        if !self.unfit.contains_key(&set) {
            self.sets.entry(set).or_default().push(record);
        }
    }
}

/// An address in a record set: the place of a record.
pub(crate) type Placement = (SetKey, IpAddr);

/// The owner names of each service in a zone.
pub type ServiceNames = BTreeMap<ServiceId, Vec<String>>;

/// A record to be created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRecord {
    /// The set that receives the record.
    pub set: SetKey,
    /// The address of the record.
    pub address: IpAddr,
    /// The settings that the record had when it was withdrawn; `None` if they are not known, and
    /// then the settings of the configuration are used.
    pub attributes: Option<Attributes>,
}

/// Changes to the records of one zone, carried out together.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RecordChanges {
    /// Records to create; no two with the same set and address.
    pub create: Vec<NewRecord>,
    /// Records to delete, each as it was listed.
    pub delete: Vec<(SetKey, Record)>,
}

impl RecordChanges {
    /// Whether there is nothing to change.
    pub fn is_empty(&self) -> bool {
        self.create.is_empty() && self.delete.is_empty()
    }

    /// Describes the changes as a verb and its object: `withdraw 192.0.2.10 from www.example.com`.
    pub(crate) fn in_words(&self) -> String {
        let gone = self.delete.iter().map(|(set, record)| (record.address, set.name.as_str()));
        let back = self.create.iter().map(|new| (new.address, new.set.name.as_str()));
        let parts = [phrase("withdraw", "from", gone), phrase("restore", "to", back)];
        parts.into_iter().flatten().collect::<Vec<_>>().join(" and ")
    }
}

fn phrase<'a>(
    verb: &str,
    preposition: &str,
    records: impl Iterator<Item = (IpAddr, &'a str)>,
) -> Option<String> {
    let (addresses, names): (BTreeSet<_>, BTreeSet<_>) = records.unzip();
    let address = match addresses.len() {
        0 => return None,
        1 => addresses.first()?.to_string(),
        several => format!("{several} addresses"),
    };
    let name = match names.len() {
        1 => (*names.first()?).to_owned(),
        several => format!("{several} names"),
    };
    Some(format!("{verb} {address} {preposition} {name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(name: &str) -> SetKey {
        SetKey { name: name.to_owned(), family: Family::A }
    }

    fn new(name: &str, address: &str) -> NewRecord {
        NewRecord { set: set(name), address: address.parse().unwrap(), attributes: None }
    }

    fn old(name: &str, address: &str) -> (SetKey, Record) {
        let attributes = Attributes { ttl: 1, extra: Extra::None };
        let (address, id) = (address.parse().unwrap(), String::new());
        (set(name), Record { address, id, attributes })
    }

    #[test]
    fn changes_are_described_as_a_verb_and_its_object() {
        let cases = [
            ("one", vec![], vec![("a", "192.0.2.1")], "withdraw 192.0.2.1 from a"),
            (
                "duplicates count once",
                vec![],
                vec![("a", "192.0.2.1"), ("a", "192.0.2.1")],
                "withdraw 192.0.2.1 from a",
            ),
            (
                "several names and both ways",
                vec![("a", "192.0.2.2")],
                vec![("a", "192.0.2.1"), ("b", "192.0.2.1")],
                "withdraw 192.0.2.1 from 2 names and restore 192.0.2.2 to a",
            ),
            (
                "several addresses",
                vec![("a", "192.0.2.2"), ("b", "192.0.2.3")],
                vec![],
                "restore 2 addresses to 2 names",
            ),
        ];
        for (name, create, delete, want) in cases {
            let create = create.iter().map(|(name, ip)| new(name, ip)).collect();
            let delete = delete.iter().map(|(name, ip)| old(name, ip)).collect();
            assert_eq!(RecordChanges { create, delete }.in_words(), want, "{name}");
        }
    }
}
