//! Warnings about accepted values above the first section, and the list of guards that are off.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::time::Duration;

use super::max_out::{self, Share};
use super::pace_keys::PaceKeys;
use super::top::TopLevel;
use super::{Config, Probing, ServiceConfig};
use crate::config::field::Field;
use crate::config::own;
use crate::config::problem::{Report, Spot};
use crate::config::section::SectionContext;
use crate::engine::plan::Family;
use crate::text::{first_few, seconds};

/// Detection time above which a warning is issued.
const SLOW: Duration = Duration::from_secs(30);

/// Maximum number of services named in one warning.
const NAMED: usize = 3;

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
    /// The values of the pace and the thresholds of each of its checks.
    pub(super) paces: &'a [PaceKeys],
    /// The value of its floor.
    pub(super) floor: &'a Field<usize>,
    /// The value of its share of addresses that may be out, if it is its own.
    pub(super) max_out: &'a Field<Share>,
}

impl ServiceAdvice<'_> {
    /// Returns the warnings about accepted values that may do harm, each with its place.
    pub(super) fn list(&self) -> Vec<(Spot, String)> {
        let mut warnings = Vec::new();
        for (check, keys) in self.service.checks.iter().zip(self.paces) {
            warnings.extend(advise_on_delay(&check.probing, keys));
            warnings.extend(advise_on_pace(&check.probing, keys));
        }
        warnings.extend(self.advise_on_floor());
        warnings.extend(self.advise_on_unreached());
        warnings.extend(max_out::advise(self.max_out, self.service.primaries().len()));
        warnings
    }

    /// Warns about a share that keeps so many addresses in service that those behind them are never
    /// published for the health of the others.
    fn advise_on_unreached(&self) -> Option<(Spot, String)> {
        let (service, standby) = (self.service, &self.service.standby);
        let (spot, count) = (service.places.get(max_out::KEY.name)?, service.primaries().len());
        let left = count - service.most_out()?;
        let (unused, remedy) = if !standby.tiers.is_empty() && left >= standby.below {
            ("standby is never published", "raise it here, or raise standby_below")
        } else if !standby.last_resort.is_empty() {
            ("last_resort is never published", "set it to \"100%\" here")
        } else {
            return None;
        };
        let what = format!(
            "{} leaves {left} of {count} addresses in service however many are dead, so {unused} for \
             that; {remedy}",
            service.max_out,
        );
        Some((spot.clone(), what))
    }

    /// Warns about a floor that no withdrawal can ever satisfy.
    fn advise_on_floor(&self) -> Vec<(Spot, String)> {
        let mut warnings = Vec::new();
        let Some(at) = self.floor.present().filter(|at| at.value > 0) else { return warnings };
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
                warnings.push((at.spot.clone(), what));
            }
        }
        warnings
    }
}

/// Warns about a death that is noticed late.
fn advise_on_delay(pace: &Probing, keys: &PaceKeys) -> Option<(Spot, String)> {
    if pace.interval * pace.failure_threshold.get() <= SLOW {
        return None;
    }
    // With the defaults of both keys it is not late.
    let spot = keys.interval.spot().or(keys.failure_threshold.spot())?;
    let worst = seconds(pace.detection().worst);
    let what = format!(
        "{} between probes and failure_threshold {}: a death is noticed after {worst} at worst",
        seconds(pace.interval),
        pace.failure_threshold,
    );
    Some((spot.clone(), what))
}

fn advise_on_pace(pace: &Probing, keys: &PaceKeys) -> Option<(Spot, String)> {
    let at = keys.retry_interval.present()?;
    if pace.retry_interval <= pace.interval {
        return None;
    }
    let interval = seconds(pace.interval);
    let what = format!(
        "{} is longer than interval, {interval}: a missing target is asked less often, not more",
        at.shown,
    );
    Some((at.spot.clone(), what))
}

/// The warnings about several services. Services that have a value in common have its warning in
/// common.
#[derive(Default)]
pub(super) struct SharedAdvice {
    /// The services that each warning is about.
    warnings: Vec<(Spot, String, Vec<String>)>,
    /// The place of each warning.
    places: HashMap<(Option<usize>, String), usize>,
}

impl SharedAdvice {
    /// Adds the warnings about a service.
    pub(super) fn add(&mut self, service: &ServiceConfig, warnings: Vec<(Spot, String)>) {
        for (spot, what) in warnings {
            let next = self.warnings.len();
            let place = *self.places.entry((spot.line, what.clone())).or_insert(next);
            if place == next {
                self.warnings.push((spot, what, Vec::new()));
            }
            self.warnings[place].2.push(service.name.clone());
        }
    }

    /// Adds the warnings to a report. One at a key of a service names that in its key.
    pub(super) fn give(self, report: &mut Report) {
        for (spot, what, services) in self.warnings {
            let of_one =
                services.iter().any(|name| spot.key.starts_with(&format!("service.{name}.")));
            if of_one {
                report.warn(&spot, what);
                continue;
            }
            let services: Vec<&str> = services.iter().map(String::as_str).collect();
            let kind = if services.len() == 1 { "service" } else { "services" };
            let named = first_few(&services, NAMED, ", ");
            report.warn(&spot, format!("{what} ({kind} {named})"));
        }
    }
}

impl TopLevel {
    /// Warns about accepted values that may do harm, besides those of the services.
    pub(super) fn advise(&self, config: &Config, context: &mut SectionContext<'_>) {
        self.advise_on_burst(context);
        self.advise_on_canaries(config, context);
        if let Some(spot) = self.standby_below.spot()
            && config.services.iter().all(|service| service.standby.tiers.is_empty())
        {
            context.report.warn(spot, "not used: no [[service]] has standby");
        }
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
            let with_standby = config.services.iter().find(|service| {
                service.standby.iter().any(|(standby, _)| standby == item.value.address)
            });
            if let Some(service) = with_standby {
                let what = format!(
                    "{} is a standby of {}, which may be down for days unnoticed; a canary shows that \
                     this agent's own network works",
                    item.shown, service.name,
                );
                context.report.refuse(&item.spot, what);
            } else if targets.contains(&item.value.address) {
                let what = "is also a target: when it goes down, this agent may consider itself \
                            isolated and withdraw nothing";
                context.report.warn_of(&item.spot, &item.shown, what);
            }
        }
        let why = "it proves nothing about the network";
        own::warn(self.canaries.items(), |canary| canary.address, why, context.report);
    }
}
