//! The effect of changes as JSON: the answers of each name server.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::super::time::Time;

/// A change that the provider confirmed, as name servers show it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EffectStatus {
    /// The change in words: `withdrew 192.0.2.10 from www.example.com`.
    pub change: String,
    /// The target of the change.
    pub target: IpAddr,
    /// The time at which the provider confirmed it.
    pub at: Time,
    /// Whether all name servers show it.
    pub state: EffectProgress,
    /// The state in words, with both times since the change was first desired.
    pub words: String,
    /// Seconds from the confirmation until the last name server showed it; `None` before that.
    pub visible_s: Option<f64>,
    /// Seconds for which caches may keep an answer from before the change, if that is known.
    pub ttl_s: Option<u32>,
    /// Each address of a name server.
    pub servers: Vec<ServerStatus>,
}

/// The progress of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EffectProgress {
    /// Some name servers do not show it yet.
    Waiting,
    /// All name servers that can be asked show it.
    Visible,
    /// The timeout is over, and some name servers do not show it.
    NotVisible,
}

/// The state of a change at one address of a name server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ServerStatus {
    /// The name of the server, with its address.
    pub server: String,
    /// Seconds from the confirmation until it showed the change; `None` before that.
    pub shown_s: Option<f64>,
    /// The last answer that did not show the change, or the reason why the server cannot be asked.
    pub answer: Option<String>,
    /// Whether it can be asked from here.
    pub is_asked: bool,
}

impl ServerStatus {
    /// Describes the state at the server.
    pub(crate) fn in_words(&self) -> String {
        let state = match (self.shown_s, &self.answer) {
            (Some(after), _) => format!("shows it after {after:.3} s"),
            (None, Some(answer)) if self.is_asked => format!("answers: {answer}"),
            (None, Some(why)) => format!("cannot be asked from here: {why}"),
            (None, None) => "not answered yet".to_owned(),
        };
        format!("{}: {state}", self.server)
    }
}
