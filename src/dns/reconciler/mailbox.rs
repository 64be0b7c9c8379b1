//! The mailbox: the newest instructions to the reconciler.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use tokio::time::Instant;

use crate::dns::clock::now;
use crate::engine::event::Order;
use crate::engine::ids::OrderNumber;
use crate::heart::Heart;

/// The instructions to the reconciler. A newer order replaces an older one; the order's own number
/// tells them apart.
#[derive(Debug, Clone, Default)]
pub struct Mailbox {
    order: Order,
    /// The time at which the order was placed.
    placed_at: Option<Instant>,
    /// The number of requests to list the zone in advance. Each is answered by a report that the zone
    /// was listed, or could not be listed.
    listing_requests: u64,
    /// Addresses that are not changed until the next order, which is on its way.
    recalled: BTreeSet<IpAddr>,
    /// The heartbeat of the loop that places the orders; `None` disables the check.
    heart: Option<Arc<Heart>>,
    ending: Option<StopMode>,
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

    /// Places an order, which replaces the one before.
    pub fn place(&mut self, order: Order) {
        self.order = order;
        self.placed_at = Some(now());
        self.recalled.clear();
    }

    /// Recalls the part of the order that concerns `address`.
    pub fn recall(&mut self, address: IpAddr) {
        self.recalled.insert(address);
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

    /// Returns the number of the order; 0 if none was placed.
    pub(super) fn number(&self) -> OrderNumber {
        self.order.number
    }

    /// Returns the order with the time at which it was placed.
    pub(super) fn into_order(self) -> (Order, Option<Instant>) {
        (self.order, self.placed_at)
    }

    /// Returns the number of requests to list the zone in advance.
    pub(super) fn listing_requests(&self) -> u64 {
        self.listing_requests
    }

    /// Whether the part of the order that concerns `address` was recalled.
    pub(super) fn is_recalled(&self, address: IpAddr) -> bool {
        self.recalled.contains(&address)
    }

    /// Whether the loop that places the orders is alive.
    pub(super) fn is_sender_alive(&self) -> bool {
        self.heart.as_ref().is_none_or(|heart| heart.is_beating(now().into_std()))
    }

    /// Whether the change that `order` requires of `address` may still be made, in the middle of a
    /// write: the loop is alive, has not recalled the address, and a newer order requires the same. A
    /// write in progress is finished when the agent stops, even if the loop is not alive.
    pub(super) fn permits(&self, order: &Order, address: IpAddr) -> bool {
        if self.is_recalled(address) {
            return false;
        }
        let same = self.order.desired.get(&address) == order.desired.get(&address);
        self.is_ending() || same && self.is_sender_alive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::engine::plan::Desired;

    #[test]
    fn a_change_is_permitted_until_it_is_recalled_or_another_state_is_desired() {
        let address = IpAddr::from([192, 0, 2, 1]);
        let order = |state| Order { desired: [(address, state)].into(), ..Order::default() };
        let placed = |state| {
            let mut mailbox = Mailbox::default();
            mailbox.place(order(state));
            mailbox
        };
        let long_ago = now().into_std().checked_sub(Duration::from_mins(1)).unwrap();
        let stalled = |mut mailbox: Mailbox| {
            mailbox.heart = Some(Arc::new(Heart::new(long_ago)));
            mailbox
        };
        let recalled = |mut mailbox: Mailbox| {
            mailbox.recall(address);
            mailbox
        };
        let ended = |mut mailbox: Mailbox| {
            mailbox.end();
            mailbox
        };
        let (out, back) = (|| placed(Desired::Withdraw), || placed(Desired::Serve));
        let rows = [
            ("nothing has changed", out(), true),
            ("recalled", recalled(out()), false),
            ("the opposite is desired", back(), false),
            ("nothing is desired", Mailbox::default(), false),
            ("the loop is stalled", stalled(out()), false),
            ("the agent stops", ended(stalled(Mailbox::default())), true),
            ("the agent stops, and it was recalled", ended(recalled(out())), false),
        ];
        for (name, mailbox, want) in rows {
            assert_eq!(mailbox.permits(&order(Desired::Withdraw), address), want, "{name}");
        }
    }
}
