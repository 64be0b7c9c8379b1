//! Who can reach whom.

use std::collections::BTreeSet;
use std::net::IpAddr;

/// Everything is open until it is cut.
#[derive(Debug, Default)]
pub(super) struct Net {
    /// From one agent to another.
    pub(super) cut: BTreeSet<(usize, usize)>,
    /// From an agent to a target.
    pub(super) unseen: BTreeSet<(usize, IpAddr)>,
    /// Targets that an agent cannot ask.
    pub(super) faulty: BTreeSet<(usize, IpAddr)>,
    /// Targets that answer nobody.
    pub(super) dead: BTreeSet<IpAddr>,
    /// Agents without a way to the provider.
    pub(super) barred: BTreeSet<usize>,
    /// The provider answers nobody.
    pub(super) provider_down: bool,
    /// Of a hundred votes so many are lost.
    pub(super) loss: usize,
    /// Of a hundred writes so many take effect and their answer is lost.
    pub(super) lost_answers: usize,
}

impl Net {
    /// Whether what `from` sends reaches `to`.
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
