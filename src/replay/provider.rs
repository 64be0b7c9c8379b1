//! A provider that carries out each order as fast as a provider does: the orders of other settings were
//! never sent to the real one.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use crate::engine::event::{DnsReport, Event, Order};
use crate::engine::ids::ZoneId;
use crate::engine::plan::{self, Observed, SetKey};
use crate::engine::settings::Settings;

/// The time from an order to the provider's confirmation.
pub(crate) const TAKES: Duration = Duration::from_secs(1);

/// The contents of all zones.
#[derive(Debug, Default)]
pub(crate) struct SwiftProvider {
    zones: BTreeMap<ZoneId, Observed>,
    /// The records with known contents.
    known: BTreeSet<(SetKey, IpAddr)>,
}

impl SwiftProvider {
    /// Takes over a listing as it was recorded: all but the addresses that are known already.
    pub(crate) fn listed(&mut self, zone: ZoneId, recorded: &Observed, settings: &Settings) {
        let mut managed: BTreeSet<IpAddr> = BTreeSet::new();
        for service in settings.services.values().filter(|service| service.zone == zone) {
            managed.extend(service.targets.iter());
        }
        let own = self.zones.entry(zone).or_default();
        let before = std::mem::replace(own, recorded.clone());
        own.uncertain.clear();
        for (key, addresses) in &mut own.sets {
            for address in &managed {
                let record = (key.clone(), *address);
                if self.known.contains(&record) {
                    if before.get(key).is_some_and(|there| there.contains(address)) {
                        addresses.insert(*address);
                    } else {
                        addresses.remove(address);
                    }
                }
            }
        }
        for (key, addresses) in &before.sets {
            if !own.sets.contains_key(key) {
                own.sets.insert(key.clone(), addresses.clone());
            }
        }
        for key in own.sets.keys() {
            self.known.extend(managed.iter().map(|address| (key.clone(), *address)));
        }
    }

    /// Returns a listing of a zone, once one was recorded.
    pub(crate) fn listing(&self, zone: ZoneId) -> Option<Event> {
        let observed = self.zones.get(&zone)?;
        Some(Event::Dns(zone, DnsReport::Listed(observed.clone())))
    }

    /// Carries out an order. Returns the reports about it.
    pub(crate) fn carry_out(
        &mut self,
        zone: ZoneId,
        order: &Order,
        settings: &Settings,
    ) -> Vec<Event> {
        let Some(service) = settings.service(order.service) else { return Vec::new() };
        let observed = self.zones.entry(zone).or_default();
        let plan = plan::plan(&service.names, observed, &order.desired, order.floor);
        for (key, address) in &plan.delete {
            observed.without_at(key, *address);
        }
        for (key, address) in &plan.create {
            observed.sets.entry(key.clone()).or_default().insert(*address);
        }
        let records = plan.delete.iter().chain(&plan.create).cloned();
        self.known.extend(records);
        let mut held: BTreeMap<IpAddr, Vec<String>> = BTreeMap::new();
        for (key, address) in &plan.held {
            held.entry(*address).or_default().push(key.name.clone());
        }
        let mut reports = vec![DnsReport::Listed(observed.clone())];
        if !plan.is_empty() {
            reports.push(DnsReport::Applied {
                withdrawn: plan.delete,
                restored: plan.create,
                created: Vec::new(),
                took: TAKES,
                is_part: false,
            });
        }
        reports.push(DnsReport::Confirmed {
            service: order.service,
            number: order.number,
            desired: order.desired.clone(),
            held,
            open: BTreeSet::new(),
        });
        reports.into_iter().map(|report| Event::Dns(zone, report)).collect()
    }
}
