//! A value in force, and the place in the file that it comes from.

use serde::Serialize;

use super::problem::Spot;

/// A value in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct ValueInForce {
    /// The name of the key, without its section.
    pub(crate) key: &'static str,
    /// The value in words.
    pub(crate) value: String,
    /// The key in the file that it comes from, with its section; `None` for a default. A value that
    /// is derived from another key comes from that one.
    #[serde(rename = "from")]
    pub(crate) source: Option<String>,
    /// The line of that key, counted from 1.
    pub(crate) line: Option<usize>,
}

impl ValueInForce {
    /// Returns a value that comes from this place, or from none.
    pub(crate) fn new(key: &'static str, value: String, place: Option<&Spot>) -> Self {
        let source = place.map(|spot| spot.key.clone());
        Self { key, value, source, line: place.and_then(|spot| spot.line) }
    }
}
