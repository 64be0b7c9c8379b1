//! SWIM membership without sockets: datagrams and times in, datagrams and changes out.
//!
//! The protocol is `foca`'s. Around it: the envelope (sealed with the cluster's key, if there is
//! one), joining for ever, a farewell that is believed at once, and a way around one bug of it.

mod duplicates;
mod identity;
mod profile;
mod sieve;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::io;
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

use self::duplicates::DuplicateDetector;
pub use self::identity::Id;
use self::profile::profile;
use self::sieve::{AHEAD, Sieve};
use super::seal::Seal;

/// How often peers that are not alive are asked to let us join, give or take a fifth.
pub const JOIN_INTERVAL: Duration = Duration::from_secs(5);

/// The first byte of gossip that is not sealed. Sealed gossip begins with another.
const PLAIN: u8 = 0;

/// The first byte inside the envelope: what follows is foca's.
const SWIM: u8 = 0;

/// The first byte inside the envelope: what follows is the identity of one that leaves.
const FAREWELL: u8 = 1;

/// Renewals closer to each other than this are one struggle for a place in the cluster.
const RENEWAL_SERIES: Duration = Duration::from_mins(1);

/// So many renewals bridge any difference between clocks. Whoever struggles on is not alone.
const DUPLICATE_AFTER: u32 = 24;

/// What is to be done or known after an input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Send this datagram there.
    Send(SocketAddr, Vec<u8>),
    /// This peer was heard, by itself.
    Received(SocketAddr),
    /// This peer is alive now.
    Up(SocketAddr),
    /// This peer is not alive any more.
    Down(SocketAddr),
    /// This peer is another process than before, and was not missed in between.
    Restarted(SocketAddr),
    /// This peer says that it leaves.
    Left(SocketAddr),
    /// This agent or peer is two processes that use one address.
    Duplicate(SocketAddr),
}

/// Why a datagram was dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Dropped {
    /// Not sealed though we have a key, sealed though we have none, or sealed with another key.
    #[error("it is not sealed with our crypto_key")]
    NotOurs,
    /// No gossip of this program.
    #[error("it is not our gossip; is this the port of another program?")]
    Malformed,
    /// Its sender is not in `peers`, or not at the `members_port` that we think.
    #[error("its sender is not in peers, or its members_port is another than ours")]
    Stranger,
    /// Its sender is another process in this agent's place.
    #[error("its sender has our own local_addr; each agent needs one of its own")]
    OurName,
    /// Its sender started, or took up a new life, more than a day from now.
    #[error("its sender started more than a day from now by our clock; are the clocks apart?")]
    Ahead,
}

/// A wake-up that foca asked for. Ordered by time, then by foca's own order, then by age.
type Alarm = Reverse<(Duration, Timer<Id>, u64)>;

/// Membership, as one agent sees it.
pub struct Gossip {
    foca: Foca<Id, PostcardCodec, SmallRng, NoCustomBroadcast>,
    runtime: AccumulatingRuntime<Id>,
    alarms: BinaryHeap<Alarm>,
    /// Breaks ties between alarms.
    counter: u64,
    rng: SmallRng,
    seal: Option<Arc<Seal>>,
    members_port: u16,
    /// By their vote address.
    peers: BTreeSet<SocketAddr>,
    /// The peers that are alive, each with the start of its process.
    alive: BTreeMap<SocketAddr, u64>,
    /// The processes that peers are heard of.
    duplicates: DuplicateDetector,
    next_join: Duration,
    /// The wall clock, in milliseconds of Unix time, as [`set_wall`](Self::set_wall) told.
    wall: u64,
    /// Whether this agent was declared dead and has no new life yet.
    defunct: bool,
    /// When our identity was renewed last, and how often in this struggle.
    last_renewal: (Duration, u32),
    leaving: bool,
    outputs: Vec<Output>,
}

impl std::fmt::Debug for Gossip {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Gossip").field("alive", &self.alive).finish_non_exhaustive()
    }
}

impl Gossip {
    /// The agent that votes as `local`, whose process started at `start`, in milliseconds of Unix
    /// time. It knows nobody yet and joins at the first [`wake`](Self::wake).
    pub fn new(
        local: SocketAddr,
        members_port: u16,
        peers: impl IntoIterator<Item = SocketAddr>,
        seal: Option<Arc<Seal>>,
        start: u64,
        seed: u64,
    ) -> Self {
        let gossip = SocketAddr::new(local.ip(), members_port);
        let id = Id { gossip, vote: local, start, life: start };
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

    /// Takes other peers. Those that go are ignored from now on; new ones are joined at once.
    pub fn set_peers(&mut self, now: Duration, peers: impl IntoIterator<Item = SocketAddr>) {
        self.peers = peers.into_iter().collect();
        self.duplicates.keep(|peer| self.peers.contains(peer));
        self.next_join = now;
        self.process_effects(now);
    }

    /// Tells what the wall clock shows, in milliseconds of Unix time. To be called before the other
    /// inputs: it says which processes can have started by now.
    ///
    /// An own identity that others take for impossible, as the clock was set back since, is replaced.
    pub fn set_wall(&mut self, now: Duration, millis: u64) {
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

    /// When [`wake`](Self::wake) is to be called next.
    pub fn next_wake(&self) -> Duration {
        let alarm = self.alarms.peek().map(|Reverse((at, ..))| *at);
        alarm.map_or(self.next_join, |at| at.min(self.next_join))
    }

    /// What has come of the inputs since this was asked last.
    pub fn outputs(&mut self) -> Vec<Output> {
        std::mem::take(&mut self.outputs)
    }

    /// Does what is due at `now`.
    pub fn wake(&mut self, now: Duration) {
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
    pub fn join(&mut self, now: Duration) {
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
    pub fn join_all(&mut self, now: Duration) {
        for peer in self.peers.clone() {
            self.announce(peer);
        }
        self.process_effects(now);
    }

    fn announce(&mut self, peer: SocketAddr) {
        // A peer takes this for its own whatever its process's start is.
        let gossip = SocketAddr::new(peer.ip(), self.members_port);
        let id = Id { gossip, vote: peer, start: 0, life: 0 };
        trace_error(self.foca.announce(id, &mut self.runtime));
    }

    /// Hands one alarm back to foca.
    ///
    /// foca 2.0.0 tells a suspect at the end of its respite that it is dead even if it refuted the
    /// suspicion in time, whereupon it gives up its identity and joins anew, and is reported dead on
    /// the way. So if it lives after all, what this alarm made foca send is dropped; what else the
    /// alarm does in that case is nothing.
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

    /// Takes a datagram as it came from the network.
    pub fn receive(&mut self, now: Duration, datagram: &[u8]) -> Result<(), Dropped> {
        let plain = self.open(datagram)?;
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
        // One that was sent by an earlier process of this peer comes too late.
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

    /// Says that we leave, to everybody. Nothing works afterwards.
    pub fn leave(&mut self, now: Duration) {
        self.leaving = true;
        trace_error(self.foca.leave_cluster(&mut self.runtime));
        self.process_effects(now);
        let mut farewell = vec![FAREWELL];
        let id = self.foca.identity().clone();
        if PostcardCodec.encode_member(&Member::down(id), &mut farewell).is_err() {
            return;
        }
        for peer in self.peers.clone() {
            // Twice, as datagrams get lost.
            for _ in 0..2 {
                self.send(SocketAddr::new(peer.ip(), self.members_port), &farewell);
            }
        }
    }

    /// Carries over what foca accumulated, and works out who has come and gone.
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

    /// Takes up a new life, as the cluster has declared this one dead.
    ///
    /// The new identity must win over the one that the others know, which is no further than
    /// [`AHEAD`] of their clocks, and must not be further ahead itself. If the known one is from a
    /// process whose clock was ahead of ours, it takes several renewals; each goes twice as far as the
    /// one before, so they bridge any difference in a few exchanges. Beyond that two agents share an
    /// address, and are left to try at the pace of joining.
    fn renew(&mut self, now: Duration) {
        let (last, count) = self.last_renewal;
        let count =
            if count > 0 && now.saturating_sub(last) < RENEWAL_SERIES { count + 1 } else { 1 };
        self.last_renewal = (now, count);
        let mut id = self.foca.identity().clone();
        let further = id.life.saturating_add(1000 << count.min(40));
        id.life = further.max(self.wall).min(self.wall.saturating_add(AHEAD));
        debug!(life = id.life, count, "declared dead by the others, joining anew");
        // Refused if it is the one that we have. Then time must go by first.
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

    /// Puts out who has come and gone since the last time.
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
        match self.close(payload) {
            Ok(datagram) => self.outputs.push(Output::Send(to, datagram)),
            Err(cause) => debug!(%cause, "cannot seal gossip"),
        }
    }

    /// Puts the envelope around.
    fn close(&self, payload: &[u8]) -> io::Result<Vec<u8>> {
        match &self.seal {
            Some(seal) => seal.seal_gossip(payload),
            None => Ok([&[PLAIN][..], payload].concat()),
        }
    }

    /// Takes the envelope off.
    fn open(&self, datagram: &[u8]) -> Result<Vec<u8>, Dropped> {
        match &self.seal {
            Some(seal) => seal.open_gossip(datagram).map_err(|_| Dropped::NotOurs),
            None => match datagram.split_first() {
                Some((&PLAIN, payload)) => Ok(payload.to_vec()),
                _ => Err(Dropped::NotOurs),
            },
        }
    }
}

/// foca's errors are about one datagram or timer and leave it as it was; a peer that is stopped and
/// woken causes some.
fn trace_error(done: Result<(), foca::Error>) {
    if let Err(cause) = done {
        trace!(%cause, "gossip");
    }
}

#[cfg(test)]
mod tests;
