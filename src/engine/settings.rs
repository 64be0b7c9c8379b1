//! What the engine works by.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

use super::prober::watch::{Endpoint, Pace};
use super::service::health::Thresholds;

/// What the engine works by. All of it can change while it runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The addresses that are watched, distinct.
    pub targets: Vec<IpAddr>,
    /// The TCP port that is connected to on each target; `None` means echo requests.
    pub port: Option<u16>,
    /// What proves that this agent's own network works.
    pub canaries: Vec<Endpoint>,
    /// How many outcomes in a row flip a target.
    pub thresholds: Thresholds,
    /// How fast it is probed.
    pub pace: Pace,
    /// How many targets may be probed at the same moment.
    pub burst: NonZeroUsize,
    /// Where targets are published: provider and zone, in words that differ if those do.
    pub zone: String,
    /// The owner names there.
    pub names: Vec<String>,
    /// The fewest addresses that stay in a record set.
    pub floor: usize,
    /// How often DNS is compared and repaired without a verdict.
    pub resync_interval: Option<Duration>,
    /// How many probes may be out at once; more wait their turn.
    pub most_in_flight: Option<NonZeroU32>,
    /// The other agents; `None` means that this one acts alone.
    pub cluster: Option<ClusterSettings>,
    /// Nothing is written at the provider.
    pub dry_run: bool,
}

/// The cluster as the engine knows it. Agents are named by their vote address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterSettings {
    /// This agent.
    pub own: SocketAddr,
    /// The other agents.
    pub peers: BTreeSet<SocketAddr>,
    /// How many peers must agree.
    pub min_peers_agree: usize,
}
