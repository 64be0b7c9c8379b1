//! The records of a zone, as `goavail plan` shows them.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::Serialize;

use crate::dns::providers::route53::preview::member;
use crate::dns::{Attributes, Extra, Listing};
use crate::engine::plan::SetKey;

/// One record of the zone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct ComparedRecord {
    /// Time to live in seconds; at Cloudflare 1 means automatic.
    pub ttl: u32,
    /// Whether Cloudflare answers with its own addresses; null elsewhere.
    pub proxied: Option<bool>,
    /// The identifier of its set among several Route 53 sets of one name and type; null elsewhere.
    pub set_identifier: Option<String>,
    /// The routing policy between those sets, by its name in the Route 53 API; null elsewhere and on a
    /// simple set.
    pub routing: Option<&'static str>,
}

/// The records of each set, by address.
pub(super) type There = BTreeMap<SetKey, BTreeMap<IpAddr, Vec<ComparedRecord>>>;

/// Returns the records of each set of a listing, by address.
pub(super) fn there(listing: &Listing) -> There {
    let mut there = There::new();
    for (key, records) in &listing.sets {
        let set = there.entry(key.clone()).or_default();
        for record in records {
            let records = set.entry(record.address).or_default();
            records.extend(ComparedRecord::all_of(&record.attributes));
        }
    }
    there
}

impl ComparedRecord {
    /// Returns a listed record: one for each Route 53 set that holds the address.
    fn all_of(attributes: &Attributes) -> Vec<Self> {
        let mut record =
            Self { ttl: attributes.ttl, proxied: None, set_identifier: None, routing: None };
        let mut others = Vec::new();
        match &attributes.extra {
            Extra::None | Extra::Webhook { .. } => {}
            Extra::Cloudflare { proxied, .. } => record.proxied = Some(*proxied),
            Extra::Route53(set) => {
                record.set_identifier.clone_from(&set.set_identifier);
                record.routing = member(&set.routing);
                others.extend(set.also_in.iter().flat_map(Self::all_of));
            }
        }
        others.insert(0, record);
        others
    }
}
