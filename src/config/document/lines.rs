//! The lines of a file, and the values that stand in them.

use toml::Spanned;
use toml::de::{DeInteger, DeValue};

use crate::config::problem::Spot;
use crate::config::value::{Value, WrittenValue};
use crate::text::disclosure::{self, hidden};

/// Converts an integer if it fits.
fn integer(number: &DeInteger<'_>) -> Option<i64> {
    i64::from_str_radix(number.as_str(), number.radix()).ok()
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
            DeValue::Datetime(_) | DeValue::Table(_) => Value::Other,
        };
        let shown = self.shown(value, secret);
        WrittenValue { spot, shown, value: converted }
    }

    /// Returns a value in a form that may be displayed.
    fn shown(&self, value: &Spanned<DeValue<'_>>, secret: bool) -> String {
        let source = self.text.get(value.span()).unwrap_or_default();
        match value.get_ref() {
            DeValue::Table(_) => "a table".to_owned(),
            DeValue::String(text) if secret => hidden(text),
            other if secret => format!("a value of type {}", other.type_str()),
            other => disclosure::value(source).unwrap_or_else(|| match other {
                DeValue::String(text) => hidden(text),
                other => format!("a value of type {}", other.type_str()),
            }),
        }
    }
}
