//! The desired contents of DNS for a service, according to its verdicts.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::verdict::Ruling;
use super::{Outside, Service, Target};
use crate::engine::context::Context;
use crate::engine::fact::Withdrawal;
use crate::engine::ids::TargetId;
use crate::engine::plan::{Desired, Family, SetKey};
use crate::engine::types::{Verdict, WithdrawalCause};
use crate::engine::zone::orders::Orders;

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
            Verdict::Withdrawn(WithdrawalCause::Down) => Desired::Withdraw,
            Verdict::Withdrawn(WithdrawalCause::Drained) => Desired::WithdrawAnyway,
        })
    }

    /// Returns the desired state of the target at an address now, whether or not DNS already
    /// matches it.
    pub(in crate::engine) fn desired(
        &self,
        address: IpAddr,
        outside: Outside<'_>,
        context: &Context,
    ) -> Option<Desired> {
        self.desired_of(self.target(address)?, outside, context)
    }

    /// Returns the desired states that DNS is not known to match.
    pub(in crate::engine) fn open_desired(
        &self,
        outside: Outside<'_>,
        orders: &Orders,
        context: &Context,
    ) -> BTreeMap<IpAddr, Desired> {
        let state = |address| Some((address, self.desired(address, outside, context)?));
        orders.all_open().filter_map(state).collect()
    }

    /// Whether a decision about a target has been made since this agent started, or since others
    /// may have changed its records.
    fn is_decided(&self, target: &Target) -> bool {
        self.drains.is_drained(target.address) || !target.verdict.unverified
    }

    /// Returns the desired state of every target with a decision, whether or not DNS is known to
    /// match it.
    pub(in crate::engine) fn decided_desired(
        &self,
        outside: Outside<'_>,
        context: &Context,
    ) -> BTreeMap<IpAddr, Desired> {
        let decided = self.targets().filter(|target| self.is_decided(target));
        let state =
            |target: &Target| Some((target.address, self.desired_of(target, outside, context)?));
        decided.filter_map(state).collect()
    }

    /// Whether changes by other agents have to be listed before these states are ordered.
    pub(in crate::engine) fn must_list_first(
        &self,
        desired: &BTreeMap<IpAddr, Desired>,
        context: &Context,
    ) -> bool {
        let needed = context.settings.cluster.as_ref().map(|cluster| cluster.min_peers_agree);
        let mut targets = desired.keys().filter_map(|address| self.target(*address));
        targets.any(|it| it.verdict.waits_for_rank() || it.verdict.peers_may_have_acted(needed))
    }

    /// Schedules other decisions about the targets at these addresses for when their votes will
    /// have expired.
    pub(in crate::engine) fn schedule_next_decisions(
        &self,
        addresses: &[IpAddr],
        outside: Outside<'_>,
        orders: &Orders,
        context: &mut Context,
    ) {
        for id in addresses.iter().filter_map(|address| self.id(*address)) {
            self.schedule_next_decision(id, outside, orders, context);
        }
    }

    /// Whether the floor keeps any target in DNS.
    pub(in crate::engine) fn is_held(&self) -> bool {
        self.targets().any(|target| !target.verdict.held.is_empty())
    }

    /// Requests another comparison with DNS for every target with a decision, limited to the given
    /// families. Returns these targets.
    pub(in crate::engine) fn compare(
        &mut self,
        families: &[Family],
        orders: &mut Orders,
    ) -> Vec<TargetId> {
        let decided = |(address, id): (&IpAddr, &TargetId)| {
            let target = self.targets.get(*id)?;
            let affected = families.contains(&Family::of(*address)) && self.is_decided(target);
            affected.then_some((*address, *id))
        };
        let affected: Vec<_> = self.by_address.iter().filter_map(decided).collect();
        for (address, id) in &affected {
            if let Some(target) = self.targets.get_mut(*id) {
                target.verdict.confirmed = false;
                orders.open(*address);
            }
        }
        affected.into_iter().map(|(_, id)| id).collect()
    }

    /// Records the part of an order that the worker has carried out. The addresses in `held` stay
    /// in because of the floor, those in `open` do not match yet.
    pub(in crate::engine) fn confirm(
        &mut self,
        (desired, held, open): Carried<'_>,
        outside: Outside<'_>,
        orders: &mut Orders,
        context: &Context,
    ) {
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
                orders.confirm(*address);
            } else if open.contains(address) {
                orders.open(*address);
            }
            self.mark(id);
        }
    }

    /// Groups the withdrawn records by address, with the evidence to report.
    pub(in crate::engine) fn withdrawals(
        &self,
        withdrawn: Vec<(SetKey, IpAddr)>,
        context: &Context,
    ) -> BTreeMap<IpAddr, Withdrawal> {
        let mut withdrawals: BTreeMap<IpAddr, Withdrawal> = BTreeMap::new();
        for (key, address) in withdrawn {
            let withdrawal =
                withdrawals.entry(address).or_insert_with(|| self.withdrawal(address, context));
            withdrawal.names.push(key.name);
        }
        withdrawals
    }

    fn withdrawal(&self, address: IpAddr, context: &Context) -> Withdrawal {
        let by_hand = self.drains.is_drained(address);
        let Some(target) = self.target(address) else {
            return Withdrawal { by_hand, ..Withdrawal::default() };
        };
        let last_reply = target.streaks.last_reply();
        Withdrawal {
            names: vec![],
            losses: target.streaks.losses(),
            silent_for: last_reply.map(|at| context.now.since(at)),
            by_hand,
            agreeing: target.verdict.agreeing.clone(),
        }
    }
}

/// A carried-out order: its desired states, the addresses that the floor holds in with the names at
/// which it does, and the addresses that do not match yet.
pub(in crate::engine) type Carried<'a> =
    (&'a BTreeMap<IpAddr, Desired>, &'a BTreeMap<IpAddr, Vec<String>>, &'a BTreeSet<IpAddr>);
