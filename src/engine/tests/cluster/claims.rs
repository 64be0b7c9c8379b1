//! The invariants of every schedule.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use super::agent::Agent;
use super::world::World;
use crate::engine::Engine;
use crate::engine::event::{Fact, Order};
use crate::engine::plan::Desired;
use crate::engine::types::Health;

/// Time after a change of an agent's vote during which its earlier votes may still count somewhere:
/// a vote's term, and its time in transit.
const VOTE_CHANGE_GRACE: Duration = Duration::from_secs(40);

/// Grace period before a missing quorum is reported.
const QUORUM_GRACE: Duration = Duration::from_secs(5);

impl World {
    pub(super) fn breaks(&mut self, claim: &str) {
        self.note(|| format!("BROKEN: {claim}"));
        self.broken.push(format!("at {:.3} s: {claim}", self.now.as_secs_f64()));
    }

    /// Checks that an order rests on its agent's own evidence and received votes, and that no two
    /// orders contradict each other.
    pub(super) fn check_order(&mut self, agent: usize, order: &Order) {
        for (address, state) in &order.desired {
            // These rest on the health of other addresses.
            if matches!(state, Desired::StandBy(_) | Desired::Stay) {
                continue;
            }
            let up = *state == Desired::Serve;
            if let Some(why) = self.agents[agent].objection(*address, up, self.now) {
                self.breaks(&format!("{agent} orders {state:?} {address}, but {why}"));
            }
            self.check_opposite(agent, *address, up);
        }
    }

    fn check_opposite(&mut self, agent: usize, address: IpAddr, up: bool) {
        let agents = self.agents.len();
        let needed = self.agents.iter().map(Agent::needed).min().unwrap_or_default();
        let is_agreed = self.now > self.mind_changed + VOTE_CHANGE_GRACE;
        if 2 * (needed + 1) <= agents || !is_agreed {
            return;
        }
        let opposite = if up { Desired::Withdraw } else { Desired::Serve };
        for other in (0..agents).filter(|other| *other != agent) {
            let other_one = &self.agents[other];
            if other_one.runs() && other_one.standing.get(&address) == Some(&opposite) {
                self.breaks(&format!("{agent} and {other} want both directions of {address}"));
            }
        }
    }

    /// Checks a write when it is sent: its basis must hold at that moment.
    pub(super) fn check_write(&mut self, agent: usize, create: &[IpAddr], delete: &[IpAddr]) {
        for address in delete {
            if matches!(self.desired(agent, *address), Some(Desired::StandBy(_))) {
                continue;
            }
            if self.desired(agent, *address) != Some(Desired::Withdraw) {
                self.breaks(&format!(
                    "{agent} withdraws {address} on an order that was called back"
                ));
            }
            if let Some(why) = self.agents[agent].objection(*address, false, self.now) {
                self.breaks(&format!("{agent} withdraws {address}, but {why}"));
            }
        }
        // A restoration for the floor requires no agreement.
        for address in create {
            if self.desired(agent, *address) != Some(Desired::Serve) {
                continue;
            }
            if let Some(why) = self.agents[agent].objection(*address, true, self.now) {
                self.breaks(&format!("{agent} restores {address}, but {why}"));
            }
        }
    }

    /// Checks that every status has a reason for a change that a target's health calls for and that
    /// is not made.
    pub(super) fn check_reasons(&mut self) {
        let mut silent = vec![];
        for (number, agent) in self.agents.iter().enumerate().filter(|(_, agent)| agent.runs()) {
            let naming = self.naming(number);
            let views = agent.engine.iter().flat_map(Engine::targets);
            for view in views.map(|view| naming.outer_view(view)).filter(|view| view.proven) {
                let asks = match view.health {
                    Health::AssumedUp => view.in_service,
                    Health::Up => true,
                    Health::Down => false,
                };
                let mut since = view.since.since_start();
                for (at, fact) in &agent.facts {
                    if matches!(fact, Fact::RefusalOver { target, .. } if *target == view.address) {
                        since = since.max(*at);
                    }
                }
                // Without evidence it asks for no agreement, so it has waited for its peers only
                // since it had a vote.
                let asked = agent.votes_since.get(&view.address).copied();
                let since = asked.map_or(since, |asked| since.max(asked));
                let long = self.now > since + QUORUM_GRACE;
                if asks != view.in_service && view.reason.is_none() && long {
                    silent.push(format!("{number} does not say why nothing is done: {view:?}"));
                }
            }
        }
        for claim in silent {
            self.breaks(&claim);
        }
    }

    /// Checks that no record is changed back and forth: each change follows from an agent's change
    /// of vote.
    pub(super) fn check_writes(&mut self) {
        let mut changes: BTreeMap<IpAddr, usize> = BTreeMap::new();
        for address in self.changed() {
            *changes.entry(address).or_default() += 1;
        }
        for (address, changes) in changes {
            let facts = self.agents.iter().flat_map(|agent| &agent.facts);
            let minds = facts.filter(
                |(_, fact)| matches!(fact, Fact::Flipped { target, .. } if *target == address),
            );
            let minds = minds.count();
            if changes > minds {
                self.breaks(&format!("{changes} changes of {address}, {minds} changes of mind"));
            }
        }
    }

    /// Returns the targets with the wrong state in DNS once every link is open: dead ones must be
    /// out unless the floor holds them, living ones in.
    pub(super) fn wrong(&self) -> Vec<String> {
        (0..self.services()).flat_map(|service| self.wrong_in(service)).collect()
    }

    /// Returns the same for the service with this number.
    fn wrong_in(&self, service: usize) -> Vec<String> {
        let settings: Vec<_> =
            self.agents.iter().filter_map(|agent| agent.settings.service(service.into())).collect();
        let floor = settings.iter().map(|its| its.floor).max().unwrap_or_default();
        let targets: BTreeSet<IpAddr> =
            settings.iter().flat_map(|its| its.targets.to_vec()).collect();
        let left = self.zone_of(service).len();
        let mut wrong = vec![];
        for target in &targets {
            match (self.net.dead.contains(target), self.is_published(*target)) {
                (true, true) if left > floor => {
                    wrong.push(format!("{target} is dead and in"));
                }
                (false, false) => wrong.push(format!("{target} lives and is out")),
                _ => {}
            }
        }
        if left < floor.min(targets.len()) {
            wrong.push(format!("{left} left, the floor is {floor}"));
        }
        wrong
    }
}
