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
    open: BTreeMap<IncidentKey, TrackedIncident>,
}

/// An incident that is open.
#[derive(Debug)]
struct TrackedIncident {
    /// Its last notice.
    notice: Notice,
    /// The time at which that notice was received.
    received: Instant,
    /// The time of the next reminder.
    due: Instant,
}

impl Reminders {
    /// Creates reminders that are never due.
    pub(super) fn new() -> Self {
        Self { after: None, open: BTreeMap::new() }
    }

    /// Says incidents again that are open for this time; `None` is never.
    pub(super) fn set_after(&mut self, after: Option<Duration>) {
        self.after = after;
        for incident in self.open.values_mut() {
            incident.due = incident.received + after.unwrap_or_default();
        }
    }

    /// Follows a notice, which is received `now`.
    pub(super) fn follow(&mut self, notice: &Notice, now: Instant) {
        let after = self.after.unwrap_or_default();
        match notice.status {
            IncidentStatus::Opened | IncidentStatus::Updated => {
                let (notice, received, due) = (notice.clone(), now, now + after);
                self.open
                    .insert(notice.incident.clone(), TrackedIncident { notice, received, due });
            }
            IncidentStatus::Standing => {
                let key = notice.incident.clone();
                let (notice, received, due) = (notice.clone(), now, now + after);
                self.open.entry(key).or_insert(TrackedIncident { notice, received, due });
            }
            IncidentStatus::Closed | IncidentStatus::Left => {
                self.open.remove(&notice.incident);
            }
            IncidentStatus::Event => {}
        }
    }

    /// Returns the time of the next reminder.
    pub(super) fn next(&self) -> Option<Instant> {
        self.after?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::NoticeKind::{Restored, Withdrawn};
    use crate::notify::tests::notice;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "any time serves")]
    fn a_reminder_says_that_the_incident_is_still_open_and_since_when() {
        let (start, hour) = (Instant::now(), Duration::from_hours(1));
        let mut reminders = Reminders::new();
        reminders.set_after(Some(hour));
        reminders.follow(&notice(Withdrawn, &[1]), start);
        assert_eq!(reminders.next(), Some(start + hour));
        assert_eq!(reminders.due(start + hour / 2), []);
        let due = reminders.due(start + hour);
        let [reminder] = &due[..] else { panic!("{due:?}") };
        assert_eq!((reminder.status, reminder.mark), (IncidentStatus::Updated, NoticeMark::Still));
        assert_eq!(reminder.at, reminder.since + hour);
        let title = "still warning: withdrew 192.0.2.1 from www.example.com";
        assert_eq!(reminder.title(), title);
        assert!(reminder.rendering().body().contains("2001-09-09T01:46:40Z (for 1h)"));
        reminders.follow(&notice(Restored, &[1]), start + hour);
        assert_eq!(reminders.next(), None);
        let mut never = Reminders::new();
        never.follow(&notice(Withdrawn, &[1]), start);
        assert_eq!(never.next(), None);
    }
}
