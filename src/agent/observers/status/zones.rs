//! The zones and their providers in the status.

use std::borrow::Cow;

use super::StatusObserver;
use crate::engine::Engine;
use crate::engine::event::DnsProblem;
use crate::engine::ids::ZoneId;
use crate::engine::plan::Observed;

/// The name of the work that fails while the provider does.
const PROVIDER: &str = "keep DNS in step";

/// The name of the work that fails while changes to the zone have no effect.
const ZONE: &str = "serve the zone";

impl StatusObserver {
    /// Publishes a failure of the provider of a zone.
    pub(super) fn failing(&mut self, zone: ZoneId, problem: &DnsProblem) {
        let at = self.at();
        self.board.failed(at, PROVIDER, &problem.what);
        self.failing_zones.insert(zone);
        if problem.retry_in.is_none() {
            // Nothing is due and nothing is retried, so this does not keep failing.
            self.recovered(zone);
        }
    }

    /// Publishes that the provider of a zone recovered, if no other one fails.
    pub(super) fn recovered(&mut self, zone: ZoneId) {
        self.failing_zones.remove(&zone);
        if self.failing_zones.is_empty() {
            self.board.recovered(PROVIDER);
        }
    }

    /// Publishes the last listing of a zone.
    pub(super) fn publish_listing(&mut self, engine: &Engine, zone: ZoneId) {
        let Some(observed) = engine.observed(zone) else { return };
        if self.cautions.get(&zone) != observed.caution.as_ref() {
            if let Some(caution) = &observed.caution {
                self.board.failed(self.at(), ZONE, caution);
                self.cautions.insert(zone, caution.clone());
            } else {
                self.cautions.remove(&zone);
                if self.cautions.is_empty() {
                    self.board.recovered(ZONE);
                }
            }
        }
        self.board.set_observed(Some(&all_observed(engine, observed)));
    }
}

/// Returns the last listings of all zones together; `listed` is one of them.
fn all_observed<'a>(engine: &'a Engine, listed: &'a Observed) -> Cow<'a, Observed> {
    let zones = &engine.settings().zones;
    if zones.len() == 1 {
        return Cow::Borrowed(listed);
    }
    let mut all = Observed::default();
    for zone in zones.keys().copied() {
        if let Some(Observed { sets, unfit, uncertain, .. }) = engine.observed(zone) {
            all.sets.extend(sets.clone());
            all.unfit.extend(unfit.clone());
            all.uncertain.extend(uncertain.clone());
        }
    }
    Cow::Owned(all)
}
