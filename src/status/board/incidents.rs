//! The open incidents.

use std::sync::Arc;

use super::Board;
use crate::status::model::OpenIncidentStatus;

impl Board {
    /// Replaces the open incidents, the most severe first.
    pub(crate) fn set_incidents(&mut self, incidents: Vec<OpenIncidentStatus>) {
        self.incidents = Arc::new(incidents);
        self.is_urgent = true;
    }
}
