//! The endpoints that several targets share: equal probes are made once.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use crate::engine::health::HealthTracker;
use crate::engine::ids::{EndpointId, ServiceId};
use crate::engine::services::Services;
use crate::engine::settings::{CheckSettings, ServiceCheck, Settings};

/// The identity of a probe. Targets with the same one share an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Probed {
    pub(super) address: IpAddr,
    pub(super) check: CheckSettings,
    /// Whether a rehearsal treats the target as dead, or will.
    pub(super) rehearsed: bool,
}

/// The endpoints by the probes that are made of them, while the targets are enrolled.
///
/// Where there is one service with one check, the same before and after, no probe is shared, and this
/// stays empty: there may be a million targets.
#[derive(Debug, Default)]
pub(super) struct Sharing {
    endpoints: BTreeMap<Probed, EndpointId>,
    /// The endpoints that are still wanted with the check that they had.
    kept: BTreeSet<EndpointId>,
    /// The endpoints that have another check already.
    moved: BTreeSet<EndpointId>,
    /// The endpoints that have been listed. `None` if each target has its own.
    listed: Option<BTreeSet<EndpointId>>,
    /// The endpoints that lost their last target.
    left: BTreeSet<EndpointId>,
    /// The checks, each once.
    checks: BTreeMap<CheckSettings, Arc<CheckSettings>>,
}

impl Sharing {
    /// Prepares to enroll the targets of `settings`. `services` are those in force until now.
    pub(super) fn new(services: &Services, health: &HealthTracker, settings: &Settings) -> Self {
        let mut sharing = Self::default();
        let all =
            services.iter().map(|service| service.id).chain(settings.services.keys().copied());
        let checks = services.iter().map(|service| &service.settings);
        let several = checks.chain(settings.services.values()).any(|its| its.checks.len() > 1);
        if all.collect::<BTreeSet<ServiceId>>().len() <= 1 && !several {
            return sharing;
        }
        sharing.listed = Some(BTreeSet::new());
        for service in services.iter() {
            for target in service.targets() {
                for (its, id) in service.settings.checks.iter().zip(target.endpoints.iter()) {
                    let rehearsed = health.is_rehearsed(id);
                    let probed = Probed { address: target.address, check: its.check, rehearsed };
                    sharing.endpoints.insert(probed, id);
                }
            }
        }
        for (id, its) in settings.services() {
            for address in its.targets.iter().copied() {
                if its.standby.is_unprobed(address) {
                    continue;
                }
                let rehearsed = services.get(id).is_some_and(|it| it.is_rehearsing(address));
                for ServiceCheck { check, .. } in its.checks.iter().cloned() {
                    let probed = Probed { address, check, rehearsed };
                    sharing.kept.extend(sharing.endpoints.get(&probed));
                }
            }
        }
        sharing
    }

    /// Returns the check for all that share it.
    pub(super) fn check(&mut self, check: CheckSettings) -> Arc<CheckSettings> {
        let shared = self.checks.entry(check).or_insert_with(|| Arc::new(check));
        Arc::clone(shared)
    }

    /// Returns the endpoint that is probed like this.
    pub(super) fn find(&self, probed: &Probed) -> Option<EndpointId> {
        self.endpoints.get(probed).copied()
    }

    /// Records the endpoint that is probed like this.
    pub(super) fn add(&mut self, probed: Probed, id: EndpointId) {
        if self.listed.is_some() {
            self.endpoints.insert(probed, id);
        }
    }

    /// Whether an endpoint is still wanted with the check that it had.
    pub(super) fn keeps(&self, id: EndpointId) -> bool {
        self.kept.contains(&id)
    }

    /// Whether an endpoint can get another check, since no target wants the one that it had.
    pub(super) fn is_free(&self, id: EndpointId) -> bool {
        !self.kept.contains(&id) && !self.moved.contains(&id)
    }

    /// Records that an endpoint has another check, under which it is found from now on.
    pub(super) fn moved(&mut self, id: EndpointId, probed: Probed) {
        if self.listed.is_some() {
            self.moved.insert(id);
            self.endpoints.insert(probed, id);
        }
    }

    /// Records that an endpoint has lost its last target, at least for now.
    pub(super) fn leave(&mut self, id: EndpointId) {
        self.left.insert(id);
    }

    /// Removes and returns the endpoints that have lost their last target at some time.
    pub(super) fn take_left(&mut self) -> BTreeSet<EndpointId> {
        std::mem::take(&mut self.left)
    }

    /// Returns whether an endpoint is listed for the first time.
    pub(super) fn list(&mut self, id: EndpointId) -> bool {
        self.listed.as_mut().is_none_or(|listed| listed.insert(id))
    }
}
