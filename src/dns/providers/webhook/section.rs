//! The section `[Webhook]` of the configuration file.

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::Arc;

use reqwest::Url;

use super::Webhook;
use crate::config::field::{Field, FieldReader};
use crate::config::in_force::ValueInForce;
use crate::config::keys::{Key, Section};
use crate::config::problem::Report;
use crate::config::rule::integer;
use crate::config::section::{ConfigSection, SectionContext};
use crate::config::url;
use crate::dns::account::Account;
use crate::dns::providers::section::{
    BuiltProvider, ProviderNetwork, ServiceRecords, ZoneKeys, ZoneNames, ZoneTable, own_ttls,
    published_names,
};
use crate::dns::providers::{Building, ProviderKind, ProviderSettings};
use crate::dns::{BySet, Capabilities, Capability, DnsProvider};
use crate::engine::plan::SetKey;

/// The webhooks of external-dns in the registry of providers.
pub(crate) const KIND: ProviderKind = ProviderKind::new::<WebhookSection>(
    "webhook",
    "the webhook",
    "any provider behind an external-dns webhook",
    CAPABILITIES,
);

/// The declared capabilities. The protocol promises no more, even if the provider behind it can do more.
pub const CAPABILITIES: Capabilities =
    Capabilities::new(&[Capability::Settings, Capability::Pauses, Capability::PausesAtLimit]);

/// Default TTL of a new record set, in seconds.
const TTL: u32 = 60;

/// The settings of `[Webhook]`.
#[derive(Debug, Clone)]
pub struct WebhookConfig {
    /// The name of the zone, in lower case, without the final dot.
    pub zone: String,
    /// The owner names, fully qualified, in lower case, without the final dot; distinct.
    pub names: Vec<String>,
    /// The TTL of newly created record sets in seconds.
    pub ttl: u32,
    /// The TTL in seconds of newly created record sets for which it differs.
    pub own_ttls: BTreeMap<SetKey, u32>,
    /// The URL of the webhook, without the final slash.
    pub url: String,
}

impl WebhookConfig {
    /// Returns the TTL of newly created record sets in seconds.
    pub(super) fn ttls(&self) -> BySet<u32> {
        BySet::with(self.ttl, &self.own_ttls)
    }
}

impl ProviderSettings for WebhookConfig {
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
        format!("webhook {} at {}", self.zone, self.url)
    }

    fn new_records(&self, set: &SetKey) -> String {
        format!("TTL {} s, unless the webhook adjusts it", self.ttls().at(set))
    }

    fn access(&self) -> String {
        let url = Url::parse(&self.url).ok();
        let host = url.as_ref().and_then(Url::host_str).unwrap_or("its host");
        let port = url.as_ref().and_then(Url::port_or_known_default);
        let port = port.map(|port| format!(" on port {port}")).unwrap_or_default();
        format!("by the webhook at {host}{port}, which has the provider's credentials")
    }

    fn ttl_of_new_sets(&self) -> Option<BySet<u32>> {
        Some(self.ttls())
    }

    fn publishing(
        &self,
        services: &[ServiceRecords<'_>],
        report: &mut Report,
    ) -> Arc<dyn ProviderSettings> {
        let own_ttls = own_ttls(
            services,
            "the protocol of the webhook has no word for it; leave it out",
            report,
        );
        Arc::new(Self { names: published_names(services), own_ttls, ..self.clone() })
    }

    fn may_be_one_zone_with(&self, other: &dyn ProviderSettings) -> bool {
        let other: &dyn Any = other;
        let other = other.downcast_ref::<Self>();
        other.is_some_and(|other| (&self.zone, &self.url) == (&other.zone, &other.url))
    }

    fn shares_account_with(&self, other: &dyn ProviderSettings) -> bool {
        let other: &dyn Any = other;
        other.downcast_ref::<Self>().is_some_and(|other| self.url == other.url)
    }

    fn build<'a>(&'a self, account: &'a Account) -> Building<'a> {
        Box::pin(async {
            let provider: Box<dyn DnsProvider> = Box::new(Webhook::in_account(self, account)?);
            Ok(provider)
        })
    }
}

impl ProviderNetwork for WebhookConfig {
    fn requested_url(&self, _: &mut SectionContext<'_>) -> String {
        self.url.clone()
    }
}

/// The values of `[Webhook]`.
pub(crate) struct WebhookSection {
    zone: ZoneKeys,
    url: Field<String>,
    ttl: Field<u32>,
}

/// The names that differ between providers.
const NAMES: ZoneNames =
    ZoneNames { section: WebhookSection::SECTION, kind: "webhook", domain: "domain" };

impl ZoneTable for WebhookSection {
    const TABLE_KEYS: &'static [Key] = &[Key::new("url"), Key::new("ttl")];

    fn parse_table(values: &mut FieldReader<'_>) -> Self {
        Self::parse_others(ZoneKeys::parse_table(NAMES, values), values)
    }
}

impl ConfigSection for WebhookSection {
    type Settings = BuiltProvider;

    const SECTION: Section = Section::new("Webhook");

    const KEYS: &'static [Key] = &[
        Key::new("domain"),
        Key::new("hostnames"),
        Key::new("ip_addresses"),
        Key::new("url"),
        Key::new("ttl"),
    ];

    fn parse(values: &mut FieldReader<'_>) -> Self {
        Self::parse_others(ZoneKeys::parse(NAMES, values), values)
    }

    fn build(&self, context: &mut SectionContext<'_>) -> BuiltProvider {
        let zone = self.zone.build(context);
        let example = "the URL of the webhook, such as \"http://127.0.0.1:8888\"";
        self.zone.require(&self.url, "url", example, context);
        let settings = WebhookConfig {
            zone: zone.zone,
            names: zone.names,
            ttl: self.ttl.or(TTL),
            own_ttls: BTreeMap::new(),
            url: self.url.or(String::new()),
        };
        let provider = BuiltProvider::new(settings, zone.targets);
        provider.with_places(self.zone.places(), self.records())
    }

    fn advise(&self, built: &BuiltProvider, context: &mut SectionContext<'_>) {
        self.zone.advise(built.settings.zone(), context);
    }
}

impl WebhookSection {
    /// Takes the values out that a section and a `[zone.NAME]` table have in common.
    fn parse_others(zone: ZoneKeys, values: &mut FieldReader<'_>) -> Self {
        let section = Self::SECTION;
        Self {
            zone,
            url: values.one(section, "url", url::api),
            ttl: values.one(section, "ttl", integer(0, i64::from(i32::MAX))),
        }
    }

    /// Returns the settings of new records, with their places.
    fn records(&self) -> Vec<ValueInForce> {
        let ttl = self.ttl.or(TTL).to_string();
        vec![ValueInForce::new("ttl", ttl, self.ttl.spot())]
    }
}
