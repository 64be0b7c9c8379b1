//! The values of a whole file, and the configuration that they come to.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::advice::ServiceAdvice;
use super::check_advice::CheckAdvice;
use super::checks::{self, BuiltChecks, CheckConfig, CheckLayers, CheckMethod};
use super::sections::ParsedSections;
use super::services::{DEFAULT, NamedZone, ServiceConfig};
use super::standby::StandbyConfig;
use super::tables::{BuiltTables, Kinds, ParsedTables};
use super::top::TopLevel;
use super::{Asked, Config, max_out, network};
use crate::config::document::{Document, WrittenPlace};
use crate::config::field::FieldReader;
use crate::config::keys::Section;
use crate::config::problem::{Report, Spot};
use crate::config::section::SectionContext;
use crate::dns::account::Account;
use crate::dns::confirm::section::ConfirmKeys;
use crate::dns::providers::ProviderKind;
use crate::dns::providers::section::{BuiltProvider, ProviderSection};
use crate::notify::{NotifyConfig, ServiceZones};

/// The section of a provider, with its values validated alone.
pub(super) struct ParsedProvider {
    kind: ProviderKind,
    section: Box<dyn ProviderSection>,
    confirm: ConfirmKeys,
}

impl ParsedProvider {
    /// Takes the values of the section out of the file.
    fn parse(kind: ProviderKind, values: &mut FieldReader<'_>) -> Self {
        let section = (kind.parse)(values);
        Self { kind, section, confirm: ConfirmKeys::parse(kind.section, values) }
    }

    /// Builds the settings.
    fn finish(&self, context: &mut SectionContext<'_>) -> BuiltProvider {
        let built = self.section.finish(context);
        BuiltProvider { confirm: self.confirm.build(context), ..built }
    }
}

/// The values of a file, each validated alone.
pub(super) struct ParsedFile {
    pub(super) top: TopLevel,
    providers: Vec<ParsedProvider>,
    pub(super) sections: ParsedSections,
    tables: ParsedTables,
    /// The keys of the providers' sections, also those at the top, with the kind of the provider.
    of_providers: Vec<(ProviderKind, WrittenPlace)>,
    /// The rest of the document: the sections that it has.
    pub(super) document: Document,
}

impl ParsedFile {
    /// Reads every key. The section of a provider that was not selected is validated too.
    pub(super) fn read(mut document: Document, kinds: Kinds<'_>, report: &mut Report) -> Self {
        let tables = ParsedTables::parse(&mut document, kinds, report);
        let mut of_providers = Vec::new();
        for kind in kinds.providers {
            let written = document.written_in(kind.section);
            of_providers.extend(written.into_iter().map(|place| (*kind, place)));
        }
        let mut values = FieldReader { document, report };
        let mut providers = Vec::new();
        for kind in kinds.providers {
            providers.push(ParsedProvider::parse(*kind, &mut values));
        }
        let sections = ParsedSections::parse(&mut values);
        let top = TopLevel::parse(&mut values);
        values.document.assert_all_taken();
        Self { top, providers, sections, tables, of_providers, document: values.document }
    }

    /// Returns the section of a kind of provider, and the names of the other providers' sections.
    pub(super) fn selected(&self, kind: &str) -> Option<(&ParsedProvider, Vec<Section>)> {
        let mut selected = None;
        let mut alternatives = Vec::new();
        for provider in &self.providers {
            if provider.kind.kind == kind {
                selected = Some(provider);
            } else {
                alternatives.push(provider.kind.section);
            }
        }
        selected.map(|selected| (selected, alternatives))
    }

    /// Builds everything except the warnings.
    pub(super) fn build(
        &self,
        provider: &ParsedProvider,
        asked: &Asked,
        context: &mut SectionContext<'_>,
    ) -> Config {
        let has_services = self.tables.first_service().is_some();
        self.tables.checks.validate(context);
        let BuiltTables { services, zones, providers } = if has_services {
            self.refuse_the_other_form(asked, context);
            self.tables.build(&self.top, context)
        } else if self.tables.refuse_without_services(context.report)
            && self.of_providers.is_empty()
        {
            BuiltTables::default()
        } else {
            self.default_service(provider, asked, context)
        };
        if let Some(address) = self.sections.cluster.votes_received_at() {
            self.sections.status.check_overlap(address, context);
        }
        let mut sections = self.sections.build(context);
        sections.notify = self.with_channels(sections.notify, &services, &zones, context);
        let canaries = checks::canaries(&self.top.canaries, &self.tables.checks, context);
        self.tables.warn_of_unused_checks(&self.top, &services, context.report);
        let mut parties = sections.notify.parties();
        let heartbeat = sections.heartbeat.as_ref();
        parties.extend(heartbeat.map(|it| ("the heartbeat", it.url.expose().to_owned())));
        let network = network::check(&providers, &parties, context);
        Config {
            path: context.path.to_owned(),
            name: self.top.name(),
            has_services,
            services,
            zones,
            canaries,
            canary_probing: self.top.probing(),
            sections,
            dry_run: asked.dry_run,
            network,
            warnings: Vec::new(),
            guards_off: Vec::new(),
        }
    }

    /// Adds the channels of `[[notify]]` to those above the first section.
    fn with_channels(
        &self,
        channels: NotifyConfig,
        services: &[ServiceConfig],
        zones: &[NamedZone],
        context: &mut SectionContext<'_>,
    ) -> NotifyConfig {
        let mut known = BTreeMap::new();
        for service in services {
            let zone = zones.get(service.zone).map_or("", |zone| zone.name.as_str());
            known.insert(service.name.as_str(), zone);
        }
        let are_named = self.tables.first_service().is_some();
        let known = ServiceZones { zones: known, are_named };
        channels.with_tables(&self.tables.channels, &known, context)
    }

    /// Builds the only service of a file without `[[service]]`, and its zone.
    fn default_service(
        &self,
        section: &ParsedProvider,
        asked: &Asked,
        context: &mut SectionContext<'_>,
    ) -> BuiltTables {
        let provider = section.finish(context);
        let checks = self.default_checks(asked, provider.settings.names(), context);
        let service = ServiceConfig {
            name: DEFAULT.to_owned(),
            zone: 0,
            names: provider.settings.names().to_vec(),
            targets: provider.targets.clone(),
            standby: StandbyConfig::default(),
            returns: self.top.returns.build(context.report),
            checks: checks.checks.clone(),
            require: checks.require,
            min_in_service: self.top.min_in_service(),
            max_out: self.top.max_out(),
            resync_interval: self.top.resync_interval(),
            records: provider.records.clone(),
            places: self.places(&provider, &checks),
        };
        let (paces, floor, max_out) = (&checks.paces, &self.top.min_in_service, &self.top.max_out);
        let advice = ServiceAdvice { service: &service, paces, floor, max_out };
        let warnings = advice.list().into_iter();
        let warnings = warnings.chain(self.top.returns.advise());
        for (spot, what) in warnings.chain(CheckAdvice { service: &service, built: &checks }.list())
        {
            context.report.warn(&spot, what);
        }
        let (name, settings) = (DEFAULT.to_owned(), Arc::clone(&provider.settings));
        let (account, confirm) = (Account::default(), provider.confirm.clone());
        let zone = NamedZone { name, provider: settings, account, confirm };
        BuiltTables { services: vec![service], zones: vec![zone], providers: vec![provider] }
    }

    /// Builds the checks of the only service. `--type` wins over those of the file.
    fn default_checks(
        &self,
        asked: &Asked,
        names: &[String],
        context: &mut SectionContext<'_>,
    ) -> BuiltChecks {
        let (parsed, top) = (&self.tables.checks, &self.top);
        if asked.tcp.is_none() {
            let (choice, burst) = ((&top.checks, &top.pace), top.burst());
            let layers = CheckLayers { parsed, top: choice, burst, service: None };
            return layers.build(DEFAULT, names, context);
        }
        if asked.is_tcp() {
            top.require_port(context);
        }
        for spot in top.checks.spot(parsed).into_iter().chain(top.checks.require_spot()) {
            context.report.warn(spot, "not used: --type on the command line wins over it");
        }
        let port = top.port().filter(|_| asked.is_tcp());
        let method = port.map_or(CheckMethod::Echo, CheckMethod::Connect);
        let chosen_at = port.and(top.port.spot()).cloned();
        BuiltChecks {
            checks: vec![CheckConfig::plain(method, &top.pace, top.burst())],
            require: 1,
            paces: vec![top.pace.clone()],
            chosen_at,
            required_at: None,
        }
    }

    /// Refuses names, addresses and options that belong to a file without `[[service]]`.
    fn refuse_the_other_form(&self, asked: &Asked, context: &mut SectionContext<'_>) {
        let Some(service) = self.tables.first_service() else { return };
        let together = format!(
            "not used together with [[service]], line {}",
            service.line.unwrap_or_default(),
        );
        for (_, WrittenPlace { key, spot, at_top }) in &self.of_providers {
            let home = match *key {
                "hostnames" | "ip_addresses" => "a service has it",
                _ if !at_top => continue,
                "dns_domain" => "it is the domain of a [zone.NAME]",
                _ => "a zone or a service has it",
            };
            context.report.refuse(spot, format!("{together}; {home}"));
        }
        for ParsedProvider { kind, .. } in &self.providers {
            if let Some(spot) = context.document.header(kind.section) {
                let what =
                    format!("{together}; give it as [zone.NAME] with provider = \"{}\"", kind.kind);
                context.report.refuse(&spot, what);
            }
        }
        if let Some(port) = self.top.port.present() {
            context.report.refuse(&port.spot, format!("{together}; a check has it"));
        }
        let options = [
            ("--type", asked.tcp.is_some(), "a check has its type"),
            ("--dns-provider", asked.provider.is_some(), "a zone has its provider"),
        ];
        for (option, _, instead) in options.into_iter().filter(|(_, is_given, _)| *is_given) {
            let what = format!("not used together with {option} on the command line; {instead}");
            context.report.refuse(service, what);
        }
    }

    /// Returns the places from which the values of the service come.
    fn places(
        &self,
        provider: &BuiltProvider,
        checks: &BuiltChecks,
    ) -> BTreeMap<&'static str, Spot> {
        let [hostnames, addresses] = &provider.published;
        let others = [
            ("hostnames", hostnames.as_ref()),
            ("ip_addresses", addresses.as_ref()),
            ("check", checks.chosen_at.as_ref()),
            ("require", checks.required_at.as_ref()),
            ("min_in_service", self.top.min_in_service.spot()),
            (max_out::KEY.name, self.top.max_out.spot()),
            ("resync_interval", self.top.resync_interval.spot()),
        ];
        let places = others.into_iter();
        let places = places.filter_map(|(key, place)| Some((key, place?.clone())));
        places.chain(self.top.returns.places()).collect()
    }
}
