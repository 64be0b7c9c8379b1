//! The last day of each target, for the status page: as it was, drawn as `replay --svg` draws it.

use std::net::IpAddr;
use std::time::Duration;

use super::drawing::{Axis, Drawn, DrawnLine, in_utc, svg};
use super::lost::LostProbes;
use super::run::{Wall, follow};
use super::summary::Tally;
use crate::history::entry::HistoryEntry;
use crate::history::reader::{HistoryFiles, HistoryItem};

/// The length of the time that is drawn.
const DAY: Duration = Duration::from_hours(24);

/// The last day of each target, as far as it is recorded.
#[derive(Debug)]
pub(crate) struct LastDay {
    axis: Axis,
    tally: Tally,
    lost: LostProbes,
}

/// The part of a history that has the last day.
#[derive(Debug, Clone, Copy)]
struct LastPart {
    /// The number of items before it.
    skipped: usize,
    axis: Axis,
}

impl LastPart {
    /// Finds the last beginning that is a day before the end, or the first one. `None` if there is none.
    fn of(files: &HistoryFiles) -> Option<Self> {
        let (mut begins, mut wall) = (Vec::new(), Wall::default());
        for (number, item) in files.read().enumerate() {
            wall = wall.after(&item);
            if let HistoryItem::Entry(dated) = &item
                && let HistoryEntry::Begin(begin) = &dated.entry
            {
                begins.push((number, Duration::from_nanos(begin.wall)));
            }
        }
        let from = wall.last.saturating_sub(DAY);
        let before = begins.iter().rev().find(|(_, at)| *at <= from);
        let (skipped, began) = *before.or(begins.first())?;
        Some(Self { skipped, axis: Axis { from: from.max(began), to: wall.last } })
    }
}

impl LastDay {
    /// Replays the last day of a history, up to its end. `None` if nothing is recorded.
    pub(crate) fn of(files: &HistoryFiles) -> Option<Self> {
        let LastPart { skipped, axis } = LastPart::of(files)?;
        let (tally, _, _) = follow(files.read().skip(skipped), axis.from, |_| {});
        Some(Self { axis, tally, lost: LostProbes::of(files, axis) })
    }

    /// Returns the drawing of a target; `None` if it is not recorded.
    pub(crate) fn svg(&self, service: &str, address: IpAddr) -> Option<String> {
        let target = *self.lost.places.get(&(service.to_owned(), address))?;
        let spans = self.tally.spans(target);
        let lines = vec![DrawnLine::new("as it was", spans, &self.lost.gaps)];
        let losses = self.lost.of.get(&target).cloned().unwrap_or_default();
        let name = address.to_string();
        let (from, to) = (in_utc(self.axis.from), in_utc(self.axis.to));
        let title = format!("{service}/{address} from {from} to {to} UTC, as recorded");
        Some(svg(&title, self.axis, &[Drawn { name, lines, losses }]))
    }
}
