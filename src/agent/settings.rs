//! The settings of the engine, from the configuration.

use std::num::NonZeroU32;

use super::zones::Zones;
use crate::engine::ids::ZoneId;
use crate::engine::settings::{ClusterSettings, ServiceSettings, Settings, ZoneSettings};
use crate::engine::types::{Endpoint, Pace, Thresholds};
use crate::probe::Opens;
use crate::probe::checks::CheckKind;
use crate::settings::Config;

/// Returns the settings of the engine. `room` is the maximum number of TCP connects in progress.
pub(super) fn settings(config: &Config, room: NonZeroU32) -> Settings {
    let first = config.default_service();
    let probing = &first.probing;
    // All targets are probed by the check of the same port.
    let check = CheckKind::of(Endpoint { address: first.targets[0], port: first.tcp_port });
    let cluster = config.sections.cluster.as_ref().map(|cluster| ClusterSettings {
        own: cluster.local_addr,
        peers: cluster.peers.iter().copied().collect(),
        min_peers_agree: cluster.min_peers_agree,
    });
    let services = config.services.iter().map(|service| ServiceSettings {
        zone: service.zone.into(),
        targets: service.targets.as_slice().into(),
        names: service.names.clone(),
        floor: service.min_in_service,
        resync_interval: service.resync_interval,
    });
    let zones = config.zones.iter().map(|zone| ZoneSettings { location: zone.provider.place() });
    Settings {
        services: services.collect(),
        zones: zones.collect(),
        port: first.tcp_port,
        burst: probing.burst,
        canaries: config.canaries.clone(),
        thresholds: Thresholds {
            failure: probing.failure_threshold,
            recovery: probing.recovery_threshold,
        },
        pace: Pace {
            interval: probing.interval,
            timeout: probing.timeout,
            retry_interval: probing.retry_interval,
        },
        most_in_flight: (check.opens() == Opens::Connection).then_some(room),
        cluster,
        dry_run: config.dry_run,
    }
}

/// Returns the zones in which the targets are published.
pub(super) fn zones(config: &Config) -> Zones {
    let places = 0..config.zones.len();
    places.map(|place| (ZoneId::from(place), config.zone(place))).collect()
}
