//! The settings of the whole agent, from the configuration file, the environment and the command
//! line.
//!
//! The keys above the first section that belong to no part of the program are read here. All other
//! keys belong to the part that they configure: the providers' sections are in
//! [`crate::dns::providers`], the others in `sections`.

mod advice;
mod check_advice;
mod checks;
mod describe;
mod expanded;
mod max_out;
mod network;
mod pace;
mod pace_keys;
mod parsed;
mod references;
mod returns;
mod sections;
mod services;
mod standby;
mod tables;
mod top;

use std::collections::BTreeMap;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::config::document;
use crate::config::keys::{Schema, Section};
use crate::config::problem::Report;
use crate::config::section::{ConfigSection, SectionContext};
use crate::config::{ConfigErrors, Env};
use crate::dns::confirm::section::ConfirmKeys;
use crate::dns::providers::{PROVIDERS, PublishedService, ZoneConfig};
use crate::engine::ids::ServiceId;
use crate::file;
use crate::notify::CHANNELS;
use crate::status::{StatusConfig, StatusSection};
use parsed::ParsedFile;
use sections::ParsedSections;
use tables::{Kinds, ParsedTables};
use top::TopLevel;

pub(crate) use checks::{CanaryConfig, CheckConfig, CheckMethod};
pub(crate) use expanded::CheckedFile;
pub(crate) use pace::Delay;
pub(crate) use sections::Sections;
pub(crate) use services::{DEFAULT, NamedZone, ServiceConfig};
pub(crate) use standby::StandbyConfig;

/// Maximum size of the file in bytes: room for a hundred thousand addresses.
const LARGEST_FILE: u64 = 8 * 1024 * 1024;

/// The kinds of tables of this program.
const KINDS: Kinds<'static> =
    Kinds { providers: &PROVIDERS, checks: &checks::CHECK_TYPES, channels: &CHANNELS };

/// Returns every key that a file may hold, as the documentation writes it: with its section in
/// front, as in `Cloudflare.ttl`, unless it stands above the first section.
pub fn known_keys() -> impl Iterator<Item = String> {
    let keys: Vec<_> = schema(KINDS).keys().collect();
    keys.into_iter().map(|(section, key)| section.key(key.name))
}

/// Returns every key of the tables that a file may have any number of times, with the first part of the
/// table's header in front, as in `service.zone`.
pub fn known_table_keys() -> Vec<String> {
    schema(KINDS).table_keys().collect()
}

/// The options of the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked {
    /// `--type`: whether TCP connects are made instead of echo requests; `None` if it was not given.
    pub tcp: Option<bool>,
    /// `--dns-provider`: the kind of the provider, which selects the section that is used; `None` if it
    /// was not given.
    pub provider: Option<&'static str>,
    /// Whether nothing is to be written at the provider.
    pub dry_run: bool,
}

impl Asked {
    /// Whether TCP connects are made instead of echo requests.
    fn is_tcp(&self) -> bool {
        self.tcp.unwrap_or(false)
    }

    /// Returns the kind of the provider.
    fn provider(&self) -> &'static str {
        self.provider.unwrap_or(PROVIDERS[0].kind)
    }
}

/// The complete, validated settings of the agent.
#[derive(Debug, Clone)]
pub struct Config {
    /// The file the configuration was read from.
    pub path: PathBuf,
    /// The name of this agent in notices and status.
    pub name: String,
    /// Whether the file has `[[service]]`. Without it there is one service, called `default`.
    pub has_services: bool,
    /// The services, in the order of the file. Never empty.
    pub services: Vec<ServiceConfig>,
    /// The zones of the services, in the order of the file. Never empty.
    pub zones: Vec<NamedZone>,
    /// Endpoints that prove that this agent's own network works. An empty list is off.
    pub canaries: Vec<CanaryConfig>,
    /// Pace of probing canaries, and their thresholds: those of the top level.
    pub canary_probing: Probing,
    /// The settings of all sections but the provider's.
    pub sections: Sections,
    /// Whether nothing is written at the provider.
    pub dry_run: bool,
    /// Description of the proxies and certificate authorities between this agent and the services
    /// it uses.
    pub network: Option<String>,
    /// Warnings for the operator about settings that are accepted.
    pub warnings: Vec<String>,
    /// The guards that are off, by the name of the key that turns each on.
    pub guards_off: Vec<&'static str>,
}

impl Config {
    /// Returns the service called `default`.
    pub fn default_service(&self) -> &ServiceConfig {
        &self.services[0]
    }

    /// Whether the file names its services. Otherwise `default` is the only one.
    pub(crate) fn names_services(&self) -> bool {
        self.services.iter().any(|service| service.name != DEFAULT)
    }

    /// Whether a check runs its command as another user than this process, which takes privileges.
    pub(crate) fn runs_commands_as_others(&self) -> bool {
        let checks = self.services.iter().flat_map(|service| &service.checks);
        let methods = checks.map(|check| &check.method);
        let mut methods = methods.chain(self.canaries.iter().map(|canary| &canary.method));
        methods.any(CheckMethod::runs_as_another_user)
    }

    /// Returns the zone of the service called `default`.
    pub fn default_zone(&self) -> &NamedZone {
        self.zone_of(self.default_service())
    }

    /// Returns the zone of a service.
    pub(crate) fn zone_of(&self, service: &ServiceConfig) -> &NamedZone {
        &self.zones[service.zone]
    }

    /// Obeys the pauses that the providers asked for under `before`, which this configuration
    /// replaces.
    pub(crate) fn inherit_pauses(&self, before: &Self) {
        for zone in &self.zones {
            for earlier in &before.zones {
                if zone.provider.shares_account_with(&*earlier.provider) {
                    zone.account.inherit_from(&earlier.account);
                }
            }
        }
    }

    /// Returns the zone at this place with the provider to build for it, and with its services.
    /// `id_of` returns the id of the service with a name.
    pub(crate) fn zone(&self, place: usize, id_of: impl Fn(&str) -> ServiceId) -> ZoneConfig {
        let mut services = BTreeMap::new();
        for service in &self.services {
            if service.zone == place {
                let (targets, standbys) = service.targets.split_at(service.primaries().len());
                let its = PublishedService {
                    names: service.names.clone(),
                    targets: targets.to_vec(),
                    standbys: standbys.to_vec(),
                };
                services.insert(id_of(&service.name), its);
            }
        }
        ZoneConfig {
            name: self.zones[place].name.clone(),
            provider: Arc::clone(&self.zones[place].provider),
            services,
            account: self.zones[place].account.clone(),
            dry_run: self.dry_run,
            shared: self.sections.cluster.is_some(),
            confirm: self.zones[place].confirm.clone(),
        }
    }
}

/// Pace of probing, and the number of outcomes that decide.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probing {
    /// Consecutive losses that flip a target down.
    pub failure_threshold: NonZeroU32,
    /// Consecutive replies that flip a target up.
    pub recovery_threshold: NonZeroU32,
    /// Time between probes of one target.
    pub interval: Duration,
    /// Time without a reply after which a probe is a loss.
    pub timeout: Duration,
    /// Time between probes of a suspect target.
    pub retry_interval: Duration,
    /// Maximum number of targets probed at the same time.
    pub burst: NonZeroUsize,
}

/// Reads the configuration file at `path`; see [`parse`].
///
/// # Errors
///
/// Fails with a single problem if the file cannot be read, is not UTF-8 text, or is larger than 8
/// MiB. Otherwise fails as [`parse`] does.
pub(crate) fn load(path: &Path, asked: &Asked, env: Env<'_>) -> Result<Config, ConfigErrors> {
    parse(&text_of_file(path)?, path, asked, env)
}

/// Builds the settings from `text`. `path` is the file it came from: problems name it, and relative
/// paths in the text start at its directory.
///
/// Besides its arguments it reads the files named by `…_FILE` variables and, if the file gives the
/// agent no name, the host's name.
///
/// # Errors
///
/// Reports all problems at once. If some lines are not TOML, keys may seem missing only because
/// those lines could not be read. In that case missing keys and contradictions between keys are not
/// reported.
pub fn parse(text: &str, path: &Path, asked: &Asked, env: Env<'_>) -> Result<Config, ConfigErrors> {
    parse_with(KINDS, text, path, asked, env)
}

/// Like [`parse`], with these kinds of tables.
fn parse_with(
    kinds: Kinds<'_>,
    text: &str,
    path: &Path,
    asked: &Asked,
    env: Env<'_>,
) -> Result<Config, ConfigErrors> {
    let file = path.display().to_string();
    let mut report = Report::new(&file);
    let document = document::read(text, schema(kinds), &mut report);
    let (whole, empty) = (document.whole, document.is_empty());
    let parsed = ParsedFile::read(document, kinds, &mut report);
    if !whole {
        report.finish()?;
        return Err(ConfigErrors::about_file(&file, "not valid TOML"));
    }
    if empty && report.is_clean() {
        let what = "nothing is set in it; the goavail.toml that ships shows what can be";
        return Err(ConfigErrors::about_file(&file, what));
    }
    let Some((selected, alternatives)) = parsed.selected(asked.provider()) else {
        let what = format!("there is no DNS provider called {}", asked.provider());
        return Err(ConfigErrors::about_file(&file, what));
    };
    let mut context = SectionContext {
        path,
        dry_run: asked.dry_run,
        alternatives,
        env,
        document: &parsed.document,
        report: &mut report,
    };
    let mut config = parsed.build(selected, asked, &mut context);
    parsed.top.advise(&config, &mut context);
    parsed.sections.advise(&config.sections, &mut context);
    config.guards_off = advice::guards_off(&config);
    config.warnings = report.warnings();
    report.finish()?;
    Ok(config)
}

/// Reads `[Status]` alone, for commands that only query the running agent. They work while the rest
/// of the file is being edited, and with any provider.
///
/// # Errors
///
/// Fails if the file cannot be read, is not TOML, or has a problem in `[Status]`.
pub fn load_status(path: &Path) -> Result<StatusConfig, ConfigErrors> {
    let text = text_of_file(path)?;
    let mut report = Report::new(&path.display().to_string());
    let document = document::read(&text, schema(KINDS), &mut report);
    let whole = document.whole;
    let parsed = ParsedFile::read(document, KINDS, &mut report);
    let mut context = SectionContext {
        path,
        dry_run: true,
        alternatives: Vec::new(),
        env: &|_| None,
        document: &parsed.document,
        report: &mut report,
    };
    let status = parsed.sections.status.build(&mut context);
    if whole {
        report.keep_only(StatusSection::SECTION.name());
    }
    report.finish()?;
    Ok(status)
}

/// Returns the text of the configuration file.
fn text_of_file(path: &Path) -> Result<String, ConfigErrors> {
    file::read_text(path, LARGEST_FILE)
        .map_err(|why| ConfigErrors::about_file(&path.display().to_string(), why))
}

/// Returns the sections and keys that a file may have.
fn schema(kinds: Kinds<'_>) -> Schema {
    let mut schema = Schema::default();
    schema.add(Section::TOP, TopLevel::KEYS);
    ParsedTables::add_to(&mut schema, kinds);
    for provider in kinds.providers {
        schema.add(provider.section, provider.keys);
        schema.add(provider.section, ConfirmKeys::KEYS);
    }
    ParsedSections::add_to(&mut schema);
    schema
}

#[cfg(test)]
mod tests;
