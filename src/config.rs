//! What the configuration file and the command line ask for, validated.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;

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
}

/// What a probe is sent to: an echo request to the address, or a TCP connect to its port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Endpoint {
    /// Whom.
    pub address: IpAddr,
    /// The TCP port; `None` means an echo request.
    pub port: Option<u16>,
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
