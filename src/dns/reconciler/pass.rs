//! One pass: list, plan, apply, once.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::Reconciler;
use super::groups::GroupsResult;
use super::interruption::Interruption;
use super::mailbox::Mailbox;
use crate::dns::clock::now;
use crate::dns::{Listing, Placement};
use crate::engine::event::{DnsReport, Order};
use crate::engine::ids::{OrderNumber, ServiceId, TargetRef};
use crate::engine::plan::{Desired, Observed, Plan, names_by_address};

/// Time for which the next reconciler waits for a listing in progress.
const HANDOVER_WAIT: Duration = Duration::from_secs(10);

/// Interval at which a stalled loop is checked.
const HEARTBEAT_INTERVAL: Duration = Duration::from_millis(500);

/// The end of one pass.
#[derive(Debug)]
pub(super) enum PassResult {
    /// Nothing is left to change.
    Confirmed,
    /// Changes were confirmed; the next pass verifies them.
    Applied,
    /// Nothing was changed, because the listing was outdated by then.
    Outdated,
}

/// The content of a [`DnsReport::Confirmed`] about one service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Confirmation {
    number: OrderNumber,
    desired: BTreeMap<IpAddr, Desired>,
    held: BTreeMap<IpAddr, Vec<String>>,
    open: BTreeSet<IpAddr>,
}

impl Confirmation {
    fn into_report(self, service: ServiceId) -> DnsReport {
        let Self { number, desired, held, open } = self;
        DnsReport::Confirmed { service, number, desired, held, open }
    }
}

impl Reconciler {
    /// Runs one pass. The orders are checked before each request.
    pub(super) async fn pass(&mut self) -> Result<PassResult, Interruption> {
        self.check_order()?;
        let listing = self.recent_listing().await?;
        self.question_surprises(&listing).await?;
        self.verify_writes(&listing).await?;
        let mut plan = self.plan(&listing);
        let unshown = self.pending.unshown(&plan);
        if !unshown.is_empty() {
            self.postpone_unshown(unshown).await?;
            plan = self.plan(&listing);
        }
        self.report_problems().await?;
        if plan.is_empty() {
            self.confirm(&plan).await?;
            return Ok(PassResult::Confirmed);
        }
        self.check_order()?;
        Ok(match self.write_in_groups(&plan, &listing).await? {
            GroupsResult::All => PassResult::Applied,
            GroupsResult::Outdated => PassResult::Outdated,
        })
    }

    /// Lists the zone. The end of the agent interrupts it; a reconciler that takes over does so after
    /// a while.
    pub(super) async fn list(&mut self) -> Result<Listing, Interruption> {
        self.listing.discard();
        // The listing is at least as new as this.
        let requested = now();
        let requests = self.mailbox.borrow().listing_requests();
        let mailbox = self.mailbox.clone();
        let listed = tokio::select! {
            listed = self.provider.list() => listed,
            () = interrupted(mailbox) => return Err(Interruption::Stopped),
        };
        // Either outcome is reported.
        self.answered = requests;
        let listing = listed?;
        self.listing.store(requested, listing.clone());
        let observed = listing.observed();
        self.uncertain.record_listing(requested, &observed);
        self.report_undone(requested, &observed);
        let uncertain = self.uncertain.entries();
        self.report(DnsReport::Listed(Observed { uncertain, ..observed })).await?;
        let contradicted = self.uncertain.take_contradicted();
        if !contradicted.is_empty() {
            self.report(DnsReport::Contradicted(contradicted)).await?;
        }
        Ok(listing)
    }

    /// Returns a recent listing, or a new one.
    async fn recent_listing(&mut self) -> Result<Listing, Interruption> {
        match self.listing.recent() {
            Some(listing) => Ok(listing.clone()),
            None => self.list().await,
        }
    }

    /// Compares earlier writes with a listing.
    pub(super) async fn verify_writes(&mut self, listing: &Listing) -> Result<(), Interruption> {
        let uncertain = &self.uncertain;
        self.memory.found(listing, |entry| uncertain.contains(entry)).await;
        let applied = self.pending.verify(&listing.observed());
        self.report_applied(applied, false).await
    }

    /// Reports of each service that the zone is as it desires, unless that was reported already.
    async fn confirm(&mut self, plan: &Plan) -> Result<(), Interruption> {
        let open = self.open_entries();
        self.pending.confirm(now(), |entry| open.contains(entry));
        self.listing.served();
        self.has_conflicted = false;
        let open = self.targets_at(&open);
        self.desired_since.confirmed(|target| open.contains(&target));
        let mut held: BTreeMap<ServiceId, Vec<Placement>> = BTreeMap::new();
        for place in &plan.held {
            if let Some(service) = self.orders.owner(place) {
                held.entry(service).or_default().push(place.clone());
            }
        }
        let orders: Vec<Order> = self.orders.iter().cloned().collect();
        for Order { service, number, desired, .. } in orders {
            let mut its_open = BTreeSet::new();
            for target in &open {
                if target.service == service && desired.contains_key(&target.address) {
                    its_open.insert(target.address);
                }
            }
            let held = names_by_address(held.get(&service).into_iter().flatten());
            self.orders.keep_unfinished(service, |address| {
                its_open.contains(address) || held.contains_key(address)
            });
            let confirmation = Confirmation { number, desired, held, open: its_open };
            self.report_confirmation(service, confirmation).await?;
        }
        Ok(())
    }

    /// Reports a confirmation, unless the last one of the service said the same of what is unfinished.
    async fn report_confirmation(
        &mut self,
        service: ServiceId,
        confirmation: Confirmation,
    ) -> Result<(), Interruption> {
        if self.confirmations.get(&service) == Some(&confirmation) {
            return Ok(());
        }
        let Confirmation { number, desired, held, open } = confirmation.clone();
        let unfinished = desired
            .into_iter()
            .filter(|(address, _)| open.contains(address) || held.contains_key(address));
        let desired = unfinished.collect();
        self.confirmations.insert(service, Confirmation { number, desired, held, open });
        self.report(confirmation.into_report(service)).await
    }

    /// Returns the targets of the services at these places.
    fn targets_at(&self, places: &BTreeSet<Placement>) -> BTreeSet<TargetRef> {
        let mut targets = BTreeSet::new();
        for place in places {
            if let Some(service) = self.orders.owner(place) {
                targets.insert(TargetRef { service, address: place.1 });
            }
        }
        targets
    }

    /// Returns the places that are not yet as desired, or may not stay so.
    fn open_entries(&self) -> BTreeSet<Placement> {
        let mut open = self.uncertain.entries();
        open.extend(self.rejections.entries().cloned());
        open
    }

    /// Plans the changes, including those that a concurrent write of another agent requires.
    fn plan(&mut self, listing: &Listing) -> Plan {
        let (observed, now) = (listing.observed(), now());
        let postponed = self.postponed(&observed, now);
        let mut plan = self.orders.plan(&observed, &postponed);
        let (orders, pending) = (&self.orders, &self.pending);
        let kept = plan.delete.extract_if(.., |place| {
            let is_guarded = orders.desired(place).is_some_and(Desired::is_held_by_floor);
            is_guarded && pending.is_kept(place, now)
        });
        plan.held.extend(kept);
        let repair = self.pending.repair(&observed, &plan, &self.orders, &postponed);
        if !repair.is_empty() {
            log_repair(&repair);
            self.pending.keep_restored(&repair, now);
            plan.create.extend(repair);
        }
        plan
    }

    /// Returns the changes to leave out: the postponed ones, and all but one of a set that is changed
    /// one record at a time.
    fn postponed(&mut self, observed: &Observed, now: Instant) -> BTreeSet<Placement> {
        let mut full = self.orders.plan(observed, &BTreeSet::new());
        let repair = self.pending.repair(observed, &full, &self.orders, &BTreeSet::new());
        full.create.extend(repair);
        self.rejections.retain(&full);
        let mut postponed = self.rejections.postponed(now);
        for set in self.rejections.single_step_sets() {
            let created = full.create.iter().filter(|entry| entry.0 == *set);
            // A withdrawal before any creation must respect the floor without it.
            let mut without_created = postponed.clone();
            without_created.extend(created.clone().cloned());
            let alone = self.orders.plan(observed, &without_created);
            let withdrawal = alone.delete.iter().find(|entry| entry.0 == *set);
            let next = created.clone().find(|entry| !postponed.contains(entry));
            let Some(one) = withdrawal.or(next).cloned() else { continue };
            let deleted = full.delete.iter().filter(|entry| entry.0 == *set);
            postponed.extend(created.chain(deleted).filter(|entry| **entry != one).cloned());
        }
        postponed
    }

    /// Checks, right before a request that changes something, that the loop that placed the orders is
    /// alive and has not recalled anything that `plan` contains. Returns false if it had to wait for
    /// the loop, so that the zone has to be listed again.
    pub(super) async fn is_still_required(&mut self, plan: &Plan) -> Result<bool, Interruption> {
        let mut waited = false;
        while !self.mailbox.borrow().is_sender_alive() {
            if !std::mem::replace(&mut waited, true) {
                tracing::warn!(
                    "the agent's loop is stalled; nothing is written until it runs again"
                );
            }
            let numbers = self.orders.numbers();
            let replaced =
                self.mailbox.wait_for(|mailbox| mailbox.is_ending() || !mailbox.holds(&numbers));
            // The check below finds out the reason for the end of the wait.
            let _ = tokio::time::timeout(HEARTBEAT_INTERVAL, replaced).await;
            self.check_order()?;
        }
        self.check_order()?;
        let mailbox = self.mailbox.borrow();
        for place in plan.delete.iter().chain(&plan.create) {
            let Some(service) = self.orders.owner(place) else { continue };
            if mailbox.is_recalled(TargetRef { service, address: place.1 }) {
                return Err(Interruption::Replaced);
            }
        }
        Ok(!waited)
    }

    /// Verifies the last write once and repairs a broken floor, at the end of the reconciler.
    pub(super) async fn finish(&mut self) {
        if !self.pending.is_open() || self.retry.is_paused_by_provider() {
            return;
        }
        let Ok(listing) = self.provider.list().await else { return };
        // If the event loop is gone too, there is no receiver for a report.
        let _ = self.verify_writes(&listing).await;
        // Nothing else is begun; an address that is out regardless of the floor stays out.
        self.orders.keep_commands();
        let (observed, none) = (listing.observed(), BTreeSet::new());
        let create = self.pending.repair(&observed, &Plan::default(), &self.orders, &none);
        if !create.is_empty() {
            log_repair(&create);
            let plan = Plan { create, ..Plan::default() };
            let changes = self.remember_changes(&plan, &listing).await;
            let _ = self.write(&plan, &listing, &changes, false).await;
        }
    }
}

/// Waits until a listing has to be interrupted. A hand-over waits for it for a while: if each reload
/// interrupted it, a zone that takes longer to list than the time between reloads would never be
/// listed.
async fn interrupted(mut mailbox: watch::Receiver<Mailbox>) {
    if mailbox.wait_for(Mailbox::is_ending).await.is_ok() {
        // Any end of this wait interrupts the listing.
        let _ = tokio::time::timeout(HANDOVER_WAIT, mailbox.wait_for(Mailbox::is_final)).await;
    }
}

fn log_repair(entries: &[Placement]) {
    for (target, names) in names_by_address(entries) {
        let names = names.join(",");
        tracing::warn!(
            %target,
            names,
            "concurrent change left the record set below min_in_service; restoring withdrawn addresses"
        );
    }
}
