//! The input of the board: the state of the agent, as the event loop knows it.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use super::model::{Agent, DEFAULT, Drained, Health, Reason, Returning, Standby, Streak};
use crate::engine::ids::{EndpointId, ServiceId, ZoneId};

/// The part of the status that a start or a reload determines.
#[derive(Debug, Clone)]
pub struct Setup {
    /// The agent as a whole, without its isolation: see [`super::Board::set_isolation`].
    pub agent: Agent,
    /// The services, in the configuration's order.
    pub services: Vec<ServiceSetup>,
    /// The zones, in the configuration's order.
    pub zones: Vec<ZoneSetup>,
}

/// One service of the configuration.
#[derive(Debug, Clone)]
pub struct ServiceSetup {
    /// The engine's key of the service.
    pub id: ServiceId,
    /// Its name; distinct.
    pub name: String,
    /// The zone where its targets are published.
    pub zone: ZoneId,
    /// The description of each check of its targets: `by echo requests`.
    pub checks: Vec<String>,
    /// The addresses that are monitored, distinct, in the configuration's order.
    pub targets: Vec<IpAddr>,
    /// The owner names at which each of them may have a record.
    pub names: Vec<String>,
}

/// One zone of the configuration.
#[derive(Debug, Clone)]
pub struct ZoneSetup {
    /// The engine's key of the zone.
    pub id: ZoneId,
    /// Its name in the configuration; distinct.
    pub name: String,
    /// The provider's name for people: `Cloudflare`.
    pub provider: String,
    /// The provider's name in metrics: `cloudflare`.
    pub word: &'static str,
    /// The name of the zone in DNS.
    pub domain: String,
}

impl Setup {
    /// Returns the setup of an agent with the service `default` alone, at the provider and in the
    /// zone that `agent` names. `word` is the provider's name in metrics.
    pub fn single(
        agent: Agent,
        word: &'static str,
        targets: Vec<IpAddr>,
        names: Vec<String>,
    ) -> Self {
        let service = ServiceSetup {
            id: ServiceId::DEFAULT,
            name: DEFAULT.to_owned(),
            zone: ZoneId::DEFAULT,
            checks: Vec::new(),
            targets,
            names,
        };
        let zone = ZoneSetup {
            id: ZoneId::DEFAULT,
            name: DEFAULT.to_owned(),
            provider: agent.provider.clone(),
            word,
            domain: agent.zone.clone(),
        };
        Self { agent, services: vec![service], zones: vec![zone] }
    }

    /// Whether the configuration names its services. Otherwise `default` is the only one, and is
    /// not named to people.
    pub(super) fn names_services(&self) -> bool {
        self.services.iter().any(|service| service.id != ServiceId::DEFAULT)
    }
}

/// The state of one target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetState {
    /// The endpoint that is probed for the target, and perhaps for others. `None` if it is not known.
    pub probe: Option<EndpointId>,
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
    /// Its place among the tiers, if it is a standby.
    pub standby: Option<Standby>,
    /// Its wait, if it is up again and is put back later.
    pub returning: Option<Returning>,
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
#[derive(Debug, Clone, PartialEq)]
pub struct ReceivedVote {
    /// The agent that voted, by its `host:port`.
    pub peer: Arc<str>,
    /// The health that it sees.
    pub health: Health,
    /// The time at which the vote was received.
    pub heard: Instant,
}
