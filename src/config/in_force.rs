//! A value in force, and the place in the file that it comes from.

use serde::Serialize;

use super::problem::Spot;

/// A value in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ValueInForce {
    /// The key, as in a service.
    pub key: &'static str,
    /// The value in words.
    pub value: String,
    /// The key in the file that it comes from, with its table or section; `None` for a default.
    #[serde(rename = "from")]
    pub source: Option<String>,
    /// The line of that key, counted from 1.
    pub line: Option<usize>,
}

impl ValueInForce {
    /// Returns a value that comes from this place, or from none.
    pub(crate) fn new(key: &'static str, value: String, place: Option<&Spot>) -> Self {
        let source = place.map(|spot| spot.key.clone());
        Self { key, value, source, line: place.and_then(|spot| spot.line) }
    }
}
