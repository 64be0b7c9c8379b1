//! The last day of each target, from the history that this agent writes.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::history::file::read_end;
use crate::history::reader::HistoryFiles;
use crate::history::section::HistoryConfig;
use crate::replay::day::LastDay;
use crate::status::{DayDrawings, NoDrawing};

/// The most bytes that are read from the end of a history. A day of a thousand targets that all lose one
/// probe of a hundred has 60 MB; of healthy ones, 200 kB.
const MOST_BYTES: u64 = 64 << 20;

/// Maximum age of the replay that drawings are made of: the agent writes once a minute.
const MAX_AGE: Duration = Duration::from_secs(30);

/// Draws the last day of targets from the history that this agent writes.
#[derive(Debug)]
pub(super) struct RecordedDays {
    history: HistoryConfig,
    /// The last replay, with its time. One is made for the drawings of all targets.
    replayed: Mutex<Option<(Instant, LastDay)>>,
}

impl RecordedDays {
    /// Returns the drawings of a history.
    pub(super) fn of(history: &HistoryConfig) -> Arc<Self> {
        Arc::new(Self { history: history.clone(), replayed: Mutex::default() })
    }

    fn replay(&self) -> Result<LastDay, NoDrawing> {
        let files = read_end(&self.history, MOST_BYTES).map_err(NoDrawing::Failed)?;
        LastDay::of(&HistoryFiles { files }).ok_or_else(|| {
            let file = self.history.file.display();
            NoDrawing::Failed(format!("there is no history in {file} yet"))
        })
    }
}

impl DayDrawings for RecordedDays {
    #[expect(clippy::disallowed_methods, reason = "the age of a replay, beside the event loop")]
    fn draw(&self, service: &str, address: IpAddr) -> Result<String, NoDrawing> {
        let mut replayed = self.replayed.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if replayed.as_ref().is_none_or(|(at, _)| now.duration_since(*at) >= MAX_AGE) {
            // The memory of the last one is free before the next one takes its own.
            *replayed = None;
            *replayed = Some((now, self.replay()?));
        }
        let day = replayed.as_ref().map(|(_, day)| day);
        day.and_then(|day| day.svg(service, address)).ok_or(NoDrawing::NotRecorded)
    }
}
