//! The beginning of the agent: its first log lines, the addresses of its sockets, its rehearsal.

use std::collections::BTreeSet;
use std::net::IpAddr;

use tracing::field::display;

use super::ids::Ids;
use crate::engine::Engine;
use crate::engine::ids::{ServiceId, TargetRef};
use crate::engine::settings::Settings;
use crate::probe::Opens;
use crate::probe::checks::CheckKind;
use crate::probe::icmp::Icmp;
use crate::settings::Config;
use crate::status::CommandTarget;
use crate::text::{counted, visible};

/// The number of drains that are logged one by one at the start.
const DRAINS_NAMED: usize = 3;

/// Returns the addresses that are probed on shared sockets: canaries first.
pub(super) fn on_shared_sockets(config: &Config, ids: &Ids) -> Vec<IpAddr> {
    let (mut addresses, mut seen) = (Vec::new(), BTreeSet::new());
    for endpoint in ids.endpoints(config) {
        if CheckKind::of(endpoint).opens() == Opens::SharedSocket && seen.insert(endpoint) {
            addresses.push(endpoint.address);
        }
    }
    addresses
}

/// Logs the warnings about a configuration, and the guards that it leaves off.
pub(super) fn log_notes(config: &Config) {
    config.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
    if let Some(network) = &config.network {
        tracing::info!("{network}");
    }
    if let Some(line) = config.guards_off_in_words() {
        tracing::warn!("guards off: {line}");
    }
}

/// Logs the drains that outlived the restart: the first few, and the number of the others. Those of
/// services that are not in the configuration wait for it.
pub(super) fn log_drains(engine: &Engine) {
    let (settings, mut in_force) = (engine.settings(), Vec::new());
    for (service, drains) in engine.drains() {
        if settings.service(service).is_some() {
            in_force.extend(drains.into_iter().map(|(target, drain)| (service, target, drain)));
        }
    }
    for (service, target, drain) in in_force.iter().take(DRAINS_NAMED) {
        let service = settings.shown_name(*service).map(display);
        let why = &*visible(drain.reason.as_deref().unwrap_or("no reason given"));
        tracing::warn!(%target, service, why, "still drained by operator after the restart");
    }
    match in_force.len().saturating_sub(DRAINS_NAMED) {
        0 => {}
        more => {
            let more = counted(more, "more target is", "more targets are");
            tracing::warn!("{more} still drained by operator after the restart");
        }
    }
}

/// The numbers of services and zones, if they are named.
pub(super) struct Extent {
    pub(super) services: Option<usize>,
    pub(super) zones: Option<usize>,
}

impl Extent {
    /// Returns the numbers of these settings.
    pub(super) fn of(settings: &Settings) -> Self {
        let is_named = settings.services.keys().any(|id| *id != ServiceId::DEFAULT);
        Self {
            services: is_named.then_some(settings.services.len()),
            zones: is_named.then_some(settings.zones.len()),
        }
    }
}

/// Logs the extent of the watch.
pub(super) fn log_start(config: &Config, settings: &Settings, icmp: &Icmp) {
    let named = Extent::of(settings);
    let mut providers: Vec<&str> = config.zones.iter().map(|zone| zone.provider.name()).collect();
    providers.sort_unstable();
    providers.dedup();
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        name = config.name,
        targets = settings.target_count(),
        services = named.services,
        zones = named.zones,
        provider = providers.join(","),
        dry_run = config.dry_run,
        socket = icmp.kind().unwrap_or("none"),
        "watching"
    );
}

/// Returns the targets that a rehearsal treats as dead: an address in one service, or in all that have
/// it.
pub(super) fn rehearsed(wanted: &CommandTarget, settings: &Settings) -> BTreeSet<TargetRef> {
    let mut targets = BTreeSet::new();
    for (id, service) in settings.services() {
        let is_meant = wanted.service.as_ref().is_none_or(|name| *name == service.name);
        let is_probed = !service.standby.is_unprobed(wanted.address);
        if is_meant && is_probed && service.targets.contains(&wanted.address) {
            targets.insert(TargetRef { service: id, address: wanted.address });
        }
    }
    targets
}
