//! Makes record sets serve what was ordered: list, plan, apply, list again, until it is so.
//!
//! One task owns the provider, so changes never overlap. A newer order replaces an older one at
//! every step but one: a write that has left is never dropped half way. What it left behind is seen
//! to at the next reading, whichever order that serves, and at the end too.
//!
//! - `shift`: what to do next, and when to leave the provider alone
//! - `round`: one time list, plan, apply
//! - `write`: one write, what is remembered before it and known after it
//! - `groups`: one write, or several where the provider does not take it whole
//! - `apart`: what the provider will not do, kept apart from the rest
//! - `doubts`: what a write without an answer may still change, and what a reading contradicts
//! - `aftermath`: what a write leaves to be seen to
//! - `wished`: since when each wish stands

mod aftermath;
mod apart;
mod doubts;
mod groups;
mod round;
mod shift;
mod wished;
mod write;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::memory::Memory;
use super::{DnsProvider, Listing, Successor};
use crate::engine::event::{DnsReport, Order};
use crate::heart::Heart;
use aftermath::Aftermath;
use apart::Apart;
use doubts::Doubts;
use shift::{Shift, Trouble};

/// What the worker is asked for. The newest counts.
#[derive(Debug, Clone, Default)]
pub struct Desk {
    /// What the record sets should serve.
    pub order: Order,
    /// Grows with each order.
    pub number: u64,
    /// When the order was placed; if that was not noted, it counts from when it is taken up.
    pub placed: Option<Instant>,
    /// Grows with each request to read the zone in advance. Each is answered by a report that the
    /// zone was read, or could not be.
    pub readings: u64,
    /// What the engine no longer stands by of that order: nothing is done about these addresses
    /// until the next order, which is on its way.
    pub recalled: BTreeSet<IpAddr>,
    /// Whether the loop that places the orders still turns; not asked if this is not known.
    pub heart: Option<Arc<Heart>>,
    /// Stop after the change in hand.
    pub stop: bool,
    /// Another worker takes over then, so that a reading under way is worth waiting for.
    pub handed_over: bool,
}

impl Desk {
    /// Lays `order` on top.
    pub fn place(&mut self, order: Order) {
        self.order = order;
        self.number += 1;
        self.placed = Some(now());
        self.recalled.clear();
    }

    /// Takes back what is wished for `address`.
    pub fn recall(&mut self, address: IpAddr) {
        self.recalled.insert(address);
    }

    /// Has another worker take over after the change, or the reading, in hand.
    pub fn hand_over(&mut self) {
        (self.stop, self.handed_over) = (true, true);
    }

    /// Has it all end after the change in hand.
    pub fn end(&mut self) {
        (self.stop, self.handed_over) = (true, false);
    }

    /// Whether it is the end, and nobody takes over.
    pub fn is_the_end(&self) -> bool {
        self.stop && !self.handed_over
    }

    /// Whether what `order` asks for `address` may still be done, in the middle of a change: the loop
    /// turns, has not recalled the address, and asks for the same if it has placed another order. What
    /// is under way when it all ends is finished, whether the loop turns or not.
    fn stands_by(&self, order: &Order, address: IpAddr) -> bool {
        let same = self.order.wishes.get(&address) == order.wishes.get(&address);
        let asked_for = self.stop || same && self.is_looked_after();
        asked_for && !self.recalled.contains(&address)
    }

    /// Whether somebody still looks after the order.
    fn is_looked_after(&self) -> bool {
        self.heart.as_ref().is_none_or(|heart| heart.is_beating(now().into_std()))
    }
}

/// The worker: owns the provider and the memory of what was withdrawn.
#[derive(Debug)]
pub struct Worker<P, R> {
    /// Whom it asks.
    pub provider: P,
    /// The owner names that it looks after.
    pub names: Vec<String>,
    /// Where its orders lie.
    pub desk: watch::Receiver<Desk>,
    /// Where its reports go.
    pub reports: mpsc::Sender<DnsReport>,
    /// What withdrawn records carried.
    pub memory: Memory,
    /// Where the memory outlives this process.
    pub remember: R,
    /// What is known of the zone already.
    pub known: Known,
    /// Other agents change the zone too, so that it is no surprise if it is not as it was.
    pub shared: bool,
}

/// Keeps the memory where it outlives this process.
pub trait Remember: Send {
    /// Told the whole memory whenever it changes: before records are deleted, and when they are
    /// found back in the zone. In dry-run none of that has happened, so it must not be kept.
    ///
    /// The worker waits for it, and the withdrawal of a dead address with it: it must not take long.
    fn remember(&mut self, memory: &Memory) -> impl Future<Output = ()> + Send;
}

/// What a worker knows of the zone and its provider.
#[derive(Debug, Default)]
pub struct Known {
    /// The zone when it was last read, and when that was.
    pub reading: Option<(Instant, Listing)>,
    /// When the oldest order came that wants the zone read anew and that no such reading has served.
    pub(super) unserved: Option<Instant>,
    /// The last failure; the provider may have asked to be left alone for a while.
    pub(super) trouble: Option<Trouble>,
    /// What earlier writes left to be seen to.
    pub(super) aftermath: Aftermath,
    /// What is not tried for now.
    pub(super) apart: Apart,
    /// What a write without an answer may still change, and what a reading contradicts.
    pub(super) doubts: Doubts,
    /// When sets that were left out of the last reading are looked at again.
    pub(super) look_at_unfit: Option<Instant>,
    /// Names that held no address before this agent created one.
    pub(super) fresh: BTreeSet<String>,
    /// A worker has begun with it: what its memory held at the start was doubted.
    pub(super) begun: bool,
}

impl Known {
    /// The zone, read just now.
    pub fn just_read(listing: Listing) -> Self {
        let (now, mut doubts) = (now(), Doubts::default());
        doubts.read(now, &listing.observed());
        Self { reading: Some((now, listing)), doubts, ..Self::default() }
    }
}

/// What a worker leaves to the one that comes after it.
#[derive(Debug)]
pub struct Estate<P> {
    /// Whom it asked.
    pub provider: P,
    /// At which names.
    pub names: Vec<String>,
    /// What withdrawn records carried.
    pub memory: Memory,
    /// What it knew of the zone.
    pub known: Known,
}

impl<P: Successor> Estate<P> {
    /// Hands it over to a worker that asks `provider` at `names`: the memory whole, and of what is
    /// known what holds there too.
    pub fn divide(self, provider: &mut P, names: &[String]) -> (Memory, Known) {
        let mut known = self.known;
        if !provider.succeed(self.provider) {
            known = Known::default();
        } else if self.names != names {
            known = Known { trouble: known.trouble, ..Known::default() };
        }
        (self.memory, known)
    }
}

impl<P, R> Worker<P, R>
where
    P: DnsProvider,
    R: Remember,
{
    /// Works until it is told to stop or the driver is gone; hands on what it has.
    ///
    /// Told to stop, it drops a reading, finishes a write, looks once at what a write left open,
    /// and begins nothing else. If another worker takes over, it waits for the reading first, though
    /// not for long.
    pub async fn run(self) -> Estate<P> {
        Shift::new(self).run().await
    }
}

/// The time, for how old a reading is.
#[expect(clippy::disallowed_methods, reason = "how old a reading is concerns the worker alone")]
pub fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::engine::plan::Wish;

    #[test]
    fn what_is_under_way_stands_until_it_is_recalled_or_something_else_is_asked_for() {
        let address = IpAddr::from([192, 0, 2, 1]);
        let order = |wish| Order { wishes: [(address, wish)].into(), ..Order::default() };
        let placed = |wish| {
            let mut desk = Desk::default();
            desk.place(order(wish));
            desk
        };
        let still = now().into_std().checked_sub(Duration::from_mins(1)).unwrap();
        let still = |mut desk: Desk| {
            desk.heart = Some(Arc::new(Heart::new(still)));
            desk
        };
        let recalled = |mut desk: Desk| {
            desk.recall(address);
            desk
        };
        let ended = |mut desk: Desk| {
            desk.end();
            desk
        };
        let (out, back) = (|| placed(Wish::Withdraw), || placed(Wish::Serve));
        let rows = [
            ("nothing has changed", out(), true),
            ("recalled", recalled(out()), false),
            ("the contrary is asked for", back(), false),
            ("nothing is asked for", Desk::default(), false),
            ("the loop stands still", still(out()), false),
            ("it all ends", ended(still(Desk::default())), true),
            ("it all ends, and it was recalled", ended(recalled(out())), false),
        ];
        for (name, desk, want) in rows {
            assert_eq!(desk.stands_by(&order(Wish::Withdraw), address), want, "{name}");
        }
    }
}
