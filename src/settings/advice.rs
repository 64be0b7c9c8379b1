//! Warnings about accepted values above the first section, and the list of guards that are off.

use std::collections::HashSet;
use std::net::IpAddr;
use std::time::Duration;

use super::Config;
use super::top::TopLevel;
use crate::config::keys::Section;
use crate::config::own;
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
    if config.min_in_service == 0 {
        off.push("min_in_service");
    }
    off.extend(config.sections.guards_off());
    off
}

impl TopLevel {
    /// Warns about accepted values that may do harm.
    pub(super) fn advise(&self, config: &Config, context: &mut SectionContext<'_>) {
        self.advise_on_delay(config, context);
        self.advise_on_pace(config, context);
        self.advise_on_floor(config, context);
        self.advise_on_canaries(config, context);
    }

    /// Warns about a death that is noticed late.
    fn advise_on_delay(&self, config: &Config, context: &mut SectionContext<'_>) {
        let pace = &config.probing;
        if pace.interval * pace.failure_threshold.get() <= SLOW {
            return;
        }
        let (interval, threshold) = (self.interval.present(), self.failure_threshold.present());
        let spot = match (interval, threshold) {
            (Some(at), _) => at.spot.clone(),
            (None, Some(at)) => at.spot.clone(),
            (None, None) => context.missing(Section::TOP, "interval"),
        };
        let worst = seconds(pace.detection().worst);
        let what = format!(
            "{} between probes and failure_threshold {}: a death is noticed after {worst} at worst",
            seconds(pace.interval),
            pace.failure_threshold,
        );
        context.report.warn(&spot, what);
    }

    fn advise_on_pace(&self, config: &Config, context: &mut SectionContext<'_>) {
        let pace = &config.probing;
        if pace.retry_interval > pace.interval
            && let Some(at) = self.retry_interval.present()
        {
            let interval = seconds(pace.interval);
            let what = format!(
                "{} is longer than interval, {interval}: a missing target is asked less often, not \
                 more",
                at.shown,
            );
            context.report.warn(&at.spot, what);
        }
        if pace.burst.get() > 1
            && let Some(at) = self.burst.present()
        {
            let what = format!(
                "up to {} addresses are probed at once: a firewall that limits echo requests or \
                 connects may swallow some, and addresses that are alive would be taken out",
                at.shown,
            );
            context.report.warn(&at.spot, what);
        }
    }

    /// Warns about a floor that no withdrawal can ever satisfy.
    fn advise_on_floor(&self, config: &Config, context: &mut SectionContext<'_>) {
        let Some(at) = self.min_in_service.present().filter(|at| at.value > 0) else { return };
        for family in [Family::A, Family::Aaaa] {
            let addresses = config.targets.iter().filter(|address| Family::of(**address) == family);
            let count = addresses.count();
            if (1..=at.value).contains(&count) {
                let what = format!(
                    "{} keeps every {family} record where it is, for {count} {} listed: none is \
                     ever withdrawn unless the record sets hold others too",
                    at.shown,
                    if count == 1 { "is" } else { "are" },
                );
                context.report.warn(&at.spot, what);
            }
        }
    }

    fn advise_on_canaries(&self, config: &Config, context: &mut SectionContext<'_>) {
        let targets: HashSet<IpAddr> = config.targets.iter().copied().collect();
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
