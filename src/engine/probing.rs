//! From the results of probes to the health of targets and the evidence of canaries.

use super::Engine;
use super::action::Action;
use super::fact::Fact;
use super::ids::{EndpointId, ProbeId, TargetId};
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
            Some(Role::Target(id)) => self.target_judged(id, endpoint, result),
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

    fn target_judged(&mut self, id: TargetId, endpoint: EndpointId, result: &ProbeResult) {
        let ProbeResult { judged, rtt } = result;
        let isolated = self.canaries.is_isolated();
        let judgement = self.services[0].judged(id, judged, *rtt, isolated, &mut self.context);
        if judgement.regained {
            self.peers.announce();
        }
        if judgement.missed {
            self.prober.suspect(endpoint, true, &mut self.context);
            self.prepare(id);
        }
        while let Some(outcome) = self.prober.pop_judged(endpoint) {
            if let Some(flip) = self.services[0].count(id, outcome, &self.context) {
                self.flipped(id, flip);
            }
        }
        self.weigh_losses(id);
    }

    /// Requests a listing of the zone before it is needed.
    fn prepare(&mut self, id: TargetId) {
        let in_service =
            self.service().get(id).is_some_and(|target| target.verdict.is_in_service());
        if in_service && self.zones[0].prepare(self.context.now) {
            self.context.act(Action::Prepare);
        }
    }

    /// Reports a change of a target's health to all parts that depend on it.
    pub(super) fn flipped(&mut self, id: TargetId, flip: Flip) {
        let Some(endpoint) = self.service().get(id).map(|target| target.endpoint) else { return };
        self.prober.expect(endpoint, flip.to != Health::Down);
        if flip.to == Health::Down {
            self.prober.suspect(endpoint, false, &mut self.context);
        }
        self.peers.announce();
        let last_error = self.prober.state(endpoint).and_then(|watch| watch.last_error.clone());
        self.services[0].flipped(id, flip, last_error, &mut self.context);
    }
}
