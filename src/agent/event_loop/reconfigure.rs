//! Puts a new configuration in force, or keeps the old one.

use std::collections::{BTreeMap, HashSet};
use std::net::IpAddr;

use super::EventLoop;
use crate::agent::input::{NewConfig, ReloadError};
use crate::agent::observers::Observer;
use crate::agent::state_store::StateStore;
use crate::agent::{fixed, settings, startup};
use crate::engine::event::Event;
use crate::probe::{Probe, tcp};
use crate::settings::{Config, DEFAULT};
use crate::systemd;

impl<P: Probe, O: Observer> EventLoop<P, O> {
    /// Puts a configuration in force that was read again, or keeps the old one if it cannot be used.
    pub(super) fn reconfigure(&mut self, reloaded: Result<NewConfig, ReloadError>) {
        match reloaded {
            Ok(new) => self.replace_config(new),
            Err(ReloadError::Config(errors)) => {
                let reason = errors.to_string();
                reason.lines().for_each(|line| tracing::error!("configuration refused: {line}"));
                tracing::error!("the old configuration stays in force");
                self.refuse_config(reason.lines().next().unwrap_or_default());
            }
            Err(ReloadError::Provider(error)) => {
                let reason = format!("{error:#}");
                tracing::error!("configuration refused: {reason}");
                self.refuse_config(&reason);
            }
        }
    }

    fn refuse_config(&mut self, reason: &str) {
        self.observers.reload_refused(reason);
        systemd::ready();
    }

    fn replace_config(&mut self, NewConfig { config, providers }: NewConfig) {
        let config = fixed::keep(&self.config, config);
        config.inherit_pauses(&self.config);
        startup::log_notes(&config);
        self.reconcilers.reload(&settings::zones(&config, &self.ids), providers);
        log_abandoned_records(self.state.store(), &config);
        if let Some(peers) = &self.peers {
            peers.reload(&config, settings::watched_services(&config, &self.ids));
        }
        self.observers.reloaded(&config);
        let settings = settings::settings(&config, &self.ids, tcp::room());
        let named = startup::Extent::of(&settings);
        tracing::info!(
            targets = settings.target_count(),
            services = named.services,
            zones = named.zones,
            "configuration in force"
        );
        self.state.store().assign_services(&settings);
        self.config = config;
        systemd::ready();
        self.handle(Event::Reloaded(Box::new(settings)));
    }
}

/// Logs the withdrawn records that nothing restores once `config` is in force. The records belong to its
/// zones already.
fn log_abandoned_records(store: &StateStore, config: &Config) {
    let mut maintained = HashSet::new();
    for service in &config.services {
        let zone = config.zone_of(service).name.as_str();
        for name in &service.names {
            maintained.extend(service.targets.iter().map(|target| (zone, name.as_str(), *target)));
        }
    }
    let withdrawn = store.withdrawn();
    let mut abandoned: BTreeMap<(&str, IpAddr), Vec<&str>> = BTreeMap::new();
    for record in withdrawn.iter().filter(|record| record.came_back_as.is_none()) {
        let (zone, name) = (record.zone.as_str(), record.name.as_str());
        if !maintained.contains(&(zone, name, record.address)) {
            abandoned.entry((zone, record.address)).or_default().push(name);
        }
    }
    for ((zone, target), names) in abandoned {
        tracing::warn!(
            %target,
            zone = Some(zone).filter(|zone| *zone != DEFAULT).map(tracing::field::display),
            names = names.join(","),
            "removed from the configuration while withdrawn; its record is not restored; put it back by hand if \
             it is wanted"
        );
    }
}
