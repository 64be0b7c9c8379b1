//! The settings that are asked for, as changes of those that were in force.

use std::collections::BTreeMap;
use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

use crate::engine::settings::{CheckSettings, ReturnSettings, ServiceSettings, Settings};

/// Changes of the settings in force. All others stay as they were.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct SettingChanges {
    /// The changes of each service, by its name.
    pub services: BTreeMap<String, ServiceChange>,
    /// The changes of the canaries.
    pub canaries: CheckChange,
    /// The number of peers that must agree.
    pub min_peers_agree: Option<usize>,
}

/// Changes of a service.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ServiceChange {
    /// The changes of each check, by its name.
    pub checks: BTreeMap<String, CheckChange>,
    /// The number of checks that must be up.
    pub require: Option<NonZeroUsize>,
    /// The fewest addresses that stay.
    pub floor: Option<usize>,
    /// The most addresses that may be out.
    pub max_out: Option<MostOut>,
    /// How long targets have to be up.
    pub returns: Option<ReturnSettings>,
    /// The number of addresses below which standbys are used.
    pub below: Option<usize>,
}

/// The most addresses that may be out; `None` for all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MostOut(pub Option<usize>);

/// Changes of a check.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct CheckChange {
    /// The losses in a row that flip a target down.
    pub failure: Option<NonZeroU32>,
    /// The replies in a row that flip it up.
    pub recovery: Option<NonZeroU32>,
    /// Time between probes.
    pub interval: Option<Duration>,
    /// Time for a reply.
    pub timeout: Option<Duration>,
    /// Time between probes of a target that misses a reply.
    pub retry_interval: Option<Duration>,
}

impl CheckChange {
    /// Returns the changes from one check to another.
    pub(crate) fn between(from: &CheckSettings, to: &CheckSettings) -> Self {
        let (before, after) = (from.pace, to.pace);
        let (few, many) = (from.thresholds, to.thresholds);
        Self {
            failure: (few.failure != many.failure).then_some(many.failure),
            recovery: (few.recovery != many.recovery).then_some(many.recovery),
            interval: (before.interval != after.interval).then_some(after.interval),
            timeout: (before.timeout != after.timeout).then_some(after.timeout),
            retry_interval: (before.retry_interval != after.retry_interval)
                .then_some(after.retry_interval),
        }
    }

    /// Applies the changes.
    pub(crate) fn apply(&self, check: &mut CheckSettings) {
        let (pace, thresholds) = (&mut check.pace, &mut check.thresholds);
        thresholds.failure = self.failure.unwrap_or(thresholds.failure);
        thresholds.recovery = self.recovery.unwrap_or(thresholds.recovery);
        pace.interval = self.interval.unwrap_or(pace.interval);
        pace.timeout = self.timeout.unwrap_or(pace.timeout);
        pace.retry_interval = self.retry_interval.unwrap_or(pace.retry_interval);
    }
}

impl ServiceChange {
    fn apply(&self, service: &mut ServiceSettings) {
        for its in &mut service.checks {
            if let Some(change) = self.checks.get(&its.name) {
                change.apply(&mut its.check);
            }
        }
        let most = NonZeroUsize::new(service.checks.len()).unwrap_or(NonZeroUsize::MIN);
        service.require = self.require.unwrap_or(service.require).min(most);
        service.floor = self.floor.unwrap_or(service.floor);
        service.max_out = self.max_out.map_or(service.max_out, |most| most.0);
        service.returns = self.returns.unwrap_or(service.returns);
        service.standby.below = self.below.unwrap_or(service.standby.below);
    }
}

impl SettingChanges {
    /// Returns settings with the changes applied.
    pub(crate) fn applied(&self, settings: &Settings) -> Settings {
        let mut settings = settings.clone();
        for service in settings.services.values_mut() {
            if let Some(change) = self.services.get(&service.name) {
                change.apply(service);
            }
        }
        self.canaries.apply(&mut settings.canary_check);
        if let (Some(cluster), Some(needed)) = (&mut settings.cluster, self.min_peers_agree) {
            cluster.min_peers_agree = needed.min(cluster.peers.len());
        }
        settings
    }
}
