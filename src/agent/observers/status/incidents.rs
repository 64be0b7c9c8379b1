//! The open incidents in the status.

use super::StatusObserver;
use crate::agent::observers::notices::ShownIncident;
use crate::status::Time;
use crate::status::model::OpenIncidentStatus;

impl StatusObserver {
    /// Publishes the open incidents, the most severe first, and of those the oldest.
    pub(in crate::agent::observers) fn publish_incidents(&mut self, incidents: &[ShownIncident]) {
        let mut published = Vec::new();
        for incident in incidents {
            published.push(OpenIncidentStatus {
                key: incident.key.clone(),
                severity: incident.severity,
                since: Time::new(incident.since),
                targets: incident.targets,
                reported_here: incident.is_ours,
            });
        }
        published.sort_by_key(|it| (std::cmp::Reverse(it.severity), it.since));
        self.board.set_incidents(published);
    }
}
