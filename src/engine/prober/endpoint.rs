//! A watched endpoint: its purpose, its schedule, and the faults that prevent probes to it.

use super::faults::Faults;
use super::rate_check::RateCheck;
use super::watch::Watch;
use crate::engine::ids::{ProbeSeq, TargetKey};
use crate::engine::moment::Moment;
use crate::engine::types::Endpoint;

/// The purpose of an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::engine) enum Role {
    /// It proves that this agent's own network works.
    Canary,
    /// Its DNS records are managed. Carries its key.
    Target(TargetKey),
}

/// A watched endpoint.
#[derive(Debug)]
pub(super) struct Watched {
    pub(super) watch: Watch,
    /// The number of the first probe that can be its own. Answers to earlier probes are about an
    /// endpoint that had the same id before.
    pub(super) first_seq: ProbeSeq,
    pub(super) role: Role,
    /// Whether a missing reply is news: false for a target that is already down.
    pub(super) expected: bool,
    /// The time of its only valid schedule entry; its other entries are stale.
    pub(super) armed: Option<Moment>,
    pub(super) faults: Faults,
    /// Whether its due probe waits for room.
    pub(super) waits: bool,
    /// Whether its due retry waits for the budget.
    pub(super) waits_to_retry: bool,
}

impl Watched {
    /// Creates an endpoint that was never probed, with a first probe at `first` that has the number
    /// `first_seq` or a later one.
    pub(super) fn new(endpoint: Endpoint, first: Moment, first_seq: ProbeSeq, role: Role) -> Self {
        Self {
            watch: Watch::new(endpoint, first),
            first_seq,
            role,
            expected: true,
            armed: Some(first),
            faults: Faults::default(),
            waits: false,
            waits_to_retry: false,
        }
    }

    /// Whether the endpoint is a target.
    pub(super) fn is_target(&self) -> bool {
        matches!(self.role, Role::Target(_))
    }

    /// Whether a reply that is overdue by the endpoint's own round-trip times is to be acted on.
    pub(super) fn is_watchful(&self) -> bool {
        self.is_target() && self.expected
    }

    /// Returns its rehearsals of the retry pace.
    pub(super) fn rate(&mut self) -> &mut RateCheck {
        &mut self.watch.rate
    }
}
