//! State shared by the vote listener and all vote senders.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::clock::ClusterClock;
use super::seal::Seal;
use super::services::ServiceRegister;
use super::standing::Standings;
use super::votes::Votes;

/// The context that the vote listener and every vote sender hold a copy of.
#[derive(Debug, Clone)]
pub(crate) struct ClusterContext {
    /// The `local_addr` of this agent, which is its name in votes.
    pub local: SocketAddr,
    /// The cluster's key, if one is configured.
    pub seal: Option<Arc<Seal>>,
    /// The clock of the cluster part.
    pub clock: Arc<ClusterClock>,
    /// The number of votes by peer and outcome.
    pub counters: Arc<Counters>,
    /// The names of the services.
    pub services: Arc<ServiceRegister>,
    /// The services on which each peer has no vote.
    pub missing_votes: Arc<MissingVotes>,
    /// The current votes of this agent.
    pub votes: watch::Receiver<Arc<Votes>>,
    /// The current standing of every peer.
    pub standings: watch::Receiver<Arc<Standings>>,
}

/// The number of votes from and to each peer by outcome. `None` stands for unknown senders.
pub(crate) type VoteCounts = BTreeMap<(Option<SocketAddr>, &'static str), u64>;

/// Counters of vote outcomes.
#[derive(Debug, Default)]
pub(crate) struct Counters(Mutex<VoteCounts>);

impl Counters {
    /// Adds one to the counter of `peer` and `outcome`.
    pub(crate) fn add(&self, peer: Option<SocketAddr>, outcome: &'static str) {
        *lock(&self.0).entry((peer, outcome)).or_default() += 1;
    }

    /// Returns a copy of all counters.
    pub(crate) fn counts(&self) -> VoteCounts {
        lock(&self.0).clone()
    }
}

/// The names of services by peer.
pub(crate) type ServicesByPeer = BTreeMap<SocketAddr, Vec<Arc<str>>>;

/// The services of this agent on which each peer has no vote: a Go agent on all but `default`, any
/// other agent on those that it does not watch. Peers without such services are not listed.
#[derive(Debug, Default)]
pub(crate) struct MissingVotes(Mutex<ServicesByPeer>);

impl MissingVotes {
    /// Replaces the services of one peer.
    pub(crate) fn set(&self, peer: SocketAddr, services: Vec<Arc<str>>) {
        let mut all = lock(&self.0);
        if services.is_empty() {
            all.remove(&peer);
        } else {
            all.insert(peer, services);
        }
    }

    /// Removes all peers but those that `stays` accepts.
    pub(crate) fn retain(&self, stays: impl Fn(SocketAddr) -> bool) {
        lock(&self.0).retain(|peer, _| stays(*peer));
    }

    /// Returns a copy of all of them.
    pub(crate) fn get(&self) -> ServicesByPeer {
        lock(&self.0).clone()
    }
}

/// Locks `mutex`. A panic elsewhere leaves its value whole, so poisoning is ignored.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
