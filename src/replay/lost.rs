//! The lost probes of each target over time, for a drawing.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use super::drawing::{Axis, COLUMNS};
use super::summary::Span;
use crate::engine::Moment;
use crate::engine::event::Event;
use crate::engine::ids::{EndpointId, TargetRef};
use crate::engine::journal::EndpointUse;
use crate::engine::journal::Noted;
use crate::engine::settings::Settings;
use crate::engine::types::Outcome;
use crate::history::begin::Begin;
use crate::history::entry::HistoryEntry;
use crate::history::reader::{HistoryFiles, HistoryItem};

/// The lost probes of all targets, with their names.
#[derive(Debug, Default)]
pub(crate) struct LostProbes {
    /// The number of lost probes in each column.
    pub of: BTreeMap<TargetRef, Vec<u32>>,
    /// The names of the targets.
    pub names: BTreeMap<TargetRef, String>,
    /// The targets by the names of their services and their addresses.
    pub places: BTreeMap<(String, IpAddr), TargetRef>,
    /// The times without a record.
    pub gaps: Vec<Span>,
    /// The runs of losses that go on, with the columns in which they began.
    open: BTreeMap<EndpointId, usize>,
}

/// Returns the targets that depend on each endpoint.
fn targets(uses: &[(EndpointId, EndpointUse)]) -> BTreeMap<EndpointId, Vec<TargetRef>> {
    let mut targets: BTreeMap<EndpointId, Vec<TargetRef>> = BTreeMap::new();
    for (id, its) in uses {
        if let EndpointUse::Target { service, address, .. } = its {
            targets
                .entry(*id)
                .or_default()
                .push(TargetRef { service: *service, address: *address });
        }
    }
    targets
}

/// The time up to which a history has everything.
#[derive(Debug, Default)]
struct RecordedTime {
    end: Option<Duration>,
    is_damaged: bool,
}

impl RecordedTime {
    /// Follows an entry at a time. Returns the span before it, if nothing is recorded of that.
    fn gap(&mut self, entry: &HistoryEntry, at: Duration) -> Option<Span> {
        let is_start = matches!(entry, HistoryEntry::Begin(begin) if begin.is_start);
        let has_gap = std::mem::take(&mut self.is_damaged) || is_start;
        let before = self.end.filter(|end| has_gap && *end < at);
        self.end = self.end.max(Some(at));
        before.map(|from| Span { from, to: Some(at) })
    }
}

impl LostProbes {
    /// Counts the lost probes of a history.
    pub(crate) fn of(files: &HistoryFiles, axis: Axis) -> Self {
        let mut lost = Self::default();
        let (mut by_endpoint, mut begin) = (BTreeMap::new(), (Moment::START, Duration::ZERO));
        let mut record = RecordedTime::default();
        for item in files.read() {
            let HistoryItem::Entry(dated) = item else {
                record.is_damaged = true;
                continue;
            };
            if let HistoryEntry::Begin(its) = &dated.entry {
                begin = (dated.at, Duration::from_nanos(its.wall));
            }
            let at = begin.1 + dated.at.since(begin.0);
            lost.gaps.extend(record.gap(&dated.entry, at));
            match dated.entry {
                HistoryEntry::Begin(its) => {
                    by_endpoint = targets(&its.uses);
                    lost.name(&its.settings);
                    lost.go_on(&its, axis);
                }
                HistoryEntry::RunBegin { endpoint, outcome: Outcome::Loss, .. } => {
                    lost.open.insert(endpoint, axis.nearest_column(at));
                }
                HistoryEntry::RunEnd(endpoint, run) => {
                    let from = lost.open.remove(&endpoint);
                    let to = axis.nearest_column(at);
                    if let Some(from) = from.filter(|_| axis.column(at).is_some()) {
                        lost.add_run(by_endpoint.get(&endpoint), from..=to, run.count);
                    }
                }
                HistoryEntry::Uses(uses) => by_endpoint = targets(&uses),
                HistoryEntry::Note(Noted::Event(event)) => {
                    if let Event::Reloaded(settings) = *event {
                        lost.name(&settings);
                    }
                }
                HistoryEntry::Note(Noted::Probe(probe)) if probe.outcome == Outcome::Loss => {
                    lost.add(by_endpoint.get(&probe.endpoint), axis.column(at));
                }
                _ => {}
            }
        }
        // The number of losses in a run is recorded at its end.
        for (endpoint, from) in std::mem::take(&mut lost.open) {
            lost.add_run(by_endpoint.get(&endpoint), from..=COLUMNS - 1, 1);
        }
        lost
    }

    /// Follows the runs that go on where a process or a file begins.
    fn go_on(&mut self, begin: &Begin, axis: Axis) {
        if begin.is_start {
            self.open.clear();
        }
        let from = axis.nearest_column(Duration::from_nanos(begin.wall));
        for run in begin.runs.iter().filter(|run| run.outcome == Outcome::Loss) {
            self.open.entry(run.endpoint).or_insert(from);
        }
    }

    /// Adds a run of losses to the columns over which it lasted: at least one to each.
    fn add_run(
        &mut self,
        targets: Option<&Vec<TargetRef>>,
        over: RangeInclusive<usize>,
        count: u32,
    ) {
        let width = u32::try_from(over.clone().count()).unwrap_or(u32::MAX).max(1);
        for target in targets.into_iter().flatten() {
            let columns = self.of.entry(*target).or_insert_with(|| vec![0; COLUMNS]);
            for column in over.clone() {
                columns[column] = columns[column].saturating_add(count.div_ceil(width));
            }
        }
    }

    fn name(&mut self, settings: &Settings) {
        for (service, its) in settings.services() {
            for address in its.targets.iter().copied() {
                let target = TargetRef { service, address };
                self.names.entry(target).or_insert_with(|| settings.target_name(target));
                self.places.insert((its.name.clone(), address), target);
            }
        }
    }

    fn add(&mut self, targets: Option<&Vec<TargetRef>>, column: Option<usize>) {
        let Some(column) = column else { return };
        for target in targets.into_iter().flatten() {
            let columns = self.of.entry(*target).or_insert_with(|| vec![0; COLUMNS]);
            columns[column] = columns[column].saturating_add(1);
        }
    }
}
