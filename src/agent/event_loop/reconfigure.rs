//! Puts a new configuration in force, or keeps the old one.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::EventLoop;
use crate::agent::input::{NewConfig, ReloadError};
use crate::agent::observers::Observer;
use crate::agent::state_store::StateStore;
use crate::agent::{fixed, log_notes, settings};
use crate::engine::event::Event;
use crate::probe::{Probe, tcp};
use crate::settings::Config;
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
        log_notes(&config);
        log_abandoned_records(self.state.store(), &config);
        self.reconcilers.reload(&settings::zones(&config, &self.ids), providers);
        if let Some(peers) = &self.peers {
            peers.reload(&config, settings::watched_services(&config, &self.ids));
        }
        self.observers.reloaded(&config);
        tracing::info!(targets = config.default_service().targets.len(), "configuration in force");
        let settings = settings::settings(&config, &self.ids, tcp::room());
        self.config = config;
        systemd::ready();
        self.handle(Event::Reloaded(Box::new(settings)));
    }
}

/// Logs the withdrawn records that nothing restores once `config` is in force.
fn log_abandoned_records(store: &StateStore, config: &Config) {
    let names = config.default_zone().provider.names();
    let mut abandoned: BTreeMap<IpAddr, Vec<String>> = BTreeMap::new();
    for (set, address, record) in store.records().records() {
        if record.came_back_as.is_some() {
            continue;
        }
        if !config.default_service().targets.contains(&address) || !names.contains(&set.name) {
            abandoned.entry(address).or_default().push(set.name.clone());
        }
    }
    for (target, names) in abandoned {
        tracing::warn!(
            %target,
            names = names.join(","),
            "removed from the configuration while withdrawn; its record is not restored; put it back by hand if \
             it is wanted"
        );
    }
}
