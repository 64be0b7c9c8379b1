//! Validated configuration, from the configuration file, the environment and the command line.
//!
//! There are two stages: `raw` holds the file's values, each key validated alone; [`Config`] is the
//! agent's task, with the keys validated together. All problems are reported at once, and a
//! configuration with any problem has no effect.

use std::net::{IpAddr, SocketAddr};
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::{Path, PathBuf};
use std::time::Duration;

use secrecy::SecretString;

mod address;
mod advice;
mod aws;
mod build;
mod describe;
mod disclosure;
mod document;
mod environment;
mod field;
mod keys;
mod names;
mod network;
mod own;
mod pace;
mod problem;
mod raw;
mod rule;
mod url;

pub use crate::engine::types::Endpoint;
pub(crate) use aws::{broken_profile, endless_file, missing_profile};
pub(crate) use disclosure::{name as name_as_shown, path as path_as_shown};
pub use pace::{Delay, seconds};
pub use problem::{ConfigErrors, Problem};
pub(crate) use rule::fits_a_header;

use crate::file;
use keys::Section;
use problem::Report;
use raw::Raw;

/// Maximum size of the file in bytes: room for a hundred thousand addresses.
const LARGEST_FILE: u64 = 8 * 1024 * 1024;

/// Returns every key that a file may hold, as the documentation writes it: with its section in
/// front, as in `Cloudflare.ttl`, unless it stands above the first section.
pub fn known_keys() -> impl Iterator<Item = String> {
    keys::KEYS.iter().map(|(section, key)| section.key(key))
}

/// Lookup of an environment variable. A variable that is set but empty counts as not set.
pub type Env<'a> = &'a dyn Fn(&str) -> Option<String>;

/// The options of the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked {
    /// `--type tcp`: TCP connects instead of echo requests.
    pub tcp: bool,
    /// The provider, which selects the section that is used.
    pub provider: Provider,
    /// Whether nothing is to be written at the provider.
    pub dry_run: bool,
}

/// A DNS provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Provider {
    /// Cloudflare DNS
    Cloudflare,
    /// Amazon Route 53
    Route53,
}

impl Provider {
    fn section(self) -> Section {
        match self {
            Self::Cloudflare => Section::Cloudflare,
            Self::Route53 => Section::Route53,
        }
    }
}

/// Reads the configuration file at `path`; see [`parse`].
///
/// # Errors
///
/// Fails with a single problem if the file cannot be read, is not UTF-8 text, or is larger than 8
/// MiB. Otherwise fails as [`parse`] does.
pub fn load(path: &Path, asked: &Asked, env: Env<'_>) -> Result<Config, ConfigErrors> {
    parse(&text_of_file(path)?, path, asked, env)
}

/// Builds the configuration from `text`. `path` is the file it came from: problems name it, and
/// relative paths in the text start at its directory.
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
    let file = path.display().to_string();
    let mut report = Report::new(&file);
    let document = document::read(text, &mut report);
    let (whole, empty) = (document.whole, document.is_empty());
    let raw = Raw::read(document, &mut report);
    if !whole {
        report.finish()?;
        return Err(ConfigErrors::about_file(&file, "not valid TOML"));
    }
    if empty && report.is_clean() {
        let what = "nothing is set in it; the goavail.toml that ships shows what can be";
        return Err(ConfigErrors::about_file(&file, what));
    }
    let builder = build::Builder { raw: &raw, path, asked, env, report: &mut report };
    let mut config = builder.build();
    advice::advise(&raw, &config, &mut report);
    config.guards_off = advice::guards_off(&config);
    config.warnings = report.warnings();
    report.finish()?;
    Ok(config)
}

/// Reads `[Status]` alone, for commands that only query the running agent. They work while the rest
/// of the file is being edited, and with either provider.
///
/// # Errors
///
/// Fails if the file cannot be read, is not TOML, or has a problem in `[Status]`.
pub fn load_status(path: &Path) -> Result<StatusConfig, ConfigErrors> {
    let text = text_of_file(path)?;
    let mut report = Report::new(&path.display().to_string());
    let document = document::read(&text, &mut report);
    let whole = document.whole;
    let raw = Raw::read(document, &mut report);
    let asked = Asked { tcp: false, provider: Provider::Cloudflare, dry_run: true };
    let env: Env<'_> = &|_| None;
    let mut builder = build::Builder { raw: &raw, path, asked: &asked, env, report: &mut report };
    let status = builder.status();
    if whole {
        report.keep_only(Section::Status);
    }
    report.finish()?;
    Ok(status)
}

/// Returns the text of the configuration file.
fn text_of_file(path: &Path) -> Result<String, ConfigErrors> {
    text_of(path, LARGEST_FILE)
        .map_err(|why| ConfigErrors::about_file(&path.display().to_string(), why))
}

/// Returns the text of a file, or the reason why it cannot be read. The reason quotes nothing from
/// the file.
pub(crate) fn text_of(path: &Path, largest: u64) -> Result<String, String> {
    match file::read(path, largest + 1) {
        Err(error) => Err(format!("cannot be read: {error}")),
        Ok(bytes) if bytes.len() as u64 > largest => Err(format!("larger than {largest} bytes")),
        Ok(bytes) => String::from_utf8(bytes).map_err(|error| {
            let good = error.as_bytes().iter().take(error.utf8_error().valid_up_to());
            let line = good.filter(|byte| **byte == b'\n').count() + 1;
            format!("not UTF-8 text, from line {line} on")
        }),
    }
}

/// Returns the name of this machine, or `goavail` if it has none.
///
/// Source: proc(5), `/proc/sys/kernel/hostname`.
fn host_name() -> String {
    let name = text_of(Path::new("/proc/sys/kernel/hostname"), 1024).unwrap_or_default();
    let name = name.trim();
    if name.is_empty() { "goavail".to_owned() } else { name.to_owned() }
}

/// The complete, validated configuration of the agent.
#[derive(Debug, Clone)]
pub struct Config {
    /// The file the configuration was read from.
    pub path: PathBuf,
    /// The name of this agent in notices and status.
    pub name: String,
    /// The watched addresses: distinct, in the order of the file. Never empty.
    pub targets: Vec<IpAddr>,
    /// The port to connect to on each target with `--type tcp`; `None` means echo requests.
    pub tcp_port: Option<u16>,
    /// Pace of probing, and thresholds.
    pub probing: Probing,
    /// The floor: the number of addresses that stay in every record set. 0 is off.
    pub min_in_service: usize,
    /// Endpoints that prove that this agent's own network works. An empty list is off.
    pub canaries: Vec<Endpoint>,
    /// Interval at which DNS is compared and repaired without a change of verdict.
    pub resync_interval: Option<Duration>,
    /// The file that keeps state across restarts.
    pub state_file: Option<PathBuf>,
    /// The provider of the records.
    pub provider: ProviderConfig,
    /// The other agents; `None` means that this agent runs alone.
    pub cluster: Option<ClusterConfig>,
    /// Endpoints that serve the status of this agent.
    pub status: StatusConfig,
    /// Receivers of notices.
    pub notify: NotifyConfig,
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

/// The provider of the records, with its section.
#[derive(Debug, Clone)]
pub enum ProviderConfig {
    /// The settings of `[Cloudflare]`.
    Cloudflare(CloudflareConfig),
    /// The settings of `[Route53]`.
    Route53(Route53Config),
}

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

/// The settings of `[Route53]`.
#[derive(Debug, Clone)]
pub struct Route53Config {
    /// The name of the zone, in lower case, without the final dot.
    pub zone: String,
    /// The owner names, fully qualified, in lower case, without the final dot; distinct.
    pub names: Vec<String>,
    /// The TTL of newly created record sets in seconds.
    pub ttl: u32,
    /// The id of the hosted zone; looked up by name if absent.
    pub zone_id: Option<String>,
    /// The region of the endpoint to use.
    pub region: String,
    /// Another URL for the API.
    pub api_url: Option<String>,
}

/// The settings of `[Members]`.
#[derive(Debug, Clone)]
pub struct ClusterConfig {
    /// The `host:port` at which this agent receives votes, as its peers list it.
    pub local_addr: SocketAddr,
    /// The `host:port` at which each other agent receives votes.
    pub peers: Vec<SocketAddr>,
    /// The gossip port of this agent and of every peer.
    pub members_port: u16,
    /// The number of peers that must agree. 0 means that this agent acts alone.
    pub min_peers_agree: usize,
    /// The shared key, of 16, 24 or 32 bytes.
    pub crypto_key: Option<SecretString>,
    /// Whether votes without a signature are refused.
    pub require_signed: bool,
}

/// The settings of `[Status]`.
#[derive(Debug, Clone, Default)]
pub struct StatusConfig {
    /// The address of the read-only service.
    pub listen: Option<SocketAddr>,
    /// The path of the control socket.
    pub socket: Option<PathBuf>,
}

/// Receivers of notices. Both URLs are secrets: anybody in possession of one can post there.
#[derive(Debug, Clone, Default)]
pub struct NotifyConfig {
    /// A Slack incoming webhook, as a whole URL.
    pub slack: Option<SecretString>,
    /// A URL that receives each notice as JSON.
    pub webhook: Option<SecretString>,
}

impl NotifyConfig {
    /// Returns the URL of the receiver for the channel with this name.
    pub(crate) fn url(&self, channel: &str) -> Option<&SecretString> {
        match channel {
            "slack" => self.slack.as_ref(),
            "webhook" => self.webhook.as_ref(),
            _ => None,
        }
    }
}
