//! The effect of changes, as name servers show it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use super::Board;
use crate::engine::ids::ZoneId;
use crate::status::model::EffectStatus;
use crate::status::time::Time;

impl Board {
    /// Sets the state of the last change of a zone and of those that are not visible. There are `hidden`
    /// of them in all.
    pub(crate) fn set_effects(&mut self, zone: ZoneId, effects: Vec<EffectStatus>, hidden: usize) {
        self.counters.set_not_visible(zone, u32::try_from(hidden).unwrap_or(u32::MAX));
        Arc::make_mut(&mut self.effects).insert(zone, effects);
        self.is_urgent = true;
    }

    /// Returns the time of the wall clock at an instant.
    pub(crate) fn wall_at(&self, at: Instant) -> Time {
        self.dates.wall_at(at)
    }

    /// Follows a configuration in which the proof of effect is on in these zones.
    pub(crate) fn follow_effects(&mut self, on: &BTreeSet<ZoneId>) {
        self.counters.follow_effects(on);
        Arc::make_mut(&mut self.effects).retain(|zone, _| on.contains(zone));
        self.is_urgent = true;
    }
}
