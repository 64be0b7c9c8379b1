//! Suspicion: a target that misses a reply is probed at the retry interval, and the canaries with
//! it.

use super::Prober;
use crate::engine::context::Context;
use crate::engine::ids::EndpointId;
use crate::engine::types::Health;

impl Prober {
    /// Marks a target as suspect or clears it. The pace of the canaries follows.
    pub(in crate::engine) fn suspect(
        &mut self,
        id: EndpointId,
        suspect: bool,
        context: &mut Context,
    ) {
        let Some(watched) = self.endpoints.get_mut(id) else { return };
        let pace = watched.pace();
        if !watched.is_target() || !watched.watch.set_suspect(suspect, context.now, pace) {
            return;
        }
        self.suspects = if suspect { self.suspects + 1 } else { self.suspects.saturating_sub(1) };
        self.arm(id, context);
        self.pace_canaries(context);
    }

    /// Marks a target as suspect if it is not down and misses a reply by its own round-trip times.
    pub(super) fn suspect_if_overdue(&mut self, id: EndpointId, context: &mut Context) {
        let Some(watched) = self.endpoints.get(id) else { return };
        if watched.is_watchful() && watched.watch.is_overdue(context.now, watched.pace()) {
            self.suspect(id, true, context);
        }
    }

    /// Adapts to the new health of a target. A missing reply of a target that is down is no news.
    pub(in crate::engine) fn flipped(
        &mut self,
        id: EndpointId,
        health: Health,
        context: &mut Context,
    ) {
        if let Some(watched) = self.endpoints.get_mut(id) {
            watched.expected = health != Health::Down;
        }
        if health == Health::Down {
            self.suspect(id, false, context);
        }
    }

    /// Probes the canaries at the retry interval while any target is suspect.
    pub(in crate::engine) fn pace_canaries(&mut self, context: &mut Context) {
        let suspect = self.suspects > 0;
        for id in self.canaries.clone() {
            if let Some(watched) = self.endpoints.get_mut(id)
                && watched.watch.set_suspect(suspect, context.now, watched.check.pace)
            {
                self.arm(id, context);
            }
        }
    }
}
