//! The orders to the reconciler: the one in hand, the open targets, and when the next order is
//! placed.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use crate::engine::action::Order;
use crate::engine::ids::OrderNumber;
use crate::engine::moment::Moment;
use crate::engine::plan::Desired;

/// The minimum time between two orders, so that changes that become due together are ordered
/// together.
const MIN_ORDER_GAP: Duration = Duration::from_millis(50);

/// Time after which the reconciler is asked again whether the floor still keeps an address in.
const FLOOR_RETRY: Duration = Duration::from_secs(15);

/// The orders placed with the reconciler, and the changes to be ordered next.
///
/// The desired states are not known here: the caller passes them, see [`Orders::due`].
#[derive(Debug, Default)]
pub(in crate::engine) struct Orders {
    /// The part of the last order that the reconciler has not confirmed.
    in_hand: BTreeMap<IpAddr, Desired>,
    /// The recalled part of the last order. The next order is without it.
    recalled: BTreeSet<IpAddr>,
    /// The targets with a verdict that DNS is not known to match.
    open: BTreeSet<IpAddr>,
    /// The targets with a change since the last order that may require another one.
    changed: BTreeSet<IpAddr>,
    /// The number of the last order.
    last: OrderNumber,
    /// Reports about orders up to this number concern earlier names or an earlier zone.
    void_through: OrderNumber,
    /// The number of the order that compares all verdicts with DNS, until it is confirmed.
    resync: Option<OrderNumber>,
    /// The time of the last order that was caused by changes.
    placed_at: Option<Moment>,
    /// Whether the next order must not rest on an earlier listing.
    read_again: bool,
    /// Before this time the reconciler is not asked again about the floor.
    floor_retry_at: Moment,
}

/// The time at which an order is to be placed, if one is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::engine) enum Due {
    /// No, and nothing has changed.
    Nothing,
    /// No: the changes require nothing beyond the order in hand.
    NoNews,
    /// Yes, but not before this time.
    NotBefore(Moment),
    /// Yes. Without news, only if anything is open.
    Now { news: bool },
}

impl Orders {
    /// Returns the state after the order of this number, about which nothing is known. Reports about
    /// it and about earlier ones count for nothing.
    pub(in crate::engine) fn after(last: OrderNumber) -> Self {
        Self { last, void_through: last, ..Self::default() }
    }

    /// Returns the number of the last order.
    pub(in crate::engine) fn last(&self) -> OrderNumber {
        self.last
    }

    /// Whether there are changes that may require another order.
    pub(in crate::engine) fn has_changes(&self) -> bool {
        !self.changed.is_empty() || self.read_again || !self.recalled.is_empty()
    }

    /// Records that something about a target changed.
    pub(in crate::engine) fn mark(&mut self, address: IpAddr) {
        self.changed.insert(address);
    }

    /// Records that DNS is not known to match the verdict on a target.
    pub(in crate::engine) fn open(&mut self, address: IpAddr) {
        self.open.insert(address);
    }

    /// Forgets a target that is no longer watched. An order in hand is not affected.
    pub(in crate::engine) fn forget(&mut self, address: IpAddr) {
        self.open.remove(&address);
    }

    /// Records that the reconciler has carried out the order about a target.
    pub(in crate::engine) fn confirm(&mut self, address: IpAddr) {
        self.in_hand.remove(&address);
        self.open.remove(&address);
    }

    /// Returns the targets with a verdict that DNS is not known to match.
    pub(in crate::engine) fn all_open(&self) -> impl Iterator<Item = IpAddr> + '_ {
        self.open.iter().copied()
    }

    /// Whether the reconciler has an order about a target in hand.
    pub(in crate::engine) fn has_in_hand(&self, address: IpAddr) -> bool {
        self.in_hand.contains_key(&address)
    }

    /// Whether the reconciler has this desired state of a target in hand, and it was not recalled.
    pub(in crate::engine) fn has_ordered(&self, address: IpAddr, desired: Desired) -> bool {
        self.in_hand.get(&address) == Some(&desired) && !self.recalled.contains(&address)
    }

    /// Whether the reconciler has nothing in hand.
    pub(in crate::engine) fn is_idle(&self) -> bool {
        self.in_hand.is_empty()
    }

    /// Recalls the order about a target if another state is `desired` now. Returns whether the
    /// reconciler has to be notified.
    pub(in crate::engine) fn recall(&mut self, address: IpAddr, desired: Option<Desired>) -> bool {
        let ordered = self.in_hand.get(&address);
        ordered.is_some() && ordered != desired.as_ref() && self.recalled.insert(address)
    }

    /// Requires the next order to list the zone, however recent the last listing is.
    pub(in crate::engine) fn read_again(&mut self) {
        self.read_again = true;
    }

    /// Whether the next order has to list the zone.
    pub(in crate::engine) fn must_read(&self) -> bool {
        self.read_again || self.is_resyncing()
    }

    /// Whether an order that compares all verdicts with DNS is not confirmed yet.
    pub(in crate::engine) fn is_resyncing(&self) -> bool {
        self.resync.is_some()
    }

    /// Returns whether an order is to be placed at `now`, given the state that is `desired` of each
    /// target.
    pub(in crate::engine) fn due(
        &self,
        now: Moment,
        desired: impl Fn(IpAddr) -> Option<Desired>,
    ) -> Due {
        if !self.has_changes() {
            return Due::Nothing;
        }
        let news = !self.recalled.is_empty()
            || self.changed.iter().any(|address| self.is_news(*address, desired(*address)));
        if !news && !self.read_again {
            return Due::NoNews;
        }
        match self.placed_at.map(|placed_at| placed_at + MIN_ORDER_GAP) {
            Some(next) if next > now => Due::NotBefore(next),
            _ => Due::Now { news },
        }
    }

    /// Whether the state that is `desired` of a target requires another order.
    fn is_news(&self, address: IpAddr, desired: Option<Desired>) -> bool {
        let ordered = self.in_hand.get(&address);
        let open = self.open.contains(&address) && desired.is_some();
        (open || ordered.is_some()) && ordered != desired.as_ref()
    }

    /// Forgets the changes, since they have been handled.
    pub(in crate::engine) fn clear_changes(&mut self) {
        self.changed.clear();
        self.read_again = false;
    }

    /// Records the time of an order that was caused by changes.
    pub(in crate::engine) fn set_placed_at(&mut self, now: Moment) {
        self.placed_at = Some(now);
    }

    /// Creates the next order, of the `desired` states, which replaces the last one. `resyncs`
    /// means that it compares all verdicts with DNS.
    pub(in crate::engine) fn next_order(
        &mut self,
        desired: BTreeMap<IpAddr, Desired>,
        resyncs: bool,
    ) -> Order {
        // An address that stays is only counted: nothing is ordered of it.
        let mut ordered = desired.clone();
        ordered.retain(|_, state| *state != Desired::Stay);
        self.in_hand = ordered;
        self.recalled.clear();
        self.last = self.last.next();
        self.resync = resyncs.then_some(self.last);
        Order { number: self.last, desired, ..Order::default() }
    }

    /// Records a report that the order of this `number` was carried out. Returns whether the order
    /// concerns the current names and zone.
    pub(in crate::engine) fn carried_out(&mut self, number: OrderNumber) -> bool {
        let counts = number > self.void_through;
        if counts {
            self.resync = self.resync.filter(|resync| number < *resync);
        }
        counts
    }

    /// Returns the time to check again whether the floor still keeps an address in; `None` if a
    /// check is already scheduled. There is one check at a time, or each would lead to the next one
    /// forever.
    pub(in crate::engine) fn retry_floor(&mut self, now: Moment) -> Option<Moment> {
        if self.floor_retry_at > now {
            return None;
        }
        self.floor_retry_at = now + FLOOR_RETRY;
        Some(self.floor_retry_at)
    }

    /// Returns the time of the next check of whether the floor still keeps an address in.
    pub(in crate::engine) fn floor_retry(&self) -> Option<Moment> {
        (self.floor_retry_at > Moment::START).then_some(self.floor_retry_at)
    }

    /// Requests all orders in hand again, since a new reconciler begins.
    pub(in crate::engine) fn restart(&mut self, watched: impl Iterator<Item = IpAddr>) {
        self.in_hand.clear();
        self.recalled.clear();
        self.read_again |= self.is_resyncing();
        self.changed.extend(watched);
    }

    /// Invalidates reports about earlier orders, since the targets are now published elsewhere.
    pub(in crate::engine) fn void_reports(&mut self) {
        self.void_through = self.last;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::tests::world::ip;

    fn at(seconds: u64) -> Moment {
        Moment::after_start(Duration::from_secs(seconds))
    }

    /// Returns orders in which target 1 is open and to be withdrawn.
    fn withdrawing() -> (Orders, BTreeMap<IpAddr, Desired>) {
        let mut orders = Orders::default();
        orders.open(ip(1));
        orders.mark(ip(1));
        (orders, BTreeMap::from([(ip(1), Desired::Withdraw)]))
    }

    fn due(orders: &Orders, now: Moment, desired: &BTreeMap<IpAddr, Desired>) -> Due {
        orders.due(now, |address| desired.get(&address).copied())
    }

    #[test]
    fn an_order_is_due_for_open_targets_that_are_not_in_hand() {
        let (mut orders, desired) = withdrawing();
        assert_eq!(due(&Orders::default(), at(1), &desired), Due::Nothing);
        assert_eq!(due(&orders, at(1), &BTreeMap::new()), Due::NoNews, "nothing is desired");
        assert_eq!(due(&orders, at(1), &desired), Due::Now { news: true });
        orders.next_order(desired.clone(), false);
        assert_eq!(due(&orders, at(1), &desired), Due::NoNews, "it is in hand");
        orders.clear_changes();
        assert_eq!(due(&orders, at(1), &desired), Due::Nothing);
        orders.read_again();
        assert_eq!(due(&orders, at(1), &desired), Due::Now { news: false });
    }

    #[test]
    fn two_orders_keep_a_minimum_gap_and_a_change_waits_for_it() {
        let (mut orders, desired) = withdrawing();
        orders.set_placed_at(at(1));
        assert_eq!(due(&orders, at(1), &desired), Due::NotBefore(at(1) + MIN_ORDER_GAP));
        assert_eq!(due(&orders, at(1) + MIN_ORDER_GAP, &desired), Due::Now { news: true });
    }

    #[test]
    fn an_obsolete_order_is_recalled_once_and_requires_an_order_without_it() {
        let (mut orders, desired) = withdrawing();
        assert!(!orders.recall(ip(1), None), "it was not ordered");
        orders.next_order(desired, false);
        orders.clear_changes();
        assert!(!orders.recall(ip(1), Some(Desired::Withdraw)), "it is desired");
        assert!(orders.recall(ip(1), None));
        assert!(!orders.recall(ip(1), None), "the reconciler knows");
        assert_eq!(due(&orders, at(1), &BTreeMap::new()), Due::Now { news: true });
    }

    #[test]
    fn a_resync_is_over_once_its_order_or_a_later_one_was_carried_out() {
        let mut orders = Orders::default();
        orders.next_order(BTreeMap::new(), false);
        orders.next_order(BTreeMap::new(), true);
        assert!(orders.carried_out(1.into()));
        assert!(orders.is_resyncing(), "that was the order before it");
        assert!(orders.carried_out(2.into()));
        assert!(!orders.is_resyncing());
    }

    #[test]
    fn reports_of_before_a_move_do_not_count() {
        let mut orders = Orders::default();
        let order = orders.next_order(BTreeMap::new(), false);
        orders.void_reports();
        assert!(!orders.carried_out(order.number));
        let order = orders.next_order(BTreeMap::new(), false);
        assert!(orders.carried_out(order.number));
    }

    #[test]
    fn a_new_worker_gets_the_orders_that_the_last_one_had_in_hand() {
        let (mut orders, desired) = withdrawing();
        orders.next_order(desired.clone(), false);
        orders.clear_changes();
        orders.restart([ip(1)].into_iter());
        assert!(orders.is_idle());
        assert_eq!(due(&orders, at(1), &desired), Due::Now { news: true });
    }

    #[test]
    fn the_floor_is_asked_about_every_fifteen_seconds_at_most() {
        let mut orders = Orders::default();
        assert_eq!(orders.retry_floor(at(1)), Some(at(16)));
        assert_eq!(orders.retry_floor(at(15)), None);
        assert_eq!(orders.retry_floor(at(16)), Some(at(31)));
    }
}
