//! The section `[Cloudflare]` of the configuration file.

use std::any::Any;
use std::collections::BTreeMap;

use secrecy::{ExposeSecret, SecretString};

use super::{Cloudflare, NewRecordSettings};
use crate::config::environment::{Environment, Found};
use crate::config::field::{Field, FieldReader, not_allowed};
use crate::config::in_force::ValueInForce;
use crate::config::keys::{Key, Section};
use crate::config::problem::Spot;
use crate::config::rule::{integer, truth};
use crate::config::section::{ConfigSection, SectionContext};
use crate::config::url;
use crate::config::value::Value;
use crate::dns::account::Account;
use crate::dns::providers::section::{BuiltProvider, ProviderNetwork, ZoneKeys, ZoneNames};
use crate::dns::providers::{Building, ProviderKind, ProviderSettings};
use crate::dns::{BySet, DnsProvider, ProviderCause};
use crate::engine::plan::SetKey;
use crate::text::disclosure::{self, hidden};

/// Cloudflare in the registry of providers.
pub(crate) const KIND: ProviderKind =
    ProviderKind::new::<CloudflareSection>("cloudflare", "Cloudflare", "Cloudflare DNS");

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
    /// The credentials; `None` if the environment holds none.
    pub credentials: Option<CloudflareCredentials>,
}

/// Credentials for Cloudflare.
#[derive(Debug, Clone)]
pub enum CloudflareCredentials {
    /// A scoped API token.
    Token(SecretString),
    /// The global key, with the account's e-mail address.
    GlobalKey {
        /// The global API key.
        key: SecretString,
        /// The account's e-mail address.
        email: String,
    },
}

impl CloudflareCredentials {
    /// Whether both are known to belong to one user. The limit of requests is that of a user.
    fn are_of_one_user(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Token(one), Self::Token(other)) => one.expose_secret() == other.expose_secret(),
            (Self::GlobalKey { email: one, .. }, Self::GlobalKey { email: other, .. }) => {
                one == other
            }
            _ => false,
        }
    }
}

impl CloudflareConfig {
    /// Returns the settings of newly created records.
    pub(super) fn new_record_settings(&self) -> BySet<NewRecordSettings> {
        let of_zone = NewRecordSettings { proxied: self.proxied, ttl: self.ttl };
        BySet::with(of_zone, &self.own_settings)
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
            Some(CloudflareCredentials::Token(_)) => "by an API token".to_owned(),
            Some(CloudflareCredentials::GlobalKey { email, .. }) => {
                format!("by the global key of {email}")
            }
            None => "no credentials in the environment: the zone cannot be read".to_owned(),
        }
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
        let section = Self::SECTION;
        let names = ZoneNames { section, kind: KIND.kind, domain: "dns_domain" };
        Self {
            zone: ZoneKeys::parse(names, values),
            ttl: values.one(section, "ttl", ttl),
            api_url: values.one(section, "api_url", url::api),
            dns_proxied: values.one(section, "dns_proxied", truth),
        }
    }

    fn build(&self, context: &mut SectionContext<'_>) -> BuiltProvider {
        let zone = self.zone.build(context);
        let dry_run = context.dry_run;
        let api_url = self.effective_api_url(context);
        let settings = CloudflareConfig {
            zone: zone.zone,
            names: zone.names,
            proxied: self.dns_proxied.or(false),
            ttl: self.ttl.or(AUTOMATIC_TTL),
            own_settings: BTreeMap::new(),
            api_url,
            credentials: credentials(&mut context.environment(), dry_run),
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
    let seconds = integer(1, 86_400)(value).ok();
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

/// Returns the credentials: a token, or the global key with its e-mail address.
///
/// They may be absent in a dry run.
fn credentials(environment: &mut Environment<'_>, dry_run: bool) -> Option<CloudflareCredentials> {
    match environment.either("CF_API_TOKEN", "CLOUDFLARE_API_TOKEN") {
        Found::This(_, token) => return Some(CloudflareCredentials::Token(token.into())),
        Found::Refused => return None,
        Found::Nothing => {}
    }
    match (environment.printable("CF_API_KEY"), environment.printable("CF_API_EMAIL")) {
        (Found::This(_, key), Found::This(_, email)) => {
            return Some(CloudflareCredentials::GlobalKey { key: key.into(), email });
        }
        (Found::This(..), Found::Nothing) => {
            refuse_half(environment, "CF_API_EMAIL", "CF_API_KEY");
        }
        (Found::Nothing, Found::This(..)) => {
            refuse_half(environment, "CF_API_KEY", "CF_API_EMAIL");
        }
        (Found::Nothing, Found::Nothing) if !dry_run => environment.report.refuse(
            &Spot::variable("CF_API_TOKEN"),
            "missing; --no-dry-run needs it, or CF_API_KEY and CF_API_EMAIL",
        ),
        _ => {}
    }
    None
}

/// Refuses an incomplete pair of variables.
fn refuse_half(environment: &mut Environment<'_>, missing: &str, present: &str) {
    let what = format!("missing; {present} is set and needs it, or set CF_API_TOKEN alone");
    environment.report.refuse(&Spot::variable(missing), what);
}
