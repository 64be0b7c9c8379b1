//! The lost probes of each target over time, for a drawing.

use std::collections::BTreeMap;
use std::time::Duration;

use super::drawing::{Axis, COLUMNS};
use crate::engine::Moment;
use crate::engine::event::Event;
use crate::engine::ids::{EndpointId, TargetRef};
use crate::engine::journal::EndpointUse;
use crate::engine::journal::Noted;
use crate::engine::settings::Settings;
use crate::engine::types::Outcome;
use crate::history::entry::HistoryEntry;
use crate::history::reader::{HistoryFiles, HistoryItem};

/// The lost probes of all targets, with their names.
#[derive(Debug, Default)]
pub(crate) struct LostProbes {
    /// The number of lost probes in each column.
    pub of: BTreeMap<TargetRef, Vec<u32>>,
    /// The names of the targets.
    pub names: BTreeMap<TargetRef, String>,
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

impl LostProbes {
    /// Counts the lost probes of a history.
    pub(crate) fn of(files: &HistoryFiles, axis: Axis) -> Self {
        let mut lost = Self::default();
        let (mut by_endpoint, mut begin) = (BTreeMap::new(), (Moment::START, Duration::ZERO));
        for item in files.read() {
            let HistoryItem::Entry(dated) = item else { continue };
            let at = begin.1 + dated.at.since(begin.0);
            match dated.entry {
                HistoryEntry::Begin(its) => {
                    begin = (dated.at, Duration::from_nanos(its.wall));
                    by_endpoint = targets(&its.uses);
                    lost.name(&its.settings);
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
        lost
    }

    fn name(&mut self, settings: &Settings) {
        for (service, its) in settings.services() {
            for address in its.targets.iter().copied() {
                let target = TargetRef { service, address };
                self.names.entry(target).or_insert_with(|| settings.target_name(target));
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
