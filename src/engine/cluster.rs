//! What the peers have to do with it: their votes, their lives, and this agent's own votes.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::event::{Action, Announcement, Fact, OwnVote};
use super::evidence::{own_vote, own_word};
use super::peers::AnnounceDue;
use super::quorum::{self, Agreement, Ballot};
use super::{Engine, Item, Target};

impl Engine {
    /// Whatever the event: what is in the queue is told before the tick, and the first of it must
    /// not be acted on with votes that are young by this agent's clock only.
    pub(super) fn forget_if_suspended(&mut self) {
        if self.stall.is_suspended(self.context.now) {
            self.peers.suspended(self.context.now);
        }
    }

    /// Counts the votes of the peers that the settings name.
    pub(super) fn enroll_peers(&mut self) {
        let targets: BTreeSet<IpAddr> = self.targets.keys().copied().collect();
        let peers = self.settings.cluster.iter().flat_map(|cluster| cluster.peers.iter());
        self.peers.enroll(peers.copied(), &targets, self.settings.pace.interval);
    }

    /// A peer says how it sees a target.
    pub(super) fn voted(&mut self, peer: SocketAddr, target: IpAddr, up: bool, age: Duration) {
        let Some(slot) = self.targets.get(&target).copied() else { return };
        let Some(news) = self.peers.vote(self.context.now, (peer, target), up, age) else { return };
        if news || self.target(slot).is_some_and(|target| !target.settled) {
            self.mark(slot);
        }
    }

    /// A peer has no evidence about a target any more.
    pub(super) fn abstained(&mut self, peer: SocketAddr, target: IpAddr) {
        let Some(slot) = self.targets.get(&target).copied() else { return };
        if self.peers.retract(self.context.now, peer, target) {
            self.mark(slot);
        }
    }

    /// A peer came to life, is gone, or turned out to be another kind of agent.
    pub(super) fn peer_changed(&mut self, peer: SocketAddr, alive: bool, go: bool) {
        if self.peers.set_alive(peer, alive, go) {
            self.context.report(Fact::Peer { peer, alive });
        }
        self.mark_all();
    }

    /// How this agent sees its targets. Those not yet confirmed are left out, and those that it has
    /// no evidence about; an isolated agent has none at all.
    fn votes(&self) -> BTreeMap<IpAddr, OwnVote> {
        if self.canaries.is_isolated() {
            return BTreeMap::new();
        }
        let targets = self.targets.values().filter_map(|slot| self.target(*slot));
        let vote = |target: &Target| {
            let (up, evidence) = own_vote(target)?;
            Some((target.address, OwnVote { up, evidence }))
        };
        targets.filter_map(vote).collect()
    }

    /// Tells the peers: at each change, and every few seconds how fresh the evidence is. So a loop
    /// that stands still repeats nothing.
    pub(super) fn announce(&mut self) {
        if self.settings.cluster.is_none() {
            return;
        }
        match self.peers.announce_due(self.context.now, self.targets.len()) {
            AnnounceDue::Later(None) => {}
            AnnounceDue::Later(Some(at)) => self.context.schedule.note(at, Item::Announce),
            AnnounceDue::Now(next) => {
                self.context.schedule.note(next, Item::Announce);
                let term = quorum::vote_term(self.settings.pace.interval);
                self.context.act(Action::Announce(Announcement { votes: self.votes(), term }));
            }
        }
    }

    /// What the votes on a target amount to. An agent without a cluster agrees with itself.
    pub(super) fn agreement(&self, target: &Target) -> Agreement {
        let Some(cluster) = &self.settings.cluster else {
            return Agreement::Agreed { rank: 0, agreeing: vec![] };
        };
        let (own, needed) = (own_word(target), cluster.min_peers_agree);
        self.peers.agreement(cluster.own, target.address, own, needed, self.context.now)
    }

    /// Whether enough others see the contrary that they may act on it.
    pub(super) fn is_opposed(&self, target: &Target) -> bool {
        let (Some(cluster), Some(own)) = (&self.settings.cluster, own_word(target)) else {
            return false;
        };
        let contrary =
            self.peers.votes_on(target.address, self.context.now).filter(|ballot| ballot.up != own);
        contrary.count() > cluster.min_peers_agree
    }

    /// When the agreement about a target may change without anything being heard.
    pub(super) fn agreement_lapses(&self, target: &Target) -> Option<Duration> {
        self.settings.cluster.as_ref()?;
        self.peers.next_expiry(target.address, self.context.now)
    }

    /// The votes on a target that count now.
    pub fn votes_on(&self, target: IpAddr) -> impl Iterator<Item = Ballot> + '_ {
        self.peers.votes_on(target, self.context.now)
    }
}
