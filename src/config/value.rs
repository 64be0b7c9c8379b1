//! A value as it stands in the file.

use super::problem::Spot;

/// A value with its place.
pub(crate) struct WrittenValue {
    /// The place of the value in the file.
    pub(crate) spot: Spot,
    /// The text as written, shortened to one line; a placeholder for a secret.
    pub(crate) shown: String,
    /// The parsed value.
    pub(crate) value: Value,
}

/// A value. It has no `Debug`, because it may be a secret.
pub(crate) enum Value {
    /// A text, without its quotes.
    Text(String),
    /// A number without a fraction.
    Integer(i64),
    /// A number with a fraction.
    Float(f64),
    /// A truth value, `true` or `false`.
    Truth(bool),
    /// A list with the place of each item.
    List(Vec<WrittenValue>),
    /// A table, in the order of the file.
    Table(Vec<WrittenEntry>),
    /// A date, or a number beyond every accepted range.
    Other,
}

/// An entry of a table that is a value.
pub(crate) struct WrittenEntry {
    /// The name in its original spelling.
    pub(crate) name: String,
    /// The value with its place.
    pub(crate) value: WrittenValue,
}

/// Returns the text of a value that is one.
pub(crate) fn as_text(value: &Value) -> Option<&str> {
    match value {
        Value::Text(text) => Some(text),
        _ => None,
    }
}
