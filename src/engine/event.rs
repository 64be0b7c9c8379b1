//! The events that the engine receives.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

pub use super::action::{Action, Announcement, Order, OwnVote, ProbeRequest};
pub use super::dns_report::{DnsProblem, DnsProblemKind, DnsReport};
pub use super::drain::{Drain, DrainCommand, DrainRefusal, DrainScope, DrainStep};
pub use super::fact::{Fact, Reason, RehearsalStage, Withdrawal};
pub use super::failed::{FailedCheck, failed_in_words};
use super::ids::{ProbeId, ServiceId, Ticket, ZoneId};
use super::moment::Moment;
use super::settings::Settings;
use super::types::{Answer, PeerState, Vote};

/// An event that the engine receives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Time has passed.
    Tick,
    /// A probe has ended. Every request gets exactly one answer.
    Answered {
        /// The [`ProbeRequest::id`] of the probe.
        probe: ProbeId,
        /// The result of the probe.
        answer: Answer,
    },
    /// A router, or any sender that can guess the numbers of the probe, reports that it was not
    /// delivered. Its reply may still come: the probe is lost when its timeout has passed, and
    /// until then this is a hint.
    Undelivered {
        /// The [`ProbeRequest::id`] of the probe.
        probe: ProbeId,
        /// The text of the report, and the address that sent it.
        report: String,
    },
    /// A report from the reconciler of a zone.
    Dns(ZoneId, DnsReport),
    /// The vote of a peer on a target.
    Vote {
        /// The peer, by its vote address.
        peer: SocketAddr,
        /// The service of the target.
        service: ServiceId,
        /// The target of the vote.
        target: IpAddr,
        /// The view that the peer declares.
        vote: Vote,
        /// The age of the peer's evidence when the vote was sent.
        age: Duration,
    },
    /// A peer retracted its vote on a target.
    Abstained {
        /// The peer, by its vote address.
        peer: SocketAddr,
        /// The service of the target.
        service: ServiceId,
        /// The target of the vote.
        target: IpAddr,
    },
    /// A peer came to life or is gone.
    Peer {
        /// The peer, by its vote address.
        peer: SocketAddr,
        /// The state of the peer.
        state: PeerState,
    },
    /// The operator takes a target out by hand. Answered by [`Action::DrainAnswered`].
    Drain(DrainCommand),
    /// The operator gives a target back. Answered by [`Action::DrainAnswered`].
    Undrain {
        /// The ticket of the command, handed back with the answer.
        ticket: Ticket,
        /// The service of the target.
        service: ServiceId,
        /// The target to give back.
        target: IpAddr,
    },
    /// The operator puts a target back that waits. Answered by [`Action::DrainAnswered`].
    Return {
        /// The ticket of the command, handed back with the answer.
        ticket: Ticket,
        /// The service of the target.
        service: ServiceId,
        /// The target to put back.
        target: IpAddr,
        /// Whether the target is given back as well, if it is drained.
        undrain: bool,
    },
    /// The wall clock was set: these drains, of an earlier process, end at another time.
    DrainEndsChanged {
        /// The service of the drains.
        service: ServiceId,
        /// The times at which they end.
        ends: BTreeMap<IpAddr, Moment>,
    },
    /// The settings changed.
    Reloaded(Box<Settings>),
}
