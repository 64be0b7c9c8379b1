//! The requests to Route 53 for a change, as whole sets for people to read.

use serde::Serialize;

use super::edit;
use super::sets::{self, AddressSpellings, RecordSet};
use crate::dns::{BySet, Listing, RecordChanges, Routing};

/// One `Change` of a request: a set that is deleted exactly as it was listed, or created.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Sent {
    /// `DELETE` or `CREATE`.
    pub action: &'static str,
    /// The owner name.
    pub name: String,
    /// `A` or `AAAA`.
    pub r#type: String,
    /// The identifier, which distinguishes sets of one name and type; null on a simple one.
    pub set_identifier: Option<String>,
    /// The routing policy by its name in Route 53's API; null on a simple set.
    pub routing: Option<&'static str>,
    /// Time to live in seconds.
    pub ttl: u32,
    /// All values of the set.
    pub values: Vec<String>,
}

/// The requests of a change, and the addresses left out of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Preview {
    /// The sets in the order of the requests.
    pub sends: Vec<Sent>,
    /// Addresses that can only be added to a remembered set, each with its place in words.
    pub needs_memory: Vec<String>,
}

/// Returns the requests for `changes`, which were planned from `listing`; `ttls` are the
/// configured ones, in seconds.
pub(crate) fn preview(listing: &Listing, changes: &RecordChanges, ttls: &BySet<u32>) -> Preview {
    let (edits, unknown_homes) = edit::edits(listing, changes, ttls);
    let mut sends = Vec::new();
    for edit in &edits {
        sends.extend(edit.before.iter().map(|set| Sent::new("DELETE", set)));
        sends.extend(edit.after.iter().map(|set| Sent::new("CREATE", set)));
    }
    let needs_memory =
        unknown_homes.iter().map(|left_out| format!("{} {}", left_out.key, left_out.address));
    Preview { sends, needs_memory: needs_memory.collect() }
}

impl Sent {
    fn new(action: &'static str, set: &RecordSet) -> Self {
        Self {
            action,
            name: set.key.name.clone(),
            r#type: set.key.family.to_string(),
            set_identifier: set.settings.set_identifier.clone(),
            routing: member(&set.settings.routing),
            ttl: set.ttl,
            values: sets::texts(set, &AddressSpellings::new()),
        }
    }
}

/// Returns the name of a routing policy's member in Route 53's `ResourceRecordSet`.
pub(crate) fn member(routing: &Routing) -> Option<&'static str> {
    match routing {
        Routing::Simple => None,
        Routing::MultiValue => Some("MultiValueAnswer"),
        Routing::Weighted(_) => Some("Weight"),
        Routing::Latency(_) => Some("Region"),
        Routing::Failover(_) => Some("Failover"),
        Routing::Geo { .. } => Some("GeoLocation"),
    }
}
