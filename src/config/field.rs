//! The validated value of a key, with its place in the file.

use super::document::Document;
use super::keys::Section;
use super::problem::{Report, Spot};
use super::value::{Value, WrittenValue};

/// A value with its place. Two are equal if their values are.
#[derive(Clone)]
pub(crate) struct At<T> {
    /// The place of the value in the file.
    pub(crate) spot: Spot,
    /// The value in a form that may be displayed.
    pub(crate) shown: String,
    /// The validated value.
    pub(crate) value: T,
}

impl<T> At<T> {
    /// Returns the value in a form that may be displayed, without its quotes.
    pub(crate) fn bare(&self) -> &str {
        self.shown.trim_matches(['"', '\''])
    }
}

impl<T: PartialEq> PartialEq for At<T> {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

/// The setting of one key in the file.
#[derive(Clone)]
pub(crate) enum Field<T> {
    /// The key is not set.
    Absent,
    /// The key has a value that is not allowed, which was reported.
    Refused,
    /// The key has this value.
    Given(At<T>),
}

/// The setting of a key with a list.
pub(crate) type List<T> = Field<Vec<At<T>>>;

impl<T> Field<T> {
    /// Returns the value with its place, if there is one.
    pub(crate) fn present(&self) -> Option<&At<T>> {
        match self {
            Self::Given(at) => Some(at),
            Self::Absent | Self::Refused => None,
        }
    }

    /// Returns the value, if there is one.
    pub(crate) fn value(&self) -> Option<&T> {
        self.present().map(|at| &at.value)
    }

    /// Returns the place of the value, if there is one.
    pub(crate) fn spot(&self) -> Option<&Spot> {
        self.present().map(|at| &at.spot)
    }

    /// Whether the key is not set.
    pub(crate) fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }

    /// Whether the value of the key is not allowed.
    pub(crate) fn is_refused(&self) -> bool {
        matches!(self, Self::Refused)
    }
}

impl<T: Clone> Field<T> {
    /// Returns this setting, or `farther` if the key is not set here.
    pub(crate) fn over(&self, farther: &Self) -> Self {
        if self.is_absent() { farther.clone() } else { self.clone() }
    }

    /// Returns the value, or `default` if there is none.
    pub(crate) fn or(&self, default: T) -> T {
        self.value().cloned().unwrap_or(default)
    }
}

impl<T> List<T> {
    /// Returns the items of the list.
    pub(crate) fn items(&self) -> &[At<T>] {
        self.value().map_or(&[], Vec::as_slice)
    }
}

/// Takes keys out of a document. A rule for each key is a function that reads a value or returns a
/// description of allowed values.
pub(crate) struct FieldReader<'r> {
    /// The source of the keys.
    pub(crate) document: Document,
    /// Report that receives the problems.
    pub(crate) report: &'r mut Report,
}

impl FieldReader<'_> {
    /// Reads a key with one value.
    pub(crate) fn one<T: PartialEq>(
        &mut self,
        section: Section,
        key: &'static str,
        rule: impl Fn(&Value) -> Result<T, String>,
    ) -> Field<T> {
        self.field(section, key, |report, written| judge(report, written, &rule))
    }

    /// Reads a key with a list of items that all follow `rule`. `such_as` is an example of the
    /// list.
    pub(crate) fn each<T: PartialEq>(
        &mut self,
        section: Section,
        key: &'static str,
        such_as: &str,
        rule: impl Fn(&Value) -> Result<T, String>,
    ) -> List<T> {
        self.field(section, key, |report, written| {
            let Value::List(items) = written.value else {
                report.refuse(&written.spot, not_allowed(&written.shown, &a_list(such_as)));
                return Field::Refused;
            };
            let judged = items.into_iter().map(|item| judge(report, item, &rule));
            // All items are checked so that all problems are reported.
            let judged: Vec<Field<T>> = judged.collect();
            let good: Option<Vec<At<T>>> = judged.into_iter().map(Field::into_given).collect();
            match good {
                Some(value) => Field::Given(At { spot: written.spot, shown: written.shown, value }),
                None => Field::Refused,
            }
        })
    }

    /// Reads a key from its own section or from the place it has in the oldest files. If it stands
    /// in both places the values must be equal. `read` interprets a value, and reports its problems.
    pub(crate) fn field<T: PartialEq>(
        &mut self,
        section: Section,
        key: &'static str,
        read: impl Fn(&mut Report, WrittenValue) -> Field<T>,
    ) -> Field<T> {
        let own = self.document.take(section, key);
        let old = if self.document.was_at_the_top(section, key) {
            self.document.take(Section::TOP, key)
        } else {
            None
        };
        let own = own.map(|written| read(self.report, written));
        let old = old.map(|written| read(self.report, written));
        match (own, old) {
            (None, None) => Field::Absent,
            (Some(field), None) | (None, Some(field)) => field,
            (Some(own), Some(old)) => self.agreed(own, &old),
        }
    }

    /// Returns `own` unless `old` has a different value.
    fn agreed<T: PartialEq>(&mut self, own: Field<T>, old: &Field<T>) -> Field<T> {
        let (Some(mine), Some(other)) = (own.present(), old.present()) else {
            return Field::Refused;
        };
        if mine == other {
            return own;
        }
        let line = other.spot.line.unwrap_or_default();
        let what = format!(
            "{} is not what {} in line {line} says; give it once",
            mine.shown, other.spot.key
        );
        self.report.refuse(&mine.spot, what);
        Field::Refused
    }
}

impl<T> Field<T> {
    fn into_given(self) -> Option<At<T>> {
        match self {
            Self::Given(at) => Some(at),
            Self::Absent | Self::Refused => None,
        }
    }
}

/// Reads one value by its rule.
fn judge<T>(
    report: &mut Report,
    written: WrittenValue,
    rule: &impl Fn(&Value) -> Result<T, String>,
) -> Field<T> {
    let WrittenValue { spot, shown, value } = written;
    match rule(&value) {
        Ok(value) => Field::Given(At { spot, shown, value }),
        Err(allowed) => {
            report.refuse(&spot, not_allowed(&shown, &allowed));
            Field::Refused
        }
    }
}

/// Formats the message for a refused value, which has the same form everywhere.
pub(crate) fn not_allowed(shown: &str, allowed: &str) -> String {
    format!("{shown} is not allowed; {allowed}")
}

fn a_list(such_as: &str) -> String {
    format!("a list, such as {such_as}")
}
