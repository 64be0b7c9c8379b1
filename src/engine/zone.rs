//! A zone as the engine knows it: its last listing, and the trouble with it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::dns_report::DnsProblem;
use super::fact::Fact;
use super::ids::ZoneId;
use super::moment::Moment;
use super::plan::{Family, Observed, SetKey};
use super::service::LastListing;

/// The minimum time between two requests to list the zone in advance.
const PREPARE_EVERY: Duration = Duration::from_secs(30);

/// The maximum age of a usable listing where other agents may change the zone, too.
const SHARED_FRESH_FOR: Duration = Duration::from_secs(5);

/// The state of one zone.
#[derive(Debug)]
pub(super) struct Zone {
    /// The key of this zone.
    pub(super) id: ZoneId,
    /// The last listing of the zone.
    observed: Observed,
    /// Whether the last listing shows all names.
    is_whole: bool,
    /// The time of the last listing.
    listed_at: Option<Moment>,
    /// The time of the last request to list the zone in advance.
    prepared_at: Option<Moment>,
    /// Sets that the reconciler could not change because of a problem of their own, with the problem.
    failing_sets: BTreeMap<SetKey, String>,
    /// The names that were last reported to fail, with the problem.
    failing_names: BTreeMap<String, String>,
    /// The last failure of the provider, if it has not succeeded since.
    provider_failure: Option<ProviderFailure>,
}

/// A failure of the provider of a zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ProviderFailure {
    /// The time of the failure.
    pub(super) at: Moment,
    /// The whole chain of causes, in one line.
    pub(super) what: String,
    /// The time at which the reconciler tries again, if that is known.
    pub(super) retry_at: Option<Moment>,
}

impl Zone {
    /// Creates a zone that was never listed.
    pub(super) fn new(id: ZoneId) -> Self {
        Self {
            id,
            observed: Observed::default(),
            is_whole: false,
            listed_at: None,
            prepared_at: None,
            failing_sets: BTreeMap::new(),
            failing_names: BTreeMap::new(),
            provider_failure: None,
        }
    }

    /// Returns the last listing; empty before the first.
    pub(super) fn observed(&self) -> &Observed {
        &self.observed
    }

    /// Returns the last listing, as far as decisions rest on it.
    pub(super) fn last_listing(&self) -> LastListing<'_> {
        let observed = self.is_whole.then_some(&self.observed);
        LastListing { observed, listed_at: self.listed_at }
    }

    /// Stores the listing made at `now`. Returns the one before it.
    pub(super) fn listed(&mut self, observed: Observed, now: Moment) -> Observed {
        self.listed_at = Some(now);
        self.is_whole = true;
        std::mem::replace(&mut self.observed, observed)
    }

    /// Sets the addresses of sets that a write may still change because its answer was lost.
    pub(super) fn set_uncertain(&mut self, uncertain: BTreeSet<(SetKey, std::net::IpAddr)>) {
        self.observed.uncertain = uncertain;
    }

    /// Sets the record sets that have a problem of their own.
    pub(super) fn set_failing_sets(&mut self, failing: BTreeMap<SetKey, String>) {
        self.failing_sets = failing;
    }

    /// Discards the listing except for these names, since the zone or the names of some services
    /// changed.
    pub(super) fn keep_listing_of(&mut self, names: &BTreeSet<&str>) {
        self.is_whole = false;
        let before = std::mem::take(&mut self.observed);
        if names.is_empty() {
            return;
        }
        let Observed { mut sets, mut unfit, mut uncertain, mut parts, caution } = before;
        sets.retain(|set, _| names.contains(set.name.as_str()));
        unfit.retain(|set, _| names.contains(set.name.as_str()));
        uncertain.retain(|(set, _)| names.contains(set.name.as_str()));
        parts.retain(|set, _| names.contains(set.name.as_str()));
        self.observed = Observed { sets, unfit, uncertain, parts, caution };
    }

    /// Whether the listing is too old for a zone that other agents change, too.
    pub(super) fn is_stale(&self, now: Moment) -> bool {
        self.listed_at.is_none_or(|at| now > at + SHARED_FRESH_FOR)
    }

    /// Returns whether the zone is to be listed in advance at `now`, which is not done too often.
    pub(super) fn prepare(&mut self, now: Moment) -> bool {
        let recently = self.prepared_at.is_some_and(|at| now < at + PREPARE_EVERY);
        if !recently {
            self.prepared_at = Some(now);
        }
        !recently
    }

    /// Records that the provider failed.
    pub(super) fn provider_failed(&mut self, problem: &DnsProblem, at: Moment) {
        let (what, retry_at) = (problem.what.clone(), problem.retry_in.map(|wait| at + wait));
        self.provider_failure = Some(ProviderFailure { at, what, retry_at });
    }

    /// Returns the last failure of the provider, if it has not succeeded since.
    pub(super) fn problem(&self) -> Option<&ProviderFailure> {
        self.provider_failure.as_ref()
    }

    /// Returns the reason why a record set is left alone, if it is.
    pub(super) fn problem_of(&self, set: &SetKey) -> Option<&str> {
        let problem = self.observed.unfit.get(set).or_else(|| self.failing_sets.get(set));
        problem.map(String::as_str)
    }

    /// Records that the provider succeeded. Returns whether it had failed before.
    pub(super) fn provider_recovered(&mut self) -> bool {
        self.provider_failure.take().is_some()
    }

    /// Returns the facts about names that began to fail, fail for another reason, or fail no
    /// longer.
    pub(super) fn failing_names(&mut self, managed: &BTreeSet<&str>) -> Vec<Fact> {
        let zone = self.id;
        let mut failing: BTreeMap<String, String> = BTreeMap::new();
        for (SetKey { name, .. }, why) in self.observed.unfit.iter().chain(&self.failing_sets) {
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
        let begun = begun.map(|(name, what)| Fact::NameFailing {
            zone,
            name: name.clone(),
            what: what.clone(),
        });
        let over = before.keys().filter(|name| !failing.contains_key(*name));
        let over = over.map(|name| Fact::NameFailingOver { zone, name: name.clone() });
        begun.chain(over).collect()
    }

    /// Returns the families of the sets that were unfit in the listing `before` and no longer are.
    pub(super) fn recovered_families(&self, before: &Observed) -> BTreeSet<Family> {
        let mut recovered = BTreeSet::new();
        for key in before.unfit.keys() {
            if !self.observed.unfit.contains_key(key) {
                recovered.insert(key.family);
            }
        }
        recovered
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Moment {
        Moment::after_start(Duration::from_secs(seconds))
    }

    fn set(name: &str) -> SetKey {
        SetKey { name: name.into(), family: Family::A }
    }

    fn unfit(names: &[(&str, &str)]) -> Observed {
        let unfit = names.iter().map(|(name, why)| (set(name), (*why).to_owned()));
        Observed { unfit: unfit.collect(), ..Observed::default() }
    }

    fn fails(name: &str, what: &str) -> Fact {
        Fact::NameFailing { zone: ZoneId::DEFAULT, name: name.into(), what: what.into() }
    }

    #[test]
    fn a_name_fails_once_for_each_reason_and_is_over_once() {
        let names = ["a", "b"].into();
        let mut zone = Zone::new(ZoneId::DEFAULT);
        zone.listed(unfit(&[("a", "alias"), ("x", "not ours")]), at(1));
        assert_eq!(zone.failing_names(&names), [fails("a", "alias")]);
        assert_eq!(zone.failing_names(&names), [], "that was reported");
        zone.set_failing_sets(
            [(set("a"), "quota".to_owned()), (set("b"), "quota".to_owned())].into(),
        );
        let both = [fails("a", "alias; quota"), fails("b", "quota")];
        assert_eq!(zone.failing_names(&names), both);
        zone.listed(Observed::default(), at(1));
        zone.set_failing_sets(BTreeMap::new());
        let over = ["a", "b"]
            .map(|name| Fact::NameFailingOver { zone: ZoneId::DEFAULT, name: name.into() });
        assert_eq!(zone.failing_names(&names), over);
    }

    #[test]
    fn a_family_is_fit_again_once_one_of_its_sets_is() {
        let mut zone = Zone::new(ZoneId::DEFAULT);
        let before = unfit(&[("a", "alias")]);
        zone.listed(before.clone(), at(1));
        assert!(zone.recovered_families(&before).is_empty());
        zone.listed(Observed::default(), at(1));
        assert_eq!(zone.recovered_families(&before), [Family::A].into());
    }

    #[test]
    fn a_reading_serves_for_five_seconds_and_is_asked_for_twice_a_minute() {
        let mut zone = Zone::new(ZoneId::DEFAULT);
        assert!(zone.is_stale(at(1)), "nothing was read");
        zone.listed(Observed::default(), at(1));
        assert!(!zone.is_stale(at(6)));
        assert!(zone.is_stale(at(6) + Duration::from_millis(1)));
        let asked = (1..=61).filter(|second| zone.prepare(at(*second)));
        assert_eq!(asked.collect::<Vec<_>>(), [1, 31, 61]);
    }
}
