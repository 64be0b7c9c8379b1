//! From the results of probes to the health of targets and the evidence of canaries.

use super::Engine;
use super::action::Action;
use super::fact::Fact;
use super::ids::{EndpointId, ProbeId, TargetKey};
use super::moment::Moment;
use super::prober::watch::Judged;
use super::prober::{ProbeResult, Role};
use super::service::Flip;
use super::types::{Answer, Health, Outcome};

impl Engine {
    /// Processes a due endpoint: overdue replies, timed-out probes, the next probe.
    pub(super) fn watch_due(&mut self, endpoint: EndpointId, moment: Moment, stalled: bool) {
        let Some(expired) = self.prober.expire(endpoint, moment, stalled, &self.context) else {
            return;
        };
        for judged in expired {
            self.judged(endpoint, &ProbeResult { judged, rtt: None });
        }
        self.prober.resume(endpoint, &mut self.context);
    }

    /// Handles the end of a probe.
    pub(super) fn answered(&mut self, probe: ProbeId, answer: Answer) {
        let endpoint = probe.endpoint;
        let result = self.prober.answered(probe, answer, &mut self.context);
        if self.prober.role(endpoint).is_some_and(|role| role != Role::Canary) {
            self.weigh_faults();
        }
        if let Some(result) = result {
            self.judged(endpoint, &result);
        }
        self.prober.arm(endpoint, &mut self.context);
    }

    /// Counts a judged probe.
    fn judged(&mut self, endpoint: EndpointId, result: &ProbeResult) {
        let Judged { outcome, quick, .. } = result.judged;
        self.context.report(Fact::Judged { endpoint, outcome, rtt: result.rtt });
        self.prober.count_rehearsal(endpoint, &result.judged, &mut self.context);
        match self.prober.role(endpoint) {
            None => {}
            Some(Role::Target(key)) => self.target_judged(key, endpoint, result),
            Some(Role::Canary) => {
                let faulty = self.prober.is_faulty(endpoint);
                while self.prober.pop_judged(endpoint).is_some() {}
                // A lost probe of a rehearsal proves nothing.
                if !quick || outcome != Outcome::Loss {
                    self.canaries.judged(endpoint, &result.judged, faulty);
                    self.canary_judged(outcome);
                }
            }
        }
    }

    fn target_judged(&mut self, key: TargetKey, endpoint: EndpointId, result: &ProbeResult) {
        let isolated = self.canaries.is_isolated();
        let Some(service) = self.services.get_mut(key.service) else { return };
        let judgement = service.judged(key.target, result, isolated, &mut self.context);
        if judgement.regained {
            self.peers.announce();
        }
        if judgement.missed {
            self.prober.suspect(endpoint, true, &mut self.context);
            self.prepare(key);
        }
        while let Some(outcome) = self.prober.pop_judged(endpoint) {
            let Some(service) = self.services.get_mut(key.service) else { return };
            if let Some(flip) = service.count(key.target, outcome, &self.context) {
                self.flipped(key, flip);
            }
        }
        self.weigh_losses(key);
    }

    /// Requests a listing of the zone before it is needed.
    fn prepare(&mut self, key: TargetKey) {
        let Some(service) = self.services.get(key.service) else { return };
        let in_service =
            service.get(key.target).is_some_and(|target| target.verdict.is_in_service());
        let Some(zone) = self.zones.get_mut(service.zone()) else { return };
        if in_service && zone.prepare(self.context.now) {
            self.context.act(Action::Prepare(zone.id));
        }
    }

    /// Reports a change of a target's health to all parts that depend on it.
    pub(super) fn flipped(&mut self, key: TargetKey, flip: Flip) {
        let Some(service) = self.services.get_mut(key.service) else { return };
        let Some(endpoint) = service.get(key.target).map(|target| target.endpoint) else { return };
        self.prober.expect(endpoint, flip.to != Health::Down);
        if flip.to == Health::Down {
            self.prober.suspect(endpoint, false, &mut self.context);
        }
        self.peers.announce();
        let last_error = self.prober.state(endpoint).and_then(|watch| watch.last_error.clone());
        service.flipped(key.target, flip, last_error, &mut self.context);
    }
}
