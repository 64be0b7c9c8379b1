//! The DNS worker's life: started, handed over at a reload, ended in order.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use super::event_loop::Input;
use super::settings;
use super::state_store::{Keeper, Records};
use super::supervisor::{BUILD_MAY_TAKE, supervise};
use crate::config::Config;
use crate::dns::Listing;
use crate::dns::chosen::Chosen;
use crate::dns::memory::Memory;
use crate::dns::metered::{Metered, Tally};
use crate::dns::worker::{Desk, Estate, Known, Worker, now};
use crate::engine::event::{DnsReport, Event, Order};
use crate::heart::Heart;

/// How many reports may wait.
const REPORTS: usize = 64;

/// A worker that runs, and what it will leave.
type AtWork = JoinHandle<Option<Estate<Metered<Chosen>>>>;

/// The DNS worker as the driver holds it.
pub(super) struct Reconciler {
    talk: Handle,
    outbox: mpsc::Sender<Input>,
    keeper: Arc<Keeper>,
    desk: watch::Sender<Desk>,
    /// Beats with the driver's loop.
    heart: Arc<Heart>,
    worker: Option<AtWork>,
    /// What became of the calls to the provider.
    pub(super) tally: Tally,
}

impl Reconciler {
    /// Starts a worker that has just read the zone, or could not. Without a provider one is built.
    pub(super) fn start(
        config: &Config,
        talk: Handle,
        outbox: mpsc::Sender<Input>,
        keeper: Arc<Keeper>,
        provider: Option<Metered<Chosen>>,
        listing: Option<Listing>,
    ) -> Self {
        let heart = Arc::new(Heart::new(now().into_std()));
        let (desk, orders) = watch::channel(empty(&heart));
        let memory = keeper.records();
        let tally = provider.as_ref().map(|provider| provider.tally.clone()).unwrap_or_default();
        let mut reconciler = Self { talk, outbox, keeper, desk, heart, worker: None, tally };
        let reports = reconciler.reports();
        if let Some(listing) = &listing {
            // There is room: nobody has written to it yet.
            let _ = reports.try_send(DnsReport::Listed(listing.observed()));
        }
        let builder = reconciler.builder(config, orders.clone(), reports.clone());
        let known = listing.map(Known::just_read).unwrap_or_default();
        let worker = provider.map(|provider| builder.worker(provider, memory, known));
        let work = supervise(worker, move || builder.clone().build(), orders, reports);
        reconciler.worker = Some(reconciler.talk.spawn(work));
        reconciler
    }

    /// Makes workers that do what `config` says.
    fn builder(
        &self,
        config: &Config,
        desk: watch::Receiver<Desk>,
        reports: mpsc::Sender<DnsReport>,
    ) -> Builder {
        let (keeper, tally) = (Arc::clone(&self.keeper), self.tally.clone());
        Builder { config: Arc::new(config.clone()), keeper, tally, desk, reports }
    }

    /// Where a worker's reports go: into the driver's queue.
    fn reports(&self) -> mpsc::Sender<DnsReport> {
        let (reports, mut reported) = mpsc::channel(REPORTS);
        let outbox = self.outbox.clone();
        self.talk.spawn(async move {
            while let Some(report) = reported.recv().await {
                if outbox.send(Input::Event(Event::Dns(report))).await.is_err() {
                    return;
                }
            }
        });
        reports
    }

    /// Has the zone read before it is needed.
    pub(super) fn prepare(&self) {
        self.desk.send_modify(|desk| desk.readings += 1);
    }

    /// Has the record sets made to serve this.
    pub(super) fn order(&self, order: Order) {
        self.desk.send_modify(|desk| desk.place(order));
    }

    /// Has nothing done about a target until the next order.
    pub(super) fn recall(&self, target: IpAddr) {
        self.desk.send_modify(|desk| desk.recall(target));
    }

    /// The driver's loop turned: its orders stand.
    pub(super) fn turned(&self) {
        self.heart.beat(now().into_std());
    }

    /// Another worker takes over, with `provider`, once the change in hand is finished.
    pub(super) fn hand_over(&mut self, config: &Config, provider: Chosen) {
        let (desk, orders) = watch::channel(empty(&self.heart));
        let desk_before = std::mem::replace(&mut self.desk, desk);
        desk_before.send_modify(Desk::hand_over);
        let before = self.worker.take();
        let reports = self.reports();
        let builder = self.builder(config, orders.clone(), reports.clone());
        let mut provider = Metered { inner: provider, tally: self.tally.clone() };
        self.worker = Some(self.talk.spawn(async move {
            let estate = match before {
                Some(worker) => left_by(worker, desk_before, orders.clone()).await,
                None => None,
            };
            let (memory, known) = match estate {
                Some(estate) => estate.divide(&mut provider, settings::names(&builder.config)),
                None => (builder.keeper.records(), Known::default()),
            };
            let worker = builder.worker(provider, memory, known);
            let build = move || Box::pin(builder.clone().build());
            Box::pin(supervise(Some(worker), build, orders, reports)).await
        }));
    }

    /// Ends the worker; the change in hand may take `patience` to finish.
    pub(super) async fn finish(self, patience: Duration) {
        self.desk.send_modify(Desk::end);
        let Some(worker) = self.worker else { return };
        if tokio::time::timeout(patience, worker).await.is_err() {
            tracing::warn!("the change in hand did not finish in time; it may be in force or not");
        }
    }
}

/// Makes workers for one desk.
#[derive(Clone)]
struct Builder {
    config: Arc<Config>,
    keeper: Arc<Keeper>,
    tally: Tally,
    desk: watch::Receiver<Desk>,
    reports: mpsc::Sender<DnsReport>,
}

impl Builder {
    fn worker(
        &self,
        provider: Metered<Chosen>,
        memory: Memory,
        known: Known,
    ) -> Worker<Metered<Chosen>, Records> {
        // In dry-run nothing was withdrawn, so nothing is kept.
        let keeper = (!self.config.dry_run).then(|| Arc::clone(&self.keeper));
        Worker {
            provider,
            names: settings::names(&self.config).to_vec(),
            desk: self.desk.clone(),
            reports: self.reports.clone(),
            memory,
            remember: Records { keeper },
            known,
            shared: self.config.cluster.is_some(),
        }
    }

    /// A worker that comes after one that panicked: all it knows is what was remembered.
    async fn build(self) -> Result<Worker<Metered<Chosen>, Records>, String> {
        let built = tokio::time::timeout(BUILD_MAY_TAKE, Chosen::build(&self.config)).await;
        let inner = match built {
            Ok(Ok(inner)) => inner,
            Ok(Err(error)) => return Err(crate::chain(&error)),
            Err(_) => return Err(super::late_provider()),
        };
        let provider = Metered { inner, tally: self.tally.clone() };
        Ok(self.worker(provider, self.keeper.records(), Known::default()))
    }
}

/// Waits for what a worker leaves that was told at `before` to hand over. If the end comes to whoever
/// sits at `desk`, its turn will not come, and the one before is told so.
async fn left_by(
    mut worker: AtWork,
    before: watch::Sender<Desk>,
    mut desk: watch::Receiver<Desk>,
) -> Option<Estate<Metered<Chosen>>> {
    tokio::select! {
        left = &mut worker => return left.ok().flatten(),
        // An error means that the driver is gone, which is the end too.
        _ = desk.wait_for(Desk::is_the_end) => before.send_modify(Desk::end),
    }
    worker.await.ok().flatten()
}

/// A desk without an order.
fn empty(heart: &Arc<Heart>) -> Desk {
    Desk { heart: Some(Arc::clone(heart)), ..Desk::default() }
}
