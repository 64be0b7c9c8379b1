//! From the results of probes to the health of targets and the evidence of canaries.

use super::event::{Action, Answer, Fact, Slot};
use super::prober::watch::{Judged, Outcome};
use super::prober::{ProbeResult, Role};
use super::service::health::Health;
use super::service::{Flip, TargetId};
use super::{Engine, Moment};

impl Engine {
    /// Processes a due endpoint: overdue replies, timed-out probes, the next probe.
    pub(super) fn watch_due(&mut self, slot: Slot, moment: Moment, stalled: bool) {
        let Some(expired) = self.prober.expire(slot, moment, stalled, &self.context) else {
            return;
        };
        for judged in expired {
            self.judged(slot, &ProbeResult { judged, rtt: None });
        }
        self.prober.resume(slot, &mut self.context);
    }

    /// Handles the end of a probe.
    pub(super) fn answered(&mut self, slot: Slot, seq: u64, answer: Answer) {
        let result = self.prober.answered(slot, seq, answer, &mut self.context);
        if self.prober.role(slot).is_some_and(|role| role != Role::Canary) {
            self.weigh_faults();
        }
        if let Some(result) = result {
            self.judged(slot, &result);
        }
        self.prober.arm(slot, &mut self.context);
    }

    /// Counts a judged probe.
    fn judged(&mut self, slot: Slot, result: &ProbeResult) {
        let Judged { outcome, quick, .. } = result.judged;
        self.context.report(Fact::Judged { slot, outcome, rtt: result.rtt });
        self.prober.count_rehearsal(slot, &result.judged, &mut self.context);
        match self.prober.role(slot) {
            None => {}
            Some(Role::Target(id)) => self.target_judged(id, slot, result),
            Some(Role::Canary) => {
                let faulty = self.prober.is_faulty(slot);
                while self.prober.pop_judged(slot).is_some() {}
                // A lost probe of a rehearsal proves nothing.
                if !quick || outcome != Outcome::Loss {
                    self.canaries.judged(slot, &result.judged, faulty);
                    self.canary_judged(outcome);
                }
            }
        }
    }

    fn target_judged(&mut self, id: TargetId, slot: Slot, result: &ProbeResult) {
        let ProbeResult { judged, rtt } = result;
        let isolated = self.canaries.is_isolated();
        let judgement = self.services[0].judged(id, judged, *rtt, isolated, &mut self.context);
        if judgement.regained {
            self.peers.announce();
        }
        if judgement.missed {
            self.prober.suspect(slot, true, &mut self.context);
            self.prepare(id);
        }
        while let Some(outcome) = self.prober.pop_judged(slot) {
            if let Some(flip) = self.services[0].count(id, outcome, &self.context) {
                self.flipped(id, flip);
            }
        }
        self.weigh_losses(id);
    }

    /// Requests a listing of the zone before it is needed.
    fn prepare(&mut self, id: TargetId) {
        let in_service = self.service().get(id).is_some_and(|target| target.verdict.in_service);
        if in_service && self.zones[0].prepare(self.context.now) {
            self.context.act(Action::Prepare);
        }
    }

    /// Reports a change of a target's health to all parts that depend on it.
    pub(super) fn flipped(&mut self, id: TargetId, flip: Flip) {
        let Some(slot) = self.service().get(id).map(|target| target.endpoint) else { return };
        self.prober.expect(slot, flip.to != Health::Down);
        if flip.to == Health::Down {
            self.prober.suspect(slot, false, &mut self.context);
        }
        self.peers.announce();
        let last_error = self.prober.state(slot).and_then(|watch| watch.last_error.clone());
        self.services[0].flipped(id, flip, last_error, &mut self.context);
    }
}
