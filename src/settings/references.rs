//! References from one table to another by name.

use crate::config::keys::nearest;
use crate::config::problem::{Report, Spot};
use crate::config::rule::is_label;
use crate::text::disclosure;

/// A name that refers to a table.
pub(super) struct Reference<'a> {
    /// The name as written.
    pub(super) name: &'a str,
    /// The name in a form that may be displayed.
    pub(super) shown: &'a str,
    /// The place of the name.
    pub(super) spot: &'a Spot,
}

impl Reference<'_> {
    /// Refuses a name that is not one of `known`, and suggests the nearest one.
    pub(super) fn refuse_unknown(&self, kind: &str, known: &[&str], report: &mut Report) {
        let Self { name, shown, spot } = self;
        let folded = name.to_ascii_lowercase();
        let what = match (nearest(&folded, known.iter().copied()), known) {
            (Some(near), _) => format!("there is no {kind} {shown}; did you mean \"{near}\"?"),
            (None, []) => format!("there is no {kind} {shown}; give it as [{kind}.NAME]"),
            (None, known) => format!("there is no {kind} {shown}; there is {}", known.join(", ")),
        };
        report.refuse_once(spot, what);
    }
}

/// Returns the names that may be displayed: one that is not allowed may be a secret in the wrong place.
pub(super) fn shown<'a>(names: &[&'a str]) -> Vec<&'a str> {
    let allowed = names.iter().filter(|name| is_label(name) && disclosure::name(name) == **name);
    allowed.copied().collect()
}
