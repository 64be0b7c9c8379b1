//! Endpoints in the status that limit their answers.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The consequence for an endpoint that limits its answers: it is always probed at `interval`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Limits {
    /// The longest time in seconds until its failure is noticed.
    pub noticed_after_s: f64,
}

impl Limits {
    /// Returns the limits with this time until a failure is noticed.
    pub(in crate::status) fn after(noticed: Duration) -> Self {
        Self { noticed_after_s: noticed.as_secs_f64() }
    }
}

/// An endpoint that shows whether the agent's own network works.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Canary {
    /// The address, with the port if it is probed by TCP.
    pub address: String,
    /// Set if it does not answer at `retry_interval` although it is healthy.
    #[serde(default)]
    pub limits: Option<Limits>,
}
