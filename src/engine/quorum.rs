//! Whether enough agents say the same about a target, and which of them acts first.
//!
//! An agent acts on what it has seen itself, and only if at least so many peers have seen the same:
//! peers alone never cause a change. What is counted is the *ballots*, the last vote of each peer on
//! each target; a ballot counts while its peer is alive and for [`vote_term`] from its evidence,
//! unless it is taken back before.
//!
//! # Why never both directions at once
//!
//! With `needed` peers to agree, a verdict takes `needed + 1` agents. If that is more than half of
//! all agents, two verdicts of opposite directions would need one agent to vote both ways, so they
//! exclude each other whatever each agent has heard. If it is half or less, two disjoint groups
//! could each have their quorum; whoever hears both is told [`Agreement::Contested`] and leaves DNS
//! as it is.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// How long a vote counts from its evidence at least; three times the pace at which it is repeated.
pub const VOTE_TTL: Duration = Duration::from_secs(30);

/// How long a vote counts from its evidence, where targets are probed every `interval`. With the
/// usual intervals [`VOTE_TTL`]; with one as long as that a vote has to last from probe to probe, or
/// no two agents would ever agree.
pub fn vote_term(interval: Duration) -> Duration {
    interval.saturating_mul(2).max(VOTE_TTL)
}

/// How much longer each rank waits before it acts than the one before.
pub const RANK_STEP: Duration = Duration::from_secs(5);

/// How long the agent of `rank` waits before it looks whether there is anything left to do.
pub fn wait_of(rank: usize) -> Duration {
    RANK_STEP.saturating_mul(u32::try_from(rank).unwrap_or(u32::MAX))
}

/// One peer's word on one target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ballot {
    /// Whose; the address that it is listed under in `peers`.
    pub peer: SocketAddr,
    /// What it sees: `true` is up.
    pub up: bool,
    /// How old what it saw is by now.
    pub age: Duration,
}

/// What the votes amount to, for one target and the direction that this agent has flipped to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Agreement {
    /// This agent has not judged the target itself, so there is nothing that peers could agree to.
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
        /// How many it takes.
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
#[derive(Debug, Clone)]
pub struct Ballots {
    voters: BTreeMap<SocketAddr, Voter>,
    /// How long a vote counts from its evidence.
    term: Duration,
}

impl Default for Ballots {
    fn default() -> Self {
        Self { voters: BTreeMap::new(), term: VOTE_TTL }
    }
}

/// One peer, as a voter. Nobody is alive before it was said so.
#[derive(Debug, Clone, Default)]
struct Voter {
    alive: bool,
    /// A Go agent votes once at each flip and never again, so its vote does not age.
    go: bool,
    /// By target.
    votes: BTreeMap<IpAddr, Vote>,
}

/// One vote.
#[derive(Debug, Clone, Copy)]
struct Vote {
    /// `true` is up.
    up: bool,
    /// When it was last heard.
    heard: Duration,
    /// How old its evidence was then.
    age: Duration,
}

impl Ballots {
    /// No votes yet, from `peers`, of whom none is alive yet.
    pub fn new(peers: impl IntoIterator<Item = SocketAddr>) -> Self {
        let mut ballots = Self::default();
        ballots.set_peers(peers);
        ballots
    }

    /// Takes `peers` for the peers from now on. Those that stay keep their votes and whether they
    /// are alive; the votes of those that go are forgotten.
    pub fn set_peers(&mut self, peers: impl IntoIterator<Item = SocketAddr>) {
        let mut before = std::mem::take(&mut self.voters);
        self.voters = peers
            .into_iter()
            .map(|peer| (peer, before.remove(&peer).unwrap_or_default()))
            .collect();
    }

    /// Has votes count for `term` from their evidence.
    pub fn set_term(&mut self, term: Duration) {
        self.term = term;
    }

    /// Forgets the votes on every target that is not among `targets`.
    pub fn retain_targets(&mut self, targets: &BTreeSet<IpAddr>) {
        for voter in self.voters.values_mut() {
            voter.votes.retain(|target, _| targets.contains(target));
        }
    }

    /// Notes that `peer` said at `now` that it sees `target` up or down, on evidence of this `age`. The
    /// vote of one that is no
    /// peer is not kept; the vote of one that is not alive is, and counts once it is.
    ///
    /// Returns whether this is news: another word than its last that still counts.
    pub fn record(
        &mut self,
        now: Duration,
        peer: SocketAddr,
        target: IpAddr,
        up: bool,
        age: Duration,
    ) -> bool {
        let term = self.term;
        let Some(voter) = self.voters.get_mut(&peer) else { return false };
        let before = voter.vote(target, now, term).map(|ballot| ballot.0);
        voter.votes.insert(target, Vote { up, heard: now, age });
        before != voter.vote(target, now, term).map(|ballot| ballot.0)
    }

    /// Notes that `peer` has no vote on `target` any more. Returns whether it had one that counted.
    pub fn take_back(&mut self, now: Duration, peer: SocketAddr, target: IpAddr) -> bool {
        let term = self.term;
        let Some(voter) = self.voters.get_mut(&peer) else { return false };
        let counted = voter.vote(target, now, term).is_some();
        voter.votes.remove(&target);
        counted
    }

    /// Forgets every vote that ages. For an agent that stood still (stopped, suspended): what it
    /// heard before is young by its clock only, and peers say again what still holds.
    pub fn forget(&mut self) {
        for voter in self.voters.values_mut().filter(|voter| !voter.go) {
            voter.votes.clear();
        }
    }

    /// Notes whether `peer` is alive, and whether it is a Go agent, whose votes stand until they
    /// change. The votes of a peer that ceases to be alive are forgotten: when it is back, it says
    /// again what it sees.
    pub fn set_alive(&mut self, peer: SocketAddr, alive: bool, go: bool) {
        let Some(voter) = self.voters.get_mut(&peer) else { return };
        if voter.alive && !alive {
            voter.votes.clear();
        }
        voter.alive = alive;
        voter.go = go;
    }

    /// Whether `peer` is a peer and alive.
    pub fn is_alive(&self, peer: SocketAddr) -> bool {
        self.voters.get(&peer).is_some_and(|voter| voter.alive)
    }

    /// Whether `peer` is a Go agent, who says nothing twice.
    pub fn is_go(&self, peer: SocketAddr) -> bool {
        self.voters.get(&peer).is_some_and(|voter| voter.go)
    }

    /// How many peers are alive.
    pub fn alive(&self) -> usize {
        self.voters.values().filter(|voter| voter.alive).count()
    }

    /// The votes on `target` that count at `now`, by peer, ascending.
    pub fn on(&self, target: IpAddr, now: Duration) -> impl Iterator<Item = Ballot> + '_ {
        self.voters.iter().filter(|(_, voter)| voter.alive).filter_map(move |(&peer, voter)| {
            voter.vote(target, now, self.term).map(|(up, age)| Ballot { peer, up, age })
        })
    }

    /// When the first vote on `target` that counts at `now` will count no longer, if nothing newer
    /// is heard; `None` if none will age.
    pub fn next_expiry(&self, target: IpAddr, now: Duration) -> Option<Duration> {
        let ageing = self.voters.values().filter(|voter| voter.alive && !voter.go);
        ageing
            .filter_map(|voter| voter.vote(target, now, self.term))
            .map(|(_, age)| now + self.term.saturating_sub(age))
            .min()
    }

    /// What the votes on `target` amount to at `now` for the agent at `local`.
    ///
    /// `own` is what this agent sees itself (`true` is up), `None` before its first flip or
    /// confirmation. `needed` is how many peers must agree; with 0 the agent acts alone.
    pub fn agreement(
        &self,
        local: SocketAddr,
        target: IpAddr,
        own: Option<bool>,
        needed: usize,
        now: Duration,
    ) -> Agreement {
        let Some(own) = own else { return Agreement::Unjudged };
        // A vote in our own name would be our own flip counted twice.
        let (agreeing, contrary): (Vec<_>, Vec<_>) =
            self.on(target, now).filter(|b| b.peer != local).partition(|b| b.up == own);
        let peers = |ballots: Vec<Ballot>| ballots.into_iter().map(|b| b.peer).collect();
        let (agreeing, contrary): (Vec<SocketAddr>, Vec<_>) = (peers(agreeing), peers(contrary));
        if agreeing.len() < needed {
            Agreement::NoQuorum { agreeing, needed }
        } else if needed > 0 && contrary.len() > needed {
            Agreement::Contested { agreeing, contrary }
        } else {
            Agreement::Agreed { rank: rank(target, local, &agreeing), agreeing }
        }
    }
}

impl Voter {
    /// What it says about `target`, if that counts at `now`, and the vote's age.
    fn vote(&self, target: IpAddr, now: Duration, term: Duration) -> Option<(bool, Duration)> {
        let &Vote { up, heard, age } = self.votes.get(&target)?;
        let age = now.saturating_sub(heard).saturating_add(age);
        (self.go || age < term).then_some((up, age))
    }
}

/// The place of the agent at `local` among itself and `others`, for `target`: how many of them come
/// before it.
///
/// Rendezvous hashing: each agent's [`weight`] is a function of target and agent alone, the heavier
/// comes first, and of equals the one with the lower address. So all agents name the same first one
/// without asking each other, each target has another one, and losing an agent moves no other.
pub fn rank(target: IpAddr, local: SocketAddr, others: &[SocketAddr]) -> usize {
    let own = weight(target, local);
    let before = |&other: &SocketAddr| {
        let its = weight(target, other);
        its > own || (its == own && other < local)
    };
    others.iter().filter(|other| before(other)).count()
}

/// The weight of `agent` for `target`. All versions of the program must agree on it.
///
/// FNV-1a (64 bits; offset basis `cbf29ce484222325`, prime `100000001b3`) over the target's address
/// as 16 bytes (IPv4 as `::ffff:a.b.c.d`, RFC 4291 section 2.5.5.2), the agent's address likewise
/// and its port, big endian; then the finaliser of `MurmurHash3`, since FNV alone hardly mixes its
/// last bytes into the high ones, and agents often differ in the last byte only.
pub fn weight(target: IpAddr, agent: SocketAddr) -> u64 {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    let bytes = [octets(target), octets(agent.ip())].concat();
    for byte in bytes.into_iter().chain(agent.port().to_be_bytes()) {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ (hash >> 33)
}

fn octets(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
        IpAddr::V6(v6) => v6.octets(),
    }
}

#[cfg(test)]
mod tests;
