//! The section `[Route53]` of the configuration file.

use std::any::Any;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use hyper::Uri;

use super::{Route53, profiles};
use crate::config::field::{Field, FieldReader, not_allowed};
use crate::config::in_force::ValueInForce;
use crate::config::keys::{Key, Section};
use crate::config::problem::{Report, Spot};
use crate::config::rule::{integer, text};
use crate::config::section::{ConfigSection, SectionContext};
use crate::config::url;
use crate::config::value::Value;
use crate::dns::account::Account;
use crate::dns::providers::section::{
    BuiltProvider, ProviderNetwork, ServiceRecords, ZoneKeys, ZoneNames, ZoneTable, own_ttls,
    published_names,
};
use crate::dns::providers::{Building, ProviderKind, ProviderSettings};
use crate::dns::{BySet, Capabilities, Capability, DnsProvider};
use crate::engine::plan::SetKey;
use crate::http::roots;
use crate::text::disclosure::{self, hidden};

/// Route 53 in the registry of providers.
pub(crate) const KIND: ProviderKind =
    ProviderKind::new::<Route53Section>("route53", "Route 53", "Amazon Route 53", CAPABILITIES);

/// The declared capabilities. Its answer at the limit on requests asks for no pause.
pub const CAPABILITIES: Capabilities = Capabilities::new(&[
    Capability::CompareAndSwap,
    Capability::AllOrNothing,
    Capability::Settings,
    Capability::Pages,
    Capability::Pauses,
]);

/// Default TTL of a new record set, in seconds.
const TTL: u32 = 60;

/// Region of the API.
const REGION: &str = "us-east-1";

/// Default URL of the API.
const API_URL: &str = "https://route53.amazonaws.com";

/// Variables that redirect AWS's own tools, in order of precedence.
const ENDPOINTS: [&str; 2] = ["AWS_ENDPOINT_URL_ROUTE_53", "AWS_ENDPOINT_URL"];

/// The settings of `[Route53]`.
#[derive(Debug, Clone)]
pub struct Route53Config {
    /// The name of the zone, in lower case, without the final dot.
    pub zone: String,
    /// The owner names, fully qualified, in lower case, without the final dot; distinct.
    pub names: Vec<String>,
    /// The TTL of newly created record sets in seconds.
    pub ttl: u32,
    /// The TTL in seconds of newly created record sets for which it differs.
    pub own_ttls: BTreeMap<SetKey, u32>,
    /// The id of the hosted zone; looked up by name if absent.
    pub zone_id: Option<String>,
    /// The region of the endpoint to use.
    pub region: String,
    /// Another URL for the API.
    pub api_url: Option<String>,
    /// The profile in AWS's files that has the credentials; `None` for AWS's own chain.
    pub profile: Option<String>,
}

impl Route53Config {
    /// Returns the TTL of newly created record sets in seconds.
    pub(super) fn ttls(&self) -> BySet<u32> {
        BySet::with(self.ttl, &self.own_ttls)
    }
}

impl ProviderSettings for Route53Config {
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
        let id = self.zone_id.as_deref().unwrap_or("by name");
        let place = self.api_url.as_deref().unwrap_or(&self.region);
        format!("Route 53 {}, {id}, at {place}", self.zone)
    }

    fn new_records(&self, set: &SetKey) -> String {
        format!("TTL {} s", self.ttls().at(set))
    }

    fn access(&self) -> String {
        match &self.profile {
            Some(profile) => format!("by the AWS profile {}", disclosure::name(profile)),
            None => "by AWS's own chain of credentials".to_owned(),
        }
    }

    fn ttl_of_new_sets(&self) -> Option<BySet<u32>> {
        Some(self.ttls())
    }

    fn floor_applies_to(&self) -> &'static str {
        // Only Route 53 can answer different clients from different record sets.
        "; with geolocation, of those that one client can get"
    }

    fn publishing(
        &self,
        services: &[ServiceRecords<'_>],
        report: &mut Report,
    ) -> Arc<dyn ProviderSettings> {
        let own_ttls = own_ttls(services, "Route 53 has no proxy; leave it out", report);
        Arc::new(Self { names: published_names(services), own_ttls, ..self.clone() })
    }

    /// Two zones may have one name. Their ids tell them apart.
    fn may_be_one_zone_with(&self, other: &dyn ProviderSettings) -> bool {
        let other: &dyn Any = other;
        let Some(other) = other.downcast_ref::<Self>() else { return false };
        let same = match (&self.zone_id, &other.zone_id) {
            (Some(mine), Some(theirs)) => mine == theirs,
            _ => self.zone == other.zone,
        };
        same && self.api_url == other.api_url
    }

    fn told_apart_by(&self) -> &'static str {
        "; aws_zoneid in both tells two hosted zones of one name apart"
    }

    fn shares_account_with(&self, other: &dyn ProviderSettings) -> bool {
        let other: &dyn Any = other;
        let other = other.downcast_ref::<Self>();
        other
            .is_some_and(|other| (&self.api_url, &self.profile) == (&other.api_url, &other.profile))
    }

    fn build<'a>(&'a self, account: &'a Account) -> Building<'a> {
        Box::pin(async {
            let provider: Box<dyn DnsProvider> = Box::new(Route53::in_account(self, account).await);
            Ok(provider)
        })
    }
}

impl ProviderNetwork for Route53Config {
    fn requested_url(&self, context: &mut SectionContext<'_>) -> String {
        self.api_url.clone().unwrap_or_else(|| endpoint(context))
    }

    fn authorities(&self, context: &mut SectionContext<'_>) -> Option<String> {
        authorities(context)
    }
}

/// The values of `[Route53]`.
pub(crate) struct Route53Section {
    zone: ZoneKeys,
    ttl: Field<u32>,
    aws_zoneid: Field<String>,
    aws_region: Field<String>,
    api_url: Field<String>,
    /// The profile with the credentials, in a `[zone.NAME]` table.
    profile: Field<String>,
}

/// The names that differ between providers.
const NAMES: ZoneNames =
    ZoneNames { section: Route53Section::SECTION, kind: "route53", domain: "aws_domain" };

impl ZoneTable for Route53Section {
    const TABLE_KEYS: &'static [Key] = &[
        Key::new("ttl"),
        Key::new("aws_zoneid"),
        Key::new("aws_region"),
        Key::new("api_url"),
        Key::new("profile"),
    ];

    fn parse_table(values: &mut FieldReader<'_>) -> Self {
        let zone = ZoneKeys::parse_table(NAMES, values);
        let profile = values.one(Self::SECTION, "profile", profile);
        Self { profile, ..Self::parse_others(zone, values) }
    }
}

impl ConfigSection for Route53Section {
    type Settings = BuiltProvider;

    const SECTION: Section = Section::new("Route53");

    const KEYS: &'static [Key] = &[
        Key::new("aws_domain"),
        Key::new("hostnames"),
        Key::new("ip_addresses"),
        Key::new("ttl"),
        Key::new("aws_zoneid"),
        Key::new("aws_region"),
        Key::new("api_url"),
    ];

    fn parse(values: &mut FieldReader<'_>) -> Self {
        Self::parse_others(ZoneKeys::parse(NAMES, values), values)
    }

    fn build(&self, context: &mut SectionContext<'_>) -> BuiltProvider {
        match self.profile.present() {
            Some(at) => profiles::check_named(at, context),
            None => profiles::check(context.env, context.report),
        }
        let zone = self.zone.build(context);
        let settings = Route53Config {
            zone: zone.zone,
            names: zone.names,
            ttl: self.ttl.or(TTL),
            own_ttls: BTreeMap::new(),
            zone_id: self.aws_zoneid.value().cloned(),
            region: self.aws_region.or(REGION.to_owned()),
            api_url: self.api_url.value().cloned(),
            profile: self.profile.value().cloned(),
        };
        let provider = BuiltProvider::new(settings, zone.targets);
        provider.with_places(self.zone.places(), self.records())
    }

    fn advise(&self, built: &BuiltProvider, context: &mut SectionContext<'_>) {
        self.zone.advise(built.settings.zone(), context);
    }
}

impl Route53Section {
    /// Takes the values out that a section and a `[zone.NAME]` table have in common.
    fn parse_others(zone: ZoneKeys, values: &mut FieldReader<'_>) -> Self {
        let section = Self::SECTION;
        Self {
            zone,
            ttl: values.one(section, "ttl", integer(0, i64::from(i32::MAX))),
            api_url: values.one(section, "api_url", url::api),
            aws_zoneid: values.one(section, "aws_zoneid", zone_id),
            aws_region: values.one(section, "aws_region", region),
            profile: Field::Absent,
        }
    }

    /// Returns the settings of new records, with their places.
    fn records(&self) -> Vec<ValueInForce> {
        let ttl = self.ttl.or(TTL).to_string();
        vec![ValueInForce::new("ttl", ttl, self.ttl.spot())]
    }
}

/// Reads the id of a hosted zone, with or without the `/hostedzone/` that AWS's own tools put in
/// front.
fn zone_id(value: &Value) -> Result<String, String> {
    text("a hosted zone's id, such as \"Z0123456789ABCDEFGHIJ\"", |id| {
        let id = id.strip_prefix("/hostedzone/").unwrap_or(id);
        let fits =
            (1..=32).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric());
        fits.then(|| id.to_owned())
    })(value)
}

/// Reads the name of a profile in AWS's files.
fn profile(value: &Value) -> Result<String, String> {
    text("the name of a profile in AWS's files, such as \"dns\"", |profile| {
        let fits = (1..=128).contains(&profile.len()) && profile.trim() == profile;
        (fits && !profile.contains(|c: char| c.is_control() || c == ']'))
            .then(|| profile.to_owned())
    })(value)
}

/// Reads the name of an AWS region.
fn region(value: &Value) -> Result<String, String> {
    text("a region, such as \"us-east-1\"", |region| {
        let mut bytes = region.bytes();
        let fits = (1..=32).contains(&region.len())
            && bytes.all(|it| it.is_ascii_lowercase() || it.is_ascii_digit() || it == b'-');
        fits.then(|| region.to_owned())
    })(value)
}

/// Returns the URL of the API according to AWS's own variables.
fn endpoint(context: &mut SectionContext<'_>) -> String {
    let env = context.env;
    let mut set = ENDPOINTS.into_iter().filter_map(|name| Some((name, env(name)?)));
    let Some((variable, url)) = set.find(|(_, url)| !url.is_empty()) else {
        return API_URL.to_owned();
    };
    let uri = url.parse::<Uri>().ok();
    let is_web = uri.is_some_and(|uri| matches!(uri.scheme_str(), Some("http" | "https")));
    if !is_web {
        let what = not_allowed(&hidden(&url), "a URL that begins with https:// or http://");
        context.report.refuse(&Spot::variable(variable), what);
    }
    url
}

/// Describes the certificate authorities that AWS's own tools trust instead of the system's.
fn authorities(context: &mut SectionContext<'_>) -> Option<String> {
    let variable = "AWS_CA_BUNDLE";
    let path = (context.env)(variable).filter(|path| !path.is_empty())?;
    let shown = disclosure::path(&path);
    match roots::bundle(Path::new(&path)) {
        Ok(_) => Some(format!("AWS is trusted by {shown} alone ({variable})")),
        Err(why) => {
            context.report.refuse(&Spot::variable(variable), format!("{shown}: {why}"));
            None
        }
    }
}
