//! The settings of the engine, from the configuration.

use std::num::NonZeroU32;

use crate::config::{Config, ProviderConfig};
use crate::engine::event::{ClusterSettings, Settings};
use crate::engine::types::{Pace, Thresholds};

/// Returns the settings of the engine. `room` is the maximum number of TCP connects in progress.
pub fn settings(config: &Config, room: NonZeroU32) -> Settings {
    let probing = &config.probing;
    let cluster = config.cluster.as_ref().map(|cluster| ClusterSettings {
        own: cluster.local_addr,
        peers: cluster.peers.iter().copied().collect(),
        min_peers_agree: cluster.min_peers_agree,
    });
    Settings {
        targets: config.targets.clone(),
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
        zone: zone(config),
        names: names(config).to_vec(),
        floor: config.min_in_service,
        resync_interval: config.resync_interval,
        most_in_flight: config.tcp_port.map(|_| room),
        cluster,
        dry_run: config.dry_run,
    }
}

/// Returns the identity of the zone: its provider, name and address.
fn zone(config: &Config) -> String {
    match &config.provider {
        ProviderConfig::Cloudflare(cloudflare) => {
            format!("Cloudflare {} at {}", cloudflare.zone, cloudflare.api_url)
        }
        ProviderConfig::Route53(route53) => {
            let id = route53.zone_id.as_deref().unwrap_or("by name");
            let place = route53.api_url.as_deref().unwrap_or(&route53.region);
            format!("Route 53 {}, {id}, at {place}", route53.zone)
        }
    }
}

/// Returns the owner names at which the targets are published.
pub fn names(config: &Config) -> &[String] {
    match &config.provider {
        ProviderConfig::Cloudflare(cloudflare) => &cloudflare.names,
        ProviderConfig::Route53(route53) => &route53.names,
    }
}
