//! Open incidents in the state file, so that the next run closes them.
//!
//! An entry that cannot be read is skipped, with a log line: an incident that is not closed is a smaller
//! harm than drains that are forgotten.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize};

use crate::notify::{IncidentKey, NoticeEvidence, NoticeKind, Severity};

/// Maximum number of incidents that are kept, the most severe first.
const MOST: usize = 10_000;

/// The open incidents.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(transparent)]
pub struct SavedIncidents(Vec<SavedIncident>);

impl SavedIncidents {
    /// Keeps these incidents, or the most severe and oldest of them if there are too many.
    pub fn new(mut incidents: Vec<SavedIncident>) -> Self {
        if incidents.len() > MOST {
            incidents.sort_by_key(|it| (std::cmp::Reverse(it.severity), it.since));
            incidents.truncate(MOST);
        }
        Self(incidents)
    }

    /// Whether nothing is open.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the incidents.
    pub fn all(&self) -> &[SavedIncident] {
        &self.0
    }
}

impl<'de> Deserialize<'de> for SavedIncidents {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let entries = match serde_json::Value::deserialize(deserializer)? {
            serde_json::Value::Array(entries) => entries,
            other => vec![other],
        };
        let mut incidents = Vec::new();
        let mut damaged = 0_usize;
        for entry in entries {
            match serde_json::from_value(entry) {
                Ok(incident) => incidents.push(incident),
                Err(_) => damaged += 1,
            }
        }
        if damaged > 0 {
            tracing::warn!(damaged, "incidents in the state file cannot be read and are skipped");
        }
        Ok(Self::new(incidents))
    }
}

/// An open incident.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedIncident {
    /// The key of the incident, in parts.
    #[serde(flatten)]
    pub key: IncidentKey,
    /// The highest severity so far.
    pub severity: Severity,
    /// The kind of its last notice, as its word.
    pub kind: NoticeKind,
    /// The time at which it was opened, in milliseconds of Unix time.
    pub since: u64,
    /// The targets of the incident.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub targets: Vec<SavedMember>,
    /// The agents that report about it instead of this one.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub left_to: BTreeSet<SocketAddr>,
    /// Whether its first notice was sent long enough ago to be delivered.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub told: bool,
    /// Whether all of it happened in dry-run.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
    /// The free text of its last notice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The name of its zone for people, where zones are named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shown_zone: Option<String>,
    /// The evidence of its last notice.
    #[serde(default, skip_serializing_if = "SavedEvidence::is_empty")]
    pub evidence: SavedEvidence,
    /// Whether this agent has reported about it, and left it to another since.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub handed_over: bool,
}

/// The evidence of a notice. Times are in milliseconds.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SavedEvidence {
    /// The number of losses in a row.
    #[serde(skip_serializing_if = "Option::is_none")]
    losses: Option<u32>,
    /// The number of replies in a row.
    #[serde(skip_serializing_if = "Option::is_none")]
    replies: Option<u32>,
    /// The vantage points that agreed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    votes: Vec<String>,
    /// Time from the last reply to the notice.
    #[serde(skip_serializing_if = "Option::is_none")]
    since_last_reply: Option<u64>,
    /// Time from the verdict to the provider's confirmation.
    #[serde(skip_serializing_if = "Option::is_none")]
    took: Option<u64>,
}

impl SavedEvidence {
    /// Whether there is none.
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl From<&NoticeEvidence> for SavedEvidence {
    fn from(evidence: &NoticeEvidence) -> Self {
        Self {
            losses: evidence.losses,
            replies: evidence.replies,
            votes: evidence.votes.clone(),
            since_last_reply: evidence.since_last_reply.map(millis),
            took: evidence.took.map(millis),
        }
    }
}

impl From<SavedEvidence> for NoticeEvidence {
    fn from(saved: SavedEvidence) -> Self {
        Self {
            losses: saved.losses,
            replies: saved.replies,
            votes: saved.votes,
            since_last_reply: saved.since_last_reply.map(Duration::from_millis),
            took: saved.took.map(Duration::from_millis),
        }
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Returns the value for files of earlier versions, which do not have it: their incidents were told.
const fn yes() -> bool {
    true
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as the library asks for it")]
const fn is_yes(told: &bool) -> bool {
    *told
}

/// A target of an incident.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedMember {
    /// The name of its service, if services are named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// The address of the target.
    pub address: IpAddr,
    /// The names that it is out of.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub names: BTreeSet<String>,
}

#[cfg(test)]
mod tests;
