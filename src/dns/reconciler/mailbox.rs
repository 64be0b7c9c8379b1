//! The mailbox: the newest instructions to the reconciler.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use tokio::time::Instant;

use super::current_orders::{CurrentOrders, OrderNumbers};
use crate::dns::clock::now;
use crate::engine::event::Order;
use crate::engine::ids::{ServiceId, TargetRef};
use crate::engine::plan::Desired;
use crate::heart::Heart;

/// The instructions to the reconciler. A newer order replaces an older one of the same service; the
/// order's own number tells them apart.
#[derive(Debug, Clone, Default)]
pub struct Mailbox {
    /// The newest order of each service.
    orders: BTreeMap<ServiceId, PlacedOrder>,
    /// The number of requests to list the zone in advance. Each is answered by a report that the zone
    /// was listed, or could not be listed.
    listing_requests: u64,
    /// Targets that are not changed until the next order of their service, which is on its way.
    recalled: BTreeSet<TargetRef>,
    /// The heartbeat of the loop that places the orders; `None` disables the check.
    heart: Option<Arc<Heart>>,
    ending: Option<StopMode>,
}

/// An order, with the time at which it was placed.
#[derive(Debug, Clone)]
pub(super) struct PlacedOrder {
    pub(super) order: Order,
    pub(super) placed_at: Instant,
}

/// The way in which a reconciler ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum StopMode {
    /// Another reconciler takes over, so a listing in progress is worth waiting for.
    HandOver,
    /// The agent stops.
    Stop,
}

impl Mailbox {
    /// Creates a mailbox without an order, for a loop with this heartbeat.
    pub fn new(heart: Arc<Heart>) -> Self {
        Self { heart: Some(heart), ..Self::default() }
    }

    /// Places an order, which replaces the one before of the same service.
    pub fn place(&mut self, order: Order) {
        let service = order.service;
        self.recalled.retain(|target| target.service != service);
        self.orders.insert(service, PlacedOrder { order, placed_at: now() });
    }

    /// Recalls the part of the order that concerns `target`.
    pub fn recall(&mut self, target: TargetRef) {
        self.recalled.insert(target);
    }

    /// Requests a listing of the zone in advance.
    pub fn request_listing(&mut self) {
        self.listing_requests += 1;
    }

    /// Ends the reconciler after the change or the listing in progress; another one takes over.
    pub fn hand_over(&mut self) {
        self.ending = Some(StopMode::HandOver);
    }

    /// Ends the reconciler after the change in progress.
    pub fn end(&mut self) {
        self.ending = Some(StopMode::Stop);
    }

    /// Whether the reconciler is to end.
    pub fn is_ending(&self) -> bool {
        self.ending.is_some()
    }

    /// Whether the reconciler is to end and none takes over.
    pub fn is_final(&self) -> bool {
        self.ending == Some(StopMode::Stop)
    }

    /// Whether the newest order of each service is the one with this number.
    pub(super) fn holds(&self, numbers: &OrderNumbers) -> bool {
        let placed = self.orders.iter().map(|(service, placed)| (service, &placed.order.number));
        placed.eq(numbers)
    }

    /// Returns the newest order of each service.
    pub(super) fn into_orders(self) -> Vec<PlacedOrder> {
        self.orders.into_values().collect()
    }

    /// Returns the number of requests to list the zone in advance.
    pub(super) fn listing_requests(&self) -> u64 {
        self.listing_requests
    }

    /// Whether the part of the order that concerns `target` was recalled.
    pub(super) fn is_recalled(&self, target: TargetRef) -> bool {
        self.recalled.contains(&target)
    }

    /// Whether the loop that places the orders is alive.
    pub(super) fn is_sender_alive(&self) -> bool {
        self.heart.as_ref().is_none_or(|heart| heart.is_beating(now().into_std()))
    }

    /// Whether the changes that the orders in progress require of `address` may still be made, in
    /// the middle of a write: the loop is alive, has not recalled the address, and the newest orders
    /// require the same. A write in progress is finished when the agent stops, even if the loop is
    /// not alive.
    pub(super) fn permits(&self, in_progress: &CurrentOrders, address: IpAddr) -> bool {
        if self.recalled.iter().any(|target| target.address == address) {
            return false;
        }
        self.is_ending() || self.requires_same(in_progress, address) && self.is_sender_alive()
    }

    /// Whether the newest orders require the same of `address` as those in progress.
    fn requires_same(&self, in_progress: &CurrentOrders, address: IpAddr) -> bool {
        let mut services: BTreeSet<ServiceId> = self.orders.keys().copied().collect();
        services.extend(in_progress.iter().map(|order| order.service));
        services.into_iter().all(|service| {
            self.desired_by(service, address) == in_progress.desired_by(service, address)
        })
    }

    fn desired_by(&self, service: ServiceId, address: IpAddr) -> Option<Desired> {
        self.orders.get(&service)?.order.desired.get(&address).copied()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const ADDRESS: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

    /// Returns another service than the default one.
    fn other() -> ServiceId {
        ServiceId::from(1)
    }

    /// Returns a mailbox in which both services require this state of the address.
    fn placed(state: Desired) -> Mailbox {
        let mut mailbox = Mailbox::default();
        for service in [ServiceId::DEFAULT, other()] {
            mailbox.place(order(service, state));
        }
        mailbox
    }

    fn order(service: ServiceId, state: Desired) -> Order {
        Order { service, desired: [(ADDRESS, state)].into(), ..Order::default() }
    }

    /// Returns the mailbox of a loop that is stalled.
    fn stalled(mailbox: Mailbox) -> Mailbox {
        let long_ago = now().into_std().checked_sub(Duration::from_mins(1)).unwrap();
        Mailbox { heart: Some(Arc::new(Heart::new(long_ago))), ..mailbox }
    }

    /// Returns the mailbox after another instruction.
    fn after(mut mailbox: Mailbox, instruction: impl FnOnce(&mut Mailbox)) -> Mailbox {
        instruction(&mut mailbox);
        mailbox
    }

    /// Returns a mailbox in which both services require the withdrawal of the address.
    fn out() -> Mailbox {
        placed(Desired::Withdraw)
    }

    fn recall(mailbox: &mut Mailbox) {
        mailbox.recall(TargetRef { service: other(), address: ADDRESS });
    }

    #[test]
    fn a_change_is_permitted_until_it_is_recalled_or_another_state_is_desired() {
        let rows = [
            ("nothing has changed", out(), true),
            ("recalled", after(out(), recall), false),
            ("the opposite is desired", placed(Desired::Serve), false),
            (
                "one service desires the opposite",
                after(out(), |mailbox| mailbox.place(order(other(), Desired::Serve))),
                false,
            ),
            ("nothing is desired", Mailbox::default(), false),
            ("the loop is stalled", stalled(out()), false),
            ("the agent stops", after(stalled(Mailbox::default()), Mailbox::end), true),
            (
                "the agent stops, and it was recalled",
                after(after(out(), recall), Mailbox::end),
                false,
            ),
        ];
        let mut in_progress = CurrentOrders::new(BTreeMap::new());
        in_progress.replace(out().into_orders().into_iter().map(|it| it.order));
        for (name, mailbox, want) in rows {
            assert_eq!(mailbox.permits(&in_progress, ADDRESS), want, "{name}");
        }
    }

    #[test]
    fn an_order_replaces_the_one_of_its_own_service_alone() {
        let mut mailbox = placed(Desired::Withdraw);
        recall(&mut mailbox);
        let number = 7.into();
        mailbox.place(Order { number, ..order(ServiceId::DEFAULT, Desired::Serve) });
        let target = TargetRef { service: other(), address: ADDRESS };
        assert!(mailbox.is_recalled(target), "the next order of that service is still to come");
        assert!(mailbox.holds(&[(ServiceId::DEFAULT, number), (other(), 0.into())].into()));
        assert!(!mailbox.holds(&[(ServiceId::DEFAULT, number)].into()));
        mailbox.place(order(other(), Desired::Withdraw));
        assert!(!mailbox.is_recalled(target));
        let states: Vec<_> = mailbox.into_orders().into_iter().map(|it| it.order.desired).collect();
        assert_eq!(states, [Desired::Serve, Desired::Withdraw].map(|it| [(ADDRESS, it)].into()));
    }
}
