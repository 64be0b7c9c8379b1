//! One time list, plan, apply.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::aftermath::Done;
use super::shift::{Halt, Settled, Shift};
use super::{Desk, Remember, now};
use crate::dns::{DnsProvider, Listing, ProviderError};
use crate::engine::event::{DnsReport, Order};
use crate::engine::plan::{self, Observed, Plan, SetKey, Wish};

/// For how long a reading of the zone may serve for planning.
const FRESH_FOR: Duration = Duration::from_secs(30);

/// No call to a provider takes longer than this: each request gives up by itself after 10 s, but a
/// call may be many requests, and nothing that somebody else's code does may silence the worker.
const LONGEST_CALL: Duration = Duration::from_mins(5);

/// How long whoever takes over waits for a reading that is under way.
const FOR_AN_HEIR: Duration = Duration::from_secs(10);

/// How long after a reading the sets that it left out are looked at again.
const LOOK_AT_UNFIT: Duration = Duration::from_mins(1);

/// How often it is asked whether a loop that stood still turns again.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// Where one round ended.
#[derive(Debug)]
pub(super) enum Round {
    /// Nothing is left to change.
    Settled,
    /// A change was confirmed; it remains to be seen whether that was all.
    Applied,
    /// Too much time went by before the change could be made.
    Again,
}

impl<P, R> Shift<P, R>
where
    P: DnsProvider,
    R: Remember,
{
    /// One round: list, plan, apply. Whether the order still stands is asked before each request.
    pub(super) async fn round(&mut self) -> Result<Round, Halt> {
        self.stands()?;
        let listing = self.known().await?;
        self.doubt_surprises(&listing).await?;
        self.look_back(&listing).await?;
        let mut plan = self.plan(&listing);
        let unshown = self.given.known.aftermath.unshown(&plan);
        if !unshown.is_empty() {
            self.doubt_unshown(unshown).await?;
            plan = self.plan(&listing);
        }
        self.report_problems().await?;
        if plan.is_empty() {
            self.settle(&plan).await?;
            return Ok(Round::Settled);
        }
        self.stands()?;
        self.write_in_groups(&plan, &listing).await
    }

    /// Reads the zone. The end breaks it off, and so does a worker that takes over, after a while.
    pub(super) async fn read(&mut self) -> Result<Listing, Halt> {
        self.given.known.reading = None;
        // What it shows is at least as new as this.
        let asked = now();
        let readings = self.given.desk.borrow().readings;
        let desk = self.given.desk.clone();
        let listing = tokio::select! {
            listing = in_time(self.given.provider.list()) => listing,
            () = broken_off(desk) => return Err(Halt::Ended),
        };
        // Whether it worked or not: either is reported.
        self.answered = readings;
        let listing = listing.unwrap_or_else(|late| Err(self.unread(late)))?;
        let known = &mut self.given.known;
        known.reading = Some((asked, listing.clone()));
        known.look_at_unfit = (!listing.unfit.is_empty()).then(|| asked + LOOK_AT_UNFIT);
        let observed = listing.observed();
        known.doubts.read(asked, &observed);
        let doubted = known.doubts.entries();
        self.report(DnsReport::Listed(Observed { doubted, ..observed })).await?;
        Ok(listing)
    }

    /// The zone as it was read a moment ago, else read now.
    async fn known(&mut self) -> Result<Listing, Halt> {
        match &self.given.known.reading {
            Some((at, listing)) if at.elapsed() < FRESH_FOR => Ok(listing.clone()),
            _ => self.read().await,
        }
    }

    /// Sees to what earlier writes left open, as far as a reading can tell.
    async fn look_back(&mut self, listing: &Listing) -> Result<(), Halt> {
        let doubts = &self.given.known.doubts;
        if self.given.memory.found(listing, |entry| doubts.contains(entry)) {
            self.tell_memory().await;
        }
        let done = self.given.known.aftermath.seen(&listing.observed());
        self.report_done(done).await
    }

    async fn settle(&mut self, plan: &Plan) -> Result<(), Halt> {
        let Order { number, ref wishes, .. } = self.order;
        let wishes = wishes.clone();
        let open = self.open_entries();
        self.given.known.aftermath.settled(now(), |entry| open.contains(entry));
        self.unserved = None;
        self.surprised = false;
        let open: BTreeSet<IpAddr> = open.into_iter().map(|(_, address)| address).collect();
        self.wished.settled(|address| open.contains(address));
        let open = open.into_iter().filter(|address| wishes.contains_key(address)).collect();
        let settled = Settled { number, wishes, held: by_address(&plan.held), open };
        if self.settled.as_ref() == Some(&settled) {
            return Ok(());
        }
        self.settled = Some(settled.clone());
        let Settled { number, wishes, held, open } = settled;
        self.report(DnsReport::Settled { number, wishes, held, open }).await
    }

    /// What is not yet as it should be, or may not stay so.
    fn open_entries(&self) -> BTreeSet<(SetKey, IpAddr)> {
        let known = &self.given.known;
        let mut open = known.doubts.entries();
        open.extend(known.apart.entries().cloned());
        open
    }

    /// What to change now, with what another agent's simultaneous write makes necessary.
    fn plan(&mut self, listing: &Listing) -> Plan {
        let (observed, now) = (listing.observed(), now());
        let struck = self.struck(&observed, now);
        let (wishes, floor) = (&self.order.wishes, self.order.floor);
        let mut plan = plan::plan_but(&self.given.names, &observed, wishes, floor, &struck);
        let stays = plan.delete.extract_if(.., |entry| {
            wishes.get(&entry.1) == Some(&Wish::Withdraw)
                && self.given.known.aftermath.stays_in(entry, now)
        });
        plan.held.extend(stays);
        let back =
            self.given.known.aftermath.repair(&observed, &plan, wishes, self.order.floor, &struck);
        if !back.is_empty() {
            say_what_comes_back(&back);
            self.given.known.aftermath.came_back(&back, now);
            plan.create.extend(back);
        }
        plan
    }

    /// The changes that are left out: those that rest, and, where a set is changed with caution, all
    /// but one.
    fn struck(&mut self, observed: &Observed, now: Instant) -> BTreeSet<(SetKey, IpAddr)> {
        let none = BTreeSet::new();
        let (names, wishes, floor) = (&self.given.names, &self.order.wishes, self.order.floor);
        let known = &mut self.given.known;
        let mut full = plan::plan(names, observed, wishes, floor);
        full.create.extend(known.aftermath.repair(observed, &full, wishes, floor, &none));
        known.apart.keep(&full);
        let mut struck = known.apart.struck(now);
        for set in known.apart.cautious() {
            let at_set = |entry: &&(SetKey, IpAddr)| entry.0 == *set;
            // What goes before anything has come must leave the floor by itself.
            let mut alone = struck.clone();
            alone.extend(full.create.iter().filter(at_set).cloned());
            let first = plan::plan_but(names, observed, wishes, floor, &alone);
            let first = first.delete.iter().find(at_set).cloned();
            let next = || full.create.iter().filter(at_set).find(|entry| !struck.contains(entry));
            let Some(one) = first.or_else(|| next().cloned()) else { continue };
            let all = full.create.iter().chain(&full.delete).filter(at_set);
            let others: Vec<_> = all.filter(|entry| **entry != one).cloned().collect();
            struck.extend(others);
        }
        struck
    }

    /// Asks once more, right before a request that changes something, whether the order stands: the
    /// loop that placed it still turns, and has taken nothing back that `plan` is about to do.
    /// Returns false if it had to wait for the loop, so that the zone has to be read again.
    pub(super) async fn is_backed(&mut self, plan: &Plan) -> Result<bool, Halt> {
        let mut waited = false;
        while !self.given.desk.borrow().is_looked_after() {
            if !std::mem::replace(&mut waited, true) {
                tracing::warn!("the agent's loop does not turn; nothing is written until it does");
            }
            let number = self.number;
            let replaced = self.given.desk.wait_for(|desk| desk.stop || desk.number != number);
            // Whatever ended the wait: the next line knows.
            let _ = tokio::time::timeout(LOOK_AGAIN, replaced).await;
            self.stands()?;
        }
        self.stands()?;
        let desk = self.given.desk.borrow();
        let mut touched = plan.delete.iter().chain(&plan.create);
        if touched.any(|(_, address)| desk.recalled.contains(address)) {
            return Err(Halt::Replaced);
        }
        Ok(!waited)
    }

    /// The end: what the last write left open is looked at once, and a broken floor repaired.
    pub(super) async fn leave(&mut self) {
        if !self.given.known.aftermath.is_open() || self.is_shut_out() {
            return;
        }
        let Ok(Ok(listing)) = in_time(self.given.provider.list()).await else { return };
        // If the driver is gone too, nobody needs to be told.
        let _ = self.look_back(&listing).await;
        // Nothing more is begun; what the operator took out stays out.
        self.order.wishes.retain(|_, wish| *wish == Wish::WithdrawAnyway);
        let (wishes, floor) = (&self.order.wishes, self.order.floor);
        let (observed, none) = (listing.observed(), BTreeSet::new());
        let aftermath = &self.given.known.aftermath;
        let create = aftermath.repair(&observed, &Plan::default(), wishes, floor, &none);
        if !create.is_empty() {
            say_what_comes_back(&create);
            let plan = Plan { create, ..Plan::default() };
            let changes = self.remembered(&plan, &listing).await;
            let _ = self.write(&plan, &listing, &changes).await;
        }
    }

    pub(super) async fn report_done(&self, done: Done) -> Result<(), Halt> {
        let Done { withdrawn, restored, created, since: Some(since) } = done else {
            return Ok(());
        };
        let took = since.elapsed();
        self.report(DnsReport::Applied { withdrawn, restored, created, took }).await
    }

    /// A reading that was dropped did no harm.
    fn unread(&self, late: Late) -> ProviderError {
        ProviderError::Unavailable {
            provider: self.given.provider.name(),
            what: "list the records".into(),
            retry_after: None,
            source: late.into(),
        }
    }
}

/// Waits until a reading must not go on. Were it broken off by each reload, a zone that takes longer
/// to read than from one reload to the next would never be read.
async fn broken_off(mut desk: watch::Receiver<Desk>) {
    if desk.wait_for(|desk| desk.stop).await.is_ok() {
        // Whatever ends this wait ends the reading.
        let _ = tokio::time::timeout(FOR_AN_HEIR, desk.wait_for(Desk::is_the_end)).await;
    }
}

/// A call did not come to an end.
#[derive(Debug, thiserror::Error)]
#[error("it did not come to an end within {} s", LONGEST_CALL.as_secs())]
pub(super) struct Late;

/// Awaits a call for as long as any may take.
pub(super) async fn in_time<T>(call: impl Future<Output = T>) -> Result<T, Late> {
    tokio::time::timeout(LONGEST_CALL, call).await.map_err(|_| Late)
}

fn say_what_comes_back(entries: &[(SetKey, IpAddr)]) {
    for (target, names) in by_address(entries) {
        let names = names.join(",");
        tracing::warn!(
            %target,
            names,
            "others changed the set meanwhile and it fell below the floor: what was withdrawn comes back"
        );
    }
}

pub(super) fn by_address(entries: &[(SetKey, IpAddr)]) -> BTreeMap<IpAddr, Vec<String>> {
    let mut names: BTreeMap<IpAddr, Vec<String>> = BTreeMap::new();
    for (key, address) in entries {
        names.entry(*address).or_default().push(key.name.clone());
    }
    names
}
