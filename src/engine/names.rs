//! Names whose record sets have trouble of their own, and what is to be done when that is over.

use std::collections::{BTreeMap, BTreeSet};

use super::event::{Action, Fact};
use super::plan::{Family, Observed, SetKey};
use super::{Engine, Moment};

impl Engine {
    /// Says once when a name begins to fail, for each new reason, and once when that is over.
    pub(super) fn note_failing_names(&mut self, out: &mut Vec<Action>) {
        let managed: BTreeSet<&str> = self.settings.names.iter().map(String::as_str).collect();
        let mut failing: BTreeMap<String, String> = BTreeMap::new();
        let unfit = &self.observed.unfit;
        for (SetKey { name, .. }, why) in unfit.iter().chain(&self.apart) {
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
        for (name, what) in &self.failing_names {
            if before.get(name) != Some(what) {
                let fact = Fact::NameFailing { name: name.clone(), what: what.clone() };
                out.push(Action::Tell(fact));
            }
        }
        for name in before.into_keys().filter(|name| !self.failing_names.contains_key(name)) {
            out.push(Action::Tell(Fact::NameFailingOver { name }));
        }
    }

    /// Compares what was decided with sets that can be read and edited again.
    pub(super) fn compare_what_is_fit_again(
        &mut self,
        before: &Observed,
        now: Moment,
        out: &mut Vec<Action>,
    ) {
        let is_fit = |key: &&SetKey| !self.observed.unfit.contains_key(key);
        let fit: BTreeSet<Family> =
            before.unfit.keys().filter(is_fit).map(|key| key.family).collect();
        if fit.is_empty() {
            return;
        }
        for (address, slot) in self.targets.clone() {
            let Some(target) = self.target_mut(slot) else { continue };
            if fit.contains(&Family::of(address)) && (target.drain.is_some() || !target.unconfirmed)
            {
                target.settled = false;
                self.unsettled.insert(address);
                self.review(slot, now, out);
            }
        }
    }
}
