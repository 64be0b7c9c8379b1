//! When this agent may not trust what it sees: isolation, its beginning and its end.

use super::event::{Action, Fact, Slot};
use super::guard::Canary;
use super::watch::Outcome;
use super::{Engine, Moment, Role};

/// Since when and why this agent takes its own network for the cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Isolation {
    pub(super) since: Moment,
    pub(super) cause: Cause,
}

/// What shows that the own network is the cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// No canary answers.
    NoCanary,
    /// There are no canaries, and this machine can ask none of the targets.
    NothingCanBeAsked,
}

impl Cause {
    /// In words.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoCanary => "no canary answers",
            Self::NothingCanBeAsked => "this machine can ask none of its targets",
        }
    }
}

impl Engine {
    pub(super) fn canary_states(&self) -> impl Iterator<Item = Canary> {
        let subjects = self.canaries.iter().filter_map(|slot| self.subjects[*slot].as_ref());
        subjects.filter_map(|subject| match subject.role {
            Role::Canary(canary) => Some(canary),
            Role::Target(_) => None,
        })
    }

    /// A canary answered or did not: complete runs of losses may be evidence now, or not.
    pub(super) fn canary_judged(&mut self, outcome: Outcome, now: Moment, out: &mut Vec<Action>) {
        let threshold = self.settings.thresholds.failure.get();
        if outcome == Outcome::Reply {
            self.end_isolation(now, out);
        } else if self.isolated.is_none()
            && self.canary_states().all(|canary| canary.misses >= threshold)
        {
            self.begin_isolation(Cause::NoCanary, now, out);
        }
        if self.suspects > 0 {
            for slot in self.targets.values().copied().collect::<Vec<_>>() {
                self.weigh_losses(slot, now, out);
            }
        }
    }

    /// A probe of `slot` could not be sent, or could. Without canaries, an agent that can ask nobody
    /// is isolated; that one probe could not be sent is as little a sign as one that is lost.
    pub(super) fn count_fault(
        &mut self,
        slot: Slot,
        faulty: bool,
        now: Moment,
        out: &mut Vec<Action>,
    ) {
        let threshold = self.settings.thresholds.failure.get();
        let Some(subject) = self.subjects[slot].as_mut() else { return };
        let before = subject.faults;
        subject.faults = if faulty { before.saturating_add(1) } else { 0 };
        if matches!(subject.role, Role::Canary(_)) {
            return;
        }
        if before < threshold && subject.faults >= threshold {
            self.unaskable += 1;
        } else if before >= threshold && subject.faults < threshold {
            self.unaskable = self.unaskable.saturating_sub(1);
        }
        if !faulty && self.is_isolated_by_faults() {
            self.end_isolation(now, out);
        }
        let none_can = self.unaskable == self.targets.len();
        if faulty && none_can && self.canaries.is_empty() && self.isolated.is_none() {
            self.begin_isolation(Cause::NothingCanBeAsked, now, out);
        }
    }

    pub(super) fn is_isolated_by_faults(&self) -> bool {
        self.isolated.is_some_and(|isolation| isolation.cause == Cause::NothingCanBeAsked)
    }

    /// Counts again after the targets or the threshold have changed.
    pub(super) fn count_unaskable(&mut self) {
        let threshold = self.settings.thresholds.failure.get();
        let subjects = self.targets.values().filter_map(|slot| self.subjects[*slot].as_ref());
        self.unaskable = subjects.filter(|subject| subject.faults >= threshold).count();
    }

    pub(super) fn begin_isolation(&mut self, cause: Cause, now: Moment, out: &mut Vec<Action>) {
        self.isolated = Some(Isolation { since: now, cause });
        self.peers.announce();
        let thresholds = self.settings.thresholds;
        let missing = self.targets.iter().filter(|(_, slot)| {
            self.target(**slot).is_some_and(|target| target.streaks.is_missing(thresholds))
        });
        let missing = missing.map(|(address, _)| *address).collect();
        out.push(Action::Tell(Fact::Isolated { missing, cause }));
        self.review_all(now, out);
    }

    /// Ends isolation, if there is any: every run of losses starts from zero, and what was seen until
    /// now is no evidence.
    pub(super) fn end_isolation(&mut self, now: Moment, out: &mut Vec<Action>) {
        let Some(Isolation { since, .. }) = self.isolated.take() else { return };
        for subject in self.subjects.iter_mut().flatten() {
            if let Role::Target(target) = &mut subject.role {
                target.streaks.start_losses_over(now);
            }
        }
        self.void_evidence();
        out.push(Action::Tell(Fact::IsolationOver { lasted: now.saturating_sub(since) }));
        self.review_all(now, out);
    }
}
