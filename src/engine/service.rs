//! A service: its targets, their health, and the verdicts on them.
//!
//! Events mark the affected targets; at the end of each event, `Service::decide` decides about
//! all marked ones. One file a concept: `observations` which judged probes count, [`health`]
//! replies and losses in a row, [`evidence`] the maximum age of observations, `flips` when health
//! changes, `decision` the pass, `verdict` the gate with its ordered questions, `target` the verdict
//! in force, `drains` the targets that the operator took out, `commands` the
//! operator's commands, `rehearsal` a target that is treated
//! as dead on demand, `publication` the desired contents of DNS, `orders` the orders to the
//! reconciler.

mod commands;
mod decision;
mod drains;
pub(super) mod evidence;
mod flips;
mod health;
mod observations;
mod orders;
mod publication;
mod rehearsal;
mod target;
mod verdict;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::context::Context;
use super::fact::{Fact, RehearsalStage};
use super::ids::{EndpointId, ServiceId, TargetId, TargetKey, TargetRef, ZoneId};
use super::moment::Moment;
use super::quorum::TargetName;
use super::schedule::Item;
use super::settings::ServiceSettings;
use super::slab::Slab;
pub(super) use decision::Outside;
use drains::Drains;
pub(super) use flips::Conclusion;
use orders::Orders;
pub(super) use publication::ConfirmedOrder;
use rehearsal::Rehearsal;
pub(super) use target::Target;

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
    rehearsal: Option<Rehearsal>,
    /// The targets with a change that the gate has to look at.
    dirty: BTreeSet<TargetId>,
    /// The targets with a complete run of losses that no canary has confirmed yet.
    unproven: BTreeSet<TargetId>,
    /// The time at which the age of evidence is checked next.
    next_sweep: Option<Moment>,
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
            rehearsal: None,
            dirty: BTreeSet::new(),
            unproven: BTreeSet::new(),
            next_sweep: None,
            next_resync: None,
            resync_due: false,
        }
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

    /// Returns the id of the target that is added next.
    pub(super) fn next_target(&self) -> TargetId {
        self.targets.next_key()
    }

    /// Adds a target that is watched at `endpoint`.
    pub(super) fn add(&mut self, address: IpAddr, endpoint: EndpointId, now: Moment) {
        let id = self.targets.insert(Target::new(address, endpoint, now));
        self.by_address.insert(address, id);
    }

    /// Removes the targets that are not among `keep`, and returns them. Their drains are parked.
    pub(super) fn retain(&mut self, keep: &BTreeSet<IpAddr>) -> Vec<Target> {
        let gone = self.by_address.extract_if(.., |address, _| !keep.contains(address));
        let gone: Vec<TargetId> = gone.map(|(_, id)| id).collect();
        let mut targets = vec![];
        for id in gone {
            self.dirty.remove(&id);
            self.unproven.remove(&id);
            targets.extend(self.targets.remove(id));
        }
        for target in &targets {
            self.drains.unwatch(target.address);
            self.orders.forget(target.address);
        }
        targets
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

    /// Returns the ids of all targets, in the order of their addresses.
    pub(super) fn ids(&self) -> Vec<TargetId> {
        self.by_address.values().copied().collect()
    }

    /// Marks a target for the decision pass.
    pub(super) fn mark(&mut self, id: TargetId) {
        self.dirty.insert(id);
    }

    /// Marks every target for the decision pass.
    pub(super) fn mark_all(&mut self) {
        self.dirty.extend(self.by_address.values());
    }

    /// Prepares the rehearsal of a target's death.
    pub(super) fn rehearse(&mut self, target: IpAddr) {
        self.rehearsal = Some(Rehearsal::new(target));
    }

    /// Starts treating the rehearsed target as dead.
    pub(super) fn begin_rehearsal(&mut self, context: &mut Context) {
        if let Some(rehearsal) = &mut self.rehearsal
            && rehearsal.begin()
        {
            let target = rehearsal.target();
            context.report(Fact::Rehearsal {
                service: self.id,
                target,
                stage: RehearsalStage::Dead,
            });
        }
    }

    /// Returns the endpoint with replies that a rehearsal ignores, if there is one.
    pub(super) fn rehearsed_dead(&self) -> Option<EndpointId> {
        let rehearsal = self.rehearsal.as_ref().filter(|rehearsal| rehearsal.ignores_replies())?;
        Some(self.target(rehearsal.target())?.endpoint)
    }

    /// Advances the rehearsal after the target flipped or DNS followed.
    fn advance_rehearsal(&mut self, id: TargetId, context: &mut Context) {
        let Some(target) = self.targets.get(id) else { return };
        let (address, health) = (target.address, target.streaks.health());
        let confirmed = target.verdict.confirmed;
        let rehearsal = self.rehearsal.as_mut().filter(|rehearsal| rehearsal.target() == address);
        if let Some(stage) = rehearsal.and_then(|rehearsal| rehearsal.advance(health, confirmed)) {
            context.report(Fact::Rehearsal { service: self.id, target: address, stage });
        }
    }
}
