//! Isolation: its beginning and its end, as all parts of the engine learn of them.

use std::collections::BTreeSet;

use super::Engine;
use super::canaries::{Isolation, IsolationChange};
use super::fact::Fact;
use super::types::IsolationCause;

impl Engine {
    /// Begins or ends isolation, as the canaries have found.
    pub(super) fn isolate(&mut self, change: IsolationChange) {
        match change {
            IsolationChange::Unchanged => {}
            IsolationChange::Begins(cause) => self.begin_isolation(cause),
            IsolationChange::Ends => self.end_isolation(),
        }
    }

    /// Begins isolation: the peers get no votes, and every target waits for better evidence.
    pub(super) fn begin_isolation(&mut self, cause: IsolationCause) {
        self.canaries.isolate(self.context.now, cause);
        self.peers.announce();
        let unproven = self.health.unproven().into_iter();
        let missing: BTreeSet<_> =
            unproven.flat_map(|endpoint| self.targets_at(endpoint)).collect();
        let missing = missing.into_iter().collect();
        self.context.report(Fact::Isolated { missing, cause });
        self.mark_all();
    }

    /// Ends isolation, if there is any: every run of losses starts from zero, and observations made
    /// until now are no evidence.
    fn end_isolation(&mut self) {
        let Some(Isolation { since, .. }) = self.canaries.end_isolation() else { return };
        let now = self.context.now;
        self.health.start_over(now);
        self.peers.announce();
        self.context.report(Fact::IsolationOver { lasted: now.since(since) });
        self.mark_all();
    }

    /// Marks every target of every service for the decision pass.
    pub(super) fn mark_all(&mut self) {
        for service in self.services.iter_mut() {
            service.mark_all();
        }
    }
}
