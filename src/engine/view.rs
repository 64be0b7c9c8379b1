//! The state that the engine exposes.

use std::net::IpAddr;
use std::time::Duration;

use super::Engine;
use super::drain::Drain;
use super::fact::Reason;
use super::failed::FailedCheck;
use super::health::{Subject, TargetHealth};
use super::ids::{EndpointId, ServiceId, TargetKey, TargetRef, ZoneId};
use super::moment::Moment;
use super::plan::{Family, Observed, SetKey};
use super::service::{ReturnView, Service, StandbyView, Target};
use super::types::{Endpoint, Health};
use super::zone::Zone;

/// One target as the agent sees it now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetView {
    /// The service of the target.
    pub service: ServiceId,
    /// The target's address.
    pub address: IpAddr,
    /// The endpoint that is probed for the target, [`EndpointId::NONE`] for a last resort; with several checks, the one that its health is
    /// mainly due to.
    pub endpoint: EndpointId,
    /// The target's health, as seen from here.
    pub health: Health,
    /// Whether the health is unknown, since nothing was judged for too long.
    pub unknown: bool,
    /// Whether there is evidence on which a verdict or a vote may rest.
    pub proven: bool,
    /// The time at which a probe was last judged a reply or a loss; before the first, the time at
    /// which watching began. With several checks, the earliest of their times.
    pub judged: Moment,
    /// The verdict: whether the target belongs in DNS.
    pub in_service: bool,
    /// The reason why a change that its health calls for is not made.
    pub reason: Option<Reason>,
    /// The number of losses in a row; 0 after a reply.
    pub losses: u32,
    /// The number of replies in a row; 0 after a loss.
    pub replies: u32,
    /// The last round-trip time within the timeout.
    pub last_rtt: Option<Duration>,
    /// The time at which health or verdict last changed.
    pub since: Moment,
    /// Present if the target does not answer at the retry pace, and is always probed at the ordinary
    /// one: the longest time until its failure is noticed, by the slowest of its checks.
    pub limits: Option<Duration>,
    /// The last error report about a lost probe, if no reply came since.
    pub last_error: Option<String>,
    /// The checks that made it go down, if it is down, and there are several or they give reasons.
    pub failed: Vec<FailedCheck>,
    /// The operator's drain, if there is one.
    pub drain: Option<Drain>,
    /// The reason for which it is published or not, if it is a standby.
    pub standby: Option<StandbyView>,
    /// The wait, if the target is up and not put back yet.
    pub returning: Option<ReturnView>,
}

/// One check of a target as the agent sees it now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckView {
    /// The name of the check.
    pub name: String,
    /// The endpoint that is probed.
    pub endpoint: EndpointId,
    /// Whether its results count.
    pub counts: bool,
    /// The health that its results alone give.
    pub health: Health,
    /// Whether the health is unknown, since nothing was judged for too long.
    pub unknown: bool,
    /// The number of losses in a row; 0 after a reply.
    pub losses: u32,
    /// The number of replies in a row; 0 after a loss.
    pub replies: u32,
    /// The last round-trip time within the timeout.
    pub last_rtt: Option<Duration>,
    /// The last error report about a lost probe, if no reply came since.
    pub last_error: Option<String>,
}

impl Engine {
    /// Iterates over all targets: the services in order, and the addresses of each in order.
    pub fn targets(&self) -> impl Iterator<Item = TargetView> {
        self.services.iter().flat_map(move |service| {
            service.targets().filter_map(move |target| self.view(service, target))
        })
    }

    /// Whether `endpoint` is watched as a canary, and not as a target.
    pub fn is_canary(&self, endpoint: Endpoint) -> bool {
        let Endpoint { address, method } = endpoint;
        let is_target = self.services.iter().any(|service| {
            let mut checks = service.settings.checks.iter();
            checks.any(|its| its.check.method == method) && service.id(address).is_some()
        });
        !is_target && self.context.settings.canaries.contains(&endpoint)
    }

    /// Returns the view of one target.
    pub fn target_view(&self, target: TargetRef) -> Option<TargetView> {
        let service = self.services.get(target.service)?;
        self.view(service, service.target(target.address)?)
    }

    /// Returns the reason for which a target is published or not, if it is a standby.
    pub fn why_standby(&self, target: TargetRef) -> Option<String> {
        let service = self.services.get(target.service)?;
        service.standby_view(service.target(target.address)?).map(StandbyView::in_words)
    }

    /// Returns how often a target was withdrawn for its health in the last hour, if more than once and if
    /// it comes back the later for it: `third time in an hour`.
    pub fn how_often(&self, target: TargetRef) -> Option<String> {
        self.services.get(target.service)?.how_often(target.address, self.context.now)
    }

    /// Returns the services that watch an address or hold its drain.
    pub fn services_of(&self, address: IpAddr) -> Vec<ServiceId> {
        let its =
            self.services.iter().filter(|it| it.id(address).is_some() || it.drains.holds(address));
        its.map(|service| service.id).collect()
    }

    /// Iterates over the targets that depend on an endpoint, by their services.
    pub fn targets_at(&self, endpoint: EndpointId) -> impl Iterator<Item = TargetRef> + '_ {
        self.health.watchers(endpoint).filter_map(|TargetKey { service, target }| {
            let service = self.services.get(service)?;
            service.get(target).map(|target| service.target_ref(target.address))
        })
    }

    /// Returns the address and the method of an endpoint, if it is watched.
    pub fn endpoint(&self, id: EndpointId) -> Option<Endpoint> {
        self.prober.endpoint(id)
    }

    /// Returns the number of targets of all services.
    pub fn target_count(&self) -> usize {
        self.services.target_count()
    }

    /// Returns the number of endpoints that are probed for targets. Targets may share one.
    pub fn endpoint_count(&self) -> usize {
        self.prober.load().targets()
    }

    /// Returns the targets of a zone with a verdict that DNS does not follow yet: it is still to be
    /// carried out, and the last listing contradicted it.
    pub fn waiting_for_dns(&self, zone: ZoneId) -> impl Iterator<Item = TargetRef> {
        let services = self.services.iter().filter(move |service| service.zone() == zone);
        services.flat_map(move |service| {
            let open = service.orders.all_open().filter(move |address| {
                let target = service.target(*address);
                target.is_some_and(|target| {
                    target.verdict.held.is_empty() && !self.follows(service, target)
                })
            });
            open.map(move |address| service.target_ref(address))
        })
    }

    /// Whether this agent considers its own network the cause of its losses.
    pub fn is_isolated(&self) -> bool {
        self.canaries.is_isolated()
    }

    /// Whether a target is down because it asked to be taken out.
    pub fn is_asking(&self, target: TargetRef) -> bool {
        let service = self.services.get(target.service);
        let target = service.and_then(|service| service.target(target.address));
        let its =
            service.zip(target).map(|(service, target)| service.health_of(target, &self.health));
        its.is_some_and(|its| its.asked)
    }

    /// Returns the time at which a target last asked to be taken out, if it is down because of that. It may be
    /// silent since.
    pub fn last_asked(&self, target: TargetRef) -> Option<Moment> {
        let its = self.services.get(target.service)?.target(target.address)?;
        let subjects = its.endpoints.iter().filter_map(|endpoint| self.health.answers(endpoint));
        subjects.filter_map(|answers| answers.asked_at).max().filter(|_| self.is_asking(target))
    }

    /// Whether the last listing of its zone matched the verdict on a target.
    pub fn is_followed(&self, target: TargetRef) -> bool {
        let service = self.services.get(target.service);
        let target = service.and_then(|service| service.target(target.address));
        service.zip(target).is_some_and(|(service, target)| self.follows(service, target))
    }

    /// Whether the last listing matched the verdict on a target: it was in every one of its sets,
    /// or in none. Unfit sets do not count.
    fn follows(&self, service: &Service, target: &Target) -> bool {
        let family = Family::of(target.address);
        let observed = self.observed(service.zone());
        service.settings.names.iter().all(|name| {
            let set = SetKey { name: name.clone(), family };
            let listed = observed.and_then(|observed| observed.get(&set));
            let there = listed.is_some_and(|addresses| addresses.contains(&target.address));
            there == target.verdict.is_in_service()
                || observed.is_some_and(|observed| observed.unfit.contains_key(&set))
        })
    }

    /// Returns the last listing of a zone; empty before the first.
    pub fn observed(&self, zone: ZoneId) -> Option<&Observed> {
        self.zones.get(&zone).map(Zone::observed)
    }

    /// Returns the views of the checks of a target, in the order of the settings.
    pub fn checks_of(&self, target: TargetRef) -> Vec<CheckView> {
        let mut views = Vec::new();
        let Some(service) = self.services.get(target.service) else { return views };
        let Some(target) = service.target(target.address) else { return views };
        let checks = service.settings.checks.iter();
        for (its, endpoint) in checks.zip(target.endpoints.iter()) {
            let (Some(subject), Some(watch)) =
                (self.health.get(endpoint), self.prober.state(endpoint))
            else {
                continue;
            };
            views.push(CheckView {
                name: its.name.clone(),
                endpoint,
                counts: its.counts,
                health: subject.streaks.health(),
                unknown: subject.evidence.unknown_since.is_some(),
                losses: subject.streaks.losses(),
                replies: subject.streaks.replies(),
                last_rtt: watch.last_rtt,
                last_error: subject.last_error().map(str::to_owned),
            });
        }
        views
    }

    fn view(&self, service: &Service, target: &Target) -> Option<TargetView> {
        let its = service.health_of(target, &self.health);
        if service.settings.standby.is_unprobed(target.address) {
            return Some(unprobed_view(service, target));
        }
        let TargetHealth { health, proof, decisive, .. } = its;
        let watch = self.prober.state(decisive)?;
        let subject = self.health.get(decisive)?;
        let Subject { streaks, evidence, .. } = subject;
        Some(TargetView {
            service: service.id,
            address: target.address,
            endpoint: decisive,
            health,
            unknown: service.unknown_checks_of(target, &self.health) > 0,
            proven: proof.is_some(),
            judged: service.judged(target, &self.health).unwrap_or(evidence.judged),
            in_service: target.verdict.is_in_service(),
            reason: target.verdict.reason,
            losses: streaks.losses(),
            replies: streaks.replies(),
            last_rtt: watch.last_rtt,
            since: target.since,
            limits: target.endpoints.iter().filter_map(|id| self.prober.noticed_after(id)).max(),
            last_error: subject.last_error().map(str::to_owned),
            failed: service.failed(target, &its, &self.health),
            drain: service.drains.get(target.address).cloned(),
            standby: service.standby_view(target),
            returning: service.return_view(target, self.context.now),
        })
    }
}

/// Returns the view of a last resort, which is not probed.
fn unprobed_view(service: &Service, target: &Target) -> TargetView {
    TargetView {
        service: service.id,
        address: target.address,
        endpoint: EndpointId::NONE,
        health: Health::AssumedUp,
        unknown: false,
        proven: false,
        judged: Moment::START,
        in_service: target.verdict.is_in_service(),
        reason: target.verdict.reason,
        losses: 0,
        replies: 0,
        last_rtt: None,
        since: target.since,
        limits: None,
        last_error: None,
        failed: Vec::new(),
        drain: service.drains.get(target.address).cloned(),
        standby: service.standby_view(target),
        returning: None,
    }
}
