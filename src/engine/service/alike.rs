//! Targets that fail alike: a wrong answer that all targets of a service give is no sign of a dead
//! machine.
//!
//! A wrong answer (a status, a body, a certificate) comes from a machine that is alive. If every target
//! gives the same one, the cause may be a bad deployment, and taking the targets out one after another
//! helps nobody. A run of losses with a wrong answer is therefore evidence only if another target
//! answered well, or wrongly in another way, to a probe that was sent during the run. Canaries are the
//! same for silence.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::{Service, Target};
use crate::engine::context::Context;
use crate::engine::fact::Fact;
use crate::engine::health::HealthTracker;
use crate::engine::ids::{EndpointId, TargetId};
use crate::engine::types::Health;

/// The number of other targets that are probed sooner to learn whether they fail alike.
const SOONER: usize = 16;

/// The targets that stay in service since all fail alike.
#[derive(Debug, Default)]
pub(super) struct AlikeTargets {
    /// The targets that are down and stay in service.
    waiting: BTreeSet<TargetId>,
    /// Whether it was reported that there are any.
    reported: bool,
    /// Whether a target came or went since this was last taken. Its vote changes with that.
    changed: bool,
}

impl Service {
    /// Returns the kind of the wrong answer if a target is down only by wrong answers, and no other
    /// target has answered differently since. Only a service with several targets has such.
    pub(super) fn fails_alike(&self, target: &Target, health: &HealthTracker) -> Option<String> {
        if self.by_address.len() < 2 {
            return None;
        }
        let (mut counted, mut justified, mut kind) = (0, 0, None);
        let checks = self.settings.checks.iter().zip(target.endpoints.iter());
        for (place, (_, id)) in checks.enumerate().filter(|(_, (check, _))| check.counts) {
            counted += 1;
            match self.alike_kind(place, id, health) {
                Some(its) => kind = Some(its),
                None if health.is_down(id) => justified += 1,
                None => {}
            }
        }
        let tolerated = usize::saturating_sub(counted, self.settings.require.get());
        kind.filter(|_| justified <= tolerated).map(str::to_owned)
    }

    /// Returns the kind of the wrong answer if an endpoint of the check at `place` is down by wrong
    /// answers, and that of no other target has answered differently since.
    fn alike_kind<'a>(
        &self,
        place: usize,
        id: EndpointId,
        health: &'a HealthTracker,
    ) -> Option<&'a str> {
        let run = health.answered_run(id).filter(|_| health.is_down(id))?;
        let others = self.targets().filter_map(|other| other.endpoints.iter().nth(place));
        let mut others = others.filter(|other| *other != id);
        let differs = others.any(|other| health.has_answered_differently(other, run));
        (!differs).then_some(run.kind.as_str())
    }

    /// Records whether a target stays in service since all fail alike.
    pub(super) fn set_alike(&mut self, id: TargetId, alike: bool) {
        let waiting = &mut self.alike.waiting;
        self.alike.changed |= if alike { waiting.insert(id) } else { waiting.remove(&id) };
    }

    /// Returns whether votes have changed since targets fail alike, or no longer do.
    pub(in crate::engine) fn take_alike_change(&mut self) -> bool {
        std::mem::take(&mut self.alike.changed)
    }

    /// Reports once that targets fail alike, and once that they no longer do.
    pub(super) fn report_alike(&mut self, health: &HealthTracker, context: &mut Context) {
        let any = !self.alike.waiting.is_empty();
        if std::mem::replace(&mut self.alike.reported, any) == any {
            return;
        }
        let service = self.id;
        if !any {
            context.report(Fact::AlikeOver { service });
            return;
        }
        let targets: Vec<&Target> =
            self.alike.waiting.iter().filter_map(|id| self.targets.get(*id)).collect();
        let kind = targets.iter().find_map(|target| self.fails_alike(target, health));
        let targets: BTreeSet<IpAddr> = targets.into_iter().map(|target| target.address).collect();
        let targets = targets.into_iter().collect();
        context.report(Fact::Alike { service, targets, kind: kind.unwrap_or_default() });
    }

    /// Marks the targets that stay in service since all fail alike: another target has answered.
    pub(in crate::engine) fn mark_alike(&mut self) {
        self.dirty.extend(&self.alike.waiting);
    }

    /// Whether there are targets that stay in service since all fail alike.
    pub(in crate::engine) fn has_alike(&self) -> bool {
        !self.alike.waiting.is_empty()
    }

    /// Returns the endpoints of other targets that are not down, to be probed sooner: they show whether
    /// all fail as the endpoint of this target does.
    pub(in crate::engine) fn to_compare(
        &self,
        id: TargetId,
        endpoint: EndpointId,
        health: &HealthTracker,
    ) -> Vec<EndpointId> {
        let Some(target) = self.targets.get(id) else { return Vec::new() };
        let Some(place) = target.endpoints.iter().position(|its| its == endpoint) else {
            return Vec::new();
        };
        let after = self.by_address.range(target.address..).skip(1);
        let around = after.chain(self.by_address.range(..target.address));
        let others = around.filter_map(|(_, id)| self.targets.get(*id));
        let endpoints = others.filter_map(|other| other.endpoints.iter().nth(place));
        endpoints.take(SOONER).filter(|other| !health.is_down(*other)).collect()
    }
}

impl HealthTracker {
    /// Whether an endpoint is down.
    fn is_down(&self, id: EndpointId) -> bool {
        self.get(id).is_some_and(|subject| subject.streaks.health() == Health::Down)
    }
}
