//! The settings of the engine.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

use super::types::{Endpoint, Pace, Thresholds};

/// The settings of the engine. All of them can change while it runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The watched addresses, distinct.
    pub targets: Vec<IpAddr>,
    /// The TCP port to connect to on each target; `None` means echo requests.
    pub port: Option<u16>,
    /// The endpoints that prove that this agent's own network works.
    pub canaries: Vec<Endpoint>,
    /// The numbers of outcomes in a row that flip a target.
    pub thresholds: Thresholds,
    /// The pace at which endpoints are probed.
    pub pace: Pace,
    /// The number of targets that may be probed at the same moment.
    pub burst: NonZeroUsize,
    /// The provider and zone where targets are published, as a text that differs if either does.
    pub zone: String,
    /// The owner names in that zone.
    pub names: Vec<String>,
    /// The fewest addresses that stay in a record set.
    pub floor: usize,
    /// Time between comparisons of DNS with all verdicts, which repair it; `None` for never.
    pub resync_interval: Option<Duration>,
    /// The number of probes that may be outstanding at once; further ones wait for their turn.
    pub most_in_flight: Option<NonZeroU32>,
    /// The other agents; `None` means that this agent acts alone.
    pub cluster: Option<ClusterSettings>,
    /// Whether nothing is written at the provider.
    pub dry_run: bool,
}

/// The cluster as the engine knows it. Agents are identified by their vote address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterSettings {
    /// The vote address of this agent.
    pub own: SocketAddr,
    /// The vote addresses of the other agents.
    pub peers: BTreeSet<SocketAddr>,
    /// The number of peers that must agree.
    pub min_peers_agree: usize,
}
