//! A watched endpoint: its purpose, its schedule, and the faults that prevent probes to it.

use std::sync::Arc;
use std::time::Duration;

use super::faults::Faults;
use super::rate_check::RateCheck;
use super::watch::Watch;
use crate::engine::ids::ProbeSeq;
use crate::engine::moment::Moment;
use crate::engine::settings::CheckSettings;
use crate::engine::types::{Endpoint, Method, Pace};

/// Time that a request has to report how far it came by its timeout.
const REPORT_TIME: Duration = Duration::from_millis(20);

/// The reason of the loss of a request that did not report one in time.
const NO_ANSWER: &str = "no answer within the timeout";

/// The purpose of an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::engine) enum Role {
    /// It proves that this agent's own network works.
    Canary,
    /// Targets depend on it, and their DNS records are managed.
    Target,
}

/// A watched endpoint.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
#[derive(Debug)]
pub(super) struct Watched {
    pub(super) watch: Watch,
    /// The number of the first probe that can be its own. Answers to earlier probes are about an
    /// endpoint that had the same id before.
    pub(super) first_seq: ProbeSeq,
    pub(super) role: Role,
    /// How it is probed.
    pub(super) check: Arc<CheckSettings>,
    /// Whether a missing reply is news: false for a target that is already down.
    pub(super) expected: bool,
    /// The time of its only valid schedule entry; its other entries are stale.
    pub(super) armed: Option<Moment>,
    pub(super) faults: Faults,
    /// Whether its due probe waits for room.
    pub(super) waits: bool,
    /// Whether its due retry waits for the budget.
    pub(super) waits_to_retry: bool,
    /// Whether its replies are ignored, since a rehearsal treats it as dead.
    pub(super) ignored: bool,
}

impl Watched {
    /// Creates an endpoint that was never probed. Its first probe has the number `first_seq` or a
    /// later one, and is not scheduled yet.
    pub(super) fn new(
        endpoint: Endpoint,
        first_seq: ProbeSeq,
        role: Role,
        check: &Arc<CheckSettings>,
    ) -> Self {
        Self {
            watch: Watch::new(endpoint, Moment::START),
            first_seq,
            role,
            check: Arc::clone(check),
            expected: true,
            armed: None,
            faults: Faults::default(),
            waits: false,
            waits_to_retry: false,
            ignored: false,
        }
    }

    /// Whether targets depend on the endpoint.
    pub(super) fn is_target(&self) -> bool {
        self.role == Role::Target
    }

    /// Returns the pace at which it is probed.
    pub(super) fn pace(&self) -> Pace {
        self.check.pace
    }

    /// Returns the time from sending a probe to judging it a loss. A request reports itself at its
    /// timeout how far it came, so a moment is left for that report.
    pub(super) fn patience(&self) -> Duration {
        match self.watch.endpoint.method {
            Method::Echo | Method::Connect(_) => self.check.pace.timeout,
            Method::Request(_) => self.check.pace.timeout + REPORT_TIME,
        }
    }

    /// Returns the reason of a loss about which nothing was reported. Without it, a request that gets no
    /// answer would be lost for the reason of an earlier loss.
    pub(super) fn silence(&self) -> Option<&'static str> {
        matches!(self.watch.endpoint.method, Method::Request(_)).then_some(NO_ANSWER)
    }

    /// Whether each of its probes holds a connection, and thus a descriptor.
    pub(super) fn connects(&self) -> bool {
        self.watch.endpoint.method != Method::Echo
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
