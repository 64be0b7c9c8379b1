//! A history as it was beside the same one as asked.

use std::time::Duration;

use super::asked::AsAsked;
use super::change::SettingChanges;
use super::facts::decisions;
use super::recorded::{AsRecorded, DecisionCheck};
use super::summary::{Summary, Tally};
use crate::engine::Moment;
use crate::engine::event::Action;
use crate::history::entry::HistoryEntry;
use crate::history::reader::{Damage, HistoryFiles, HistoryItem};

/// The result of a replay as it was.
#[derive(Debug)]
pub(crate) struct Was {
    /// The decisions of the replay.
    pub tally: Tally,
    /// The comparison with the recorded decisions.
    pub comparison: DecisionCheck,
    /// The damage of the history.
    pub damage: Damage,
    /// The end of the history.
    pub end: Duration,
}

/// The wall clock of the current process.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Wall {
    begin: Moment,
    began: Duration,
    /// The latest time that was seen.
    pub(super) last: Duration,
}

impl Wall {
    /// Returns the time at a moment.
    pub(super) fn at(&mut self, at: Moment) -> Duration {
        let time = if at >= self.begin {
            self.began + at.since(self.begin)
        } else {
            self.began.saturating_sub(self.begin.since(at))
        };
        self.last = self.last.max(time);
        time
    }

    /// Returns the clock after an item.
    pub(super) fn after(mut self, item: &HistoryItem) -> Self {
        let HistoryItem::Entry(dated) = item else { return self };
        if let HistoryEntry::Begin(begin) = &dated.entry {
            (self.begin, self.began) = (dated.at, Duration::from_nanos(begin.wall));
        }
        self.at(dated.at);
        self
    }
}

/// Replays a history as it was. `heard` is told each decision, and how many items were read.
pub(crate) fn as_it_was(files: &HistoryFiles, since: Duration, heard: impl FnMut(u64)) -> Was {
    let mut reader = files.read();
    let (tally, comparison, end) = follow(reader.by_ref(), since, heard);
    Was { tally, comparison, damage: reader.damage(), end }
}

/// Replays items as they were. Returns the decisions from a time on, the comparison, and the end.
pub(super) fn follow(
    items: impl Iterator<Item = HistoryItem>,
    since: Duration,
    mut heard: impl FnMut(u64),
) -> (Tally, DecisionCheck, Duration) {
    let (mut replay, mut tally, mut wall) =
        (AsRecorded::default(), Tally::since(since), Wall::default());
    for (number, item) in (0..).zip(items) {
        let after = wall.after(&item);
        let (at, actions) = replay.take(item);
        add(&mut tally, wall.at(at), &actions);
        wall = Wall { last: wall.last.max(after.last), ..after };
        for stood in replay.take_stood() {
            tally.stands(wall.last, stood);
        }
        heard(number);
    }
    let (comparison, at, actions) = replay.end();
    add(&mut tally, wall.at(at), &actions);
    (tally, comparison, wall.last)
}

fn add(tally: &mut Tally, at: Duration, actions: &[Action]) {
    decisions(actions).for_each(|fact| tally.fact(at, fact));
}

/// Replays a history with other settings.
pub(crate) fn as_asked(
    files: &HistoryFiles,
    changes: &SettingChanges,
    since: Duration,
    mut heard: impl FnMut(u64),
) -> Tally {
    let (mut replay, mut tally, mut wall) =
        (AsAsked::new(changes), Tally::since(since), Wall::default());
    for (number, item) in (0..).zip(files.read()) {
        let after = wall.after(&item);
        for (at, action) in replay.take(item) {
            add(&mut tally, wall.at(at), std::slice::from_ref(&action));
        }
        wall = after;
        heard(number);
    }
    for (at, action) in replay.end() {
        add(&mut tally, wall.at(at), std::slice::from_ref(&action));
    }
    tally
}

impl Was {
    /// Returns the numbers as it was.
    pub(crate) fn summary(&self) -> Summary {
        self.tally.summary(&self.tally.deaths(), self.end)
    }

    /// Returns the numbers of another replay of the same history.
    pub(crate) fn summary_of(&self, asked: &Tally) -> Summary {
        asked.summary(&self.tally.deaths(), self.end)
    }
}
