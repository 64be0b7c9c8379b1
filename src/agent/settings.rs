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
    let probing = &config.probing;
    // All targets are probed by the check of the same port.
    let check = CheckKind::of(Endpoint { address: config.targets[0], port: config.tcp_port });
    let cluster = config.sections.cluster.as_ref().map(|cluster| ClusterSettings {
        own: cluster.local_addr,
        peers: cluster.peers.iter().copied().collect(),
        min_peers_agree: cluster.min_peers_agree,
    });
    let service = ServiceSettings {
        zone: ZoneId::DEFAULT,
        targets: config.targets.as_slice().into(),
        names: config.provider.names().to_vec(),
        floor: config.min_in_service,
        resync_interval: config.resync_interval,
    };
    Settings {
        services: vec![service],
        zones: vec![ZoneSettings { location: config.provider.place() }],
        port: config.tcp_port,
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
    [(ZoneId::DEFAULT, config.zone())].into()
}
