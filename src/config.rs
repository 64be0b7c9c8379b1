//! What the configuration file and the command line ask for, validated.
//!
//! Two stages: `raw` is what was written, each key judged alone; [`Config`] is what the agent does,
//! keys weighed together. All that is wrong is told at once, and nothing is taken over from a
//! configuration of which anything is wrong.

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

pub use crate::engine::prober::watch::Endpoint;
pub(crate) use aws::{broken_profile, endless_file, missing_profile};
pub(crate) use disclosure::{name as name_as_shown, path as path_as_shown};
pub use pace::{Delay, seconds};
pub use problem::{ConfigErrors, Problem};
pub(crate) use rule::fits_a_header;

use crate::file;
use keys::Section;
use problem::Report;
use raw::Raw;

/// The largest file that is read, in bytes: room for a hundred thousand addresses.
const LARGEST_FILE: u64 = 8 * 1024 * 1024;

/// Every key that a file may hold, as the documentation writes it: with its section in front, as in
/// `Cloudflare.ttl`, unless it stands above the first section.
pub fn known_keys() -> impl Iterator<Item = String> {
    keys::KEYS.iter().map(|(section, key)| section.key(key))
}

/// Looks an environment variable up. What is set but empty counts as not set.
pub type Env<'a> = &'a dyn Fn(&str) -> Option<String>;

/// What the command line asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked {
    /// `--type tcp`: TCP connects instead of echo requests.
    pub tcp: bool,
    /// Whose section is used.
    pub provider: Provider,
    /// Nothing is to be written at the provider.
    pub dry_run: bool,
}

/// Where records can be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Provider {
    /// Cloudflare
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
/// If the file cannot be read, is no UTF-8 text, or is larger than 8 MiB, that alone; else what
/// [`parse`] refuses.
pub fn load(path: &Path, asked: &Asked, env: Env<'_>) -> Result<Config, ConfigErrors> {
    parse(&text_of_file(path)?, path, asked, env)
}

/// Builds the configuration that `text` asks for. `path` is where it came from: problems name it,
/// and the paths in it are seen from its folder.
///
/// Beside its arguments it reads the files that `…_FILE` variables name and, if the file gives the
/// agent no name, the host's name.
///
/// # Errors
///
/// Everything that is wrong, at once. If lines of the text are no TOML, what could not be read may
/// be missed for no other reason, so then missing keys and keys that contradict each other are not
/// told of.
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

/// Reads `[Status]` alone, for commands that only ask the running agent: they work while the rest
/// of the file is being edited, and for either provider.
///
/// # Errors
///
/// If the file cannot be read, is no TOML, or has something wrong in `[Status]`.
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

/// The configuration file's text.
fn text_of_file(path: &Path) -> Result<String, ConfigErrors> {
    text_of(path, LARGEST_FILE)
        .map_err(|why| ConfigErrors::about_file(&path.display().to_string(), why))
}

/// A file's text, or why there is none, without a word of what is in it.
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

/// What this machine calls itself, or `goavail` if it does not say.
///
/// Source: proc(5), `/proc/sys/kernel/hostname`.
fn host_name() -> String {
    let name = text_of(Path::new("/proc/sys/kernel/hostname"), 1024).unwrap_or_default();
    let name = name.trim();
    if name.is_empty() { "goavail".to_owned() } else { name.to_owned() }
}

/// Everything the agent was asked to do, validated and complete.
#[derive(Debug, Clone)]
pub struct Config {
    /// The file it came from.
    pub path: PathBuf,
    /// What this agent is called in notices and status.
    pub name: String,
    /// The addresses that are watched: distinct, in the file's order. Never empty.
    pub targets: Vec<IpAddr>,
    /// With `--type tcp`, the port that is connected to on each target; `None` means echo requests.
    pub tcp_port: Option<u16>,
    /// How targets are probed and how many outcomes decide.
    pub probing: Probing,
    /// The floor: addresses that stay in every record set. 0 is off.
    pub min_in_service: usize,
    /// What proves that this agent's own network works. Empty is off.
    pub canaries: Vec<Endpoint>,
    /// How often DNS is compared and repaired without a verdict.
    pub resync_interval: Option<Duration>,
    /// Where memory across restarts is kept.
    pub state_file: Option<PathBuf>,
    /// Where the records are.
    pub provider: ProviderConfig,
    /// The other agents; `None` is single mode.
    pub cluster: Option<ClusterConfig>,
    /// Who may ask this agent what it sees.
    pub status: StatusConfig,
    /// Who is told what happened.
    pub notify: NotifyConfig,
    /// Nothing is written at the provider.
    pub dry_run: bool,
    /// What stands between this agent and those it asks, in words: proxies, certificate authorities.
    pub network: Option<String>,
    /// What the operator should know though it is not refused.
    pub warnings: Vec<String>,
    /// The guards that are off, by the name of the key that would turn them on.
    pub guards_off: Vec<&'static str>,
}

/// How targets are probed and how many outcomes decide.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probing {
    /// Losses in a row that flip a target down.
    pub failure_threshold: NonZeroU32,
    /// Replies in a row that flip a target up.
    pub recovery_threshold: NonZeroU32,
    /// Between probes of one target.
    pub interval: Duration,
    /// After this long without a reply a probe is a loss.
    pub timeout: Duration,
    /// Between probes of a target that is suspect.
    pub retry_interval: Duration,
    /// How many targets may be probed at the same moment.
    pub burst: NonZeroUsize,
}

/// Where the records are.
#[derive(Debug, Clone)]
pub enum ProviderConfig {
    /// `[Cloudflare]`
    Cloudflare(CloudflareConfig),
    /// `[Route53]`
    Route53(Route53Config),
}

/// `[Cloudflare]`
#[derive(Debug, Clone)]
pub struct CloudflareConfig {
    /// The zone's name, lower case, no final dot.
    pub zone: String,
    /// The owner names, fully qualified, lower case, no final dot; distinct.
    pub names: Vec<String>,
    /// Whether a record that is created anew is proxied.
    pub proxied: bool,
    /// The TTL of a record that is created anew, in seconds; 1 is automatic.
    pub ttl: u32,
    /// Where the API is, without a final slash.
    pub api_url: String,
    /// Who we are; `None` if the environment holds no credentials.
    pub credentials: Option<CloudflareCredentials>,
}

/// How we prove to Cloudflare who we are.
#[derive(Debug, Clone)]
pub enum CloudflareCredentials {
    /// A scoped API token.
    Token(SecretString),
    /// The global key and the account's e-mail address.
    GlobalKey {
        /// The key.
        key: SecretString,
        /// The account.
        email: String,
    },
}

/// `[Route53]`
#[derive(Debug, Clone)]
pub struct Route53Config {
    /// The zone's name, lower case, no final dot.
    pub zone: String,
    /// The owner names, fully qualified, lower case, no final dot; distinct.
    pub names: Vec<String>,
    /// The TTL of a set that is created anew, in seconds.
    pub ttl: u32,
    /// The hosted zone's id; looked up by name if absent.
    pub zone_id: Option<String>,
    /// The region whose endpoint is asked.
    pub region: String,
    /// Another place for the API.
    pub api_url: Option<String>,
}

/// `[Members]`
#[derive(Debug, Clone)]
pub struct ClusterConfig {
    /// This agent's `host:port` for votes, as its peers list it.
    pub local_addr: SocketAddr,
    /// The other agents' `host:port` for votes.
    pub peers: Vec<SocketAddr>,
    /// The gossip port, of this agent and of every peer.
    pub members_port: u16,
    /// How many peers must agree. 0 means that this agent acts alone.
    pub min_peers_agree: usize,
    /// 16, 24 or 32 bytes.
    pub crypto_key: Option<SecretString>,
    /// Refuse votes that carry no signature.
    pub require_signed: bool,
}

/// `[Status]`
#[derive(Debug, Clone, Default)]
pub struct StatusConfig {
    /// Where the read-only service listens.
    pub listen: Option<SocketAddr>,
    /// The control socket.
    pub socket: Option<PathBuf>,
}

/// Who is told what happened. Both URLs are secrets: whoever has one can write there.
#[derive(Debug, Clone, Default)]
pub struct NotifyConfig {
    /// A Slack incoming webhook, as a whole URL.
    pub slack: Option<SecretString>,
    /// Gets each notice as JSON.
    pub webhook: Option<SecretString>,
}
