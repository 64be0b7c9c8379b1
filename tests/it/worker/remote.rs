//! A provider whose calls take their time and meet the fates that a test has laid out for them.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use goavail::dns::{Changes, DnsProvider, Listing, Permit, ProviderError, Successor};
use goavail::engine::plan::Observed;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::time::{Instant, sleep};

use super::{TTL, ip, ms, short};
use crate::contract::ProviderUnderTest;
use crate::contract::in_memory::InMemory;

/// What becomes of one call.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Fate {
    /// It works.
    Works,
    /// It works, and takes this long.
    Takes(Duration),
    /// It works, by a request for each change with this long between two of them.
    OneByOne(Duration),
    /// Nothing is done: no connection, or a limit with a time to wait.
    Unavailable(Option<Duration>),
    /// The provider says no.
    Refused,
    /// Nothing is done, and no answer comes back.
    LostBefore,
    /// It is done, and no answer comes back.
    LostAfter,
    /// The provider says that the zone had changed.
    Changed,
    /// No answer comes back, and it is carried out only after this long.
    Late(Duration),
    /// The provider says that it is so already, and does nothing.
    Already,
    /// It is confirmed and not done.
    Forgotten,
    /// It never comes to an end.
    Never,
    /// A reading shows a zone without records, which is not true.
    Empty,
    /// A reading shows the zone as the first reading showed it.
    Outdated,
}

/// A request that arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Request {
    Read,
    /// What it asked for: `-10@www` or `+10@www`.
    Write(Vec<String>),
}

/// A write that was carried out.
#[derive(Debug, Clone)]
pub(super) struct Carried {
    pub(super) at: Instant,
    pub(super) changes: Changes,
    pub(super) before: Observed,
    pub(super) after: Observed,
}

#[derive(Default)]
struct Script {
    reads: VecDeque<Fate>,
    writes: VecDeque<Fate>,
    requests: Vec<(Instant, Request)>,
    carried: Vec<Carried>,
    /// What the first reading showed.
    first: Option<Listing>,
    dice: Option<StdRng>,
    swaps: bool,
}

/// The provider. Clones are several agents' views of one zone, and share all of it.
#[derive(Clone)]
pub(super) struct Remote {
    pub(super) zone: InMemory,
    script: Arc<Mutex<Script>>,
}

/// How long a call takes on its way there, and the same again on its way back.
const ON_THE_WAY: Duration = Duration::from_millis(50);

/// The same where it is diced, in milliseconds.
const DICED: Range<u64> = 1..300;

impl Remote {
    /// A zone with these addresses at each of `names`.
    pub(super) fn new(names: &[&str], lasts: &[u8]) -> Self {
        let zone = InMemory::new(names);
        for name in names {
            for last in lasts {
                zone.put(name, ip(*last), TTL);
            }
        }
        Self { zone, script: Arc::default() }
    }

    /// A write is refused if the sets it touches are no longer as they were listed.
    pub(super) fn swapping(self) -> Self {
        self.script().swaps = true;
        self
    }

    /// Each way takes as long as dice with this seed say.
    pub(super) fn diced(self, seed: u64) -> Self {
        self.script().dice = Some(StdRng::seed_from_u64(seed));
        self
    }

    /// Another agent's view of the same zone, which meets its own fates.
    pub(super) fn apart(&self) -> Self {
        let script = Script { swaps: self.script().swaps, ..Script::default() };
        Self { zone: self.zone.clone(), script: Arc::new(Mutex::new(script)) }
    }

    fn script(&self) -> MutexGuard<'_, Script> {
        self.script.lock().unwrap()
    }

    /// Lays out what becomes of the next readings; those after them work.
    pub(super) fn reads(&self, fates: impl IntoIterator<Item = Fate>) {
        self.script().reads.extend(fates);
    }

    /// Lays out what becomes of the next writes; those after them work.
    pub(super) fn writes(&self, fates: impl IntoIterator<Item = Fate>) {
        self.script().writes.extend(fates);
    }

    /// Whatever was laid out is off: everything works.
    pub(super) fn heals(&self) {
        let mut script = self.script();
        script.reads.clear();
        script.writes.clear();
    }

    /// The requests since the last time that this was asked.
    pub(super) fn requests(&self) -> Vec<Request> {
        self.timed_requests().into_iter().map(|(_, request)| request).collect()
    }

    /// The same, with the moments at which they arrived.
    pub(super) fn timed_requests(&self) -> Vec<(Instant, Request)> {
        std::mem::take(&mut self.script().requests)
    }

    /// The writes that were carried out since the last time that this was asked.
    pub(super) fn carried(&self) -> Vec<Carried> {
        std::mem::take(&mut self.script().carried)
    }

    /// Takes an address out by other means.
    pub(super) async fn take(&self, name: &str, last: u8) {
        ProviderUnderTest::remove(&self.zone, name, ip(last)).await;
    }

    /// Every record in the zone, as `10@www`.
    pub(super) async fn holds(&self) -> Vec<String> {
        let records = ProviderUnderTest::holds(&self.zone).await;
        let mut held: Vec<_> =
            records.iter().map(|r| short(&r.name, r.value.parse().unwrap())).collect();
        held.sort();
        held
    }

    /// The TTL and the extras of a record that is there.
    pub(super) async fn carries(&self, name: &str, last: u8) -> (u32, String) {
        let records = ProviderUnderTest::holds(&self.zone).await;
        let value = ip(last).to_string();
        let found = records.into_iter().find(|r| r.name == name && r.value == value);
        found.map(|record| (record.ttl, record.extras)).unwrap()
    }

    /// A request for each change, with `time` between two of them.
    async fn carry_out_one_by_one(
        &self,
        listing: &Listing,
        changes: &Changes,
        permit: Permit<'_>,
        time: Duration,
    ) -> Result<(), ProviderError> {
        let mut done = Changes::default();
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

    async fn carry_out(&self, listing: &Listing, changes: &Changes) -> Result<(), ProviderError> {
        let before = self.truth().await;
        let sets = changes.delete.iter().map(|(set, _)| set);
        let sets: Vec<_> = sets.chain(changes.create.iter().map(|new| &new.set)).collect();
        let records = |listing: &Listing, set| listing.sets.get(set).cloned().unwrap_or_default();
        let is_as_listed = sets.iter().all(|&set| records(listing, set) == records(&before, set));
        if self.script().swaps && !is_as_listed {
            return error(Fate::Changed, "change the records").map_or(Ok(()), Err);
        }
        self.zone.apply(listing, changes).await?;
        let after = self.truth().await;
        let (changes, before, after) = (changes.clone(), before.observed(), after.observed());
        let at = super::office::now();
        self.script().carried.push(Carried { at, changes, before, after });
        Ok(())
    }
}

/// Each change of `changes` by itself, what goes first.
fn single(changes: &Changes) -> impl Iterator<Item = Changes> + '_ {
    let gone = changes.delete.iter().cloned();
    let gone = gone.map(|gone| Changes { delete: vec![gone], ..Changes::default() });
    let new = changes.create.iter().cloned();
    gone.chain(new.map(|new| Changes { create: vec![new], ..Changes::default() }))
}

fn error(fate: Fate, what: &str) -> Option<ProviderError> {
    let (provider, what, source) = ("Memory", what.to_owned(), "as the test wants it".into());
    Some(match fate {
        Fate::Unavailable(retry_after) => {
            ProviderError::Unavailable { provider, what, retry_after, source }
        }
        Fate::Refused => ProviderError::Refused { provider, what, source },
        Fate::Already => ProviderError::Already { provider, what, source },
        Fate::LostBefore | Fate::LostAfter | Fate::Late(_) => {
            ProviderError::Unconfirmed { provider, what, source }
        }
        Fate::Changed => ProviderError::Changed { provider, what, source },
        Fate::Works
        | Fate::OneByOne(_)
        | Fate::Takes(_)
        | Fate::Forgotten
        | Fate::Never
        | Fate::Empty
        | Fate::Outdated => return None,
    })
}

fn words(changes: &Changes) -> Vec<String> {
    let gone = changes.delete.iter().map(|(set, r)| format!("-{}", short(&set.name, r.address)));
    let new = changes.create.iter().map(|new| format!("+{}", short(&new.set.name, new.address)));
    let mut words: Vec<_> = gone.chain(new).collect();
    words.sort();
    words
}

impl Successor for Remote {
    fn succeed(&mut self, before: Self) -> bool {
        Arc::ptr_eq(&self.script, &before.script)
    }
}

impl DnsProvider for Remote {
    fn name(&self) -> &'static str {
        "Memory"
    }

    async fn list(&self) -> Result<Listing, ProviderError> {
        self.travel().await;
        let fate = {
            let mut script = self.script();
            script.requests.push((super::office::now(), Request::Read));
            script.reads.pop_front().unwrap_or(Fate::Works)
        };
        match fate {
            Fate::Takes(time) => sleep(time).await,
            Fate::Never => std::future::pending().await,
            _ => {}
        }
        let truth = self.truth().await;
        let first = self.script().first.get_or_insert_with(|| truth.clone()).clone();
        let listing = match fate {
            Fate::Empty => Listing::default(),
            Fate::Outdated => first,
            _ => truth,
        };
        self.travel().await;
        error(fate, "list the records").map_or(Ok(listing), Err)
    }

    async fn apply_while(
        &self,
        listing: &Listing,
        changes: &Changes,
        permit: Permit<'_>,
    ) -> Result<(), ProviderError> {
        self.travel().await;
        let fate = {
            let mut script = self.script();
            script.requests.push((super::office::now(), Request::Write(words(changes))));
            script.writes.pop_front().unwrap_or(Fate::Works)
        };
        match fate {
            Fate::Takes(time) => sleep(time).await,
            Fate::Never => std::future::pending().await,
            _ => {}
        }
        let what = "change the records";
        if let Fate::OneByOne(time) = fate {
            return self.carry_out_one_by_one(listing, changes, permit, time).await;
        }
        let mut result = error(fate, what).map_or(Ok(()), Err);
        if matches!(fate, Fate::Works | Fate::Takes(_) | Fate::LostAfter)
            && let Err(error) = self.carry_out(listing, changes).await
        {
            result = Err(error);
        }
        if let Fate::Late(time) = fate {
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
