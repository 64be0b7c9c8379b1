//! The received requests, and the times of their answers.

use std::time::Instant;

use serde_json::Value;

/// One received request.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    /// The method: `GET`, `POST` and others.
    pub(crate) method: String,
    /// The path below `/client/v4`, and the query.
    pub(crate) path: String,
    /// The body; null if there was none or it is not JSON.
    pub(crate) body: Value,
    /// The time at which the whole request had arrived.
    pub(crate) arrived: Instant,
    /// The time at which the answer was passed to the connection, and its status; `None` until
    /// then.
    pub(crate) answered: Option<(Instant, u16)>,
}

impl Entry {
    /// Whether it may change something.
    pub(crate) fn writes(&self) -> bool {
        self.method != "GET"
    }

    /// Whether it reads records.
    pub(crate) fn lists(&self) -> bool {
        !self.writes() && self.path.contains("/dns_records")
    }

    /// Whether it is a batch.
    pub(crate) fn is_batch(&self) -> bool {
        self.writes() && self.path.ends_with("/dns_records/batch")
    }
}
