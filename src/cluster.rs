//! Exchange of votes and liveness with the other agents.
//!
//! ```text
//! peers --HTTP--> listener -> admission --Vote--> engine --announce--> vote senders --HTTP--> peers
//! peers --UDP---> membership -> gossip, peer_table --Peer--> engine       ^
//!                            \-------- standing of each peer -------------/
//! ```
//!
//! Nothing is decided here. A [`ClusterEvent`] reports a received message, and
//! [`crate::engine::quorum`] decides its meaning. Input is bounded, validated and put in order
//! first, so nothing sent to these two ports can stop or slow the agent.

mod admission;
mod bind;
pub(crate) mod clock;
mod connection;
pub(crate) mod gossip;
mod listener;
mod log_limiter;
mod membership;
mod outbox;
mod peer_table;
pub(crate) mod seal;
mod section;
mod services;
mod shared;
pub(crate) mod signature;
mod standing;
mod vote_sender;
mod votes;
pub(crate) mod wire;

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
use self::clock::ClusterClock;
use self::gossip::{Gossip, OwnMember};
use self::listener::VoteListener;
use self::membership::{Membership, MembershipCommand, Reports};
use self::seal::Seal;
use self::services::ServiceRegister;
use self::shared::ClusterContext;
use self::vote_sender::VoteSender;
use self::votes::{AnnouncedVote, AnnouncedVotes, Votes};
use crate::engine::event::Event;
use crate::engine::ids::ServiceId;
use crate::engine::types::{PeerState, Vote};
use crate::serve::serve;

pub use self::section::ClusterConfig;
pub(crate) use self::section::MembersSection;
pub use self::services::WatchedService;
pub(crate) use self::shared::{ServicesByPeer, VoteCounts};

/// Maximum time that leaving the cluster may take.
pub(crate) const LEAVE_WITHIN: Duration = Duration::from_secs(1);

/// An event received from or about a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClusterEvent {
    /// A peer reported the health of a target. The peer and the target are known, and the
    /// signature, if there is one, is valid. The engine decides whether the vote counts.
    Vote {
        /// The voter, as listed in `peers`.
        peer: SocketAddr,
        /// The service of the target.
        service: ServiceId,
        /// The target of the vote.
        target: IpAddr,
        /// The view that the peer declares.
        vote: Vote,
        /// The age of the peer's evidence when it voted; 0 if the vote carries no age.
        age: Duration,
        /// Whether the vote was signed.
        signed: bool,
    },
    /// A peer retracted its vote: it no longer has evidence about this target.
    Abstained {
        /// The voter, as listed in `peers`.
        peer: SocketAddr,
        /// The service of the target.
        service: ServiceId,
        /// The target of the retracted vote.
        target: IpAddr,
        /// Whether the retraction was signed.
        signed: bool,
    },
    /// A peer became alive, is no longer alive, or turned out to be another kind of agent. Peers
    /// are not alive until this event says so.
    Peer {
        /// The peer, as listed in `peers`.
        peer: SocketAddr,
        /// The state of the peer. The last vote of a legacy agent stands until it changes.
        state: PeerState,
    },
}

impl From<ClusterEvent> for Event {
    fn from(event: ClusterEvent) -> Self {
        match event {
            ClusterEvent::Vote { peer, service, target, vote, age, signed: _ } => {
                Self::Vote { peer, service, target, vote, age }
            }
            ClusterEvent::Abstained { peer, service, target, signed: _ } => {
                Self::Abstained { peer, service, target }
            }
            ClusterEvent::Peer { peer, state } => Self::Peer { peer, state },
        }
    }
}

/// All votes of this agent on the targets of one service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VotesOnService {
    /// The service of the targets.
    pub service: ServiceId,
    /// Time after its evidence for which a vote counts.
    pub term: Duration,
    /// The view of each target, and the time of the evidence for it.
    pub votes: Vec<(IpAddr, Vote, Instant)>,
}

/// The reason why the cluster part could not start or has ended.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// The address or port cannot be bound, usually because another process holds it. Nothing was
    /// started.
    #[error("cannot listen for {what} on {address}")]
    Bind {
        /// The purpose of the socket: `votes` or `gossip`.
        what: &'static str,
        /// The address that could not be bound.
        address: SocketAddr,
        /// The error of the operating system.
        #[source]
        source: io::Error,
    },
    /// The length of the key is not one that AES allows. Nothing was started.
    #[error(transparent)]
    Key(#[from] seal::KeyLength),
    /// A part that should run forever has ended: a bug. The rest of the cluster still
    /// runs.
    #[error("the cluster's {0} has ended, which is a bug in goavail")]
    Ended(&'static str),
    /// A part that should run forever has panicked: a bug. The rest of the cluster still
    /// runs.
    #[error("a part of the cluster has panicked, which is a bug in goavail")]
    Panicked(#[source] tokio::task::JoinError),
}

/// Handle of the running cluster part, owned by the event loop. Dropping it ends everything at once and
/// sends no farewell.
#[derive(Debug)]
pub struct Cluster {
    tasks: JoinSet<&'static str>,
    senders: BTreeMap<SocketAddr, AbortHandle>,
    /// The context that new senders receive.
    shared: ClusterContext,
    listener: Arc<VoteListener>,
    votes: watch::Sender<Arc<Votes>>,
    commands: mpsc::Sender<MembershipCommand>,
}

impl Cluster {
    /// Opens both ports and starts to join. From then on received events are sent to `events`. The
    /// vote listener accepts votes only as fast as `events` is drained.
    pub async fn start(
        config: &ClusterConfig,
        services: &[WatchedService],
        events: mpsc::Sender<ClusterEvent>,
    ) -> Result<Self, ClusterError> {
        let seal = config.crypto_key.as_ref().map(Seal::new).transpose()?.map(Arc::new);
        let local = config.local_addr;
        let socket = bind::votes(local).await?;
        let gossip_socket = bind::gossip(SocketAddr::new(local.ip(), config.members_port)).await?;
        let clock = Arc::new(ClusterClock::start());
        let register = Arc::new(ServiceRegister::default());
        register.add(services);
        let (votes, announced) = watch::channel(Arc::default());
        let (standings, known) = watch::channel(Arc::default());
        let (commands, command_receiver) = mpsc::channel(8);
        let (signature_changes, signature_change_receiver) = mpsc::unbounded_channel();
        let shared = ClusterContext {
            local,
            seal: seal.clone(),
            clock: Arc::clone(&clock),
            counters: Arc::default(),
            services: register,
            missing_votes: Arc::default(),
            votes: announced,
            standings: known,
        };

        let mut tasks = JoinSet::new();
        let (start, seed) = (clock::unix_millis(), rand::random());
        let peers: BTreeSet<_> = config.peers.iter().copied().collect();
        let own = OwnMember { vote: local, members_port: config.members_port, start };
        let gossip = Gossip::new(own, peers.iter().copied(), seal.clone(), seed);
        let reports = Reports { events: events.clone(), standings };
        let membership =
            Membership::new(gossip, peers.iter().copied(), gossip_socket, clock, reports);
        tasks.spawn(named(
            "membership",
            membership.run(command_receiver, signature_change_receiver),
        ));

        let admission =
            Admission::new(local, seal, config.require_signed, peers.iter().copied(), services);
        let listener =
            Arc::new(VoteListener::new(admission, shared.clone(), events, signature_changes));
        let router = listener::router(Arc::clone(&listener));
        // Ends with its task: a vote that is cut off is sent again, to the other agents.
        let listening = serve(socket, router, listener::LIMITS, pending());
        tasks.spawn(named("vote listener", listening));

        let senders = BTreeMap::new();
        let mut cluster = Self { tasks, senders, shared, listener, votes, commands };
        cluster.ensure_senders(&peers);
        Ok(cluster)
    }

    /// Announces the votes of this agent on some services to every peer. A vote that is no longer
    /// included in those of its service is retracted. A vote is repeated every [`outbox::REPEAT`]
    /// only if it is announced again with newer evidence, and is sent for no longer than its term
    /// after its evidence.
    pub fn announce(&self, services: impl IntoIterator<Item = VotesOnService>) {
        let mut all = Votes::clone(&self.votes.borrow());
        let mut changed = false;
        for VotesOnService { service, term, votes } in services {
            // Without a name there is no way to tell a peer about the service.
            if self.shared.services.name(service).is_none() {
                continue;
            }
            let mut announced = AnnouncedVotes { term, ..AnnouncedVotes::default() };
            for (target, vote, seen) in votes {
                let evidence = self.shared.clock.at(seen);
                announced.votes.insert(target, AnnouncedVote { vote, evidence });
            }
            changed |= all.replace(service, announced);
        }
        if changed {
            self.votes.send_replace(Arc::new(all));
        }
    }

    /// Returns the clock of the cluster part. The loop that announces must record each of its
    /// iterations there.
    pub fn clock(&self) -> Arc<ClusterClock> {
        Arc::clone(&self.shared.clock)
    }

    /// Replaces the peers and services. State of those that stay is kept, and votes on removed
    /// services are retracted. This agent's own addresses and key cannot change.
    pub async fn reload(
        &mut self,
        peers: impl IntoIterator<Item = SocketAddr>,
        services: &[WatchedService],
    ) {
        let peers: BTreeSet<_> = peers.into_iter().collect();
        self.shared.services.add(services);
        self.retract_removed(services);
        self.ensure_senders(&peers);
        self.shared.missing_votes.retain(|peer| peers.contains(&peer));
        // Membership first: it is notified only once of a new peer's first vote. If it has ended,
        // `failed` reports that.
        let (done, known) = oneshot::channel();
        if self.commands.send(MembershipCommand::Peers(peers.clone(), done)).await.is_ok() {
            let _ = known.await;
        }
        self.listener.reload(peers, services);
    }

    /// Retracts the votes on services that are not among `services`.
    fn retract_removed(&self, services: &[WatchedService]) {
        let stay: BTreeSet<ServiceId> = services.iter().map(|service| service.id).collect();
        let mut all = Votes::clone(&self.votes.borrow());
        if all.retain(|service| stay.contains(&service)) {
            self.votes.send_replace(Arc::new(all));
        }
    }

    /// Starts and stops senders so that there is exactly one for each of `peers`.
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

    /// Returns the number of votes from and to each peer by outcome: `accepted` and `refused` for
    /// received votes, and `delivered`, `declined`, `postponed`, `unanswered` and `failed` for sent
    /// ones.
    pub fn counts(&self) -> VoteCounts {
        self.shared.counters.counts()
    }

    /// Returns the names of the services on which each peer has no vote, but for peers that have a
    /// vote on all of them.
    pub(crate) fn missing_votes(&self) -> ServicesByPeer {
        self.shared.missing_votes.get()
    }

    /// Waits until a part of the cluster ends that should not. Never completes unless there is a
    /// bug. Dropping the future loses nothing.
    pub async fn failed(&mut self) -> ClusterError {
        loop {
            match self.tasks.join_next().await {
                // The sender of a peer that was removed.
                Some(Err(ended)) if ended.is_cancelled() => {}
                Some(Err(panicked)) => return ClusterError::Panicked(panicked),
                Some(Ok(part)) => return ClusterError::Ended(part),
                None => return ClusterError::Ended("last part"),
            }
        }
    }

    /// Sends a farewell to the peers and ends everything, within [`LEAVE_WITHIN`].
    pub async fn leave(mut self) {
        let (done, left) = oneshot::channel();
        let leaving = async {
            if self.commands.send(MembershipCommand::Leave(done)).await.is_ok() {
                let _ = left.await;
            }
        };
        // Tasks that do not end in time are aborted here.
        let _ = timeout(LEAVE_WITHIN, leaving).await;
        self.tasks.shutdown().await;
    }
}

/// Runs `part` and returns its name once it ends.
async fn named(name: &'static str, part: impl Future<Output = ()>) -> &'static str {
    part.await;
    name
}
