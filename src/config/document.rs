//! The file as written: known keys, each with its line and its value.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeInteger, DeTable, DeValue};

use super::keys::{Schema, Section};
use super::problem::{Report, Spot};
use super::value::{Value, WrittenValue};
use crate::text::disclosure::{self, hidden};

/// The known keys of a file, by section and name.
pub(crate) struct Document {
    /// The names that the file may hold.
    schema: Schema,
    keys: BTreeMap<(Section, &'static str), WrittenValue>,
    /// The keys that the file may hold and that no section has taken yet.
    untaken: BTreeSet<(Section, &'static str)>,
    /// The line of each section's header.
    sections: BTreeMap<Section, usize>,
    /// Whether every line is TOML. If not, an absent key may have been lost.
    pub(crate) whole: bool,
}

impl Document {
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

    /// Returns the place of an absent key: the header of its section, if there is one.
    pub(crate) fn missing(&self, section: Section, key: &str) -> Spot {
        let key = section.key(key);
        match self.sections.get(&section) {
            Some(line) => Spot::line(*line, &key),
            None => Spot::missing(&key),
        }
    }

    /// Whether the oldest files have this key of `section` at the top.
    pub(crate) fn was_at_the_top(&self, section: Section, key: &str) -> bool {
        self.schema.was_at_the_top(section, key)
    }

    /// Whether the file has this section.
    pub(crate) fn has(&self, section: Section) -> bool {
        self.sections.contains_key(&section)
    }

    /// Whether the file has no section and no key.
    pub(crate) fn is_empty(&self) -> bool {
        self.keys.is_empty() && self.sections.is_empty()
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
    let mut names = reading.flatten(table.get_ref());
    names.sort_by_key(|name| name.offset);
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

impl Document {
    fn new(schema: Schema, whole: bool) -> Self {
        let untaken = schema.keys().map(|(section, key)| (section, key.name)).collect();
        Self { schema, keys: BTreeMap::new(), untaken, sections: BTreeMap::new(), whole }
    }
}

/// A key as written, with its value.
#[derive(Clone, Copy)]
struct Name<'a> {
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
    /// Collects the keys of all sections and those above them, and checks the sections on the way.
    fn flatten<'t>(&mut self, table: &'t DeTable<'t>) -> Vec<Name<'t>> {
        let mut names = Vec::new();
        let mut entries: Vec<_> = table.iter().collect();
        entries.sort_by_key(|(key, _)| key.span().start);
        for (key, value) in entries {
            let (written, offset) = (key.get_ref().as_ref(), key.span().start);
            let section = self.document.schema.section(&written.to_ascii_lowercase());
            match (section, value.get_ref()) {
                (Some(section), DeValue::Table(inner)) => {
                    self.section(section, written, offset);
                    names.extend(inner.iter().map(|(key, value)| Name {
                        section,
                        key: key.get_ref(),
                        offset: key.span().start,
                        value,
                    }));
                }
                _ => names.push(Name { section: Section::TOP, key: written, offset, value }),
            }
        }
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

    /// Reports each line that is not TOML once, with the key that was to be set there.
    fn syntax(&mut self, errors: &[&toml::de::Error], names: &[Name<'_>]) {
        let mut keys: BTreeMap<usize, String> = BTreeMap::new();
        for name in names {
            let folded = name.key.to_ascii_lowercase();
            if let Some(key) = self.document.schema.find(name.section, &folded) {
                keys.insert(self.lines.at(name.offset), name.section.key(key.name));
            }
        }
        let mut told = BTreeSet::new();
        for error in errors {
            let line = self.lines.at(start(error));
            if told.insert(line) {
                self.report.syntax(line, keys.get(&line).cloned(), error.message());
            }
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
                let spot = Spot::line(line, &name.section.key(&disclosure::name(bare)));
                self.report.refuse(&spot, format!("already given in line {first}"));
            } else {
                self.report.refuse(&Spot::line(line, &disclosure::name(bare)), "given twice");
            }
        }
    }

    /// Records a key if it is known and was not recorded before.
    fn name(&mut self, name: Name<'_>) {
        let Name { section, key: written, offset, value } = name;
        let line = self.lines.at(offset);
        if self.is_broken(line, &value.span()) {
            return;
        }
        let folded = written.to_ascii_lowercase();
        let Some(key) = self.document.schema.find(section, &folded) else {
            self.unknown(section, written, line, value);
            return;
        };
        let spot = Spot::line(line, &section.key(key.name));
        if let Some(first) = self.document.keys.get(&(section, key.name)) {
            let first = first.spot.line.unwrap_or_default();
            self.report.refuse(&spot, format!("already given in line {first}"));
            return;
        }
        let written = self.written(spot, value, key.is_secret);
        self.document.keys.insert((section, key.name), written);
    }

    /// Whether any line of a key and its value is not TOML.
    fn is_broken(&self, line: usize, value: &Range<usize>) -> bool {
        let lines = line..=self.lines.at(value.end).max(line);
        self.broken.range(lines).next().is_some()
    }

    /// Refuses an unknown name. Its value is not displayed, because it may be a secret.
    fn unknown(
        &mut self,
        section: Section,
        written: &str,
        line: usize,
        value: &Spanned<DeValue<'_>>,
    ) {
        if !self.document.whole {
            return;
        }
        let folded = written.to_ascii_lowercase();
        let spot = Spot::line(line, &section.key(&disclosure::name(written)));
        let is_table = value.get_ref().is_table();
        let schema = &self.document.schema;
        let what = match schema.section(&folded) {
            Some(wanted) if section == Section::TOP => format!("not a key but a section, {wanted}"),
            _ if is_table && section == Section::TOP => schema.about_unknown_section(&folded),
            _ => schema.about_unknown_key(section, &folded),
        };
        self.report.refuse(&spot, what);
    }

    /// Converts a value of the parser to one of ours.
    fn written(&self, spot: Spot, value: &Spanned<DeValue<'_>>, secret: bool) -> WrittenValue {
        let converted = match value.get_ref() {
            DeValue::String(text) => Value::Text(text.to_string()),
            DeValue::Integer(number) => integer(number).map_or(Value::Other, Value::Integer),
            DeValue::Float(number) => number.as_str().parse().map_or(Value::Other, Value::Float),
            DeValue::Boolean(truth) => Value::Truth(*truth),
            DeValue::Array(items) => {
                let mut list = Vec::with_capacity(items.len());
                for item in items {
                    let spot = Spot::line(self.lines.at(item.span().start), &spot.key);
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
        let source = self.lines.text.get(value.span()).unwrap_or_default();
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

/// Converts an integer if it fits.
fn integer(number: &DeInteger<'_>) -> Option<i64> {
    i64::from_str_radix(number.as_str(), number.radix()).ok()
}

/// The offsets at which the lines of a text begin.
struct Lines<'a> {
    text: &'a str,
    starts: Vec<usize>,
}

impl<'a> Lines<'a> {
    fn of(text: &'a str) -> Self {
        let after = text.match_indices('\n').map(|(offset, _)| offset + 1);
        Self { text, starts: std::iter::once(0).chain(after).collect() }
    }

    /// Returns the number of the line, from 1, with the byte at `offset`.
    fn at(&self, offset: usize) -> usize {
        self.starts.partition_point(|start| *start <= offset)
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
