//! The events that the engine receives.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::Moment;
pub use super::action::{Action, Announcement, Order, OwnVote, ProbeRequest};
pub use super::fact::{Fact, Reason, RehearsalStage, Withdrawal};
use super::plan::{Desired, Observed, SetKey};
pub use super::settings::{ClusterSettings, Settings};

/// The index of a watched endpoint in the engine's list. It stays the same for as long as the
/// endpoint is watched.
pub type Slot = usize;

/// The result of sending one probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// A reply arrived, this long after the probe was sent.
    Reply(Duration),
    /// The target reported that it is not reachable, which counts as a loss at once. Carries the
    /// report.
    Unreachable(String),
    /// This machine could not send the probe. Carries the reason.
    Fault(String),
    /// No reply was received while the prober listened.
    Silence,
}

/// An event that the engine receives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Time has passed.
    Tick,
    /// A probe has ended. Every request gets exactly one answer.
    Answered {
        /// The [`ProbeRequest::slot`] of the probe.
        slot: Slot,
        /// The [`ProbeRequest::seq`] of the probe.
        seq: u64,
        /// The result of the probe.
        answer: Answer,
    },
    /// A router, or any sender that can guess the numbers of the probe, reports that it was not
    /// delivered. Its reply may still come: the probe is lost when its timeout has passed, and
    /// until then this is a hint.
    Undelivered {
        /// The [`ProbeRequest::slot`] of the probe.
        slot: Slot,
        /// The [`ProbeRequest::seq`] of the probe.
        seq: u64,
        /// The text of the report, and the address that sent it.
        report: String,
    },
    /// A report from the DNS worker.
    Dns(DnsReport),
    /// The vote of a peer on a target.
    Vote {
        /// The peer, by its vote address.
        peer: SocketAddr,
        /// The target of the vote.
        target: IpAddr,
        /// Whether the peer sees the target up.
        up: bool,
        /// The age of the peer's evidence when the vote was sent.
        age: Duration,
    },
    /// A peer retracted its vote on a target.
    Abstained {
        /// The peer, by its vote address.
        peer: SocketAddr,
        /// The target of the vote.
        target: IpAddr,
    },
    /// A peer came to life or is gone.
    Peer {
        /// The peer, by its vote address.
        peer: SocketAddr,
        /// Whether the peer is alive.
        alive: bool,
        /// Whether it is a legacy (Go) agent. The last vote of such an agent stands until it
        /// changes.
        go: bool,
    },
    /// The operator takes a target out by hand. Answered by [`Action::DrainAnswered`].
    Drain(DrainCommand),
    /// The operator gives a target back. Answered by [`Action::DrainAnswered`].
    Undrain {
        /// The ticket of the command, handed back with the answer.
        ticket: u64,
        /// The target to give back.
        target: IpAddr,
    },
    /// The wall clock was set: these drains, of an earlier process, end at another time.
    DrainEndsChanged(BTreeMap<IpAddr, Moment>),
    /// The settings changed.
    Reloaded(Box<Settings>),
}

/// The operator's command to take a target out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DrainCommand {
    /// The ticket of the command, handed back with the answer.
    pub ticket: u64,
    /// The target to take out.
    pub target: IpAddr,
    /// Duration of the drain; `None` means until the target is given back.
    pub lasts: Option<Duration>,
    /// The reason for the drain, in the operator's words.
    pub reason: Option<String>,
    /// Whether to skip the check of the floor.
    pub force: bool,
}

/// A target that the operator took out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drain {
    /// The time at which the drain ends by itself, if it does.
    pub until: Option<Moment>,
    /// The reason for the drain, in the operator's words.
    pub reason: Option<String>,
}

/// The reason why a command of the operator was not carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DrainRefusal {
    /// The address is not one of the targets.
    NotATarget,
    /// The target is not drained.
    NotDrained,
    /// Too few addresses would be left at these names.
    Floor(Vec<String>),
    /// The zone could not be listed, so the number of remaining addresses is not known. Carries the
    /// problem.
    ZoneUnknown(String),
}

/// A report from the DNS worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DnsReport {
    /// The zone was listed.
    Listed(Observed),
    /// The provider confirmed a change. In dry-run, the change would have been requested.
    Applied {
        /// The addresses that are withdrawn now.
        withdrawn: Vec<(SetKey, IpAddr)>,
        /// The addresses that are restored now.
        restored: Vec<(SetKey, IpAddr)>,
        /// The addresses that were added at names without any address, and had never been seen
        /// there.
        created: Vec<(SetKey, IpAddr)>,
        /// Time from when the change was first desired to the provider's confirmation.
        took: Duration,
    },
    /// The record sets match an order, except for the addresses that the floor holds back.
    Confirmed {
        /// The number of that order.
        number: u64,
        /// The desired states that were carried out.
        desired: BTreeMap<IpAddr, Desired>,
        /// The addresses that stay in because of the floor, with the names at which they stay.
        held: BTreeMap<IpAddr, Vec<String>>,
        /// The addresses that are not yet as desired at some set, or may not stay so. The worker
        /// keeps working on them, and reports again when that is over.
        open: BTreeSet<IpAddr>,
    },
    /// All record sets with a problem of their own, and the problem. The worker keeps retrying.
    FailingSets(BTreeMap<SetKey, String>),
    /// All addresses of record sets that a write may still change because its answer was lost.
    Uncertain(BTreeSet<(SetKey, IpAddr)>),
    /// The provider could not be reached or did not make the change; the worker keeps retrying.
    Failing(DnsProblem),
}

/// A problem that keeps DNS from the desired state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DnsProblem {
    /// The kind of problem, which determines the remedy.
    pub kind: DnsProblemKind,
    /// The whole chain of causes, in one line.
    pub what: String,
    /// Time until the worker tries again.
    pub retry_in: Option<Duration>,
}

/// The kind of a [`DnsProblem`], by remedy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DnsProblemKind {
    /// The provider refused: credentials, permissions, no such zone.
    Refused,
    /// Nothing changed; a later attempt may succeed.
    Unavailable,
    /// The change may be in force or not.
    Unconfirmed,
    /// The zone was changed concurrently.
    Changed,
    /// The worker or its provider panicked, or could not be rebuilt.
    Defect,
}
