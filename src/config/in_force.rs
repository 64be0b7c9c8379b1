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
    /// The kind of table that the key stands in, in a file with services.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) layer: Option<&'static str>,
}

impl ValueInForce {
    /// Returns a value that comes from this place, or from none.
    pub(crate) fn new(key: &'static str, value: String, place: Option<&Spot>) -> Self {
        let source = place.map(|spot| spot.key.clone());
        Self { key, value, source, line: place.and_then(|spot| spot.line), layer: None }
    }

    /// Adds the kind of table that the value comes from. The nearest one wins.
    pub(crate) fn with_layer(self) -> Self {
        let parts = self.source.as_ref().map(|key| key.split('.').collect::<Vec<_>>());
        let layer = match parts.as_deref() {
            None => "built in",
            Some([group, _, ..] | ["service", _, group, _, ..]) if is_check(group) => "check",
            Some(["service", ..]) => "service",
            Some(["zone", ..]) => "zone",
            Some(_) => "top level",
        };
        Self { layer: Some(layer), ..self }
    }
}

/// Whether this part of a key stands for a check: `check`, or `checks[2]` in a list.
fn is_check(part: &str) -> bool {
    part == "check" || part.starts_with("checks[")
}
