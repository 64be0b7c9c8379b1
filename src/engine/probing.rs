//! The way of a probe's result: from the prober to the health or the canaries, and the consequences
//! for the services and back to the pace of the probes.

use std::collections::BTreeSet;

use super::Engine;
use super::action::Action;
use super::canaries::IsolationChange;
use super::fact::Fact;
use super::health::{Conclusion, Observation};
use super::ids::{EndpointId, ProbeId, ServiceId, TargetKey};
use super::journal::Noted;
use super::moment::Moment;
use super::prober::{ProbeResult, Role};
use super::service::EndpointFlip;
use super::stall::Tick;
use super::types::{Answer, IsolationCause, OtherAnswer};

impl Engine {
    /// Processes a due endpoint: overdue replies, timed-out probes, the next probe.
    pub(super) fn watch_due(&mut self, endpoint: EndpointId, moment: Moment, tick: Tick) {
        let expired = self.prober.expire(endpoint, moment, tick, &self.context);
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
            let reaches_none = self.prober.reaches_none();
            let change = self.canaries.weigh_faults(reaches_none);
            if change != IsolationChange::Unchanged {
                self.context.note(Noted::Faults { none: reaches_none });
            }
            self.isolate(change);
        }
        if let Some(result) = result {
            self.judged(result);
        }
        self.prober.arm(probe.endpoint, &mut self.context);
    }

    /// Handles a report that a probe may not have been delivered.
    pub(super) fn undelivered(&mut self, probe: ProbeId, report: String) {
        if self.prober.undelivered(probe, &mut self.context) {
            self.health.set_last_error(probe.endpoint, report);
        }
    }

    /// Passes on the result of a probe.
    pub(super) fn judged(&mut self, mut result: ProbeResult) {
        let (endpoint, outcome, rtt) = (result.endpoint, result.judged.outcome, result.rtt);
        self.context.report(Fact::Judged { endpoint, outcome, rtt });
        if let Some(limits) = result.limits.take() {
            self.context.report(limits);
        }
        let place = self.context.journal.as_mut();
        let place = place.map(|it| it.add(Noted::Probe(result.noted())));
        let was_calm = place.is_some() && self.is_calm(&result);
        let changed = match result.role {
            Role::Target => self.target_judged(&result),
            Role::Canary => {
                self.canary_judged(&result);
                false
            }
        };
        if was_calm
            && !changed
            && self.is_calm(&result)
            && let (Some(place), Some(journal)) = (place, &mut self.context.journal)
        {
            journal.set_quiet(place);
        }
    }

    /// Returns whether anything changed besides the counts and the age of the evidence.
    fn target_judged(&mut self, result: &ProbeResult) -> bool {
        let (endpoint, isolated) = (result.endpoint, self.canaries.is_isolated());
        let observation = self.health.observe(result, isolated, &mut self.context);
        if observation.is_news() {
            self.pass_on_news(endpoint, observation);
        }
        let now = self.context.now;
        let conclusion = self.health.conclude(endpoint, &result.in_order, &self.canaries, now);
        self.concluded(endpoint, &conclusion);
        if self.health.answers(endpoint).is_some() {
            self.compare_answers(endpoint, result.other.as_ref());
        }
        observation.is_news() || conclusion != Conclusion::default()
    }

    /// Has the services compare the answers of their targets, after another answer. While an endpoint
    /// answers wrongly, the other targets are probed sooner.
    fn compare_answers(&mut self, endpoint: EndpointId, other: Option<&OtherAnswer>) {
        let mut sooner = BTreeSet::new();
        for TargetKey { service: id, target } in self.health.watchers(endpoint) {
            let Some(service) = self.services.get(id) else { continue };
            if other.is_some() {
                sooner.extend(service.to_compare(target, endpoint, &self.health));
            }
            if !service.awaits_answers() {
                continue;
            }
            let Some(service) = self.services.get_mut(id) else { continue };
            service.answered();
            if other == Some(&OtherAnswer::Asked) {
                service.suspect_alike(target, &self.health);
                service.mark(target);
            }
        }
        for endpoint in sooner {
            self.prober.suspect(endpoint, true, &mut self.context);
        }
    }

    /// Passes on the news of a judged probe to the targets that depend on it.
    fn pass_on_news(&mut self, endpoint: EndpointId, observation: Observation) {
        let Observation { missed, regained, back } = observation;
        let now = self.context.now;
        for TargetKey { service, target } in self.health.watchers(endpoint) {
            let Some(service) = self.services.get_mut(service) else { continue };
            if let Some(back) = back
                && service.counts(target, endpoint)
            {
                service.evidence_back(target, back, &self.health, &mut self.context);
            }
            if regained {
                service.mark(target);
            }
            if missed
                && service.is_in_service(target)
                && service.counts(target, endpoint)
                && let Some(zone) = self.zones.get_mut(&service.zone())
                && zone.prepare(now)
            {
                self.context.act(Action::Prepare(zone.id));
            }
        }
        if regained {
            self.peers.announce();
        }
        if missed {
            self.prober.suspect(endpoint, true, &mut self.context);
        }
    }

    fn canary_judged(&mut self, result: &ProbeResult) {
        let threshold = self.context.settings.canary_check.thresholds.failure;
        let Some(isolation) = self.canaries.judged(result, threshold) else { return };
        self.isolate(isolation);
        for endpoint in self.health.unproven() {
            self.weigh(endpoint);
        }
    }

    /// Weighs the run of losses of an endpoint again, after the canaries have changed.
    pub(super) fn weigh(&mut self, endpoint: EndpointId) {
        let conclusion = self.health.weigh(endpoint, &self.canaries, self.context.now);
        self.concluded(endpoint, &conclusion);
    }

    /// Passes on the consequences of the outcomes of an endpoint's probes.
    fn concluded(&mut self, endpoint: EndpointId, conclusion: &Conclusion) {
        let Conclusion { flips, distrusted, relapsed } = conclusion;
        if *relapsed {
            for TargetKey { service, target } in self.health.watchers(endpoint) {
                if let Some(service) = self.services.get_mut(service) {
                    service.relapsed(target);
                }
            }
        }
        if let Some(last) = flips.last() {
            for TargetKey { service, target } in self.health.watchers(endpoint) {
                let Some(service) = self.services.get_mut(service) else { continue };
                for flip in flips {
                    let flip = EndpointFlip { endpoint, flip };
                    service.flipped(target, &flip, &self.health, &mut self.context);
                }
            }
            self.prober.flipped(endpoint, last.to, &mut self.context);
            self.peers.announce();
        }
        if *distrusted && self.canaries.is_isolated() {
            self.mark_unrefused(endpoint);
        } else if *distrusted {
            self.begin_isolation(IsolationCause::NoCanary);
        }
    }

    /// Marks the targets of an endpoint for which it was not reported that isolation keeps them in
    /// service.
    fn mark_unrefused(&mut self, endpoint: EndpointId) {
        for TargetKey { service, target } in self.health.watchers(endpoint) {
            let refused = self.services.get(service).map(|it| it.is_refused_for_isolation(target));
            if refused == Some(false)
                && let Some(service) = self.services.get_mut(service)
            {
                service.mark(target);
            }
        }
    }

    /// Looks for evidence that has expired. Without evidence, this agent has no vote.
    pub(super) fn sweep(&mut self) {
        let aged = self.health.sweep(&mut self.context);
        if !aged.is_empty() {
            self.context.note(Noted::Swept);
        }
        for TargetKey { service, target } in &aged.lapsed {
            if let Some(service) = self.services.get_mut(*service) {
                service.mark(*target);
            }
        }
        let services: BTreeSet<&ServiceId> = aged.lost.keys().chain(aged.lasting.keys()).collect();
        for id in services {
            let Some(service) = self.services.get_mut(*id) else { continue };
            if let Some(targets) = aged.lost.get(id) {
                service.evidence_lost(targets, &self.health, &mut self.context);
            }
            if let Some(targets) = aged.lasting.get(id) {
                service.still_unknown(targets, &mut self.context);
            }
        }
        if !aged.lapsed.is_empty() {
            self.peers.announce();
        }
    }
}
