//! Record sets, in Route 53's format and as records with their attributes.

use std::collections::HashMap;
use std::net::IpAddr;

use aws_sdk_route53::error::BuildError;
use aws_sdk_route53::types::{AliasTarget, GeoLocation, ResourceRecord, ResourceRecordSet, RrType};

use crate::dns::{Attributes, Extra, Record, Route53Set, Routing};
use crate::engine::plan::{Family, SetKey};

/// One record set: the unit that Route 53 creates and deletes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RecordSet {
    /// Name and type. Several sets may share them; their identifiers differ.
    pub(super) key: SetKey,
    /// Time to live in seconds.
    pub(super) ttl: u32,
    /// Identifier, routing and health check; `also_in` is always empty here.
    pub(super) settings: Route53Set,
    /// The values, in Route 53's order. Empty only during the planning of a change.
    pub(super) addresses: Vec<IpAddr>,
}

impl RecordSet {
    /// Returns the id of every record of this set: the identifier, or nothing for a simple set.
    pub(super) fn id(&self) -> &str {
        self.settings.set_identifier.as_deref().unwrap_or_default()
    }

    /// Returns the set's settings, as the attributes of its records.
    pub(super) fn attributes(&self) -> Attributes {
        Attributes { ttl: self.ttl, extra: Extra::Route53(self.settings.clone()) }
    }
}

/// The spellings of addresses in Route 53 that differ from Rust's (`2001:DB8::1`): a set is deleted
/// only by its exact values. Several, if a set contains one address in several spellings.
pub(super) type AddressSpellings = HashMap<(SetKey, String, IpAddr), Vec<String>>;

/// The reason why a record set at a managed name cannot be edited.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unfit {
    #[error("{0} is an alias of {1}: only sets that hold addresses can be managed")]
    Alias(SetKey, String),
    #[error("{0} uses {1}, which cannot be managed")]
    Routing(SetKey, &'static str),
    #[error("{0} holds `{1}`, which is no address of its type")]
    Value(SetKey, String),
    #[error("{0} has no time to live from 0 to 2147483647 seconds")]
    Ttl(SetKey),
    #[error("{0} is a CNAME of {1}: no address can be published beside it (RFC 1034)")]
    Cname(String, String),
}

impl Unfit {
    /// Returns the set; `None` if the reason concerns both sets of the name.
    pub(super) fn set(&self) -> Option<&SetKey> {
        match self {
            Self::Alias(set, _) | Self::Routing(set, _) | Self::Value(set, _) | Self::Ttl(set) => {
                Some(set)
            }
            Self::Cname(..) => None,
        }
    }

    /// Returns the owner name.
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Cname(name, _) => name,
            other => other.set().map_or("", |set| &set.name),
        }
    }
}

/// Converts a listed name to the form of the configuration: without escapes, in lower case, without
/// the final dot.
///
/// Source: "DNS domain name format" in the Route 53 developer guide: a character other than a
/// letter, a digit, `-`, `_` or `.` is listed as a backslash and three octal digits, even `*`.
pub(super) fn plain_name(listed: &str) -> String {
    let mut name = String::with_capacity(listed.len());
    let mut rest = listed.strip_suffix('.').unwrap_or(listed);
    while let Some(at) = rest.find('\\') {
        name.push_str(&rest[..at]);
        let code = rest.get(at + 1..at + 4).and_then(|octal| u8::from_str_radix(octal, 8).ok());
        // A character that is not printable stays escaped, because no managed name contains it.
        let printable = code.filter(u8::is_ascii_graphic);
        name.push(printable.map_or('\\', char::from));
        let taken = if printable.is_some() { 4 } else { 1 };
        rest = &rest[at + taken..];
    }
    name.push_str(rest);
    name.make_ascii_lowercase();
    name
}

/// Returns the name and the type of a set of addresses; `None` for every other type.
fn key_of(set: &ResourceRecordSet) -> Option<SetKey> {
    let family = match set.r#type() {
        RrType::A => Family::A,
        RrType::Aaaa => Family::Aaaa,
        _ => return None,
    };
    Some(SetKey { name: plain_name(set.name()), family })
}

/// Reads a set; `None` if it is not relevant. Spellings that differ from Rust's are added to
/// `spellings`.
pub(super) fn read(
    set: &ResourceRecordSet,
    spellings: &mut AddressSpellings,
) -> Result<Option<RecordSet>, Unfit> {
    if *set.r#type() == RrType::Cname {
        let target = set.resource_records().first().map(ResourceRecord::value);
        let target = target.or_else(|| set.alias_target().map(AliasTarget::dns_name));
        return Err(Unfit::Cname(plain_name(set.name()), plain_name(target.unwrap_or_default())));
    }
    let Some(key) = key_of(set) else { return Ok(None) };
    if let Some(alias) = set.alias_target() {
        return Err(Unfit::Alias(key, plain_name(alias.dns_name())));
    }
    let routing = routing_of(set).map_err(|kind| Unfit::Routing(key.clone(), kind))?;
    let ttl = set.ttl().and_then(|ttl| u32::try_from(ttl).ok());
    let ttl = ttl.filter(|ttl| i32::try_from(*ttl).is_ok()).ok_or(Unfit::Ttl(key.clone()))?;
    let settings = Route53Set {
        set_identifier: set.set_identifier().map(str::to_owned),
        routing,
        health_check_id: set.health_check_id().map(str::to_owned),
        also_in: Vec::new(),
    };
    let mut read = RecordSet { key, ttl, settings, addresses: Vec::new() };
    // A set may be found twice, and the newest one counts.
    spellings.retain(|(key, id, _), _| *key != read.key || id != read.id());
    for record in set.resource_records() {
        let text = record.value();
        let address = text.parse().ok().filter(|a| Family::of(*a) == read.key.family);
        let address = address.ok_or_else(|| Unfit::Value(read.key.clone(), text.to_owned()))?;
        read.addresses.push(address);
        let place = (read.key.clone(), read.id().to_owned(), address);
        spellings.entry(place).or_default().push(text.to_owned());
    }
    spellings.retain(|(_, _, address), texts| {
        texts.len() > 1 || texts.iter().any(|text| *text != address.to_string())
    });
    Ok(Some(read))
}

/// Returns the set's routing, or the name of an unsupported kind.
fn routing_of(set: &ResourceRecordSet) -> Result<Routing, &'static str> {
    if set.traffic_policy_instance_id().is_some() {
        return Err("a traffic policy");
    }
    if set.cidr_routing_config().is_some() {
        return Err("IP-based (CIDR) routing");
    }
    if set.geo_proximity_location().is_some() {
        return Err("geoproximity routing");
    }
    Ok(if let Some(weight) = set.weight() {
        Routing::Weighted(weight)
    } else if let Some(region) = set.region() {
        Routing::Latency(region.as_str().to_owned())
    } else if let Some(role) = set.failover() {
        Routing::Failover(role.as_str().to_owned())
    } else if let Some(place) = set.geo_location() {
        Routing::Geo {
            continent: place.continent_code().map(str::to_owned),
            country: place.country_code().map(str::to_owned),
            subdivision: place.subdivision_code().map(str::to_owned),
        }
    } else if set.multi_value_answer() == Some(true) {
        Routing::MultiValue
    } else if set.set_identifier().is_none() {
        Routing::Simple
    } else {
        return Err("a kind of routing that is not known here");
    })
}

/// Converts a set to Route 53's format, with each address in its listed spelling.
pub(super) fn write(
    set: &RecordSet,
    spellings: &AddressSpellings,
) -> Result<ResourceRecordSet, BuildError> {
    let kind = match set.key.family {
        Family::A => RrType::A,
        Family::Aaaa => RrType::Aaaa,
    };
    let mut writing = ResourceRecordSet::builder()
        .name(&set.key.name)
        .r#type(kind)
        .ttl(set.ttl.into())
        .set_set_identifier(set.settings.set_identifier.clone())
        .set_health_check_id(set.settings.health_check_id.clone());
    writing = match &set.settings.routing {
        Routing::Simple => writing,
        Routing::MultiValue => writing.multi_value_answer(true),
        Routing::Weighted(weight) => writing.weight(*weight),
        Routing::Latency(region) => writing.region(region.as_str().into()),
        Routing::Failover(role) => writing.failover(role.as_str().into()),
        Routing::Geo { continent, country, subdivision } => writing.geo_location(
            GeoLocation::builder()
                .set_continent_code(continent.clone())
                .set_country_code(country.clone())
                .set_subdivision_code(subdivision.clone())
                .build(),
        ),
    };
    for text in texts(set, spellings) {
        writing = writing.resource_records(ResourceRecord::builder().value(text).build()?);
    }
    writing.build()
}

/// Returns the values of a set, with each address in its listed spelling.
pub(super) fn texts(set: &RecordSet, spellings: &AddressSpellings) -> Vec<String> {
    let mut texts = Vec::with_capacity(set.addresses.len());
    for (nth, address) in set.addresses.iter().enumerate() {
        let place = (set.key.clone(), set.id().to_owned(), *address);
        let before = set.addresses[..nth].iter().filter(|other| *other == address).count();
        let spelling = spellings.get(&place).and_then(|spellings| spellings.get(before));
        texts.push(spelling.cloned().unwrap_or_else(|| address.to_string()));
    }
    texts
}

/// Returns the records of all sets of one name and type.
pub(super) fn records(sets: &[&RecordSet]) -> Vec<Record> {
    let mut records = Vec::new();
    for set in sets {
        for address in &set.addresses {
            let mut settings = set.settings.clone();
            let others =
                sets.iter().filter(|o| o.id() != set.id() && o.addresses.contains(address));
            settings.also_in = others.map(|other| other.attributes()).collect();
            records.push(Record {
                address: *address,
                id: set.id().to_owned(),
                attributes: Attributes { ttl: set.ttl, extra: Extra::Route53(settings) },
            });
        }
    }
    records
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listed_name_is_read_as_it_is_written_in_the_configuration() {
        let cases = [
            ("the final dot goes", "www.example.com.", "www.example.com"),
            ("a star is listed escaped", "\\052.example.com.", "*.example.com"),
            ("a raw star is taken too", "*.example.com.", "*.example.com"),
            ("letters are lower case", "WWW.Example.com.", "www.example.com"),
            ("two escapes in a row", "\\052\\100.example.com.", "*@.example.com"),
            ("what cannot be printed stays escaped", "\\001.example.com.", "\\001.example.com"),
            ("a broken escape stays", "\\9.example.com", "\\9.example.com"),
            ("an escape at the end stays", "a\\05", "a\\05"),
            ("several bytes in one letter", "\\é.example.com", "\\é.example.com"),
        ];
        for (name, listed, want) in cases {
            assert_eq!(plain_name(listed), want, "{name}");
        }
    }

    fn set(kind: RrType) -> aws_sdk_route53::types::builders::ResourceRecordSetBuilder {
        ResourceRecordSet::builder().name("www.example.com.").r#type(kind).ttl(60)
    }

    fn value(text: &str) -> ResourceRecord {
        ResourceRecord::builder().value(text).build().unwrap()
    }

    fn refusal(set: &ResourceRecordSet) -> String {
        read(set, &mut AddressSpellings::new()).unwrap_err().to_string()
    }

    #[test]
    fn a_set_that_cannot_be_kept_is_refused_by_name() {
        use aws_sdk_route53::types::{AliasTarget, CidrRoutingConfig, GeoProximityLocation};
        let alias = AliasTarget::builder()
            .hosted_zone_id("Z2")
            .dns_name("lb.example.net.")
            .evaluate_target_health(true)
            .build()
            .unwrap();
        let cidr = CidrRoutingConfig::builder().collection_id("c").location_name("l").build();
        let cases = [
            (set(RrType::A).alias_target(alias), "www.example.com A is an alias of lb.example.net"),
            (set(RrType::A).cidr_routing_config(cidr.unwrap()), "IP-based (CIDR) routing"),
            (
                set(RrType::A).geo_proximity_location(GeoProximityLocation::builder().build()),
                "geoproximity routing",
            ),
            (set(RrType::A).traffic_policy_instance_id("t"), "a traffic policy"),
            (set(RrType::A).set_identifier("x"), "not known here"),
            (set(RrType::Aaaa).resource_records(value("192.0.2.1")), "holds `192.0.2.1`"),
            (set(RrType::A).resource_records(value("nonsense")), "holds `nonsense`"),
            (set(RrType::A).ttl(-1), "no time to live"),
            (
                set(RrType::Cname).resource_records(value("other.example.net.")),
                "www.example.com is a CNAME of other.example.net",
            ),
        ];
        for (set, want) in cases {
            let message = refusal(&set.build().unwrap());
            assert!(message.contains(want), "{message} does not say {want}");
            assert!(message.starts_with("www.example.com "), "{message} does not name the set");
        }
    }

    #[test]
    fn a_set_is_written_back_letter_for_letter() {
        let listed = set(RrType::Aaaa)
            .resource_records(value("2001:DB8:0::1"))
            .resource_records(value("2001:db8::2"))
            .resource_records(value("2001:db8::1"))
            .build()
            .unwrap();
        let mut spellings = AddressSpellings::new();
        let mut want = listed.clone();
        want.name = "www.example.com".to_owned();
        let read = read(&listed, &mut spellings).unwrap().unwrap();
        assert_eq!(write(&read, &spellings).unwrap(), want);
    }

    /// Returns the set of a country.
    fn one(id: &str, country: &str) -> RecordSet {
        RecordSet {
            key: SetKey { name: "www.example.com".into(), family: Family::A },
            ttl: 60,
            settings: Route53Set {
                set_identifier: Some(id.into()),
                routing: Routing::Geo {
                    continent: None,
                    country: Some(country.into()),
                    subdivision: None,
                },
                ..Route53Set::default()
            },
            addresses: vec!["192.0.2.1".parse().unwrap()],
        }
    }

    #[test]
    fn an_address_in_two_sets_knows_of_both() {
        let (default, france) = (one("default", "*"), one("france", "FR"));
        let records = records(&[&default, &france]);
        let also: Vec<_> = records
            .iter()
            .map(|record| match &record.attributes.extra {
                Extra::Route53(set) => set.also_in.clone(),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(also, [vec![france.attributes()], vec![default.attributes()]]);
    }
}
