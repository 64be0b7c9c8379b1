//! A service: its targets, and the verdicts on them.
//!
//! Events mark the affected targets; at the end of each event, `Service::decide` decides about all
//! marked ones. One file a concept:
//!
//! - Health: `news` its changes, `unseen` those of targets that cannot be asked, `failing` the reasons of
//!   failures, `rehearsal` a target that is treated as dead on demand.
//! - The decision: `decision` the pass, `gate` the ordered questions, `verdict` their inputs and the ruling, `target` the verdict in
//!   force.
//! - Guards with a state of their own: `alike` wrong answers that all targets give, `max_out` and `out_places`
//!   the number of targets that may be out, `drains` the targets that the operator took out.
//! - `tiers` and `standby` the addresses that are published only while too few others are, `returns` and
//!   `waits` those that come back late.
//! - `explaining` the answers of all guards about one target.
//! - `commands` the operator's commands, `publication` the desired contents of DNS, `orders` the orders to the
//!   reconciler.

mod alike;
mod commands;
mod decision;
mod drains;
mod explaining;
mod failing;
mod gate;
mod max_out;
mod news;
mod orders;
mod out_places;
mod publication;
mod rehearsal;
mod returns;
mod standby;
mod target;
mod tiers;
mod unseen;
mod verdict;
mod waits;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::context::Context;
use super::health::{HealthTracker, TargetHealth};
use super::ids::{EndpointId, OrderNumber, ServiceId, TargetId, TargetKey, TargetRef, ZoneId};
use super::moment::Moment;
use super::quorum::TargetName;
use super::schedule::Item;
use super::settings::ServiceSettings;
use super::slab::Slab;
use alike::AlikeTargets;
pub(super) use decision::{LastListing, Outside};
pub(super) use drains::Drains;
pub(super) use explaining::ServiceExplanation;
use max_out::OutTargets;
pub(super) use news::EndpointFlip;
use orders::Orders;
pub(super) use publication::ConfirmedOrder;
use rehearsal::Rehearsal;
pub use returns::ReturnView;
use returns::Returns;
pub(crate) use returns::often;
pub use standby::StandbyView;
pub(super) use target::{Endpoints, Target};
use tiers::Needs;
use waits::Enough;

/// A service: its targets, the verdicts on them, and the orders that carry the verdicts out.
#[derive(Debug)]
pub(super) struct Service {
    /// The key of this service.
    pub(super) id: ServiceId,
    /// The settings in force.
    pub(super) settings: ServiceSettings,
    /// The orders to the reconciler of the zone.
    pub(super) orders: Orders,
    targets: Slab<Target, TargetId>,
    by_address: BTreeMap<IpAddr, TargetId>,
    pub(super) drains: Drains,
    /// The rehearsals that are not over, by their targets.
    rehearsals: BTreeMap<IpAddr, Rehearsal>,
    /// The targets that stay in service since all fail alike.
    alike: AlikeTargets,
    /// Whether the standbys of each tier are needed.
    needs: Needs,
    /// The targets that are out for their health, or are to go.
    out: OutTargets,
    /// The ways back of the targets that were withdrawn.
    returns: Returns,
    /// The addresses for which targets that are up can wait.
    enough: Enough,
    /// The targets with a change that the gate has to look at.
    dirty: BTreeSet<TargetId>,
    /// The time at which all verdicts are compared with the zone next, if ever.
    next_resync: Option<Moment>,
    /// Whether a resync is due with the current event.
    resync_due: bool,
}

impl Service {
    /// Creates a service without targets.
    pub(super) fn new(id: ServiceId, settings: ServiceSettings) -> Self {
        Self {
            id,
            settings,
            orders: Orders::default(),
            targets: Slab::default(),
            by_address: BTreeMap::new(),
            drains: Drains::default(),
            rehearsals: BTreeMap::new(),
            alike: AlikeTargets::default(),
            needs: Needs::default(),
            out: OutTargets::default(),
            returns: Returns::default(),
            enough: Enough::default(),
            dirty: BTreeSet::new(),
            next_resync: None,
            resync_due: false,
        }
    }

    /// Creates a service without targets that may have been there before, with its drains and the
    /// number of its last order.
    pub(super) fn again(
        id: ServiceId,
        settings: ServiceSettings,
        drains: Drains,
        last_order: OrderNumber,
    ) -> Self {
        Self { drains, orders: Orders::after(last_order), ..Self::new(id, settings) }
    }

    /// Returns the zone where the targets are published.
    pub(super) fn zone(&self) -> ZoneId {
        self.settings.zone
    }

    /// Returns the key of a target for the other parts of the engine.
    pub(super) fn key(&self, target: TargetId) -> TargetKey {
        TargetKey { service: self.id, target }
    }

    /// Returns the name of the target at an address.
    pub(super) fn target_ref(&self, address: IpAddr) -> TargetRef {
        TargetRef { service: self.id, address }
    }

    /// Returns the name by which all agents know the target at an address.
    pub(super) fn target_name(&self, address: IpAddr) -> TargetName<'_> {
        let named = self.id != ServiceId::DEFAULT;
        TargetName { service: named.then_some(self.settings.name.as_str()), address }
    }

    /// Schedules the next resync, and cancels any earlier one.
    pub(super) fn schedule_resync(&mut self, context: &mut Context) {
        self.next_resync = self.settings.resync_interval.map(|interval| context.now + interval);
        if let Some(next) = self.next_resync {
            context.schedule.add(next, Item::Resync(self.id));
        }
    }

    /// Makes the pass of this event compare all verdicts, if a resync is due.
    pub(super) fn begin_resync(&mut self, now: Moment) {
        self.resync_due = self.next_resync.is_some_and(|next| next <= now);
    }

    /// Returns whether a resync was due with this event, and clears that.
    pub(super) fn take_resync(&mut self) -> bool {
        std::mem::take(&mut self.resync_due)
    }

    /// Reserves room for `count` targets in all.
    pub(super) fn reserve(&mut self, count: usize) {
        self.targets.reserve(count);
    }

    /// Adds a target that depends on `endpoints`. Returns its key.
    pub(super) fn add(&mut self, address: IpAddr, endpoints: Endpoints, now: Moment) -> TargetKey {
        let target = match self.settings.standby.tier(address) {
            0 => Target::new(address, endpoints, now),
            _ => Target::standing_by(address, endpoints, now),
        };
        let id = self.targets.insert(target);
        self.by_address.insert(address, id);
        self.key(id)
    }

    /// Makes a target depend on other endpoints.
    pub(super) fn set_endpoints(&mut self, id: TargetId, endpoints: Endpoints) {
        if let Some(target) = self.targets.get_mut(id) {
            target.endpoints = endpoints;
        }
    }

    /// Makes a target depend on another endpoint in the place of one of its own.
    pub(super) fn replace_endpoint(&mut self, id: TargetId, before: EndpointId, after: EndpointId) {
        if let Some(target) = self.targets.get_mut(id) {
            target.endpoints.replace(before, after);
        }
    }

    /// Iterates over the endpoints of a target with results that count, each with the place of its check.
    pub(super) fn counted(&self, target: &Target) -> impl Iterator<Item = (usize, EndpointId)> {
        let checks = self.settings.checks.iter().zip(target.endpoints.iter()).enumerate();
        checks.filter(|(_, (check, _))| check.counts).map(|(place, (_, id))| (place, id))
    }

    /// Returns the earliest time at which a probe of one of several checks was judged last.
    pub(super) fn judged(&self, target: &Target, health: &HealthTracker) -> Option<Moment> {
        if self.settings.checks.len() <= 1 {
            return None;
        }
        let subjects = self.counted(target).filter_map(|(_, id)| health.get(id));
        subjects.map(|subject| subject.evidence.judged).min()
    }

    /// Returns the health of a target, from its checks that count.
    pub(super) fn health_of(&self, target: &Target, health: &HealthTracker) -> TargetHealth {
        let first = target.endpoints.first();
        let checks = &self.settings.checks;
        if checks.len() <= 1 {
            return health.single(first);
        }
        let counted = self.counted(target).map(|(_, id)| id);
        let combined = health.combined(counted, self.settings.require.get());
        combined.unwrap_or(TargetHealth::unwatched(first))
    }

    /// Removes the targets that are not among `keep`, and returns their keys and endpoints, in the
    /// order of the addresses. Their drains are parked.
    pub(super) fn retain(&mut self, keep: &BTreeSet<IpAddr>) -> Vec<(TargetKey, EndpointId)> {
        let gone = self.by_address.extract_if(.., |address, _| !keep.contains(address));
        let gone: Vec<TargetId> = gone.map(|(_, id)| id).collect();
        let mut endpoints = vec![];
        for id in gone {
            self.dirty.remove(&id);
            self.forget_alike(id);
            let Some(target) = self.targets.remove(id) else { continue };
            self.drains.unwatch(target.address);
            self.orders.forget(target.address);
            self.returns.forget(target.address);
            endpoints.extend(target.endpoints.iter().map(|endpoint| (self.key(id), endpoint)));
        }
        endpoints
    }

    /// Returns the id of the target at an address.
    pub(super) fn id(&self, address: IpAddr) -> Option<TargetId> {
        self.by_address.get(&address).copied()
    }

    /// Returns a target by its id.
    pub(super) fn get(&self, id: TargetId) -> Option<&Target> {
        self.targets.get(id)
    }

    /// Returns a target by its address.
    pub(super) fn target(&self, address: IpAddr) -> Option<&Target> {
        self.targets.get(self.id(address)?)
    }

    /// Iterates over all targets, in the order of their addresses.
    pub(super) fn targets(&self) -> impl Iterator<Item = &Target> {
        self.by_address.values().filter_map(|id| self.targets.get(*id))
    }

    /// Marks a target for the decision pass.
    pub(super) fn mark(&mut self, id: TargetId) {
        self.dirty.insert(id);
    }

    /// Marks every target for the decision pass.
    pub(super) fn mark_all(&mut self) {
        self.dirty.extend(self.by_address.values());
    }

    /// Whether a decision pass would do anything.
    pub(super) fn has_work(&self) -> bool {
        !self.dirty.is_empty()
            || self.compares_answers()
            || self.resync_due
            || self.orders.has_changes()
    }
}
