//! The reachability between agents, targets and the provider.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// The broken connections. Everything is open until it is cut.
#[derive(Debug, Default)]
pub(super) struct Net {
    /// Cut links, from one agent to another.
    pub(super) cut: BTreeSet<(usize, usize)>,
    /// Cut links, from an agent to a target.
    pub(super) unseen: BTreeSet<(usize, IpAddr)>,
    /// Targets that an agent cannot ask.
    pub(super) faulty: BTreeSet<(usize, IpAddr)>,
    /// The wrong answers of targets to an agent, by their kind.
    pub(super) wrong: BTreeMap<(usize, IpAddr), &'static str>,
    /// Targets that answer no agent.
    pub(super) dead: BTreeSet<IpAddr>,
    /// Agents without a connection to the provider.
    pub(super) barred: BTreeSet<usize>,
    /// Whether the provider answers no agent.
    pub(super) provider_down: bool,
    /// The percentage of votes that are lost.
    pub(super) loss: usize,
    /// The percentage of writes that take effect while their answer is lost.
    pub(super) lost_answers: usize,
}

impl Net {
    /// Whether messages from `from` reach `to`.
    pub(super) fn reaches(&self, from: usize, to: usize) -> bool {
        !self.cut.contains(&(from, to))
    }

    pub(super) fn both_ways(&self, one: usize, other: usize) -> bool {
        self.reaches(one, other) && self.reaches(other, one)
    }

    pub(super) fn answers(&self, target: IpAddr, agent: usize) -> bool {
        !self.dead.contains(&target) && !self.unseen.contains(&(agent, target))
    }

    pub(super) fn provider_open(&self, agent: usize) -> bool {
        !self.provider_down && !self.barred.contains(&agent)
    }
}
