//! The health of everything that is probed: one subject for each endpoint that is not a canary,
//! whichever services watch it.
//!
//! The services keep the verdicts. A probe that changes nothing concerns its subject alone; a change
//! is passed on to the targets that watch the subject. One file a concept: `observations` which
//! judged probes count, `answers` the wrong ones, `combined` the health of a target with several checks, [`streaks`] replies and losses in a row, [`evidence`] the maximum age of
//! observations, `flips` when health changes, `runs` probes that change nothing, `watchers` the targets that depend on a subject.

mod answers;
mod combined;
pub(super) mod evidence;
mod flips;
mod observations;
mod runs;
pub(super) mod streaks;
mod watchers;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::ids::{EndpointId, TargetKey};
use super::moment::Moment;
use super::settings::CheckSettings;
pub(super) use answers::{AnsweredRun, Answers};
pub(super) use combined::TargetHealth;
use evidence::Evidence;
pub(super) use flips::{Conclusion, Flip};
pub(super) use observations::Observation;
use streaks::Streaks;
use watchers::Watchers;

/// The health of all subjects.
#[derive(Debug, Default)]
pub(super) struct HealthTracker {
    /// The subjects, by their endpoints. Canaries have none.
    subjects: Vec<Option<Subject>>,
    /// The subjects with a complete run of losses that no canary has confirmed yet.
    unproven: BTreeSet<EndpointId>,
    /// The time at which the age of evidence is checked next.
    next_sweep: Option<Moment>,
    /// Whether a sweep takes place now, whenever it was to be.
    is_swept_now: bool,
    /// The subjects that are not down and miss replies.
    missing: BTreeSet<EndpointId>,
    /// The subjects that have answered wrongly since they were up.
    wrong: BTreeSet<EndpointId>,
}

/// The health of one endpoint, as seen from here.
#[derive(Debug)]
pub(super) struct Subject {
    /// How it is probed.
    check: Arc<CheckSettings>,
    pub(super) streaks: Streaks,
    pub(super) evidence: Evidence,
    /// The last error report about an unanswered probe, since the last reply.
    last_error: Option<String>,
    /// The wrong answers, if there were any.
    answers: Option<Box<Answers>>,
    watchers: Watchers,
    /// Whether a rehearsal treats its targets as dead, or will.
    rehearsed: bool,
}

impl HealthTracker {
    /// Reserves room for the endpoints with ids up to `count`, and no more.
    pub(super) fn reserve(&mut self, count: usize) {
        self.subjects.reserve_exact(count.saturating_sub(self.subjects.len()));
    }

    /// Adds a subject that was never probed.
    pub(super) fn add(&mut self, id: EndpointId, check: &Arc<CheckSettings>, now: Moment) {
        self.insert(
            id,
            Subject {
                check: Arc::clone(check),
                streaks: Streaks::default(),
                evidence: Evidence::none(now),
                last_error: None,
                answers: None,
                watchers: Watchers::default(),
                rehearsed: false,
            },
        );
    }

    /// Adds a subject with the same health as another one, and with another check.
    pub(super) fn fork(&mut self, id: EndpointId, from: EndpointId, check: &Arc<CheckSettings>) {
        let Some(original) = self.get(from) else { return };
        let subject = Subject {
            check: Arc::clone(check),
            streaks: original.streaks.clone(),
            evidence: original.evidence,
            last_error: original.last_error.clone(),
            answers: original.answers.clone(),
            watchers: Watchers::default(),
            rehearsed: false,
        };
        self.insert(id, subject);
        self.track(id);
        if self.unproven.contains(&from) {
            self.unproven.insert(id);
        }
    }

    fn insert(&mut self, id: EndpointId, subject: Subject) {
        let index = usize::from(id);
        if self.subjects.len() <= index {
            self.subjects.resize_with(index + 1, || None);
        }
        self.subjects[index] = Some(subject);
    }

    /// Removes a subject that nothing watches any more.
    pub(super) fn remove(&mut self, id: EndpointId) {
        self.unproven.remove(&id);
        self.missing.remove(&id);
        self.wrong.remove(&id);
        if let Some(slot) = self.subjects.get_mut(usize::from(id)) {
            *slot = None;
        }
    }

    /// Returns a subject.
    pub(super) fn get(&self, id: EndpointId) -> Option<&Subject> {
        self.subjects.get(usize::from(id))?.as_ref()
    }

    fn get_mut(&mut self, id: EndpointId) -> Option<&mut Subject> {
        self.subjects.get_mut(usize::from(id))?.as_mut()
    }

    /// Returns the check of a subject.
    pub(super) fn check(&self, id: EndpointId) -> Option<&Arc<CheckSettings>> {
        Some(&self.get(id)?.check)
    }

    /// Sets the check of a subject, which keeps its counts, and whether it is rehearsed.
    pub(super) fn set_check(
        &mut self,
        id: EndpointId,
        check: &Arc<CheckSettings>,
        rehearsed: bool,
    ) {
        if let Some(subject) = self.get_mut(id) {
            subject.check = Arc::clone(check);
            subject.rehearsed = rehearsed;
        }
    }

    /// Whether a subject is probed by this check, and rehearsed or not.
    pub(super) fn is_probed_like(
        &self,
        id: EndpointId,
        check: &CheckSettings,
        rehearsed: bool,
    ) -> bool {
        self.get(id).is_some_and(|it| *it.check == *check && it.rehearsed == rehearsed)
    }

    /// Whether a rehearsal treats the targets of a subject as dead, or will.
    pub(super) fn is_rehearsed(&self, id: EndpointId) -> bool {
        self.get(id).is_some_and(|subject| subject.rehearsed)
    }

    /// Makes a target depend on a subject.
    pub(super) fn attach(&mut self, id: EndpointId, target: TargetKey) {
        if let Some(subject) = self.get_mut(id) {
            subject.watchers.add(target);
        }
    }

    /// Makes a target no longer depend on a subject. Returns whether others still do.
    pub(super) fn detach(&mut self, id: EndpointId, target: TargetKey) -> bool {
        self.get_mut(id).is_some_and(|subject| {
            subject.watchers.remove(target);
            !subject.watchers.is_empty()
        })
    }

    /// Iterates over the targets that depend on a subject, by their keys.
    pub(super) fn watchers(&self, id: EndpointId) -> impl Iterator<Item = TargetKey> + '_ {
        self.get(id).into_iter().flat_map(|subject| subject.watchers.iter())
    }
}

impl HealthTracker {
    /// Returns the newest run of losses in which an endpoint has answered wrongly, if it was not up
    /// since, and has not asked to be taken out.
    pub(super) fn answered_run(&self, id: EndpointId) -> Option<&AnsweredRun> {
        let answers = self.get(id)?.answers.as_ref().filter(|answers| !answers.asked)?;
        answers.run.as_ref()
    }

    /// Returns the newest answers of an endpoint, if it is asked by requests.
    pub(super) fn answers(&self, id: EndpointId) -> Option<&Answers> {
        self.get(id)?.answers.as_deref()
    }
}

impl Subject {
    /// Returns the time between two probes of its check.
    pub(super) fn interval(&self) -> Duration {
        self.check.pace.interval
    }

    /// Whether the target has asked to be taken out, since it was up.
    pub(super) fn has_asked(&self) -> bool {
        self.answers.as_ref().is_some_and(|answers| answers.asked)
    }

    /// Returns the last error report about a lost probe, if no reply came since.
    pub(super) fn last_error(&self) -> Option<&str> {
        self.last_error.as_deref()
    }

    /// Whether there are enough losses in a row to flip it down, and it is not down.
    fn is_missing(&self) -> bool {
        self.streaks.is_missing(self.check.thresholds)
    }
}
