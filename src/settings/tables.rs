//! The tables that a file may have any number of times: services, with their zones and checks.

mod building;
mod service;
mod zone;

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use self::building::TablesBuilder;
use self::service::ParsedService;
use self::zone::ParsedZone;
use super::checks::{self, CheckType, ParsedCheck, ParsedChecks};
use super::references::{Reference, shown};
use super::services::{NamedZone, ServiceConfig};
use super::top::TopLevel;
use crate::config::document::Document;
use crate::config::field::At;
use crate::config::keys::Schema;
use crate::config::problem::{Report, Spot};
use crate::config::section::SectionContext;
use crate::dns::providers::ProviderKind;
use crate::dns::providers::section::BuiltProvider;
use crate::notify::{self, ChannelKind, ParsedChannel};

/// The kinds of tables that a file may have.
#[derive(Clone, Copy)]
pub(super) struct Kinds<'a> {
    /// The providers of zones.
    pub(super) providers: &'a [ProviderKind],
    /// The types of checks.
    pub(super) checks: &'a [CheckType],
    /// The kinds of channels.
    pub(super) channels: &'a [ChannelKind],
}

/// The tables of a file, each value validated alone.
pub(super) struct ParsedTables {
    services: Vec<ParsedService>,
    zones: Vec<ParsedZone>,
    /// The checks of the file.
    pub(super) checks: ParsedChecks,
    /// The channels of the file.
    pub(super) channels: Vec<ParsedChannel>,
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
    pub(super) fn add_to(schema: &mut Schema, kinds: Kinds<'_>) {
        schema.add_group(zone::group(kinds.providers));
        schema.add_group(checks::group(kinds.checks));
        schema.add_group(service::group());
        schema.add_group(notify::group(kinds.channels));
    }

    /// Takes all tables out of a file.
    pub(super) fn parse(document: &mut Document, kinds: Kinds<'_>, report: &mut Report) -> Self {
        let (services, zones, channels) = (Vec::new(), Vec::new(), Vec::new());
        let mut parsed = Self { services, zones, channels, checks: ParsedChecks::default() };
        for (index, table) in document.take_tables().into_iter().enumerate() {
            match table.group {
                zone::GROUP => parsed.zones.push(ParsedZone::parse(table, kinds.providers, report)),
                checks::GROUP => {
                    parsed.checks.push(ParsedCheck::parse(table, kinds.checks, report));
                }
                notify::GROUP => {
                    parsed.channels.push(ParsedChannel::parse(table, kinds.channels, report));
                }
                _ => parsed.services.push(ParsedService::parse(index, table, report)),
            }
        }
        parsed
    }

    /// Returns the place of the first service, if the file has any.
    pub(super) fn first_service(&self) -> Option<&Spot> {
        self.services.first().map(|service| &service.spot)
    }

    /// Refuses zones in a file without services, where nothing would use them. Returns whether there are
    /// any.
    pub(super) fn refuse_without_services(&self, report: &mut Report) -> bool {
        for zone in &self.zones {
            report.refuse(&zone.spot, "not used, because the file has no [[service]]");
        }
        !self.zones.is_empty()
    }

    /// Builds the services with their zones.
    pub(super) fn build(&self, top: &TopLevel, context: &mut SectionContext<'_>) -> BuiltTables {
        self.refuse_names(context.report);
        let mut building = TablesBuilder::new(self, top, context);
        for service in &self.services {
            building.add(service, context);
        }
        self.warn_of_unused_zones(context.report);
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

    /// Warns about zones that no service names.
    fn warn_of_unused_zones(&self, report: &mut Report) {
        for zone in self.zones.iter().filter(|_| self.zones.len() > 1) {
            if !self.services.iter().any(|service| service.zone.value() == Some(&zone.name)) {
                report.warn(&zone.spot, "not used: no [[service]] is in this zone");
            }
        }
    }

    /// Warns about checks that nothing names, and about a default that no service takes.
    pub(super) fn warn_of_unused_checks(
        &self,
        top: &TopLevel,
        services: &[ServiceConfig],
        report: &mut Report,
    ) {
        let canaries = top.canaries.items();
        for (name, check) in self.checks.iter_named() {
            let mut services = self.services.iter();
            let is_used = top.checks.names(name)
                || services.any(|service| service.checks.names(name))
                || canaries.iter().any(|at| at.value.check.as_deref() == Some(name));
            if !is_used && self.services.is_empty() {
                report.warn(&check.spot, "not used: nothing names this check");
            } else if !is_used {
                report.warn(&check.spot, "not used: no [[service]] names this check");
            }
        }
        if let Some(spot) = top.checks.spot(&self.checks)
            && !self.services.is_empty()
            && self.services.iter().all(|service| service.checks.is_given(&self.checks))
        {
            report.warn(spot, "not used: every [[service]] has a check of its own");
        }
        if let Some(spot) = top.checks.require_spot()
            && !self.services.is_empty()
            && !services.iter().any(|service| service.requires_by(spot))
        {
            let what = "not used: every [[service]] has one counted check, or its own require";
            report.warn(spot, what);
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
            let At { spot, shown, value } = at;
            Reference { name: value, shown, spot }.refuse_unknown("zone", &names, report);
        }
        place
    }
}
