//! The latest changes and failures.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use super::CHANGES_KEPT;
use super::model::{Change, Failure};
use super::time::ClockReading;
use crate::engine::ids::ZoneId;

/// The latest changes and failures.
#[derive(Debug, Clone, Default)]
pub(super) struct Recent {
    /// The latest changes, the newest first.
    changes: VecDeque<(Instant, Arc<Change>)>,
    last_error: Option<(Instant, Arc<Failure>)>,
    /// The current failures, one for each kind of work, in the order in which they began.
    failing: Vec<(Instant, Arc<Failure>)>,
    /// The failures of each zone.
    zones: BTreeMap<ZoneId, ZoneFailures>,
}

/// The failures of one zone.
#[derive(Debug, Clone, Default)]
struct ZoneFailures {
    last_error: Option<(Instant, Arc<Failure>)>,
    /// The kinds of work that fail at present.
    failing: Vec<String>,
}

/// Maximum number of current failures that are known. Memory is bounded.
const FAILING_KEPT: usize = 1000;

/// Maximum number of current failures that are shown. More of them at once are one outage.
const FAILING_SHOWN: usize = 20;

impl Recent {
    /// Adds a change. Its time is converted to the wall clock for each snapshot.
    pub(super) fn changed(&mut self, at: Instant, change: Change) {
        self.changes.truncate(CHANGES_KEPT - 1);
        self.changes.push_front((at, Arc::new(change)));
    }

    /// Adds a failure, or replaces the one of the same work. `zone` is the zone that it concerns.
    pub(super) fn failed(&mut self, at: Instant, zone: Option<ZoneId>, failure: Failure) {
        let failure = Arc::new(failure);
        self.last_error = Some((at, Arc::clone(&failure)));
        if let Some(zone) = zone {
            let its = self.zones.entry(zone).or_default();
            its.last_error = Some((at, Arc::clone(&failure)));
            if !its.failing.contains(&failure.what) && its.failing.len() < FAILING_KEPT {
                its.failing.push(failure.what.clone());
            }
        }
        let known = self.failing.iter().position(|(_, known)| known.what == failure.what);
        match known {
            Some(known) => self.failing[known] = (at, failure),
            None if self.failing.len() < FAILING_KEPT => self.failing.push((at, failure)),
            None => {}
        }
    }

    /// Removes the failure of a kind of work. Returns whether there was one.
    pub(super) fn recovered(&mut self, what: &str) -> bool {
        for zone in self.zones.values_mut() {
            zone.failing.retain(|work| work != what);
        }
        let before = self.failing.len();
        self.failing.retain(|(_, failure)| failure.what != what);
        self.failing.len() != before
    }

    /// Drops the failures of all zones but those that `keep` accepts.
    pub(super) fn keep_zones(&mut self, keep: impl Fn(ZoneId) -> bool) {
        let gone: Vec<_> = self.zones.extract_if(.., |zone, _| !keep(*zone)).collect();
        for what in gone.iter().flat_map(|(_, zone)| &zone.failing) {
            self.recovered(what);
        }
    }

    /// Returns the latest changes, the newest first.
    pub(super) fn changes(&self, dates: &ClockReading) -> Vec<Change> {
        let mut changes = Vec::with_capacity(self.changes.len());
        for (at, change) in &self.changes {
            changes.push(Change { at: dates.wall_at(*at), ..Change::clone(change) });
        }
        changes
    }

    /// Returns the latest failure, whether or not it is over.
    pub(super) fn last_error(&self, dates: &ClockReading) -> Option<Failure> {
        self.last_error.as_ref().map(|failure| dated(failure, dates))
    }

    /// Returns the current failures, those that began first.
    pub(super) fn failing(&self, dates: &ClockReading) -> Vec<Failure> {
        self.failing.iter().take(FAILING_SHOWN).map(|failure| dated(failure, dates)).collect()
    }

    /// Returns the latest failure of a zone, and whether something in it fails at present.
    pub(super) fn of_zone(&self, zone: ZoneId, dates: &ClockReading) -> (Option<Failure>, bool) {
        let Some(its) = self.zones.get(&zone) else { return (None, false) };
        let last_error = its.last_error.as_ref().map(|failure| dated(failure, dates));
        (last_error, !its.failing.is_empty())
    }
}

fn dated((at, failure): &(Instant, Arc<Failure>), dates: &ClockReading) -> Failure {
    Failure { at: dates.wall_at(*at), ..Failure::clone(failure) }
}
