//! The targets and their probes on the board.
//!
//! A target is published when a fact concerns it. Beside that, the board is refreshed once a second: with
//! the probes that were judged since, and with a portion of all targets, so that nothing stays wrong
//! for long and no refresh walks a great number of targets.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use super::checks::is_counted;
use super::conversions::{drained, target_state};
use super::{StatusObserver, read_clocks};
use crate::agent::ids::Ids;
use crate::cluster::ClusterEvent;
use crate::engine::Engine;
use crate::engine::ids::{EndpointId, ServiceId, TargetRef, ZoneId};
use crate::engine::types::{Endpoint, Outcome, Vote};
use crate::settings::{Config, DEFAULT};
use crate::status::{ClockReading, ReceivedVote, model};

/// The number of targets that one refresh publishes although no fact concerned them.
const PORTION: usize = 2_000;

/// A target of each endpoint.
pub(super) type TargetsByEndpoint = HashMap<Endpoint, TargetRef>;

/// Returns a target of each endpoint of a configuration.
pub(super) fn by_endpoint(config: &Config, ids: &Ids) -> TargetsByEndpoint {
    let mut targets = TargetsByEndpoint::new();
    for service in &config.services {
        let id = ids.service(&service.name);
        for check in &service.checks {
            let method = ids.method(&check.method);
            for address in service.probed().iter().copied() {
                let endpoint = Endpoint { address, method };
                targets.entry(endpoint).or_insert(TargetRef { service: id, address });
            }
        }
    }
    targets
}

/// The parts of the board that the next refresh publishes.
#[derive(Debug, Default)]
pub(super) struct Freshness {
    /// The endpoints that were judged since the last refresh.
    judged: HashSet<EndpointId>,
    /// The targets with another vote since the last refresh.
    voted: BTreeSet<TargetRef>,
    /// The zones that were listed since the last publication of listings.
    listed: BTreeSet<ZoneId>,
    /// The service and the place in it at which the next portion begins.
    next: (ServiceId, usize),
    /// Whether all targets were published since the start or the last reload.
    is_complete: bool,
}

impl Freshness {
    pub(super) fn judged(&mut self, endpoint: EndpointId) {
        self.judged.insert(endpoint);
    }

    pub(super) fn listed(&mut self, zone: ZoneId) {
        self.listed.insert(zone);
    }

    /// Notes the target of a vote.
    pub(super) fn voted(&mut self, event: &ClusterEvent) {
        if let ClusterEvent::Vote { service, target, .. }
        | ClusterEvent::Abstained { service, target, .. } = event
        {
            self.voted.insert(TargetRef { service: *service, address: *target });
        }
    }

    /// Forgets the keys of another configuration.
    pub(super) fn forget(&mut self) {
        self.judged.clear();
        self.voted.clear();
        self.is_complete = false;
    }

    /// Returns the targets of the next portion: all of them if there are few, and at first.
    fn portion(&mut self, engine: &Engine) -> Vec<TargetRef> {
        let settings = engine.settings();
        let all = settings.target_count();
        let wanted = if self.is_complete { PORTION.min(all) } else { all };
        self.is_complete = true;
        let mut portion = Vec::with_capacity(wanted);
        let (mut from, first) = (self.next.1, self.next.0);
        let after = settings.services.range(first..);
        for (service, its) in after.chain(settings.services.range(..=first)) {
            let start = from.min(its.targets.len());
            for (place, address) in its.targets.iter().enumerate().skip(start) {
                if portion.len() == wanted {
                    self.next = (*service, place);
                    return portion;
                }
                portion.push(TargetRef { service: *service, address: *address });
            }
            from = 0;
        }
        self.next = (ServiceId::DEFAULT, 0);
        portion
    }
}

impl StatusObserver {
    /// Publishes the state of a target.
    pub(super) fn show(&mut self, engine: &Engine, target: TargetRef) {
        if let Some(view) = engine.target_view(target) {
            let several = self.checks.are_several(target.service);
            let state = target_state(&view, several, read_clocks(&self.clock), &self.clock);
            self.board.update(target, self.at(), &state);
            self.publish_checks(engine, view);
        }
    }

    /// Counts a judged probe for the targets that depend on it.
    pub(super) fn judged_at(
        &mut self,
        engine: &Engine,
        endpoint: EndpointId,
        outcome: Outcome,
        rtt: Option<Duration>,
    ) {
        if self.checks.are_none() {
            // Targets that share a probe share its figures on the board.
            if let Some(target) = engine.targets_at(endpoint).next() {
                self.judged(target, outcome, rtt, false);
                self.freshness.judged(endpoint);
            }
            return;
        }
        let (mut is_shared, mut is_again) = (false, false);
        for target in engine.targets_at(endpoint) {
            self.freshness.judged(endpoint);
            let is_own = self.checks.are_several(target.service);
            let is_first = !is_own && !std::mem::replace(&mut is_shared, true);
            if is_first || is_own && is_counted(engine, target.service, endpoint) {
                self.judged(target, outcome, rtt, is_again);
                is_again = true;
            }
        }
    }

    /// Counts a judged probe for a target. `is_again` means that it was counted for another one before.
    fn judged(
        &mut self,
        target: TargetRef,
        outcome: Outcome,
        rtt: Option<Duration>,
        is_again: bool,
    ) {
        let at = self.at();
        match (outcome, rtt) {
            (Outcome::Reply, Some(rtt)) if is_again => {
                self.board.reply_again(target, at, rtt);
            }
            (Outcome::Reply, Some(rtt)) => self.board.reply(target, at, rtt),
            (Outcome::Fault, _) => self.board.fault(target),
            _ => self.board.loss(target, at),
        }
    }

    pub(super) fn late(&mut self, endpoint: Endpoint) {
        if let Some(target) = self.by_endpoint.get(&endpoint) {
            self.board.late(*target);
        }
    }

    pub(super) fn limits(
        &mut self,
        engine: &Engine,
        endpoint: Endpoint,
        noticed_after: Option<Duration>,
    ) {
        if engine.is_canary(endpoint) {
            let canary = engine.settings().endpoint_name(endpoint);
            self.board.set_canary_limits(&canary, noticed_after);
            return;
        }
        for (id, service) in &engine.settings().services {
            let is_asked = service.checks.iter().any(|its| its.check.method == endpoint.method);
            let target = TargetRef { service: *id, address: endpoint.address };
            if is_asked && let Some(view) = engine.target_view(target) {
                self.board.set_limits(target, view.limits);
            }
        }
    }

    /// Publishes the targets with probes and votes of the last second, and a portion of all targets.
    pub(super) fn refresh(&mut self, engine: &Engine, now: ClockReading) {
        let is_alone = self.peers.is_empty();
        let mut targets = self.freshness.portion(engine);
        targets.extend(std::mem::take(&mut self.freshness.voted));
        // The others share the figures of the probe, but not the checks.
        let most = if self.checks.are_none() { 1 } else { usize::MAX };
        for endpoint in std::mem::take(&mut self.freshness.judged) {
            targets.extend(engine.targets_at(endpoint).take(most));
        }
        for target in targets {
            let Some(view) = engine.target_view(target) else { continue };
            let several = self.checks.are_several(target.service);
            let state = target_state(&view, several, now, &self.clock);
            self.board.update(target, now.clock, &state);
            self.publish_checks(engine, view);
            if !is_alone {
                let votes = self.votes(engine, target, now);
                self.board.set_votes(target, votes);
            }
        }
        if !is_alone {
            let mut missing = self.sources.votes.missing_votes();
            for (peer, seen) in &mut self.peers {
                seen.no_vote_on = missing.remove(peer).unwrap_or_default();
            }
            self.board.set_peers(self.peers.values().cloned().collect());
        }
    }

    fn votes(&self, engine: &Engine, target: TargetRef, now: ClockReading) -> Vec<ReceivedVote> {
        let mut votes = Vec::new();
        for ballot in engine.votes_on(target) {
            let health = match ballot.vote {
                Vote::Up => model::Health::Up,
                Vote::Down => model::Health::Down,
            };
            let heard = now.clock.checked_sub(ballot.age);
            if let (Some(peer), Some(heard)) = (self.names.get(&ballot.peer), heard) {
                votes.push(ReceivedVote { peer: Arc::clone(peer), health, heard });
            }
        }
        votes
    }

    /// Publishes the drains that wait for an address or a service that is not in the configuration.
    pub(super) fn publish_waiting_drains(&mut self, engine: &Engine) {
        let now = read_clocks(&self.clock);
        let mut drains = Vec::new();
        for (target, drain) in engine.waiting_drains() {
            let name = self.ids.service_name(target.service);
            let service = name.unwrap_or_else(|| DEFAULT.to_owned());
            let model::Drained { until, reason, .. } = drained(&drain, now, &self.clock);
            drains.push(model::WaitingDrain { service, address: target.address, until, reason });
        }
        self.board.set_waiting_drains(drains);
    }

    /// Publishes the zones that were listed since the last publication. Several listings of one
    /// iteration are published once.
    pub(super) fn publish_listings(&mut self, engine: &Engine) {
        for zone in std::mem::take(&mut self.freshness.listed) {
            self.board.set_observed(zone, engine.observed(zone));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::net::IpAddr;

    use super::*;
    use crate::engine::Moment;
    use crate::engine::settings::{ServiceSettings, Settings};

    /// Returns an engine with services of so many targets each.
    fn engine(services: &[u16]) -> Engine {
        let mut settings = Settings::new(ServiceSettings::new(vec![], "www.example.com"));
        let its = settings.default_service().clone();
        for (nth, count) in services.iter().enumerate() {
            let addresses = (0..*count).map(|n| {
                let [high, low] = n.to_be_bytes();
                IpAddr::from([10, 0, high, low])
            });
            let its = ServiceSettings { targets: addresses.collect(), ..its.clone() };
            settings.services.insert(nth.into(), its);
        }
        Engine::new(settings, BTreeMap::new(), Moment::START)
    }

    #[test]
    fn a_few_targets_are_refreshed_each_time_and_many_in_portions_that_leave_out_none() {
        let (few, many) = (engine(&[10, 0, 20]), engine(&[3_000, 1, 1_500, 0, 700]));
        let mut freshness = Freshness::default();
        for _ in 0..3 {
            let portion: BTreeSet<_> = freshness.portion(&few).into_iter().collect();
            assert_eq!(portion.len(), 30);
        }
        freshness.forget();
        let all = freshness.portion(&many);
        assert_eq!(all.len(), 5_201, "all of them after a reload");
        for _ in 0..4 {
            let mut seen = BTreeSet::new();
            for _ in 0..3 {
                let portion = freshness.portion(&many);
                assert_eq!(portion.len(), PORTION);
                seen.extend(portion);
            }
            assert_eq!(seen.len(), all.len(), "three refreshes leave out none");
        }
    }
}
