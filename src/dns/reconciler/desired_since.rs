//! The time since which each change has been desired, for the duration in reports.

use std::collections::BTreeMap;
use std::net::IpAddr;

use tokio::time::Instant;

use crate::engine::ids::{ServiceId, TargetRef};
use crate::engine::plan::Desired;

/// The desired states that are not confirmed, by service. A state that persists through several orders
/// keeps its time.
#[derive(Debug, Default)]
pub(super) struct DesiredSince {
    since: BTreeMap<ServiceId, BTreeMap<IpAddr, (Desired, Instant)>>,
}

impl DesiredSince {
    /// Replaces the desired states of a service with those of its order that was placed at `placed`.
    pub(super) fn update(
        &mut self,
        service: ServiceId,
        desired: &BTreeMap<IpAddr, Desired>,
        placed: Instant,
    ) {
        let states = self.since.entry(service).or_default();
        let before = std::mem::take(states);
        for (address, state) in desired {
            let since = match before.get(address) {
                Some((earlier, since)) if earlier == state => *since,
                _ => placed,
            };
            states.insert(*address, (*state, since));
        }
    }

    /// Returns the time since which a change of `target` has been desired.
    pub(super) fn since(&self, target: TargetRef) -> Option<Instant> {
        self.since.get(&target.service)?.get(&target.address).map(|(_, since)| *since)
    }

    /// Forgets the states that are confirmed: all but those for which `is_open` returns true.
    pub(super) fn confirmed(&mut self, is_open: impl Fn(TargetRef) -> bool) {
        for (service, states) in &mut self.since {
            states.retain(|address, _| is_open(TargetRef { service: *service, address: *address }));
        }
    }
}
