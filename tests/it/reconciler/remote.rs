//! A provider with calls that take time and have the scripted outcomes.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use goavail::engine::plan::Observed;
use goavail::testing::dns::{
    Call, ChangeRequest, DnsProvider, Listing, ProviderError, RecordChanges, downcast,
};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::time::{Instant, sleep};

use super::{TTL, ip, ms, short};
use crate::contract::ProviderUnderTest;
use crate::contract::in_memory::InMemory;

/// The outcome of one call.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Outcome {
    /// The call succeeds at once.
    Works,
    /// It succeeds after this time.
    Takes(Duration),
    /// It succeeds with a request for each change, and this time between two of them.
    OneByOne(Duration),
    /// Nothing is done: no connection, or a limit with a pause.
    Unavailable(Option<Duration>),
    /// The provider refuses it.
    Refused,
    /// Nothing is done, and the answer is lost.
    LostBefore,
    /// Nothing is done, and the answer asks for a pause without a statement about the change.
    Overloaded(Duration),
    /// It is done, and the answer is lost.
    LostAfter,
    /// The provider reports that the zone has changed.
    Changed,
    /// The answer is lost, and the change is made after this time.
    Late(Duration),
    /// The provider reports that the change is in force already, and does nothing.
    Already,
    /// It is confirmed and not done.
    Forgotten,
    /// The call never ends.
    Never,
    /// A listing wrongly shows a zone without records.
    Empty,
    /// A listing shows the zone as the first listing showed it.
    Outdated,
}

/// A request that was received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Request {
    Read,
    /// The changes: `-10@www` or `+10@www`.
    Write(Vec<String>),
}

/// A write that was carried out.
#[derive(Debug, Clone)]
pub(super) struct Carried {
    pub(super) at: Instant,
    pub(super) changes: RecordChanges,
    pub(super) before: Observed,
    pub(super) after: Observed,
}

#[derive(Default)]
struct Script {
    reads: VecDeque<Outcome>,
    writes: VecDeque<Outcome>,
    requests: Vec<(Instant, Request)>,
    carried: Vec<Carried>,
    /// The first listing of the zone.
    first: Option<Listing>,
    dice: Option<StdRng>,
    swaps: bool,
}

/// The provider. Clones are the views of several agents on one zone, and share everything.
#[derive(Clone)]
pub(super) struct Remote {
    pub(super) zone: InMemory,
    script: Arc<Mutex<Script>>,
}

/// The time of a call on its way there, and again on its way back.
const ON_THE_WAY: Duration = Duration::from_millis(50);

/// The same for random times, in milliseconds.
const DICED: Range<u64> = 1..300;

impl Remote {
    /// Creates a zone with these addresses at each of `names`.
    pub(super) fn new(names: &[&str], lasts: &[u8]) -> Self {
        let zone = InMemory::new(names);
        for name in names {
            for last in lasts {
                zone.put(name, ip(*last), TTL);
            }
        }
        Self { zone, script: Arc::default() }
    }

    /// Refuses a write if the sets that it touches differ from their listing.
    pub(super) fn swapping(self) -> Self {
        self.script().swaps = true;
        self
    }

    /// Makes the time of each way random, with this seed.
    pub(super) fn diced(self, seed: u64) -> Self {
        self.script().dice = Some(StdRng::seed_from_u64(seed));
        self
    }

    /// Returns the view of another agent on the same zone, with outcomes of its own.
    pub(super) fn other_agent(&self) -> Self {
        let script = Script { swaps: self.script().swaps, ..Script::default() };
        Self { zone: self.zone.clone(), script: Arc::new(Mutex::new(script)) }
    }

    fn script(&self) -> MutexGuard<'_, Script> {
        self.script.lock().unwrap()
    }

    /// Scripts the outcomes of the next listings; those after them succeed.
    pub(super) fn reads(&self, fates: impl IntoIterator<Item = Outcome>) {
        self.script().reads.extend(fates);
    }

    /// Scripts the outcomes of the next writes; those after them succeed.
    pub(super) fn writes(&self, fates: impl IntoIterator<Item = Outcome>) {
        self.script().writes.extend(fates);
    }

    /// Discards the script: everything succeeds.
    pub(super) fn heals(&self) {
        let mut script = self.script();
        script.reads.clear();
        script.writes.clear();
    }

    /// Returns the requests since the last call.
    pub(super) fn requests(&self) -> Vec<Request> {
        self.timed_requests().into_iter().map(|(_, request)| request).collect()
    }

    /// Returns the requests since the last call, with their times.
    pub(super) fn timed_requests(&self) -> Vec<(Instant, Request)> {
        std::mem::take(&mut self.script().requests)
    }

    /// Returns the writes that were carried out since the last call.
    pub(super) fn carried(&self) -> Vec<Carried> {
        std::mem::take(&mut self.script().carried)
    }

    /// Removes an address by other means.
    pub(super) async fn take(&self, name: &str, last: u8) {
        ProviderUnderTest::remove(&self.zone, name, ip(last)).await;
    }

    /// Adds an address by other means.
    pub(super) fn put(&self, name: &str, last: u8) {
        self.zone.put(name, ip(last), TTL);
    }

    /// Returns every record in the zone, as `10@www`.
    pub(super) async fn holds(&self) -> Vec<String> {
        let records = ProviderUnderTest::holds(&self.zone).await;
        let mut held: Vec<_> =
            records.iter().map(|r| short(&r.name, r.value.parse().unwrap())).collect();
        held.sort();
        held
    }

    /// Returns the TTL and the extras of an existing record.
    pub(super) async fn carries(&self, name: &str, last: u8) -> (u32, String) {
        let records = ProviderUnderTest::holds(&self.zone).await;
        let value = ip(last).to_string();
        let found = records.into_iter().find(|r| r.name == name && r.value == value);
        found.map(|record| (record.ttl, record.extras)).unwrap()
    }

    /// Sends a request for each change, with `time` between two of them.
    async fn carry_out_one_by_one(
        &self,
        request: ChangeRequest<'_>,
        time: Duration,
    ) -> Result<(), ProviderError> {
        let ChangeRequest { listing, changes, permit } = request;
        let mut done = RecordChanges::default();
        for (nth, single) in single(changes).enumerate() {
            let gone = single.delete.iter().map(|(_, record)| record.address);
            let addresses = gone.chain(single.create.iter().map(|new| new.address));
            if nth > 0 && !permit.covers(addresses) {
                let rest = ProviderError::Revoked {
                    provider: "Memory",
                    what: "change the records".into(),
                };
                return Err(ProviderError::Partly { done, rest: Box::new(rest) });
            }
            self.carry_out(listing, &single).await?;
            done.delete.extend(single.delete);
            done.create.extend(single.create);
            sleep(time).await;
        }
        Ok(())
    }

    async fn travel(&self) {
        let diced = self.script().dice.as_mut().map(|dice| dice.random_range(DICED));
        sleep(diced.map_or(ON_THE_WAY, ms)).await;
    }

    async fn truth(&self) -> Listing {
        self.zone.list().await.unwrap()
    }

    async fn carry_out(
        &self,
        listing: &Listing,
        changes: &RecordChanges,
    ) -> Result<(), ProviderError> {
        let before = self.truth().await;
        let sets = changes.delete.iter().map(|(set, _)| set);
        let sets: Vec<_> = sets.chain(changes.create.iter().map(|new| &new.set)).collect();
        let records = |listing: &Listing, set| listing.sets.get(set).cloned().unwrap_or_default();
        let is_as_listed = sets.iter().all(|&set| records(listing, set) == records(&before, set));
        if self.script().swaps && !is_as_listed {
            return error(Outcome::Changed, "change the records").map_or(Ok(()), Err);
        }
        self.zone.apply(ChangeRequest::new(listing, changes)).await?;
        let after = self.truth().await;
        let (changes, before, after) = (changes.clone(), before.observed(), after.observed());
        let at = super::harness::now();
        self.script().carried.push(Carried { at, changes, before, after });
        Ok(())
    }
}

/// Returns each change of `changes` by itself, deletions first.
fn single(changes: &RecordChanges) -> impl Iterator<Item = RecordChanges> + '_ {
    let gone = changes.delete.iter().cloned();
    let gone = gone.map(|gone| RecordChanges { delete: vec![gone], ..RecordChanges::default() });
    let new = changes.create.iter().cloned();
    gone.chain(new.map(|new| RecordChanges { create: vec![new], ..RecordChanges::default() }))
}

fn error(fate: Outcome, what: &str) -> Option<ProviderError> {
    let (provider, what, source) = ("Memory", what.to_owned(), "as the test wants it".into());
    Some(match fate {
        Outcome::Unavailable(retry_after) => {
            ProviderError::Unavailable { provider, what, retry_after, source }
        }
        Outcome::Refused => ProviderError::Refused { provider, what, source },
        Outcome::Already => ProviderError::Already { provider, what, source },
        Outcome::LostBefore | Outcome::LostAfter | Outcome::Late(_) => {
            ProviderError::Unconfirmed { provider, what, retry_after: None, source }
        }
        Outcome::Overloaded(pause) => {
            ProviderError::Unconfirmed { provider, what, retry_after: Some(pause), source }
        }
        Outcome::Changed => ProviderError::Changed { provider, what, source },
        Outcome::Works
        | Outcome::OneByOne(_)
        | Outcome::Takes(_)
        | Outcome::Forgotten
        | Outcome::Never
        | Outcome::Empty
        | Outcome::Outdated => return None,
    })
}

fn words(changes: &RecordChanges) -> Vec<String> {
    let gone = changes.delete.iter().map(|(set, r)| format!("-{}", short(&set.name, r.address)));
    let new = changes.create.iter().map(|new| format!("+{}", short(&new.set.name, new.address)));
    let mut words: Vec<_> = gone.chain(new).collect();
    words.sort();
    words
}

impl DnsProvider for Remote {
    fn name(&self) -> &'static str {
        "Memory"
    }

    fn list(&self) -> Call<'_, Listing> {
        Box::pin(self.list_records())
    }

    fn apply<'a>(&'a self, request: ChangeRequest<'a>) -> Call<'a, ()> {
        Box::pin(self.change_records(request))
    }

    fn inherit_from(&mut self, before: Box<dyn DnsProvider>) -> bool {
        let before = downcast::<Self>(before);
        before.is_some_and(|before| Arc::ptr_eq(&self.script, &before.script))
    }
}

impl Remote {
    async fn list_records(&self) -> Result<Listing, ProviderError> {
        self.travel().await;
        let fate = {
            let mut script = self.script();
            script.requests.push((super::harness::now(), Request::Read));
            script.reads.pop_front().unwrap_or(Outcome::Works)
        };
        match fate {
            Outcome::Takes(time) => sleep(time).await,
            Outcome::Never => std::future::pending().await,
            _ => {}
        }
        let truth = self.truth().await;
        let first = self.script().first.get_or_insert_with(|| truth.clone()).clone();
        let listing = match fate {
            Outcome::Empty => Listing::default(),
            Outcome::Outdated => first,
            _ => truth,
        };
        self.travel().await;
        error(fate, "list the records").map_or(Ok(listing), Err)
    }

    async fn change_records(&self, request: ChangeRequest<'_>) -> Result<(), ProviderError> {
        let ChangeRequest { listing, changes, .. } = request;
        self.travel().await;
        let fate = {
            let mut script = self.script();
            script.requests.push((super::harness::now(), Request::Write(words(changes))));
            script.writes.pop_front().unwrap_or(Outcome::Works)
        };
        match fate {
            Outcome::Takes(time) => sleep(time).await,
            Outcome::Never => std::future::pending().await,
            _ => {}
        }
        let what = "change the records";
        if let Outcome::OneByOne(time) = fate {
            return self.carry_out_one_by_one(request, time).await;
        }
        let mut result = error(fate, what).map_or(Ok(()), Err);
        if matches!(fate, Outcome::Works | Outcome::Takes(_) | Outcome::LostAfter)
            && let Err(error) = self.carry_out(listing, changes).await
        {
            result = Err(error);
        }
        if let Outcome::Late(time) = fate {
            let (remote, listing, changes) = (self.clone(), listing.clone(), changes.clone());
            tokio::spawn(async move {
                sleep(time).await;
                remote.carry_out(&listing, &changes).await
            });
        }
        self.travel().await;
        result
    }
}

impl std::fmt::Debug for Remote {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Remote")
    }
}
