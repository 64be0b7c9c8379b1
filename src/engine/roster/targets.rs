//! The endpoints of the targets: found, moved, forked or added.

use std::num::NonZeroUsize;
use std::sync::Arc;

use super::phases::Phases;
use super::sharing::{Probed, Sharing};
use crate::engine::Engine;
use crate::engine::ids::{EndpointId, TargetRef};
use crate::engine::prober::Role;
use crate::engine::service::Endpoints;
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
    /// Makes each target depend on the endpoints that are probed for it. Returns the endpoints, in the
    /// order of the targets.
    pub(super) fn enroll_targets(
        &mut self,
        settings: &Settings,
        sharing: &mut Sharing,
    ) -> Vec<Enrolled> {
        let mut endpoints = Vec::new();
        for (service, its) in settings.services() {
            let checks: Vec<_> = its.checks.iter().map(|its| sharing.check(its.check)).collect();
            endpoints.reserve(if settings.services.len() == 1 { its.targets.len() } else { 0 });
            for address in its.targets.iter().copied() {
                let target = TargetRef { service, address };
                let is_unprobed = its.standby.is_unprobed(address);
                let checks = if is_unprobed { &[] } else { checks.as_slice() };
                let enrolled = self.enroll_target(target, checks, sharing);
                endpoints.extend(enrolled.into_iter().filter(|it| sharing.list(it.id)));
            }
        }
        for endpoint in sharing.take_left() {
            if self.health.watchers(endpoint).next().is_none() {
                self.unwatch(endpoint);
            }
        }
        endpoints
    }

    /// Makes a target depend on the endpoints that are probed for it, one for each check.
    fn enroll_target(
        &mut self,
        name: TargetRef,
        checks: &[Arc<CheckSettings>],
        sharing: &mut Sharing,
    ) -> Vec<Enrolled> {
        let Some(service) = self.services.get(name.service) else { return Vec::new() };
        let rehearsed = service.is_rehearsing(name.address);
        let id = service.id(name.address);
        let mut before: Vec<Option<EndpointId>> = match id.and_then(|id| service.get(id)) {
            Some(target) => target.endpoints.iter().map(Some).collect(),
            None => Vec::new(),
        };
        let mut enrolled: Vec<Option<Enrolled>> = Vec::with_capacity(checks.len());
        for check in checks {
            let same = before
                .iter_mut()
                .find(|it| it.is_some_and(|id| self.health.is_probed_like(id, check, rehearsed)));
            let same = same.and_then(Option::take);
            enrolled.push(same.map(|id| Enrolled { id, is_new: false }));
        }
        let mut unused = before.into_iter().flatten();
        let mut left = Vec::new();
        for (place, check) in checks
            .iter()
            .enumerate()
            .filter(|(place, _)| enrolled[*place].is_none())
            .collect::<Vec<_>>()
        {
            let probed = Probed { address: name.address, check: **check, rehearsed };
            let before = unused.next();
            enrolled[place] = self.endpoint_for(probed, before, sharing);
            left.extend(before.filter(|id| enrolled[place].is_none_or(|it| it.id != *id)));
        }
        left.extend(unused);
        let enrolled: Vec<Enrolled> = enrolled.into_iter().flatten().collect();
        self.depend_on_all(name, &enrolled, &left, sharing);
        enrolled
    }

    /// Makes a target depend on these endpoints, and no longer on those that are `left`.
    fn depend_on_all(
        &mut self,
        name: TargetRef,
        enrolled: &[Enrolled],
        left: &[EndpointId],
        sharing: &mut Sharing,
    ) {
        let ids: Vec<EndpointId> = enrolled.iter().map(|it| it.id).collect();
        let endpoints = Endpoints::of(&ids).unwrap_or_else(Endpoints::none);
        let Some(service) = self.services.get_mut(name.service) else { return };
        let key = if let Some(target) = service.id(name.address) {
            service.set_endpoints(target, endpoints);
            service.key(target)
        } else {
            service.add(name.address, endpoints, self.context.now)
        };
        for id in left {
            if !self.health.detach(*id, key) {
                sharing.leave(*id);
            }
        }
        for id in ids {
            self.health.attach(id, key);
        }
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
                let endpoint = Endpoint { address: probed.address, method: probed.check.method };
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
