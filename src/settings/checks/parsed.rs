//! A check in the file: `[check.NAME]`, or a table in place of the name of one.

use super::config::CheckMode;
use super::{CheckContext, CheckKeys, CheckType, GROUP, HOME};
use crate::config::document::{Document, Holder, Table};
use crate::config::field::{Field, FieldReader};
use crate::config::keys::{GroupKind, Key, TableForm, TableGroup, ValueKeys};
use crate::config::problem::{Report, Spot};
use crate::config::rule::text;
use crate::config::section::SectionContext;
use crate::settings::pace_keys::PaceKeys;
use crate::settings::references::{Reference, shown};

/// A check in the file, each of its values validated alone.
pub(in crate::settings) struct ParsedCheck {
    /// The name in the header; `None` for one that is a value.
    pub(super) name: Option<String>,
    /// The key that it is a value of.
    holder: Option<Holder>,
    /// The place of the header, or of the key.
    pub(in crate::settings) spot: Spot,
    /// The pace and the thresholds.
    pub(super) pace: PaceKeys,
    /// The value of `mode`.
    pub(super) mode: Field<CheckMode>,
    /// The value of `type`.
    pub(super) kind: Field<&'static str>,
    /// The words for a check without a type.
    missing: Option<String>,
    /// The keys of its type; `None` without a known one.
    pub(super) keys: Option<Box<dyn CheckKeys>>,
    document: Document,
}

/// The checks of a file.
#[derive(Default)]
pub(in crate::settings) struct ParsedChecks(Vec<ParsedCheck>);

impl ParsedChecks {
    /// Adds a check.
    pub(in crate::settings) fn push(&mut self, check: ParsedCheck) {
        self.0.push(check);
    }

    /// Iterates over the checks that have a name, in the order of the file.
    pub(in crate::settings) fn iter_named(&self) -> impl Iterator<Item = (&str, &ParsedCheck)> {
        self.0.iter().filter_map(|check| Some((check.name.as_deref()?, check)))
    }

    /// Returns the check with this name.
    pub(super) fn named(&self, name: &str) -> Option<&ParsedCheck> {
        self.iter_named().find(|(known, _)| *known == name).map(|(_, check)| check)
    }

    /// Returns the check that is the value of this key.
    pub(super) fn held_by(&self, holder: Holder) -> Option<&ParsedCheck> {
        self.0.iter().find(|check| check.holder == Some(holder))
    }

    /// Validates each check, also one that nothing uses.
    pub(in crate::settings) fn validate(&self, file: &mut SectionContext<'_>) {
        for check in &self.0 {
            check.validate(file);
        }
    }

    /// Refuses the name of a check that the file does not have.
    pub(super) fn refuse_unknown(&self, reference: &Reference<'_>, report: &mut Report) {
        let names: Vec<&str> = self.iter_named().map(|(name, _)| name).collect();
        reference.refuse_unknown(GROUP, &shown(&names), report);
    }
}

/// Returns the tables of checks, with the keys of these types.
pub(in crate::settings) fn group(types: &[CheckType]) -> TableGroup {
    const KEYS: &[Key] = &[
        Key::new("type"),
        Key::new("mode"),
        Key::new("failure_threshold"),
        Key::new("recovery_threshold"),
        Key::new("interval"),
        Key::new("timeout"),
        Key::new("retry_interval"),
    ];
    let mut kinds = Vec::new();
    for known in types {
        kinds.push(GroupKind { kind: known.word, home: HOME, keys: known.keys });
    }
    TableGroup {
        name: GROUP,
        form: TableForm::Named,
        home: HOME,
        keys: KEYS,
        selector: "type",
        value_keys: Some(ValueKeys { one: GROUP, many: "checks" }),
        kinds,
    }
}

impl ParsedCheck {
    /// Takes the values out of a table.
    pub(in crate::settings) fn parse(
        table: Table,
        types: &[CheckType],
        report: &mut Report,
    ) -> Self {
        let Table { name, holder, spot, document, .. } = table;
        let mut values = FieldReader { document, report };
        let kind = values.one(HOME, "type", |value| {
            let word = crate::config::value::as_text(value);
            let known = types.iter().find(|known| Some(known.word) == word);
            known.map(|known| known.word).ok_or_else(|| words_of(types))
        });
        let missing = kind.is_absent().then(|| format!("missing; {}", words_of(types)));
        let mode = values.one(HOME, "mode", text("\"count\" or \"watch\"", mode));
        let pace = PaceKeys::parse(HOME, &mut values);
        let known = types.iter().find(|known| Some(&known.word) == kind.value());
        let keys = known.map(|known| (known.parse)(&mut values));
        Self { name, holder, spot, pace, mode, kind, missing, keys, document: values.document }
    }

    /// Validates the values together, and refuses a check without a type.
    fn validate(&self, file: &mut SectionContext<'_>) {
        if let Some(what) = &self.missing {
            let spot = self.document.missing(HOME, "type");
            file.report.refuse(&spot, what.clone());
        }
        if let Some(keys) = &self.keys {
            keys.validate(&mut CheckContext { spot: &self.spot, file });
        }
    }

    /// Whether it is counted.
    pub(super) fn mode(&self) -> CheckMode {
        self.mode.or(CheckMode::Count)
    }
}

/// Lists the types: `"icmp", "tcp" or "dns"`.
fn words_of(types: &[CheckType]) -> String {
    let quoted: Vec<String> = types.iter().map(|known| format!("\"{}\"", known.word)).collect();
    match quoted.as_slice() {
        [first @ .., last] if !first.is_empty() => format!("{} or {last}", first.join(", ")),
        all => all.concat(),
    }
}

fn mode(text: &str) -> Option<CheckMode> {
    match text {
        "count" => Some(CheckMode::Count),
        "watch" => Some(CheckMode::Watch),
        _ => None,
    }
}
