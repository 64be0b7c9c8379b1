//! Reminders of incidents that are still open.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use super::incident::{IncidentKey, IncidentStatus};
use super::{Notice, NoticeMark};

/// The incidents that a channel was told of and that are open.
#[derive(Debug)]
pub(super) struct Reminders {
    /// Time after which an incident is said again; `None` is never.
    after: Option<Duration>,
    open: BTreeMap<IncidentKey, OpenIncident>,
}

/// An incident that is open.
#[derive(Debug)]
struct OpenIncident {
    /// Its last notice.
    notice: Notice,
    /// The time at which that notice was received.
    received: Instant,
    /// The time of the next reminder.
    due: Instant,
}

impl Reminders {
    /// Creates reminders `after` this time; `None` is never.
    pub(super) fn new(after: Option<Duration>) -> Self {
        Self { after, open: BTreeMap::new() }
    }

    /// Follows a notice, which is received `now`.
    pub(super) fn follow(&mut self, notice: &Notice, now: Instant) {
        let Some(after) = self.after else { return };
        match notice.status {
            IncidentStatus::Opened | IncidentStatus::Updated => {
                let (notice, received, due) = (notice.clone(), now, now + after);
                self.open.insert(notice.incident.clone(), OpenIncident { notice, received, due });
            }
            IncidentStatus::Standing => {
                let key = notice.incident.clone();
                let (notice, received, due) = (notice.clone(), now, now + after);
                self.open.entry(key).or_insert(OpenIncident { notice, received, due });
            }
            IncidentStatus::Closed => drop(self.open.remove(&notice.incident)),
            IncidentStatus::Event => {}
        }
    }

    /// Returns the time of the next reminder.
    pub(super) fn next(&self) -> Option<Instant> {
        self.open.values().map(|incident| incident.due).min()
    }

    /// Returns the reminders that are due `now`.
    pub(super) fn due(&mut self, now: Instant) -> Vec<Notice> {
        let Some(after) = self.after else { return Vec::new() };
        let mut reminders = Vec::new();
        for incident in self.open.values_mut().filter(|incident| incident.due <= now) {
            incident.due = now + after;
            let at = incident.notice.at + now.duration_since(incident.received);
            let (status, mark) = (IncidentStatus::Updated, NoticeMark::Still);
            reminders.push(Notice { at, status, mark, ..incident.notice.clone() });
        }
        reminders
    }
}
