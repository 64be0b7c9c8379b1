//! Runs the cluster in a task of its own: forwards its events to the event loop, and the announcements
//! of the event loop to it.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};

use super::clock::Clock;
use super::input::Input;
use crate::cluster::{
    self, Cluster, ClusterError, ClusterEvent, ServicesByPeer, VoteCounts, VotesOnService,
    WatchedService,
};
use crate::engine::event::Announcement;
use crate::engine::ids::ServiceId;
use crate::settings::Config;

/// Maximum number of events of the cluster that wait.
const EVENTS: usize = 1024;

/// Time between updates of the counters.
const COUNT_EVERY: Duration = Duration::from_secs(1);

/// Maximum number of requests that are carried out together. The votes on all services are
/// announced at the same time.
const REQUESTS_AT_ONCE: usize = 4096;

enum ClusterRequest {
    Announce(ServiceId, Announcement),
    Reload(BTreeSet<SocketAddr>, Vec<WatchedService>),
    Leave(oneshot::Sender<()>),
}

/// The counters of votes and the services without votes, updated about once a second.
#[derive(Debug, Clone, Default)]
pub(super) struct VoteCounters(Arc<Mutex<(VoteCounts, ServicesByPeer)>>);

impl VoteCounters {
    /// Returns the latest counts.
    pub(super) fn get(&self) -> VoteCounts {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).0.clone()
    }

    /// Returns the services on which each peer has no vote.
    pub(super) fn missing_votes(&self) -> ServicesByPeer {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).1.clone()
    }

    fn update(&self, cluster: &Cluster) {
        let now = (cluster.counts(), cluster.missing_votes());
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = now;
    }
}

/// The connection to the cluster's task.
pub(super) struct ClusterLink {
    requests: mpsc::UnboundedSender<ClusterRequest>,
    counters: VoteCounters,
    /// The clock of the cluster.
    time: Arc<cluster::clock::ClusterClock>,
}

impl ClusterLink {
    /// Opens both ports and starts to join, with votes on `services`. `None` without a cluster.
    pub(super) async fn start(
        config: &Config,
        services: Vec<WatchedService>,
        talk: &Handle,
        outbox: mpsc::Sender<Input>,
        clock: Clock,
    ) -> Result<Option<Self>, ClusterError> {
        let Some(settings) = config.sections.cluster.clone() else { return Ok(None) };
        let (events, received) = mpsc::channel(EVENTS);
        let starting = async move { Cluster::start(&settings, &services, events).await };
        let cluster = match talk.spawn(starting).await {
            Ok(started) => started?,
            Err(panicked) => return Err(ClusterError::Panicked(panicked)),
        };
        let (requests, requested) = mpsc::unbounded_channel();
        let counters = VoteCounters::default();
        talk.spawn(forward(received, outbox.clone()));
        let time = cluster.clock();
        talk.spawn(run(cluster, requested, counters.clone(), outbox, clock));
        Ok(Some(Self { requests, counters, time }))
    }

    // The task lives as long as the program, or has ended the program.

    /// Announces this agent's votes on the targets of a service to the peers.
    pub(super) fn announce(&self, service: ServiceId, votes: Announcement) {
        let _ = self.requests.send(ClusterRequest::Announce(service, votes));
    }

    /// Records an iteration of the event loop, so that its announcement stays valid.
    pub(super) fn iteration(&self) {
        self.time.record_iteration();
    }

    /// Follows another configuration.
    pub(super) fn reload(&self, config: &Config, services: Vec<WatchedService>) {
        let peers =
            config.sections.cluster.iter().flat_map(|cluster| cluster.peers.iter().copied());
        let _ = self.requests.send(ClusterRequest::Reload(peers.collect(), services));
    }

    /// Returns the counters of votes.
    pub(super) fn counters(&self) -> VoteCounters {
        self.counters.clone()
    }

    /// Notifies the peers that this agent leaves.
    pub(super) async fn leave(self) {
        let (done, left) = oneshot::channel();
        if self.requests.send(ClusterRequest::Leave(done)).is_ok() {
            let _ = left.await;
        }
    }
}

/// Forwards the cluster's events to the event loop.
async fn forward(mut events: mpsc::Receiver<ClusterEvent>, outbox: mpsc::Sender<Input>) {
    while let Some(event) = events.recv().await {
        if outbox.send(Input::Cluster(event)).await.is_err() {
            return;
        }
    }
}

/// Runs the cluster until it is requested to leave.
async fn run(
    mut cluster: Cluster,
    mut requests: mpsc::UnboundedReceiver<ClusterRequest>,
    counters: VoteCounters,
    outbox: mpsc::Sender<Input>,
    clock: Clock,
) {
    let mut tick = tokio::time::interval(COUNT_EVERY);
    let mut waiting = Vec::new();
    loop {
        let received = tokio::select! {
            received = requests.recv_many(&mut waiting, REQUESTS_AT_ONCE) => received,
            failure = cluster.failed() => {
                let _ = outbox.send(Input::Failed(failure.into())).await;
                return;
            }
            _ = tick.tick() => {
                counters.update(&cluster);
                continue;
            }
        };
        if received == 0 {
            return;
        }
        let mut votes = Vec::new();
        for request in waiting.drain(..) {
            match request {
                ClusterRequest::Announce(service, announcement) => {
                    votes.push(announced(service, announcement, clock));
                }
                ClusterRequest::Reload(peers, services) => {
                    cluster.announce(votes.drain(..));
                    cluster.reload(peers, &services).await;
                }
                ClusterRequest::Leave(done) => {
                    cluster.leave().await;
                    let _ = done.send(());
                    return;
                }
            }
        }
        cluster.announce(votes);
    }
}

/// Returns an announcement of the engine as the cluster announces it.
fn announced(service: ServiceId, announcement: Announcement, clock: Clock) -> VotesOnService {
    let Announcement { votes, term } = announcement;
    let votes = votes.into_iter().map(|(target, own)| {
        let evidence = clock.started() + own.evidence.since_start();
        (target, own.vote, evidence)
    });
    VotesOnService { service, term, votes: votes.collect() }
}
