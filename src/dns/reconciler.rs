//! The reconciler: brings the record sets to the desired state by listing, planning, applying and
//! listing again until they match.
//!
//! One task owns the provider, so changes never overlap. Several services may share the zone, each with
//! orders of its own, which are planned and written together. A newer order replaces an older one of
//! its service at every step but one: a write that was sent is never abandoned. Its outcome is verified
//! with the next listing, whichever orders are in progress by then, and at the end too.
//!
//! - `mailbox`, `current_orders`: the newest instructions, and the orders in progress
//! - `pass`, `plan_parts`: list, plan, apply, once
//! - `interruption`: the reasons why a pass ends early
//! - `write`, `groups`: one write, and several smaller ones if the provider rejects it
//! - `retry`: the wait after a failure
//! - `listing_cache`: the last listing
//! - `pending_writes`: writes that the next listing has to verify
//! - `rejections`: changes that the provider did not make
//! - `uncertain`, `surprises`: places with uncertain content
//! - `effects`: reports of changes that came into force
//! - `record_memory`, `record_store`: the settings of withdrawn records
//! - `desired_since`: the time since which each change has been desired
//! - `handover`: the knowledge that a successor takes over
//! - `supervisor`, `handle`: the task of the reconciler, replaced after a panic and at a reload

mod current_orders;
mod desired_since;
mod effects;
mod groups;
pub(crate) mod handle;
mod handover;
mod interruption;
mod listing_cache;
mod mailbox;
mod pass;
mod pending_writes;
mod plan_parts;
pub(crate) mod record_memory;
mod record_store;
mod rejections;
mod retry;
mod supervisor;
mod surprises;
mod uncertain;
mod write;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use self::current_orders::CurrentOrders;
use self::desired_since::DesiredSince;
use self::effects::ToldChanges;
use self::interruption::Interruption;
use self::listing_cache::ListingCache;
use self::mailbox::PlacedOrder;
use self::pass::{Confirmation, PassResult};
use self::pending_writes::PendingWrites;
use self::record_memory::RecordMemory;
use self::record_store::SavedMemory;
use self::rejections::Rejections;
use self::retry::Retry;
use self::uncertain::Uncertainty;
use super::clock::now;
use super::confirm::change::EffectSender;
use super::{DnsProvider, ProviderError, ServiceNames};
use crate::engine::event::DnsReport;
use crate::engine::ids::ServiceId;
use crate::engine::plan::SetKey;

pub use self::handover::{Handover, ZoneKnowledge};
pub use self::mailbox::Mailbox;
pub use self::record_store::RecordStore;

/// The maximum number of consecutive passes in which the zone differs from the expectation, before
/// the provider is left alone for a while.
const MAX_PASSES: u32 = 5;

/// The maximum number of further passes while a set is changed one record at a time.
const MAX_SINGLE_STEPS: u32 = 100;

/// The parts from which a reconciler is built.
#[derive(Debug)]
pub struct ReconcilerSetup {
    /// The provider of the zone.
    pub provider: Box<dyn DnsProvider>,
    /// The owner names to manage, by service.
    pub names: ServiceNames,
    /// The source of instructions.
    pub mailbox: watch::Receiver<Mailbox>,
    /// The receiver of reports.
    pub reports: mpsc::Sender<DnsReport>,
    /// The settings of withdrawn records.
    pub memory: RecordMemory,
    /// The store for the memory. `None` in dry-run, in which no record is really withdrawn.
    pub store: Option<Arc<dyn RecordStore>>,
    /// The knowledge of the zone.
    pub knowledge: ZoneKnowledge,
    /// Whether other agents change the zone too, so that an unexpected change is no surprise.
    pub shared: bool,
    /// The receiver of changes that came into force, which never holds anything up.
    pub effects: EffectSender,
}

/// Brings the record sets of one zone to the desired state.
#[derive(Debug)]
pub struct Reconciler {
    provider: Box<dyn DnsProvider>,
    mailbox: watch::Receiver<Mailbox>,
    reports: mpsc::Sender<DnsReport>,
    shared: bool,
    effects: EffectSender,
    /// The orders in progress. Their numbers tell them from newer ones.
    orders: CurrentOrders,
    desired_since: DesiredSince,
    memory: SavedMemory,
    listing: ListingCache,
    retry: Retry,
    pending: PendingWrites,
    rejections: Rejections,
    uncertain: Uncertainty,
    new_names: BTreeSet<String>,
    /// The changes that the confirmer was told of.
    told: ToldChanges,
    started: bool,
    /// The number of requests for a listing that were answered.
    answered: u64,
    /// Whether the zone has just been found to differ from its listing. It is listed once more before
    /// the change is postponed.
    has_conflicted: bool,
    /// The last confirmation of each service that was reported, while it still holds.
    confirmations: BTreeMap<ServiceId, Confirmation>,
    /// The problems of single sets that were reported last.
    problems: BTreeMap<SetKey, String>,
}

impl Reconciler {
    /// Creates a reconciler without an order.
    pub fn new(setup: ReconcilerSetup) -> Self {
        let ReconcilerSetup { provider, names, mailbox, reports, memory, store, .. } = setup;
        let ReconcilerSetup { knowledge: known, shared, effects, .. } = setup;
        Self {
            provider,
            mailbox,
            reports,
            shared,
            effects,
            orders: CurrentOrders::new(names),
            desired_since: DesiredSince::default(),
            memory: SavedMemory::new(memory, store),
            listing: known.listing,
            retry: Retry::after(known.pause),
            pending: known.pending,
            rejections: known.rejections,
            uncertain: known.uncertain,
            new_names: known.new_names,
            told: known.told,
            started: known.started,
            answered: 0,
            has_conflicted: false,
            confirmations: BTreeMap::new(),
            problems: BTreeMap::new(),
        }
    }

    /// Works until it is told to stop or the event loop is gone. Returns its knowledge for a successor.
    ///
    /// When it is told to stop, it interrupts a listing, finishes a write, verifies it once, and
    /// begins nothing else. If another reconciler takes over, it waits for the listing for a while.
    pub async fn run(mut self) -> Handover {
        if !std::mem::replace(&mut self.started, true) {
            // A write that the last agent had begun may still take effect.
            self.uncertain.expect(self.memory.incomplete(), true);
            if self.mark_uncertain(self.memory.places()).await.is_err() {
                return self.hand_over();
            }
        }
        loop {
            let mail = self.mailbox.borrow_and_update().clone();
            let step = if mail.is_ending() {
                Err(Interruption::Stopped)
            } else if !mail.holds(&self.orders.numbers()) {
                self.carry_out(mail).await
            } else if mail.listing_requests() > self.answered {
                self.list_in_advance(mail.listing_requests()).await
            } else {
                self.idle().await
            };
            if let Err(Interruption::Stopped) = step {
                self.finish().await;
                return self.hand_over();
            }
        }
    }

    fn hand_over(self) -> Handover {
        let knowledge = ZoneKnowledge {
            listing: self.listing,
            pause: self.retry.into_pause(),
            pending: self.pending,
            rejections: self.rejections,
            uncertain: self.uncertain,
            new_names: self.new_names,
            told: self.told,
            started: self.started,
        };
        let memory = self.memory.into_inner();
        Handover { provider: self.provider, names: self.orders.into_names(), memory, knowledge }
    }

    /// Waits for new instructions, or until the zone has to be listed again.
    async fn idle(&mut self) -> Result<(), Interruption> {
        let (next, recheck) = (self.next_listing(), self.uncertain.next_recheck());
        let Some(first) = next.into_iter().chain(recheck).min() else {
            return self.mailbox.changed().await.map_err(|_| Interruption::Stopped);
        };
        if let Ok(changed) = tokio::time::timeout_at(first, self.mailbox.changed()).await {
            return changed.map_err(|_| Interruption::Stopped);
        }
        if next == Some(first) {
            self.listing.discard();
            return self.work().await;
        }
        self.recheck().await
    }

    /// Lists the zone to see whether the changes of other agents still stand. Nothing is written: a
    /// contradiction is reported, and an order follows if this agent still has the right to act.
    async fn recheck(&mut self) -> Result<(), Interruption> {
        self.uncertain.record_attempt(now());
        if self.retry.is_waiting() {
            return Ok(());
        }
        self.list_without_order().await
    }

    /// Returns the time at which the zone has to be listed again without new instructions.
    fn next_listing(&self) -> Option<Instant> {
        let times = [self.rejections.next(), self.uncertain.next(), self.listing.next_check()];
        times.into_iter().flatten().min()
    }

    /// Lists the zone before it is needed. A failure is reported and not retried, since no change is
    /// due.
    async fn list_in_advance(&mut self, requests: u64) -> Result<(), Interruption> {
        if self.retry.is_waiting() {
            return self.answer_with_problem(requests).await;
        }
        self.list_without_order().await
    }

    /// Lists the zone without work on the orders. A failure is reported and not retried here.
    async fn list_without_order(&mut self) -> Result<(), Interruption> {
        match self.list().await {
            Err(Interruption::Failed(error)) => {
                self.confirmations.clear();
                let problem = self.retry.failed_in_advance(&error);
                self.report(DnsReport::Failing(problem)).await
            }
            other => other.map(drop),
        }
    }

    /// Works on new orders, and on those of other services, until the zone is as they require, or
    /// until one is replaced.
    async fn carry_out(&mut self, mail: Mailbox) -> Result<(), Interruption> {
        let placed = mail.into_orders();
        for PlacedOrder { order, placed_at } in &placed {
            if order.number == self.orders.number(order.service) {
                continue;
            }
            if order.read_again {
                self.listing.require_after(*placed_at);
            }
            self.desired_since.update(order.service, &order.desired, *placed_at);
            self.confirmations.remove(&order.service);
        }
        self.orders.replace(placed.into_iter().map(|it| it.order));
        self.listing.discard_outdated();
        if self.orders.is_empty() && !self.pending.is_open() {
            return Ok(());
        }
        self.has_conflicted = false;
        self.work().await
    }

    /// Works on the orders in progress until the zone is as they require, or until one is replaced.
    async fn work(&mut self) -> Result<(), Interruption> {
        if let Some(earliest) = self.retry.earliest() {
            self.wait_until(earliest).await?;
        }
        let (mut passes, mut single_steps) = (0, 0);
        loop {
            passes += 1;
            if !self.rejections.single_step_sets().is_empty() && single_steps < MAX_SINGLE_STEPS {
                // One record at a time takes as many passes as there are records.
                (passes, single_steps) = (passes - 1, single_steps + 1);
            }
            let error = match self.pass().await {
                Ok(PassResult::Confirmed) => {
                    self.retry.succeeded();
                    return Ok(());
                }
                Ok(PassResult::Outdated) => continue,
                Ok(PassResult::Applied)
                | Err(Interruption::Failed(
                    ProviderError::Changed { .. } | ProviderError::Already { .. },
                )) if passes < MAX_PASSES => continue,
                Ok(PassResult::Applied) => self.unshown_error(),
                Err(Interruption::Failed(error)) => error,
                Err(interruption) => return Err(interruption),
            };
            passes = 0;
            self.listing.discard();
            let until = self.report_failure(&error).await?;
            self.wait_until(until).await?;
        }
    }

    /// Reports a failure. Returns the time of the retry.
    async fn report_failure(&mut self, error: &ProviderError) -> Result<Instant, Interruption> {
        self.confirmations.clear();
        // This answers requests for a listing too.
        self.answered = self.mailbox.borrow().listing_requests();
        let problem = self.retry.failed(error);
        let wait = problem.retry_in.unwrap_or_default();
        self.report(DnsReport::Failing(problem)).await?;
        Ok(now() + wait)
    }

    /// Waits before a retry. The end of the reconciler and a newer order interrupt it. A request for
    /// a listing ends it, unless no request may be sent yet.
    async fn wait_until(&mut self, until: Instant) -> Result<(), Interruption> {
        while now() < until {
            let (numbers, answered) = (self.orders.numbers(), self.answered);
            let changed = self.mailbox.wait_for(|mailbox| {
                mailbox.is_ending()
                    || !mailbox.holds(&numbers)
                    || mailbox.listing_requests() > answered
            });
            let Ok(changed) = tokio::time::timeout_at(until, changed).await else { break };
            let requests = changed.map_err(|_| Interruption::Stopped)?.listing_requests();
            self.check_order()?;
            if !self.retry.is_waiting() {
                break;
            }
            self.answer_with_problem(requests).await?;
        }
        Ok(())
    }

    /// Answers requests for a listing while no request may be sent.
    async fn answer_with_problem(&mut self, requests: u64) -> Result<(), Interruption> {
        self.answered = requests;
        match self.retry.last_problem() {
            Some(problem) => self.report(DnsReport::Failing(problem)).await,
            None => Ok(()),
        }
    }

    /// Checks that the orders in progress are the newest ones.
    fn check_order(&self) -> Result<(), Interruption> {
        let is_agent_gone = self.mailbox.has_changed().is_err();
        let mailbox = self.mailbox.borrow();
        if mailbox.is_ending() || is_agent_gone {
            Err(Interruption::Stopped)
        } else if !mailbox.holds(&self.orders.numbers()) {
            Err(Interruption::Replaced)
        } else {
            Ok(())
        }
    }

    async fn report(&self, report: DnsReport) -> Result<(), Interruption> {
        self.reports.send(report).await.map_err(|_| Interruption::Stopped)
    }

    /// Reports the problems of single sets, if they have changed.
    async fn report_problems(&mut self) -> Result<(), Interruption> {
        let problems = self.rejections.problems();
        if problems == self.problems {
            return Ok(());
        }
        self.problems.clone_from(&problems);
        self.report(DnsReport::FailingSets(problems)).await
    }

    /// Returns the error of confirmed changes that the listing does not show.
    fn unshown_error(&self) -> ProviderError {
        ProviderError::Unconfirmed {
            provider: self.provider.name(),
            what: "the change".into(),
            retry_after: None,
            source: "it was confirmed, but the listing does not show it".into(),
        }
    }
}
