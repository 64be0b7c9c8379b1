//! The cluster's life: one task holds it, passes on what it hears and says what it is told to.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};

use super::event_loop::{Clock, Input};
use crate::cluster::{self, Cluster, ClusterError, ClusterEvent, Counts};
use crate::config::Config;
use crate::engine::event::Announcement;

/// How many events of the cluster may wait.
const EVENTS: usize = 1024;

/// How often the counts are taken over.
const COUNT_EVERY: Duration = Duration::from_secs(1);

enum Order {
    Announce(Announcement),
    Reload(BTreeSet<SocketAddr>, Vec<IpAddr>),
    Leave(oneshot::Sender<()>),
}

/// The cluster as the driver holds it.
pub(super) struct Peers {
    orders: mpsc::UnboundedSender<Order>,
    counts: Arc<Mutex<Counts>>,
    /// The cluster's time.
    time: Arc<cluster::clock::Clock>,
}

impl Peers {
    /// Opens both ports and begins to join.
    pub(super) async fn start(
        config: &Config,
        talk: &Handle,
        outbox: mpsc::Sender<Input>,
        clock: Clock,
    ) -> Result<Option<Self>, ClusterError> {
        let Some(settings) = config.cluster.clone() else { return Ok(None) };
        let (events, heard) = mpsc::channel(EVENTS);
        let targets = config.targets.clone();
        let starting = async move { Cluster::start(&settings, targets, events).await };
        let cluster = match talk.spawn(starting).await {
            Ok(started) => started?,
            Err(panicked) => return Err(ClusterError::Panicked(panicked)),
        };
        let (orders, ordered) = mpsc::unbounded_channel();
        let counts = Arc::<Mutex<Counts>>::default();
        talk.spawn(pass_on(heard, outbox.clone()));
        let time = cluster.clock();
        talk.spawn(hold(cluster, ordered, Arc::clone(&counts), outbox, clock));
        Ok(Some(Self { orders, counts, time }))
    }

    // The task that is told lives as long as the program, or has taken the program down.

    pub(super) fn announce(&self, votes: Announcement) {
        let _ = self.orders.send(Order::Announce(votes));
    }

    /// The driver's loop turned, so that what it announced stands.
    pub(super) fn turned(&self) {
        self.time.record_iteration();
    }

    pub(super) fn reload(&self, config: &Config) {
        let peers = config.cluster.iter().flat_map(|cluster| cluster.peers.iter().copied());
        let _ = self.orders.send(Order::Reload(peers.collect(), config.targets.clone()));
    }

    pub(super) fn counts(&self) -> Counts {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Says farewell to the peers.
    pub(super) async fn leave(self) {
        let (done, left) = oneshot::channel();
        if self.orders.send(Order::Leave(done)).is_ok() {
            let _ = left.await;
        }
    }
}

async fn pass_on(mut heard: mpsc::Receiver<ClusterEvent>, outbox: mpsc::Sender<Input>) {
    while let Some(event) = heard.recv().await {
        if outbox.send(Input::Cluster(event)).await.is_err() {
            return;
        }
    }
}

/// Holds the cluster until it is told to leave.
async fn hold(
    mut cluster: Cluster,
    mut ordered: mpsc::UnboundedReceiver<Order>,
    counts: Arc<Mutex<Counts>>,
    outbox: mpsc::Sender<Input>,
    clock: Clock,
) {
    let mut tick = tokio::time::interval(COUNT_EVERY);
    loop {
        let order = tokio::select! {
            order = ordered.recv() => order,
            failure = cluster.failed() => {
                let _ = outbox.send(Input::Failed(failure.into())).await;
                return;
            }
            _ = tick.tick() => {
                *counts.lock().unwrap_or_else(PoisonError::into_inner) = cluster.counts();
                continue;
            }
        };
        match order {
            Some(Order::Announce(Announcement { votes, term })) => {
                let seen = |at| clock.started() + at;
                let votes = votes.into_iter();
                cluster.announce(term, votes.map(|(of, vote)| (of, vote.up, seen(vote.evidence))));
            }
            Some(Order::Reload(peers, targets)) => cluster.reload(peers, targets).await,
            Some(Order::Leave(done)) => {
                cluster.leave().await;
                let _ = done.send(());
                return;
            }
            None => return,
        }
    }
}
