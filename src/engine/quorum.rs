//! The quorum: whether enough agents agree about a target, and which of them acts first.
//!
//! An agent acts on its own observations only, and only if enough peers have observed the same:
//! peers alone never cause a change. A *ballot* is the last vote of a peer on a target. It counts
//! while its peer is alive and for [`vote_term`] from its evidence, unless it is retracted before.
//!
//! # Why never both directions at once
//!
//! With `needed` peers to agree, a verdict takes `needed + 1` agents. If that is more than half of
//! all agents, two verdicts of opposite directions would need one agent to vote both ways, so they
//! exclude each other no matter which votes each agent has received. If it is half or less, two
//! disjoint groups could each have their quorum; an agent that receives votes from both gets
//! [`Agreement::Contested`] and leaves DNS as it is.

pub(crate) mod ranking;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use super::ids::{ServiceId, TargetRef};
use super::moment::Moment;
use super::types::{PeerKind, PeerState, Vote};
pub(crate) use ranking::wait_of;
pub use ranking::{TargetName, rank};

/// The minimum time for which a vote counts, from its evidence. It is at least three times the
/// interval at which votes are repeated.
pub const VOTE_TTL: Duration = Duration::from_secs(30);

/// Returns the time for which a vote counts from its evidence, if targets are probed every
/// `interval`. With the usual intervals this is [`VOTE_TTL`]. With an interval as long as that, a
/// vote has to last from probe to probe, or no two agents would ever agree.
pub(crate) fn vote_term(interval: Duration) -> Duration {
    interval.saturating_mul(2).max(VOTE_TTL)
}

/// One peer's vote on one target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ballot {
    /// The peer, by the address that it is listed under in `peers`.
    pub peer: SocketAddr,
    /// The view that the peer declares.
    pub vote: Vote,
    /// The current age of the evidence for the vote.
    pub age: Duration,
}

/// A vote that a peer has sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PeerVote {
    /// The peer, by the address that it is listed under in `peers`.
    pub peer: SocketAddr,
    /// The target of the vote.
    pub target: TargetRef,
    /// The view that the peer declares.
    pub vote: Vote,
    /// The age of the evidence for the vote when it was sent.
    pub age: Duration,
}

/// One peer, and its vote on one target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PeerStanding {
    /// The peer, by its vote address.
    pub peer: SocketAddr,
    /// Whether the peer is alive.
    pub is_alive: bool,
    /// The view that the peer declares and the age of its evidence, if the vote counts.
    pub vote: Option<(Vote, Duration)>,
}

/// A question to the ballots: do enough peers agree with this agent about a target?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Poll<'a> {
    /// The target in question.
    pub target: TargetRef,
    /// The same target as all agents know it.
    pub name: TargetName<'a>,
    /// This agent, by its vote address.
    pub local: SocketAddr,
    /// This agent's own view; `None` before its first flip or confirmation.
    pub own: Option<Vote>,
    /// The number of peers that must agree; with 0 the agent acts alone.
    pub needed: usize,
}

/// The result of the votes on one target, for the direction that this agent has flipped to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Agreement {
    /// This agent has not judged the target itself, so there is nothing for peers to agree to.
    Unjudged,
    /// Enough peers have seen the same.
    Agreed {
        /// This agent's place among the agents that agree: 0 acts at once, see [`wait_of`].
        rank: usize,
        /// The peers that agree, ascending.
        agreeing: Vec<SocketAddr>,
    },
    /// Too few peers have seen the same; nothing is done.
    NoQuorum {
        /// The peers that agree, ascending.
        agreeing: Vec<SocketAddr>,
        /// The number of peers that must agree.
        needed: usize,
    },
    /// Enough peers have seen the same, and enough agents for a quorum have seen the contrary;
    /// nothing is done.
    Contested {
        /// The peers that agree, ascending.
        agreeing: Vec<SocketAddr>,
        /// The peers that see the contrary, ascending.
        contrary: Vec<SocketAddr>,
    },
}

/// The last vote of every peer on every target.
///
/// Invariant: votes are kept of configured peers only, one for each peer and target.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ballots {
    voters: BTreeMap<SocketAddr, Voter>,
    /// Time for which a vote counts from its evidence, by the service of its target;
    /// [`VOTE_TTL`] where there is no entry.
    terms: BTreeMap<ServiceId, Duration>,
}

/// One peer, as a voter. A peer counts as alive only once it is reported to be.
#[derive(Debug, Clone, Default)]
struct Voter {
    alive: bool,
    /// The kind of the peer when it was last alive. A legacy agent's vote does not age.
    kind: PeerKind,
    /// The peer's votes, by target.
    votes: BTreeMap<TargetRef, RecordedVote>,
}

/// One peer's vote on one target.
#[derive(Debug, Clone, Copy)]
struct RecordedVote {
    vote: Vote,
    /// The time at which the vote was received.
    received_at: Moment,
    /// The age of its evidence at that time.
    age: Duration,
}

impl Ballots {
    /// Replaces the peers; at first there are none, and no new peer is alive yet. Peers that remain
    /// keep their votes and liveness; the votes of removed peers are forgotten.
    pub(crate) fn set_peers(&mut self, peers: impl IntoIterator<Item = SocketAddr>) {
        let mut before = std::mem::take(&mut self.voters);
        self.voters = peers
            .into_iter()
            .map(|peer| (peer, before.remove(&peer).unwrap_or_default()))
            .collect();
    }

    /// Sets the time for which votes count from their evidence, by the service of their targets.
    pub(crate) fn set_terms(&mut self, terms: BTreeMap<ServiceId, Duration>) {
        self.terms = terms;
    }

    /// Returns the time for which votes on a target count.
    fn term(&self, target: TargetRef) -> Duration {
        self.terms.get(&target.service).copied().unwrap_or(VOTE_TTL)
    }

    /// Forgets the votes on every target that is not among `targets`.
    pub(crate) fn retain_targets(&mut self, targets: &BTreeSet<TargetRef>) {
        for voter in self.voters.values_mut() {
            voter.votes.retain(|target, _| targets.contains(target));
        }
    }

    /// Records a vote that was received at `now`. The vote of an unknown peer is not kept; the vote
    /// of a peer that is not alive is kept, and counts once the peer is alive.
    ///
    /// Returns whether this differs from the peer's last vote that still counts.
    pub(crate) fn record(&mut self, now: Moment, received: PeerVote) -> bool {
        let PeerVote { peer, target, vote, age } = received;
        let term = self.term(target);
        let Some(voter) = self.voters.get_mut(&peer) else { return false };
        let before = voter.vote(target, now, term).map(|ballot| ballot.0);
        voter.votes.insert(target, RecordedVote { vote, received_at: now, age });
        before != voter.vote(target, now, term).map(|ballot| ballot.0)
    }

    /// Retracts the vote of `peer` on `target`. Returns whether it had one that counted.
    pub(crate) fn retract(&mut self, now: Moment, peer: SocketAddr, target: TargetRef) -> bool {
        let term = self.term(target);
        let Some(voter) = self.voters.get_mut(&peer) else { return false };
        let counted = voter.vote(target, now, term).is_some();
        voter.votes.remove(&target);
        counted
    }

    /// Forgets every vote that ages. Used after this agent was suspended or stopped: votes received
    /// before are fresh by its clock only, and peers repeat the ones that still hold.
    pub(crate) fn forget(&mut self) {
        for voter in self.voters.values_mut().filter(|voter| !voter.is_legacy()) {
            voter.votes.clear();
        }
    }

    /// Records the state of `peer`. The votes of a peer that is no longer alive are forgotten: it
    /// repeats them when it is back.
    pub(crate) fn set_state(&mut self, peer: SocketAddr, state: PeerState) {
        let Some(voter) = self.voters.get_mut(&peer) else { return };
        match state {
            PeerState::Gone if voter.alive => {
                voter.votes.clear();
                voter.alive = false;
            }
            PeerState::Gone => {}
            PeerState::Alive(kind) => (voter.alive, voter.kind) = (true, kind),
        }
    }

    /// Whether `peer` is a peer and alive.
    pub(crate) fn is_alive(&self, peer: SocketAddr) -> bool {
        self.voters.get(&peer).is_some_and(|voter| voter.alive)
    }

    /// Iterates over the peers that are alive.
    pub(crate) fn live(&self) -> impl Iterator<Item = SocketAddr> + '_ {
        self.voters.iter().filter(|(_, voter)| voter.alive).map(|(peer, _)| *peer)
    }

    /// Whether `peer` is a legacy agent, which repeats nothing.
    pub(crate) fn is_legacy(&self, peer: SocketAddr) -> bool {
        self.voters.get(&peer).is_some_and(Voter::is_legacy)
    }

    /// Returns the votes on `target` that count at `now`, by peer, ascending.
    pub(crate) fn on(&self, target: TargetRef, now: Moment) -> impl Iterator<Item = Ballot> + '_ {
        let term = self.term(target);
        self.voters.iter().filter(|(_, voter)| voter.alive).filter_map(move |(&peer, voter)| {
            voter.vote(target, now, term).map(|(vote, age)| Ballot { peer, vote, age })
        })
    }

    /// Iterates over all peers, ascending, each with its vote on `target` if that counts at `now`.
    pub(crate) fn standings(
        &self,
        target: TargetRef,
        now: Moment,
    ) -> impl Iterator<Item = PeerStanding> + '_ {
        let term = self.term(target);
        self.voters.iter().map(move |(&peer, voter)| {
            let vote = voter.vote(target, now, term).filter(|_| voter.alive);
            PeerStanding { peer, is_alive: voter.alive, vote }
        })
    }

    /// Returns the time at which the first vote on `target` that counts at `now` expires, if
    /// nothing newer is received; `None` if no vote ages.
    pub(crate) fn next_expiry(&self, target: TargetRef, now: Moment) -> Option<Moment> {
        let term = self.term(target);
        let ageing = self.voters.values().filter(|voter| voter.alive && !voter.is_legacy());
        ageing
            .filter_map(|voter| voter.vote(target, now, term))
            .map(|(_, age)| now + term.saturating_sub(age))
            .min()
    }

    /// Answers `poll` with the votes that count at `now`.
    pub(crate) fn agreement(&self, poll: &Poll<'_>, now: Moment) -> Agreement {
        let Poll { target, name, local, own, needed } = *poll;
        let Some(own) = own else { return Agreement::Unjudged };
        let (mut agreeing, mut contrary) = (Vec::new(), Vec::new());
        for Ballot { peer, vote, .. } in self.on(target, now) {
            if peer == local {
                // A vote in this agent's own name would count its own flip twice.
                continue;
            }
            if vote == own { agreeing.push(peer) } else { contrary.push(peer) }
        }
        if agreeing.len() < needed {
            Agreement::NoQuorum { agreeing, needed }
        } else if needed > 0 && contrary.len() > needed {
            Agreement::Contested { agreeing, contrary }
        } else {
            Agreement::Agreed { rank: rank(name, local, &agreeing), agreeing }
        }
    }
}

impl Voter {
    /// Whether the peer is a legacy agent, which repeats nothing.
    fn is_legacy(&self) -> bool {
        self.kind == PeerKind::Legacy
    }

    /// Returns the peer's view of `target`, if that counts at `now`, and the age of the vote. A
    /// legacy agent knows no service but `default`, so its name on another vote is forged.
    fn vote(&self, target: TargetRef, now: Moment, term: Duration) -> Option<(Vote, Duration)> {
        if self.is_legacy() && target.service != ServiceId::DEFAULT {
            return None;
        }
        let &RecordedVote { vote, received_at, age } = self.votes.get(&target)?;
        let age = now.since(received_at).saturating_add(age);
        (self.is_legacy() || age < term).then_some((vote, age))
    }
}

#[cfg(test)]
mod tests;
