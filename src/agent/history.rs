//! Keeps the history of the agent, if the configuration names a file for it.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context as _;

use super::clock::wall;
use crate::engine::{Engine, Moment};
use crate::history::recorder::Recorder;
use crate::history::section::HistoryConfig;
use crate::history::writer::{HistoryWriter, WriterState};

/// Time between two marks, with which everything before them is on the disk.
const MARK_EVERY: Duration = Duration::from_mins(1);

/// Keeps the history of the agent.
#[derive(Debug)]
pub(super) struct HistoryKeeper {
    recorder: Recorder,
    writer: HistoryWriter,
    marked: Moment,
}

/// Returns the nanoseconds of Unix time.
fn nanos(wall: SystemTime) -> u64 {
    let since = wall.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

impl HistoryKeeper {
    /// Begins the history of an engine that starts now, if there is a file for it.
    ///
    /// # Errors
    ///
    /// There is no thread for the writer.
    pub(super) fn start_if(
        config: Option<HistoryConfig>,
        engine: &mut Engine,
        now: Moment,
    ) -> anyhow::Result<Option<Self>> {
        let Some(config) = config else { return Ok(None) };
        let writer = HistoryWriter::start(config).context("cannot start the history")?;
        let mut recorder = Recorder::start(engine, now, nanos(wall()));
        // The first block shows at the start whether the file can be written.
        writer.sync(recorder.mark(now, nanos(wall())));
        Ok(Some(Self { recorder, writer, marked: now }))
    }

    /// Returns the state of the writer.
    pub(super) fn state(&self) -> &Arc<WriterState> {
        self.writer.state()
    }

    /// Records the event that the engine has just handled.
    pub(super) fn handled(&mut self, engine: &mut Engine) {
        if let Some(block) = self.recorder.record(engine) {
            self.writer.write(block);
        }
    }

    /// Marks the end of a minute, and begins anew now and then, after a loss and with a new file.
    pub(super) fn iteration(&mut self, engine: &Engine, now: Moment) {
        self.writer.look(now.since(self.marked));
        if now.since(self.marked) < MARK_EVERY {
            return;
        }
        self.marked = now;
        let is_full = self.writer.is_full();
        if is_full || self.recorder.is_begin_due(now) || self.writer.take_gap() {
            let [before, begin] = self.recorder.begin_anew(engine, now, nanos(wall()));
            self.writer.write(before);
            if is_full {
                self.writer.rotate();
            }
            self.writer.sync(begin);
        } else {
            self.writer.sync(self.recorder.mark(now, nanos(wall())));
        }
    }

    /// Writes the last entries.
    pub(super) fn close(mut self, now: Moment) {
        self.writer.sync(self.recorder.mark(now, nanos(wall())));
        self.writer.finish();
    }
}
