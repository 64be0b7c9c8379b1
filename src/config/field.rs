//! A key's value once its type and range were judged, with the place it came from.

use super::document::{Document, Value, Written};
use super::keys::{self, Section};
use super::problem::{Report, Spot};

/// A value with its place. Two are equal if their values are.
#[derive(Clone)]
pub(super) struct At<T> {
    /// Where it was written.
    pub(super) spot: Spot,
    /// As it may be shown.
    pub(super) shown: String,
    /// What it says.
    pub(super) value: T,
}

impl<T: PartialEq> PartialEq for At<T> {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

/// What a file says about one key.
pub(super) enum Field<T> {
    /// Nothing.
    Absent,
    /// What is not allowed; that was reported.
    Refused,
    /// This.
    Given(At<T>),
}

/// What a file says about a list.
pub(super) type List<T> = Field<Vec<At<T>>>;

impl<T> Field<T> {
    /// What was given.
    pub(super) fn given(&self) -> Option<&At<T>> {
        match self {
            Self::Given(at) => Some(at),
            Self::Absent | Self::Refused => None,
        }
    }

    /// The value that was given.
    pub(super) fn value(&self) -> Option<&T> {
        self.given().map(|at| &at.value)
    }

    /// Whether nothing was written.
    pub(super) fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }

    /// Whether something was written that is not allowed.
    pub(super) fn is_refused(&self) -> bool {
        matches!(self, Self::Refused)
    }
}

impl<T: Clone> Field<T> {
    /// The value that was given, or `default`.
    pub(super) fn or(&self, default: T) -> T {
        self.value().cloned().unwrap_or(default)
    }
}

impl<T> List<T> {
    /// The items that were given.
    pub(super) fn items(&self) -> &[At<T>] {
        self.value().map_or(&[], Vec::as_slice)
    }
}

/// Takes keys out of a document, each by a rule: a function that reads a value or says what is
/// allowed instead.
pub(super) struct Reader<'r> {
    /// Where they are taken from.
    pub(super) document: Document,
    /// Where is said what is not allowed.
    pub(super) report: &'r mut Report,
}

impl Reader<'_> {
    /// A key with one value.
    pub(super) fn one<T: PartialEq>(
        &mut self,
        section: Section,
        key: &'static str,
        rule: impl Fn(&Value) -> Result<T, String>,
    ) -> Field<T> {
        self.field(section, key, |report, written| judge(report, written, &rule))
    }

    /// A key with a list, whose items all follow `rule`; `such_as` is an example of the list.
    pub(super) fn each<T: PartialEq>(
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
            // All are judged, so that all that are wrong are told of.
            let judged: Vec<Field<T>> = judged.collect();
            let good: Option<Vec<At<T>>> = judged.into_iter().map(Field::into_given).collect();
            match good {
                Some(value) => Field::Given(At { spot: written.spot, shown: written.shown, value }),
                None => Field::Refused,
            }
        })
    }

    /// A key where it belongs or where the oldest files have it; in both places only if both say
    /// the same.
    fn field<T: PartialEq>(
        &mut self,
        section: Section,
        key: &'static str,
        read: impl Fn(&mut Report, Written) -> Field<T>,
    ) -> Field<T> {
        let own = self.document.take(section, key);
        let old = if keys::was_at_the_top(section, key) {
            self.document.take(Section::Top, key)
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

    /// `own`, unless `old` says something else.
    fn agreed<T: PartialEq>(&mut self, own: Field<T>, old: &Field<T>) -> Field<T> {
        let (Some(mine), Some(other)) = (own.given(), old.given()) else {
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
    written: Written,
    rule: &impl Fn(&Value) -> Result<T, String>,
) -> Field<T> {
    let Written { spot, shown, value } = written;
    match rule(&value) {
        Ok(value) => Field::Given(At { spot, shown, value }),
        Err(allowed) => {
            report.refuse(&spot, not_allowed(&shown, &allowed));
            Field::Refused
        }
    }
}

/// The one form in which a value is refused.
pub(super) fn not_allowed(shown: &str, allowed: &str) -> String {
    format!("{shown} is not allowed; {allowed}")
}

fn a_list(such_as: &str) -> String {
    format!("a list, such as {such_as}")
}
