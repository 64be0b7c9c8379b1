//! The sections and tables of a file, and their keys.

use std::borrow::Cow;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{Document, Name, Reading, Table};
use crate::config::keys::{Section, TableForm, TableGroup};
use crate::config::problem::Spot;
use crate::config::rule;
use crate::text::disclosure;

/// The header of a table that may occur any number of times.
#[derive(Clone, Copy)]
struct Header<'a> {
    group: &'a TableGroup,
    /// The name in the header.
    name: Option<&'a str>,
    /// The table that this one is a value of.
    owner: Option<usize>,
    offset: usize,
}

impl Reading<'_, '_> {
    /// Collects the keys of all sections and tables and those above them, in the order of the file,
    /// and checks the headers on the way.
    pub(super) fn flatten<'t>(&mut self, table: &'t DeTable<'t>) -> Vec<Name<'t>> {
        let mut names = Vec::new();
        for (key, value) in in_order(table) {
            let (written, offset) = (key.get_ref().as_ref(), key.span().start);
            let folded = written.to_ascii_lowercase();
            let name = Name { table: None, section: Section::TOP, key: written, offset, value };
            let section = self.document.schema.section(&folded);
            if let (Some(section), DeValue::Table(inner)) = (section, value.get_ref()) {
                self.section(section, written, offset);
                names.extend(keys_of(inner, section, None));
            } else if let Some(group) = self.document.schema.group(&folded).cloned()
                && matches!(value.get_ref(), DeValue::Table(_) | DeValue::Array(_))
            {
                self.group(&group, name, &mut names);
            } else {
                names.push(name);
            }
        }
        names.sort_by_key(|name| name.offset);
        names
    }

    /// Records a section, which may occur only once.
    fn section(&mut self, section: Section, written: &str, offset: usize) {
        let line = self.lines.at(offset);
        if let Some(first) = self.document.sections.get(&section) {
            let what = format!("already given in line {first}");
            self.report.refuse(&Spot::line(line, &disclosure::name(written)), what);
        } else {
            self.document.sections.insert(section, line);
        }
    }

    /// Records the tables of a group, and adds their keys to `names`.
    fn group<'t>(&mut self, group: &TableGroup, top: Name<'t>, names: &mut Vec<Name<'t>>) {
        match (group.form, top.value.get_ref()) {
            (TableForm::Named, DeValue::Table(tables)) => {
                for (key, value) in in_order(tables) {
                    let (name, offset) = (key.get_ref().as_ref(), key.span().start);
                    let DeValue::Table(inner) = value.get_ref() else {
                        self.refuse_form(group, &format!("{}.{name}", group.name), offset);
                        continue;
                    };
                    self.check_label(group, name, offset);
                    let header = Header { group, name: Some(name), owner: None, offset };
                    self.table(header, inner, names);
                }
            }
            (TableForm::Listed, DeValue::Array(tables)) => {
                for table in tables {
                    let offset = table.span().start;
                    let DeValue::Table(inner) = table.get_ref() else {
                        self.refuse_form(group, group.name, offset);
                        continue;
                    };
                    self.table(Header { group, name: None, owner: None, offset }, inner, names);
                }
            }
            _ => self.refuse_form(group, group.name, top.offset),
        }
    }

    /// Refuses a value that stands where only tables of a group may stand.
    fn refuse_form(&mut self, group: &TableGroup, written: &str, offset: usize) {
        if self.document.whole {
            let spot = Spot::line(self.lines.at(offset), &disclosure::name(written));
            self.report.refuse(&spot, format!("not a key but a section, {}", group.header()));
        }
    }

    /// Refuses a header with a name that is not allowed.
    fn check_label(&mut self, group: &TableGroup, name: &str, offset: usize) {
        if !rule::is_label(name) && self.document.whole {
            let name = disclosure::name(name);
            let spot = Spot::line(self.lines.at(offset), &format!("{}.{name}", group.name));
            self.report.refuse(&spot, format!("{name} is not allowed; {}", rule::LABEL));
        }
    }

    /// Records a table, and adds its keys to `names`.
    fn table<'t>(&mut self, header: Header<'_>, inner: &'t DeTable<'t>, names: &mut Vec<Name<'t>>) {
        let Header { group, name, owner, offset } = header;
        let line = self.lines.at(offset);
        let spot = Spot::line(line, &self.label(header, inner));
        if let Some(first) = self.earlier(header) {
            let first = first.line.unwrap_or_default();
            self.report.refuse(&spot, format!("already given in line {first}"));
            return;
        }
        let (home, schema) = group.table(text_of(inner, group.selector));
        let document = Document::of_table(schema, home, &spot, self.document.whole);
        let table = self.document.tables.len();
        let name = name.map(str::to_owned);
        let group = group.name;
        self.document.tables.push(Table { group, name, owner, spot, home, document });
        for name in keys_of(inner, home, Some(table)) {
            // A table of another group may stand in place of the name of one.
            let folded = name.key.to_ascii_lowercase();
            let is_key = self.document(Some(table)).schema.find(home, &folded).is_some();
            let other = self.document.schema.group(&folded);
            let other = other.filter(|group| is_key && group.may_be_value).cloned();
            match (other, name.value.get_ref()) {
                (Some(group), DeValue::Table(inner)) => {
                    let (owner, offset) = (Some(table), name.offset);
                    self.table(Header { group: &group, name: None, owner, offset }, inner, names);
                }
                _ => names.push(name),
            }
        }
    }

    /// Returns the place of an earlier table with the same name, or in the same place.
    fn earlier(&self, header: Header<'_>) -> Option<&Spot> {
        let Header { group, name, owner, .. } = header;
        let mut tables = self.document.tables.iter().filter(|table| table.group == group.name);
        let same = tables.find(|table| match (name, owner) {
            (Some(name), _) => table.name.as_deref() == Some(name),
            (None, Some(owner)) => table.owner == Some(owner),
            (None, None) => false,
        });
        same.map(|table| &table.spot)
    }

    /// Returns the name of a table in messages: `zone.main`, `service.www`, or `service[2]` if it has
    /// no name of its own.
    fn label(&self, header: Header<'_>, inner: &DeTable<'_>) -> String {
        let group = header.group.name;
        if let Some(owner) = header.owner.and_then(|owner| self.document.tables.get(owner)) {
            return format!("{}.{group}", owner.spot.key);
        }
        if let Some(name) = header.name.or_else(|| text_of(inner, "name")) {
            return format!("{group}.{}", disclosure::name(name));
        }
        let before = self.document.tables.iter().filter(|table| table.group == group).count();
        format!("{group}[{}]", before + 1)
    }
}

/// Returns the entries of a table in the order of the file.
fn in_order<'t>(
    table: &'t DeTable<'t>,
) -> Vec<(&'t Spanned<Cow<'t, str>>, &'t Spanned<DeValue<'t>>)> {
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    entries
}

/// Returns the keys of a section or a table.
fn keys_of<'t>(
    inner: &'t DeTable<'t>,
    section: Section,
    table: Option<usize>,
) -> impl Iterator<Item = Name<'t>> {
    in_order(inner).into_iter().map(move |(key, value)| {
        let (key, offset) = (key.get_ref().as_ref(), key.span().start);
        Name { table, section, key, offset, value }
    })
}

/// Returns the text of a key in a table, if it is one.
fn text_of<'t>(table: &'t DeTable<'t>, key: &str) -> Option<&'t str> {
    let mut entries = table.iter().filter(|(name, _)| name.get_ref().eq_ignore_ascii_case(key));
    match entries.next()?.1.get_ref() {
        DeValue::String(text) => Some(text),
        _ => None,
    }
}
