//! The way of a probe's result: from the prober to the service or the canaries, and the consequences
//! back to the pace of the probes.

use super::Engine;
use super::action::Action;
use super::fact::Fact;
use super::ids::{EndpointId, ProbeId, TargetKey};
use super::moment::Moment;
use super::prober::{ProbeResult, Role};
use super::service::Conclusion;
use super::types::{Answer, IsolationCause};

impl Engine {
    /// Processes a due endpoint: overdue replies, timed-out probes, the next probe.
    pub(super) fn watch_due(&mut self, endpoint: EndpointId, moment: Moment, stalled: bool) {
        let expired = self.prober.expire(endpoint, moment, stalled, &self.context);
        let Some(expired) = expired else { return };
        for result in expired {
            self.judged(result);
        }
        self.prober.resume(endpoint, &mut self.context);
    }

    /// Handles the end of a probe.
    pub(super) fn answered(&mut self, probe: ProbeId, answer: Answer) {
        let result = self.prober.answered(probe, answer, &mut self.context);
        if self.prober.is_target(probe.endpoint) {
            let reaches_none = self.prober.reaches_none(&self.context);
            self.isolate(self.canaries.weigh_faults(reaches_none));
        }
        if let Some(result) = result {
            self.judged(result);
        }
        self.prober.arm(probe.endpoint, &mut self.context);
    }

    /// Handles a report that a probe may not have been delivered.
    pub(super) fn undelivered(&mut self, probe: ProbeId, report: String) {
        if let Some(Role::Target(key)) = self.prober.undelivered(probe, &mut self.context)
            && let Some(service) = self.services.get_mut(key.service)
        {
            service.set_last_error(key.target, report);
        }
    }

    /// Passes on the result of a probe.
    fn judged(&mut self, mut result: ProbeResult) {
        let (endpoint, outcome, rtt) = (result.endpoint, result.judged.outcome, result.rtt);
        self.context.report(Fact::Judged { endpoint, outcome, rtt });
        if let Some(limits) = result.limits.take() {
            self.context.report(limits);
        }
        match result.role {
            Role::Target(key) => self.target_judged(key, &result),
            Role::Canary => self.canary_judged(&result),
        }
    }

    fn target_judged(&mut self, key: TargetKey, result: &ProbeResult) {
        let (canaries, context) = (&self.canaries, &mut self.context);
        let Some(service) = self.services.get_mut(key.service) else { return };
        let observation = service.observe(key.target, result, canaries.is_isolated(), context);
        if observation.endangers
            && let Some(zone) = self.zones.get_mut(&service.zone())
            && zone.prepare(context.now)
        {
            context.act(Action::Prepare(zone.id));
        }
        let conclusion = service.conclude(key.target, &result.in_order, canaries, context);
        if observation.regained {
            self.peers.announce();
        }
        if observation.missed {
            self.prober.suspect(result.endpoint, true, context);
        }
        self.concluded(conclusion);
    }

    fn canary_judged(&mut self, result: &ProbeResult) {
        let threshold = self.context.settings.canary_check.thresholds.failure;
        let Some(isolation) = self.canaries.judged(result, threshold) else { return };
        self.isolate(isolation);
        for key in self.unproven() {
            self.weigh(key);
        }
    }

    /// Weighs the run of losses of a target again, after the canaries have changed.
    pub(super) fn weigh(&mut self, key: TargetKey) {
        let Some(service) = self.services.get_mut(key.service) else { return };
        let conclusion = service.weigh(key.target, &self.canaries, &mut self.context);
        self.concluded(conclusion);
    }

    /// Passes on the consequences of the outcomes of a target's probes.
    fn concluded(&mut self, Conclusion { flip, isolates }: Conclusion) {
        if let Some(flip) = flip {
            self.prober.flipped(flip.endpoint, flip.to, &mut self.context);
            self.peers.announce();
        }
        if isolates {
            self.begin_isolation(IsolationCause::NoCanary);
        }
    }

    /// Returns the targets with a complete run of losses that no canary has confirmed yet.
    fn unproven(&self) -> Vec<TargetKey> {
        let mut keys = Vec::new();
        for service in self.services.iter() {
            for target in service.unproven() {
                keys.push(service.key(target));
            }
        }
        keys
    }
}
