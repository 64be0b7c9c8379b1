//! From verdicts to orders, and from the reports of the DNS worker back to the verdicts.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use super::Engine;
use super::action::Action;
use super::dns_report::DnsReport;
use super::drain::DrainRefusal;
use super::fact::Fact;
use super::plan::{Desired, Observed, SetKey};
use super::schedule::Item;
use super::service::Outside;
use super::zone::orders::Due;

/// Groups the names by address.
fn by_address(entries: Vec<(SetKey, IpAddr)>) -> BTreeMap<IpAddr, Vec<String>> {
    let mut names: BTreeMap<IpAddr, Vec<String>> = BTreeMap::new();
    for (key, address) in entries {
        names.entry(address).or_default().push(key.name);
    }
    names
}

impl Engine {
    /// Returns the inputs of the gate that come from outside the service.
    fn outside(&self) -> Outside<'_> {
        Outside { isolation: self.canaries.isolation(), peers: &self.peers }
    }

    /// Decides about every target with a relevant change.
    pub(super) fn decide(&mut self) {
        let outside = Outside { isolation: self.canaries.isolation(), peers: &self.peers };
        let orders = &mut self.zones[0].orders;
        self.services[0].decide(outside, orders, &mut self.context);
    }

    /// Returns the desired states that DNS is not known to match; with `all`, also those that it is
    /// known to match.
    fn desired(&self, all: bool) -> BTreeMap<IpAddr, Desired> {
        let (service, outside) = (self.service(), self.outside());
        let mut desired = service.open_desired(outside, &self.zones[0].orders, &self.context);
        if all {
            desired.extend(service.decided_desired(outside, &self.context));
        }
        desired
    }

    /// Places an order for unconfirmed verdicts, unless the worker has the same order in hand.
    pub(super) fn place_order(&mut self) {
        let (now, zone) = (self.context.now, &self.zones[0]);
        let desired = |address| self.service().desired(address, self.outside(), &self.context);
        match zone.orders.due(now, desired) {
            Due::Nothing => {}
            Due::NoNews => self.zones[0].orders.clear_changes(),
            Due::NotBefore(next) => self.context.schedule.add(next, Item::Order),
            Due::Now { news } => {
                // This order replaces the one of a resync, and has to do its work as well.
                let resyncs = zone.orders.is_resyncing();
                let desired = self.desired(resyncs);
                if news || !desired.is_empty() {
                    self.zones[0].orders.set_placed_at(now);
                    let read_again = self.zones[0].orders.must_read();
                    self.order(desired, read_again, resyncs);
                }
                self.zones[0].orders.clear_changes();
            }
        }
    }

    fn order(&mut self, desired: BTreeMap<IpAddr, Desired>, read_again: bool, resyncs: bool) {
        let settings = &self.context.settings;
        let stale = settings.cluster.is_some() && self.zones[0].is_stale(self.context.now);
        let list_first = self.service().must_list_first(&desired, &self.context);
        let read_again = read_again || list_first || stale;
        let floor = settings.floor;
        let order = self.zones[0].orders.next_order(desired, floor, read_again, resyncs);
        self.context.act(Action::Reconcile(order));
    }

    /// Sets the time of the next [`Self::resync`], and cancels any earlier one.
    pub(super) fn schedule_resync(&mut self) {
        let interval = self.context.settings.resync_interval;
        if let Some(next) = self.zones[0].schedule_resync(self.context.now, interval) {
            self.context.schedule.add(next, Item::Resync);
        }
    }

    /// Compares DNS with all verdicts and repairs it, if a resync is due with this event.
    pub(super) fn resync(&mut self) {
        if !self.zones[0].take_resync() {
            return;
        }
        self.schedule_resync();
        let desired = self.desired(true);
        if desired.is_empty() {
            return;
        }
        let addresses: Vec<IpAddr> = desired.keys().copied().collect();
        self.order(desired, true, true);
        // The evidence behind the order may expire before the order is carried out.
        let outside = Outside { isolation: self.canaries.isolation(), peers: &self.peers };
        let orders = &self.zones[0].orders;
        self.services[0].schedule_next_decisions(&addresses, outside, orders, &mut self.context);
    }

    /// Requests another check of whether the floor still keeps an address in.
    pub(super) fn retry_held(&mut self) {
        if self.service().is_held() {
            self.zones[0].orders.read_again();
        }
    }

    /// Handles a report from the DNS worker.
    pub(super) fn dns_reported(&mut self, report: DnsReport) {
        match report {
            DnsReport::Listed(observed) => self.listed(observed),
            DnsReport::Applied { withdrawn, restored, created, took } => {
                self.provider_recovered();
                self.applied(withdrawn, [restored, created], took);
            }
            DnsReport::FailingSets(failing) => {
                self.zones[0].set_failing_sets(failing);
                self.report_failing_names();
            }
            DnsReport::Uncertain(uncertain) => self.zones[0].set_uncertain(uncertain),
            DnsReport::Confirmed { number, desired, held, open } => {
                self.provider_recovered();
                if self.zones[0].orders.carried_out(number) {
                    let outside =
                        Outside { isolation: self.canaries.isolation(), peers: &self.peers };
                    let carried = (&desired, &held, &open);
                    let orders = &mut self.zones[0].orders;
                    self.services[0].confirm(carried, outside, orders, &self.context);
                    self.schedule_floor_retry(!held.is_empty());
                }
            }
            DnsReport::Failing(problem) => {
                self.zones[0].provider_failed();
                for order in self.services[0].drains.take_awaiting() {
                    let answer = Err(DrainRefusal::ZoneUnknown(problem.what.clone()));
                    self.context.act(Action::DrainAnswered { ticket: order.ticket, answer });
                }
                self.context.report(Fact::Failing(problem));
            }
        }
    }

    /// Handles a new listing of the zone.
    fn listed(&mut self, observed: Observed) {
        let before = self.zones[0].listed(observed, self.context.now);
        self.report_failing_names();
        // Sets that can be read and edited again are compared with the verdicts.
        let fit: Vec<_> = self.zones[0].recovered_families(&before).into_iter().collect();
        for id in self.services[0].compare(&fit, &mut self.zones[0].orders) {
            self.services[0].mark(id);
        }
        if self.zones[0].orders.is_idle() {
            self.provider_recovered();
        }
        for order in self.services[0].drains.take_awaiting() {
            self.drain_if_floor_allows(order);
        }
    }

    /// Reports once when a name begins to fail, for each new reason, and once when that is over.
    fn report_failing_names(&mut self) {
        for fact in self.zones[0].failing_names(&self.context.settings.names) {
            self.context.report(fact);
        }
    }

    /// Reports once that the provider has recovered.
    fn provider_recovered(&mut self) {
        if self.zones[0].provider_recovered() {
            self.context.report(Fact::FailingOver);
        }
    }

    /// Schedules another check of the floor if it keeps an address in.
    fn schedule_floor_retry(&mut self, held: bool) {
        if held && let Some(at) = self.zones[0].orders.retry_floor(self.context.now) {
            self.context.schedule.add(at, Item::Held);
        }
    }

    fn applied(
        &mut self,
        withdrawn: Vec<(SetKey, IpAddr)>,
        [restored, created]: [Vec<(SetKey, IpAddr)>; 2],
        took: Duration,
    ) {
        let withdrawn = self.service().withdrawals(withdrawn, &self.context);
        let (restored, created) = (by_address(restored), by_address(created));
        let dry_run = self.context.settings.dry_run;
        self.context.report(Fact::Applied { withdrawn, restored, created, took, dry_run });
    }
}
