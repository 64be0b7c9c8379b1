//! The other agents: their votes, who of them is alive, and ours to them.
//!
//! ```text
//! peers --HTTP--> votes -> admission --Vote--> engine --announce--> senders --HTTP--> peers
//! peers --UDP---> membership -> gossip, peer_table --Peer--> engine        ^
//!                            \----- who is ours, who is back ---------/
//! ```
//!
//! Nothing is decided here: a [`ClusterEvent`] says what was heard, and what it amounts to is worked
//! out by [`crate::engine::quorum`]. What is heard is bounded, judged and put in order first, so
//! that whatever is sent to these two ports, the agent lives on and keeps its pace.

pub mod admission;
pub mod bind;
pub mod clock;
pub mod connection;
pub mod gossip;
pub mod listener;
pub mod log_limiter;
pub mod membership;
pub mod outbox;
pub mod peer_table;
pub mod seal;
pub mod shared;
pub mod signature;
pub mod vote_sender;
pub mod wire;

use std::collections::{BTreeMap, BTreeSet};
use std::future::pending;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, timeout};

use self::admission::Admission;
use self::clock::Clock;
use self::gossip::Gossip;
use self::listener::VoteListener;
use self::membership::{Command, Membership};
use self::outbox::{Vote, Votes};
use self::seal::Seal;
use self::shared::Shared;
use self::vote_sender::VoteSender;
use crate::config::ClusterConfig;
use crate::serve::serve;

pub use self::shared::Counts;

/// How long leaving may take.
pub const LEAVE_WITHIN: Duration = Duration::from_secs(1);

/// What was heard from or about a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClusterEvent {
    /// A peer said what it sees. Its identity and the target are known, its signature holds if it
    /// has one; whether the vote counts is the engine's to say.
    Vote {
        /// Who votes, as listed in `peers`.
        peer: SocketAddr,
        /// On what; one of the targets.
        target: IpAddr,
        /// What it sees: `true` is up.
        up: bool,
        /// How old what it saw was when it was said; 0 if that was not said.
        age: Duration,
        /// Whether it was signed.
        signed: bool,
    },
    /// A peer takes its vote back: it has no evidence about this target any more.
    Abstained {
        /// Who, as listed in `peers`.
        peer: SocketAddr,
        /// On what; one of the targets.
        target: IpAddr,
        /// Whether that was signed.
        signed: bool,
    },
    /// A peer came to life, ceased to be alive, or signature_changes out to be another kind of agent. Peers
    /// are not alive until this says so.
    Peer {
        /// Who, as listed in `peers`.
        peer: SocketAddr,
        /// Whether it has a vote from now on.
        alive: bool,
        /// Whether it is a Go agent, whose last vote stands until it changes.
        legacy: bool,
    },
}

/// Why the cluster part could not start, or has ended.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// The address or port cannot be had; most often another process holds it. Nothing was started.
    #[error("cannot listen for {what} on {address}")]
    Bind {
        /// What for.
        what: &'static str,
        /// Where.
        address: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The key is of no length that AES knows. Nothing was started.
    #[error(transparent)]
    Key(#[from] seal::KeyLength),
    /// A part that runs for ever has ended, which is a bug; the rest of the cluster still runs.
    #[error("the cluster's {0} has ended, which is a bug in goavail")]
    Ended(&'static str),
    /// A part that runs for ever has panicked, which is a bug; the rest of the cluster still runs.
    #[error("a part of the cluster has panicked, which is a bug in goavail")]
    Panicked(#[source] tokio::task::JoinError),
}

/// The cluster, as the driver holds it. Dropping it ends everything at once and says no farewell.
#[derive(Debug)]
pub struct Cluster {
    tasks: JoinSet<&'static str>,
    senders: BTreeMap<SocketAddr, AbortHandle>,
    /// What new senders are given.
    shared: Shared,
    listener: Arc<VoteListener>,
    votes: watch::Sender<Arc<Votes>>,
    commands: mpsc::Sender<Command>,
}

impl Cluster {
    /// Opens both ports and starts to join. From then on, what is heard goes into `events`, and the
    /// vote listener takes votes only as fast as these are received.
    pub async fn start(
        config: &ClusterConfig,
        targets: impl IntoIterator<Item = IpAddr>,
        events: mpsc::Sender<ClusterEvent>,
    ) -> Result<Self, ClusterError> {
        let seal = config.crypto_key.as_ref().map(Seal::new).transpose()?.map(Arc::new);
        let local = config.local_addr;
        let socket = bind::votes(local).await?;
        let gossip_socket = bind::gossip(SocketAddr::new(local.ip(), config.members_port)).await?;
        let clock = Arc::new(Clock::start());
        let (votes, announced) = watch::channel(Arc::default());
        let (standings, known) = watch::channel(Arc::default());
        let (commands, command_receiver) = mpsc::channel(8);
        let (signature_changes, signature_change_receiver) = mpsc::unbounded_channel();
        let shared = Shared {
            local,
            seal: seal.clone(),
            clock: Arc::clone(&clock),
            counters: Arc::default(),
            votes: announced,
            standings: known,
        };

        let mut tasks = JoinSet::new();
        let (start, seed) = (clock::unix_millis(), rand::random());
        let peers = || config.peers.iter().copied();
        let gossip = Gossip::new(local, config.members_port, peers(), seal.clone(), start, seed);
        let membership =
            Membership::new(gossip, peers(), gossip_socket, clock, events.clone(), standings);
        tasks.spawn(named(
            "membership",
            membership.run(command_receiver, signature_change_receiver),
        ));

        let admission = Admission::new(local, seal, config.require_signed, peers(), targets);
        let listener =
            Arc::new(VoteListener::new(admission, shared.clone(), events, signature_changes));
        let router = listener::router(Arc::clone(&listener));
        // It ends with its task: a vote that is cut off is sent again, to others.
        let listening = serve(socket, router, listener::LIMITS, pending());
        tasks.spawn(named("vote listener", listening));

        let senders = BTreeMap::new();
        let mut cluster = Self { tasks, senders, shared, listener, votes, commands };
        cluster.ensure_senders(&peers().collect());
        Ok(cluster)
    }

    /// Tells every peer what this agent sees: the whole of its votes. What is not in it any more is
    /// taken back. A vote is repeated every [`outbox::REPEAT`] only if it is announced again with newer
    /// evidence, and told for no longer than `term` after its evidence.
    pub fn announce(
        &self,
        term: Duration,
        votes: impl IntoIterator<Item = (IpAddr, bool, Instant)>,
    ) {
        let clock = &self.shared.clock;
        let vote = |(target, up, seen)| (target, Vote { up, evidence: clock.at(seen) });
        let votes = Votes { votes: votes.into_iter().map(vote).collect(), term };
        self.votes.send_if_modified(|before| {
            let changed = **before != votes;
            *before = Arc::new(votes);
            changed
        });
    }

    /// The time here, which is to be told each turn of the loop that announces.
    pub fn clock(&self) -> Arc<Clock> {
        Arc::clone(&self.shared.clock)
    }

    /// Takes other peers and targets. What is known of those that stay is kept. This agent's own
    /// addresses and key cannot change.
    pub async fn reload(
        &mut self,
        peers: impl IntoIterator<Item = SocketAddr>,
        targets: impl IntoIterator<Item = IpAddr>,
    ) {
        let peers: BTreeSet<_> = peers.into_iter().collect();
        self.ensure_senders(&peers);
        // Membership first, as it is told of a new peer's first vote once only. If it has ended,
        // `failed` says so.
        let (done, known) = oneshot::channel();
        if self.commands.send(Command::Peers(peers.clone(), done)).await.is_ok() {
            let _ = known.await;
        }
        self.listener.reload(peers, targets);
    }

    /// Has one sender for each of `peers` and no other.
    fn ensure_senders(&mut self, peers: &BTreeSet<SocketAddr>) {
        self.senders.retain(|peer, sender| {
            let stays = peers.contains(peer);
            if !stays {
                sender.abort();
            }
            stays
        });
        for &peer in peers {
            let (tasks, shared) = (&mut self.tasks, &self.shared);
            self.senders.entry(peer).or_insert_with(|| {
                tasks.spawn(named("vote sender", VoteSender::new(peer, shared.clone()).run()))
            });
        }
    }

    /// How often what happened to the votes of and to each peer: `accepted`, `refused`, and, of
    /// ours, `delivered`, `declined`, `postponed`, `unanswered`, `failed`.
    pub fn counts(&self) -> Counts {
        self.shared.counters.counts()
    }

    /// Waits until a part of the cluster ends that should not: for ever, if there is no bug.
    /// Dropping the future loses nothing.
    pub async fn failed(&mut self) -> ClusterError {
        loop {
            match self.tasks.join_next().await {
                // A sender that was let go.
                Some(Err(ended)) if ended.is_cancelled() => {}
                Some(Err(panicked)) => return ClusterError::Panicked(panicked),
                Some(Ok(part)) => return ClusterError::Ended(part),
                None => return ClusterError::Ended("last part"),
            }
        }
    }

    /// Says farewell to the peers and ends everything, within [`LEAVE_WITHIN`].
    pub async fn leave(mut self) {
        let (done, left) = oneshot::channel();
        let leaving = async {
            if self.commands.send(Command::Leave(done)).await.is_ok() {
                let _ = left.await;
            }
        };
        // Whatever does not end in time ends with the tasks.
        let _ = timeout(LEAVE_WITHIN, leaving).await;
        self.tasks.shutdown().await;
    }
}

/// `part`, which says its name when it ends.
async fn named(name: &'static str, part: impl Future<Output = ()>) -> &'static str {
    part.await;
    name
}
