//! An event loop that has ended.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::Recorded;
use super::memory_zone::MemoryZone;
use crate::agent::input::Input;
use crate::engine::event::Fact;
use crate::engine::ids::ZoneId;
use crate::engine::types::Health;
use crate::engine::{Engine, Moment};

/// An event loop that has ended.
pub(in super::super) struct Ended {
    pub(super) engine: Engine,
    /// The inputs that came with the request to stop, behind it.
    pub(in super::super) unhandled: Vec<Input>,
    pub(super) at: Moment,
    pub(super) zones: BTreeMap<ZoneId, MemoryZone>,
    pub(super) recorded: Arc<Mutex<Recorded>>,
}

impl Ended {
    pub(in super::super) fn engine(&self) -> &Engine {
        &self.engine
    }

    pub(in super::super) fn ended_at(&self) -> Moment {
        self.at
    }

    /// Returns the addresses in a zone.
    pub(in super::super) fn published(&self, zone: ZoneId) -> Vec<IpAddr> {
        self.zones[&zone].addresses()
    }

    pub(in super::super) fn health(&self, address: IpAddr) -> Health {
        self.engine.targets().find(|target| target.address == address).unwrap().health
    }

    pub(in super::super) fn facts(&self) -> Vec<Fact> {
        self.recorded.lock().unwrap().facts.clone()
    }

    pub(in super::super) fn loads(&self) -> usize {
        self.recorded.lock().unwrap().loads
    }

    pub(in super::super) fn refused_reloads(&self) -> usize {
        self.recorded.lock().unwrap().refused_reloads
    }

    /// Returns how often the loop found itself late.
    pub(in super::super) fn stalls(&self) -> usize {
        self.facts().iter().filter(|fact| matches!(fact, Fact::Stalled { .. })).count()
    }

    /// Returns the longest time between two iterations.
    pub(in super::super) fn longest_pause(&self) -> Duration {
        self.recorded.lock().unwrap().longest_pause
    }
}
