//! The votes of this agent, as it announces them.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::engine::ids::ServiceId;
use crate::engine::types::Vote;

/// All votes of this agent, by service. A service that did not change since the last announcement
/// keeps its place in memory.
#[derive(Debug, Clone, Default)]
pub(crate) struct Votes {
    /// The votes on each service.
    pub services: BTreeMap<ServiceId, Arc<AnnouncedVotes>>,
}

/// The votes of this agent on one service.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct AnnouncedVotes {
    /// The votes by target.
    pub votes: BTreeMap<IpAddr, AnnouncedVote>,
    /// Time after its evidence for which a vote counts. Older votes are not sent.
    pub term: Duration,
}

/// A vote of this agent on one target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AnnouncedVote {
    /// The agent's view of the target.
    pub vote: Vote,
    /// The time of the evidence for the vote.
    pub evidence: Duration,
}

impl Votes {
    /// Replaces the votes on one service. Returns whether they changed.
    pub(crate) fn replace(&mut self, service: ServiceId, votes: AnnouncedVotes) -> bool {
        let changed = self.services.get(&service).is_none_or(|before| **before != votes);
        if changed {
            self.services.insert(service, Arc::new(votes));
        }
        changed
    }

    /// Removes the votes on all services but those that `stays` accepts. Returns whether there were
    /// any.
    pub(crate) fn retain(&mut self, stays: impl Fn(ServiceId) -> bool) -> bool {
        let before = self.services.len();
        self.services.retain(|service, _| stays(*service));
        self.services.len() != before
    }

    /// Whether there are votes on other services than `default`.
    pub(crate) fn has_named(&self) -> bool {
        self.services.keys().any(|service| *service != ServiceId::DEFAULT)
    }
}
