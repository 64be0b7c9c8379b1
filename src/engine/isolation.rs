//! Isolation: when this agent cannot trust its own observations, and when it can again.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::Engine;
use super::canaries::{CanaryEvidence, Isolation};
use super::fact::{Fact, Reason};
use super::ids::TargetKey;
use super::types::{IsolationCause, Outcome};

impl Engine {
    /// Weighs complete runs of losses again after a canary answered or missed a probe.
    pub(super) fn canary_judged(&mut self, outcome: Outcome) {
        let threshold = self.context.settings.thresholds.failure.get();
        if outcome == Outcome::Reply {
            self.end_isolation();
        } else if !self.canaries.is_isolated() && self.canaries.all_miss(threshold) {
            self.begin_isolation(IsolationCause::NoCanary);
        }
        for key in self.unproven() {
            self.weigh_losses(key);
        }
    }

    /// Flips a target down if its run of losses is complete and counts as evidence.
    pub(super) fn weigh_losses(&mut self, key: TargetKey) {
        let id = key.target;
        let Some(service) = self.services.get_mut(key.service) else { return };
        let Some(began) = service.complete_run(id, &self.context) else { return };
        match self.canaries.weigh(began) {
            CanaryEvidence::Proven => {
                if let Some(flip) = service.flip_down(id) {
                    self.flipped(key, flip);
                }
            }
            CanaryEvidence::Absent if !self.canaries.is_isolated() => {
                self.begin_isolation(IsolationCause::NoCanary);
            }
            CanaryEvidence::Absent => {
                let target = service.get(id);
                if target.is_some_and(|target| target.verdict.reason != Some(Reason::Isolated)) {
                    service.mark(id);
                }
            }
            CanaryEvidence::Pending => {}
        }
    }

    /// Begins or ends isolation by faults. Without canaries, an agent that cannot send probes to
    /// any target is isolated. A single probe that could not be sent is as weak a sign as a single
    /// lost one.
    pub(super) fn weigh_faults(&mut self) {
        let reaches_none = self.reaches_none();
        if !reaches_none && self.canaries.is_isolated_by_faults() {
            self.end_isolation();
        } else if reaches_none && self.canaries.is_empty() && !self.canaries.is_isolated() {
            self.begin_isolation(IsolationCause::NothingCanBeAsked);
        }
    }

    /// Whether there are targets and probes can be sent to none of them.
    pub(super) fn reaches_none(&self) -> bool {
        let targets = self.context.settings.target_count();
        targets > 0 && self.prober.unreachable() == targets
    }

    /// Returns the targets with a complete run of losses that no canary has confirmed yet.
    fn unproven(&self) -> Vec<TargetKey> {
        let keys = self.services.iter().map(|service| {
            service.unproven().into_iter().map(|target| service.key(target)).collect::<Vec<_>>()
        });
        keys.flatten().collect()
    }

    /// Marks every target of every service for the decision pass.
    pub(super) fn mark_all(&mut self) {
        for service in self.services.iter_mut() {
            service.mark_all();
        }
    }

    fn begin_isolation(&mut self, cause: IsolationCause) {
        self.canaries.isolate(self.context.now, cause);
        self.peers.announce();
        let mut missing = BTreeSet::<IpAddr>::new();
        for service in self.services.iter() {
            let targets = service.unproven().into_iter().filter_map(|id| service.get(id));
            missing.extend(targets.map(|target| target.address));
        }
        let missing = missing.into_iter().collect();
        self.context.report(Fact::Isolated { missing, cause });
        self.mark_all();
    }

    /// Ends isolation, if there is any: every run of losses starts from zero, and observations made
    /// until now are no evidence.
    pub(super) fn end_isolation(&mut self) {
        let Some(Isolation { since, .. }) = self.canaries.end_isolation() else { return };
        let now = self.context.now;
        for service in self.services.iter_mut() {
            service.start_over(now);
        }
        self.peers.announce();
        self.context.report(Fact::IsolationOver { lasted: now.since(since) });
        self.mark_all();
    }
}
