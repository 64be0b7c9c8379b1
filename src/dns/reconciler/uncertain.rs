//! Places with uncertain content, which are listed again until it is certain.
//!
//! Two things make the content of a place uncertain: a write with a lost answer, which may still take
//! effect, and a listing that contradicts the earlier content although this agent did not change it.
//! A provider's listing can be wrong for a while: empty, or outdated. If one such listing were
//! trusted, nothing would be done about a dead address, and nothing would list the zone again.
//!
//! With other agents such a listing is most likely right, because one of them made the change. Its
//! content counts, and the zone is listed again fewer times to be sure. A listing that contradicts it
//! is reported, since whether this agent may act then is for the engine to decide.

mod expectations;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use tokio::time::Instant;

use super::plan_parts;
use crate::dns::Placement;
use crate::engine::plan::{Observed, Plan, SetKey};
use expectations::Expectations;

/// Times after the beginning of the uncertainty at which the zone is listed, in seconds. A write that
/// has not taken effect by the last of them never will; the content in the last listing is trusted.
const LIST_AFTER: [u64; 5] = [5, 15, 30, 60, 120];

/// Times after a change that another agent probably made at which the zone is listed, in seconds.
const RECHECK_AFTER: [u64; 3] = [15, 60, LIST_AFTER[4]];

/// Time between attempts to list the zone after the last of these times, until one succeeds.
const RECHECK_RETRY: Duration = Duration::from_mins(1);

/// A change that another agent has probably made.
#[derive(Debug, Clone, Copy)]
struct Recheck {
    /// The time at which it was listed.
    since: Instant,
    /// Whether the address was present then.
    present: bool,
}

/// The places with uncertain content.
#[derive(Debug, Default)]
pub(super) struct Uncertainty {
    since: BTreeMap<Placement, Instant>,
    /// The places that another agent has probably changed, until the zone was listed for the last time.
    rechecks: BTreeMap<Placement, Recheck>,
    /// The places at which a later listing contradicts such a change.
    contradicted: Vec<Placement>,
    /// The time of the newest attempt to list the zone because of `rechecks`.
    attempted: Option<Instant>,
    /// The time at which the newest listing was requested.
    listed: Option<Instant>,
    /// The places in a listing, and those that this agent's writes changed.
    expected: Expectations,
}

impl Uncertainty {
    /// Marks the content of these places as uncertain.
    pub(super) fn mark(&mut self, entries: impl IntoIterator<Item = Placement>, now: Instant) {
        self.since.extend(entries.into_iter().map(|entry| (entry, now)));
    }

    /// Has the zone listed again because another agent has probably changed these places. Each is
    /// given with the presence that was listed.
    pub(super) fn recheck(
        &mut self,
        entries: impl IntoIterator<Item = (Placement, bool)>,
        now: Instant,
    ) {
        for (entry, present) in entries {
            self.rechecks.insert(entry, Recheck { since: now, present });
        }
    }

    /// Returns the places at which the last listings contradicted the change of another agent, once.
    pub(super) fn take_contradicted(&mut self) -> Vec<Placement> {
        std::mem::take(&mut self.contradicted)
    }

    /// Records an attempt to list the zone because of the changes of other agents. If it fails, the
    /// zone is listed at the next of their times, and after the last of them each minute.
    pub(super) fn record_attempt(&mut self, now: Instant) {
        self.attempted = Some(now);
    }

    /// Records a listing that was requested at `requested`, and ends the uncertainty that it resolves.
    pub(super) fn record_listing(&mut self, requested: Instant, observed: &Observed) {
        self.listed = Some(requested);
        for (entry, _) in self.since.extract_if(.., |_, since| requested >= *since + duration()) {
            self.expected.remove(&entry);
        }
        self.check_changes_of_others(requested, observed);
        self.expected.retain(|set, at, expected| match is_present(observed, set, at) {
            Some(present) if present != expected.present => {
                let since = *expected.contradicted.get_or_insert(requested);
                requested < since + duration()
            }
            Some(_) => {
                expected.contradicted = None;
                true
            }
            None => true,
        });
        for (set, there) in &observed.sets {
            self.expected.expect(set, there, true);
        }
    }

    /// Compares a listing with the changes that other agents have probably made.
    fn check_changes_of_others(&mut self, requested: Instant, observed: &Observed) {
        for (entry, recheck) in std::mem::take(&mut self.rechecks) {
            if is_present(observed, &entry.0, entry.1)
                .is_some_and(|present| present != recheck.present)
            {
                self.contradicted.push(entry);
            } else if requested >= recheck.since + duration() {
                self.expected.remove(&entry);
            } else {
                self.rechecks.insert(entry, recheck);
            }
        }
    }

    /// Records the expected presence at places that have none recorded.
    pub(super) fn expect(&mut self, entries: impl IntoIterator<Item = Placement>, present: bool) {
        for (set, address) in entries {
            self.expected.expect(&set, [&address], present);
        }
    }

    /// Records a write that is in force, or may be.
    pub(super) fn record_write(&mut self, plan: &Plan) {
        for (entry, present) in plan_parts::entries(plan) {
            self.rechecks.remove(entry);
            self.expected.insert(entry, present);
        }
    }

    /// Returns the places at which a listing matches the desired state, so that nothing would be
    /// done, but contradicts the expected one. `desired` returns whether an address is to be present.
    pub(super) fn surprises(
        &self,
        observed: &Observed,
        desired: impl Fn(&Placement) -> Option<bool>,
    ) -> Vec<(Placement, bool)> {
        let mut surprises = Vec::new();
        for (set, address, expected) in self.expected.iter() {
            let Some(present) = is_present(observed, set, address) else { continue };
            if present == expected.present {
                continue;
            }
            let entry = (set.clone(), address);
            let is_known = self.contains(&entry) || self.rechecks.contains_key(&entry);
            if !is_known && desired(&entry) == Some(present) {
                surprises.push((entry, present));
            }
        }
        surprises
    }

    /// Returns the time of the next listing that the uncertain places require.
    pub(super) fn next(&self) -> Option<Instant> {
        let since = self.since.values();
        since.filter_map(|since| next_of(&LIST_AFTER, *since, self.listed)).min()
    }

    /// Returns the time of the next listing that the changes of other agents require.
    pub(super) fn next_recheck(&self) -> Option<Instant> {
        let after = self.listed.max(self.attempted);
        let mut times = Vec::new();
        for recheck in self.rechecks.values() {
            let overdue = after.map(|after| after + RECHECK_RETRY);
            times.extend(next_of(&RECHECK_AFTER, recheck.since, after).or(overdue));
        }
        times.into_iter().min()
    }

    /// Whether the content of a place is uncertain.
    pub(super) fn contains(&self, entry: &Placement) -> bool {
        self.since.contains_key(entry)
    }

    /// Returns all places with uncertain content.
    pub(super) fn entries(&self) -> BTreeSet<Placement> {
        self.since.keys().cloned().collect()
    }
}

/// Whether an address is present in a listing; `None` if its set could not be listed.
fn is_present(observed: &Observed, set: &SetKey, address: IpAddr) -> Option<bool> {
    let is_listed = !observed.unfit.contains_key(set);
    is_listed.then(|| observed.get(set).is_some_and(|there| there.contains(&address)))
}

/// Returns the first of the times, in seconds after `since`, that is later than `after`.
fn next_of(times: &[u64], since: Instant, after: Option<Instant>) -> Option<Instant> {
    let mut times = times.iter().map(|seconds| since + Duration::from_secs(*seconds));
    times.find(|at| after.is_none_or(|after| after < *at))
}

/// Returns the duration of an uncertainty.
fn duration() -> Duration {
    Duration::from_secs(LIST_AFTER[LIST_AFTER.len() - 1])
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;
    use crate::dns::clock::now;
    use crate::engine::plan::{Family, SetKey};

    fn entry() -> Placement {
        let set = SetKey { name: "www.example.com".into(), family: Family::A };
        (set, IpAddr::from([192, 0, 2, 1]))
    }

    /// Returns a listing with or without the address.
    fn listing(there: bool) -> Observed {
        let (set, address) = entry();
        [(set, there.then_some(address).into_iter().collect())].into_iter().collect()
    }

    /// Whether a listing is a surprise if it matches the desired state.
    fn surprises(uncertain: &Uncertainty, there: bool) -> bool {
        !uncertain.surprises(&listing(there), |_| Some(there)).is_empty()
    }

    fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn an_uncertain_place_is_listed_five_times_and_then_certain() {
        let now = now();
        let mut uncertain = Uncertainty::default();
        uncertain.mark([entry()], now);
        let mut listed = vec![];
        while let Some(next) = uncertain.next() {
            listed.push((next - now).as_secs());
            uncertain.record_listing(next, &Observed::default());
        }
        assert_eq!(listed, LIST_AFTER);
        assert!(!uncertain.contains(&entry()));
    }

    #[test]
    fn a_place_that_another_agent_changed_is_listed_three_times_and_never_uncertain() {
        let now = now();
        let mut uncertain = Uncertainty::default();
        uncertain.record_listing(now, &listing(true));
        uncertain.record_listing(now + s(1), &listing(false));
        assert!(surprises(&uncertain, false));
        uncertain.recheck([(entry(), false)], now + s(1));
        assert!(!surprises(&uncertain, false), "once");
        let mut listed = vec![];
        while let Some(next) = uncertain.next_recheck() {
            assert!(uncertain.entries().is_empty() && uncertain.next().is_none());
            listed.push((next - now).as_secs() - 1);
            uncertain.record_listing(next, &listing(false));
        }
        assert_eq!(listed, RECHECK_AFTER);
        assert!(uncertain.take_contradicted().is_empty() && !surprises(&uncertain, false));
    }

    #[test]
    fn a_contradicted_change_of_another_agent_is_returned_once_unless_this_agent_wrote_meanwhile() {
        let now = now();
        for last in [s(15), s(120)] {
            let mut uncertain = Uncertainty::default();
            uncertain.recheck([(entry(), false)], now);
            uncertain.record_listing(now + s(1), &listing(false));
            assert!(uncertain.take_contradicted().is_empty());
            uncertain.record_listing(now + last, &listing(true));
            assert_eq!(uncertain.take_contradicted(), [entry()]);
            assert!(uncertain.take_contradicted().is_empty() && uncertain.next_recheck().is_none());
        }
        let mut uncertain = Uncertainty::default();
        uncertain.recheck([(entry(), false)], now);
        uncertain.record_write(&Plan { create: vec![entry()], ..Plan::default() });
        uncertain.record_listing(now + s(15), &listing(true));
        assert!(uncertain.take_contradicted().is_empty());
    }

    #[test]
    fn a_recheck_that_fails_is_made_again_until_the_zone_was_listed_after_the_last_time() {
        let now = now();
        let mut uncertain = Uncertainty::default();
        uncertain.recheck([(entry(), false)], now);
        let mut tried = vec![];
        for _ in 0..5 {
            let next = uncertain.next_recheck().unwrap();
            tried.push((next - now).as_secs());
            uncertain.record_attempt(next);
        }
        assert_eq!(tried, [15, 60, 120, 180, 240]);
        uncertain.record_listing(now + s(240), &listing(false));
        assert_eq!(uncertain.next_recheck(), None);
    }

    #[test]
    fn a_late_listing_counts_for_those_it_replaces() {
        let now = now();
        let mut uncertain = Uncertainty::default();
        uncertain.mark([entry()], now);
        uncertain.record_listing(now + s(40), &Observed::default());
        assert_eq!(uncertain.next(), Some(now + s(60)));
        uncertain.record_listing(now + s(540), &Observed::default());
        assert_eq!(uncertain.next(), None);
    }

    #[test]
    fn a_missing_address_is_a_surprise_unless_this_agent_withdrew_it() {
        let now = now();
        let mut uncertain = Uncertainty::default();
        assert!(!surprises(&uncertain, false), "it was never listed");
        uncertain.record_listing(now, &listing(true));
        assert!(!surprises(&uncertain, true));
        assert!(surprises(&uncertain, false));
        assert!(uncertain.surprises(&listing(false), |_| None).is_empty(), "nothing is desired");
        assert!(uncertain.surprises(&listing(false), |_| Some(true)).is_empty(), "it is created");
        let mut unfit = Observed::default();
        unfit.unfit.insert(entry().0, "an alias".into());
        assert!(uncertain.surprises(&unfit, |_| Some(false)).is_empty(), "it was not listed");
        uncertain.record_write(&Plan { delete: vec![entry()], ..Plan::default() });
        assert!(!surprises(&uncertain, false));
        assert!(surprises(&uncertain, true), "a surprise if it is still there, or there again");
        uncertain.record_write(&Plan { create: vec![entry()], ..Plan::default() });
        assert!(surprises(&uncertain, false));
    }

    #[test]
    fn a_surprise_ends_with_the_uncertainty_or_once_listings_agree_for_as_long() {
        let now = now();
        for marked in [true, false] {
            let mut uncertain = Uncertainty::default();
            uncertain.record_listing(now, &listing(true));
            if marked {
                uncertain.mark([entry()], now + s(1));
                assert!(!surprises(&uncertain, false), "it is uncertain already");
            }
            uncertain.record_listing(now + s(1), &listing(false));
            uncertain.record_listing(now + s(61), &listing(false));
            assert_eq!(surprises(&uncertain, false), !marked);
            uncertain.record_listing(now + s(121), &listing(false));
            assert!(!surprises(&uncertain, false));
            assert!(uncertain.expected.is_empty(), "it is forgotten");
        }
        let mut uncertain = Uncertainty::default();
        for (at, there) in [(0, true), (100, false), (101, true), (221, false)] {
            uncertain.record_listing(now + s(at), &listing(there));
        }
        assert!(surprises(&uncertain, false), "it was listed in between");
    }
}
