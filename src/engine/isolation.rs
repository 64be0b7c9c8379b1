//! When this agent may not trust what it sees: isolation, its beginning and its end.

use std::collections::BTreeSet;

use super::canaries::{Cause, Isolation};
use super::event::{Fact, Slot};
use super::watch::Outcome;
use super::{Engine, Role};

impl Engine {
    /// A canary answered or did not: complete runs of losses may be evidence now, or not.
    pub(super) fn canary_judged(&mut self, outcome: Outcome) {
        let threshold = self.settings.thresholds.failure.get();
        if outcome == Outcome::Reply {
            self.end_isolation();
        } else if !self.canaries.is_isolated() && self.canaries.all_miss(threshold) {
            self.begin_isolation(Cause::NoCanary);
        }
        for slot in self.unproven.clone() {
            self.weigh_losses(slot);
        }
    }

    /// A probe of `slot` could not be sent, or could. Without canaries, an agent that can ask nobody
    /// is isolated; that one probe could not be sent is as little a sign as one that is lost.
    pub(super) fn count_fault(&mut self, slot: Slot, faulty: bool) {
        let threshold = self.settings.thresholds.failure.get();
        let Some(subject) = self.endpoints.get_mut(slot) else { return };
        let before = subject.faults;
        subject.faults = if faulty { before.saturating_add(1) } else { 0 };
        if matches!(subject.role, Role::Canary) {
            return;
        }
        if before < threshold && subject.faults >= threshold {
            self.canaries.count_unaskable(true);
        } else if before >= threshold && subject.faults < threshold {
            self.canaries.count_unaskable(false);
        }
        if !faulty && self.canaries.is_isolated_by_faults() {
            self.end_isolation();
        }
        let none_can = self.canaries.unaskable() == self.targets.len();
        if faulty && none_can && self.canaries.is_empty() && !self.canaries.is_isolated() {
            self.begin_isolation(Cause::NothingCanBeAsked);
        }
    }

    /// Counts again after the targets or the threshold have changed.
    pub(super) fn count_unaskable(&mut self) {
        let threshold = self.settings.thresholds.failure.get();
        let subjects = self.targets.values().filter_map(|slot| self.endpoints.get(*slot));
        let count = subjects.filter(|subject| subject.faults >= threshold).count();
        self.canaries.set_unaskable(count);
    }

    pub(super) fn begin_isolation(&mut self, cause: Cause) {
        let now = self.context.now;
        self.canaries.isolate(now, cause);
        self.peers.announce();
        let missing = self.unproven.iter().filter_map(|slot| self.target(*slot));
        let missing = missing.map(|target| target.address).collect::<BTreeSet<_>>();
        let missing = missing.into_iter().collect();
        self.context.report(Fact::Isolated { missing, cause });
        self.mark_all();
    }

    /// Ends isolation, if there is any: every run of losses starts from zero, and what was seen until
    /// now is no evidence.
    pub(super) fn end_isolation(&mut self) {
        let now = self.context.now;
        let Some(Isolation { since, .. }) = self.canaries.end_isolation() else { return };
        for subject in self.endpoints.iter_mut() {
            if let Role::Target(target) = &mut subject.role {
                target.streaks.start_losses_over(now);
            }
        }
        self.unproven.clear();
        self.void_evidence();
        self.context.report(Fact::IsolationOver { lasted: now.saturating_sub(since) });
        self.mark_all();
    }
}
