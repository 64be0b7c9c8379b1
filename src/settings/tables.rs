//! The tables that a file may have any number of times: services, with their zones and checks.

mod building;
mod check;
mod service;
mod zone;

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use self::building::TablesBuilder;
use self::check::ParsedCheck;
use self::service::ParsedService;
use self::zone::ParsedZone;
use super::services::{NamedZone, ServiceConfig};
use super::top::TopLevel;
use crate::config::document::Document;
use crate::config::field::At;
use crate::config::keys::{Schema, nearest};
use crate::config::problem::{Report, Spot};
use crate::config::rule::is_label;
use crate::config::section::SectionContext;
use crate::dns::providers::ProviderKind;
use crate::dns::providers::section::BuiltProvider;
use crate::text::disclosure;

/// The tables of a file, each value validated alone.
pub(super) struct ParsedTables {
    services: Vec<ParsedService>,
    zones: Vec<ParsedZone>,
    checks: Vec<ParsedCheck>,
}

/// The services and zones of a configuration.
#[derive(Default)]
pub(super) struct BuiltTables {
    /// The services, in the order of the file.
    pub(super) services: Vec<ServiceConfig>,
    /// The zones that have services.
    pub(super) zones: Vec<NamedZone>,
    /// The providers of the zones.
    pub(super) providers: Vec<BuiltProvider>,
}

impl ParsedTables {
    /// Adds the tables to those that a file may have.
    pub(super) fn add_to(schema: &mut Schema, providers: &[ProviderKind]) {
        schema.add_group(zone::group(providers));
        schema.add_group(check::group());
        schema.add_group(service::group());
    }

    /// Takes all tables out of a file.
    pub(super) fn parse(
        document: &mut Document,
        providers: &[ProviderKind],
        report: &mut Report,
    ) -> Self {
        let mut parsed = Self { services: Vec::new(), zones: Vec::new(), checks: Vec::new() };
        for (index, table) in document.take_tables().into_iter().enumerate() {
            match table.group {
                zone::GROUP => parsed.zones.push(ParsedZone::parse(table, providers, report)),
                check::GROUP => parsed.checks.push(ParsedCheck::parse(table, report)),
                _ => parsed.services.push(ParsedService::parse(index, table, report)),
            }
        }
        parsed
    }

    /// Returns the place of the first service, if the file has any.
    pub(super) fn first_service(&self) -> Option<&Spot> {
        self.services.first().map(|service| &service.spot)
    }

    /// Refuses zones and checks in a file without services, where nothing would use them. Returns whether
    /// there are any.
    pub(super) fn refuse_without_services(&self, report: &mut Report) -> bool {
        let zones = self.zones.iter().map(|zone| &zone.spot);
        for spot in zones.chain(self.checks.iter().map(|check| &check.spot)) {
            report.refuse(spot, "not used, because the file has no [[service]]");
        }
        !self.zones.is_empty() || !self.checks.is_empty()
    }

    /// Builds the services with their zones.
    pub(super) fn build(&self, top: &TopLevel, context: &mut SectionContext<'_>) -> BuiltTables {
        self.refuse_names(context.report);
        let mut building = TablesBuilder::new(self, top, context);
        for service in &self.services {
            building.add(service, context);
        }
        self.warn_of_unused(context.report);
        building.finish(context.report)
    }

    /// Refuses services without a name, and those with the name of another.
    fn refuse_names(&self, report: &mut Report) {
        let mut seen: HashMap<&str, &Spot> = HashMap::new();
        for service in &self.services {
            let Some(name) = service.require_name(report) else { continue };
            match seen.entry(&name.value) {
                Entry::Vacant(entry) => {
                    entry.insert(&name.spot);
                }
                Entry::Occupied(first) => {
                    let line = first.get().line.unwrap_or_default();
                    let what = format!("{} is the name of the service in line {line}", name.shown);
                    report.refuse(&name.spot, what);
                }
            }
        }
    }

    /// Warns about zones and checks that no service names.
    fn warn_of_unused(&self, report: &mut Report) {
        for zone in self.zones.iter().filter(|_| self.zones.len() > 1) {
            if !self.services.iter().any(|service| service.zone.value() == Some(&zone.name)) {
                report.warn(&zone.spot, "not used: no [[service]] is in this zone");
            }
        }
        for check in self.checks.iter().filter(|check| check.name.is_some()) {
            if !self.services.iter().any(|service| service.check.value() == check.name.as_ref()) {
                report.warn(&check.spot, "not used: no [[service]] names this check");
            }
        }
    }

    /// Returns the place of a service's zone among the zones.
    fn zone_of(&self, service: &ParsedService, report: &mut Report) -> Option<usize> {
        let names: Vec<&str> = self.zones.iter().map(|zone| zone.name.as_str()).collect();
        let names = shown(&names);
        let Some(at) = service.zone.present() else {
            match self.zones.as_slice() {
                [_] => return Some(0),
                [] => report.refuse(&service.spot, "there is no zone; give one as [zone.NAME]"),
                _ if service.zone.is_absent() => {
                    let what = format!("missing; one of {}", names.join(", "));
                    report.refuse(&service.missing("zone"), what);
                }
                _ => {}
            }
            return None;
        };
        let place = self.zones.iter().position(|zone| zone.name == at.value);
        if place.is_none() {
            refuse_unknown(at, "zone", &names, report);
        }
        place
    }

    /// Returns a service's check: the one that it names, or its own. A service without a check is
    /// asked by echo requests.
    fn check_of(&self, service: &ParsedService, report: &mut Report) -> Option<&ParsedCheck> {
        let own = self.checks.iter().find(|check| check.owner == Some(service.index));
        let Some(at) = service.check.present() else { return own };
        if let Some(own) = own {
            let line = at.spot.line.unwrap_or_default();
            report.refuse(&own.spot, format!("already given in line {line}"));
        }
        let found = self.checks.iter().find(|check| check.name.as_ref() == Some(&at.value));
        if found.is_none() {
            let names: Vec<&str> = self.checks.iter().filter_map(|it| it.name.as_deref()).collect();
            refuse_unknown(at, "check", &shown(&names), report);
        }
        found
    }
}

/// Returns the names that may be displayed: one that is not allowed may be a secret in the wrong place.
fn shown<'a>(names: &[&'a str]) -> Vec<&'a str> {
    let allowed = names.iter().filter(|name| is_label(name) && disclosure::name(name) == **name);
    allowed.copied().collect()
}

/// Refuses a name that is not one of `known`, and suggests the nearest one.
fn refuse_unknown(at: &At<String>, kind: &str, known: &[&str], report: &mut Report) {
    let folded = at.value.to_ascii_lowercase();
    let what = match (nearest(&folded, known.iter().copied()), known) {
        (Some(near), _) => format!("there is no {kind} {}; did you mean \"{near}\"?", at.shown),
        (None, []) => format!("there is no {kind} {}; give it as [{kind}.NAME]", at.shown),
        (None, known) => format!("there is no {kind} {}; there is {}", at.shown, known.join(", ")),
    };
    report.refuse(&at.spot, what);
}
