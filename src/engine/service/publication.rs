//! The desired contents of DNS for a service, according to its verdicts.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::orders::Due;
use super::verdict::Ruling;
use super::{Outside, Service, Target};
use crate::engine::action::{Action, Order};
use crate::engine::context::Context;
use crate::engine::fact::Withdrawal;
use crate::engine::health::streaks::Streaks;
use crate::engine::health::{HealthTracker, TargetHealth};
use crate::engine::ids::TargetId;
use crate::engine::moment::Moment;
use crate::engine::plan::{Desired, Family};
use crate::engine::schedule::Item;
use crate::engine::types::{Verdict, WithdrawalCause};

impl Service {
    /// Returns the desired state of one target now, whether or not DNS already matches it.
    fn desired_of(
        &self,
        target: &Target,
        outside: Outside<'_>,
        context: &Context,
    ) -> Option<Desired> {
        let Ruling::Decide { verdict, .. } = self.rule(target, outside, context) else {
            return None;
        };
        let standing = &target.verdict;
        if verdict.is_in_service() != standing.is_in_service() || standing.act_at > context.now {
            return None;
        }
        Some(match verdict {
            Verdict::InService => Desired::Serve,
            // An order for an address that stays lists the zone.
            Verdict::Withdrawn(WithdrawalCause::Down)
                if self.lists_before_withdrawing(target.address, outside, context) =>
            {
                Desired::Stay
            }
            Verdict::Withdrawn(WithdrawalCause::Down | WithdrawalCause::Asked) => Desired::Withdraw,
            Verdict::Withdrawn(WithdrawalCause::Drained) => self.desired_of_drained(target.address),
            Verdict::Withdrawn(WithdrawalCause::StandingBy) => self.desired_of_standby(target),
        })
    }

    /// Returns the desired state of a drained target. A standby, or a target that waits to be put back,
    /// may have been counted when the drain was ordered, and be rejected, or gone, or unknown after a
    /// restart since: the floor holds then until it is there.
    fn desired_of_drained(&self, address: IpAddr) -> Desired {
        let is_forced = self.drains.get(address).is_some_and(|drain| drain.forced);
        if (self.has_standbys() || self.delays_returns()) && !is_forced {
            Desired::WithdrawFirst
        } else {
            Desired::WithdrawAnyway
        }
    }

    /// Returns the desired state of the target at an address now, whether or not DNS already
    /// matches it.
    pub(super) fn desired(
        &self,
        address: IpAddr,
        outside: Outside<'_>,
        context: &Context,
    ) -> Option<Desired> {
        self.desired_of(self.target(address)?, outside, context)
    }

    /// Returns the desired states that DNS is not known to match.
    fn open_desired(&self, outside: Outside<'_>, context: &Context) -> BTreeMap<IpAddr, Desired> {
        let mut desired = BTreeMap::new();
        for address in self.orders.all_open() {
            if let Some(state) = self.desired(address, outside, context) {
                desired.insert(address, state);
            }
        }
        desired
    }

    /// Whether a decision about a target has been made since this agent started, or since others
    /// may have changed its records.
    fn is_decided(&self, target: &Target) -> bool {
        self.drains.is_drained(target.address) || !target.verdict.unverified
    }

    /// Returns the desired state of every target with a decision, whether or not DNS is known to
    /// match it.
    fn decided_desired(
        &self,
        outside: Outside<'_>,
        context: &Context,
    ) -> BTreeMap<IpAddr, Desired> {
        let mut desired = BTreeMap::new();
        for target in self.targets() {
            if self.is_decided(target)
                && let Some(state) = self.desired_of(target, outside, context)
            {
                desired.insert(target.address, state);
            }
        }
        desired
    }

    /// Whether changes by other agents have to be listed before these states are ordered.
    fn must_list_first(&self, desired: &BTreeMap<IpAddr, Desired>, context: &Context) -> bool {
        let needed = context.settings.cluster.as_ref().map(|cluster| cluster.min_peers_agree);
        let mut targets = desired.keys().filter_map(|address| self.target(*address));
        targets.any(|it| it.verdict.waits_for_rank() || it.verdict.peers_may_have_acted(needed))
    }

    /// Schedules other decisions about the targets at these addresses for when their votes will
    /// have expired.
    fn schedule_next_decisions(
        &self,
        addresses: &[IpAddr],
        outside: Outside<'_>,
        context: &mut Context,
    ) {
        for id in addresses.iter().filter_map(|address| self.id(*address)) {
            self.schedule_next_decision(id, outside, context);
        }
    }

    /// Whether the floor keeps any target in DNS.
    fn is_held(&self) -> bool {
        self.targets().any(|target| !target.verdict.held.is_empty())
    }

    /// Requests another comparison with DNS for every target with a decision, limited to the given
    /// families. Returns these targets.
    pub(in crate::engine) fn compare(&mut self, families: &[Family]) -> Vec<TargetId> {
        let mut compared = Vec::new();
        for (address, id) in &self.by_address {
            if let Some(target) = self.targets.get(*id)
                && families.contains(&Family::of(*address))
                && self.is_decided(target)
            {
                compared.push(*id);
            }
        }
        for id in &compared {
            self.reopen(*id);
        }
        compared
    }

    /// Records the part of an order that the reconciler has carried out. The addresses in `held` stay
    /// in because of the floor, those in `open` do not match yet.
    pub(in crate::engine) fn confirm(
        &mut self,
        confirmation: &ConfirmedOrder,
        outside: Outside<'_>,
        context: &mut Context,
    ) {
        let ConfirmedOrder { desired, held, open } = confirmation;
        for (address, state) in desired {
            let Some(id) = self.id(*address) else { continue };
            if self.desired(*address, outside, context) != Some(*state) {
                continue;
            }
            let names = held.get(address).cloned().unwrap_or_default();
            let Some(target) = self.targets.get_mut(id) else { continue };
            target.verdict.confirmed = names.is_empty() && !open.contains(address);
            target.verdict.held = names;
            if target.verdict.confirmed {
                self.orders.confirm(*address);
            } else if open.contains(address) {
                self.orders.open(*address);
            }
            self.mark(id);
        }
        // The floor may allow more once other addresses are back.
        if !held.is_empty()
            && let Some(at) = self.orders.retry_floor(context.now)
        {
            context.schedule.add(at, Item::Held(self.id));
        }
    }

    /// Records that DNS does not match the verdict on an address any more, though it was confirmed.
    pub(in crate::engine) fn contradicted(&mut self, address: IpAddr) {
        if let Some(id) = self.id(address) {
            self.reopen(id);
            self.mark(id);
        }
    }

    /// Records that DNS is not known to match the verdict on a target any more.
    fn reopen(&mut self, id: TargetId) {
        if let Some(target) = self.targets.get_mut(id) {
            target.verdict.confirmed = false;
            self.orders.open(target.address);
        }
    }

    /// Requests another check of whether the floor still keeps an address in.
    pub(in crate::engine) fn retry_held(&mut self) {
        if self.is_held() {
            self.orders.read_again();
        }
    }

    /// Returns the desired states that DNS is not known to match; with `all`, also those that it is
    /// known to match.
    fn desired_states(
        &self,
        all: bool,
        outside: Outside<'_>,
        context: &Context,
    ) -> BTreeMap<IpAddr, Desired> {
        let mut desired = self.open_desired(outside, context);
        if all {
            desired.extend(self.decided_desired(outside, context));
        }
        if desired.values().any(|state| matches!(state, Desired::StandBy(_))) {
            for address in self.serving(outside, context) {
                desired.entry(address).or_insert(Desired::Stay);
            }
        }
        desired
    }

    /// Places an order for unconfirmed verdicts, unless the reconciler has the same order in hand.
    /// `stale` means that the last listing is too old for a zone that other agents change, too.
    pub(in crate::engine) fn place_order(
        &mut self,
        outside: Outside<'_>,
        stale: bool,
        context: &mut Context,
    ) {
        let now = context.now;
        let due = self.orders.due(now, |address| self.desired(address, outside, context));
        match due {
            Due::Nothing => {}
            Due::NoNews => self.orders.clear_changes(),
            Due::NotBefore(next) => context.schedule.add(next, Item::Order),
            Due::Now { news } => {
                // This order replaces the one of a resync, and has to do its work as well.
                let resyncs = self.orders.is_resyncing();
                let desired = self.desired_states(resyncs, outside, context);
                if news || !desired.is_empty() {
                    self.orders.set_placed_at(now);
                    let shared = context.settings.cluster.is_some();
                    let waits = self.waits_for_listing(&desired);
                    let read_again = self.orders.must_read() || shared && stale || waits;
                    self.order(desired, read_again, resyncs, context);
                }
                self.orders.clear_changes();
            }
        }
    }

    fn order(
        &mut self,
        desired: BTreeMap<IpAddr, Desired>,
        read_again: bool,
        resyncs: bool,
        context: &mut Context,
    ) {
        let read_again = read_again || self.must_list_first(&desired, context);
        let (service, floor) = (self.id, self.settings.floor);
        let standbys = self.settings.standby.tiers.keys().copied().collect();
        let order = self.orders.next_order(desired, resyncs);
        let order = Order { service, floor, standbys, read_again, ..order };
        context.act(Action::Reconcile { zone: self.zone(), order });
    }

    /// Compares DNS with all verdicts and repairs it, if a resync is due with this event.
    pub(in crate::engine) fn resync(&mut self, outside: Outside<'_>, context: &mut Context) {
        if !self.take_resync() {
            return;
        }
        self.schedule_resync(context);
        let desired = self.desired_states(true, outside, context);
        if desired.is_empty() {
            return;
        }
        let addresses: Vec<IpAddr> = desired.keys().copied().collect();
        self.order(desired, true, true, context);
        // The evidence behind the order may expire before the order is carried out.
        self.schedule_next_decisions(&addresses, outside, context);
    }

    /// Returns the evidence about an address that was withdrawn, without the names.
    pub(in crate::engine) fn withdrawal(
        &self,
        address: IpAddr,
        health: &HealthTracker,
        now: Moment,
    ) -> Withdrawal {
        let by_hand = self.drains.is_drained(address);
        let Some(target) = self.target(address) else {
            return Withdrawal { by_hand, ..Withdrawal::default() };
        };
        let its = self.health_of(target, health);
        let TargetHealth { decisive, asked, .. } = its;
        let streaks = health.get(decisive).map(|subject| &subject.streaks);
        let last_reply = streaks.and_then(Streaks::last_reply);
        Withdrawal {
            names: vec![],
            losses: streaks.map_or(0, Streaks::losses),
            silent_for: last_reply.map(|at| now.since(at)),
            by_hand,
            asked: asked && !by_hand,
            standing_by: target.verdict.is_standing_by() && !by_hand,
            agreeing: target.verdict.agreeing.clone(),
            failed: self.failed(target, &its, health),
        }
    }
}

/// The part of an order that the reconciler has carried out.
#[derive(Debug)]
pub(in crate::engine) struct ConfirmedOrder {
    /// The ordered states.
    pub(in crate::engine) desired: BTreeMap<IpAddr, Desired>,
    /// The addresses that stay in because of the floor, with the names at which they stay.
    pub(in crate::engine) held: BTreeMap<IpAddr, Vec<String>>,
    /// The addresses that do not match yet.
    pub(in crate::engine) open: BTreeSet<IpAddr>,
}
