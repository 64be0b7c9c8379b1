//! The handle to the reconciler's task: started, handed over at a reload, ended in order.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use super::record_memory::RecordMemory;
use super::supervisor::supervise;
use super::{Handover, Mailbox, Reconciler, ReconcilerSetup, RecordStore, ZoneKnowledge};
use crate::dns::clock::now;
use crate::dns::confirm::change::EffectSender;
use crate::dns::metered::{Metered, ProviderCounters};
use crate::dns::providers::{self, ZoneConfig};
use crate::dns::{DnsProvider, Listing, ProviderError};
use crate::engine::event::{DnsReport, Order};
use crate::engine::ids::TargetRef;
use crate::heart::Heart;

/// A running reconciler, which ends with its handover.
type ReconcilerTask = JoinHandle<Option<Handover>>;

/// The surroundings of the reconciler, which outlast every reload.
#[derive(Debug, Clone)]
pub(crate) struct Surroundings {
    /// The runtime for requests.
    pub runtime: Handle,
    /// The receiver of reports.
    pub reports: mpsc::Sender<DnsReport>,
    /// The store of the record memory.
    pub store: Arc<dyn RecordStore>,
    /// The receiver of changes that came into force.
    pub effects: EffectSender,
}

/// The result of the first listing, at the start of the agent.
#[derive(Debug, Default)]
pub(crate) struct FirstListing {
    /// The provider, if it could be built. Its calls are counted in `counters`.
    pub provider: Option<Box<dyn DnsProvider>>,
    /// The zone, or the reason why it could not be listed. `None` if there is no provider.
    pub listed: Option<Result<Listing, ProviderError>>,
    /// The number of calls to the provider by outcome.
    pub counters: ProviderCounters,
}

/// The handle by which the event loop controls the reconciler.
#[derive(Debug)]
pub(crate) struct ReconcilerHandle {
    surroundings: Surroundings,
    mailbox: watch::Sender<Mailbox>,
    /// The heartbeat of the event loop.
    heart: Arc<Heart>,
    task: Option<ReconcilerTask>,
    counters: ProviderCounters,
}

impl ReconcilerHandle {
    /// Starts a reconciler with the result of the first listing. If it has no provider, one is built.
    pub(crate) fn start(
        zone: &ZoneConfig,
        surroundings: Surroundings,
        first: FirstListing,
    ) -> Self {
        let FirstListing { provider, listed, counters } = first;
        let heart = Arc::new(Heart::new(now().into_std()));
        let (mailbox, instructions) = watch::channel(Mailbox::new(Arc::clone(&heart)));
        let knowledge = match listed {
            Some(Ok(listing)) => {
                // The channel is empty, so there is room.
                let _ = surroundings.reports.try_send(DnsReport::Listed(listing.observed()));
                ZoneKnowledge::just_listed(listing)
            }
            Some(Err(error)) => ZoneKnowledge::unlisted(&error),
            None => ZoneKnowledge::default(),
        };
        let memory = surroundings.store.load();
        let mut handle = Self { surroundings, mailbox, heart, task: None, counters };
        let factory = handle.factory(zone, instructions);
        let reconciler = provider.map(|provider| factory.reconciler(provider, memory, knowledge));
        handle.task = Some(handle.surroundings.runtime.spawn(factory.supervise(reconciler)));
        handle
    }

    /// Requests a listing of the zone before it is needed.
    pub(crate) fn request_listing(&self) {
        self.mailbox.send_modify(Mailbox::request_listing);
    }

    /// Places an order.
    pub(crate) fn place(&self, order: Order) {
        self.mailbox.send_modify(|mailbox| mailbox.place(order));
    }

    /// Recalls the part of the order that concerns `target`.
    pub(crate) fn recall(&self, target: TargetRef) {
        self.mailbox.send_modify(|mailbox| mailbox.recall(target));
    }

    /// Records an iteration of the event loop, which keeps its orders valid.
    pub(crate) fn beat(&self) {
        self.heart.beat(now().into_std());
    }

    /// Gives the successors of the reconciler other surroundings and counters, since the zone bears
    /// another name.
    pub(crate) fn rename(&mut self, surroundings: Surroundings, counters: ProviderCounters) {
        (self.surroundings, self.counters) = (surroundings, counters);
    }

    /// Gives the successors of the reconciler another store, since the zone bears another name or is
    /// another one.
    pub(crate) fn save_in(&mut self, store: Arc<dyn RecordStore>) {
        self.surroundings.store = store;
    }

    /// Replaces the reconciler by one with `provider`, once the change in progress is finished.
    pub(crate) fn hand_over(&mut self, zone: &ZoneConfig, provider: Box<dyn DnsProvider>) {
        let (mailbox, instructions) = watch::channel(Mailbox::new(Arc::clone(&self.heart)));
        let mailbox_before = std::mem::replace(&mut self.mailbox, mailbox);
        mailbox_before.send_modify(Mailbox::hand_over);
        let before = self.task.take();
        let factory = self.factory(zone, instructions);
        let mut provider: Box<dyn DnsProvider> =
            Box::new(Metered::new(provider, self.counters.clone()));
        self.task = Some(self.surroundings.runtime.spawn(async move {
            let handover = match before {
                Some(task) => handover_of(task, mailbox_before, factory.mailbox.clone()).await,
                None => None,
            };
            let (memory, knowledge) = match handover {
                Some(handover) => {
                    let names = factory.zone.names();
                    let (memory, knowledge) = handover.pass_on(&mut *provider, &names);
                    (factory.in_force(memory), knowledge)
                }
                None => (factory.surroundings.store.load(), ZoneKnowledge::default()),
            };
            let reconciler = factory.reconciler(provider, memory, knowledge);
            Box::pin(factory.supervise(Some(reconciler))).await
        }));
    }

    /// Ends the reconciler. The change in progress has `patience` to finish.
    pub(crate) async fn finish(self, patience: Duration) {
        self.mailbox.send_modify(Mailbox::end);
        let Some(task) = self.task else { return };
        if tokio::time::timeout(patience, task).await.is_err() {
            tracing::warn!(
                "the change in progress did not finish in time; it may be in force or not"
            );
        }
    }

    fn factory(&self, zone: &ZoneConfig, mailbox: watch::Receiver<Mailbox>) -> Factory {
        let (surroundings, counters) = (self.surroundings.clone(), self.counters.clone());
        Factory { zone: zone.clone(), surroundings, counters, mailbox }
    }
}

/// Builds reconcilers for one mailbox.
#[derive(Debug, Clone)]
struct Factory {
    zone: ZoneConfig,
    surroundings: Surroundings,
    counters: ProviderCounters,
    mailbox: watch::Receiver<Mailbox>,
}

impl Factory {
    fn reconciler(
        &self,
        provider: Box<dyn DnsProvider>,
        memory: RecordMemory,
        knowledge: ZoneKnowledge,
    ) -> Reconciler {
        // In dry-run nothing is withdrawn, so nothing is saved.
        let store = (!self.zone.dry_run).then(|| Arc::clone(&self.surroundings.store));
        Reconciler::new(ReconcilerSetup {
            provider,
            names: self.zone.names(),
            mailbox: self.mailbox.clone(),
            reports: self.surroundings.reports.clone(),
            memory,
            store,
            knowledge,
            shared: self.zone.shared,
            effects: self.surroundings.effects.clone(),
        })
    }

    /// Returns the part of a predecessor's memory that applies to the zone: the saved records, which a
    /// reload may have assigned to another zone.
    fn in_force(&self, memory: RecordMemory) -> RecordMemory {
        if self.zone.dry_run {
            return memory;
        }
        memory.following(self.surroundings.store.load())
    }

    /// Builds a reconciler after a panic of the last one. It knows the saved records alone.
    async fn rebuild(self) -> Result<Reconciler, String> {
        let built = providers::build_in_time(&self.zone).await;
        let provider = built.map_err(|error| crate::text::error_chain(&error))?;
        let provider = Box::new(Metered::new(provider, self.counters.clone()));
        Ok(self.reconciler(provider, self.surroundings.store.load(), ZoneKnowledge::default()))
    }

    /// Runs `reconciler`, or one that is built, until it is told to stop.
    async fn supervise(self, reconciler: Option<Reconciler>) -> Option<Handover> {
        let (mailbox, reports) = (self.mailbox.clone(), self.surroundings.reports.clone());
        supervise(reconciler, || Box::pin(self.clone().rebuild()), mailbox, reports).await
    }
}

/// Waits for the handover of a task that was told so in the mailbox `before`. If the agent stops
/// first, the new reconciler will not run, and the old one is told to stop.
async fn handover_of(
    mut task: ReconcilerTask,
    before: watch::Sender<Mailbox>,
    mut mailbox: watch::Receiver<Mailbox>,
) -> Option<Handover> {
    tokio::select! {
        ended = &mut task => return ended.ok().flatten(),
        // An error means that the event loop is gone, which is the end too.
        _ = mailbox.wait_for(Mailbox::is_final) => before.send_modify(Mailbox::end),
    }
    task.await.ok().flatten()
}
