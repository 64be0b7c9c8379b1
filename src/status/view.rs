//! One target as readers see it, and its counters.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::history::History;
use super::input::ReceivedVote;
use super::model::{Drained, Health, Reason, Streak};

/// One target as readers see it. Cheap to clone: long parts are shared.
#[derive(Debug, Clone)]
pub(super) struct View {
    pub(super) address: IpAddr,
    pub(super) health: Health,
    /// The last health other than unknown.
    pub(super) known: Health,
    pub(super) judged: Option<Instant>,
    pub(super) in_service: bool,
    pub(super) reason: Option<Reason>,
    pub(super) streak: Streak,
    pub(super) since: Instant,
    pub(super) in_service_since: Instant,
    pub(super) drained: Option<Arc<Drained>>,
    pub(super) last_rtt: Option<Duration>,
    /// Longest time until its failure is noticed, if the target limits its answers.
    pub(super) limits: Option<Duration>,
    pub(super) last_reply: Option<Instant>,
    pub(super) loss_1m: Option<f64>,
    /// Whether the record is present at each owner name, in the order of the names.
    pub(super) present: Arc<[Option<bool>]>,
    pub(super) votes: Arc<[ReceivedVote]>,
    pub(super) history: Arc<History>,
    pub(super) counters: TargetCounters,
}

/// The counters of one target since the start.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct TargetCounters {
    pub(super) replies: u64,
    pub(super) losses: u64,
    pub(super) faults: u64,
    pub(super) late: u64,
    pub(super) flips_up: u64,
    pub(super) flips_down: u64,
    pub(super) verdicts_up: u64,
    pub(super) verdicts_down: u64,
}

impl TargetCounters {
    /// Counts a change of health. A confirmation of the assumed health is none.
    pub(super) fn flipped(&mut self, from: Health, to: Health) {
        match (from, to) {
            (from, to) if from == to => {}
            (_, Health::Down) => self.flips_down += 1,
            (Health::Down, _) => self.flips_up += 1,
            _ => {}
        }
    }

    /// Counts a verdict.
    pub(super) fn decided(&mut self, in_service: bool) {
        if in_service {
            self.verdicts_up += 1;
        } else {
            self.verdicts_down += 1;
        }
    }
}
