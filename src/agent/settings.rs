//! The settings of the engine, from the configuration.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::num::{NonZeroU32, NonZeroUsize};

use super::ids::Ids;
use super::zones::Zones;
use crate::cluster::WatchedService;
use crate::engine::settings::{
    CheckSettings, ClusterSettings, ReturnSettings, ServiceCheck, ServiceSettings, Settings,
    StandbySettings, ZoneSettings,
};
use crate::engine::types::{Endpoint, Method, Pace, Thresholds};
use crate::probe::Opens;
use crate::probe::checks::CheckKind;
use crate::settings::{CanaryConfig, CheckConfig, Config, Probing, StandbyConfig};

/// Returns the settings of the engine. `room` is the maximum number of TCP connects in progress.
pub(super) fn settings(config: &Config, ids: &Ids, room: NonZeroU32) -> Settings {
    let services = config.services.iter().map(|service| {
        let its = ServiceSettings {
            name: service.name.clone(),
            zone: ids.zone(config.zone_of(service)),
            targets: service.targets.as_slice().into(),
            names: service.names.clone(),
            checks: service.checks.iter().map(|its| checked(its, ids)).collect(),
            require: NonZeroUsize::new(service.require).unwrap_or(NonZeroUsize::MIN),
            floor: service.min_in_service,
            max_out: service.most_out(),
            standby: standby(&service.standby),
            returns: ReturnSettings { delay: service.returns.delay, max: service.returns.max },
            resync_interval: service.resync_interval,
        };
        (ids.service(&service.name), its)
    });
    let zones = config.zones.iter().map(|zone| {
        let its = ZoneSettings::new(&zone.name, &zone.provider.place());
        (ids.zone(zone), its)
    });
    let cluster = config.sections.cluster.as_ref().map(|cluster| ClusterSettings {
        own: cluster.local_addr,
        peers: cluster.peers.iter().copied().collect(),
        min_peers_agree: cluster.min_peers_agree,
    });
    Settings {
        services: services.collect(),
        zones: zones.collect(),
        burst: config.canary_probing.burst,
        canaries: config.canaries.iter().map(|canary| endpoint(canary, ids)).collect(),
        canary_checks: canary_checks(config, ids),
        canary_check: check(&config.canary_probing, Method::Echo),
        most_in_flight: opens_connections(config, ids).then_some(room),
        cluster,
        dry_run: config.dry_run,
        rooms: ids.requests().rooms(),
    }
}

/// Returns the standbys of a service.
fn standby(its: &StandbyConfig) -> StandbySettings {
    let last_resort = its.last_tier();
    StandbySettings { tiers: its.iter().collect(), last_resort, below: its.below }
}

/// Returns a check of a service.
fn checked(its: &CheckConfig, ids: &Ids) -> ServiceCheck {
    let check = check(&its.probing, ids.method(&its.method));
    ServiceCheck { name: its.name.clone(), check, counts: its.is_counted() }
}

/// Returns the names of the checks by which canaries are asked.
fn canary_checks(config: &Config, ids: &Ids) -> BTreeMap<Endpoint, String> {
    let named = config.canaries.iter().filter_map(|canary| {
        let check = canary.check.clone()?;
        Some((endpoint(canary, ids), check))
    });
    named.collect()
}

fn endpoint(canary: &CanaryConfig, ids: &Ids) -> Endpoint {
    Endpoint { address: canary.address, method: ids.method(&canary.method) }
}

fn check(probing: &Probing, method: Method) -> CheckSettings {
    let pace = Pace {
        interval: probing.interval,
        timeout: probing.timeout,
        retry_interval: probing.retry_interval,
    };
    let thresholds =
        Thresholds { failure: probing.failure_threshold, recovery: probing.recovery_threshold };
    CheckSettings { method, pace, thresholds }
}

/// Whether any probe of a target opens a connection.
fn opens_connections(config: &Config, ids: &Ids) -> bool {
    let checks = config.services.iter().flat_map(|service| &service.checks);
    let mut methods = checks.map(|check| ids.method(&check.method));
    methods.any(|method| {
        let endpoint = Endpoint { address: Ipv4Addr::LOCALHOST.into(), method };
        CheckKind::of(endpoint).opens() == Opens::Connection
    })
}

/// Returns the services as the cluster knows them.
pub(super) fn watched_services(config: &Config, ids: &Ids) -> Vec<WatchedService> {
    let services = config.services.iter().map(|service| WatchedService {
        id: ids.service(&service.name),
        name: service.name.clone(),
        targets: service.targets.clone(),
    });
    services.collect()
}

/// Returns the zones in which the targets are published.
pub(super) fn zones(config: &Config, ids: &Ids) -> Zones {
    let mut zones = Zones::new();
    for (place, zone) in config.zones.iter().enumerate() {
        zones.insert(ids.zone(zone), config.zone(place, |name| ids.service(name)));
    }
    zones
}
