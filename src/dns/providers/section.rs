//! The keys that every provider's section of the configuration file has.

use std::collections::{BTreeMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;

use super::ProviderSettings;
use crate::config::field::{At, Field, FieldReader, List, not_allowed};
use crate::config::in_force::ValueInForce;
use crate::config::keys::{Key, Section};
use crate::config::problem::{Report, Spot};
use crate::config::section::{ConfigSection, SectionContext};
use crate::config::{address, names, own};
use crate::dns::confirm::section::ConfirmSettings;
use crate::engine::plan::SetKey;

/// An example of a list of addresses.
pub(crate) const ADDRESSES: &str = "[\"192.0.2.10\", \"192.0.2.11\"]";

/// A provider's section, after its values were taken out of the file.
pub(crate) trait ProviderSection {
    /// Builds the settings and warns about those that may do harm.
    fn finish(&self, context: &mut SectionContext<'_>) -> BuiltProvider;
}

impl<S: ConfigSection<Settings = BuiltProvider>> ProviderSection for S {
    fn finish(&self, context: &mut SectionContext<'_>) -> BuiltProvider {
        let built = self.build(context);
        self.advise(&built, context);
        built
    }
}

/// The network path to a provider. It depends on the environment, and is checked once all sections
/// are built.
pub(crate) trait ProviderNetwork {
    /// Returns the URL that is requested. Refuses one from the environment that cannot work.
    fn requested_url(&self, context: &mut SectionContext<'_>) -> String;

    /// Describes the certificate authorities that are trusted instead of the system's, if there are
    /// any. Refuses those that cannot be read.
    fn authorities(&self, _context: &mut SectionContext<'_>) -> Option<String> {
        None
    }
}

/// The records of one service in a zone.
pub struct ServiceRecords<'a> {
    /// The owner names.
    pub(crate) names: &'a [String],
    /// The record sets.
    pub(crate) sets: Vec<SetKey>,
    /// The TTL of new records in seconds, if the service sets one.
    pub(crate) ttl: Option<&'a At<u32>>,
    /// Whether new records are proxied, if the service says so.
    pub(crate) proxied: Option<&'a At<bool>>,
}

/// Returns the owner names of all services, each once.
pub(crate) fn published_names(services: &[ServiceRecords<'_>]) -> Vec<String> {
    let mut seen = HashSet::new();
    let names = services.iter().flat_map(|service| service.names);
    names.filter(|name| seen.insert(*name)).cloned().collect()
}

/// Returns the TTLs that services set for their record sets. `proxied` is refused, for this reason.
pub(crate) fn own_ttls(
    services: &[ServiceRecords<'_>],
    why_not_proxied: &str,
    report: &mut Report,
) -> BTreeMap<SetKey, u32> {
    let mut own = BTreeMap::new();
    for ServiceRecords { sets, ttl, proxied, .. } in services {
        if let Some(at) = proxied {
            report.refuse(&at.spot, why_not_proxied);
        }
        if let Some(at) = ttl {
            own.extend(sets.iter().map(|set| (set.clone(), at.value)));
        }
    }
    own
}

/// A `[zone.NAME]` table with the keys of a provider, which its services complete.
pub(crate) trait ZoneTable {
    /// The keys of the table besides those of every zone.
    const TABLE_KEYS: &'static [Key];

    /// Takes the values of the table out of it.
    fn parse_table(values: &mut FieldReader<'_>) -> Self;
}

/// The settings of a provider's section.
pub(crate) struct BuiltProvider {
    /// The settings of the provider.
    pub(crate) settings: Arc<dyn ProviderSettings>,
    /// The same settings, for the network path.
    pub(crate) network: Arc<dyn ProviderNetwork>,
    /// The watched addresses: distinct, in the order of the file.
    pub(crate) targets: Vec<IpAddr>,
    /// The places of the host names and of the addresses.
    pub(crate) published: [Option<Spot>; 2],
    /// The settings of new records, with their places.
    pub(crate) records: Vec<ValueInForce>,
    /// The proof of effect; `None` if it is off.
    pub(crate) confirm: Option<ConfirmSettings>,
}

impl BuiltProvider {
    /// Combines the settings of a provider with its targets.
    pub(crate) fn new<P>(settings: P, targets: Vec<IpAddr>) -> Self
    where
        P: ProviderSettings + ProviderNetwork,
    {
        let settings = Arc::new(settings);
        let (published, records) = ([None, None], Vec::new());
        let network = Arc::clone(&settings) as _;
        Self { network, settings, targets, published, records, confirm: None }
    }

    /// Adds the places from which the names, the addresses and the settings of new records come.
    pub(crate) fn with_places(
        self,
        published: [Option<Spot>; 2],
        records: Vec<ValueInForce>,
    ) -> Self {
        Self { published, records, ..self }
    }
}

/// The name of a provider's section, and the names in it that differ between providers.
#[derive(Clone, Copy)]
pub(crate) struct ZoneNames {
    /// The header of the section.
    pub(crate) section: Section,
    /// The provider on the command line.
    pub(crate) kind: &'static str,
    /// The key of the zone's name.
    pub(crate) domain: &'static str,
}

/// The key of the zone's name in a `[zone.NAME]` table.
pub(crate) const DOMAIN: &str = "domain";

/// The values that every provider's section and every `[zone.NAME]` table has.
pub(crate) struct ZoneKeys {
    names: ZoneNames,
    domain: Field<String>,
    /// The names and addresses; `None` in a `[zone.NAME]` table, whose services have them.
    published: Option<PublishedKeys>,
}

/// The settings that every provider has.
#[derive(Default)]
pub(crate) struct ZoneValues {
    /// The name of the zone, in lower case, without the final dot.
    pub(crate) zone: String,
    /// The owner names, fully qualified, in lower case, without the final dot; distinct.
    pub(crate) names: Vec<String>,
    /// The watched addresses: distinct, in the order of the file.
    pub(crate) targets: Vec<IpAddr>,
}

impl ZoneKeys {
    /// Takes the values of a section out of the file.
    pub(crate) fn parse(names: ZoneNames, values: &mut FieldReader<'_>) -> Self {
        Self {
            names,
            domain: values.one(names.section, names.domain, names::domain),
            published: Some(PublishedKeys::parse(names.section, values)),
        }
    }

    /// Whether these are the values of a `[zone.NAME]` table.
    pub(crate) fn are_of_table(&self) -> bool {
        self.published.is_none()
    }

    /// Returns the places of the host names and of the addresses.
    pub(crate) fn places(&self) -> [Option<Spot>; 2] {
        self.published.as_ref().map_or([None, None], PublishedKeys::places)
    }

    /// Takes the values of a `[zone.NAME]` table out of it.
    pub(crate) fn parse_table(names: ZoneNames, values: &mut FieldReader<'_>) -> Self {
        let domain = values.one(names.section, DOMAIN, names::domain);
        Self { names: ZoneNames { domain: DOMAIN, ..names }, domain, published: None }
    }

    /// Builds the settings. The section must be there and complete.
    pub(crate) fn build(&self, context: &mut SectionContext<'_>) -> ZoneValues {
        let section = self.names.section;
        let is_empty = self.domain.is_absent()
            && self.published.as_ref().is_none_or(PublishedKeys::are_absent)
            && !context.document.has(section);
        if is_empty {
            self.refuse_missing_section(context);
            return ZoneValues::default();
        }
        if self.domain.is_absent() {
            let what = "missing; the zone's name, such as \"example.com\"";
            let spot = context.missing(section, self.names.domain);
            context.report.refuse(&spot, what);
        }
        let zone = self.domain.or(String::new());
        let Some(published) = &self.published else {
            return ZoneValues { zone, ..ZoneValues::default() };
        };
        published.require(section, context);
        let names = published.owner_names(&zone, context);
        ZoneValues { zone, names, targets: published.targets(context) }
    }

    /// Refuses a section or table without a required value. `example` describes it.
    pub(crate) fn require<T>(
        &self,
        value: &Field<T>,
        key: &'static str,
        example: &str,
        context: &mut SectionContext<'_>,
    ) {
        let section = self.names.section;
        if value.is_absent() && (self.are_of_table() || context.document.has(section)) {
            let spot = context.missing(section, key);
            context.report.refuse(&spot, format!("missing; {example}"));
        }
    }

    /// Refuses a file without the required section, and points to the section it has instead.
    fn refuse_missing_section(&self, context: &mut SectionContext<'_>) {
        let ZoneNames { section, kind, .. } = self.names;
        let mut others = context.alternatives.iter().filter(|other| context.document.has(**other));
        let hint = match others.next() {
            Some(other) => format!(", while the file has {other}"),
            None => String::new(),
        };
        let what = format!("missing; --dns-provider {kind} needs this section{hint}");
        context.report.refuse(&Spot::missing(section.name()), what);
    }

    /// Warns about accepted values that may do harm. `zone` is the name of the zone.
    pub(crate) fn advise(&self, zone: &str, context: &mut SectionContext<'_>) {
        if let Some(published) = &self.published {
            published.advise(zone, context);
        }
    }
}

/// The names and the addresses that are published there, in a provider's section or in a service.
pub(crate) struct PublishedKeys {
    hostnames: List<String>,
    ip_addresses: List<IpAddr>,
}

impl PublishedKeys {
    /// Takes the values of a section or table out of it.
    pub(crate) fn parse(section: Section, values: &mut FieldReader<'_>) -> Self {
        Self {
            hostnames: values.each(section, "hostnames", "[\"www\"]", names::hostname),
            ip_addresses: values.each(section, "ip_addresses", ADDRESSES, address::target),
        }
    }

    /// Whether neither key is set.
    fn are_absent(&self) -> bool {
        self.hostnames.is_absent() && self.ip_addresses.is_absent()
    }

    /// Returns the places of the host names and of the addresses.
    pub(crate) fn places(&self) -> [Option<Spot>; 2] {
        [self.hostnames.spot().cloned(), self.ip_addresses.spot().cloned()]
    }

    /// Refuses missing and empty lists.
    pub(crate) fn require(&self, section: Section, context: &mut SectionContext<'_>) {
        let host_name = "a host name, such as \"www\"";
        context.require_items(&self.hostnames, section, "hostnames", host_name);
        context.require_items(&self.ip_addresses, section, "ip_addresses", "an address to watch");
    }

    /// Returns the addresses, without duplicates.
    pub(crate) fn targets(&self, context: &mut SectionContext<'_>) -> Vec<IpAddr> {
        context.distinct(self.ip_addresses.items())
    }

    /// Returns the owner names for the host names, without duplicates.
    pub(crate) fn owner_names(
        &self,
        domain: &str,
        context: &mut SectionContext<'_>,
    ) -> Vec<String> {
        let mut whole = Vec::new();
        for hostname in self.hostnames.items().iter().filter(|_| !domain.is_empty()) {
            match names::qualify(&hostname.value, domain) {
                Ok(value) => whole.push(At { value, ..hostname.clone() }),
                Err(allowed) => {
                    let what = not_allowed(&hostname.shown, &allowed);
                    context.report.refuse(&hostname.spot, what);
                }
            }
        }
        context.distinct(&whole)
    }

    /// Warns about accepted values that may do harm. `zone` is the name of the zone.
    pub(crate) fn advise(&self, zone: &str, context: &mut SectionContext<'_>) {
        Self::advise_on_addresses(self.ip_addresses.items(), context);
        self.advise_on_hostnames(zone, context);
        let why = "watched by another machine, it would be missed when this one fails";
        own::warn(self.ip_addresses.items(), |address| *address, why, context.report);
    }

    /// Warns about addresses that nobody outside reaches.
    pub(crate) fn advise_on_addresses<'a>(
        addresses: impl IntoIterator<Item = &'a At<IpAddr>>,
        context: &mut SectionContext<'_>,
    ) {
        let mut seen = HashSet::new();
        for item in addresses {
            if !seen.insert(item.value) {
                continue;
            }
            let loopback = item.value.is_loopback() && !context.dry_run;
            let kind = loopback.then_some("a loopback address").or(address::private(item.value));
            if let Some(kind) = kind {
                let what = format!("is {kind}; nobody outside reaches it");
                context.report.warn_of(&item.spot, &item.shown, what);
            }
        }
    }

    /// Warns about a host name that looks like a full name in another domain and gets this one
    /// appended.
    fn advise_on_hostnames(&self, zone: &str, context: &mut SectionContext<'_>) {
        for item in self.hostnames.items() {
            let Ok(name) = names::qualify(&item.value, zone) else { continue };
            let end = top_level(&item.value);
            if name != item.value && end.is_some() && top_level(zone) == end {
                let what = format!("stands for {name}; is it misspelt?");
                context.report.warn_of(&item.spot, &item.shown, what);
            }
        }
    }
}

/// Returns the last label of a name that has several.
fn top_level(name: &str) -> Option<&str> {
    name.rsplit_once('.').map(|(_, last)| last)
}
