//! Runs of probes that change nothing, as a replay brings them; and the subjects that miss replies.

use super::streaks::Streaks;
use super::{HealthTracker, evidence};
use crate::engine::context::Context;
use crate::engine::ids::EndpointId;
use crate::engine::journal::RunEnd;
use crate::engine::journal::SubjectState;
use crate::engine::types::{Health, Method, Outcome};

impl HealthTracker {
    /// Whether a subject that is not down misses replies now. The answers of the canaries count then.
    pub(in crate::engine) fn has_missing(&self) -> bool {
        !self.missing.is_empty()
    }

    /// Iterates over the subjects that have answered wrongly since they were up.
    pub(in crate::engine) fn wrong(&self) -> impl Iterator<Item = EndpointId> + '_ {
        self.wrong.iter().copied()
    }

    /// Records whether a subject misses replies, and whether it has answered wrongly.
    pub(super) fn track(&mut self, id: EndpointId) {
        let misses = self
            .get(id)
            .is_some_and(|it| it.streaks.losses() > 0 && it.streaks.health() != Health::Down);
        if misses {
            self.missing.insert(id);
        } else if !self.missing.is_empty() {
            self.missing.remove(&id);
        }
        let answers = self.get(id).and_then(|it| it.answers.as_ref());
        if answers.is_some_and(|its| its.run.is_some()) {
            self.wrong.insert(id);
        } else if !self.wrong.is_empty() {
            self.wrong.remove(&id);
        }
    }

    /// Makes the next sweep due, whenever it was to be.
    pub(in crate::engine) fn sweep_now(&mut self) {
        self.next_sweep = None;
        self.is_swept_now = true;
    }

    /// Sets whether the evidence about a subject is renewed all the time.
    pub(in crate::engine) fn set_renewed(&mut self, id: EndpointId, renewed: bool) {
        if let Some(subject) = self.get_mut(id) {
            subject.evidence.renewed = renewed;
        }
    }

    /// Puts a subject into the state that it had where a journal begins.
    pub(in crate::engine) fn set_state(&mut self, id: EndpointId, state: &SubjectState) {
        let Some(subject) = self.get_mut(id) else { return };
        subject.streaks = Streaks::of_state(state);
        subject.evidence.judged = state.judged;
        subject.evidence.proof = state.proof;
        self.track(id);
    }

    /// Brings a subject to the end of a run of probes that changed nothing.
    pub(in crate::engine) fn end_run(
        &mut self,
        id: EndpointId,
        run: &RunEnd,
        context: &mut Context,
    ) {
        let Some(subject) = self.get_mut(id) else { return };
        subject.evidence.renewed = false;
        match run.outcome {
            Outcome::Fault => return,
            Outcome::Reply => {
                subject.streaks.receive_reply((run.sent + run.rtt).min(run.judged));
                if matches!(subject.check.method, Method::Request(_)) {
                    subject.answers.get_or_insert_default().right(run.sent);
                }
            }
            Outcome::Loss => subject.streaks.record_losses(run.count),
        }
        subject.evidence.judged = run.judged;
        subject.evidence.proof = subject.evidence.proof.and(Some(run.judged));
        let look_at = run.judged + evidence::term(subject.check.pace.interval);
        self.schedule_sweep(look_at, context);
    }
}
