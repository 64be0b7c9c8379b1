//! A provider and its section are one file and one line in the registry.

mod max_out;
mod returns;
mod services;
mod standby;

use std::path::Path;

use super::*;
use crate::config::field::{Field, FieldReader};
use crate::config::keys::Key;
use crate::config::rule::integer;
use crate::dns::account::Account;
use crate::dns::providers::section::{
    BuiltProvider, ProviderNetwork, ServiceRecords, ZoneKeys, ZoneNames, ZoneTable, published_names,
};
use crate::dns::providers::{self, Building, ProviderKind, ProviderSettings};
use crate::dns::{Call, Capabilities, ChangeRequest, DnsProvider, Listing};
use crate::engine::plan::SetKey;

/// The entry of the registry.
const DUMMY: ProviderKind =
    ProviderKind::new::<DummyZone>("dummy", "Dummy", "Dummy DNS", Capabilities::new(&[]));

/// Everything that a new provider needs beside its line in the registry.
#[derive(Debug)]
struct DummyProvider;

impl DnsProvider for DummyProvider {
    fn name(&self) -> &'static str {
        DUMMY.name
    }

    fn list(&self) -> Call<'_, Listing> {
        Box::pin(async { Ok(Listing::default()) })
    }

    fn apply<'a>(&'a self, _: ChangeRequest<'a>) -> Call<'a, ()> {
        Box::pin(async { Ok(()) })
    }

    fn inherit_from(&mut self, before: Box<dyn DnsProvider>) -> bool {
        crate::dns::downcast::<Self>(before).is_some()
    }
}

/// The settings of `[Dummy]`.
#[derive(Debug)]
struct DummySettings {
    zone: String,
    names: Vec<String>,
    speed: u32,
}

impl ProviderSettings for DummySettings {
    fn kind(&self) -> ProviderKind {
        DUMMY
    }

    fn zone(&self) -> &str {
        &self.zone
    }

    fn names(&self) -> &[String] {
        &self.names
    }

    fn place(&self) -> String {
        format!("dummy {}", self.zone)
    }

    fn new_records(&self, _: &SetKey) -> String {
        format!("at speed {}", self.speed)
    }

    fn access(&self) -> String {
        "by nothing at all".to_owned()
    }

    fn publishing(
        &self,
        services: &[ServiceRecords<'_>],
        _: &mut Report,
    ) -> Arc<dyn ProviderSettings> {
        Arc::new(Self {
            names: published_names(services),
            zone: self.zone.clone(),
            speed: self.speed,
        })
    }

    fn may_be_one_zone_with(&self, _: &dyn ProviderSettings) -> bool {
        false
    }

    fn shares_account_with(&self, _: &dyn ProviderSettings) -> bool {
        false
    }

    fn build<'a>(&'a self, _: &'a Account) -> Building<'a> {
        Box::pin(async {
            let provider: Box<dyn DnsProvider> = Box::new(DummyProvider);
            Ok(provider)
        })
    }
}

/// The values of `[Dummy]`.
struct DummyZone {
    zone: ZoneKeys,
    speed: Field<u32>,
}

impl ProviderNetwork for DummySettings {
    fn requested_url(&self, _: &mut SectionContext<'_>) -> String {
        "https://dummy.example.com".to_owned()
    }
}

/// The names that differ between providers.
const NAMES: ZoneNames = ZoneNames { section: DummyZone::SECTION, kind: "dummy", domain: "domain" };

impl ZoneTable for DummyZone {
    const TABLE_KEYS: &'static [Key] = &[Key::new("speed")];

    fn parse_table(values: &mut FieldReader<'_>) -> Self {
        let speed = values.one(Self::SECTION, "speed", integer(1, 9));
        Self { zone: ZoneKeys::parse_table(NAMES, values), speed }
    }
}

impl ConfigSection for DummyZone {
    type Settings = BuiltProvider;

    const SECTION: Section = Section::new("Dummy");

    const KEYS: &'static [Key] =
        &[Key::new("domain"), Key::new("hostnames"), Key::new("ip_addresses"), Key::new("speed")];

    fn parse(values: &mut FieldReader<'_>) -> Self {
        let speed = values.one(Self::SECTION, "speed", integer(1, 9));
        Self { zone: ZoneKeys::parse(NAMES, values), speed }
    }

    fn build(&self, context: &mut SectionContext<'_>) -> BuiltProvider {
        let zone = self.zone.build(context);
        let speed = self.speed.or(5);
        let settings = DummySettings { zone: zone.zone, names: zone.names, speed };
        BuiltProvider::new(settings, zone.targets)
    }

    fn advise(&self, built: &BuiltProvider, context: &mut SectionContext<'_>) {
        self.zone.advise(built.settings.zone(), context);
        if let Some(at) = self.speed.present().filter(|at| at.value > 8) {
            context.report.warn(&at.spot, "is fast");
        }
    }
}

/// Reads a file with a registry that has one more line.
fn read(text: &str, provider: &'static str, dry_run: bool) -> Result<Config, ConfigErrors> {
    let registry = [&PROVIDERS[..], &[DUMMY]].concat();
    let asked = Asked { tcp: None, provider: Some(provider), dry_run };
    parse_with(Kinds { providers: &registry, ..KINDS }, text, Path::new("x"), &asked, &|_| None)
}

const FILE: &str = "name = \"a\"\n[Dummy]\ndomain = \"example.com\"\nhostnames = [\"www\"]\n\
                    ip_addresses = [\"192.0.2.10\"]\nspeed = 9\n";

#[test]
fn a_provider_and_its_section_are_parsed_and_described() {
    let config = read(FILE, "dummy", false).unwrap();
    let words = config.in_words();
    for line in [
        "agent       a, changing records at Dummy",
        "records     A at www.example.com in zone example.com at Dummy; new ones: at speed 9",
        "access      by nothing at all",
        "warning: x:6: Dummy.speed: is fast",
    ] {
        assert!(words.contains(line), "{line}\n{words}");
    }
    assert_eq!(config.default_zone().provider.word(), "dummy");
    let rows = [
        (
            FILE.replace("speed = 9", "speed = 10"),
            "dummy",
            "x:6: Dummy.speed: 10 is not allowed; an integer from 1 to 9",
        ),
        (
            FILE.replace("speed = 9", "sped = 9"),
            "dummy",
            "x:6: Dummy.sped: not a known key; did you mean speed?",
        ),
        (
            FILE.to_owned(),
            "route53",
            "x: Route53: missing; --dns-provider route53 needs this section, while the file has \
             [Dummy]",
        ),
        (FILE.to_owned(), "other", "x: there is no DNS provider called other"),
    ];
    for (text, provider, want) in rows {
        assert_eq!(read(&text, provider, true).unwrap_err().to_string(), want);
    }
}

#[tokio::test]
async fn a_provider_is_built_and_used_in_dry_run_and_for_real() {
    for dry_run in [false, true] {
        let zone = read(FILE, "dummy", dry_run).unwrap().zone(0, |_| ServiceId::DEFAULT);
        let mut provider = providers::build(&zone).await.unwrap();
        assert_eq!(provider.name(), "Dummy");
        assert_eq!(provider.list().await.unwrap(), Listing::default());
        let again = providers::build(&zone).await.unwrap();
        assert!(provider.inherit_from(again) != dry_run, "a dry-run has not read the zone yet");
        let cloudflare = FILE.replace("Dummy", "Cloudflare").replace("domain =", "dns_domain =");
        let cloudflare = cloudflare.replace("speed = 9", "");
        let other = read(&cloudflare, "cloudflare", true).unwrap().zone(0, |_| ServiceId::DEFAULT);
        let other = providers::build(&other).await.unwrap();
        assert!(!provider.inherit_from(other), "of another kind");
    }
}

#[test]
fn the_shipped_file_shows_every_key_in_its_section() {
    let shipped = include_str!("../../goavail.toml");
    let schema = schema(KINDS);
    let mut section = Section::TOP;
    let mut shown = Vec::new();
    for line in shipped.lines() {
        let line = line.trim_start_matches('#');
        if let Some(header) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            section = schema.section(&header.to_ascii_lowercase()).unwrap();
        } else if let Some((key, _)) = line.trim_start().split_once(" = ")
            && let Some(key) = schema.find(section, key)
        {
            shown.push((section, key));
        }
    }
    for key in schema.keys() {
        assert!(shown.contains(&key), "{key:?}");
    }
}
