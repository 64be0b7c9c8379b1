//! The sections and tables of a file, and their keys.

use toml::de::{DeTable, DeValue};

use super::lines::in_order;
use super::{Document, Holder, Name, Reading, Table};
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
    /// The key that the table is a value of.
    holder: Option<Holder>,
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
                && is_header(&group, value.get_ref())
            {
                self.group(&group, name, &mut names);
            } else {
                self.key(name, &mut names);
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
                if is_value(group, tables) {
                    let holder = Some(Holder { table: None, nth: None });
                    self.table(
                        Header { group, name: None, holder, offset: top.offset },
                        tables,
                        names,
                    );
                }
                for (key, value) in in_order(tables) {
                    let (name, offset) = (key.get_ref().as_ref(), key.span().start);
                    if is_value_of(group, tables, name, value.get_ref()) {
                        continue;
                    }
                    let DeValue::Table(inner) = value.get_ref() else {
                        self.refuse_form(group, &format!("{}.{name}", group.name), offset);
                        continue;
                    };
                    self.check_label(group, name, offset);
                    let header = Header { group, name: Some(name), holder: None, offset };
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
                    self.table(Header { group, name: None, holder: None, offset }, inner, names);
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
        let Header { group, name, holder, offset } = header;
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
        let beside_named = holder == Some(Holder { table: None, nth: None });
        self.document.tables.push(Table { group: group.name, name, holder, spot, home, document });
        for name in keys_of(inner, home, Some(table)) {
            if !beside_named || is_value_of(group, inner, name.key, name.value.get_ref()) {
                self.key(name, names);
            }
        }
    }

    /// Adds a key to `names`. A table of another group may stand in place of the name of one: it is
    /// recorded as a table.
    fn key<'t>(&mut self, name: Name<'t>, names: &mut Vec<Name<'t>>) {
        let folded = name.key.to_ascii_lowercase();
        let schema = &self.document(name.table).schema;
        let is_known = schema.find(name.section, &folded).is_some();
        let form = self.document.schema.group_as_value(&folded).filter(|_| is_known);
        let form = form.map(|(group, keys)| (group.clone(), keys));
        let table = name.table;
        match (form, name.value.get_ref()) {
            (Some((group, keys)), DeValue::Table(inner)) if folded == keys.one => {
                let (holder, offset) = (Some(Holder { table, nth: None }), name.offset);
                self.table(Header { group: &group, name: None, holder, offset }, inner, names);
            }
            (Some((group, keys)), DeValue::Array(items)) if folded == keys.many => {
                for (before, item) in items.iter().enumerate() {
                    let DeValue::Table(inner) = item.get_ref() else { continue };
                    let holder = Some(Holder { table, nth: Some(before + 1) });
                    let offset = item.span().start;
                    self.table(Header { group: &group, name: None, holder, offset }, inner, names);
                }
                names.push(name);
            }
            _ => names.push(name),
        }
    }

    /// Returns the place of an earlier table with the same name, or in the same place.
    fn earlier(&self, header: Header<'_>) -> Option<&Spot> {
        let Header { group, name, holder, .. } = header;
        let mut tables = self.document.tables.iter().filter(|table| table.group == group.name);
        let same = tables.find(|table| match (name, holder) {
            (Some(name), _) => table.name.as_deref() == Some(name),
            (None, Some(holder)) => table.holder == Some(holder),
            (None, None) => false,
        });
        same.map(|table| &table.spot)
    }

    /// Returns the name of a table in messages: `zone.main`, `service.www`, or `service[2]` if it has
    /// no name of its own.
    fn label(&self, header: Header<'_>, inner: &DeTable<'_>) -> String {
        let group = header.group.name;
        if let (Some(holder), Some(keys)) = (header.holder, header.group.value_keys) {
            let key = match holder.nth {
                None => keys.one.to_owned(),
                Some(nth) => format!("{}[{nth}]", keys.many),
            };
            let table = holder.table.and_then(|table| self.document.tables.get(table));
            return table.map_or_else(|| key.clone(), |table| format!("{}.{key}", table.spot.key));
        }
        if let Some(name) = header.name.or_else(|| text_of(inner, "name")) {
            return format!("{group}.{}", disclosure::name(name));
        }
        let before = self.document.tables.iter().filter(|table| table.group == group).count();
        format!("{group}[{}]", before + 1)
    }
}

/// Whether a value of the key with a group's name is the header of its tables. Others are values of a
/// key.
fn is_header(group: &TableGroup, value: &DeValue<'_>) -> bool {
    match value {
        DeValue::Table(_) => true,
        DeValue::Array(_) => group.value_keys.is_none(),
        _ => false,
    }
}

/// Whether the tables below a group's header, such as `[check]`, are a table themselves, which is the
/// value of a key above the first section.
fn is_value(group: &TableGroup, tables: &DeTable<'_>) -> bool {
    let is_named = tables.values().all(|value| value.get_ref().is_table());
    group.value_keys.is_some() && (tables.is_empty() || !is_named)
}

/// Whether an entry below such a header is a key of that table, and not a table with a name.
fn is_value_of(group: &TableGroup, tables: &DeTable<'_>, name: &str, value: &DeValue<'_>) -> bool {
    let folded = name.to_ascii_lowercase();
    is_value(group, tables) && (!value.is_table() || group.has_table_key(&folded))
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
