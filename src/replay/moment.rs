//! The engine as it was at a past moment.
//!
//! The state is that after the last recorded event: between two events nothing changed that a decision
//! rested on. Probes that changed nothing are counted as far as the interval says how many there were.

use std::collections::BTreeMap;
use std::time::Duration;

use super::recorded::AsRecorded;
use super::run::Wall;
use crate::engine::ids::EndpointId;
use crate::engine::types::Outcome;
use crate::engine::{Engine, Moment};
use crate::history::entry::HistoryEntry;
use crate::history::reader::{HistoryFiles, HistoryItem};

/// The state of an agent at a past moment. All times but `at` are since that of Unix time.
#[derive(Debug)]
pub(crate) struct PastState {
    /// The engine after the event.
    pub engine: Engine,
    /// The time of the event on the clock of its process.
    pub at: Moment,
    /// The same by the wall clock.
    pub wall: Duration,
}

/// The reason why the state at a time is not known, with the nearest times at which it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotRecorded {
    /// The history has nothing that can be used.
    Nothing,
    /// It begins after the time.
    Before(Duration),
    /// It ends before the time.
    After(Duration),
    /// No agent recorded anything from the first of these times to the second.
    Between(Duration, Duration),
}

/// The runs of probes that go on, by the endpoints of the history.
#[derive(Debug, Default)]
struct OpenRuns(BTreeMap<EndpointId, (Outcome, Moment)>);

impl OpenRuns {
    fn follow(&mut self, at: Moment, entry: &HistoryEntry) {
        match entry {
            HistoryEntry::Begin(begin) => {
                if begin.is_start {
                    self.0.clear();
                }
                self.0.extend(begin.runs.iter().map(|run| (run.endpoint, (run.outcome, at))));
            }
            HistoryEntry::RunBegin { endpoint, outcome, .. } => {
                self.0.insert(*endpoint, (*outcome, at));
            }
            HistoryEntry::RunEnd(endpoint, _) => {
                self.0.remove(endpoint);
            }
            _ => {}
        }
    }
}

/// Returns the state after the last event that was recorded up to `time`.
///
/// # Errors
///
/// Fails if no agent recorded anything at that time.
pub(crate) fn state_at(files: &HistoryFiles, time: Duration) -> Result<PastState, NotRecorded> {
    let (mut replay, mut wall, mut runs) =
        (AsRecorded::default(), Wall::default(), OpenRuns::default());
    // The end of the record up to the time.
    let mut known = None;
    // Whether damage hides everything from there to the next beginning.
    let mut is_lost = false;
    let mut items = files.read();
    loop {
        let Some(item) = items.next() else {
            return match known {
                None => Err(NotRecorded::Nothing),
                Some(end) if end < time => Err(NotRecorded::After(end)),
                Some(_) => finished(replay, wall, &runs),
            };
        };
        let after = wall.after(&item);
        if let HistoryItem::Entry(dated) = &item {
            let is_start = matches!(&dated.entry, HistoryEntry::Begin(begin) if begin.is_start);
            let is_gap = is_start || is_lost;
            if after.last > time {
                return match known {
                    None => Err(NotRecorded::Before(after.last)),
                    Some(end) if is_gap && end < time => Err(NotRecorded::Between(end, after.last)),
                    Some(_) => finished(replay, wall, &runs),
                };
            }
            (known, is_lost) = (Some(after.last), false);
            runs.follow(dated.at, &dated.entry);
        } else if known == Some(time) {
            return finished(replay, wall, &runs);
        } else {
            is_lost = true;
        }
        wall = after;
        replay.take(item);
    }
}

/// Returns the state after the last event that was taken.
fn finished(replay: AsRecorded, mut wall: Wall, runs: &OpenRuns) -> Result<PastState, NotRecorded> {
    let own: Vec<_> = runs.0.iter().map(|(id, run)| (replay.own(*id).to_vec(), *run)).collect();
    let (engine, at) = replay.into_engine();
    let Some(mut engine) = engine else { return Err(NotRecorded::Nothing) };
    for (ids, (outcome, since)) in own {
        for id in ids {
            engine.count_run(id, outcome, since);
        }
    }
    Ok(PastState { engine, at, wall: wall.at(at) })
}
