//! What was asked, and when it was answered.

use std::time::Instant;

use serde_json::Value;

/// One request.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    /// `GET`, `POST` ...
    pub(crate) method: String,
    /// The path below `/client/v4`, and the query.
    pub(crate) path: String,
    /// The body; null if there was none or it is not JSON.
    pub(crate) body: Value,
    /// When the whole request was here.
    pub(crate) arrived: Instant,
    /// When the answer was handed to the connection, and its status; `None` while there is none.
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
