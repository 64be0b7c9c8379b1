//! The input of the board: the state of the agent, as the event loop knows it.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use super::model::{Agent, Drained, Health, Reason, Streak};

/// The part of the status that a start or a reload determines.
#[derive(Debug, Clone)]
pub struct Setup {
    /// The agent as a whole, without its isolation: see [`super::Board::set_isolation`].
    pub agent: Agent,
    /// The addresses that are monitored, distinct, in the configuration's order.
    pub targets: Vec<IpAddr>,
    /// The owner names at which each of them may have a record.
    pub names: Vec<String>,
}

/// The state of one target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetState {
    /// The target's health, as seen from here.
    pub health: Health,
    /// The time at which a probe was last judged a reply or a loss; before the first, the time at
    /// which monitoring began. `None` if it is not known.
    pub judged: Option<Instant>,
    /// The verdict: whether the target's records belong in the zone. False for a target that is down
    /// by the verdict or drained, also while the floor or dry-run keeps its records.
    pub in_service: bool,
    /// The reason why a change that its health calls for is not made.
    pub reason: Option<Reason>,
    /// The newest outcomes in a row that are alike.
    pub streak: Streak,
    /// The operator's drain.
    pub drained: Option<Drained>,
}

/// Another agent of the cluster.
#[derive(Debug, Clone)]
pub struct PeerStatus {
    /// Its `host:port` for votes, as the configuration lists it.
    pub address: String,
    /// Whether its votes count.
    pub alive: bool,
    /// Whether it signs its votes.
    pub signed: bool,
    /// The time at which its last message was received.
    pub last_heard: Option<Instant>,
    /// The names of the services on which it has no vote.
    pub no_vote_on: Vec<Arc<str>>,
}

/// A vote of another agent.
#[derive(Debug, Clone)]
pub struct ReceivedVote {
    /// The agent that voted, by its `host:port`.
    pub peer: Arc<str>,
    /// The health that it sees.
    pub health: Health,
    /// The time at which the vote was received.
    pub heard: Instant,
}
