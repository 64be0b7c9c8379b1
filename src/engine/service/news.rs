//! The news about the health of targets: each service reports it for its own targets, as an agent
//! with that service alone would.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::Service;
use super::alike::Likeness;
use crate::engine::action::OwnVote;
use crate::engine::context::Context;
use crate::engine::fact::{Fact, Reason};
use crate::engine::health::{Flip, HealthTracker};
use crate::engine::ids::{EndpointId, TargetId};
use crate::engine::types::Health;

/// A change of the health of an endpoint.
#[derive(Debug, Clone, Copy)]
pub(in crate::engine) struct EndpointFlip<'a> {
    pub(in crate::engine) endpoint: EndpointId,
    pub(in crate::engine) flip: &'a Flip,
}

impl Service {
    /// Reports that the health of a target changed with that of one of its endpoints, and marks the
    /// target for the decision pass. `health` is that after the flip.
    pub(in crate::engine) fn flipped(
        &mut self,
        id: TargetId,
        flip: &EndpointFlip<'_>,
        health: &HealthTracker,
        context: &mut Context,
    ) {
        let several = self.settings.checks.len() > 1;
        if several {
            self.report_check(id, flip, context);
        }
        let Some(target) = self.targets.get(id) else { return };
        let its = self.health_of(target, health);
        let to = if several { its.health } else { flip.flip.to };
        let Some(target) = self.targets.get_mut(id) else { return };
        let from = if several { target.health } else { flip.flip.from };
        // Too few checks are confirmed for a change of health.
        let is_news = to != Health::AssumedUp && from != to;
        if is_news {
            target.health = to;
            self.note_failed(id, &its, health);
        }
        self.mark(id);
        self.suspect_alike(id, health);
        let Some(target) = self.targets.get_mut(id).filter(|_| is_news) else { return };
        target.since = context.now;
        let (service, target) = (self.id, target.address);
        let Flip { count, silent_for, last_error, .. } = flip.flip.clone();
        if to == Health::Down && its.asked {
            context.report(Fact::Asked { service, target, why: last_error });
            return;
        }
        context.report(Fact::Flipped { service, target, from, to, count, silent_for, last_error });
    }

    /// Reports that one of several checks of a target flipped.
    fn report_check(&self, id: TargetId, flip: &EndpointFlip<'_>, context: &mut Context) {
        let Some(target) = self.targets.get(id) else { return };
        let checks = self.settings.checks.iter().zip(target.endpoints.iter());
        for (check, _) in checks.filter(|(_, endpoint)| *endpoint == flip.endpoint) {
            let Flip { from, to, count, silent_for, last_error } = flip.flip.clone();
            context.report(Fact::CheckFlipped {
                service: self.id,
                target: target.address,
                check: check.name.clone(),
                from,
                to,
                count,
                silent_for,
                last_error,
            });
        }
    }

    /// Regards the present health of all targets as reported, after the checks were changed.
    pub(in crate::engine) fn take_health(&mut self, health: &HealthTracker) {
        self.review_alike(health);
        if self.settings.checks.len() <= 1 {
            return;
        }
        let ids: Vec<TargetId> = self.by_address.values().copied().collect();
        for id in ids {
            self.review_notes(id, health);
            let Some(target) = self.targets.get(id) else { continue };
            let present = self.health_of(target, health).health;
            if let Some(target) = self.targets.get_mut(id)
                && present != Health::AssumedUp
            {
                target.health = present;
            }
        }
    }

    /// Returns the addresses of targets, in order.
    pub(super) fn addresses(&self, ids: &[TargetId]) -> Vec<IpAddr> {
        let targets = ids.iter().filter_map(|id| self.targets.get(*id));
        let addresses: BTreeSet<IpAddr> = targets.map(|target| target.address).collect();
        addresses.into_iter().collect()
    }

    /// Whether a target is in service, so that a lost probe may lead to its withdrawal.
    pub(in crate::engine) fn is_in_service(&self, id: TargetId) -> bool {
        self.targets.get(id).is_some_and(|target| target.verdict.is_in_service())
    }

    /// Whether the results of an endpoint count for a target.
    pub(in crate::engine) fn counts(&self, id: TargetId, endpoint: EndpointId) -> bool {
        let target = self.targets.get(id);
        target.is_some_and(|target| self.counted(target).any(|(_, its)| its == endpoint))
    }

    /// Whether it is reported that this agent's isolation keeps a target in service.
    pub(in crate::engine) fn is_refused_for_isolation(&self, id: TargetId) -> bool {
        let target = self.targets.get(id);
        target.is_some_and(|target| target.verdict.reason == Some(Reason::Isolated))
    }

    /// Returns this agent's votes on the targets. Targets that are not yet confirmed are left out,
    /// targets without evidence, and targets that fail alike.
    pub(in crate::engine) fn votes(&self, health: &HealthTracker) -> BTreeMap<IpAddr, OwnVote> {
        let mut votes = BTreeMap::new();
        for target in self.targets() {
            let its = self.health_of(target, health);
            if self.likeness(target, health) != Likeness::No {
                continue;
            }
            if let (Some(vote), Some(evidence)) = (its.own_view(), its.proof) {
                votes.insert(target.address, OwnVote { vote, evidence });
            }
        }
        votes
    }
}
