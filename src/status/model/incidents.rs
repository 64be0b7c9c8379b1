//! Open incidents as JSON.

use serde::{Deserialize, Serialize};

use super::super::time::Time;
use crate::notify::Severity;

/// An incident that is open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenIncidentStatus {
    /// The key, which is the same on every agent of a cluster.
    pub key: String,
    /// The highest severity so far.
    pub severity: Severity,
    /// The time at which it was opened.
    pub since: Time,
    /// The number of its targets; 0 if it concerns none.
    #[serde(default)]
    pub targets: usize,
    /// Whether this agent sends the notices about it, and no peer.
    #[serde(default)]
    pub reported_here: bool,
}
