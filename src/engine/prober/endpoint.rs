//! A watched endpoint: its purpose, its schedule, and what keeps this machine from asking it.

use super::faults::Faults;
use super::rate_check::RateCheck;
use super::watch::{Endpoint, Watch};
use crate::engine::Moment;

/// The purpose of an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::engine) enum Role {
    /// It proves that this agent's own network works.
    Canary,
    /// Its records are managed. The number is its place among the targets of the service.
    Target(usize),
}

/// A watched endpoint.
#[derive(Debug)]
pub(super) struct Watched {
    pub(super) watch: Watch,
    pub(super) role: Role,
    /// Whether a missing reply is news: false for a target that is down already.
    pub(super) expected: bool,
    /// The time of its only valid entry on the schedule; its other entries are stale.
    pub(super) armed: Option<Moment>,
    pub(super) faults: Faults,
    /// Its due probe waits for room.
    pub(super) waits: bool,
    /// Its due retry waits for the budget.
    pub(super) waits_to_retry: bool,
}

impl Watched {
    /// An endpoint that was never probed, and is probed first at `first`.
    pub(super) fn new(endpoint: Endpoint, first: Moment, role: Role) -> Self {
        Self {
            watch: Watch::new(endpoint, first),
            role,
            expected: true,
            armed: Some(first),
            faults: Faults::default(),
            waits: false,
            waits_to_retry: false,
        }
    }

    /// Whether it is a target.
    pub(super) fn is_target(&self) -> bool {
        matches!(self.role, Role::Target(_))
    }

    /// Whether a reply that is overdue by its own measure is to be acted on.
    pub(super) fn is_watchful(&self) -> bool {
        self.is_target() && self.expected
    }

    /// Its rehearsals of the retry pace.
    pub(super) fn rate(&mut self) -> &mut RateCheck {
        &mut self.watch.rate
    }
}
