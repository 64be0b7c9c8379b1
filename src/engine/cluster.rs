//! The exchange with peers: their votes, their liveness, and this agent's own votes.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use super::Engine;
use super::action::{Action, Announcement};
use super::fact::{Fact, Reason};
use super::ids::{ServiceId, TargetRef};
use super::journal::Noted;
use super::peers::AnnounceDue;
use super::quorum::{self, Ballot, PeerVote, rank};
use super::schedule::Item;
use super::types::{Health, PeerState, Vote};

/// The most targets that are looked at to learn whether a peer sees them as this agent does.
const MOST_COMPARED: usize = 1_000;

impl Engine {
    /// Discards the peers' votes if the process was suspended. This happens on every event: queued
    /// events are handled before the tick, and the first of them must not be acted on with votes
    /// that are fresh by this agent's clock only.
    pub(super) fn forget_if_suspended(&mut self) {
        if self.stall.is_suspended(self.context.now) {
            self.context.note(Noted::Suspended);
            self.peers.suspended(self.context.now);
        }
    }

    /// Registers the peers that the settings name as voters.
    pub(super) fn enroll_peers(&mut self) {
        let settings = &self.context.settings;
        let (mut targets, mut terms) = (BTreeSet::new(), BTreeMap::new());
        for (service, its) in settings.services() {
            terms.insert(service, quorum::vote_term(its.longest_interval()));
            targets.extend(its.targets.iter().map(|&address| TargetRef { service, address }));
        }
        let peers = settings.cluster.iter().flat_map(|cluster| cluster.peers.iter());
        self.peers.enroll(peers.copied(), &targets, terms);
    }

    /// Records the vote of a peer on a target.
    pub(super) fn voted(&mut self, received: PeerVote) {
        let TargetRef { service, address } = received.target;
        let Some(service) = self.services.get_mut(service) else { return };
        let Some(id) = service.id(address) else { return };
        let Some(news) = self.peers.vote(self.context.now, received) else { return };
        if news || service.get(id).is_some_and(|target| !target.verdict.confirmed) {
            service.mark(id);
        }
    }

    /// Retracts the vote of a peer that no longer has evidence about a target.
    pub(super) fn abstained(&mut self, peer: SocketAddr, target: TargetRef) {
        let Some(service) = self.services.get_mut(target.service) else { return };
        let Some(id) = service.id(target.address) else { return };
        if self.peers.retract(self.context.now, peer, target) {
            service.mark(id);
        }
    }

    /// Records that a peer came to life, is gone, or turned out to be another kind of agent.
    pub(super) fn peer_changed(&mut self, peer: SocketAddr, state: PeerState) {
        if self.peers.set_state(peer, state) {
            self.context.report(Fact::Peer { peer, alive: state.is_alive() });
        }
        self.mark_all();
    }

    /// Announces this agent's votes: at each change, and every few seconds to renew the age of the
    /// evidence. An event loop that hangs therefore repeats nothing.
    pub(super) fn announce(&mut self) {
        if self.context.settings.cluster.is_none() {
            return;
        }
        let targets = self.services.target_count();
        match self.peers.announce_due(self.context.now, targets) {
            AnnounceDue::Later(None) => {}
            AnnounceDue::Later(Some(at)) => self.context.schedule.add(at, Item::Announce),
            AnnounceDue::Now(next) => {
                self.context.schedule.add(next, Item::Announce);
                let isolated = self.canaries.is_isolated();
                for service in self.services.iter() {
                    // An isolated agent has no votes at all.
                    let votes =
                        if isolated { BTreeMap::new() } else { service.votes(&self.health) };
                    let term = quorum::vote_term(service.settings.longest_interval());
                    let announcement = Announcement { votes, term };
                    self.context.act(Action::Announce { service: service.id, announcement });
                }
            }
        }
    }

    /// Iterates over the peers that see a target as this agent does and come before it in rank. Legacy
    /// agents are not among them.
    pub fn agents_before(&self, target: TargetRef) -> impl Iterator<Item = SocketAddr> + '_ {
        let own = self.context.settings.cluster.as_ref().map(|cluster| cluster.own);
        let service = self.services.get(target.service);
        let before = own.zip(service).map(|(own, service)| {
            let name = service.target_name(target.address);
            self.agents_alike(target).filter(move |peer| rank(name, own, &[*peer]) > 0)
        });
        before.into_iter().flatten()
    }

    /// Iterates over the peers that see a target as this agent does. Legacy agents are not among them.
    pub fn agents_alike(&self, target: TargetRef) -> impl Iterator<Item = SocketAddr> + '_ {
        let is_up = self.target_view(target).is_some_and(|view| view.health != Health::Down);
        let votes = self.votes_on(target).filter(move |ballot| {
            (ballot.vote == Vote::Up) == is_up && !self.peers.is_legacy(ballot.peer)
        });
        votes.map(|ballot| ballot.peer)
    }

    /// Iterates over the peers that see a target down. Legacy agents are not among them.
    pub fn agents_down(&self, target: TargetRef) -> impl Iterator<Item = SocketAddr> + '_ {
        let votes = self
            .votes_on(target)
            .filter(|ballot| ballot.vote == Vote::Down && !self.peers.is_legacy(ballot.peer));
        votes.map(|ballot| ballot.peer)
    }

    /// Returns the peers that are alive.
    pub fn live_peers(&self) -> BTreeSet<SocketAddr> {
        self.peers.live().collect()
    }

    /// Returns the peers that come before this agent for a service with targets that fail alike, as far
    /// as they may see the same: they have no vote on those targets. One without votes on other targets
    /// may be isolated, so it is left out if there are other targets.
    pub fn agents_before_alike(&self, service: ServiceId) -> Vec<SocketAddr> {
        let its = self.services.get(service);
        let own = self.context.settings.cluster.as_ref().map(|cluster| cluster.own);
        let first = its.and_then(|service| service.settings.targets.iter().min());
        let (Some(own), Some(its), Some(first)) = (own, its, first) else { return vec![] };
        let mut peers = self.live_peers();
        peers.retain(|peer| !self.peers.is_legacy(*peer));
        let (mut others, mut heard) = (false, BTreeSet::new());
        for view in self.targets().take(MOST_COMPARED) {
            let target = TargetRef { service: view.service, address: view.address };
            let voters = self.votes_on(target).map(|ballot| ballot.peer);
            if view.reason == Some(Reason::Alike) {
                if view.service == service {
                    voters.for_each(|peer| _ = peers.remove(&peer));
                }
            } else {
                others |= view.proven;
                heard.extend(voters);
            }
        }
        peers.retain(|peer| !others || heard.contains(peer));
        let name = its.target_name(*first);
        peers.into_iter().filter(|peer| rank(name, own, &[*peer]) > 0).collect()
    }

    /// Returns the votes on a target that count now.
    pub fn votes_on(&self, target: TargetRef) -> impl Iterator<Item = Ballot> + '_ {
        self.peers.votes_on(target, self.context.now)
    }
}
