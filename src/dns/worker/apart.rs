//! What the provider will not do for reasons of its own: kept apart, so that it stops nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use tokio::time::Instant;

use crate::dns::backoff;
use crate::engine::plan::{Plan, SetKey};

/// For how long a record counts as being as the provider says it is, though its listing says
/// otherwise.
const BELIEVED_FOR: Duration = Duration::from_mins(2);

/// An address at its place.
type Entry = (SetKey, IpAddr);

/// One change that is not tried for now.
#[derive(Debug, Clone)]
struct Resting {
    /// The address was to be there, or gone.
    there: bool,
    /// Why it was not done; nothing if the provider says that it is so already.
    why: Option<String>,
    tries: u32,
    until: Instant,
}

/// The changes that rest, and the sets that are changed one record at a time.
#[derive(Debug, Default)]
pub(in crate::dns) struct Apart {
    resting: BTreeMap<Entry, Resting>,
    cautious: BTreeSet<SetKey>,
    /// When it was last worked out what rests.
    planned: Option<Instant>,
}

impl Apart {
    /// Forgets whatever is no longer asked for: `full` is the plan as if nothing rested.
    pub(super) fn keep(&mut self, full: &Plan) {
        self.resting.retain(|entry, rest| {
            let asked = if rest.there { &full.create } else { &full.delete };
            asked.contains(entry)
        });
        let touched = sets(full);
        self.cautious.retain(|set| touched.contains(set));
    }

    /// The changes that are left out for now.
    pub(super) fn struck(&mut self, now: Instant) -> BTreeSet<Entry> {
        self.planned = Some(now);
        let resting = self.resting.iter().filter(|(_, rest)| rest.until > now);
        resting.map(|(entry, _)| entry.clone()).collect()
    }

    /// Has a change rest after the provider did not make it, each time for longer.
    pub(super) fn reject(&mut self, entry: Entry, there: bool, why: String, now: Instant) {
        let before = self.resting.get(&entry).filter(|before| before.there == there);
        let tries = before.map_or(0, |before| before.tries);
        let until = now + backoff::jittered(tries);
        let rest = Resting { there, why: Some(why), tries: tries.saturating_add(1), until };
        self.resting.insert(entry, rest);
    }

    /// Takes the provider's word that a change is in force, whatever its listing says.
    pub(super) fn believe(&mut self, entry: Entry, there: bool, now: Instant) {
        let until = now + BELIEVED_FOR;
        self.resting.insert(entry, Resting { there, why: None, tries: 0, until });
    }

    /// From now on this set is changed one record at a time.
    pub(super) fn be_cautious(&mut self, set: SetKey) {
        self.cautious.insert(set);
    }

    /// The sets that are changed one record at a time.
    pub(super) fn cautious(&self) -> &BTreeSet<SetKey> {
        &self.cautious
    }

    /// Whether a set is asked about by itself, so that it spoils no change of others.
    pub(super) fn holds(&self, set: &SetKey) -> bool {
        self.cautious.contains(set)
            || self.resting.iter().any(|((at, _), rest)| at == set && rest.why.is_some())
    }

    /// The places at which something rests.
    pub(super) fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.resting.keys()
    }

    /// When something is to be tried again.
    pub(super) fn next(&self) -> Option<Instant> {
        let ends = self.resting.values().map(|rest| rest.until);
        ends.filter(|until| self.planned.is_none_or(|planned| planned < *until)).min()
    }

    /// What is wrong with which set.
    pub(super) fn problems(&self) -> BTreeMap<SetKey, String> {
        let mut problems = BTreeMap::new();
        for ((set, _), rest) in &self.resting {
            if let Some(why) = &rest.why {
                problems.entry(set.clone()).or_insert_with(|| why.clone());
            }
        }
        problems
    }
}

/// The sets that a plan changes, withdrawals first.
pub(super) fn sets(plan: &Plan) -> Vec<SetKey> {
    let gaining: BTreeSet<_> = plan.create.iter().map(|(set, _)| set).collect();
    let losing: BTreeSet<_> = plan.delete.iter().map(|(set, _)| set).collect();
    let mut sets: Vec<_> = gaining.union(&losing).copied().cloned().collect();
    sets.sort_by_key(|set| (!losing.contains(set), gaining.contains(set)));
    sets
}

/// What of a plan is at these sets.
pub(super) fn at(plan: &Plan, is_there: impl Fn(&SetKey) -> bool) -> Plan {
    let fits = |entries: &[Entry]| {
        entries.iter().filter(|(set, _)| is_there(set)).cloned().collect::<Vec<_>>()
    };
    Plan { create: fits(&plan.create), delete: fits(&plan.delete), held: vec![] }
}
