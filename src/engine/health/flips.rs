//! The flips of health: up after enough replies in a row, down after a run of losses that a canary
//! has confirmed.

use std::time::Duration;

use super::{HealthTracker, Subject};
use crate::engine::canaries::{Canaries, CanaryEvidence};
use crate::engine::ids::EndpointId;
use crate::engine::moment::Moment;
use crate::engine::types::{Health, Outcome};

/// A change of health.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::engine) struct Flip {
    pub(in crate::engine) from: Health,
    pub(in crate::engine) to: Health,
    /// The number of outcomes in a row that caused it.
    pub(in crate::engine) count: u32,
    /// Time since the last reply in time, if there ever was one.
    pub(in crate::engine) silent_for: Option<Duration>,
    /// The last error report about a probe in this run of losses.
    pub(in crate::engine) last_error: Option<String>,
}

/// The consequences of the outcomes so far for the other parts of the engine.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::engine) struct Conclusion {
    /// The changes of health, in order.
    pub(in crate::engine) flips: Vec<Flip>,
    /// Whether no canary answered since the run of losses began, so that this agent cannot trust
    /// the run.
    pub(in crate::engine) distrusted: bool,
    /// Whether it is down, had begun to answer again, and has missed a reply since.
    pub(in crate::engine) relapsed: bool,
}

impl HealthTracker {
    /// Counts outcomes towards recovery, in the order of sending, and weighs the run of losses.
    pub(in crate::engine) fn conclude(
        &mut self,
        id: EndpointId,
        outcomes: &[Outcome],
        canaries: &Canaries,
        now: Moment,
    ) -> Conclusion {
        let Some(subject) = self.get_mut(id) else { return Conclusion::default() };
        let (mut flips, mut relapsed) = (Vec::new(), false);
        for outcome in outcomes {
            let answered = subject.streaks.replies() > 0;
            let from = subject.streaks.health();
            let replied = *outcome == Outcome::Reply;
            if *outcome != Outcome::Fault
                && subject.streaks.count_in_order(replied, subject.check.thresholds)
            {
                if let Some(answers) = &mut subject.answers {
                    answers.is_up();
                }
                flips.push(subject.flipped(from, now));
            }
            let is_silent = subject.streaks.replies() == 0;
            relapsed |= answered && is_silent && subject.streaks.health() == Health::Down;
        }
        let conclusion = self.weigh(id, canaries, now);
        flips.extend(conclusion.flips);
        if !flips.is_empty() {
            self.track(id);
        }
        Conclusion { flips, relapsed, ..conclusion }
    }

    /// Flips a subject down if its run of losses is complete and counts as evidence.
    pub(in crate::engine) fn weigh(
        &mut self,
        id: EndpointId,
        canaries: &Canaries,
        now: Moment,
    ) -> Conclusion {
        let conclusion = self.weigh_run(id, canaries, now);
        if !conclusion.flips.is_empty() {
            self.track(id);
        }
        conclusion
    }

    fn weigh_run(&mut self, id: EndpointId, canaries: &Canaries, now: Moment) -> Conclusion {
        let Some(slot) = self.subjects.get_mut(usize::from(id)) else {
            return Conclusion::default();
        };
        let Some(subject) = slot else { return Conclusion::default() };
        let asks = subject.has_asked() && subject.streaks.health() != Health::Down;
        if asks {
            self.unproven.remove(&id);
            let from = subject.streaks.health();
            subject.streaks.flip_down();
            return Conclusion { flips: vec![subject.flipped(from, now)], ..Conclusion::default() };
        }
        if !subject.is_missing() {
            self.unproven.remove(&id);
            return Conclusion::default();
        }
        match canaries.weigh(subject.streaks.run_began().unwrap_or(now)) {
            CanaryEvidence::Proven => {
                self.unproven.remove(&id);
                let from = subject.streaks.health();
                subject.streaks.flip_down();
                Conclusion { flips: vec![subject.flipped(from, now)], ..Conclusion::default() }
            }
            CanaryEvidence::Absent => {
                self.unproven.insert(id);
                Conclusion { distrusted: true, ..Conclusion::default() }
            }
            CanaryEvidence::Pending => {
                self.unproven.insert(id);
                Conclusion::default()
            }
        }
    }

    /// Returns the subjects with a complete run of losses that no canary has confirmed yet, in the
    /// order of the first target of each.
    pub(in crate::engine) fn unproven(&self) -> Vec<EndpointId> {
        let mut subjects: Vec<EndpointId> = self.unproven.iter().copied().collect();
        subjects.sort_by_key(|id| self.watchers(*id).next());
        subjects
    }

    /// Starts every run of losses over, and discards all evidence: this agent's observations were
    /// wrong.
    pub(in crate::engine) fn start_over(&mut self, now: Moment) {
        self.unproven.clear();
        self.missing.clear();
        for subject in self.subjects.iter_mut().flatten() {
            subject.streaks.start_losses_over(now);
            subject.evidence.proof = None;
        }
    }
}

impl Subject {
    /// Records that its health has just changed, and describes the change.
    fn flipped(&mut self, from: Health, now: Moment) -> Flip {
        self.evidence.proof = Some(now);
        let streaks = &self.streaks;
        let to = streaks.health();
        Flip {
            from,
            to,
            count: if to == Health::Down { streaks.losses() } else { streaks.replies() },
            silent_for: streaks.last_reply().map(|at| now.since(at)),
            last_error: self.last_error.clone(),
        }
    }
}
