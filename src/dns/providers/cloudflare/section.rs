//! The section `[Cloudflare]` of the configuration file.

use std::any::Any;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use super::credentials::{CloudflareCredentials, credentials};
use super::{Cloudflare, NewRecordSettings};
use crate::config::environment::Found;
use crate::config::field::{Field, FieldReader, not_allowed};
use crate::config::in_force::ValueInForce;
use crate::config::keys::{Key, Section};
use crate::config::problem::{Report, Spot};
use crate::config::rule::{integer, path, truth};
use crate::config::section::{ConfigSection, SectionContext};
use crate::config::url;
use crate::config::value::Value;
use crate::dns::account::Account;
use crate::dns::providers::section::{
    BuiltProvider, ProviderNetwork, ServiceRecords, ZoneKeys, ZoneNames, ZoneTable, published_names,
};
use crate::dns::providers::{Building, ProviderKind, ProviderSettings};
use crate::dns::{BySet, Capabilities, Capability, DnsProvider, ProviderCause};
use crate::engine::plan::SetKey;
use crate::text::disclosure::{self, hidden};

/// Cloudflare in the registry of providers.
pub(crate) const KIND: ProviderKind = ProviderKind::new::<CloudflareSection>(
    "cloudflare",
    "Cloudflare",
    "Cloudflare DNS",
    CAPABILITIES,
);

/// The declared capabilities. Records are changed by their ids.
pub const CAPABILITIES: Capabilities = Capabilities::new(&[
    Capability::RecordByRecord,
    Capability::AllOrNothing,
    Capability::Settings,
    Capability::Duplicates,
    Capability::Pages,
    Capability::Pauses,
    Capability::PausesAtLimit,
]);

/// Base URL of Cloudflare's API.
const API_URL: &str = "https://api.cloudflare.com/client/v4";

/// TTL by which Cloudflare is asked to choose one itself.
const AUTOMATIC_TTL: u32 = 1;

/// The settings of `[Cloudflare]`.
#[derive(Debug, Clone)]
pub struct CloudflareConfig {
    /// The name of the zone, in lower case, without the final dot.
    pub zone: String,
    /// The owner names, fully qualified, in lower case, without the final dot; distinct.
    pub names: Vec<String>,
    /// Whether newly created records are proxied.
    pub proxied: bool,
    /// The TTL of newly created records in seconds; 1 is automatic.
    pub ttl: u32,
    /// The settings of newly created records in sets for which they differ.
    pub own_settings: BTreeMap<SetKey, NewRecordSettings>,
    /// The base URL of the API, without the final slash.
    pub api_url: String,
    /// The credentials; `None` if there are none.
    pub credentials: Option<CloudflareCredentials>,
    /// The file that the token was read from, in a form that may be displayed; `None` if the
    /// credentials come from the environment.
    pub token_file: Option<String>,
}

impl CloudflareConfig {
    /// Returns the settings of newly created records.
    pub(super) fn new_record_settings(&self) -> BySet<NewRecordSettings> {
        let of_zone = NewRecordSettings { proxied: self.proxied, ttl: self.ttl };
        BySet::with(of_zone, &self.own_settings)
    }
}

impl CloudflareConfig {
    /// Warns about a name with proxied records beside others: Cloudflare proxies all of them.
    fn warn_of_mixed_proxies(&self, services: &[ServiceRecords<'_>], report: &mut Report) {
        let settings = self.new_record_settings();
        let mut proxied = BTreeMap::new();
        for service in services {
            for set in &service.sets {
                let its = settings.at(set).proxied;
                let (first, first_at) = *proxied.entry(&set.name).or_insert((its, service.proxied));
                if let Some(at) = service.proxied.or(first_at).filter(|_| first != its) {
                    let what = "has other records that differ in it: Cloudflare proxies all records of \
                                a name if it proxies one";
                    report.warn_of(&at.spot, &set.name, what);
                }
            }
        }
    }
}

impl ProviderSettings for CloudflareConfig {
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
        format!("Cloudflare {} at {}", self.zone, self.api_url)
    }

    fn new_records(&self, set: &SetKey) -> String {
        let NewRecordSettings { proxied, ttl } = self.new_record_settings().at(set);
        let proxied = if proxied { "proxied" } else { "not proxied" };
        match ttl {
            AUTOMATIC_TTL => format!("automatic TTL, {proxied}"),
            ttl => format!("TTL {ttl} s, {proxied}"),
        }
    }

    fn access(&self) -> String {
        match &self.credentials {
            Some(CloudflareCredentials::Token(_)) => match &self.token_file {
                Some(file) => format!("by the API token in {file}"),
                None => "by an API token".to_owned(),
            },
            Some(CloudflareCredentials::GlobalKey { email, .. }) => {
                format!("by the global key of {email}")
            }
            None => "no credentials in the environment: the zone cannot be read".to_owned(),
        }
    }

    fn proxies_new_records(&self) -> BySet<bool> {
        let own = self.own_settings.iter().map(|(set, its)| (set.clone(), its.proxied)).collect();
        BySet::with(self.proxied, &own)
    }

    fn ttl_in_words(&self, ttl: u32) -> String {
        if ttl == AUTOMATIC_TTL { "automatic".to_owned() } else { ttl.to_string() }
    }

    fn publishing(
        &self,
        services: &[ServiceRecords<'_>],
        report: &mut Report,
    ) -> Arc<dyn ProviderSettings> {
        let mut own_settings = BTreeMap::new();
        for ServiceRecords { sets, ttl, proxied, .. } in services {
            if let Some(at) = ttl
                && let Err(allowed) = ttl_from(at.value)
            {
                report.refuse(&at.spot, not_allowed(&at.shown, &allowed));
            }
            if ttl.is_some() || proxied.is_some() {
                let proxied = proxied.map_or(self.proxied, |at| at.value);
                let settings =
                    NewRecordSettings { proxied, ttl: ttl.map_or(self.ttl, |at| at.value) };
                own_settings.extend(sets.iter().map(|set| (set.clone(), settings)));
            }
        }
        let published = Self { names: published_names(services), own_settings, ..self.clone() };
        published.warn_of_mixed_proxies(services, report);
        Arc::new(published)
    }

    fn may_be_one_zone_with(&self, other: &dyn ProviderSettings) -> bool {
        let other: &dyn Any = other;
        let other = other.downcast_ref::<Self>();
        other.is_some_and(|other| (&self.zone, &self.api_url) == (&other.zone, &other.api_url))
    }

    fn shares_account_with(&self, other: &dyn ProviderSettings) -> bool {
        let other: &dyn Any = other;
        let Some(other) = other.downcast_ref::<Self>() else { return false };
        let (Some(mine), Some(theirs)) = (&self.credentials, &other.credentials) else {
            return false;
        };
        self.api_url == other.api_url && mine.are_of_one_user(theirs)
    }

    fn build<'a>(&'a self, account: &'a Account) -> Building<'a> {
        Box::pin(async {
            let built = Cloudflare::in_account(self, account);
            let provider: Box<dyn DnsProvider> =
                Box::new(built.map_err(|error| Box::new(error) as ProviderCause)?);
            Ok(provider)
        })
    }
}

impl ProviderNetwork for CloudflareConfig {
    fn requested_url(&self, _: &mut SectionContext<'_>) -> String {
        self.api_url.clone()
    }
}

/// The values of `[Cloudflare]`.
pub(crate) struct CloudflareSection {
    zone: ZoneKeys,
    dns_proxied: Field<bool>,
    ttl: Field<u32>,
    api_url: Field<String>,
    /// The file with the token, in a `[zone.NAME]` table.
    token_file: Field<PathBuf>,
}

/// The names that differ between providers.
const NAMES: ZoneNames =
    ZoneNames { section: CloudflareSection::SECTION, kind: "cloudflare", domain: "dns_domain" };

impl ZoneTable for CloudflareSection {
    const TABLE_KEYS: &'static [Key] =
        &[Key::new("dns_proxied"), Key::new("ttl"), Key::new("api_url"), Key::new("token_file")];

    fn parse_table(values: &mut FieldReader<'_>) -> Self {
        let zone = ZoneKeys::parse_table(NAMES, values);
        let token_file = values.one(Self::SECTION, "token_file", path);
        Self { token_file, ..Self::parse_others(zone, values) }
    }
}

impl ConfigSection for CloudflareSection {
    type Settings = BuiltProvider;

    const SECTION: Section = Section::new("Cloudflare");

    const KEYS: &'static [Key] = &[
        Key::new("dns_domain").once_at_the_top(),
        Key::new("hostnames").once_at_the_top(),
        Key::new("ip_addresses").once_at_the_top(),
        Key::new("dns_proxied").once_at_the_top(),
        Key::new("ttl"),
        Key::new("api_url"),
    ];

    fn parse(values: &mut FieldReader<'_>) -> Self {
        Self::parse_others(ZoneKeys::parse(NAMES, values), values)
    }

    fn build(&self, context: &mut SectionContext<'_>) -> BuiltProvider {
        let zone = self.zone.build(context);
        let api_url = self.effective_api_url(context);
        let settings = CloudflareConfig {
            zone: zone.zone,
            names: zone.names,
            proxied: self.dns_proxied.or(false),
            ttl: self.ttl.or(AUTOMATIC_TTL),
            own_settings: BTreeMap::new(),
            api_url,
            credentials: self.effective_credentials(context),
            token_file: self.shown_token_file(),
        };
        let provider = BuiltProvider::new(settings, zone.targets);
        provider.with_places(self.zone.places(), self.records())
    }

    fn advise(&self, built: &BuiltProvider, context: &mut SectionContext<'_>) {
        self.zone.advise(built.settings.zone(), context);
    }
}

impl CloudflareSection {
    /// Returns the settings of new records, with their places.
    fn records(&self) -> Vec<ValueInForce> {
        let ttl = match self.ttl.or(AUTOMATIC_TTL) {
            AUTOMATIC_TTL => "automatic".to_owned(),
            ttl => ttl.to_string(),
        };
        let proxied = self.dns_proxied.or(false).to_string();
        vec![
            ValueInForce::new("dns_proxied", proxied, self.dns_proxied.spot()),
            ValueInForce::new("ttl", ttl, self.ttl.spot()),
        ]
    }

    /// Takes the values out that a section and a `[zone.NAME]` table have in common.
    fn parse_others(zone: ZoneKeys, values: &mut FieldReader<'_>) -> Self {
        let section = Self::SECTION;
        Self {
            zone,
            ttl: values.one(section, "ttl", ttl),
            api_url: values.one(section, "api_url", url::api),
            dns_proxied: values.one(section, "dns_proxied", truth),
            token_file: Field::Absent,
        }
    }

    /// Returns the credentials: the token in the zone's own file, or those of the environment. They may
    /// be absent in a dry run.
    fn effective_credentials(
        &self,
        context: &mut SectionContext<'_>,
    ) -> Option<CloudflareCredentials> {
        if let Some(at) = self.token_file.present() {
            return Some(CloudflareCredentials::Token(context.token_file(at)?.into()));
        }
        match credentials(&mut context.environment()) {
            Found::This(_, credentials) => return Some(credentials),
            Found::Refused => {}
            Found::Nothing if context.dry_run || self.token_file.is_refused() => {}
            Found::Nothing if self.zone.are_of_table() => {
                let spot = context.missing(Self::SECTION, "token_file");
                let what = "missing; --no-dry-run needs it, or CF_API_TOKEN in the environment";
                context.report.refuse(&spot, what);
            }
            Found::Nothing => context.report.refuse(
                &Spot::variable("CF_API_TOKEN"),
                "missing; --no-dry-run needs it, or CF_API_KEY and CF_API_EMAIL",
            ),
        }
        None
    }

    /// Returns the path of the file with the token in a form that may be displayed.
    fn shown_token_file(&self) -> Option<String> {
        let at = self.token_file.present()?;
        Some(at.bare().to_owned())
    }

    /// Returns the URL of the API. The environment overrides the file.
    fn effective_api_url(&self, context: &mut SectionContext<'_>) -> String {
        let file = self.api_url.present();
        let Some(url) = api_url_of_environment(context) else {
            return file.map_or_else(|| API_URL.to_owned(), |at| at.value.clone());
        };
        if let Some(at) = file.filter(|at| at.value != url) {
            context.report.warn(&at.spot, "not used; CLOUDFLARE_BASE_URL has a different value");
        }
        url
    }
}

/// Reads a TTL that Cloudflare accepts: 1 is automatic.
fn ttl(value: &Value) -> Result<u32, String> {
    ttl_from(integer(0, i64::from(u32::MAX))(value).unwrap_or_default())
}

/// Returns a TTL that Cloudflare accepts, or a description of those.
fn ttl_from(seconds: u32) -> Result<u32, String> {
    let seconds = Some(seconds).filter(|seconds| *seconds <= 86_400);
    seconds.filter(|seconds| *seconds == AUTOMATIC_TTL || *seconds >= 30).ok_or_else(|| {
        "1, which is automatic, or an integer of seconds from 30 to 86400".to_owned()
    })
}

/// Returns another URL for the API.
fn api_url_of_environment(context: &mut SectionContext<'_>) -> Option<String> {
    let variable = "CLOUDFLARE_BASE_URL";
    let text = (context.env)(variable).filter(|text| !text.is_empty())?;
    match url::api_text(&text) {
        Ok(url) => Some(url),
        Err(allowed) => {
            let shown = disclosure::value(&text);
            let shown = shown.map_or_else(|| hidden(&text), |text| format!("\"{text}\""));
            let what = not_allowed(&shown, &allowed);
            context.report.refuse(&Spot::variable(variable), what);
            None
        }
    }
}
