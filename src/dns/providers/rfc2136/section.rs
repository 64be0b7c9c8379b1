//! The section `[RFC2136]` of the configuration file.

use std::any::Any;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use super::key::{KeyAlgorithm, TsigKey};
use super::server::ServerAddress;
use super::{PROVIDER, Rfc2136, grants, key_file};
use crate::config::field::{At, Field, FieldReader, not_allowed};
use crate::config::in_force::ValueInForce;
use crate::config::keys::{Key, Section};
use crate::config::names;
use crate::config::problem::Report;
use crate::config::rule::{integer, path};
use crate::config::section::{ConfigSection, SectionContext};
use crate::config::value::{Value, WrittenValue, as_text};
use crate::dns::account::Account;
use crate::dns::providers::section::{
    BuiltProvider, ProviderNetwork, ServiceRecords, ZoneKeys, ZoneNames, ZoneTable, own_ttls,
    published_names,
};
use crate::dns::providers::{Building, ProviderKind, ProviderSettings};
use crate::dns::{BySet, Capabilities, Capability, DnsProvider};
use crate::engine::plan::SetKey;
use crate::file;
use crate::text::listed;

/// RFC 2136 in the registry of providers.
pub(crate) const KIND: ProviderKind = ProviderKind::new::<Rfc2136Section>(
    "rfc2136",
    PROVIDER,
    "a name server that takes dynamic updates (BIND, Knot, PowerDNS)",
    CAPABILITIES,
);

/// The declared capabilities. A change is one message with the sets as they were listed.
pub const CAPABILITIES: Capabilities =
    Capabilities::new(&[Capability::CompareAndSwap, Capability::AllOrNothing]);

/// Default TTL of a new record set, in seconds.
const TTL: u32 = 60;

/// Maximum size of a file with a key.
const LARGEST_FILE: u64 = 64 * 1024;

/// The settings of `[RFC2136]`.
#[derive(Debug, Clone)]
pub struct Rfc2136Config {
    /// The name of the zone, in lower case, without the final dot.
    pub zone: String,
    /// The owner names, fully qualified, in lower case, without the final dot; distinct.
    pub names: Vec<String>,
    /// The primaries, in the order in which they are tried.
    pub servers: Vec<ServerAddress>,
    /// The key; `None` if the servers are on loopback and want none.
    pub key: Option<TsigKey>,
    /// The file that the key was read from, in a form that may be displayed.
    pub key_from: Option<String>,
    /// The TTL of newly created record sets in seconds.
    pub ttl: u32,
    /// The TTL in seconds of newly created record sets for which it differs.
    pub own_ttls: BTreeMap<SetKey, u32>,
}

impl Rfc2136Config {
    /// Returns the TTL of newly created record sets in seconds.
    pub(super) fn ttls(&self) -> BySet<u32> {
        BySet::with(self.ttl, &self.own_ttls)
    }

    /// Returns the name of the key, if there is one.
    pub(super) fn key_name(&self) -> Option<&str> {
        self.key.as_ref().map(|key| key.name.as_str())
    }
}

impl ProviderSettings for Rfc2136Config {
    fn kind(&self) -> ProviderKind {
        KIND
    }

    fn zone(&self) -> &str {
        &self.zone
    }

    fn names(&self) -> &[String] {
        &self.names
    }

    fn place(&self) -> String {
        let key = self.key_name().map(|key| format!(" by {key}")).unwrap_or_default();
        format!("RFC 2136 {} at {}{key}", self.zone, listed(&self.servers))
    }

    fn new_records(&self, set: &SetKey) -> String {
        format!("TTL {} s", self.ttls().at(set))
    }

    fn access(&self) -> String {
        let servers = listed(&self.servers);
        match (&self.key, &self.key_from) {
            (Some(key), Some(file)) => {
                format!("at {servers} by the key {} ({}) in {file}", key.name, key.algorithm)
            }
            (Some(key), None) => {
                format!("at {servers} by the key {} ({})", key.name, key.algorithm)
            }
            (None, _) => format!("at {servers} without a key"),
        }
    }

    fn ttl_of_new_sets(&self) -> Option<BySet<u32>> {
        Some(self.ttls())
    }

    fn grants(&self) -> Vec<(&'static str, String)> {
        grants::in_words(&self.zone, &self.names, self.key.as_ref())
    }

    fn publishing(
        &self,
        services: &[ServiceRecords<'_>],
        report: &mut Report,
    ) -> Arc<dyn ProviderSettings> {
        let own_ttls = own_ttls(services, "a name server has no proxy; leave it out", report);
        Arc::new(Self { names: published_names(services), own_ttls, ..self.clone() })
    }

    /// One zone may have different content for different keys, or at servers that others do not know.
    fn may_be_one_zone_with(&self, other: &dyn ProviderSettings) -> bool {
        let other: &dyn Any = other;
        let Some(other) = other.downcast_ref::<Self>() else { return false };
        let share_a_server = self.servers.iter().any(|server| other.servers.contains(server));
        self.zone == other.zone && share_a_server && self.key_name() == other.key_name()
    }

    fn told_apart_by(&self) -> &'static str {
        "; a key of its own for each tells two views of one zone apart"
    }

    /// A name server has no limit that zones share.
    fn shares_account_with(&self, _: &dyn ProviderSettings) -> bool {
        false
    }

    fn build<'a>(&'a self, _: &'a Account) -> Building<'a> {
        Box::pin(async {
            let provider: Box<dyn DnsProvider> = Box::new(Rfc2136::new(self));
            Ok(provider)
        })
    }
}

impl ProviderNetwork for Rfc2136Config {
    /// No URL: a name server is not reached through an HTTP proxy.
    fn requested_url(&self, _: &mut SectionContext<'_>) -> String {
        String::new()
    }
}

/// The values of `[RFC2136]`.
pub(crate) struct Rfc2136Section {
    zone: ZoneKeys,
    server: Field<Vec<ServerAddress>>,
    key_file: Field<PathBuf>,
    key_name: Field<String>,
    algorithm: Field<KeyAlgorithm>,
    secret_file: Field<PathBuf>,
    ttl: Field<u32>,
}

/// The names that differ between providers.
const NAMES: ZoneNames =
    ZoneNames { section: Rfc2136Section::SECTION, kind: "rfc2136", domain: "domain" };

impl ZoneTable for Rfc2136Section {
    const TABLE_KEYS: &'static [Key] = &[
        Key::new("server"),
        Key::new("key_file"),
        Key::new("key_name"),
        Key::new("algorithm"),
        Key::new("secret_file"),
        Key::new("ttl"),
    ];

    fn parse_table(values: &mut FieldReader<'_>) -> Self {
        Self::parse_others(ZoneKeys::parse_table(NAMES, values), values)
    }
}

impl ConfigSection for Rfc2136Section {
    type Settings = BuiltProvider;

    const SECTION: Section = Section::new("RFC2136");

    const KEYS: &'static [Key] = &[
        Key::new("server"),
        Key::new("domain"),
        Key::new("hostnames"),
        Key::new("ip_addresses"),
        Key::new("key_file"),
        Key::new("key_name"),
        Key::new("algorithm"),
        Key::new("secret_file"),
        Key::new("ttl"),
    ];

    fn parse(values: &mut FieldReader<'_>) -> Self {
        Self::parse_others(ZoneKeys::parse(NAMES, values), values)
    }

    fn build(&self, context: &mut SectionContext<'_>) -> BuiltProvider {
        let zone = self.zone.build(context);
        let example = "the primary name server, such as \"ns1.example.com:53\"";
        self.zone.require(&self.server, "server", example, context);
        let key = self.key(context);
        self.require_key(key.is_some(), context);
        let settings = Rfc2136Config {
            zone: zone.zone,
            names: zone.names,
            servers: self.server.or(Vec::new()),
            key,
            key_from: self.key_from(),
            ttl: self.ttl.or(TTL),
            own_ttls: BTreeMap::new(),
        };
        let provider = BuiltProvider::new(settings, zone.targets);
        let ttl = self.ttl.or(TTL).to_string();
        let records = vec![ValueInForce::new("ttl", ttl, self.ttl.spot())];
        provider.with_places(self.zone.places(), records)
    }

    fn advise(&self, built: &BuiltProvider, context: &mut SectionContext<'_>) {
        self.zone.advise(built.settings.zone(), context);
    }
}

impl Rfc2136Section {
    /// Takes the values out that a section and a `[zone.NAME]` table have in common.
    fn parse_others(zone: ZoneKeys, values: &mut FieldReader<'_>) -> Self {
        let section = Self::SECTION;
        Self {
            zone,
            server: values.field(section, "server", servers),
            key_file: values.one(section, "key_file", path),
            key_name: values.one(section, "key_name", names::domain),
            algorithm: values.one(section, "algorithm", algorithm),
            secret_file: values.one(section, "secret_file", path),
            ttl: values.one(section, "ttl", integer(0, i64::from(i32::MAX))),
        }
    }

    /// Returns the key: that of a file in BIND's syntax, or a name with a secret.
    fn key(&self, context: &mut SectionContext<'_>) -> Option<TsigKey> {
        let Some(at) = self.key_file.present() else { return self.key_by_name(context) };
        let others = [self.key_name.spot(), self.algorithm.spot(), self.secret_file.spot()];
        for spot in others.into_iter().flatten() {
            context.report.refuse(spot, "not used together with key_file, which has it");
        }
        let text = Self::text_of(at, context)?;
        match key_file::parse(&text) {
            Ok(key) => Some(key),
            Err(why) => {
                context.report.refuse(&at.spot, format!("{}: {why}", at.bare()));
                None
            }
        }
    }

    fn key_by_name(&self, context: &mut SectionContext<'_>) -> Option<TsigKey> {
        let (name, secret) = (self.key_name.present(), self.secret_file.present());
        let missing = match (name, secret) {
            (Some(_), None) if self.secret_file.is_absent() => Some(("secret_file", "key_name")),
            (None, Some(_)) if self.key_name.is_absent() => Some(("key_name", "secret_file")),
            (None, None) if self.algorithm.present().is_some() => Some(("key_name", "algorithm")),
            _ => None,
        };
        if let Some((missing, needs)) = missing {
            let spot = context.missing(Self::SECTION, missing);
            context.report.refuse(&spot, format!("missing; {needs} needs it"));
        }
        let (name, at) = (name?, secret?);
        let text = Self::text_of(at, context)?;
        let algorithm = self.algorithm.or(KeyAlgorithm::default());
        match TsigKey::new(&name.value, algorithm, text.trim()) {
            Ok(key) => Some(key),
            Err(why) => {
                let what = format!("{}: the key is not valid: {why}", at.bare());
                context.report.refuse(&at.spot, what);
                None
            }
        }
    }

    /// Returns the text of a file with a key.
    fn text_of(at: &At<PathBuf>, context: &mut SectionContext<'_>) -> Option<String> {
        let path = context.secret_file(at, &at.value);
        match file::read_text(&path, LARGEST_FILE) {
            Ok(text) => Some(text),
            Err(why) => {
                context.report.refuse(&at.spot, format!("{}: {why}", at.bare()));
                None
            }
        }
    }

    /// Refuses servers elsewhere without a key: anybody on the path could change the zone.
    fn require_key(&self, has_key: bool, context: &mut SectionContext<'_>) {
        let given = [&self.key_file, &self.secret_file].iter().any(|it| !it.is_absent());
        if has_key || given || !self.key_name.is_absent() {
            return;
        }
        let Some(servers) = self.server.present() else { return };
        let Some(server) = servers.value.iter().find(|server| !server.is_on_loopback()) else {
            return;
        };
        let spot = context.missing(Self::SECTION, "key_file");
        let what =
            format!("missing; without a key only a server on loopback is allowed, not {server}");
        context.report.refuse(&spot, what);
    }

    /// Returns the path of the file with the key in a form that may be displayed.
    fn key_from(&self) -> Option<String> {
        let at = self.key_file.present().or(self.secret_file.present())?;
        Some(at.bare().to_owned())
    }
}

/// Reads one server, or a list of them.
fn servers(report: &mut Report, written: WrittenValue) -> Field<Vec<ServerAddress>> {
    let WrittenValue { spot, shown, value } = written;
    let items = match value {
        Value::List(items) => items,
        one => {
            vec![WrittenValue { spot: spot.clone(), shown: shown.clone(), value: one }]
        }
    };
    let mut found = Vec::new();
    let mut is_refused = items.is_empty();
    if is_refused {
        let allowed = "a name server, such as \"ns1.example.com:53\", or a list of them";
        report.refuse(&spot, not_allowed(&shown, allowed));
    }
    for item in items {
        match ServerAddress::parse(as_text(&item.value).unwrap_or_default()) {
            Ok(server) if found.contains(&server) => {
                report.warn_of(&item.spot, &item.shown, "is listed twice");
            }
            Ok(server) => found.push(server),
            Err(allowed) => {
                report.refuse(&item.spot, not_allowed(&item.shown, &allowed));
                is_refused = true;
            }
        }
    }
    if is_refused { Field::Refused } else { Field::Given(At { spot, shown, value: found }) }
}

fn algorithm(value: &Value) -> Result<KeyAlgorithm, String> {
    KeyAlgorithm::parse(as_text(value).unwrap_or_default())
}
