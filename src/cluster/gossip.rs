//! SWIM membership without sockets: the input is datagrams and times, the output is datagrams and
//! changes.
//!
//! The protocol is implemented by `foca`. This module adds the envelope (sealed with the cluster's
//! key, if there is one), joining without end, a farewell that is accepted at once, and a
//! workaround for a bug in `foca`.

mod datagram;
mod duplicates;
mod identity;
mod profile;
pub(crate) mod sieve;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use foca::{
    AccumulatingRuntime, Codec, Foca, Member, NoCustomBroadcast, OwnedNotification, PostcardCodec,
    Timer,
};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use tracing::{debug, trace};

pub(crate) use self::datagram::Dropped;
use self::datagram::{FAREWELL, SWIM, close, open};
use self::duplicates::DuplicateDetector;
pub(crate) use self::identity::Id;
use self::profile::profile;
use self::sieve::{AHEAD, Sieve};
use super::seal::Seal;

/// Interval at which peers that are not alive are asked to let us join, with a jitter of a fifth.
pub(crate) const JOIN_INTERVAL: Duration = Duration::from_secs(5);

/// Maximum time between two renewals of the same series.
const RENEWAL_SERIES: Duration = Duration::from_mins(1);

/// Number of renewals in a series that bridges any difference between clocks. A longer series means
/// that another process uses the same address.
const DUPLICATE_AFTER: u32 = 24;

/// An action to take or a fact to record after an input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Output {
    /// A datagram to send to this address.
    Send(SocketAddr, Vec<u8>),
    /// A datagram was received from this peer itself.
    Received(SocketAddr),
    /// The peer is alive now.
    Up(SocketAddr),
    /// The peer is no longer alive.
    Down(SocketAddr),
    /// The peer is a new process, and its absence was not noticed.
    Restarted(SocketAddr),
    /// The peer announced that it leaves.
    Left(SocketAddr),
    /// Two processes use the address of this peer, or of this agent.
    Duplicate(SocketAddr),
}

/// A timer set by `foca`. Ordered by time, then by `foca`'s own order, then by age.
type Alarm = Reverse<(Duration, Timer<Id>, u64)>;

/// Membership as seen by one agent.
pub(crate) struct Gossip {
    foca: Foca<Id, PostcardCodec, SmallRng, NoCustomBroadcast>,
    runtime: AccumulatingRuntime<Id>,
    alarms: BinaryHeap<Alarm>,
    /// Tie-breaker between alarms.
    counter: u64,
    rng: SmallRng,
    seal: Option<Arc<Seal>>,
    members_port: u16,
    /// The peers by vote address.
    peers: BTreeSet<SocketAddr>,
    /// The start time of the process of each peer that is alive.
    alive: BTreeMap<SocketAddr, u64>,
    /// Detector of peers with two processes.
    duplicates: DuplicateDetector,
    next_join: Duration,
    /// The wall clock in milliseconds of Unix time, as last passed to [`set_wall`](Self::set_wall).
    wall: u64,
    /// Whether this agent was declared dead and has no new identity yet.
    defunct: bool,
    /// Time of the last renewal of our identity, and the number of renewals in its series.
    last_renewal: (Duration, u32),
    leaving: bool,
    outputs: Vec<Output>,
}

impl std::fmt::Debug for Gossip {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Gossip").field("alive", &self.alive).finish_non_exhaustive()
    }
}

/// The agent as a member of its own cluster.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OwnMember {
    /// The `host:port` at which it receives votes.
    pub vote: SocketAddr,
    /// The gossip port of every agent.
    pub members_port: u16,
    /// The start of its process, in milliseconds of Unix time.
    pub start: u64,
}

impl Gossip {
    /// Creates the membership of the agent `own`. It knows no members yet and joins at the first
    /// [`wake`](Self::wake). `seed` is the seed of its random choices.
    pub(crate) fn new(
        own: OwnMember,
        peers: impl IntoIterator<Item = SocketAddr>,
        seal: Option<Arc<Seal>>,
        seed: u64,
    ) -> Self {
        let OwnMember { vote, members_port, start } = own;
        let gossip = SocketAddr::new(vote.ip(), members_port);
        let id = Id { gossip, vote, start, life: start };
        let peers: BTreeSet<_> = peers.into_iter().collect();
        let mut rng = SmallRng::seed_from_u64(seed);
        let protocol = SmallRng::from_rng(&mut rng);
        Self {
            foca: Foca::new(id, profile(peers.len() + 1), protocol, PostcardCodec),
            runtime: AccumulatingRuntime::new(),
            alarms: BinaryHeap::new(),
            counter: 0,
            rng,
            seal,
            members_port,
            peers,
            alive: BTreeMap::new(),
            duplicates: DuplicateDetector::default(),
            next_join: Duration::ZERO,
            wall: start,
            defunct: false,
            last_renewal: (Duration::ZERO, 0),
            leaving: false,
            outputs: Vec::new(),
        }
    }

    /// Replaces the peers. Removed peers are ignored from now on; new ones are joined at once.
    pub(crate) fn set_peers(&mut self, now: Duration, peers: impl IntoIterator<Item = SocketAddr>) {
        self.peers = peers.into_iter().collect();
        self.duplicates.keep(|peer| self.peers.contains(peer));
        self.next_join = now;
        self.process_effects(now);
    }

    /// Sets the wall clock, in milliseconds of Unix time. Must be called before the other inputs,
    /// because it determines which processes can have started by now.
    ///
    /// If the clock was set back so far that others consider our identity impossible, the identity
    /// is replaced.
    pub(crate) fn set_wall(&mut self, now: Duration, millis: u64) {
        self.wall = millis;
        let id = self.foca.identity();
        if id.start.max(id.life) > millis.saturating_add(AHEAD) {
            let id = Id { start: id.start.min(millis), life: millis, ..id.clone() };
            debug!(life = id.life, "the clock was set back, joining anew");
            trace_error(self.foca.change_identity(id, &mut self.runtime));
            self.next_join = now;
            self.process_effects(now);
        }
    }

    /// Returns the time at which [`wake`](Self::wake) must be called next.
    pub(crate) fn next_wake(&self) -> Duration {
        let alarm = self.alarms.peek().map(|Reverse((at, ..))| *at);
        alarm.map_or(self.next_join, |at| at.min(self.next_join))
    }

    /// Returns the outputs since the last call.
    pub(crate) fn outputs(&mut self) -> Vec<Output> {
        std::mem::take(&mut self.outputs)
    }

    /// Performs everything that is due at `now`.
    pub(crate) fn wake(&mut self, now: Duration) {
        while self.alarms.peek().is_some_and(|Reverse((at, ..))| *at <= now) {
            let Some(Reverse((_, timer, _))) = self.alarms.pop() else { break };
            self.fire(timer);
            self.process_effects(now);
        }
        if now >= self.next_join {
            self.join(now);
        }
    }

    /// Asks every peer that is not alive to let us join.
    pub(crate) fn join(&mut self, now: Duration) {
        if self.defunct {
            self.renew(now);
        }
        let missing = self.peers.iter().filter(|peer| !self.alive.contains_key(peer));
        for peer in missing.copied().collect::<Vec<_>>() {
            self.announce(peer);
        }
        self.next_join = now + JOIN_INTERVAL.mul_f64(self.rng.random_range(0.8..1.2));
        self.process_effects(now);
    }

    /// Asks every peer for an answer.
    pub(crate) fn join_all(&mut self, now: Duration) {
        for peer in self.peers.clone() {
            self.announce(peer);
        }
        self.process_effects(now);
    }

    fn announce(&mut self, peer: SocketAddr) {
        // A peer accepts this as its identity whatever the start of its process.
        let gossip = SocketAddr::new(peer.ip(), self.members_port);
        let id = Id { gossip, vote: peer, start: 0, life: 0 };
        trace_error(self.foca.announce(id, &mut self.runtime));
    }

    /// Passes one alarm back to `foca`.
    ///
    /// When the suspicion of a member times out, `foca` 2.0.0 tells it that it is dead even if it
    /// refuted the suspicion in time. The member then gives up its identity, joins anew, and is
    /// reported dead in between. If the member is in fact alive, the messages that this alarm made
    /// `foca` send are therefore dropped. In that case the alarm has no other effect.
    fn fire(&mut self, timer: Timer<Id>) {
        let suspect = match &timer {
            Timer::ChangeSuspectToDown { member_id, .. } => Some(member_id.clone()),
            _ => None,
        };
        trace_error(self.foca.handle_timer(timer, &mut self.runtime));
        let Some(suspect) = suspect else { return };
        if self.foca.iter_members().any(|member| *member.id() == suspect) {
            while self.runtime.to_send().is_some() {}
        }
    }

    /// Handles a datagram as received from the network.
    pub(crate) fn receive(&mut self, now: Duration, datagram: &[u8]) -> Result<(), Dropped> {
        let plain = open(self.seal.as_deref(), datagram)?;
        let (&kind, data) = plain.split_first().ok_or(Dropped::Malformed)?;
        match kind {
            SWIM => self.receive_swim(now, data),
            FAREWELL => self.receive_farewell(now, data),
            _ => Err(Dropped::Malformed),
        }
    }

    fn receive_swim(&mut self, now: Duration, data: &[u8]) -> Result<(), Dropped> {
        let (src, sifted) = self.sieve().sift(data)?;
        let handled = self.foca.handle_data(&sifted, &mut self.runtime);
        self.outputs.push(Output::Received(src.vote));
        if self.duplicates.received_from(now, src.vote, src.start) {
            self.outputs.push(Output::Duplicate(src.vote));
        }
        trace_error(handled);
        self.process_effects(now);
        Ok(())
    }

    fn receive_farewell(&mut self, now: Duration, data: &[u8]) -> Result<(), Dropped> {
        let member = Codec::<Id>::decode_member(&mut PostcardCodec, data);
        let id = member.map_err(|_| Dropped::Malformed)?.id().clone();
        self.sieve().check(&id)?;
        // A farewell of an earlier process of this peer comes too late.
        let known =
            self.foca.iter_membership_state().find(|member| member.id().gossip == id.gossip);
        if known.is_some_and(|known| known.id().life <= id.life) {
            let vote = id.vote;
            let down = std::iter::once(Member::down(id));
            trace_error(self.foca.apply_many(down, true, &mut self.runtime));
            self.outputs.push(Output::Left(vote));
            self.process_effects(now);
        }
        Ok(())
    }

    fn sieve(&self) -> Sieve<'_> {
        let own = self.foca.identity();
        Sieve {
            peers: &self.peers,
            own: own.gossip,
            start: own.start,
            members_port: self.members_port,
            wall: self.wall,
        }
    }

    /// Announces to everybody that we leave. Nothing works afterwards.
    pub(crate) fn leave(&mut self, now: Duration) {
        self.leaving = true;
        trace_error(self.foca.leave_cluster(&mut self.runtime));
        self.process_effects(now);
        let mut farewell = vec![FAREWELL];
        let id = self.foca.identity().clone();
        if PostcardCodec.encode_member(&Member::down(id), &mut farewell).is_err() {
            return;
        }
        for peer in self.peers.clone() {
            // Sent twice because datagrams get lost.
            for _ in 0..2 {
                self.send(SocketAddr::new(peer.ip(), self.members_port), &farewell);
            }
        }
    }

    /// Transfers the effects that `foca` has accumulated, and reports changed members.
    fn process_effects(&mut self, now: Duration) {
        let mut defunct = false;
        while let Some(event) = self.runtime.to_notify() {
            trace!(?event, "gossip");
            defunct |= matches!(event, OwnedNotification::Defunct);
        }
        if defunct && !self.leaving {
            self.renew(now);
        }
        while let Some((to, data)) = self.runtime.to_send() {
            let payload = [&[SWIM][..], &data].concat();
            self.send(to.gossip, &payload);
        }
        while let Some((after, timer)) = self.runtime.to_schedule() {
            self.counter += 1;
            self.alarms.push(Reverse((now + after, timer, self.counter)));
        }
        self.report_changes();
    }

    /// Renews our identity after the cluster has declared it dead.
    ///
    /// The new identity must win over the known one, which is at most [`AHEAD`] ahead of the other
    /// agents' clocks, and must not be further ahead itself. If the known identity comes from a
    /// process with a clock ahead of ours, several renewals are needed. Each goes twice as far as
    /// the one before, so a few exchanges bridge any difference. If that is not enough, two agents
    /// share an address, and this one retries only at the pace of joining.
    fn renew(&mut self, now: Duration) {
        let (last, count) = self.last_renewal;
        let count =
            if count > 0 && now.saturating_sub(last) < RENEWAL_SERIES { count + 1 } else { 1 };
        self.last_renewal = (now, count);
        let mut id = self.foca.identity().clone();
        let further = id.life.saturating_add(1000 << count.min(40));
        id.life = further.max(self.wall).min(self.wall.saturating_add(AHEAD));
        debug!(life = id.life, count, "declared dead by the others, joining anew");
        // `foca` refuses an identity equal to the current one. Time must pass first.
        self.defunct = self.foca.change_identity(id, &mut self.runtime).is_err();
        if count == DUPLICATE_AFTER {
            self.outputs.push(Output::Duplicate(self.foca.identity().vote));
        }
        if count <= 40 {
            for peer in self.peers.clone() {
                self.announce(peer);
            }
        }
    }

    /// Reports the members that have come or gone since the last call.
    fn report_changes(&mut self) {
        let members = self.foca.iter_members().map(Member::id);
        let alive: BTreeMap<_, _> = members
            .filter(|id| self.peers.contains(&id.vote))
            .map(|id| (id.vote, id.start))
            .collect();
        for (&peer, start) in &alive {
            match self.alive.get(&peer) {
                None => self.outputs.push(Output::Up(peer)),
                Some(before) if before != start => self.outputs.push(Output::Restarted(peer)),
                Some(_) => {}
            }
        }
        let gone = self.alive.keys().filter(|peer| !alive.contains_key(peer));
        self.outputs.extend(gone.map(|&peer| Output::Down(peer)));
        self.alive = alive;
    }

    fn send(&mut self, to: SocketAddr, payload: &[u8]) {
        match close(self.seal.as_deref(), payload) {
            Ok(datagram) => self.outputs.push(Output::Send(to, datagram)),
            Err(cause) => debug!(%cause, "cannot seal gossip"),
        }
    }
}

/// Traces an error of `foca`. Its errors concern a single datagram or timer and leave the state
/// unchanged; a peer that is suspended and resumed causes some.
fn trace_error(done: Result<(), foca::Error>) {
    if let Err(cause) = done {
        trace!(%cause, "gossip");
    }
}

#[cfg(test)]
mod tests;
