//! From verdicts to orders, and from the reports of the reconcilers back to the verdicts.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use super::Engine;
use super::dns_report::{AppliedRecords, DnsProblem, DnsReport};
use super::drain::DrainRefusal;
use super::fact::{Fact, Withdrawal};
use super::ids::{ServiceId, ZoneId};
use super::plan::{Observed, SetKey, names_by_address};
use super::service::{ConfirmedOrder, Outside, Service};
use super::zone::Zone;

impl Engine {
    /// Iterates over the services that are published in a zone.
    fn services_in(&self, zone: ZoneId) -> impl Iterator<Item = &Service> {
        self.services.iter().filter(move |service| service.zone() == zone)
    }

    /// Decides about every target with a relevant change, and orders the changes of DNS that follow
    /// from the verdicts.
    pub(super) fn decide(&mut self) {
        let (isolation, now) = (self.canaries.isolation(), self.context.now);
        let mut worked = false;
        for id in self.services.take_touched() {
            let Some(service) = self.services.get(id) else { continue };
            if !service.has_work() {
                continue;
            }
            worked = true;
            let Some(zone) = self.zones.get(&service.zone()) else { continue };
            let (stale, listing) = (zone.is_stale(now), zone.last_listing());
            let (health, peers) = (&self.health, &self.peers);
            let outside = Outside { isolation, health, peers, listing };
            // A service with changes that have to wait is looked at again with the next event.
            let mut alike_changed = false;
            self.services.pass(id, |service| {
                service.decide(outside, &mut self.context);
                alike_changed = service.take_alike_change();
                service.resync(outside, &mut self.context);
                service.place_order(outside, stale, &mut self.context);
            });
            if alike_changed {
                self.peers.announce();
            }
            self.follow_rehearsals(id);
        }
        if worked && let Some(journal) = &mut self.context.journal {
            journal.looked();
        }
    }

    /// Handles a report from the reconciler of a zone.
    pub(super) fn dns_reported(&mut self, id: ZoneId, report: DnsReport) {
        let Some(zone) = self.zones.get_mut(&id) else { return };
        match report {
            DnsReport::Listed(observed) => self.listed(id, observed),
            DnsReport::Applied { withdrawn, restored, created, took, is_part } => {
                if !is_part {
                    self.provider_recovered(id);
                }
                self.applied(id, AppliedRecords { withdrawn, restored, created }, took);
            }
            DnsReport::FailingSets(failing) => {
                zone.set_failing_sets(failing);
                self.report_failing_names(id);
            }
            DnsReport::Uncertain(uncertain) => zone.set_uncertain(uncertain),
            DnsReport::Confirmed { service, number, desired, held, open } => {
                self.provider_recovered(id);
                let isolation = self.canaries.isolation();
                let Some(zone) = self.zones.get(&id) else { return };
                let listing = zone.last_listing();
                let (health, peers) = (&self.health, &self.peers);
                let outside = Outside { isolation, health, peers, listing };
                let Some(service) = self.services.get_mut(service) else { return };
                if service.orders.carried_out(number) {
                    let confirmation = ConfirmedOrder { desired, held, open };
                    service.confirm(&confirmation, outside, &mut self.context);
                }
            }
            DnsReport::Contradicted(records) => {
                for (service, records) in self.set_owners.by_owner(id, records) {
                    let Some(service) = self.services.get_mut(service) else { continue };
                    for (_, address) in records {
                        service.contradicted(address);
                    }
                }
            }
            DnsReport::Failing(problem) => {
                zone.provider_failed(&problem, self.context.now);
                self.provider_failed(id, problem);
            }
        }
    }

    fn provider_failed(&mut self, zone: ZoneId, problem: DnsProblem) {
        let refusal = DrainRefusal::ZoneUnknown(problem.what.clone());
        for service in self.services.in_zone_mut(zone) {
            service.refuse_waiting(&refusal, &mut self.context);
        }
        self.context.report(Fact::Failing { zone, problem });
    }

    /// Handles a new listing of a zone.
    fn listed(&mut self, id: ZoneId, observed: Observed) {
        let now = self.context.now;
        let Some(zone) = self.zones.get_mut(&id) else { return };
        let was_whole = zone.last_listing().observed.is_some();
        let before = zone.listed(observed, now);
        // Sets that can be read and edited again are compared with the verdicts.
        let fit: Vec<_> = zone.recovered_families(&before).into_iter().collect();
        self.report_failing_names(id);
        for service in self.services.in_zone_mut(id) {
            for target in service.compare(&fit) {
                service.mark(target);
            }
        }
        if self.services_in(id).all(|service| service.orders.is_idle()) {
            self.provider_recovered(id);
        }
        let Some(zone) = self.zones.get(&id) else { return };
        let isolation = self.canaries.isolation();
        let (health, peers, listing) = (&self.health, &self.peers, zone.last_listing());
        let outside = Outside { isolation, health, peers, listing };
        for service in self.services.in_zone_mut(id) {
            service.review_listing(was_whole.then_some(&before), zone.observed());
            service.answer_waiting(zone.observed(), outside, &mut self.context);
        }
    }

    /// Reports once when a name begins to fail, for each new reason, and once when that is over.
    fn report_failing_names(&mut self, id: ZoneId) {
        let Some(zone) = self.zones.get_mut(&id) else { return };
        for fact in zone.failing_names(&self.context.settings.names_in(id)) {
            self.context.report(fact);
        }
    }

    /// Reports once that the provider has recovered.
    fn provider_recovered(&mut self, zone: ZoneId) {
        if self.zones.get_mut(&zone).is_some_and(Zone::provider_recovered) {
            self.context.report(Fact::FailingOver { zone });
        }
    }

    /// Reports a change that the provider confirmed, for each service that it concerns. `took` is the
    /// time since it was first desired.
    fn applied(&mut self, zone: ZoneId, records: AppliedRecords, took: Duration) {
        let dry_run = self.context.settings.dry_run;
        for (service, records) in self.set_owners.split(zone, records) {
            let withdrawn = self.withdrawals(service, records.withdrawn);
            let restored = names_by_address(&records.restored);
            let created = names_by_address(&records.created);
            self.context.report(Fact::Applied {
                zone,
                service,
                withdrawn,
                restored,
                created,
                took,
                dry_run,
            });
        }
    }

    /// Returns the evidence about withdrawn records of a service, by address. There is none about a
    /// service that is gone.
    fn withdrawals(
        &self,
        service: ServiceId,
        records: Vec<(SetKey, IpAddr)>,
    ) -> BTreeMap<IpAddr, Withdrawal> {
        let (service, now) = (self.services.get(service), self.context.now);
        let mut withdrawn: BTreeMap<IpAddr, Withdrawal> = BTreeMap::new();
        for (key, address) in records {
            let withdrawal = withdrawn.entry(address).or_insert_with(|| {
                service.map(|it| it.withdrawal(address, &self.health, now)).unwrap_or_default()
            });
            withdrawal.names.push(key.name);
        }
        withdrawn
    }
}
