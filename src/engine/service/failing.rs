//! The checks that made a target go down, with their reasons.

use super::{Service, Target};
use crate::engine::failed::FailedCheck;
use crate::engine::health::{HealthTracker, TargetHealth};
use crate::engine::ids::TargetId;
use crate::engine::types::{Health, Method};

impl Service {
    /// Whether the checks explain why a target is down: there are several, or they give reasons.
    pub(in crate::engine) fn explains(&self) -> bool {
        let checks = &self.settings.checks;
        let mut methods = checks.iter().map(|its| its.check.method);
        checks.len() > 1 || methods.any(|method| matches!(method, Method::Request(_)))
    }

    /// Returns the checks that made a target go down, each with its reason at that time. `its` is the
    /// target's health.
    pub(in crate::engine) fn failed(
        &self,
        target: &Target,
        its: &TargetHealth,
        health: &HealthTracker,
    ) -> Vec<FailedCheck> {
        if its.health != Health::Down || !self.explains() {
            return Vec::new();
        }
        match &target.notes {
            // It may have asked long after it went down.
            Some(notes) if !notes.failed.is_empty() && !its.asked => notes.failed.clone(),
            _ => self.failed_now(target, its, health),
        }
    }

    /// Returns the counted checks that are down now; of a target that asks to be taken out, those that
    /// it was asked by.
    fn failed_now(
        &self,
        target: &Target,
        its: &TargetHealth,
        health: &HealthTracker,
    ) -> Vec<FailedCheck> {
        let mut failed = Vec::new();
        for (place, id) in self.counted(target) {
            let (Some(subject), Some(check)) = (health.get(id), self.settings.checks.get(place))
            else {
                continue;
            };
            let is_down = subject.streaks.health() == Health::Down;
            let has_failed = if its.asked { subject.has_asked() } else { is_down };
            if has_failed {
                let said = subject.last_error().map(str::to_owned);
                failed.push(FailedCheck { check: check.name.clone(), said });
            }
        }
        failed
    }

    /// Notes the checks that made a target go down, or forgets them if it is up.
    pub(super) fn note_failed(&mut self, id: TargetId, its: &TargetHealth, health: &HealthTracker) {
        let Some(target) = self.targets.get(id) else { return };
        let failed = if its.health == Health::Down && self.explains() {
            self.failed_now(target, its, health)
        } else {
            Vec::new()
        };
        let Some(target) = self.targets.get_mut(id) else { return };
        if !failed.is_empty() || target.notes.is_some() {
            target.notes_mut().failed = failed;
        }
    }

    /// Follows other checks: those that made a target go down may be gone, and its health may be known or
    /// unknown now.
    pub(super) fn review_notes(&mut self, id: TargetId, health: &HealthTracker) {
        self.review_unseen(id, health);
        let checks = &self.settings.checks;
        let Some(target) = self.targets.get_mut(id) else { return };
        let Some(notes) = &mut target.notes else { return };
        notes.failed.retain(|failed| checks.iter().any(|check| check.name == failed.check));
    }
}
