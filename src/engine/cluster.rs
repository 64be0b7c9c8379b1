//! What the peers have to do with it: their votes, their lives, and this agent's own votes.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::event::{Action, Fact, Reason};
use super::quorum::{self, Agreement, Ballot};
use super::service::Ruling;
use super::target::Health;
use super::{Engine, Target};

/// Without a tick for longer than this, this process stood still, and what the peers said before is
/// forgotten; they say it again.
const FORGET_AFTER: Duration = Duration::from_secs(5);

/// How long after that what was said meanwhile may still be waiting in the queue.
const SETTLING: Duration = Duration::from_secs(1);

impl Engine {
    /// Whatever the event: what is in the queue is told before the tick, and the first of it must
    /// not be acted on with votes that are young by this agent's clock only.
    pub(super) fn forget_if_stood_still(&mut self) {
        if self.now > self.ticked + FORGET_AFTER {
            self.ballots.forget();
            self.deaf_until = self.now + SETTLING;
        }
    }

    /// Counts the votes of the peers that the settings name.
    pub(super) fn enroll_peers(&mut self) {
        let targets: BTreeSet<IpAddr> = self.targets.keys().copied().collect();
        let peers = self.settings.cluster.iter().flat_map(|cluster| cluster.peers.iter());
        self.ballots.set_peers(peers.copied());
        self.ballots.retain_targets(&targets);
        self.unannounced = true;
    }

    /// A peer says how it sees a target.
    pub(super) fn voted(
        &mut self,
        peer: SocketAddr,
        target: IpAddr,
        up: bool,
        out: &mut Vec<Action>,
    ) {
        let Some(slot) = self.targets.get(&target).copied() else { return };
        if self.now < self.deaf_until && !self.ballots.is_go(peer) {
            return;
        }
        let news = self.ballots.record(self.now, peer, target, up);
        if news || self.target(slot).is_some_and(|target| !target.settled) {
            self.review(slot, self.now, out);
        }
    }

    /// A peer came to life, is gone, or turned out to be another kind of agent.
    pub(super) fn peer_changed(
        &mut self,
        peer: SocketAddr,
        alive: bool,
        go: bool,
        out: &mut Vec<Action>,
    ) {
        let before = self.ballots.is_alive(peer);
        self.ballots.set_alive(peer, alive, go);
        if before != alive {
            out.push(Action::Tell(Fact::Peer { peer, alive }));
        }
        self.review_all(self.now, out);
    }

    /// How this agent sees its targets; those not yet confirmed are left out.
    fn votes(&self) -> BTreeMap<IpAddr, bool> {
        let targets = self.targets.values().filter_map(|slot| self.target(*slot));
        targets.filter_map(|target| Some((target.address, own_vote(target)?))).collect()
    }

    /// Tells the peers, if anything about it changed.
    pub(super) fn announce(&mut self, out: &mut Vec<Action>) {
        if std::mem::replace(&mut self.unannounced, false) && self.settings.cluster.is_some() {
            out.push(Action::Announce(self.votes()));
        }
    }

    /// Whether enough agents see it as this one does.
    pub(super) fn ask_peers(&self, target: &Target, in_service: bool) -> Ruling {
        let Some(cluster) = &self.settings.cluster else {
            return Ruling::Settle { in_service, agreeing: vec![], after: Duration::ZERO };
        };
        let (own, needed) = (own_vote(target), cluster.min_peers_agree);
        match self.ballots.agreement(cluster.own, target.address, own, needed, self.now) {
            Agreement::Unjudged => Ruling::Keep,
            Agreement::Agreed { rank, agreeing } => {
                Ruling::Settle { in_service, agreeing, after: quorum::wait_of(rank) }
            }
            Agreement::NoQuorum { agreeing, needed } => Ruling::Refuse(
                Reason::NoQuorum,
                format!("{} of {needed} peers agree: {}", agreeing.len(), list(&agreeing)),
            ),
            Agreement::Contested { agreeing, contrary } => Ruling::Refuse(
                Reason::Contested,
                format!("agree: {}; see the contrary: {}", list(&agreeing), list(&contrary)),
            ),
        }
    }

    /// Whether enough others see the contrary that they may act on it.
    pub(super) fn is_opposed(&self, target: &Target) -> bool {
        let (Some(cluster), Some(own)) = (&self.settings.cluster, own_vote(target)) else {
            return false;
        };
        let contrary = self.ballots.on(target.address, self.now).filter(|ballot| ballot.up != own);
        contrary.count() > cluster.min_peers_agree
    }

    /// When the agreement about a target may change without anything being heard.
    pub(super) fn agreement_lapses(&self, target: &Target) -> Option<Duration> {
        self.settings.cluster.as_ref()?;
        self.ballots.next_expiry(target.address, self.now)
    }

    /// The votes on a target that count now.
    pub fn votes_on(&self, target: IpAddr) -> impl Iterator<Item = Ballot> + '_ {
        self.ballots.on(target, self.now)
    }

    /// How many peers are alive.
    pub fn peers_alive(&self) -> usize {
        self.ballots.alive()
    }

    /// Whether a peer is alive.
    pub fn is_alive(&self, peer: SocketAddr) -> bool {
        self.ballots.is_alive(peer)
    }
}

/// `true` for up; `None` before the first flip or confirmation.
fn own_vote(target: &Target) -> Option<bool> {
    match target.streaks.health() {
        Health::AssumedUp => None,
        Health::Up => Some(true),
        Health::Down => Some(false),
    }
}

fn list(peers: &[SocketAddr]) -> String {
    if peers.is_empty() {
        return "none".into();
    }
    peers.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
