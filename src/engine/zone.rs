//! A zone as the engine knows it: what was last read of it, and the orders to its DNS worker.

pub(super) mod orders;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::Moment;
use super::event::Fact;
use super::plan::{Family, Observed, SetKey};
use orders::Orders;

/// The least time between two requests to read the zone in advance.
const PREPARE_EVERY: Duration = Duration::from_secs(30);

/// The age up to which a reading may serve where other agents may change the zone meanwhile.
const SHARED_FRESH_FOR: Duration = Duration::from_secs(5);

/// One zone.
#[derive(Debug, Default)]
pub(super) struct Zone {
    /// What is to be changed there.
    pub(super) orders: Orders,
    /// What was last read of it.
    observed: Observed,
    /// When that was.
    listed_at: Option<Moment>,
    /// When it was last to be read in advance.
    prepared_at: Option<Moment>,
    /// Sets that the worker could not change for trouble of their own, and why.
    apart: BTreeMap<SetKey, String>,
    /// The names that were last reported to fail, and why.
    failing_names: BTreeMap<String, String>,
    /// Whether the last that the provider did was to fail.
    provider_failing: bool,
    /// When all verdicts are compared with it next, if ever.
    next_resync: Option<Moment>,
    /// That time came with the event in hand.
    resync_due: bool,
}

impl Zone {
    /// What was last read; empty before that.
    pub(super) fn observed(&self) -> &Observed {
        &self.observed
    }

    /// Takes what was read at `now`. Returns what was read before.
    pub(super) fn listed(&mut self, observed: Observed, now: Moment) -> Observed {
        self.listed_at = Some(now);
        std::mem::replace(&mut self.observed, observed)
    }

    /// Takes the places at which a write without an answer may still change something.
    pub(super) fn set_doubted(&mut self, doubted: BTreeSet<(SetKey, std::net::IpAddr)>) {
        self.observed.doubted = doubted;
    }

    /// Takes the sets that have trouble of their own.
    pub(super) fn set_apart(&mut self, apart: BTreeMap<SetKey, String>) {
        self.apart = apart;
    }

    /// Another zone, or other names: nothing that was read holds there.
    pub(super) fn moved(&mut self) {
        self.observed = Observed::default();
        self.orders.void_reports();
    }

    /// Whether what was read is too old for a zone that other agents change too.
    pub(super) fn is_stale(&self, now: Moment) -> bool {
        self.listed_at.is_none_or(|at| now > at + SHARED_FRESH_FOR)
    }

    /// Whether the zone is to be read in advance at `now`; not too often.
    pub(super) fn prepare(&mut self, now: Moment) -> bool {
        let recently = self.prepared_at.is_some_and(|at| now < at + PREPARE_EVERY);
        if !recently {
            self.prepared_at = Some(now);
        }
        !recently
    }

    /// The provider failed.
    pub(super) fn provider_failed(&mut self) {
        self.provider_failing = true;
    }

    /// The provider did what it was asked. Returns whether it had failed before.
    pub(super) fn provider_recovered(&mut self) -> bool {
        std::mem::take(&mut self.provider_failing)
    }

    /// Sets the time of the next resync; whatever was set before is off.
    pub(super) fn schedule_resync(
        &mut self,
        now: Moment,
        interval: Option<Duration>,
    ) -> Option<Moment> {
        self.next_resync = interval.map(|interval| now + interval);
        self.next_resync
    }

    /// Has this event's pass compare all verdicts, if the time of a resync has come.
    pub(super) fn begin_resync(&mut self, now: Moment) {
        self.resync_due = self.next_resync.is_some_and(|next| next <= now);
    }

    /// Whether the time of a resync came with this event.
    pub(super) fn take_resync(&mut self) -> bool {
        std::mem::take(&mut self.resync_due)
    }

    /// The facts about names that began to fail, or for another reason, and that fail no longer.
    pub(super) fn failing_names(&mut self, managed: &[String]) -> Vec<Fact> {
        let managed: BTreeSet<&str> = managed.iter().map(String::as_str).collect();
        let mut failing: BTreeMap<String, String> = BTreeMap::new();
        for (SetKey { name, .. }, why) in self.observed.unfit.iter().chain(&self.apart) {
            if !managed.contains(name.as_str()) {
                continue;
            }
            let what = failing.entry(name.clone()).or_default();
            if what.is_empty() {
                what.clone_from(why);
            } else if !what.contains(why.as_str()) {
                *what = format!("{what}; {why}");
            }
        }
        let before = std::mem::replace(&mut self.failing_names, failing);
        let failing = &self.failing_names;
        let begun = failing.iter().filter(|(name, what)| before.get(*name) != Some(*what));
        let begun =
            begun.map(|(name, what)| Fact::NameFailing { name: name.clone(), what: what.clone() });
        let over = before.keys().filter(|name| !failing.contains_key(*name));
        let over = over.map(|name| Fact::NameFailingOver { name: name.clone() });
        begun.chain(over).collect()
    }

    /// The families of the sets that could not be read or edited in the reading `before`, and can be
    /// now.
    pub(super) fn fit_again(&self, before: &Observed) -> BTreeSet<Family> {
        let is_fit = |key: &&SetKey| !self.observed.unfit.contains_key(key);
        before.unfit.keys().filter(is_fit).map(|key| key.family).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn set(name: &str) -> SetKey {
        SetKey { name: name.into(), family: Family::A }
    }

    fn unfit(names: &[(&str, &str)]) -> Observed {
        let unfit = names.iter().map(|(name, why)| (set(name), (*why).to_owned()));
        Observed { unfit: unfit.collect(), ..Observed::default() }
    }

    #[test]
    fn a_name_fails_once_for_each_reason_and_is_over_once() {
        let names = ["a".to_owned(), "b".to_owned()];
        let mut zone = Zone::default();
        let fails =
            |name: &str, what: &str| Fact::NameFailing { name: name.into(), what: what.into() };
        zone.listed(unfit(&[("a", "alias"), ("x", "not ours")]), SECOND);
        assert_eq!(zone.failing_names(&names), [fails("a", "alias")]);
        assert_eq!(zone.failing_names(&names), [], "that was reported");
        zone.set_apart([(set("a"), "quota".to_owned()), (set("b"), "quota".to_owned())].into());
        let both = [fails("a", "alias; quota"), fails("b", "quota")];
        assert_eq!(zone.failing_names(&names), both);
        zone.listed(Observed::default(), SECOND);
        zone.set_apart(BTreeMap::new());
        let over = ["a", "b"].map(|name| Fact::NameFailingOver { name: name.into() });
        assert_eq!(zone.failing_names(&names), over);
    }

    #[test]
    fn a_family_is_fit_again_once_one_of_its_sets_is() {
        let mut zone = Zone::default();
        let before = unfit(&[("a", "alias")]);
        zone.listed(before.clone(), SECOND);
        assert!(zone.fit_again(&before).is_empty());
        zone.listed(Observed::default(), SECOND);
        assert_eq!(zone.fit_again(&before), [Family::A].into());
    }

    #[test]
    fn a_reading_serves_for_five_seconds_and_is_asked_for_twice_a_minute() {
        let mut zone = Zone::default();
        assert!(zone.is_stale(SECOND), "nothing was read");
        zone.listed(Observed::default(), SECOND);
        assert!(!zone.is_stale(SECOND * 6));
        assert!(zone.is_stale(SECOND * 6 + Duration::from_millis(1)));
        let asked = (1..=61).filter(|second| zone.prepare(SECOND * *second));
        assert_eq!(asked.collect::<Vec<_>>(), [1, 31, 61]);
    }

    #[test]
    fn a_resync_that_is_off_is_never_due() {
        let mut zone = Zone::default();
        assert_eq!(zone.schedule_resync(SECOND, Some(SECOND)), Some(SECOND * 2));
        zone.begin_resync(SECOND);
        assert!(!zone.take_resync(), "not yet");
        zone.begin_resync(SECOND * 2);
        assert!(zone.take_resync());
        assert!(!zone.take_resync(), "it is done once");
        assert_eq!(zone.schedule_resync(SECOND, None), None);
        zone.begin_resync(SECOND * 100);
        assert!(!zone.take_resync());
    }
}
