//! The parts of the board that are no watched targets: canaries, peers, drains that wait.

use std::time::Duration;

use super::Board;
use crate::status::input::PeerStatus;
use crate::status::model::{Canary, Limits, WaitingDrain};

impl Board {
    /// Sets the canaries of the configuration. Those that stay keep their limits.
    pub fn set_canaries(&mut self, addresses: impl IntoIterator<Item = String>) {
        let mut canaries = Vec::new();
        for address in addresses {
            let known = self.canaries.iter().find(|known| known.address == address);
            canaries.push(Canary { limits: known.and_then(|known| known.limits), address });
        }
        self.canaries = canaries.into();
        self.is_urgent = true;
    }

    /// Like [`Self::set_limits`], for a canary.
    pub fn set_canary_limits(&mut self, address: &str, noticed_after: Option<Duration>) {
        let limits = noticed_after.map(Limits::after);
        let mut canaries = self.canaries.to_vec();
        for canary in canaries.iter_mut().filter(|canary| canary.address == address) {
            canary.limits = limits;
        }
        self.canaries = canaries.into();
        self.is_urgent = true;
    }

    /// Sets the peers of the configuration. The votes of others are removed from the metrics.
    pub fn set_peers(&mut self, peers: Vec<PeerStatus>) {
        self.counters.keep_peers(|peer| peers.iter().any(|seen| seen.address == peer));
        self.peers = peers.into();
        self.is_urgent = true;
    }

    /// Sets the drains that wait for an address or a service that is not in the configuration.
    pub fn set_waiting_drains(&mut self, drains: Vec<WaitingDrain>) {
        if *self.waiting_drains != *drains {
            self.waiting_drains = drains.into();
            self.is_urgent = true;
        }
    }
}
