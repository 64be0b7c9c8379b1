//! What happened, counted and remembered beside the targets.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::CHANGES_KEPT;
use super::model::{Change, Failure, Reason};
use super::time::Moment;

/// Counters that belong to no target.
#[derive(Debug, Clone)]
pub struct Ledger {
    pub(super) rtt: Spread,
    pub(super) failover: Spread,
    pub(super) refusals: BTreeMap<&'static str, u64>,
    pub(super) dns_changes: BTreeMap<[&'static str; 3], u64>,
    pub(super) dns_requests: BTreeMap<[&'static str; 2], u64>,
    pub(super) votes: BTreeMap<(Arc<str>, &'static str), u64>,
    pub(super) reloads: BTreeMap<&'static str, u64>,
    pub(super) notices: BTreeMap<[&'static str; 2], u64>,
    pub(super) panics: BTreeMap<&'static str, u64>,
    pub(super) failing_names: BTreeSet<String>,
}

impl Default for Ledger {
    fn default() -> Self {
        Self {
            rtt: Spread::new(&RTT_BOUNDS),
            failover: Spread::new(&FAILOVER_BOUNDS),
            refusals: Reason::ALL.map(|reason| (reason.as_str(), 0)).into(),
            dns_changes: BTreeMap::new(),
            dns_requests: BTreeMap::new(),
            votes: BTreeMap::new(),
            reloads: BTreeMap::new(),
            notices: BTreeMap::new(),
            panics: crate::panics::PARTS.map(|part| (part, 0)).into(),
            failing_names: BTreeSet::new(),
        }
    }
}

impl Ledger {
    /// A change that was asked of the provider came to an end: `action` is `withdraw` or
    /// `restore`, `outcome` `ok` or `dry_run`. One for each record.
    pub fn dns_change(
        &mut self,
        provider: &'static str,
        action: &'static str,
        outcome: &'static str,
    ) {
        *self.dns_changes.entry([provider, action, outcome]).or_default() += 1;
    }

    /// A call to the provider came to an end: `ok`, `refused`, `rejected`, `partly`,
    /// `unavailable`, `unconfirmed`, `already` or `changed`.
    pub fn dns_request(&mut self, provider: &'static str, outcome: &'static str) {
        *self.dns_requests.entry([provider, outcome]).or_default() += 1;
    }

    /// From the last reply heard until the provider confirmed that the target is out.
    pub fn failover(&mut self, took: Duration) {
        self.failover.observe(took);
    }

    /// A vote came from `peer`, or went there: `accepted`, `refused`, `delivered`, `undelivered`
    /// or the like. `peer` is a listed one, never whatever a stranger claims to be.
    pub fn vote(&mut self, peer: &str, outcome: &'static str) {
        *self.votes.entry((peer.into(), outcome)).or_default() += 1;
    }

    /// How often that happened in all, as somebody else has counted it.
    pub fn votes_in_all(&mut self, peer: &str, outcome: &'static str, total: u64) {
        self.votes.insert((peer.into(), outcome), total);
    }

    /// How many requests to `provider` had this outcome in all, as somebody else has counted it.
    pub fn dns_requests_in_all(&mut self, provider: &'static str, outcome: &'static str, n: u64) {
        self.dns_requests.insert([provider, outcome], n);
    }

    /// The number of notices of a channel with an outcome, as somebody else has counted it: `labels`
    /// are the channel, and `delivered`, `failed` or `dropped`.
    pub fn notices_in_all(&mut self, labels: [&'static str; 2], total: u64) {
        self.notices.insert(labels, total);
    }

    /// The number of panics that were caught in each part, as somebody else has counted it.
    pub fn panics_in_all(&mut self, counts: BTreeMap<&'static str, u64>) {
        self.panics.extend(counts);
    }

    /// A name began to have trouble of its own, or has none any more.
    pub fn name_failing(&mut self, name: &str, fails: bool) {
        if fails {
            self.failing_names.insert(name.to_owned());
        } else {
            self.failing_names.remove(name);
        }
    }

    /// A new configuration was taken over (`ok`) or refused (`refused`).
    pub fn reload(&mut self, outcome: &'static str) {
        *self.reloads.entry(outcome).or_default() += 1;
    }

    pub(super) fn refused(&mut self, reason: Reason) {
        *self.refusals.entry(reason.as_str()).or_default() += 1;
    }

    pub(super) fn keep_peers(&mut self, keep: impl Fn(&str) -> bool) {
        self.votes.retain(|(peer, _), _| keep(peer));
    }
}

/// How durations are spread: a histogram without a lock.
#[derive(Debug, Clone)]
pub(super) struct Spread {
    /// Upper bounds in seconds, ascending; what is above the last goes into one more bucket.
    bounds: &'static [f64],
    counts: Vec<u64>,
    sum: f64,
}

/// From a neighbour in the same hall to a probe that was nearly given up.
const RTT_BOUNDS: [f64; 12] =
    [0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5];

/// From the quickest failover there can be to one that waited for a provider's outage to end.
const FAILOVER_BOUNDS: [f64; 12] =
    [0.5, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 600.0];

impl Spread {
    fn new(bounds: &'static [f64]) -> Self {
        Self { bounds, counts: vec![0; bounds.len() + 1], sum: 0.0 }
    }

    pub(super) fn observe(&mut self, took: Duration) {
        let seconds = took.as_secs_f64();
        self.sum += seconds;
        let bucket = self.bounds.iter().position(|bound| seconds <= *bound);
        self.counts[bucket.unwrap_or(self.bounds.len())] += 1;
    }

    /// Sum, count, and each bucket's own count by its upper bound, the last of which is infinite.
    pub(super) fn read(&self) -> (f64, u64, Vec<(f64, u64)>) {
        let bounds = self.bounds.iter().copied().chain([f64::INFINITY]);
        let buckets = bounds.zip(self.counts.iter().copied()).collect();
        (self.sum, self.counts.iter().sum(), buckets)
    }
}

/// The newest changes and failures.
#[derive(Debug, Clone, Default)]
pub(super) struct Recent {
    /// The newest first.
    changes: VecDeque<(Instant, Arc<Change>)>,
    last_error: Option<(Instant, Arc<Failure>)>,
    /// By `what`, in the order in which they began.
    failing: Vec<(Instant, Arc<Failure>)>,
}

/// Different things that fail at once; more of them are one outage, and memory is fixed.
const FAILING_KEPT: usize = 20;

impl Recent {
    /// `change` happened `at`; what the wall clock makes of that is worked out for each reading.
    pub(super) fn changed(&mut self, at: Instant, change: Change) {
        self.changes.truncate(CHANGES_KEPT - 1);
        self.changes.push_front((at, Arc::new(change)));
    }

    /// As [`changed`](Self::changed), for what did not work.
    pub(super) fn failed(&mut self, at: Instant, failure: Failure) {
        let failure = Arc::new(failure);
        self.last_error = Some((at, Arc::clone(&failure)));
        let known = self.failing.iter().position(|(_, known)| known.what == failure.what);
        match known {
            Some(known) => self.failing[known] = (at, failure),
            None if self.failing.len() < FAILING_KEPT => self.failing.push((at, failure)),
            None => {}
        }
    }

    /// Returns whether it had failed.
    pub(super) fn recovered(&mut self, what: &str) -> bool {
        let before = self.failing.len();
        self.failing.retain(|(_, failure)| failure.what != what);
        self.failing.len() != before
    }

    pub(super) fn changes(&self, dates: &Moment) -> Vec<Change> {
        let told = |(at, change): &(Instant, Arc<Change>)| Change {
            at: dates.wall_at(*at),
            ..Change::clone(change)
        };
        self.changes.iter().map(told).collect()
    }

    pub(super) fn last_error(&self, dates: &Moment) -> Option<Failure> {
        self.last_error.as_ref().map(|failure| dated(failure, dates))
    }

    pub(super) fn failing(&self, dates: &Moment) -> Vec<Failure> {
        self.failing.iter().map(|failure| dated(failure, dates)).collect()
    }
}

fn dated((at, failure): &(Instant, Arc<Failure>), dates: &Moment) -> Failure {
    Failure { at: dates.wall_at(*at), ..Failure::clone(failure) }
}
