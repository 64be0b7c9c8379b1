//! The section `[Members]` of the configuration file.

use std::net::SocketAddr;

use secrecy::SecretString;

use crate::config::address;
use crate::config::environment::{Found, secret};
use crate::config::field::{Field, FieldReader, List, not_allowed};
use crate::config::keys::{Key, Section};
use crate::config::problem::Spot;
use crate::config::rule::{integer, port, text, truth};
use crate::config::section::{ConfigSection, Described, SectionContext};
use crate::config::value::Value;
use crate::text::disclosure::hidden;
use crate::text::{counted, listed};

/// Default gossip port, as in the Go program.
const MEMBERS_PORT: u16 = 7946;

/// Description of the keys that AES accepts.
const AES_KEY: &str = "a text of 16, 24 or 32 bytes";

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

/// The values of `[Members]`.
pub(crate) struct MembersSection {
    peers: List<SocketAddr>,
    local_addr: Field<SocketAddr>,
    members_port: Field<u16>,
    min_peers_agree: Field<usize>,
    crypto_key: Field<String>,
    require_signed: Field<bool>,
}

impl ConfigSection for MembersSection {
    /// The other agents; `None` means that this agent runs alone.
    type Settings = Option<ClusterConfig>;

    const SECTION: Section = Section::new("Members");

    const KEYS: &'static [Key] = &[
        Key::new("peers").once_at_the_top(),
        Key::new("local_addr").once_at_the_top(),
        Key::new("members_port").once_at_the_top(),
        Key::new("min_peers_agree").once_at_the_top(),
        Key::new("crypto_key").once_at_the_top().secret(),
        Key::new("require_signed"),
    ];

    fn parse(values: &mut FieldReader<'_>) -> Self {
        let (section, example) = (Self::SECTION, "[\"192.0.2.1:8081\"]");
        Self {
            peers: values.each(section, "peers", example, address::agent),
            local_addr: values.one(section, "local_addr", address::agent),
            members_port: values.one(section, "members_port", port),
            min_peers_agree: values.one(section, "min_peers_agree", integer(0, 1000)),
            crypto_key: values.one(section, "crypto_key", crypto_key),
            require_signed: values.one(section, "require_signed", truth),
        }
    }

    fn build(&self, context: &mut SectionContext<'_>) -> Option<ClusterConfig> {
        let crypto_key = self.effective_crypto_key(context);
        let peers = context.distinct(self.peers.items());
        let own = self.local_addr.value();
        for peer in self.peers.items().iter().filter(|peer| Some(&peer.value) == own) {
            let what = not_allowed(&peer.shown, "it is local_addr, this agent itself");
            context.report.refuse(&peer.spot, what);
        }
        let agree = self.min_peers_agree.present().filter(|at| at.value > peers.len());
        if let Some(at) = agree.filter(|_| !self.peers.is_refused()) {
            let allowed = format!("at most {}, the number of peers", peers.len());
            context.report.refuse(&at.spot, not_allowed(&at.shown, &allowed));
        }
        let signed = self.require_signed.present().filter(|at| at.value);
        let keyless = crypto_key.is_none() && self.crypto_key.is_absent();
        if let Some(at) = signed.filter(|_| keyless) {
            context.report.refuse(&at.spot, not_allowed(&at.shown, "it needs crypto_key"));
        }
        Some(ClusterConfig {
            local_addr: self.votes_received_at()?,
            peers,
            members_port: self.members_port.or(MEMBERS_PORT),
            min_peers_agree: self.min_peers_agree.or(0),
            crypto_key: crypto_key.as_deref().map(secret),
            require_signed: self.require_signed.or(false),
        })
    }

    fn advise(&self, cluster: &Option<ClusterConfig>, context: &mut SectionContext<'_>) {
        match cluster {
            Some(cluster) => {
                self.advise_on_quorum(cluster, context);
                self.advise_on_shared_hosts(cluster, context);
            }
            None => self.advise_on_half(context),
        }
    }

    fn describe(cluster: &Option<ClusterConfig>) -> Vec<Described> {
        let words = match cluster {
            Some(cluster) => cluster.in_words(),
            None => "none: this agent decides alone".to_owned(),
        };
        vec![("cluster", words)]
    }

    fn guards_off(cluster: &Option<ClusterConfig>) -> Vec<&'static str> {
        let Some(cluster) = cluster else { return Vec::new() };
        let guards = [
            (cluster.crypto_key.is_some(), "crypto_key"),
            (cluster.require_signed, "require_signed"),
            (cluster.min_peers_agree > 0, "min_peers_agree"),
        ];
        guards.into_iter().filter(|(is_on, _)| !is_on).map(|(_, key)| key).collect()
    }
}

impl MembersSection {
    /// Returns the address at which votes are received: the cluster is on when `peers` and
    /// `local_addr` are both set.
    pub(crate) fn votes_received_at(&self) -> Option<SocketAddr> {
        self.local_addr.value().copied().filter(|_| !self.peers.items().is_empty())
    }

    /// Returns the cluster's key. The environment overrides the file.
    fn effective_crypto_key(&self, context: &mut SectionContext<'_>) -> Option<String> {
        let file = self.crypto_key.present();
        let Some((variable, key)) = crypto_key_of_environment(context) else {
            return file.map(|at| at.value.clone());
        };
        if let Some(at) = file.filter(|at| at.value != key) {
            context.report.warn(&at.spot, format!("not used; {variable} has a different value"));
        }
        Some(key)
    }

    fn advise_on_quorum(&self, cluster: &ClusterConfig, context: &mut SectionContext<'_>) {
        let agents = cluster.peers.len() + 1;
        let needed = cluster.min_peers_agree + 1;
        if 2 * needed > agents {
            return;
        }
        let spot = match self.min_peers_agree.present() {
            Some(at) => at.spot.clone(),
            None => context.missing(Self::SECTION, "min_peers_agree"),
        };
        let what = format!(
            "{} lets {needed} of {agents} agents decide, so that two groups cut off from each \
             other can both do so; at least {} prevents it",
            cluster.min_peers_agree,
            agents / 2,
        );
        context.report.warn(&spot, what);
    }

    /// Warns about agents on one host, which would need the same gossip port there.
    fn advise_on_shared_hosts(&self, cluster: &ClusterConfig, context: &mut SectionContext<'_>) {
        let mut seen: Vec<SocketAddr> = vec![cluster.local_addr];
        for peer in self.peers.items() {
            let other = seen.iter().find(|other| other.ip() == peer.value.ip());
            if let Some(other) = other.filter(|other| **other != peer.value) {
                let what = format!(
                    "is on the host of {other}, where one agent only can have the gossip port {}",
                    cluster.members_port,
                );
                context.report.warn_of(&peer.spot, &peer.shown, what);
            }
            seen.push(peer.value);
        }
    }

    /// Warns about a cluster that is only half configured and therefore off.
    fn advise_on_half(&self, context: &mut SectionContext<'_>) {
        let peers = self.peers.present().filter(|at| !at.value.is_empty());
        let (at, missing) = match (peers, self.local_addr.present()) {
            (Some(at), None) => (&at.spot, "local_addr"),
            (None, Some(at)) => (&at.spot, "peers"),
            _ => return,
        };
        let what = format!("not used without {missing}: this agent decides alone");
        context.report.warn(at, what);
    }
}

impl ClusterConfig {
    fn in_words(&self) -> String {
        let votes = match (&self.crypto_key, self.require_signed) {
            (None, _) => "votes and gossip in clear and unsigned",
            (Some(_), false) => "encrypted, unsigned votes taken too",
            (Some(_), true) => "encrypted, signed votes only",
        };
        format!(
            "{} with {}: {}; {} must agree; gossip on port {}; {votes}",
            self.local_addr,
            counted(self.peers.len(), "peer", "peers"),
            listed(&self.peers),
            counted(self.min_peers_agree, "peer", "peers"),
            self.members_port,
        )
    }
}

/// Reads a key for AES.
fn crypto_key(value: &Value) -> Result<String, String> {
    text(AES_KEY, |key| fits_aes(key).then(|| key.to_owned()))(value)
}

/// Whether a key has one of the lengths of AES: 16, 24 or 32 bytes.
fn fits_aes(key: &str) -> bool {
    [16, 24, 32].contains(&key.len())
}

/// Returns the key in the environment, with the variable's name.
fn crypto_key_of_environment(context: &mut SectionContext<'_>) -> Option<(String, String)> {
    let found = context.environment().secret("GOAVAIL_CRYPTO_KEY");
    let Found::This(variable, key) = found else { return None };
    if !fits_aes(&key) {
        let what = not_allowed(&hidden(&key), AES_KEY);
        context.report.refuse(&Spot::variable(&variable), what);
        return None;
    }
    Some((variable, key))
}
