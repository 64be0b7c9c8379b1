//! The news about the health of targets: each service reports it for its own targets, as an agent
//! with that service alone would.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use super::Service;
use crate::engine::action::OwnVote;
use crate::engine::context::Context;
use crate::engine::fact::{Fact, Reason};
use crate::engine::health::{Flip, HealthTracker};
use crate::engine::ids::TargetId;

impl Service {
    /// Reports that a target's health changed, and marks the target for the decision pass.
    pub(in crate::engine) fn flipped(&mut self, id: TargetId, flip: &Flip, context: &mut Context) {
        let Some(target) = self.targets.get_mut(id) else { return };
        target.since = context.now;
        let (service, target) = (self.id, target.address);
        let Flip { from, to, count, silent_for, last_error } = flip.clone();
        context.report(Fact::Flipped { service, target, from, to, count, silent_for, last_error });
        self.mark(id);
    }

    /// Reports that a target's health is known again, after it was unknown for a while.
    pub(in crate::engine) fn evidence_back(
        &mut self,
        id: TargetId,
        (lasted, notified): (Duration, bool),
        context: &mut Context,
    ) {
        let Some(target) = self.targets.get_mut(id) else { return };
        target.since = context.now;
        let (service, target) = (self.id, target.address);
        context.report(Fact::EvidenceBack { service, target, lasted, notified });
    }

    /// Reports that the health of targets is unknown from now on.
    pub(in crate::engine) fn evidence_lost(&mut self, ids: &[TargetId], context: &mut Context) {
        for id in ids {
            if let Some(target) = self.targets.get_mut(*id) {
                target.since = context.now;
            }
        }
        let targets = self.addresses(ids);
        context.report(Fact::EvidenceLost { service: self.id, targets });
    }

    /// Reports that the health of targets has been unknown for so long that people are notified.
    pub(in crate::engine) fn still_unknown(&self, ids: &[TargetId], context: &mut Context) {
        let targets = self.addresses(ids);
        context.report(Fact::StillUnknown { service: self.id, targets });
    }

    /// Returns the addresses of targets, in order.
    fn addresses(&self, ids: &[TargetId]) -> Vec<IpAddr> {
        let targets = ids.iter().filter_map(|id| self.targets.get(*id));
        let addresses: BTreeSet<IpAddr> = targets.map(|target| target.address).collect();
        addresses.into_iter().collect()
    }

    /// Whether a target is in service, so that a lost probe may lead to its withdrawal.
    pub(in crate::engine) fn is_in_service(&self, id: TargetId) -> bool {
        self.targets.get(id).is_some_and(|target| target.verdict.is_in_service())
    }

    /// Whether it is reported that this agent's isolation keeps a target in service.
    pub(in crate::engine) fn is_refused_for_isolation(&self, id: TargetId) -> bool {
        let target = self.targets.get(id);
        target.is_some_and(|target| target.verdict.reason == Some(Reason::Isolated))
    }

    /// Returns this agent's votes on the targets. Targets that are not yet confirmed are left out,
    /// and targets without evidence.
    pub(in crate::engine) fn votes(&self, health: &HealthTracker) -> BTreeMap<IpAddr, OwnVote> {
        let mut votes = BTreeMap::new();
        for target in self.targets() {
            let Some(subject) = health.get(target.endpoint) else { continue };
            if let (Some(vote), Some(evidence)) = (subject.own_view(), subject.evidence.proof) {
                votes.insert(target.address, OwnVote { vote, evidence });
            }
        }
        votes
    }
}
