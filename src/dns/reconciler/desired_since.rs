//! The time since which each change has been desired, for the duration in reports.

use std::collections::BTreeMap;
use std::net::IpAddr;

use tokio::time::Instant;

use crate::engine::plan::Desired;

/// The desired states that are not confirmed. A state that persists through several orders keeps its time.
#[derive(Debug, Default)]
pub(super) struct DesiredSince {
    since: BTreeMap<IpAddr, (Desired, Instant)>,
}

impl DesiredSince {
    /// Replaces the desired states with those of an order that was placed at `placed`.
    pub(super) fn update(&mut self, desired: &BTreeMap<IpAddr, Desired>, placed: Instant) {
        let before = std::mem::take(&mut self.since);
        for (address, state) in desired {
            let since = match before.get(address) {
                Some((earlier, since)) if earlier == state => *since,
                _ => placed,
            };
            self.since.insert(*address, (*state, since));
        }
    }

    /// Returns the time since which a change of `address` has been desired.
    pub(super) fn since(&self, address: IpAddr) -> Option<Instant> {
        self.since.get(&address).map(|(_, since)| *since)
    }

    /// Forgets the states that are confirmed: all but those for which `is_open` returns true.
    pub(super) fn confirmed(&mut self, is_open: impl Fn(&IpAddr) -> bool) {
        self.since.retain(|address, _| is_open(address));
    }
}
