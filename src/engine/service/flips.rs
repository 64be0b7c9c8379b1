//! The flips of health: up after enough replies in a row, down after a run of losses that a canary
//! has confirmed.

use std::net::IpAddr;

use super::Service;
use crate::engine::canaries::{Canaries, CanaryEvidence};
use crate::engine::context::Context;
use crate::engine::fact::{Fact, Reason};
use crate::engine::ids::{EndpointId, TargetId};
use crate::engine::moment::Moment;
use crate::engine::types::{Health, Outcome};

/// A change of health.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::engine) struct Flip {
    /// The endpoint of the target.
    pub(in crate::engine) endpoint: EndpointId,
    /// The new health.
    pub(in crate::engine) to: Health,
}

/// The consequences of the outcomes so far for the other parts of the engine.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::engine) struct Conclusion {
    /// The change of health, if there is one.
    pub(in crate::engine) flip: Option<Flip>,
    /// Whether no canary answered since the run of losses began, so that this agent has to isolate
    /// itself.
    pub(in crate::engine) isolates: bool,
}

impl Service {
    /// Counts outcomes towards recovery, in the order of sending, and weighs the run of losses.
    pub(in crate::engine) fn conclude(
        &mut self,
        id: TargetId,
        outcomes: &[Outcome],
        canaries: &Canaries,
        context: &mut Context,
    ) -> Conclusion {
        let thresholds = context.settings.canary_check.thresholds;
        let mut up = None;
        for outcome in outcomes {
            let Some(target) = self.targets.get_mut(id) else { break };
            let from = target.streaks.health();
            if *outcome != Outcome::Fault
                && target.streaks.count_in_order(*outcome == Outcome::Reply, thresholds)
            {
                up = self.flipped(id, from, context);
            }
        }
        let conclusion = self.weigh(id, canaries, context);
        Conclusion { flip: conclusion.flip.or(up), ..conclusion }
    }

    /// Flips a target down if its run of losses is complete and counts as evidence.
    pub(in crate::engine) fn weigh(
        &mut self,
        id: TargetId,
        canaries: &Canaries,
        context: &mut Context,
    ) -> Conclusion {
        let Some(target) = self.targets.get_mut(id) else { return Conclusion::default() };
        if !target.streaks.is_missing(context.settings.canary_check.thresholds) {
            self.unproven.remove(&id);
            return Conclusion::default();
        }
        self.unproven.insert(id);
        match canaries.weigh(target.streaks.run_began().unwrap_or(context.now)) {
            CanaryEvidence::Proven => {
                self.unproven.remove(&id);
                let from = target.streaks.health();
                target.streaks.flip_down();
                let flip = self.flipped(id, from, context);
                Conclusion { flip, isolates: false }
            }
            CanaryEvidence::Absent => {
                let isolates = !canaries.is_isolated();
                if !isolates && target.verdict.reason != Some(Reason::Isolated) {
                    self.mark(id);
                }
                Conclusion { flip: None, isolates }
            }
            CanaryEvidence::Pending => Conclusion::default(),
        }
    }

    /// Reports that a target's health changed, and marks the target for the decision pass.
    fn flipped(&mut self, id: TargetId, from: Health, context: &mut Context) -> Option<Flip> {
        let now = context.now;
        let target = self.targets.get_mut(id)?;
        target.since = now;
        target.evidence.proof = Some(now);
        let streaks = &target.streaks;
        let to = streaks.health();
        context.report(Fact::Flipped {
            service: self.id,
            target: target.address,
            from,
            to,
            count: if to == Health::Down { streaks.losses() } else { streaks.replies() },
            silent_for: streaks.last_reply().map(|at| now.since(at)),
            last_error: target.last_error.clone(),
        });
        let endpoint = target.endpoint;
        self.mark(id);
        Some(Flip { endpoint, to })
    }

    /// Returns the targets with a complete run of losses that no canary has confirmed yet.
    pub(in crate::engine) fn unproven(&self) -> Vec<TargetId> {
        self.unproven.iter().copied().collect()
    }

    /// Returns the addresses of the targets that are [`Self::unproven`].
    pub(in crate::engine) fn unproven_addresses(&self) -> impl Iterator<Item = IpAddr> {
        let targets = self.unproven.iter().filter_map(|id| self.targets.get(*id));
        targets.map(|target| target.address)
    }

    /// Starts every run of losses over, and discards all evidence: this agent's observations were
    /// wrong.
    pub(in crate::engine) fn start_over(&mut self, now: Moment) {
        self.unproven.clear();
        for target in self.targets.iter_mut() {
            target.streaks.start_losses_over(now);
            target.evidence.proof = None;
        }
    }
}
