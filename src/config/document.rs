//! The file as written: known keys, each with its line and its value.
//!
//! - `headers`: the sections and tables with their keys
//! - `lines`: the lines of the text, and the values in them

mod headers;
mod lines;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use self::lines::Lines;
use super::keys::{Schema, Section};
use super::problem::{Report, Spot};
use super::value::WrittenValue;
use crate::text::disclosure;

/// The known keys of a file, or of one of its tables, by section and name.
pub(crate) struct Document {
    /// The names that the file may hold.
    schema: Schema,
    /// The name of this table, such as `zone.main`; `None` for a whole file.
    label: Option<String>,
    keys: BTreeMap<(Section, &'static str), WrittenValue>,
    /// The keys that the file may hold and that no section has taken yet.
    untaken: BTreeSet<(Section, &'static str)>,
    /// The line of each section's header.
    sections: BTreeMap<Section, usize>,
    /// The tables that may occur any number of times, in the order of the file.
    tables: Vec<Table>,
    /// Whether every line is TOML. If not, an absent key may have been lost.
    pub(crate) whole: bool,
}

/// A table that may occur any number of times, such as `[zone.main]`.
pub(crate) struct Table {
    /// The name of the group, such as `zone`.
    pub(crate) group: &'static str,
    /// The name in the header, as written; `None` for a table in a list or in another table.
    pub(crate) name: Option<String>,
    /// The key that this table is a value of; `None` for a table with a header of its own.
    pub(crate) holder: Option<Holder>,
    /// The place of the header.
    pub(crate) spot: Spot,
    /// The section under which the keys of the table are kept.
    pub(crate) home: Section,
    /// The keys of the table.
    pub(crate) document: Document,
}

/// The key that a table is a value of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Holder {
    /// The table that has the key, by its place among the tables of the file; `None` for a key above
    /// the first section.
    pub(crate) table: Option<usize>,
    /// The number of the table in a list, counted from 1; `None` if it is the only value.
    pub(crate) nth: Option<usize>,
}

/// A key that the file has.
pub(crate) struct WrittenPlace {
    /// The name of the key.
    pub(crate) key: &'static str,
    /// The place of its value.
    pub(crate) spot: Spot,
    /// Whether it stands above the first section, as in the oldest files.
    pub(crate) at_top: bool,
}

impl Document {
    /// Returns the keys of a section that no section has taken yet, also those at the top.
    pub(crate) fn written_in(&self, section: Section) -> Vec<WrittenPlace> {
        let mut written = Vec::new();
        for ((home, key), value) in &self.keys {
            let at_top = *home == Section::TOP && self.was_at_the_top(section, key);
            if *home == section || at_top {
                written.push(WrittenPlace { key, spot: value.spot.clone(), at_top });
            }
        }
        written
    }

    /// Removes and returns a key.
    pub(crate) fn take(&mut self, section: Section, key: &'static str) -> Option<WrittenValue> {
        self.untaken.remove(&(section, key));
        self.keys.remove(&(section, key))
    }

    /// Panics in a debug build if a section declares a key that it does not take: the value of such
    /// a key would be ignored without a word.
    pub(crate) fn assert_all_taken(&self) {
        debug_assert!(self.untaken.is_empty(), "declared and not taken: {:?}", self.untaken);
    }

    /// Removes and returns the tables, in the order of the file.
    pub(crate) fn take_tables(&mut self) -> Vec<Table> {
        std::mem::take(&mut self.tables)
    }

    /// Returns the place of an absent key: the header of its section, if there is one.
    pub(crate) fn missing(&self, section: Section, key: &str) -> Spot {
        let key = self.full(section, key);
        match self.sections.get(&section) {
            Some(line) => Spot::line(*line, &key),
            None => Spot::missing(&key),
        }
    }

    /// Returns `key` with its table or section in front.
    fn full(&self, section: Section, key: &str) -> String {
        match &self.label {
            Some(label) => format!("{label}.{key}"),
            None => section.key(key),
        }
    }

    /// Whether the oldest files have this key of `section` at the top.
    pub(crate) fn was_at_the_top(&self, section: Section, key: &str) -> bool {
        self.label.is_none() && self.schema.was_at_the_top(section, key)
    }

    /// Returns the place of a section's header, if the file has the section.
    pub(crate) fn header(&self, section: Section) -> Option<Spot> {
        self.sections.get(&section).map(|line| Spot::line(*line, section.name()))
    }

    /// Whether the file has this section.
    pub(crate) fn has(&self, section: Section) -> bool {
        self.sections.contains_key(&section)
    }

    /// Whether the file has no section and no key.
    pub(crate) fn is_empty(&self) -> bool {
        self.keys.is_empty() && self.sections.is_empty() && self.tables.is_empty()
    }

    /// Returns the document of a table without its keys.
    fn of_table(schema: Schema, home: Section, spot: &Spot, whole: bool) -> Self {
        let mut document = Self::new(schema, whole);
        document.sections.insert(home, spot.line.unwrap_or_default());
        document.label = Some(spot.key.clone());
        document
    }

    fn new(schema: Schema, whole: bool) -> Self {
        let untaken = schema.keys().map(|(section, key)| (section, key.name)).collect();
        Self {
            schema,
            label: None,
            keys: BTreeMap::new(),
            untaken,
            sections: BTreeMap::new(),
            tables: Vec::new(),
            whole,
        }
    }
}

/// The parser's message about a key that already exists in the same spelling.
const DUPLICATE: &str = "duplicate key";

/// Reads a file. Names and syntax are checked here, values are not.
///
/// If a line is not TOML, the parser's result for it is dropped, and unknown names are not
/// reported, because they may be fragments of the broken lines.
pub(crate) fn read(text: &str, schema: Schema, report: &mut Report) -> Document {
    let (table, errors) = DeTable::parse_recoverable(text);
    let (twice, errors): (Vec<_>, Vec<_>) =
        errors.iter().partition(|error| error.message() == DUPLICATE);
    let lines = Lines::of(text);
    let broken: BTreeSet<usize> = errors.iter().map(|error| lines.at(start(error))).collect();
    let document = Document::new(schema, errors.is_empty());
    let mut reading = Reading { lines, broken, report, document };
    let names = reading.flatten(table.get_ref());
    reading.syntax(&errors, &names);
    reading.twice(&twice, &names);
    for name in names {
        reading.name(name);
    }
    reading.document
}

/// Returns the offset at which an error begins.
fn start(error: &toml::de::Error) -> usize {
    error.span().map_or(0, |span| span.start)
}

/// A key as written, with its value.
#[derive(Clone, Copy)]
struct Name<'a> {
    /// The table that the key stands in; `None` for a section or the top.
    table: Option<usize>,
    section: Section,
    /// The key in its original spelling.
    key: &'a str,
    offset: usize,
    value: &'a Spanned<DeValue<'a>>,
}

/// State while a file is read.
struct Reading<'a, 'r> {
    lines: Lines<'a>,
    /// The lines that are not TOML.
    broken: BTreeSet<usize>,
    report: &'r mut Report,
    document: Document,
}

impl Reading<'_, '_> {
    /// Returns the document of a table, or that of the whole file.
    fn document(&self, table: Option<usize>) -> &Document {
        let table = table.and_then(|table| self.document.tables.get(table));
        table.map_or(&self.document, |table| &table.document)
    }

    /// Reports each line that is not TOML once, with the key that was to be set there.
    fn syntax(&mut self, errors: &[&toml::de::Error], names: &[Name<'_>]) {
        let mut keys = BTreeMap::new();
        for name in names {
            let document = self.document(name.table);
            if let Some(key) = document.schema.find(name.section, &name.key.to_ascii_lowercase()) {
                keys.insert(self.lines.at(name.offset), document.full(name.section, key.name));
            }
        }
        let mut told = BTreeSet::new();
        for error in errors {
            let line = self.lines.at(start(error));
            if told.insert(line) {
                let message = self.explained(line, error.message());
                self.report.syntax(line, keys.get(&line).cloned(), &message);
            }
        }
    }

    /// Returns the parser's message about a line. Where a value stands in the way of tables, such as
    /// `check = "web"` above `[check.web]`, the way out follows.
    fn explained(&self, line: usize, message: &str) -> String {
        let header = self.lines.text_of(line).trim().trim_start_matches('[');
        let group = header.split(['.', ']']).next().unwrap_or_default().trim().to_ascii_lowercase();
        let group = self.document.schema.group(&group);
        match group.and_then(|group| Some((group, group.value_keys?))) {
            Some((group, keys)) if message.starts_with("cannot extend value") => format!(
                "{message}: {} has a value, which leaves no room for {}; {} = [...] has names and tables",
                keys.one,
                group.header(),
                keys.many,
            ),
            _ => message.to_owned(),
        }
    }

    /// Reports keys and sections that the parser found twice in the same spelling.
    fn twice(&mut self, errors: &[&toml::de::Error], names: &[Name<'_>]) {
        for error in errors {
            let offset = start(error);
            let written = self.lines.text.get(error.span().unwrap_or_default()).unwrap_or_default();
            let bare = written.trim_matches(['"', '\'']);
            // The nearest one above belongs to the same section.
            let above = names.iter().rfind(|name| name.offset < offset && name.key == bare);
            let line = self.lines.at(offset);
            if let Some(name) = above {
                let first = self.lines.at(name.offset);
                let key = self.document(name.table).full(name.section, &disclosure::name(bare));
                let spot = Spot::line(line, &key);
                self.report.refuse(&spot, format!("already given in line {first}"));
            } else {
                self.report.refuse(&Spot::line(line, &disclosure::name(bare)), "given twice");
            }
        }
    }

    /// Records a key if it is known and was not recorded before.
    fn name(&mut self, name: Name<'_>) {
        let Name { table, section, key: written, offset, value } = name;
        let line = self.lines.at(offset);
        if self.is_broken(line, &value.span()) {
            return;
        }
        let document = self.document(table);
        let Some(key) = document.schema.find(section, &written.to_ascii_lowercase()) else {
            self.unknown(name, line);
            return;
        };
        let spot = Spot::line(line, &document.full(section, key.name));
        if let Some(first) = document.keys.get(&(section, key.name)) {
            let first = first.spot.line.unwrap_or_default();
            self.report.refuse(&spot, format!("already given in line {first}"));
            return;
        }
        let written = self.lines.written(spot, value, key.is_secret);
        let tables = &mut self.document.tables;
        let table = table.and_then(|table| tables.get_mut(table));
        let keys = table.map_or(&mut self.document.keys, |table| &mut table.document.keys);
        keys.insert((section, key.name), written);
    }

    /// Whether any line of a key and its value is not TOML.
    fn is_broken(&self, line: usize, value: &Range<usize>) -> bool {
        let lines = line..=self.lines.at(value.end).max(line);
        self.broken.range(lines).next().is_some()
    }

    /// Refuses an unknown name. Its value is not displayed, because it may be a secret.
    fn unknown(&mut self, name: Name<'_>, line: usize) {
        if !self.document.whole {
            return;
        }
        let Name { table, section, key: written, value, .. } = name;
        let folded = written.to_ascii_lowercase();
        let document = self.document(table);
        let spot = Spot::line(line, &document.full(section, &disclosure::name(written)));
        let is_table = is_table(value.get_ref());
        let (schema, has_tables) = (&self.document.schema, !self.document.tables.is_empty());
        let table = table.and_then(|table| self.document.tables.get(table));
        if let Some(Table { group, document, .. }) = table {
            let what = schema.about_unknown_in_table(group, &document.schema, &folded);
            self.report.refuse(&spot, what);
            return;
        }
        let what = match schema.section(&folded) {
            Some(wanted) if section == Section::TOP => format!("not a key but a section, {wanted}"),
            _ if is_table && section == Section::TOP => {
                schema.about_unknown_section(&folded, has_tables)
            }
            _ if has_tables => schema.about_unknown_beside_tables(section, &folded),
            _ => schema.about_unknown_key(section, &folded),
        };
        self.report.refuse(&spot, what);
    }
}

/// Whether a value is a table, or a list of tables as below `[[service]]`.
fn is_table(value: &DeValue<'_>) -> bool {
    match value {
        DeValue::Table(_) => true,
        DeValue::Array(items) => items.iter().next().is_some_and(|item| item.get_ref().is_table()),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::keys::Key;

    #[test]
    #[should_panic(expected = "declared and not taken")]
    fn a_key_that_is_declared_and_not_taken_fails() {
        let mut schema = Schema::default();
        schema.add(Section::TOP, &[const { Key::new("taken") }, const { Key::new("forgotten") }]);
        let mut document = read("", schema, &mut Report::new("x"));
        document.take(Section::TOP, "taken");
        document.assert_all_taken();
    }
}
