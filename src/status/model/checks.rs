//! The checks of a target as readers see them.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Health, Outcome, Streak, Time};

/// One check of a target.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CheckStatus {
    /// Its name; distinct in its service.
    pub name: String,
    /// Its type: `icmp`, `tcp`, `http`, `https`, `exec` or `dns`.
    pub r#type: String,
    /// Whether it is counted, or only measured and shown.
    pub mode: CountedMode,
    /// The health that its results alone give.
    pub health: Health,
    /// The newest outcomes in a row that are alike; a count of 0 before the first.
    pub streak: Streak,
    /// The round-trip time of the newest reply, in milliseconds; `None` before the first.
    pub last_rtt_ms: Option<f64>,
    /// The reason of the newest loss in words, with its phase. `None` after a reply, and if nothing was
    /// received.
    pub said: Option<String>,
    /// A warning: the check was answered as asked for, and yet not all is well. One about a certificate
    /// stays while the target cannot be connected to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warning: Option<String>,
    /// The end of the certificate that the target presented last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate_ends: Option<Time>,
    /// The durations of the phases of the newest probe, as far as it came.
    #[serde(default, skip_serializing_if = "PhaseTimes::is_empty")]
    pub phases_ms: PhaseTimes,
}

/// Whether a check is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CountedMode {
    /// It decides, together with the other counted checks.
    Count,
    /// It is measured and shown, and decides nothing.
    Watch,
}

/// The durations of the phases of a probe in milliseconds. A phase that did not end has none.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct PhaseTimes {
    /// Time until the connection was accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connect: Option<f64>,
    /// Time of the TLS handshake.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<f64>,
    /// Time from the request to the first byte of the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_byte: Option<f64>,
    /// Time from the first byte to the end of the body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<f64>,
}

impl PhaseTimes {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl CheckStatus {
    /// Whether it is down or unknown, or answers with a warning.
    pub(in crate::status) fn is_notable(&self) -> bool {
        matches!(self.health, Health::Down | Health::Unknown) || self.warning.is_some()
    }

    /// Whether the newest probes were lost.
    pub(in crate::status) fn is_losing(&self) -> bool {
        self.streak.outcome == Outcome::Loss && self.streak.count > 0
    }
}

/// A check that made a target go down.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckFailure {
    /// The name of the check.
    pub check: String,
    /// The reason of the loss that made it go down in words, with its phase. `None` if nothing was
    /// received.
    pub said: Option<String>,
}

impl fmt::Display for CheckFailure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let said = self.said.as_deref().unwrap_or("no reply");
        write!(out, "{}: {said}", self.check)
    }
}
