//! The lines of a file, and the values that stand in them.

use std::borrow::Cow;

use toml::Spanned;
use toml::de::{DeInteger, DeTable, DeValue};

use crate::config::problem::Spot;
use crate::config::value::{Value, WrittenEntry, WrittenValue};
use crate::text::disclosure::{self, hidden};

/// Converts an integer if it fits.
fn integer(number: &DeInteger<'_>) -> Option<i64> {
    i64::from_str_radix(number.as_str(), number.radix()).ok()
}

/// Returns the entries of a table in the order of the file.
pub(super) fn in_order<'t>(
    table: &'t DeTable<'t>,
) -> Vec<(&'t Spanned<Cow<'t, str>>, &'t Spanned<DeValue<'t>>)> {
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    entries
}

/// The offsets at which the lines of a text begin.
pub(super) struct Lines<'a> {
    pub(super) text: &'a str,
    starts: Vec<usize>,
}

impl<'a> Lines<'a> {
    /// Finds the lines of a text.
    pub(super) fn of(text: &'a str) -> Self {
        let after = text.match_indices('\n').map(|(offset, _)| offset + 1);
        Self { text, starts: std::iter::once(0).chain(after).collect() }
    }

    /// Returns the number of the line, from 1, with the byte at `offset`.
    pub(super) fn at(&self, offset: usize) -> usize {
        self.starts.partition_point(|start| *start <= offset)
    }

    /// Returns the text of a line, counted from 1.
    pub(super) fn text_of(&self, line: usize) -> &'a str {
        self.text.lines().nth(line.saturating_sub(1)).unwrap_or_default()
    }

    /// Converts a value of the parser to one of ours.
    pub(super) fn written(
        &self,
        spot: Spot,
        value: &Spanned<DeValue<'_>>,
        secret: bool,
    ) -> WrittenValue {
        let converted = match value.get_ref() {
            DeValue::String(text) => Value::Text(text.to_string()),
            DeValue::Integer(number) => integer(number).map_or(Value::Other, Value::Integer),
            DeValue::Float(number) => number.as_str().parse().map_or(Value::Other, Value::Float),
            DeValue::Boolean(truth) => Value::Truth(*truth),
            DeValue::Array(items) => {
                let mut list = Vec::with_capacity(items.len());
                for item in items {
                    let spot = Spot::line(self.at(item.span().start), &spot.key);
                    list.push(self.written(spot, item, secret));
                }
                Value::List(list)
            }
            DeValue::Table(table) => {
                let mut entries = Vec::with_capacity(table.len());
                for (key, value) in in_order(table) {
                    let name = key.get_ref().to_string();
                    let full = format!("{}.{}", spot.key, disclosure::name(&name));
                    let spot = Spot::line(self.at(key.span().start), &full);
                    entries.push(WrittenEntry { name, value: self.written(spot, value, secret) });
                }
                Value::Table(entries)
            }
            DeValue::Datetime(_) => Value::Other,
        };
        let shown = self.shown(value, secret);
        WrittenValue { spot, shown, value: converted }
    }

    /// Returns a value in a form that may be displayed.
    fn shown(&self, value: &Spanned<DeValue<'_>>, secret: bool) -> String {
        let source = self.text.get(value.span()).unwrap_or_default();
        match value.get_ref() {
            DeValue::Table(_) => "a table".to_owned(),
            // A table may hold a secret.
            DeValue::Array(items) if items.iter().any(|item| item.get_ref().is_table()) => {
                "a list of tables".to_owned()
            }
            DeValue::String(text) if secret => hidden(text),
            other if secret => format!("a value of type {}", other.type_str()),
            other => disclosure::value(source).unwrap_or_else(|| match other {
                DeValue::String(text) => hidden(text),
                other => format!("a value of type {}", other.type_str()),
            }),
        }
    }
}
