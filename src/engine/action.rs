//! The actions that the engine requests.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use super::drain::{Drain, DrainRefusal};
use super::fact::Fact;
use super::ids::{FlowId, OrderNumber, ProbeId, ServiceId, Ticket, ZoneId};
use super::moment::Moment;
use super::plan::Desired;
use super::types::{Endpoint, Vote};

/// An action that the engine requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Send this probe and return its answer.
    Probe(ProbeRequest),
    /// A target may be about to be withdrawn: open the connection and list the zone.
    Prepare(ZoneId),
    /// Make the record sets serve these addresses. This replaces any earlier order of the same
    /// service that is not yet done.
    Reconcile {
        /// The zone of the record sets.
        zone: ZoneId,
        /// The desired contents of the record sets.
        order: Order,
    },
    /// The order about a target no longer stands; another order follows shortly.
    Recall {
        /// The zone of the order.
        zone: ZoneId,
        /// The service of the order.
        service: ServiceId,
        /// The target in question.
        target: IpAddr,
    },
    /// Announce all of this agent's votes on a service, at each change and every few seconds. A
    /// vote that is no longer among them is retracted.
    Announce {
        /// The service of the targets.
        service: ServiceId,
        /// The votes on its targets.
        announcement: Announcement,
    },
    /// A command of the operator was carried out or refused.
    DrainAnswered {
        /// The ticket of the command.
        ticket: Ticket,
        /// `Ok` if the command was carried out; otherwise the reason for its refusal.
        answer: Result<(), DrainRefusal>,
    },
    /// The drains of a service changed. Store all of them.
    StoreDrains {
        /// The service of the drains.
        service: ServiceId,
        /// The drains by target.
        drains: BTreeMap<IpAddr, Drain>,
    },
    /// Report a fact to the log, the metrics, the status and the notices.
    Report(Fact),
}

/// The votes that this agent announces.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Announcement {
    /// The votes, by target.
    pub votes: BTreeMap<IpAddr, OwnVote>,
    /// How long a vote counts, from the time of its evidence.
    pub term: Duration,
}

/// This agent's vote on one target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OwnVote {
    /// The view that this agent declares.
    pub vote: Vote,
    /// The time of the evidence for the vote.
    pub evidence: Moment,
}

/// The desired contents of the record sets of one service.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Order {
    /// The service of the record sets.
    pub service: ServiceId,
    /// The number of the order, which reports about it name.
    pub number: OrderNumber,
    /// The desired state of each address; an address without an entry is left as it is.
    pub desired: BTreeMap<IpAddr, Desired>,
    /// The fewest addresses that stay in a record set.
    pub floor: usize,
    /// The standbys of the service. Each takes the settings of the record that it stands in for.
    pub standbys: BTreeSet<IpAddr>,
    /// Whether to list the zone again even if it was listed a moment ago.
    pub read_again: bool,
}

/// A request to send one probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProbeRequest {
    /// The name of the probe, to be handed back with the answer.
    pub id: ProbeId,
    /// The address and port to probe.
    pub endpoint: Endpoint,
    /// The number of earlier probes to this endpoint, modulo 2^16. Used as the sequence number.
    pub nth: u16,
    /// The flow of the probe. It changes when the endpoint becomes suspect, which selects another
    /// echo identifier: a device on the path that black-holes one flow must not decide.
    pub flow: FlowId,
    /// Time without a reply after which the probe counts as lost, unless the prober has reported
    /// before that this machine could not send.
    pub timeout: Duration,
    /// Time after which the prober may stop listening. It is longer than the timeout, so that a
    /// late reply is recognised as one.
    pub listen_for: Duration,
}

#[cfg(test)]
impl ProbeRequest {
    /// Returns the first probe of an endpoint, for the tests of checks.
    pub(crate) fn first(endpoint: Endpoint, timeout: Duration) -> Self {
        let id = ProbeId { endpoint: 0.into(), seq: 0.into() };
        let flow = FlowId::default();
        Self { id, endpoint, nth: 0, flow, timeout, listen_for: timeout }
    }
}
