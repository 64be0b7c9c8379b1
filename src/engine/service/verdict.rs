//! The inputs of the gate, and its ruling on one target.

use std::net::SocketAddr;
use std::time::Duration;

use super::alike::Likeness;
use super::max_out::MaxOutReached;
use super::tiers::Need;
use crate::engine::fact::Reason;
use crate::engine::quorum::{self, Agreement};
use crate::engine::types::{Health, IsolationCause, Verdict, WithdrawalCause};

/// The verdict that a target is out for its health.
pub(super) const DOWN: Verdict = Verdict::Withdrawn(WithdrawalCause::Down);

/// Whether the floor keeps a target in DNS that is down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KeptByFloor {
    /// It does not, or the target is silent.
    No,
    /// It does, and the target has begun to answer again.
    Recovering,
}

/// All inputs of the gate for one target.
#[derive(Debug, Clone)]
pub(super) struct Inputs {
    /// Whether the operator took the target out.
    pub(super) drained: bool,
    /// The target's health, as seen from here.
    pub(super) health: Health,
    /// The reason why this agent does not trust its observations, if it does not.
    pub(super) isolation: Option<IsolationCause>,
    /// Whether it is down only by a wrong answer that all targets of the service give.
    pub(super) likeness: Likeness,
    /// Whether the target itself asks to be taken out.
    pub(super) asked: bool,
    /// Whether the floor has kept it in DNS, and it may yet come back.
    pub(super) kept: KeptByFloor,
    /// Whether this agent has fresh evidence for the health.
    pub(super) proven: bool,
    /// The result of the votes. An agent without peers agrees with itself.
    pub(super) agreement: Agreement,
    /// Present if as many other targets of the service are out for their health as may be.
    pub(super) max_out: Option<MaxOutReached>,
    /// Its place among the tiers, if it is a standby.
    pub(super) standby: Option<TierStanding>,
    /// The evidence that it has not been up for long enough to be put back, if it has not.
    pub(super) returning: Option<String>,
}

/// The place of a standby among the tiers of its service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TierStanding {
    /// Whether its tier is needed.
    pub(super) need: Need,
    /// Whether it is in service by its verdict.
    pub(super) in_service: bool,
    /// Whether it is a last resort, which is put in unprobed.
    pub(super) is_unprobed: bool,
}

impl TierStanding {
    /// Whether a standby that is up stays out.
    pub(super) fn stays_out(self) -> bool {
        self.need == Need::Undecided && !self.in_service
    }
}

/// The ruling of the gate on one target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ruling {
    /// No change; the earlier verdict stands.
    Keep,
    /// No change, though the target's health calls for one. Carries the evidence.
    Refuse(Reason, String),
    /// A verdict. `after` is the time that this agent leaves to the agents before it in rank.
    Decide { verdict: Verdict, agreeing: Vec<SocketAddr>, after: Duration },
}

impl Inputs {
    /// Returns the verdict that the health calls for.
    pub(super) fn called_for(&self) -> Verdict {
        match self.health {
            Health::AssumedUp | Health::Up => Verdict::InService,
            Health::Down if self.asked => Verdict::Withdrawn(WithdrawalCause::Asked),
            Health::Down => DOWN,
        }
    }

    /// Returns the ruling if no question has an answer.
    pub(super) fn unopposed(&self) -> Ruling {
        let Agreement::Agreed { rank, agreeing } = &self.agreement else { return Ruling::Keep };
        let after = quorum::wait_of(*rank);
        Ruling::Decide { verdict: self.called_for(), agreeing: agreeing.clone(), after }
    }
}
