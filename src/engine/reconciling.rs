//! From verdicts to orders, and from the reports of the DNS worker back to the verdicts.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use super::Engine;
use super::event::{Action, DnsReport, DrainRefusal, Fact};
use super::plan::{Observed, SetKey, Wish};
use super::schedule::Item;
use super::service::Outside;
use super::zone::orders::Due;

/// The names of each address.
fn by_address(entries: Vec<(SetKey, IpAddr)>) -> BTreeMap<IpAddr, Vec<String>> {
    let mut names: BTreeMap<IpAddr, Vec<String>> = BTreeMap::new();
    for (key, address) in entries {
        names.entry(address).or_default().push(key.name);
    }
    names
}

impl Engine {
    /// What the gate looks at besides the service itself.
    fn outside(&self) -> Outside<'_> {
        Outside { isolation: self.canaries.isolation(), peers: &self.peers }
    }

    /// Decides about every target about which something changed.
    pub(super) fn decide(&mut self) {
        let outside = Outside { isolation: self.canaries.isolation(), peers: &self.peers };
        let orders = &mut self.zones[0].orders;
        self.services[0].decide(outside, orders, &mut self.context);
    }

    /// What is desired and not known to be so; with `all`, what is known to be so as well.
    fn wishes(&self, all: bool) -> BTreeMap<IpAddr, Wish> {
        let (service, outside) = (self.service(), self.outside());
        let mut wishes = service.open_wishes(outside, &self.zones[0].orders, &self.context);
        if all {
            wishes.extend(service.decided_wishes(outside, &self.context));
        }
        wishes
    }

    /// Orders what is not yet settled, if the worker does not have it in hand already.
    pub(super) fn place_order(&mut self) {
        let (now, zone) = (self.context.now, &self.zones[0]);
        let desired = |address| self.service().desired(address, self.outside(), &self.context);
        match zone.orders.due(now, desired) {
            Due::Nothing => {}
            Due::NoNews => self.zones[0].orders.clear_changes(),
            Due::NotBefore(next) => self.context.schedule.note(next, Item::Order),
            Due::Now { news } => {
                // It replaces the order of a resync, and has its work to do as well.
                let resyncs = zone.orders.is_resyncing();
                let wishes = self.wishes(resyncs);
                if news || !wishes.is_empty() {
                    self.zones[0].orders.set_placed_at(now);
                    let read_again = self.zones[0].orders.must_read();
                    self.order(wishes, read_again, resyncs);
                }
                self.zones[0].orders.clear_changes();
            }
        }
    }

    fn order(&mut self, wishes: BTreeMap<IpAddr, Wish>, read_again: bool, resyncs: bool) {
        let settings = &self.context.settings;
        let stale = settings.cluster.is_some() && self.zones[0].is_stale(self.context.now);
        let others_first = self.service().others_come_first(&wishes, &self.context);
        let read_again = read_again || others_first || stale;
        let floor = settings.floor;
        let order = self.zones[0].orders.next_order(wishes, floor, read_again, resyncs);
        self.context.act(Action::Reconcile(order));
    }

    /// Sets the time of the next [`Self::resync`]; whatever was set before is off.
    pub(super) fn note_resync(&mut self) {
        let interval = self.context.settings.resync_interval;
        if let Some(next) = self.zones[0].schedule_resync(self.context.now, interval) {
            self.context.schedule.note(next, Item::Resync);
        }
    }

    /// Compares and repairs all that was decided, if the time for it came with this event.
    pub(super) fn resync(&mut self) {
        if !self.zones[0].take_resync() {
            return;
        }
        self.note_resync();
        let wishes = self.wishes(true);
        if wishes.is_empty() {
            return;
        }
        let addresses: Vec<IpAddr> = wishes.keys().copied().collect();
        self.order(wishes, true, true);
        // What the order rests on may age before it is carried out.
        let outside = Outside { isolation: self.canaries.isolation(), peers: &self.peers };
        let orders = &self.zones[0].orders;
        self.services[0].note_next_decisions(&addresses, outside, orders, &mut self.context);
    }

    /// Asks again whether the floor still keeps anything in.
    pub(super) fn retry_held(&mut self) {
        if self.service().is_held() {
            self.zones[0].orders.read_again();
        }
    }

    /// The DNS worker reports.
    pub(super) fn dns_reported(&mut self, report: DnsReport) {
        match report {
            DnsReport::Listed(observed) => self.listed(observed),
            DnsReport::Applied { withdrawn, restored, created, took } => {
                self.provider_recovered();
                self.applied(withdrawn, [restored, created], took);
            }
            DnsReport::Apart(apart) => {
                self.zones[0].set_apart(apart);
                self.note_failing_names();
            }
            DnsReport::Doubted(doubted) => self.zones[0].set_doubted(doubted),
            DnsReport::Settled { number, wishes, held, open } => {
                self.provider_recovered();
                if self.zones[0].orders.carried_out(number) {
                    let outside =
                        Outside { isolation: self.canaries.isolation(), peers: &self.peers };
                    let carried = (&wishes, &held, &open);
                    let orders = &mut self.zones[0].orders;
                    self.services[0].settled(carried, outside, orders, &self.context);
                    self.note_held(!held.is_empty());
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

    /// The zone was read.
    fn listed(&mut self, observed: Observed) {
        let before = self.zones[0].listed(observed, self.context.now);
        self.note_failing_names();
        // Sets that can be read and edited again are compared with what was decided.
        let fit: Vec<_> = self.zones[0].fit_again(&before).into_iter().collect();
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
    fn note_failing_names(&mut self) {
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

    /// Has the floor asked about again if it keeps anything in.
    fn note_held(&mut self, held: bool) {
        if held && let Some(at) = self.zones[0].orders.retry_floor(self.context.now) {
            self.context.schedule.note(at, Item::Held);
        }
    }

    fn applied(
        &mut self,
        withdrawn: Vec<(SetKey, IpAddr)>,
        [restored, created]: [Vec<(SetKey, IpAddr)>; 2],
        took: Duration,
    ) {
        let withdrawn = self.service().gone(withdrawn, &self.context);
        let (restored, created) = (by_address(restored), by_address(created));
        let dry_run = self.context.settings.dry_run;
        self.context.report(Fact::Applied { withdrawn, restored, created, took, dry_run });
    }
}
