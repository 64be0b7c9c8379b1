//! The reading of one answer of a name server: the addresses that it shows, or the reason why it shows
//! nothing.

use std::collections::BTreeSet;
use std::net::IpAddr;

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::{Name, RData, Record};

use super::change::ChangeKind;
use crate::dns::message::rcode::rcode_word;
use crate::engine::plan::Family;
use crate::text::first_few;

/// Maximum number of addresses that a description names.
const NAMED: usize = 3;

/// The content of one answer about a record set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Sighting {
    /// An authoritative answer, with the addresses of the set.
    Addresses(SeenSet),
    /// No answer that counts, in words.
    Nothing(String),
    /// This machine could not ask, in words.
    Fault(String),
}

/// A record set as a name server shows it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct SeenSet {
    /// The addresses of the set.
    pub(crate) addresses: BTreeSet<IpAddr>,
    /// Whether the name exists.
    pub(crate) name_exists: bool,
    /// Time in seconds for which caches may keep the answer that the set is empty.
    pub(crate) negative_ttl: Option<u32>,
}

impl Sighting {
    /// Whether the answer shows that the address was changed.
    pub(crate) fn shows(&self, address: IpAddr, kind: ChangeKind) -> bool {
        match self {
            Self::Addresses(seen) => seen.addresses.contains(&address) == kind.is_present(),
            Self::Nothing(_) | Self::Fault(_) => false,
        }
    }

    /// Describes an answer that does not show a change of the address, for a set of this family.
    pub(crate) fn instead(&self, address: IpAddr, family: Family) -> String {
        match self {
            Self::Nothing(why) | Self::Fault(why) => why.clone(),
            Self::Addresses(seen) if seen.addresses.contains(&address) => {
                format!("still {address}")
            }
            Self::Addresses(seen) if !seen.name_exists => "no such name".to_owned(),
            Self::Addresses(seen) if seen.addresses.is_empty() => format!("no {family} record"),
            Self::Addresses(seen) => {
                let others: Vec<&IpAddr> = seen.addresses.iter().collect();
                format!("only {}", first_few(&others, NAMED, ", "))
            }
        }
    }
}

/// Reads an answer to the question for the set of `family` at `name`. An answer counts only if the server
/// is authoritative for it. Source: RFC 1035, 4.1.1; RFC 2308, 2.
pub(crate) fn sighting(name: &Name, family: Family, message: &Message) -> Sighting {
    let code = message.metadata.response_code;
    if !matches!(code, ResponseCode::NoError | ResponseCode::NXDomain) {
        return Sighting::Nothing(rcode_word(code));
    }
    if !message.metadata.authoritative {
        return Sighting::Nothing(not_authoritative(message));
    }
    let at_name: Vec<&Record> =
        message.answers.iter().filter(|record| record.name == *name).collect();
    for record in &at_name {
        if let RData::CNAME(target) = &record.data {
            return Sighting::Nothing(format!("an alias for {}", target.0));
        }
    }
    let mut seen = SeenSet { name_exists: code == ResponseCode::NoError, ..SeenSet::default() };
    for record in at_name {
        let address = match (&record.data, family) {
            (RData::A(address), Family::A) => IpAddr::V4(address.0),
            (RData::AAAA(address), Family::Aaaa) => IpAddr::V6(address.0),
            _ => continue,
        };
        seen.addresses.insert(address);
    }
    if seen.addresses.is_empty() {
        seen.negative_ttl = negative_ttl(message);
    }
    Sighting::Addresses(seen)
}

/// Returns the time for which caches may keep a negative answer. Source: RFC 2308, 5.
fn negative_ttl(message: &Message) -> Option<u32> {
    message.authorities.iter().find_map(|record| match &record.data {
        RData::SOA(soa) => Some(record.ttl.min(soa.minimum)),
        _ => None,
    })
}

/// Describes an answer of a server that is not authoritative.
fn not_authoritative(message: &Message) -> String {
    let refers = message.authorities.iter().any(|record| matches!(record.data, RData::NS(_)));
    if message.answers.is_empty() && refers {
        "a referral to other name servers, since it is not authoritative".to_owned()
    } else {
        "an answer that is not authoritative".to_owned()
    }
}

#[cfg(test)]
mod tests;
