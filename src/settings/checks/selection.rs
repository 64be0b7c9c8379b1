//! The keys that choose checks, at the top of the file and in a service: `check`, `checks`, `require`.

use super::GROUP;
use super::parsed::{ParsedCheck, ParsedChecks};
use crate::config::document::Holder;
use crate::config::field::{At, Field, FieldReader, List};
use crate::config::keys::{Key, Section};
use crate::config::problem::{Report, Spot};
use crate::config::rule::text;
use crate::config::value::Value;
use crate::settings::references::Reference;

/// The keys that choose checks.
pub(in crate::settings) const KEYS: [Key; 3] =
    [Key::new(GROUP), Key::new("checks"), Key::new("require")];

/// An example of a list of checks.
const CHECKS: &str = "[\"web\", { type = \"icmp\" }]";

/// The number of counted checks that must be up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Require {
    /// All of them.
    All,
    /// At least one.
    Any,
    /// At least this number.
    AtLeast(usize),
}

/// A check in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum CheckReference {
    /// The one with this name.
    Named(String),
    /// The table at this place of the list.
    Own,
}

/// The values of these keys. Tables in place of names are among the checks of the file.
pub(in crate::settings) struct ChosenChecks {
    /// The table that has the keys, by its place among the tables of the file; `None` for the top.
    table: Option<usize>,
    check: Field<String>,
    checks: List<CheckReference>,
    pub(super) require: Field<Require>,
}

/// A check that was chosen, and the place where it was.
pub(super) struct Choice<'a> {
    /// The check that was chosen.
    pub(super) check: &'a ParsedCheck,
    /// The place where it is named, or of its table.
    pub(super) spot: &'a Spot,
}

impl ChosenChecks {
    /// Takes the values out of a section or table. `table` is its place among the tables of the file.
    pub(in crate::settings) fn parse(
        table: Option<usize>,
        section: Section,
        values: &mut FieldReader<'_>,
    ) -> Self {
        let allowed = "the name of a check, or a table such as { type = \"tcp\", port = 443 }";
        Self {
            table,
            check: values.one(section, GROUP, text(allowed, some_name)),
            checks: values.each(section, "checks", CHECKS, reference),
            require: values.one(section, "require", require),
        }
    }

    /// Whether any check is chosen here, a refused one included. `checks` are those of the file.
    pub(in crate::settings) fn is_given(&self, checks: &ParsedChecks) -> bool {
        !self.check.is_absent() || !self.checks.is_absent() || self.own(checks, None).is_some()
    }

    /// Returns the place of the choice.
    pub(in crate::settings) fn spot<'a>(&'a self, checks: &'a ParsedChecks) -> Option<&'a Spot> {
        let own = self.own(checks, None).map(|check| &check.spot);
        self.checks.spot().or(self.check.spot()).or(own)
    }

    /// Returns the place of `require`.
    pub(in crate::settings) fn require_spot(&self) -> Option<&Spot> {
        self.require.spot()
    }

    /// Whether a check with this name is chosen.
    pub(in crate::settings) fn names(&self, name: &str) -> bool {
        let mut listed = self.checks.items().iter();
        self.check.value().is_some_and(|chosen| chosen == name)
            || listed.any(|at| matches!(&at.value, CheckReference::Named(chosen) if chosen == name))
    }

    /// Returns the chosen checks. Those that are not known are refused; `None` then.
    pub(super) fn resolve<'a>(
        &'a self,
        checks: &'a ParsedChecks,
        report: &mut Report,
    ) -> Option<Vec<Choice<'a>>> {
        let own = self.own(checks, None);
        if let Some(list) = self.checks.present() {
            if let Some(one) = self.check.spot().or(own.map(|check| &check.spot)) {
                let line = one.line.unwrap_or_default();
                let what =
                    format!("not used together with check, line {line}; put that into the list");
                report.refuse_once(&list.spot, what);
            }
            return self.resolve_list(list, checks, report);
        }
        if self.checks.is_refused() || self.check.is_refused() {
            return None;
        }
        let Some(at) = self.check.present() else {
            return own.map(|check| vec![Choice { check, spot: &check.spot }]);
        };
        if let Some(own) = own {
            let line = at.spot.line.unwrap_or_default();
            report.refuse_once(&own.spot, format!("already given in line {line}"));
        }
        if self.table.is_none() {
            let what = format!(
                "{} is not allowed here, since TOML has no room for [check.NAME] beside it; name a check as \
                 checks = [{}]",
                at.shown, at.shown
            );
            report.refuse_once(&at.spot, what);
            return None;
        }
        let check = checks.named(&at.value);
        if check.is_none() {
            let At { spot, shown, value } = at;
            checks.refuse_unknown(&Reference { name: value, shown, spot }, report);
        }
        check.map(|check| vec![Choice { check, spot: &at.spot }])
    }

    fn resolve_list<'a>(
        &'a self,
        list: &'a At<Vec<At<CheckReference>>>,
        checks: &'a ParsedChecks,
        report: &mut Report,
    ) -> Option<Vec<Choice<'a>>> {
        if list.value.is_empty() {
            report.refuse_once(&list.spot, format!("[] is not allowed; a list, such as {CHECKS}"));
            return None;
        }
        let mut choices = Vec::new();
        for (before, item) in list.value.iter().enumerate() {
            let check = match &item.value {
                CheckReference::Own => self.own(checks, Some(before + 1)),
                CheckReference::Named(name) => {
                    let found = checks.named(name);
                    if found.is_none() {
                        let At { spot, shown, .. } = item;
                        checks.refuse_unknown(&Reference { name, shown, spot }, report);
                    }
                    found
                }
            };
            if let Some(check) = check {
                let spot = if check.name.is_some() { &item.spot } else { &check.spot };
                choices.push(Choice { check, spot });
            }
        }
        (choices.len() == list.value.len()).then_some(choices)
    }

    /// Returns the table that stands here in place of a name: at this place of the list, or as the only
    /// value.
    fn own<'a>(&self, checks: &'a ParsedChecks, nth: Option<usize>) -> Option<&'a ParsedCheck> {
        checks.held_by(Holder { table: self.table, nth })
    }
}

fn some_name(name: &str) -> Option<String> {
    (!name.is_empty()).then(|| name.to_owned())
}

/// Reads an item of a list of checks.
fn reference(value: &Value) -> Result<CheckReference, String> {
    match value {
        Value::Text(name) if !name.is_empty() => Ok(CheckReference::Named(name.clone())),
        Value::Table(_) => Ok(CheckReference::Own),
        _ => {
            Err("the name of a check, or a table such as { type = \"tcp\", port = 443 }".to_owned())
        }
    }
}

fn require(value: &Value) -> Result<Require, String> {
    match value {
        Value::Text(word) if word == "all" => Ok(Require::All),
        Value::Text(word) if word == "any" => Ok(Require::Any),
        Value::Integer(number) if (1..=1000).contains(number) => {
            Ok(Require::AtLeast(usize::try_from(*number).unwrap_or(1)))
        }
        _ => Err("\"all\", \"any\", or the number of checks that must be up, from 1".to_owned()),
    }
}
