//! Votes and gossip between agents, and each agent's view of its peers' liveness.

use std::collections::BTreeMap;
use std::time::Duration;

use super::agent::{Input, address};
use super::world::{Happening, World};
use crate::engine::event::{Announcement, Event};
use crate::engine::ids::{ServiceId, TargetRef};
use crate::engine::quorum::VOTE_TTL;
use crate::engine::tests::world::ms;
use crate::engine::types::{PeerKind, PeerState};

/// Time after which a delivered vote is repeated.
const REPEAT: Duration = Duration::from_secs(10);

/// The vote sender from one agent to one peer.
#[derive(Debug, Clone, Default)]
pub(super) struct VoteSender {
    /// The token of the turn that counts.
    pub(super) token: u64,
    failures: u32,
    /// The arrival of the newest message. Votes do not overtake each other.
    newest: Duration,
}

impl VoteSender {
    /// Creates a sender that has sent nothing. No turn before this one counts.
    pub(super) fn new(token: u64) -> Self {
        Self { token, ..Self::default() }
    }
}

/// One agent's view of another's liveness.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct PeerView {
    /// The liveness of the peer as last reported to the agent's engine.
    reported: bool,
    /// The last finding of gossip.
    found: bool,
    token: u64,
}

impl World {
    pub(super) fn announce(&mut self, agent: usize, service: ServiceId, all: &Announcement) {
        let (now, naming) = (self.now, self.naming(agent));
        let announcer = &mut self.agents[agent];
        let (mut votes, mut evidence) = (announcer.votes.clone(), announcer.evidence.clone());
        votes.retain(|of, _| naming.inner(*of).service != service);
        evidence.retain(|of, _| naming.inner(*of).service != service);
        for (&address, own) in &all.votes {
            let of = naming.outer(TargetRef { service, address });
            votes.insert(of, own.vote);
            evidence.insert(of, own.evidence.since_start());
        }
        announcer.votes_since.retain(|target, _| votes.contains_key(target));
        for target in votes.keys() {
            announcer.votes_since.entry(*target).or_insert(now);
        }
        announcer.evidence = evidence;
        if announcer.votes == votes {
            return;
        }
        let before = std::mem::replace(&mut announcer.votes, votes.clone());
        announcer.retracted.extend(before.into_keys());
        announcer.retracted.retain(|target| !votes.contains_key(target));
        self.note(|| format!("{agent}: votes {votes:?}"));
        self.mind_changed = self.now;
        for to in 0..self.agents.len() {
            if self.senders[agent][to].failures == 0 {
                self.post(agent, to);
            }
        }
    }

    /// Sends all votes to every peer now.
    pub(super) fn post_all(&mut self, agent: usize) {
        for to in 0..self.agents.len() {
            self.post(agent, to);
        }
    }

    /// Sends all votes to one peer; they are repeated later, and sooner if they were not delivered.
    pub(super) fn post(&mut self, from: usize, to: usize) {
        let sender = &self.agents[from];
        if !sender.runs() || !sender.has_peer(address(to)) {
            return;
        }
        let mut votes = BTreeMap::new();
        for (of, vote) in &sender.votes {
            if let Some(seen) = sender.evidence.get(of)
                && self.now < *seen + VOTE_TTL
            {
                votes.insert(*of, (*vote, *seen));
            }
        }
        let retracted = sender.retracted.clone();
        let lost = self.chance.percent(self.net.loss);
        let arrives = self.net.reaches(from, to) && !lost && self.agents[to].engine.is_some();
        let answered = arrives && self.net.reaches(to, from) && self.agents[to].suspended.is_none();
        let slow = self.chance.percent(3);
        let delay = self.chance.between(1, if slow { 1_500 } else { 60 });
        let jitter = self.chance.between(500, 1_500);
        self.count += 1;
        let (token, said) = (self.count, self.now);
        let vote_sender = &mut self.senders[from][to];
        vote_sender.token = token;
        vote_sender.failures = if answered { 0 } else { vote_sender.failures + 1 };
        let backoff = jitter.saturating_mul(1 << (vote_sender.failures.min(5)) >> 1);
        let again = if answered { REPEAT } else { backoff.min(REPEAT) };
        vote_sender.newest = vote_sender.newest.max(said + delay);
        let at = vote_sender.newest;
        if arrives && !(votes.is_empty() && retracted.is_empty()) {
            self.send_in(at, to, Input::Votes { from, said, votes, retracted });
        }
        self.later(said + again, Happening::Post { from, to, token });
    }

    /// Schedules the findings of gossip after the reachability changed. A death is believed late, a
    /// return soon.
    pub(super) fn look_around(&mut self) {
        for agent in 0..self.agents.len() {
            for peer in 0..self.agents.len() {
                if !self.agents[agent].has_peer(address(peer)) {
                    self.peer_views[agent][peer] = PeerView::default();
                    continue;
                }
                let reached = self.gossips(agent, peer);
                if !self.agents[agent].runs() || self.peer_views[agent][peer].found == reached {
                    continue;
                }
                let after = if reached {
                    self.chance.between(100, 3_000)
                } else {
                    self.chance.between(12_000, 17_000)
                };
                self.count += 1;
                let (at, token) = (self.now + after, self.count);
                self.peer_views[agent][peer] =
                    PeerView { found: reached, token, ..self.peer_views[agent][peer] };
                self.later(at, Happening::Gossip { agent, peer, token });
            }
        }
    }

    /// Whether gossip gets from one to the other and back, over a third one if need be.
    fn gossips(&self, one: usize, other: usize) -> bool {
        let mut others = 0..self.agents.len();
        self.gossips_directly(one, other)
            || others
                .any(|via| self.gossips_directly(one, via) && self.gossips_directly(via, other))
    }

    fn gossips_directly(&self, one: usize, other: usize) -> bool {
        self.agents[one].runs() && self.agents[other].runs() && self.net.both_ways(one, other)
    }

    /// Reports a finding of gossip about a peer.
    pub(super) fn gossip(&mut self, agent: usize, peer: usize, token: u64) {
        let PeerView { reported, found, token: newest } = self.peer_views[agent][peer];
        if token != newest || reported == found || !self.agents[agent].runs() {
            return;
        }
        self.peer_views[agent][peer].reported = found;
        let state = if found { PeerState::Alive(PeerKind::Native) } else { PeerState::Gone };
        self.send(agent, Event::Peer { peer: address(peer), state });
        if found {
            self.post(agent, peer);
        }
    }

    /// Cuts or opens a link, one way.
    pub(super) fn link(&mut self, from: usize, to: usize, open: bool) {
        if open {
            self.net.cut.remove(&(from, to));
        } else {
            self.net.cut.insert((from, to));
        }
        self.look_around();
    }

    pub(super) fn cut_both(&mut self, one: usize, other: usize) {
        self.link(one, other, false);
        self.link(other, one, false);
    }

    /// Runs for long enough that every agent has confirmed every target and sent all votes.
    pub(super) fn settle_down(&mut self) {
        self.run_for(ms(30_000));
    }
}
