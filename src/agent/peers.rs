//! Runs the cluster in a task of its own: forwards its events to the event loop, and the announcements
//! of the event loop to it.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};

use super::clock::Clock;
use super::input::Input;
use crate::cluster::{self, Cluster, ClusterError, ClusterEvent, VoteCounts};
use crate::engine::event::Announcement;
use crate::engine::ids::ServiceId;
use crate::settings::Config;

/// Maximum number of events of the cluster that wait.
const EVENTS: usize = 1024;

/// Time between updates of the counters.
const COUNT_EVERY: Duration = Duration::from_secs(1);

enum ClusterRequest {
    Announce(ServiceId, Announcement),
    Reload(BTreeSet<SocketAddr>, Vec<IpAddr>),
    Leave(oneshot::Sender<()>),
}

/// The counters of votes, updated about once a second.
#[derive(Debug, Clone, Default)]
pub(super) struct VoteCounters(Arc<Mutex<VoteCounts>>);

impl VoteCounters {
    /// Returns the latest counts.
    pub(super) fn get(&self) -> VoteCounts {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, counts: VoteCounts) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = counts;
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
    /// Opens both ports and starts to join. `None` without a cluster.
    pub(super) async fn start(
        config: &Config,
        talk: &Handle,
        outbox: mpsc::Sender<Input>,
        clock: Clock,
    ) -> Result<Option<Self>, ClusterError> {
        let Some(settings) = config.sections.cluster.clone() else { return Ok(None) };
        let (events, received) = mpsc::channel(EVENTS);
        let targets = config.default_service().targets.clone();
        let starting = async move { Cluster::start(&settings, targets, events).await };
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
    pub(super) fn reload(&self, config: &Config) {
        let peers =
            config.sections.cluster.iter().flat_map(|cluster| cluster.peers.iter().copied());
        let _ = self.requests.send(ClusterRequest::Reload(
            peers.collect(),
            config.default_service().targets.clone(),
        ));
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
    loop {
        let request = tokio::select! {
            request = requests.recv() => request,
            failure = cluster.failed() => {
                let _ = outbox.send(Input::Failed(failure.into())).await;
                return;
            }
            _ = tick.tick() => {
                counters.set(cluster.counts());
                continue;
            }
        };
        match request {
            // A vote on the wire names no service: it is about `default`.
            Some(ClusterRequest::Announce(service, _)) if service != ServiceId::DEFAULT => {}
            Some(ClusterRequest::Announce(_, Announcement { votes, term })) => {
                let votes = votes.into_iter().map(|(target, own)| {
                    let evidence = clock.started() + own.evidence.since_start();
                    (target, own.vote, evidence)
                });
                cluster.announce(term, votes);
            }
            Some(ClusterRequest::Reload(peers, targets)) => cluster.reload(peers, targets).await,
            Some(ClusterRequest::Leave(done)) => {
                cluster.leave().await;
                let _ = done.send(());
                return;
            }
            None => return,
        }
    }
}
