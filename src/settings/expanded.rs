//! The configuration for machines and in full: `goavail check --json` and `--expanded`.

use std::fmt::Write as _;
use std::net::IpAddr;

use serde::Serialize;

use super::{CheckConfig, CheckMethod, Config, Delay, ServiceConfig};
use crate::config::ConfigErrors;
use crate::config::in_force::ValueInForce;
use crate::config::problem::Problem;
use crate::dns::Capability;

/// The answer of `goavail check --json`.
#[derive(Debug, Serialize)]
pub(crate) struct CheckedFile<'a> {
    /// Whether the configuration is accepted.
    pub(crate) valid: bool,
    /// The path of the file as it was given.
    pub(crate) file: String,
    /// The reasons why it is not accepted.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub(crate) problems: &'a [Problem],
    /// The settings; absent if it is not accepted.
    #[serde(flatten)]
    pub(crate) settings: Option<CheckedSettings<'a>>,
}

/// The settings of an accepted file.
#[derive(Debug, Serialize)]
pub(crate) struct CheckedSettings<'a> {
    name: &'a str,
    dry_run: bool,
    warnings: &'a [String],
    guards_off: &'a [&'static str],
    canaries: Vec<String>,
    zones: Vec<CheckedZone<'a>>,
    services: Vec<CheckedService<'a>>,
}

#[derive(Debug, Serialize)]
struct CheckedZone<'a> {
    name: &'a str,
    provider: &'static str,
    domain: &'a str,
    names: &'a [String],
    /// The declared capabilities of the provider.
    capabilities: Vec<Capability>,
    /// Whether the provider cannot refuse a change that comes second.
    guard_weaker: bool,
    /// The proof of effect, if it is on.
    #[serde(skip_serializing_if = "Option::is_none")]
    confirm: Option<CheckedConfirm>,
}

/// The proof of effect in a zone.
#[derive(Debug, Serialize)]
struct CheckedConfirm {
    /// The name servers that are asked; empty for those that the system's resolver names.
    servers: Vec<String>,
    timeout_s: f64,
}

#[derive(Debug, Serialize)]
struct CheckedService<'a> {
    name: &'a str,
    zone: &'a str,
    names: &'a [String],
    addresses: Vec<String>,
    /// The standby addresses of each tier.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    standby: Vec<Vec<String>>,
    /// The number of addresses in service below which a tier is published.
    #[serde(skip_serializing_if = "Option::is_none")]
    standby_below: Option<usize>,
    /// The addresses that are published unprobed once all others are down.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    last_resort: Vec<String>,
    /// The kind of probes, as for `--type`.
    check: &'static str,
    port: Option<u16>,
    /// The checks, unless echo requests or TCP connects are the only one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    checks: Vec<CheckedCheck<'a>>,
    /// The number of counted checks that must be up, where there are several.
    #[serde(skip_serializing_if = "Option::is_none")]
    require: Option<usize>,
    failure_threshold: u32,
    recovery_threshold: u32,
    interval_s: f64,
    timeout_s: f64,
    retry_interval_s: f64,
    min_in_service: usize,
    /// The share of its addresses that may be out for their health at once.
    max_out: String,
    /// Time in seconds for which an address has to be up before it is put back.
    return_delay_s: f64,
    /// Upper bound of that time in seconds.
    return_delay_max_s: f64,
    resync_interval_s: Option<f64>,
    /// Time in seconds until a death is noticed.
    death_s: CheckedDelay,
    /// Time in seconds until an address that answers again is put back, without one round trip.
    return_s: CheckedDelay,
    /// The guards of the service that are off; absent in a file without services.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    guards_off: Vec<&'static str>,
    /// Every value with the place in the file that it comes from.
    values: Vec<ValueInForce>,
}

/// One of the checks of a service.
#[derive(Debug, Serialize)]
struct CheckedCheck<'a> {
    name: &'a str,
    r#type: &'static str,
    mode: &'static str,
    words: &'a str,
    /// Time in seconds until it is seen down.
    death_s: CheckedDelay,
    /// Time in seconds until it is seen up again, without one round trip.
    return_s: CheckedDelay,
    /// Every value with the place in the file that it comes from.
    values: Vec<ValueInForce>,
}

impl<'a> From<&'a CheckConfig> for CheckedCheck<'a> {
    fn from(check: &'a CheckConfig) -> Self {
        Self {
            name: &check.name,
            r#type: check.kind,
            mode: check.mode.word(),
            words: &check.words,
            death_s: check.probing.detection().into(),
            return_s: check.probing.recovery().into(),
            values: check.all_values(),
        }
    }
}

#[derive(Debug, Serialize)]
struct CheckedDelay {
    best: f64,
    worst: f64,
}

impl From<Delay> for CheckedDelay {
    fn from(delay: Delay) -> Self {
        Self { best: delay.best.as_secs_f64(), worst: delay.worst.as_secs_f64() }
    }
}

impl<'a> CheckedFile<'a> {
    /// Returns the answer about an accepted file.
    pub(crate) fn accepted(config: &'a Config) -> Self {
        let services = config.services.iter().map(|service| CheckedService::new(service, config));
        let zones = config.zones.iter().map(|zone| CheckedZone {
            name: &zone.name,
            provider: zone.provider.word(),
            domain: zone.provider.zone(),
            names: zone.provider.names(),
            capabilities: zone.provider.capabilities().declared(),
            guard_weaker: !zone.provider.capabilities().refuses_second(),
            confirm: zone.confirm.as_ref().map(|its| CheckedConfirm {
                servers: its.servers.iter().map(ToString::to_string).collect(),
                timeout_s: its.timeout.as_secs_f64(),
            }),
        });
        let settings = CheckedSettings {
            name: &config.name,
            dry_run: config.dry_run,
            warnings: &config.warnings,
            guards_off: &config.guards_off,
            canaries: config.canaries.iter().map(ToString::to_string).collect(),
            zones: zones.collect(),
            services: services.collect(),
        };
        let file = config.path.display().to_string();
        Self { valid: true, file, problems: &[], settings: Some(settings) }
    }

    /// Returns the answer about a file that is not accepted.
    pub(crate) fn refused(file: &str, errors: &'a ConfigErrors) -> Self {
        let file = file.to_owned();
        Self { valid: false, file, problems: errors.problems(), settings: None }
    }
}

impl<'a> CheckedService<'a> {
    fn new(service: &'a ServiceConfig, config: &'a Config) -> Self {
        let (first, zone) = (service.first_check(), &config.zone_of(service).name);
        let probing = &first.probing;
        let is_plain =
            !service.has_several_checks() && !matches!(first.method, CheckMethod::Request(_));
        let checks = service.checks.iter().filter(|_| !is_plain);
        let guards_off = if config.has_services { service.guards_off() } else { Vec::new() };
        Self {
            name: &service.name,
            zone,
            names: &service.names,
            addresses: in_words(service.primaries()),
            standby: service.standby.tiers.iter().map(|tier| in_words(tier)).collect(),
            standby_below: (!service.standby.tiers.is_empty()).then_some(service.standby.below),
            last_resort: in_words(&service.standby.last_resort),
            check: service.check_kind(),
            port: first.method.port(),
            checks: checks.map(CheckedCheck::from).collect(),
            require: service.has_several_checks().then_some(service.require),
            failure_threshold: probing.failure_threshold.get(),
            recovery_threshold: probing.recovery_threshold.get(),
            interval_s: probing.interval.as_secs_f64(),
            timeout_s: probing.timeout.as_secs_f64(),
            retry_interval_s: probing.retry_interval.as_secs_f64(),
            min_in_service: service.min_in_service,
            max_out: service.max_out.to_string(),
            return_delay_s: service.returns.delay.as_secs_f64(),
            return_delay_max_s: service.returns.max.as_secs_f64(),
            resync_interval_s: service.resync_interval.map(|pace| pace.as_secs_f64()),
            death_s: service.detection().into(),
            return_s: service.returns.after(service.recovery()).into(),
            guards_off,
            values: config.values_of(service),
        }
    }
}

fn in_words(addresses: &[IpAddr]) -> Vec<String> {
    addresses.iter().map(ToString::to_string).collect()
}

impl Config {
    /// Returns every value in force in a service.
    fn values_of(&self, service: &ServiceConfig) -> Vec<ValueInForce> {
        service.values(self.has_services.then_some(&self.zone_of(service).name))
    }

    /// Lists each service with every value in force and its place in the file, and the warnings. The
    /// value comes last in its line, since a list of addresses may be long.
    pub(crate) fn expanded(&self) -> String {
        let mut text = String::new();
        for service in &self.services {
            let _ = writeln!(text, "service {}", service.name);
            write_rows(&mut text, "  ", self.values_of(service));
            for check in service.checks.iter().filter(|_| service.has_several_checks()) {
                let _ = writeln!(text, "  check {}", check.name);
                write_rows(&mut text, "    ", check.all_values());
            }
        }
        let guards = self.guards_off_in_words().unwrap_or_else(|| "none".to_owned());
        let _ = writeln!(text, "guards off  {guards}");
        text + &self.warnings_in_words()
    }
}

/// Writes a row for each value.
fn write_rows(text: &mut String, indent: &str, values: Vec<ValueInForce>) {
    let mut rows = Vec::new();
    for value in values {
        let place = match (&value.source, value.line) {
            (Some(key), Some(line)) => format!("line {line}, {key}"),
            _ => "default".to_owned(),
        };
        let place = match value.layer {
            Some(layer) if value.line.is_some() => format!("{layer}, {place}"),
            Some(layer) => layer.to_owned(),
            None => place,
        };
        rows.push((value, place));
    }
    let width = rows.iter().map(|(_, place)| place.len()).max().unwrap_or_default();
    for (value, place) in rows {
        let _ = writeln!(text, "{indent}{:<20}{place:<width$}  {}", value.key, value.value);
    }
}
