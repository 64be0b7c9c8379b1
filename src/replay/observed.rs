//! The questions that can be answered: a probe that was not sent has no outcome.

use std::collections::BTreeMap;
use std::time::Duration;

use super::change::{CheckChange, SettingChanges};
use super::probes::heard_for;
use crate::engine::event::Event;
use crate::engine::ids::EndpointId;
use crate::engine::journal::EndpointUse;
use crate::engine::journal::Noted;
use crate::engine::settings::{CheckSettings, Settings};
use crate::engine::types::Outcome;
use crate::history::entry::HistoryEntry;
use crate::history::reader::{HistoryFiles, HistoryItem};

/// The name of a check: that of its service, and its own.
pub(crate) type CheckName = (String, String);

/// The observation of one check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ObservedCheck {
    /// The settings in force, those that observe least: the longest times between probes.
    pub check: CheckSettings,
    /// The shortest timeout for which it is known which replies came in time.
    pub known_from: Duration,
    /// The longest timeout for which replies were listened for.
    pub heard_for: Duration,
}

/// The observations of all checks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct PastChecks {
    /// The checks of all services.
    pub checks: BTreeMap<CheckName, ObservedCheck>,
    /// The settings that were in force last.
    pub last: Option<Settings>,
    /// The beginning of the history, as time since that of Unix time.
    pub from: Option<Duration>,
    /// The end of the history.
    pub to: Duration,
}

impl PastChecks {
    /// Reads a history.
    pub(crate) fn of(files: &HistoryFiles) -> Self {
        let mut observations = Self::default();
        let mut names: BTreeMap<EndpointId, Vec<CheckName>> = BTreeMap::new();
        for item in files.read() {
            let HistoryItem::Entry(dated) = item else { continue };
            match dated.entry {
                HistoryEntry::Begin(begin) => {
                    let wall = Duration::from_nanos(begin.wall);
                    observations.from = Some(observations.from.map_or(wall, |it| it.min(wall)));
                    observations.to = observations.to.max(wall);
                    observations.settings(&begin.settings);
                    names = observations.names(&begin.uses);
                    for run in begin.runs.iter().filter(|run| run.outcome == Outcome::Reply) {
                        observations.class(names.get(&run.endpoint), run.class);
                    }
                }
                HistoryEntry::Uses(uses) => names = observations.names(&uses),
                HistoryEntry::Mark { wall } => {
                    observations.to = observations.to.max(Duration::from_nanos(wall));
                }
                HistoryEntry::RunBegin { endpoint, outcome: Outcome::Reply, class } => {
                    observations.class(names.get(&endpoint), class);
                }
                HistoryEntry::Note(Noted::Event(event)) => {
                    if let Event::Reloaded(settings) = *event {
                        observations.settings(&settings);
                    }
                }
                _ => {}
            }
        }
        observations
    }

    fn settings(&mut self, settings: &Settings) {
        for service in settings.services.values() {
            for its in &service.checks {
                let name = (service.name.clone(), its.name.clone());
                let new = ObservedCheck {
                    check: its.check,
                    known_from: Duration::ZERO,
                    heard_for: heard_for(&its.check),
                };
                let known = self.checks.entry(name).or_insert(new);
                known.heard_for = known.heard_for.min(new.heard_for);
                let (pace, other) = (&mut known.check.pace, its.check.pace);
                pace.interval = pace.interval.max(other.interval);
                pace.retry_interval = pace.retry_interval.max(other.retry_interval);
            }
        }
        self.last = Some(settings.clone());
    }

    fn names(&self, uses: &[(EndpointId, EndpointUse)]) -> BTreeMap<EndpointId, Vec<CheckName>> {
        let mut names: BTreeMap<EndpointId, Vec<CheckName>> = BTreeMap::new();
        let Some(settings) = &self.last else { return names };
        for (id, its) in uses {
            let EndpointUse::Target { service, check, .. } = its else { continue };
            let Some(service) = settings.service(*service) else { continue };
            let Some(check) = service.checks.get(*check) else { continue };
            names.entry(*id).or_default().push((service.name.clone(), check.name.clone()));
        }
        names
    }

    fn class(&mut self, names: Option<&Vec<CheckName>>, class: u8) {
        for name in names.into_iter().flatten() {
            if let Some(its) = self.checks.get_mut(name) {
                let micros = 1_u64 << class.min(40);
                its.known_from = its.known_from.max(Duration::from_micros(micros));
            }
        }
    }

    /// Returns why changes cannot be answered, with the nearest that can be.
    pub(crate) fn objections(&self, changes: &SettingChanges) -> Vec<String> {
        let mut objections = Vec::new();
        for (service, change) in &changes.services {
            for (name, change) in &change.checks {
                if let Some(its) = self.checks.get(&(service.clone(), name.clone())) {
                    objections.extend(its.objections(change).into_iter().map(|why| {
                        if self.checks.len() == 1 { why } else { format!("{service}: {why}") }
                    }));
                }
            }
        }
        objections.sort();
        objections.dedup();
        objections
    }
}

impl ObservedCheck {
    /// Returns why a change cannot be answered, with the nearest that can be.
    fn objections(&self, change: &CheckChange) -> Vec<String> {
        let pace = self.check.pace;
        let mut objections = Vec::new();
        if let Some(interval) = change.interval.filter(|it| *it != pace.interval) {
            let why = if interval < pace.interval {
                "no probe was made then"
            } else {
                "the probes that it would have had were not made at these times"
            };
            objections.push(refusal("interval", interval, why, pace.interval));
        }
        if let Some(retry) = change.retry_interval
            && let Some(nearest) = nearest_multiple(retry, pace.retry_interval)
        {
            let why = if retry < pace.retry_interval {
                "no probe was made then"
            } else {
                "the retries were made at other times"
            };
            objections.push(refusal("retry_interval", retry, why, nearest));
        }
        if let Some(timeout) = change.timeout {
            if timeout > self.heard_for {
                let why = "replies were not listened for so long";
                objections.push(refusal("timeout", timeout, why, self.heard_for));
            } else if timeout < self.known_from && timeout < pace.timeout {
                let why = "round trips are recorded in coarse classes, and some of this length are in one";
                let nearest = self.known_from.min(pace.timeout);
                objections.push(refusal("timeout", timeout, why, nearest));
            }
        }
        objections
    }
}

/// Returns a refusal in words.
fn refusal(key: &str, asked: Duration, why: &str, nearest: Duration) -> String {
    let [asked, nearest] = [asked, nearest].map(|time| time.as_secs_f64());
    format!("{key} = {asked} cannot be answered: {why}; the nearest that can be is {nearest}")
}

/// Returns the multiple of `step` next to a time that is none, and at least `step`.
fn nearest_multiple(time: Duration, step: Duration) -> Option<Duration> {
    let step = step.as_nanos().max(1);
    let nearest = ((time.as_nanos() + step / 2) / step).max(1) * step;
    let nearest = Duration::from_nanos(u64::try_from(nearest).unwrap_or(u64::MAX));
    (nearest != time).then_some(nearest)
}
