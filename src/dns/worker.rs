//! Makes record sets serve what was ordered: list, plan, apply, list again, until it is so.
//!
//! One task owns the provider, so changes never overlap. A newer order replaces an older one that
//! still waits or is being retried; a request that has left is never dropped half way.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::backoff::Backoff;
use super::memory::Memory;
use super::{Changes, DnsProvider, Listing, NewRecord, ProviderError};
use crate::engine::event::{DnsProblem, DnsProblemKind, DnsReport, Order};
use crate::engine::plan::{self, Plan, SetKey, Wish};

/// For how long a reading of the zone may serve for planning.
const FRESH_FOR: Duration = Duration::from_secs(30);

/// How often in a row the zone may turn out to be other than expected before it is left alone for
/// a while.
const MOST_ROUNDS: u32 = 5;

/// What the worker is asked for. The newest counts.
#[derive(Debug, Clone, Default)]
pub struct Desk {
    /// What the record sets should serve.
    pub order: Order,
    /// Grows with each order.
    pub number: u64,
    /// Grows with each request to read the zone in advance.
    pub readings: u64,
    /// Stop after the change in hand.
    pub stop: bool,
}

/// The worker: owns the provider and the memory of what was withdrawn.
#[derive(Debug)]
pub struct Worker<P, R> {
    /// Whom it asks.
    pub provider: P,
    /// The owner names that it looks after.
    pub names: Vec<String>,
    /// Where its orders lie.
    pub desk: watch::Receiver<Desk>,
    /// Where its reports go.
    pub reports: mpsc::Sender<DnsReport>,
    /// What withdrawn records carried.
    pub memory: Memory,
    /// Told the whole memory before each change and after it.
    pub remember: R,
    /// The zone when it was last read, and when that was.
    pub reading: Option<(Instant, Listing)>,
}

/// Why work on an order was broken off.
enum Break {
    /// A newer order came in, or the end.
    Replaced,
    /// The driver is gone.
    Gone,
}

/// One order being carried out.
struct Work {
    order: Order,
    number: u64,
    began: Instant,
    backoff: Backoff,
    /// Rounds without a rest.
    rounds: u32,
    /// What the last write took out without the operator's word.
    withdrew: Vec<(SetKey, IpAddr)>,
}

/// Where one round ended.
enum Round {
    /// Nothing is left to change.
    Settled,
    /// A change was confirmed; it remains to be seen whether that was all.
    Applied,
}

impl<P, R> Worker<P, R>
where
    P: DnsProvider,
    R: FnMut(&Memory) + Send,
{
    /// Works until it is told to stop or the driver is gone; hands its memory on.
    pub async fn run(mut self) -> Memory {
        let (mut done, mut read) = (0, 0);
        loop {
            let desk = self.desk.borrow_and_update().clone();
            let step = if desk.stop {
                Err(Break::Gone)
            } else if desk.number > done {
                done = desk.number;
                read = desk.readings;
                self.carry_out(desk).await
            } else if desk.readings > read {
                read = desk.readings;
                self.read_in_advance().await
            } else {
                self.desk.changed().await.map_err(|_| Break::Gone)
            };
            if let Err(Break::Gone) = step {
                return self.memory;
            }
        }
    }

    async fn report(&self, report: DnsReport) -> Result<(), Break> {
        self.reports.send(report).await.map_err(|_| Break::Gone)
    }

    /// Reads the zone before it is needed. A failure is reported and not retried: nothing is due.
    async fn read_in_advance(&mut self) -> Result<(), Break> {
        match self.read().await {
            Ok(_) => Ok(()),
            Err(error) => self.report(DnsReport::Failing(problem(&error, None))).await,
        }
    }

    async fn read(&mut self) -> Result<Listing, ProviderError> {
        self.reading = None;
        let listing = self.provider.list().await?;
        self.reading = Some((now(), listing.clone()));
        // That nobody listens any more is noticed by whoever reports next.
        let _ = self.report(DnsReport::Listed(listing.observed())).await;
        Ok(listing)
    }

    /// The zone as it was read a moment ago, else read now.
    async fn known(&mut self) -> Result<Listing, ProviderError> {
        match &self.reading {
            Some((at, listing)) if at.elapsed() < FRESH_FOR => Ok(listing.clone()),
            _ => self.read().await,
        }
    }

    /// Works on one order until DNS is as it wants it, or until it is replaced.
    async fn carry_out(&mut self, desk: Desk) -> Result<(), Break> {
        if desk.order.read_again {
            self.reading = None;
        }
        let mut work = Work {
            order: desk.order,
            number: desk.number,
            began: now(),
            backoff: Backoff::default(),
            rounds: 0,
            withdrew: Vec::new(),
        };
        loop {
            work.rounds += 1;
            let error = match self.round(&mut work).await? {
                Ok(Round::Settled) => return Ok(()),
                Ok(Round::Applied) if work.rounds < MOST_ROUNDS => continue,
                Ok(Round::Applied) => self.unchanged(),
                Err(error) => error,
            };
            self.reading = None;
            let again_at_once = matches!(error, ProviderError::Changed { .. });
            if again_at_once && work.rounds < MOST_ROUNDS {
                continue;
            }
            work.rounds = 0;
            let wait = work.backoff.next(&error);
            self.report(DnsReport::Failing(problem(&error, Some(wait)))).await?;
            self.wait(work.number, wait).await?;
        }
    }

    /// The provider confirms changes that its listing does not show.
    fn unchanged(&self) -> ProviderError {
        ProviderError::Unconfirmed {
            provider: self.provider.name(),
            what: "what it confirmed".into(),
            source: "its listing does not show the change".into(),
        }
    }

    /// Waits before trying again; a newer order or the end breaks it off.
    async fn wait(&mut self, number: u64, wait: Duration) -> Result<(), Break> {
        let replaced = self.desk.wait_for(|desk| desk.stop || desk.number != number);
        match tokio::time::timeout(wait, replaced).await {
            Err(_) => Ok(()),
            Ok(Ok(_)) => Err(Break::Replaced),
            Ok(Err(_)) => Err(Break::Gone),
        }
    }

    /// One round: list, plan, apply.
    async fn round(&mut self, work: &mut Work) -> Result<Result<Round, ProviderError>, Break> {
        let listing = match self.known().await {
            Ok(listing) => listing,
            Err(error) => return Ok(Err(error)),
        };
        let plan = self.plan(work, &listing);
        if plan.is_empty() {
            let (wishes, held) = (work.order.wishes.clone(), by_address(&plan.held));
            self.report(DnsReport::Settled { wishes, held }).await?;
            return Ok(Ok(Round::Settled));
        }
        let changes = self.changes(&plan, &listing);
        self.memory.remember(&changes);
        (self.remember)(&self.memory);
        let applied = self.provider.apply(&listing, &changes).await;
        self.reading = None;
        if let Err(error) = applied {
            return Ok(Err(error));
        }
        self.memory.forget(&changes);
        (self.remember)(&self.memory);
        let asked = |(_, address): &&(SetKey, IpAddr)| {
            work.order.wishes.get(address) == Some(&Wish::Withdraw)
        };
        work.withdrew = plan.delete.iter().filter(asked).cloned().collect();
        let (withdrawn, restored) = (plan.delete, plan.create);
        let took = work.began.elapsed();
        self.report(DnsReport::Applied { withdrawn, restored, took }).await?;
        Ok(Ok(Round::Applied))
    }

    /// What to change now; after a write also what another agent's simultaneous write makes
    /// necessary.
    fn plan(&self, work: &mut Work, listing: &Listing) -> Plan {
        let observed = listing.observed();
        let (wishes, floor) = (&work.order.wishes, work.order.floor);
        let mut plan = plan::plan(&self.names, &observed, wishes, floor);
        let withdrew = std::mem::take(&mut work.withdrew);
        plan.create.extend(plan::repair(&observed, &withdrew, floor));
        plan
    }

    /// The plan in terms of records.
    fn changes(&self, plan: &Plan, listing: &Listing) -> Changes {
        let create = plan.create.iter().map(|(set, address)| NewRecord {
            set: set.clone(),
            address: *address,
            attributes: self.memory.recall(set, *address).cloned(),
        });
        let delete = plan.delete.iter().flat_map(|(set, address)| {
            let records = listing.sets.get(set).into_iter().flatten();
            let same = records.filter(move |record| record.address == *address);
            same.map(move |record| (set.clone(), record.clone()))
        });
        Changes { create: create.collect(), delete: delete.collect() }
    }
}

/// The time, for how old a reading is.
#[expect(clippy::disallowed_methods, reason = "how old a reading is concerns the worker alone")]
pub fn now() -> Instant {
    Instant::now()
}

fn by_address(entries: &[(SetKey, IpAddr)]) -> BTreeMap<IpAddr, Vec<String>> {
    let mut names: BTreeMap<IpAddr, Vec<String>> = BTreeMap::new();
    for (key, address) in entries {
        names.entry(*address).or_default().push(key.name.clone());
    }
    names
}

fn problem(error: &ProviderError, retry_in: Option<Duration>) -> DnsProblem {
    let kind = match error {
        ProviderError::Refused { .. } => DnsProblemKind::Refused,
        ProviderError::Unavailable { .. } => DnsProblemKind::Unavailable,
        ProviderError::Unconfirmed { .. } => DnsProblemKind::Unconfirmed,
        ProviderError::Changed { .. } => DnsProblemKind::Changed,
    };
    DnsProblem { kind, what: crate::chain(error), retry_in }
}
