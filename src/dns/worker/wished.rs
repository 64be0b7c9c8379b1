//! Since when each wish stands, to tell how long it took.

use std::collections::BTreeMap;
use std::net::IpAddr;

use tokio::time::Instant;

use crate::engine::plan::Wish;

/// The open wishes. One that stands through several orders keeps its time.
#[derive(Debug, Default)]
pub(super) struct Wished {
    since: BTreeMap<IpAddr, (Wish, Instant)>,
}

impl Wished {
    /// Takes up the wishes of an order that was placed at `placed`.
    pub(super) fn take_up(&mut self, wishes: &BTreeMap<IpAddr, Wish>, placed: Instant) {
        let before = std::mem::take(&mut self.since);
        let entry = |(address, wish): (&IpAddr, &Wish)| {
            let since = before.get(address).filter(|(was, _)| was == wish);
            (*address, (*wish, since.map_or(placed, |(_, since)| *since)))
        };
        self.since = wishes.iter().map(entry).collect();
    }

    /// Since when something is wished for `address`, if anything is.
    pub(super) fn since(&self, address: IpAddr) -> Option<Instant> {
        self.since.get(&address).map(|(_, since)| *since)
    }

    /// All that could be done is done, but for what `is_open`; whatever is asked for from now on
    /// begins anew.
    pub(super) fn settled(&mut self, is_open: impl Fn(&IpAddr) -> bool) {
        self.since.retain(|address, _| is_open(address));
    }
}
