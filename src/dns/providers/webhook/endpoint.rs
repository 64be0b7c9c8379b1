//! Endpoints: the protocol's form of a record set, kept as they are listed.
//!
//! An endpoint has a name, a type and any number of targets. Everything else in it, also fields that
//! are not known here, is kept: it is sent back with a change, and remembered with a record.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::net::IpAddr;

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::dns::name::canonical;
use crate::dns::{Attributes, Extra, Record};
use crate::engine::plan::{Family, SetKey};
use crate::text::excerpt;

const NAME: &str = "dnsName";
const TYPE: &str = "recordType";
const TARGETS: &str = "targets";
const TTL: &str = "recordTTL";
const IDENTIFIER: &str = "setIdentifier";

/// The part of an endpoint that tells whether it matters.
#[derive(Debug, Deserialize)]
pub(super) struct EndpointHead<'a> {
    /// The owner name as it is listed.
    #[serde(borrow, rename = "dnsName")]
    pub(super) name: Cow<'a, str>,
    /// The type of its records.
    #[serde(borrow, rename = "recordType", default)]
    pub(super) kind: Cow<'a, str>,
}

/// The targets of an endpoint alone.
#[derive(Debug, Deserialize)]
pub(super) struct EndpointTargets {
    /// The contents of the records.
    #[serde(default)]
    pub(super) targets: Option<Vec<String>>,
}

/// One record set, with all of its fields.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(transparent)]
pub(super) struct WebhookEndpoint(Map<String, Value>);

impl WebhookEndpoint {
    /// Creates the endpoint of a set that does not exist: with the remembered settings of a record
    /// that was there, or else with this TTL. A remembered TTL of 0 is the provider's own choice.
    pub(super) fn new(set: &SetKey, remembered: Option<&Attributes>, ttl: u32) -> Self {
        let mut fields = match remembered.map(|attributes| &attributes.extra) {
            Some(Extra::Webhook { fields }) => fields.clone(),
            _ => Map::new(),
        };
        let name = fields.get(NAME).and_then(Value::as_str);
        if name.map(canonical) != Some(canonical(&set.name)) {
            fields.insert(NAME.to_owned(), set.name.clone().into());
        }
        fields.insert(TYPE.to_owned(), set.family.to_string().into());
        let ttl = remembered.map_or(ttl, |attributes| attributes.ttl);
        if ttl != 0 {
            fields.insert(TTL.to_owned(), ttl.into());
        }
        Self(fields).with_targets(Vec::new())
    }

    /// Returns the same endpoint with other targets.
    pub(super) fn with_targets(&self, targets: Vec<String>) -> Self {
        let mut fields = self.0.clone();
        fields.insert(TARGETS.to_owned(), targets.into());
        Self(fields)
    }

    fn text(&self, field: &str) -> &str {
        self.0.get(field).and_then(Value::as_str).unwrap_or_default()
    }

    /// Returns the set; `None` if it is not one of addresses.
    pub(super) fn set(&self) -> Option<SetKey> {
        let family = family(self.text(TYPE))?;
        Some(SetKey { name: canonical(self.text(NAME)), family })
    }

    /// Returns the distinction from other endpoints of its name and type; usually empty.
    pub(super) fn identifier(&self) -> &str {
        self.text(IDENTIFIER)
    }

    /// Returns the targets.
    ///
    /// # Errors
    ///
    /// Fails if they are not a list of texts.
    pub(super) fn targets(&self) -> Result<Vec<&str>, String> {
        let targets = match self.0.get(TARGETS) {
            None | Some(Value::Null) => return Ok(Vec::new()),
            Some(Value::Array(targets)) => targets,
            Some(other) => return Err(excerpt(&other.to_string())),
        };
        let mut texts = Vec::with_capacity(targets.len());
        for target in targets {
            texts.push(target.as_str().ok_or_else(|| excerpt(&target.to_string()))?);
        }
        Ok(texts)
    }

    /// Returns the addresses, each once, in the order of the targets.
    ///
    /// # Errors
    ///
    /// Fails with the first target that is not an address of this family.
    pub(super) fn addresses(&self, family: Family) -> Result<Vec<IpAddr>, String> {
        let (mut addresses, mut seen) = (Vec::new(), BTreeSet::new());
        for target in self.targets()? {
            let address = address(target).filter(|address| Family::of(*address) == family);
            let address = address.ok_or_else(|| excerpt(target))?;
            if seen.insert(address) {
                addresses.push(address);
            }
        }
        Ok(addresses)
    }

    /// Returns the TTL in seconds; 0 if the endpoint has none.
    ///
    /// # Errors
    ///
    /// Fails with a value that is not a TTL.
    pub(super) fn ttl(&self) -> Result<u32, String> {
        match self.0.get(TTL) {
            None | Some(Value::Null) => Ok(0),
            Some(value) => {
                let ttl = value.as_u64().and_then(|ttl| u32::try_from(ttl).ok());
                ttl.filter(|ttl| i32::try_from(*ttl).is_ok())
                    .ok_or_else(|| excerpt(&value.to_string()))
            }
        }
    }

    /// Returns the settings that all of its records have. Call [`Self::ttl`] first to check it.
    pub(super) fn attributes(&self) -> Attributes {
        let mut fields = self.0.clone();
        for field in [TYPE, TARGETS, TTL] {
            fields.remove(field);
        }
        Attributes { ttl: self.ttl().unwrap_or_default(), extra: Extra::Webhook { fields } }
    }

    /// Whether both have the same settings, so that they can be taken as one. The labels are the
    /// registry's own.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        self.settings().count() == other.settings().count()
            && self.settings().all(|(field, value)| other.0.get(field) == Some(value))
    }

    /// Returns the fields that are settings of the set.
    fn settings(&self) -> impl Iterator<Item = (&String, &Value)> {
        self.0.iter().filter(|(field, _)| ![NAME, TARGETS, "labels"].contains(&field.as_str()))
    }

    /// Adds the targets of another endpoint of the same set. Only the new ones are looked at: a set may
    /// be listed in very many endpoints.
    ///
    /// # Errors
    ///
    /// Fails if the targets of one of them are no list.
    pub(super) fn absorb(&mut self, mut other: Self) -> Result<(), String> {
        let more = match other.0.remove(TARGETS) {
            None | Some(Value::Null) => return Ok(()),
            Some(Value::Array(more)) => more,
            Some(no_list) => return Err(excerpt(&no_list.to_string())),
        };
        match self.0.get_mut(TARGETS) {
            Some(Value::Array(targets)) => targets.extend(more),
            None | Some(Value::Null) => {
                self.0.insert(TARGETS.to_owned(), more.into());
            }
            Some(no_list) => return Err(excerpt(&no_list.to_string())),
        }
        Ok(())
    }

    /// Returns the records of this endpoint.
    ///
    /// # Errors
    ///
    /// Fails as [`Self::addresses`] does.
    pub(super) fn records(&self, family: Family) -> Result<Vec<Record>, String> {
        let (addresses, attributes) = (self.addresses(family)?, self.attributes());
        let mut records = Vec::with_capacity(addresses.len());
        for address in addresses {
            let attributes = attributes.clone();
            records.push(Record { address, id: String::new(), attributes });
        }
        Ok(records)
    }

    /// Returns the same endpoint without some addresses and with others, in the spelling in which they
    /// are listed; each address once.
    ///
    /// # Errors
    ///
    /// Fails if the targets cannot be read.
    pub(super) fn edited(
        &self,
        gone: &BTreeSet<IpAddr>,
        new: &BTreeSet<IpAddr>,
    ) -> Result<Self, String> {
        let mut kept = BTreeSet::new();
        let mut targets = Vec::new();
        for target in self.targets()? {
            let address = address(target);
            let stays = address.is_none_or(|address| !gone.contains(&address));
            if stays && address.is_none_or(|address| kept.insert(address)) {
                targets.push(target.to_owned());
            }
        }
        targets.extend(new.difference(&kept).map(ToString::to_string));
        Ok(self.with_targets(targets))
    }

    /// Returns the fields, to be sent.
    pub(super) fn into_value(self) -> Value {
        Value::Object(self.0)
    }
}

/// Returns the family of a record type; `None` if it does not hold addresses.
pub(super) fn family(kind: &str) -> Option<Family> {
    match kind.to_ascii_uppercase().as_str() {
        "A" => Some(Family::A),
        "AAAA" => Some(Family::Aaaa),
        _ => None,
    }
}

fn address(target: &str) -> Option<IpAddr> {
    target.trim().parse().ok()
}
