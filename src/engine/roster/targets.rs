//! The endpoints of the targets: found, moved, forked or added.

use std::num::NonZeroUsize;
use std::sync::Arc;

use super::phases::Phases;
use super::sharing::{Probed, Sharing};
use crate::engine::Engine;
use crate::engine::ids::{EndpointId, TargetKey, TargetRef};
use crate::engine::prober::Role;
use crate::engine::settings::{CheckSettings, Settings};
use crate::engine::types::Endpoint;

/// An endpoint of the settings.
#[derive(Debug, Clone, Copy)]
pub(super) struct Enrolled {
    id: EndpointId,
    /// Whether it was not watched before.
    is_new: bool,
}

impl Engine {
    /// Makes each target depend on the endpoint that is probed for it. Returns the endpoints, in the
    /// order of the targets.
    pub(super) fn enroll_targets(
        &mut self,
        settings: &Settings,
        sharing: &mut Sharing,
    ) -> Vec<Enrolled> {
        let mut endpoints = Vec::new();
        for (service, its) in settings.services() {
            let check = sharing.check(its.check);
            endpoints.reserve(if settings.services.len() == 1 { its.targets.len() } else { 0 });
            for address in its.targets.iter().copied() {
                let target = TargetRef { service, address };
                let enrolled = self.enroll_target(target, &check, sharing);
                endpoints.extend(enrolled.filter(|enrolled| sharing.list(enrolled.id)));
            }
        }
        for endpoint in sharing.take_left() {
            if self.health.watchers(endpoint).next().is_none() {
                self.unwatch(endpoint);
            }
        }
        endpoints
    }

    /// Makes a target depend on the endpoint that is probed for it.
    fn enroll_target(
        &mut self,
        name: TargetRef,
        check: &Arc<CheckSettings>,
        sharing: &mut Sharing,
    ) -> Option<Enrolled> {
        let service = self.services.get(name.service)?;
        let rehearsed = service.is_rehearsing(name.address);
        let id = service.id(name.address);
        let before = id.and_then(|id| Some(service.get(id)?.endpoint));
        if let Some(id) = before
            && self.health.is_probed_like(id, check, rehearsed)
        {
            return Some(Enrolled { id, is_new: false });
        }
        let probed = Probed { address: name.address, check: **check, rehearsed };
        let enrolled = self.endpoint_for(probed, before, sharing)?;
        if let (Some(target), Some(before)) = (id, before) {
            let key = TargetKey { service: name.service, target };
            if before != enrolled.id && !self.health.detach(before, key) {
                sharing.leave(before);
            }
            self.health.attach(enrolled.id, key);
            self.services.get_mut(name.service)?.set_endpoint(target, enrolled.id);
        } else {
            let service = self.services.get_mut(name.service)?;
            let key = service.add(name.address, enrolled.id, self.context.now);
            self.health.attach(enrolled.id, key);
        }
        Some(enrolled)
    }

    /// Returns the endpoint for a target that is probed differently from now on. `before` is the
    /// endpoint that it had. The target keeps its counters, unless the probes that it is to have are
    /// made already.
    fn endpoint_for(
        &mut self,
        probed: Probed,
        before: Option<EndpointId>,
        sharing: &mut Sharing,
    ) -> Option<Enrolled> {
        if let Some(id) = sharing.find(&probed) {
            return Some(Enrolled { id, is_new: false });
        }
        let check = sharing.check(probed.check);
        let id = match before {
            Some(id) if sharing.is_free(id) => {
                self.health.set_check(id, &check, probed.rehearsed);
                sharing.moved(id, probed);
                return Some(Enrolled { id, is_new: false });
            }
            Some(before) => {
                let id = self.prober.fork(before, &check)?;
                self.health.fork(id, before, &check);
                id
            }
            None => {
                let endpoint = Endpoint { address: probed.address, port: probed.check.port };
                let id = self.prober.add(endpoint, Role::Target, &check);
                self.health.add(id, &check, self.context.now);
                id
            }
        };
        self.health.set_check(id, &check, probed.rehearsed);
        sharing.add(probed, id);
        Some(Enrolled { id, is_new: true })
    }

    /// Spreads the probes of the endpoints over their intervals.
    pub(super) fn schedule_targets(
        &mut self,
        endpoints: &[Enrolled],
        burst: NonZeroUsize,
    ) -> Phases {
        let checks = endpoints.iter().filter_map(|enrolled| self.health.check(enrolled.id));
        let mut phases = Phases::of(checks.map(|check| check.pace.interval), burst);
        let now = self.context.now;
        for Enrolled { id, is_new } in endpoints.iter().copied() {
            let Some(check) = self.health.check(id) else { continue };
            let first = now + phases.next(check.pace.interval);
            if is_new {
                self.prober.begin(id, first, &mut self.context);
            } else {
                self.prober.set_check(id, check, now);
                self.prober.move_watch(id, first, &mut self.context);
            }
        }
        phases
    }
}
