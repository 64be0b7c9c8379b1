//! The orders in progress: one of each service in the zone, planned together.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crate::dns::{Placement, ServiceNames};
use crate::engine::event::Order;
use crate::engine::ids::{OrderNumber, ServiceId};
use crate::engine::plan::{self, Desired, Family, Observed, Plan};

/// The number of the newest order of each service.
pub(super) type OrderNumbers = BTreeMap<ServiceId, OrderNumber>;

/// The orders in progress. Each one concerns the names of its service alone.
#[derive(Debug)]
pub(super) struct CurrentOrders {
    orders: BTreeMap<ServiceId, Order>,
    names: ServiceNames,
    /// The services of each name. Several have addresses of different families.
    owners: BTreeMap<String, Vec<ServiceId>>,
    /// The families of the addresses that each service has ordered so far.
    families: BTreeSet<(ServiceId, Family)>,
}

impl CurrentOrders {
    /// Creates the state without an order.
    pub(super) fn new(names: ServiceNames) -> Self {
        let mut owners: BTreeMap<String, Vec<ServiceId>> = BTreeMap::new();
        for (service, names) in &names {
            for name in names {
                owners.entry(name.clone()).or_default().push(*service);
            }
        }
        Self { orders: BTreeMap::new(), names, owners, families: BTreeSet::new() }
    }

    /// Returns the owner names of each service.
    pub(super) fn into_names(self) -> ServiceNames {
        self.names
    }

    /// Replaces the orders of all services that have a newer one.
    pub(super) fn replace(&mut self, orders: impl IntoIterator<Item = Order>) {
        let mut before = std::mem::take(&mut self.orders);
        for order in orders {
            let addresses = order.desired.keys().chain(&order.standbys);
            self.families.extend(addresses.map(|it| (order.service, Family::of(*it))));
            let known = before.remove(&order.service).filter(|it| it.number == order.number);
            self.orders.insert(order.service, known.unwrap_or(order));
        }
    }

    /// Drops the addresses of a service's order that are done. The engine does not recall an order that
    /// was confirmed, so nothing may be done about these addresses later. While a standby has yet to
    /// leave, those that serve stay in the order as they are: it leaves because of them.
    pub(super) fn keep_unfinished(
        &mut self,
        service: ServiceId,
        is_unfinished: impl Fn(&IpAddr) -> bool,
    ) {
        if let Some(order) = self.orders.get_mut(&service) {
            let standby_is_left = order.desired.iter().any(|(address, state)| {
                matches!(state, Desired::StandBy(_)) && is_unfinished(address)
            });
            order.desired.retain(|address, state| {
                if is_unfinished(address) {
                    return true;
                }
                let serves = matches!(state, Desired::Serve | Desired::Stay);
                *state = if serves { Desired::Stay } else { *state };
                serves && standby_is_left
            });
        }
    }

    /// Keeps the withdrawals that the operator commanded regardless of the floor, and nothing else.
    pub(super) fn keep_commands(&mut self) {
        for order in self.orders.values_mut() {
            order.desired.retain(|_, state| *state == Desired::WithdrawAnyway);
        }
    }

    /// Returns the numbers of the orders.
    pub(super) fn numbers(&self) -> OrderNumbers {
        self.orders.iter().map(|(service, order)| (*service, order.number)).collect()
    }

    /// Returns the number of the order of a service; 0 without one.
    pub(super) fn number(&self, service: ServiceId) -> OrderNumber {
        self.orders.get(&service).map(|order| order.number).unwrap_or_default()
    }

    /// Iterates over all orders.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Order> {
        self.orders.values()
    }

    /// Whether no change is desired.
    pub(super) fn is_empty(&self) -> bool {
        self.orders.values().all(|order| order.desired.is_empty())
    }

    /// Returns the state that a service desires of an address.
    pub(super) fn desired_by(&self, service: ServiceId, address: IpAddr) -> Option<Desired> {
        self.orders.get(&service)?.desired.get(&address).copied()
    }

    /// Returns the service of a place: the one with its name and family. At a name of none it is the
    /// first service with an order about the address.
    pub(super) fn owner(&self, (set, address): &Placement) -> Option<ServiceId> {
        if let Some(owners) = self.owners.get(&set.name) {
            let mut owners_of_family =
                owners.iter().filter(|owner| self.families.contains(&(**owner, set.family)));
            return owners_of_family.next().or(owners.first()).copied();
        }
        let named = self.orders.values().find(|order| order.desired.contains_key(address));
        named.map(|order| order.service)
    }

    /// Returns the desired state of a place.
    pub(super) fn desired(&self, place: &Placement) -> Option<Desired> {
        self.desired_by(self.owner(place)?, place.1)
    }

    /// Whether the address of a place is a standby there.
    pub(super) fn is_standby(&self, place: &Placement) -> bool {
        let order = self.owner(place).and_then(|owner| self.orders.get(&owner));
        order.is_some_and(|order| order.standbys.contains(&place.1))
    }

    /// Returns the floor of the set of a place.
    pub(super) fn floor(&self, place: &Placement) -> usize {
        let order = self.owner(place).and_then(|owner| self.orders.get(&owner));
        order.map_or(0, |order| order.floor)
    }

    /// Plans the changes that all orders require, except for those in `excluded`.
    pub(super) fn plan(&self, observed: &Observed, excluded: &BTreeSet<Placement>) -> Plan {
        let mut all = Plan::default();
        for (service, Order { desired, floor, .. }) in &self.orders {
            let Some(names) = self.names.get(service) else { continue };
            let plan = plan::plan_without(names, observed, desired, *floor, excluded);
            all.create.extend(plan.create);
            all.delete.extend(plan.delete);
            all.held.extend(plan.held);
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    #[test]
    fn what_serves_stays_in_an_order_until_its_standby_has_left() {
        let names = ServiceNames::from([(ServiceId::default(), vec!["www.example.com".into()])]);
        let desired =
            [(ip(1), Desired::Serve), (ip(2), Desired::Withdraw), (ip(9), Desired::StandBy(1))];
        let order = Order { desired: desired.into(), ..Order::default() };
        for (unfinished, want) in [
            (ip(9), vec![(ip(1), Desired::Stay), (ip(9), Desired::StandBy(1))]),
            (ip(2), vec![(ip(2), Desired::Withdraw)]),
        ] {
            let mut orders = CurrentOrders::new(names.clone());
            orders.replace([order.clone()]);
            orders.keep_unfinished(ServiceId::default(), |address| *address == unfinished);
            let left: Vec<_> = orders.iter().flat_map(|it| it.desired.clone()).collect();
            assert_eq!(left, want);
        }
    }
}
