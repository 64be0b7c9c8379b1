//! Rehearsals: targets that are treated as dead on demand.
//!
//! A rehearsed target has endpoints of its own, since its replies are ignored, unless all targets
//! that share an endpoint are rehearsed together.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use super::Engine;
use super::ids::{EndpointId, ServiceId, TargetKey, TargetRef};
use super::moment::Moment;
use super::schedule::Item;
use super::settings::CheckSettings;

impl Engine {
    /// Treats each of `targets` as dead from `begin` until its health has flipped, then normally
    /// again. Called before the first event.
    #[must_use]
    pub fn rehearsing(mut self, targets: &BTreeSet<TargetRef>, begin: Moment) -> Self {
        let mut rehearsed = Vec::new();
        for TargetRef { service: id, address } in targets.iter().copied() {
            let Some(service) = self.services.get_mut(id) else { continue };
            if let Some(target) = service.rehearse(address) {
                rehearsed.push(service.key(target));
                self.context.schedule.add(begin, Item::Rehearsal(id));
            }
        }
        for key in rehearsed {
            for endpoint in self.endpoints_of(key) {
                self.set_apart(endpoint);
            }
        }
        self.prober.enrolled(self.canaries.endpoints());
        self
    }

    /// Gives the rehearsed targets of an endpoint one that no target without a rehearsal depends on.
    fn set_apart(&mut self, endpoint: EndpointId) {
        let Some(check) = self.health.check(endpoint).map(Arc::clone) else { return };
        if self.health.is_rehearsed(endpoint) {
            return;
        }
        let address = self.prober.endpoint(endpoint).map(|endpoint| endpoint.address);
        let sharers: Vec<TargetKey> = self.health.watchers(endpoint).collect();
        let (with, without): (Vec<_>, Vec<_>) = sharers.into_iter().partition(|key| {
            let service = self.services.get(key.service);
            service.zip(address).is_some_and(|(it, address)| it.is_rehearsing(address))
        });
        if without.is_empty() {
            self.health.set_check(endpoint, &check, true);
            return;
        }
        let Some(first) = self.prober.armed_at(endpoint) else { return };
        let Some(own) = self.prober.fork(endpoint, &check) else { return };
        self.health.fork(own, endpoint, &check);
        self.health.set_check(own, &check, true);
        for key in with {
            self.depend_on(key, endpoint, own);
        }
        self.prober.begin(own, first, &mut self.context);
    }

    fn endpoints_of(&self, key: TargetKey) -> Vec<EndpointId> {
        let target = self.services.get(key.service).and_then(|service| service.get(key.target));
        target.map(|target| target.endpoints.iter().collect()).unwrap_or_default()
    }

    /// Makes a target depend on another endpoint in the place of one of its own. Returns whether any
    /// other target depends on the one before.
    fn depend_on(&mut self, key: TargetKey, before: EndpointId, after: EndpointId) -> bool {
        let shared = self.health.detach(before, key);
        self.health.attach(after, key);
        if let Some(service) = self.services.get_mut(key.service) {
            service.replace_endpoint(key.target, before, after);
        }
        shared
    }

    /// Has the prober ignore the replies of the targets that a service rehearses now, and of no
    /// others. Targets with a rehearsal that is over share the probes of others again.
    pub(super) fn follow_rehearsals(&mut self, id: ServiceId) {
        let Some(service) = self.services.get(id) else { return };
        let mut over = Vec::new();
        for address in service.rehearsed() {
            let Some(target) = service.target(address) else { continue };
            for endpoint in target.endpoints.iter() {
                self.prober.ignore(endpoint, service.ignores_replies(address));
            }
            if !service.is_rehearsing(address) {
                over.push(address);
            }
        }
        for address in over {
            self.end_rehearsal(TargetRef { service: id, address });
        }
    }

    /// Makes a target share the probes of others again, once its rehearsal is over.
    fn end_rehearsal(&mut self, target: TargetRef) {
        let Some(service) = self.services.get_mut(target.service) else { return };
        service.forget_rehearsal(target.address);
        let Some(id) = service.id(target.address) else { return };
        let key = service.key(id);
        for endpoint in self.endpoints_of(key) {
            self.share_again(key, target.address, endpoint);
        }
    }

    /// Returns an endpoint of this address and check that is not rehearsed.
    fn shareable(&self, address: IpAddr, check: &CheckSettings) -> Option<EndpointId> {
        let targets = self.services.iter().filter_map(|service| service.target(address));
        let mut all = targets.flat_map(|target| target.endpoints.iter());
        all.find(|id| self.health.is_probed_like(*id, check, false))
    }

    /// Makes a target share the probes of others in the place of one of its own endpoints.
    fn share_again(&mut self, key: TargetKey, address: IpAddr, endpoint: EndpointId) {
        let Some(check) = self.health.check(endpoint).map(Arc::clone) else { return };
        match self.shareable(address, &check) {
            Some(shared) if shared == endpoint => {}
            Some(shared) => {
                if !self.depend_on(key, endpoint, shared) {
                    self.unwatch(endpoint);
                    self.prober.enrolled(self.canaries.endpoints());
                }
                if let Some(service) = self.services.get_mut(key.service) {
                    service.mark(key.target);
                }
            }
            None => self.health.set_check(endpoint, &check, false),
        }
    }
}
