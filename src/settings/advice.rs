//! Warnings about accepted values above the first section, and the list of guards that are off.

use std::collections::HashSet;
use std::net::IpAddr;
use std::time::Duration;

use super::pace_keys::PaceKeys;
use super::top::TopLevel;
use super::{Config, ServiceConfig};
use crate::config::field::Field;
use crate::config::own;
use crate::config::problem::Report;
use crate::config::section::SectionContext;
use crate::engine::plan::Family;
use crate::text::seconds;

/// Detection time above which a warning is issued.
const SLOW: Duration = Duration::from_secs(30);

/// Returns the guards that are off, by the key that turns each on.
pub(super) fn guards_off(config: &Config) -> Vec<&'static str> {
    let mut off = Vec::new();
    if config.canaries.is_empty() {
        off.push("canaries");
    }
    if config.services.iter().any(|service| service.min_in_service == 0) {
        off.push("min_in_service");
    }
    off.extend(config.sections.guards_off());
    off
}

/// A service with the values of the file from which it was built.
pub(super) struct ServiceAdvice<'a> {
    /// The service that the advice is about.
    pub(super) service: &'a ServiceConfig,
    /// The values of its pace and thresholds.
    pub(super) pace: &'a PaceKeys,
    /// The value of its floor.
    pub(super) floor: &'a Field<usize>,
}

impl ServiceAdvice<'_> {
    /// Warns about accepted values that may do harm.
    pub(super) fn give(&self, report: &mut Report) {
        self.advise_on_delay(report);
        self.advise_on_pace(report);
        self.advise_on_floor(report);
    }

    /// Warns about a death that is noticed late.
    fn advise_on_delay(&self, report: &mut Report) {
        let pace = &self.service.probing;
        if pace.interval * pace.failure_threshold.get() <= SLOW {
            return;
        }
        // With the defaults of both keys it is not late.
        let set = self.pace.interval.spot().or(self.pace.failure_threshold.spot());
        let Some(spot) = set else { return };
        let worst = seconds(pace.detection().worst);
        let what = format!(
            "{} between probes and failure_threshold {}: a death is noticed after {worst} at worst",
            seconds(pace.interval),
            pace.failure_threshold,
        );
        report.warn(spot, what);
    }

    fn advise_on_pace(&self, report: &mut Report) {
        let pace = &self.service.probing;
        if pace.retry_interval > pace.interval
            && let Some(at) = self.pace.retry_interval.present()
        {
            let interval = seconds(pace.interval);
            let what = format!(
                "{} is longer than interval, {interval}: a missing target is asked less often, not \
                 more",
                at.shown,
            );
            report.warn(&at.spot, what);
        }
    }

    /// Warns about a floor that no withdrawal can ever satisfy.
    fn advise_on_floor(&self, report: &mut Report) {
        let Some(at) = self.floor.present().filter(|at| at.value > 0) else { return };
        for family in [Family::A, Family::Aaaa] {
            let targets = self.service.targets.iter();
            let count = targets.filter(|address| Family::of(**address) == family).count();
            if (1..=at.value).contains(&count) {
                let what = format!(
                    "{} keeps every {family} record where it is, for {count} {} listed: none is \
                     ever withdrawn unless the record sets hold others too",
                    at.shown,
                    if count == 1 { "is" } else { "are" },
                );
                report.warn(&at.spot, what);
            }
        }
    }
}

impl TopLevel {
    /// Warns about accepted values that may do harm, besides those of the services.
    pub(super) fn advise(&self, config: &Config, context: &mut SectionContext<'_>) {
        self.advise_on_burst(context);
        self.advise_on_canaries(config, context);
    }

    fn advise_on_burst(&self, context: &mut SectionContext<'_>) {
        if let Some(at) = self.burst.present().filter(|at| at.value > 1) {
            let what = format!(
                "up to {} addresses are probed at once: a firewall that limits echo requests or \
                 connects may swallow some, and addresses that are alive would be taken out",
                at.shown,
            );
            context.report.warn(&at.spot, what);
        }
    }

    fn advise_on_canaries(&self, config: &Config, context: &mut SectionContext<'_>) {
        let targets: HashSet<IpAddr> =
            config.services.iter().flat_map(|service| service.targets.iter().copied()).collect();
        let rehearsal = targets.iter().all(IpAddr::is_loopback);
        for item in self.canaries.items() {
            if item.value.address.is_loopback() && !rehearsal {
                let what = "is this machine itself, which answers also when its network is cut off";
                context.report.warn_of(&item.spot, &item.shown, what);
            }
            if targets.contains(&item.value.address) {
                let what = "is also a target: when it goes down, this agent may consider itself \
                            isolated and withdraw nothing";
                context.report.warn_of(&item.spot, &item.shown, what);
            }
        }
        let why = "it proves nothing about the network";
        own::warn(self.canaries.items(), |canary| canary.address, why, context.report);
    }
}
