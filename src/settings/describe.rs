//! Description of the configuration in words, as printed by `goavail check`.

use std::fmt::Write as _;

use super::{CheckConfig, Config, NamedZone, Probing, ServiceConfig};
use crate::dns::confirm::section::ConfirmSettings;
use crate::engine::plan::Family;
use crate::engine::prober::retries;
use crate::text::{counted, first_few, listed, seconds};

/// Maximum number of services named beside a guard that is off.
const NAMED: usize = 10;

impl Config {
    /// Describes the agent's task, a line for each part. The text contains no secret and no URL.
    pub fn in_words(&self) -> String {
        let mut parts = vec![("agent".to_owned(), self.agent())];
        if self.has_services {
            parts.push(("canaries".to_owned(), self.guard_of_self()));
            parts.extend(self.zones.iter().flat_map(zone_in_words));
        }
        for service in &self.services {
            parts.extend(self.service(service, self.zone_of(service)));
        }
        let guards = self.guards_off_in_words().unwrap_or_else(|| "none".to_owned());
        let network = self.network.as_ref().map(|words| ("network", words.clone()));
        let others = self.sections.describe().into_iter().chain([("guards off", guards)]);
        parts.extend(others.chain(network).map(|(name, words)| (name.to_owned(), words)));
        let mut text = format!("{}: the configuration is valid\n", self.path.display());
        for (name, words) in parts {
            // A long name keeps a blank behind it.
            let gap = if name.len() < 12 { "" } else { " " };
            let _ = writeln!(text, "  {name:<12}{gap}{words}");
        }
        text + &self.warnings_in_words()
    }

    /// Lists the warnings, a line for each.
    pub(super) fn warnings_in_words(&self) -> String {
        let mut text = String::new();
        for warning in &self.warnings {
            let _ = writeln!(text, "warning: {warning}");
        }
        text
    }

    /// Lists the guards that are off, by the keys that turn them on, and the services that this is about;
    /// `None` if all are on.
    pub fn guards_off_in_words(&self) -> Option<String> {
        let words: Vec<String> =
            self.guards_off.iter().map(|guard| self.guard_off(guard)).collect();
        (!words.is_empty()).then(|| words.join(", "))
    }

    /// Returns a guard that is off, with the services in which it is.
    fn guard_off(&self, guard: &str) -> String {
        let without = self.services.iter().filter(|service| service.guards_off().contains(&guard));
        let names: Vec<&str> = without.map(|service| service.name.as_str()).collect();
        if self.has_services && !names.is_empty() {
            format!("{guard} ({})", first_few(&names, NAMED, ", "))
        } else {
            guard.to_owned()
        }
    }

    /// Describes a service, a line for each part. One of several begins with its name.
    fn service(&self, service: &ServiceConfig, zone: &NamedZone) -> Vec<(String, String)> {
        let named = self.has_services;
        let mut parts = vec![("watches".to_owned(), watching(service))];
        let standby = [
            ("standby", service.standby.in_words()),
            ("last resort", service.standby.last_resort_in_words()),
        ];
        for (label, words) in standby {
            parts.extend(words.map(|words| (label.to_owned(), words)));
        }
        parts.extend(self.checks(service));
        parts.push(("records".to_owned(), records(service, zone)));
        if !named {
            parts.push(("access".to_owned(), zone.provider.access()));
            let capabilities = zone.provider.capabilities().in_words().into_iter();
            let lines = capabilities.chain(zone.provider.grants());
            parts.extend(lines.map(|(label, words)| (label.to_owned(), words)));
        }
        let others = [
            ("confirm", zone.confirm.as_ref().map(ConfirmSettings::in_words).filter(|_| !named)),
            ("repair", Some(repair(service))),
            ("floor", Some(floor(service, zone))),
            ("max_out", service.max_out.in_words(service.primaries().len())),
            ("canaries", Some(self.guard_of_self()).filter(|_| !named)),
        ];
        for (label, words) in others {
            parts.extend(words.map(|words| (label.to_owned(), words)));
        }
        let mut described = Vec::new();
        for (label, words) in parts {
            let label = match label.as_str() {
                "watches" if named => format!("service {}", service.name),
                label if named => format!("  {label}"),
                label => label.to_owned(),
            };
            described.push((label, words));
        }
        described
    }

    /// Describes the pace of a service, and how soon it notices a death. Several checks have lines of
    /// their own before those of the whole.
    fn checks(&self, service: &ServiceConfig) -> Vec<(String, String)> {
        let mut parts = Vec::new();
        // Of several checks, the whole has the delay.
        let put_back =
            if service.has_several_checks() { String::new() } else { service.returns.in_words() };
        for check in &service.checks {
            let times = [
                ("pace", self.pace(service, check)),
                ("retries", retries(&check.probing)),
                ("death", death(&check.probing)),
                ("return", comeback(&check.probing) + &put_back),
            ];
            let indent = if service.has_several_checks() {
                let watched = if check.is_counted() { "" } else { "; watched, and never counted" };
                parts.push((format!("check {}", check.name), format!("{}{watched}", check.words)));
                "  "
            } else {
                ""
            };
            parts.extend(times.map(|(label, words)| (format!("{indent}{label}"), words)));
        }
        if service.has_several_checks() {
            parts.extend(together(service).map(|(label, words)| (label.to_owned(), words)));
        }
        parts
    }

    fn agent(&self) -> String {
        let mut providers: Vec<&str> = Vec::new();
        for zone in &self.zones {
            if !providers.contains(&zone.provider.name()) {
                providers.push(zone.provider.name());
            }
        }
        let providers = providers.join(" and ");
        if self.dry_run {
            format!("{}, in dry-run: nothing is changed at {providers}", self.name)
        } else {
            format!("{}, changing records at {providers}", self.name)
        }
    }

    fn pace(&self, service: &ServiceConfig, check: &CheckConfig) -> String {
        let pace = &check.probing;
        let burst = match pace.burst.get() {
            1 => String::new(),
            several => format!("; up to {several} addresses at once"),
        };
        let canaries = if self.has_services { 0 } else { self.canaries.len() };
        let endpoints = service.probed().len() + canaries;
        let most = retries::most_a_second(endpoints, pace.interval, pace.retry_interval).ceil();
        format!(
            "a probe every {}, every {} while a reply is missing; none within {} is a loss{burst}; \
             at most {most} probes a second",
            seconds(pace.interval),
            seconds(pace.retry_interval),
            seconds(pace.timeout),
        )
    }

    fn guard_of_self(&self) -> String {
        if self.canaries.is_empty() {
            return "none: a fault of this agent's own network looks like a death".to_owned();
        }
        let canaries = listed(&self.canaries);
        format!("{canaries}; while none answers, this agent withdraws nothing")
    }
}

/// Describes one of the zones of a file with services, with its name, and the capabilities of its provider.
fn zone_in_words(zone: &NamedZone) -> Vec<(String, String)> {
    let provider = &zone.provider;
    let words = format!("{} at {}, {}", provider.zone(), provider.name(), provider.access());
    let mut parts = vec![(format!("zone {}", zone.name), words)];
    let capabilities = provider.capabilities().in_words().into_iter();
    let lines = capabilities.chain(provider.grants());
    parts.extend(lines.map(|(label, words)| (format!("  {label}"), words)));
    let confirm = zone.confirm.as_ref().map(ConfirmSettings::in_words);
    parts.extend(confirm.map(|words| ("  confirm".to_owned(), words)));
    parts
}

fn watching(service: &ServiceConfig) -> String {
    let how = match service.checks.as_slice() {
        [only] => only.words.clone(),
        several => format!("by {} checks", several.len()),
    };
    format!(
        "{} {how}: {}",
        counted(service.primaries().len(), "address", "addresses"),
        listed(service.primaries())
    )
}

/// Describes when several checks make a target down and up.
fn together(service: &ServiceConfig) -> [(&'static str, String); 3] {
    let (counted, require) = (service.counted().count(), service.require);
    let rule = match (counted - require, counted) {
        (_, 1) => "the only counted check decides".to_owned(),
        (0, counted) => {
            format!("all {counted} counted checks must be up; an address is down as soon as one is")
        }
        (_, counted) if require == 1 => {
            format!("any of {counted} counted checks must be up; an address is down once all are")
        }
        (spare, counted) => format!(
            "{require} of {counted} counted checks must be up; an address is down once {} are",
            spare + 1
        ),
    };
    let (death, comeback) = (service.detection(), service.recovery());
    [
        ("require", rule),
        (
            "death",
            format!(
                "of an address that no check reaches any more, noticed after {} at best, {} at worst",
                seconds(death.best),
                seconds(death.worst)
            ),
        ),
        (
            "return",
            format!(
                "of an address that answers every check again, noticed a round trip after {} at best, \
                 {} at worst{}",
                seconds(comeback.best),
                seconds(comeback.worst),
                service.returns.in_words()
            ),
        ),
    ]
}

/// Describes the retries for a target that does not answer.
fn retries(pace: &Probing) -> String {
    if pace.retry_interval >= pace.interval {
        return format!("every {}, which needs no rehearsal", seconds(pace.retry_interval));
    }
    let slow = Probing { retry_interval: pace.interval, ..pace.clone() }.detection();
    format!(
        "rehearsed at the start and hourly; an address that does not answer all of it is asked \
         every {}, and its death noticed after {} at best, {} at worst",
        seconds(pace.interval),
        seconds(slow.best),
        seconds(slow.worst),
    )
}

fn death(pace: &Probing) -> String {
    let delay = pace.detection();
    format!(
        "{}, noticed after {} at best, {} at worst",
        counted(pace.failure_threshold.get() as usize, "loss", "losses in a row"),
        seconds(delay.best),
        seconds(delay.worst),
    )
}

fn comeback(pace: &Probing) -> String {
    let delay = pace.recovery();
    format!(
        "{}, noticed a round trip after {} at best, {} at worst",
        counted(pace.recovery_threshold.get() as usize, "reply", "replies in a row"),
        seconds(delay.best),
        seconds(delay.worst),
    )
}

fn records(service: &ServiceConfig, zone: &NamedZone) -> String {
    let kinds: Vec<String> = [Family::A, Family::Aaaa]
        .into_iter()
        .filter(|family| service.targets.iter().any(|target| Family::of(*target) == *family))
        .map(|family| family.to_string())
        .collect();
    let (kinds, provider) = (kinds.join(" and "), &zone.provider);
    let (names, domain) = (listed(&service.names), provider.zone());
    let new = service.a_set().map(|set| provider.new_records(&set)).unwrap_or_default();
    format!("{kinds} at {names} in zone {domain} at {}; new ones: {new}", provider.name())
}

fn repair(service: &ServiceConfig) -> String {
    match service.resync_interval {
        Some(pace) => format!("DNS is compared and repaired every {}", seconds(pace)),
        None => "DNS is changed when a target flips, and otherwise left alone".to_owned(),
    }
}

fn floor(service: &ServiceConfig, zone: &NamedZone) -> String {
    let each = zone.provider.floor_applies_to();
    match service.min_in_service {
        0 => "none: the last address of a record set may be withdrawn".to_owned(),
        1 => format!("1 address stays in every record set{each}"),
        floor => format!("{floor} addresses stay in every record set{each}"),
    }
}
