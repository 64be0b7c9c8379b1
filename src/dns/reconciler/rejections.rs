//! Changes that the provider did not make. They are postponed, so that they do not block others.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::Instant;

use super::plan_parts;
use super::retry;
use crate::dns::Placement;
use crate::engine::plan::{Plan, SetKey};

/// Time for which the provider's report that a change is in force is trusted over its listing.
const TRUSTED_FOR: Duration = Duration::from_mins(2);

/// A postponed change.
#[derive(Debug, Clone)]
struct Postponed {
    /// Whether the address is to be present.
    present: bool,
    /// The reason for which the change was not made; `None` if the provider reports that it is in
    /// force.
    why: Option<String>,
    tries: u32,
    until: Instant,
}

/// The postponed changes, and the sets that are changed one record at a time.
#[derive(Debug, Default)]
pub(super) struct Rejections {
    postponed: BTreeMap<Placement, Postponed>,
    single_step: BTreeSet<SetKey>,
    /// The time of the last call of [`postponed`](Self::postponed).
    planned: Option<Instant>,
}

impl Rejections {
    /// Forgets changes that are no longer desired. `full` is the plan without postponements.
    pub(super) fn retain(&mut self, full: &Plan) {
        self.postponed.retain(|entry, postponed| {
            let desired = if postponed.present { &full.create } else { &full.delete };
            desired.contains(entry)
        });
        let touched = plan_parts::sets(full);
        self.single_step.retain(|set| touched.contains(set));
    }

    /// Returns the changes that are postponed at `now`.
    pub(super) fn postponed(&mut self, now: Instant) -> BTreeSet<Placement> {
        self.planned = Some(now);
        let postponed = self.postponed.iter().filter(|(_, postponed)| postponed.until > now);
        postponed.map(|(entry, _)| entry.clone()).collect()
    }

    /// Postpones a change that the provider did not make, for longer each time.
    pub(super) fn reject(&mut self, entry: Placement, present: bool, why: String, now: Instant) {
        let before = self.postponed.get(&entry).filter(|before| before.present == present);
        let tries = before.map_or(0, |before| before.tries);
        let until = now + retry::jittered_wait(tries);
        let why = Some(why);
        let postponed = Postponed { present, why, tries: tries.saturating_add(1), until };
        self.postponed.insert(entry, postponed);
    }

    /// Trusts the provider's report that a change is in force, even if its listing contradicts it.
    pub(super) fn trust(&mut self, entry: Placement, present: bool, now: Instant) {
        let until = now + TRUSTED_FOR;
        self.postponed.insert(entry, Postponed { present, why: None, tries: 0, until });
    }

    /// Changes a set one record at a time from now on.
    pub(super) fn single_step(&mut self, set: SetKey) {
        self.single_step.insert(set);
    }

    /// Returns the sets that are changed one record at a time.
    pub(super) fn single_step_sets(&self) -> &BTreeSet<SetKey> {
        &self.single_step
    }

    /// Whether a set is written by itself, so that its problems do not affect others.
    pub(super) fn is_separate(&self, set: &SetKey) -> bool {
        let mut postponed = self.postponed.iter();
        self.single_step.contains(set)
            || postponed.any(|((at, _), postponed)| at == set && postponed.why.is_some())
    }

    /// Returns the places of all postponed changes.
    pub(super) fn entries(&self) -> impl Iterator<Item = &Placement> {
        self.postponed.keys()
    }

    /// Returns the time at which the next postponed change is due.
    pub(super) fn next(&self) -> Option<Instant> {
        let ends = self.postponed.values().map(|postponed| postponed.until);
        ends.filter(|until| self.planned.is_none_or(|planned| planned < *until)).min()
    }

    /// Returns the problem of each set that has one.
    pub(super) fn problems(&self) -> BTreeMap<SetKey, String> {
        let mut problems = BTreeMap::new();
        for ((set, _), postponed) in &self.postponed {
            if let Some(why) = &postponed.why {
                problems.entry(set.clone()).or_insert_with(|| why.clone());
            }
        }
        problems
    }
}
