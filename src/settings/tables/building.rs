//! Services and zones, built from the tables of a file.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

use super::service::{self, ParsedService};
use super::{BuiltTables, ParsedTables};
use crate::config::field::Field;
use crate::config::in_force::ValueInForce;
use crate::config::problem::{Report, Spot};
use crate::config::section::SectionContext;
use crate::dns::account::Account;
use crate::dns::providers::section::{BuiltProvider, PublishedKeys, ServiceRecords};
use crate::engine::plan::{SetKey, record_sets};
use crate::settings::advice::{ServiceAdvice, SharedAdvice};
use crate::settings::check_advice::CheckAdvice;
use crate::settings::checks::{BuiltChecks, CheckLayers};
use crate::settings::max_out::{self, Share};
use crate::settings::returns::ReturnKeys;
use crate::settings::services::{NamedZone, ServiceConfig};
use crate::settings::standby::{Primaries, StandbyConfig};
use crate::settings::top::TopLevel;

/// State while the services are built.
pub(super) struct TablesBuilder<'a> {
    parsed: &'a ParsedTables,
    top: &'a TopLevel,
    /// Each zone; `None` if it was refused.
    zones: Vec<Option<BuiltProvider>>,
    /// The service that publishes each record set, by the place of its zone.
    owners: HashMap<(usize, SetKey), &'a Spot>,
    advice: SharedAdvice,
    built: Vec<(ServiceConfig, &'a ParsedService)>,
}

/// The values of a service that follow from several tables.
struct Layers<'a> {
    service: &'a ParsedService,
    checks: &'a BuiltChecks,
    floor: Field<usize>,
    max_out: Field<Share>,
    /// The default of `standby_below`.
    standby_below: &'a Field<usize>,
    returns: ReturnKeys,
    resync_interval: Field<std::time::Duration>,
}

impl<'a> TablesBuilder<'a> {
    /// Builds the zones.
    pub(super) fn new(
        parsed: &'a ParsedTables,
        top: &'a TopLevel,
        context: &mut SectionContext<'_>,
    ) -> Self {
        let mut zones = Vec::new();
        for zone in &parsed.zones {
            zones.push(zone.build(context));
        }
        let (owners, advice) = (HashMap::new(), SharedAdvice::default());
        let building = Self { parsed, top, zones, owners, advice, built: Vec::new() };
        building.refuse_same_zones(context.report);
        building
    }

    /// Refuses zones that may be one: its floors would be counted twice, and changes would overlap.
    fn refuse_same_zones(&self, report: &mut Report) {
        for (place, zone) in self.zones.iter().enumerate() {
            let Some(zone) = zone else { continue };
            let mut before = self.zones[..place].iter().zip(&self.parsed.zones);
            let same = before.find(|(other, _)| {
                let other = other.as_ref().map(|other| &*other.settings);
                other.is_some_and(|other| zone.settings.may_be_one_zone_with(other))
            });
            if let Some((_, first)) = same {
                let (key, line) = (&first.spot.key, first.spot.line.unwrap_or_default());
                let apart = zone.settings.told_apart_by();
                let what = format!(
                    "the same zone as {key}, line {line}; any number of services may be in one{apart}"
                );
                report.refuse(&self.parsed.zones[place].spot, what);
            }
        }
    }

    /// Builds a service, unless its zone was refused: its names cannot be completed then.
    pub(super) fn add(&mut self, service: &'a ParsedService, context: &mut SectionContext<'_>) {
        let zone = self.parsed.zone_of(service, context.report);
        let mut inner = service.context(context);
        service.published.require(service::HOME, &mut inner);
        let provider = zone.and_then(|zone| self.zones.get(zone)).and_then(Option::as_ref);
        let (Some(zone), Some(provider)) = (zone, provider) else { return };
        let domain = provider.settings.zone().to_owned();
        let records = records(service, provider);
        let names = service.published.owner_names(&domain, &mut inner);
        let mut targets = service.published.targets(&mut inner);
        service.published.advise(&domain, &mut inner);
        let standby = self.standby(service, &targets, &mut inner);
        targets.extend(standby.iter().map(|(address, _)| address));
        self.warn_of_nearer_zone(service, &domain, &names, context.report);
        self.refuse_shared_sets(service, zone, record_sets(&names, &targets), context.report);
        let layers = CheckLayers {
            parsed: &self.parsed.checks,
            top: (&self.top.checks, &self.top.pace),
            burst: self.top.burst(),
            service: Some((&service.checks, &service.pace)),
        };
        let name = service.name.or(String::new());
        let checks = layers.build(&name, &names, context);
        let layers = Layers {
            service,
            checks: &checks,
            floor: service.min_in_service.over(&self.top.min_in_service),
            max_out: service.max_out.over(&self.top.max_out),
            standby_below: &self.top.standby_below,
            returns: service.returns.over(&self.top.returns),
            resync_interval: service.resync_interval.over(&self.top.resync_interval),
        };
        let built = ServiceConfig {
            name,
            zone,
            checks: checks.checks.clone(),
            require: checks.require,
            // With standbys, DNS is left as it is once all are down.
            min_in_service: layers.floor.or(0).max(usize::from(!standby.is_empty())),
            max_out: layers.max_out.or(Share::default()),
            standby,
            returns: layers.returns.build(context.report),
            resync_interval: layers.resync_interval.value().copied(),
            records,
            places: layers.places(),
            names,
            targets,
        };
        let (paces, floor) = (&checks.paces, &layers.floor);
        let max_out = &service.max_out;
        let mut warnings = ServiceAdvice { service: &built, paces, floor, max_out }.list();
        warnings.extend(layers.returns.advise());
        warnings.extend(CheckAdvice { service: &built, built: &checks }.list());
        self.advice.add(&built, warnings);
        self.built.push((built, service));
    }

    /// Builds the standbys of a service with these addresses in tier 0.
    fn standby(
        &self,
        service: &ParsedService,
        addresses: &[IpAddr],
        inner: &mut SectionContext<'_>,
    ) -> StandbyConfig {
        PublishedKeys::advise_on_addresses(service.standby.items(), inner);
        let [_, place] = service.published.places();
        let primaries = Primaries { addresses, place: place.as_ref() };
        let standby = service.standby.build(&self.top.standby_below, &primaries, inner.report);
        if let Some(at) = service.min_in_service.over(&self.top.min_in_service).present()
            && at.value == 0
            && !standby.is_empty()
        {
            let what = "counts as 1 in a service with standbys: once all are down, DNS stays";
            inner.report.warn_of(&at.spot, &at.shown, what);
        }
        standby
    }

    /// Warns about names that lie in a smaller zone of the file: resolvers are sent there.
    fn warn_of_nearer_zone(
        &self,
        service: &ParsedService,
        domain: &str,
        names: &[String],
        report: &mut Report,
    ) {
        let [hostnames, _] = service.published.places();
        let place = hostnames.as_ref().unwrap_or(&service.spot);
        for (zone, parsed) in self.zones.iter().zip(&self.parsed.zones) {
            let Some(nearer) = zone.as_ref().map(|zone| zone.settings.zone()) else { continue };
            if nearer.len() <= domain.len() {
                continue;
            }
            for name in names {
                let rest = name.strip_suffix(nearer);
                if rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('.')) {
                    let what =
                        format!("is published in {domain}, and lies in {} too", parsed.spot.key);
                    report.warn_of(place, name, what);
                }
            }
        }
    }

    /// Refuses record sets that another service publishes too: neither would know the addresses of
    /// the other, and the floor of both would be wrong.
    fn refuse_shared_sets(
        &mut self,
        service: &'a ParsedService,
        zone: usize,
        sets: Vec<SetKey>,
        report: &mut Report,
    ) {
        let [hostnames, _] = service.published.places();
        let place = hostnames.unwrap_or_else(|| service.spot.clone());
        for set in sets {
            match self.owners.entry((zone, set)) {
                Entry::Vacant(entry) => {
                    entry.insert(&service.spot);
                }
                Entry::Occupied(taken) => {
                    let SetKey { name, family } = &taken.key().1;
                    let (first, line) = (&taken.get().key, taken.get().line.unwrap_or_default());
                    let what = format!(
                        "{family} at {name} is published by {first}, line {line}, too; one service \
                         has a record set for itself"
                    );
                    report.refuse(&place, what);
                }
            }
        }
    }

    /// Hands the names of the services to their zones. Zones without a service are left out.
    pub(super) fn finish(self, report: &mut Report) -> BuiltTables {
        let Self { parsed, zones, built, advice, .. } = self;
        advice.give(report);
        let mut records: BTreeMap<usize, Vec<ServiceRecords<'_>>> = BTreeMap::new();
        for (config, service) in &built {
            records.entry(config.zone).or_default().push(ServiceRecords {
                names: &config.names,
                sets: record_sets(&config.names, &config.targets),
                ttl: service.ttl.present(),
                proxied: service.dns_proxied.present(),
            });
        }
        let mut tables = BuiltTables::default();
        let mut new_places = HashMap::new();
        for (place, (zone, provider)) in parsed.zones.iter().zip(zones).enumerate() {
            let (Some(provider), Some(services)) = (provider, records.get(&place)) else {
                continue;
            };
            let settings = provider.settings.publishing(services, report);
            new_places.insert(place, tables.zones.len());
            let sharing = tables
                .zones
                .iter()
                .find(|other: &&NamedZone| settings.shares_account_with(&*other.provider));
            let account = sharing.map_or_else(Account::default, |other| other.account.clone());
            let (name, provider_settings) = (zone.name.clone(), Arc::clone(&settings));
            let confirm = provider.confirm.clone();
            tables.zones.push(NamedZone { name, provider: provider_settings, account, confirm });
            tables.providers.push(BuiltProvider { settings, ..provider });
        }
        for (config, _) in built {
            if let Some(zone) = new_places.get(&config.zone).copied() {
                tables.services.push(ServiceConfig { zone, ..config });
            }
        }
        tables
    }
}

/// Returns the settings of a service's new records, with their places.
fn records(service: &ParsedService, zone: &BuiltProvider) -> Vec<ValueInForce> {
    let mut records = zone.records.clone();
    for record in &mut records {
        let (ttl, proxied) = (service.ttl.present(), service.dns_proxied.present());
        let own = match record.key {
            "ttl" => ttl.map(|at| (zone.settings.ttl_in_words(at.value), &at.spot)),
            _ => proxied.map(|at| (at.value.to_string(), &at.spot)),
        };
        if let Some((value, spot)) = own {
            *record = ValueInForce::new(record.key, value, Some(spot));
        }
    }
    records
}

impl Layers<'_> {
    /// Returns the places from which the values of a service come, but for those of its checks.
    fn places(&self) -> BTreeMap<&'static str, Spot> {
        let [hostnames, addresses] = self.service.published.places();
        let others = [
            ("zone", self.service.zone.spot()),
            ("hostnames", hostnames.as_ref()),
            ("ip_addresses", addresses.as_ref()),
            ("check", self.checks.chosen_at.as_ref()),
            ("require", self.checks.required_at.as_ref()),
            ("min_in_service", self.floor.spot()),
            (max_out::KEY.name, self.max_out.spot()),
            ("resync_interval", self.resync_interval.spot()),
        ];
        let places = others.into_iter();
        let places = places.filter_map(|(key, place)| Some((key, place?.clone())));
        let places = places.chain(self.service.standby.places(self.standby_below));
        places.chain(self.returns.places()).collect()
    }
}
