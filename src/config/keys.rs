//! The names allowed in a configuration file, and suggestions for unknown ones.

use std::collections::BTreeSet;
use std::fmt;

/// The name of a section.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Section(&'static str);

impl Section {
    /// The part above the first section.
    pub(crate) const TOP: Self = Self("");

    /// Returns the section with this header, as the documentation writes it.
    pub(crate) const fn new(header: &'static str) -> Self {
        Self(header)
    }

    /// Returns the name as the documentation writes it.
    pub(crate) fn name(self) -> &'static str {
        self.0
    }

    /// Returns `key` with its section in front.
    pub(crate) fn key(self, key: &str) -> String {
        if self == Self::TOP { key.to_owned() } else { format!("{}.{key}", self.0) }
    }
}

impl fmt::Display for Section {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::TOP {
            return out.write_str("the top of the file, above the first section");
        }
        write!(out, "[{}]", self.0)
    }
}

/// A key of a section.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Key {
    /// The name in lower case.
    pub(crate) name: &'static str,
    /// Whether the value is never displayed.
    pub(crate) is_secret: bool,
    /// Whether the oldest files, which have no sections, have the key at the top.
    pub(crate) was_at_the_top: bool,
    /// Whether the value is a table, with names of the operator's choice.
    pub(crate) is_table: bool,
}

impl Key {
    /// Returns a key with this name.
    pub(crate) const fn new(name: &'static str) -> Self {
        Self { name, is_secret: false, was_at_the_top: false, is_table: false }
    }

    /// Returns the same key, with a value that is never displayed.
    pub(crate) const fn secret(self) -> Self {
        Self { is_secret: true, ..self }
    }

    /// Returns the same key, with a table as its value.
    pub(crate) const fn table(self) -> Self {
        Self { is_table: true, ..self }
    }

    /// Returns the same key, which the oldest files have at the top.
    pub(crate) const fn once_at_the_top(self) -> Self {
        Self { was_at_the_top: true, ..self }
    }
}

/// The form of the headers of tables that a file may have any number of times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TableForm {
    /// `[zone.NAME]`: each table has a name of its own.
    Named,
    /// `[[service]]`: a list of tables.
    Listed,
}

/// The keys that have tables of a group as their values, in place of names.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ValueKeys {
    /// The key that has one table or name as its value.
    pub(crate) one: &'static str,
    /// The key that has a list of tables and names.
    pub(crate) many: &'static str,
}

/// The keys of one kind of table in a group.
#[derive(Debug, Clone, Copy)]
pub(crate) struct GroupKind {
    /// The value of the group's selector.
    pub(crate) kind: &'static str,
    /// The section under which the keys of the table are kept.
    pub(crate) home: Section,
    /// The keys of this kind alone.
    pub(crate) keys: &'static [Key],
}

/// Tables that a file may have any number of times.
#[derive(Debug, Clone)]
pub(crate) struct TableGroup {
    /// The first part of the header, as the documentation writes it.
    pub(crate) name: &'static str,
    /// The form of the header.
    pub(crate) form: TableForm,
    /// The section under which the keys of a table without a known kind are kept.
    pub(crate) home: Section,
    /// The keys of every table.
    pub(crate) keys: &'static [Key],
    /// The key whose value selects the kind of a table. Without kinds it is not used.
    pub(crate) selector: &'static str,
    /// The keys that may have a table as their value, in place of the name of one.
    pub(crate) value_keys: Option<ValueKeys>,
    /// The kinds of tables, if they differ.
    pub(crate) kinds: Vec<GroupKind>,
}

impl TableGroup {
    /// Returns the header as the documentation writes it, such as `[zone.NAME]`.
    pub(crate) fn header(&self) -> String {
        match self.form {
            TableForm::Named => format!("[{}.NAME]", self.name),
            TableForm::Listed => format!("[[{}]]", self.name),
        }
    }

    /// Returns the keys of all kinds of tables.
    fn all_keys(&self) -> impl Iterator<Item = &Key> {
        self.keys.iter().chain(self.kinds.iter().flat_map(|kind| kind.keys))
    }

    /// Returns the kinds of tables that have a key of their own with this name, in quotes.
    fn kinds_with(&self, folded: &str) -> Vec<String> {
        let kinds = self.kinds.iter().filter(|kind| kind.keys.iter().any(|key| key.name == folded));
        kinds.map(|kind| format!("\"{}\"", kind.kind)).collect()
    }

    /// Whether a table may have a key with this name, in lower case, that has a table as its value.
    pub(super) fn has_table_key(&self, folded: &str) -> bool {
        self.all_keys().any(|key| key.name == folded && key.is_table)
    }

    /// Whether a table may have a key with this name, in lower case.
    fn has(&self, folded: &str) -> bool {
        self.all_keys().any(|key| key.name == folded)
    }

    /// Returns the section under which the keys of a table are kept, and the keys that it may have.
    /// A table of an unknown kind may have the keys of every kind: its kind is the only problem.
    pub(super) fn table(&self, kind: Option<&str>) -> (Section, Schema) {
        let mut schema = Schema::default();
        let known = self.kinds.iter().find(|known| Some(known.kind) == kind);
        let home = known.map_or(self.home, |known| known.home);
        schema.add(home, self.keys);
        for other in &self.kinds {
            if known.is_none_or(|known| known.kind == other.kind) {
                schema.add(home, other.keys);
            }
        }
        (home, schema)
    }
}

/// The sections and keys that a file may have.
#[derive(Debug, Clone, Default)]
pub(crate) struct Schema {
    sections: Vec<(Section, &'static [Key])>,
    groups: Vec<TableGroup>,
}

impl Schema {
    /// Adds the keys of a section. Several parts of the program may have keys above the first one.
    pub(crate) fn add(&mut self, section: Section, keys: &'static [Key]) {
        self.sections.push((section, keys));
    }

    /// Adds tables that a file may have any number of times.
    pub(crate) fn add_group(&mut self, group: TableGroup) {
        self.groups.push(group);
    }

    /// Returns the group with this name, in lower case.
    pub(crate) fn group(&self, folded: &str) -> Option<&TableGroup> {
        self.groups.iter().find(|group| group.name == folded)
    }

    /// Returns the group with tables that may be the value of a key with this name, in lower case, and
    /// its keys of that kind.
    pub(crate) fn group_as_value(&self, folded: &str) -> Option<(&TableGroup, ValueKeys)> {
        self.groups.iter().find_map(|group| {
            let keys = group.value_keys?;
            [keys.one, keys.many].contains(&folded).then_some((group, keys))
        })
    }

    /// Returns every key with its section, those above the first section before all others.
    pub(crate) fn keys(&self) -> impl Iterator<Item = (Section, Key)> {
        let top = self.sections.iter().filter(|(section, _)| *section == Section::TOP);
        let others = self.sections.iter().filter(|(section, _)| *section != Section::TOP);
        top.chain(others).flat_map(|(section, keys)| keys.iter().map(|key| (*section, *key)))
    }

    /// Returns the sections that have a header.
    fn headers(&self) -> impl Iterator<Item = Section> {
        self.sections.iter().map(|(section, _)| *section).filter(|section| *section != Section::TOP)
    }

    /// Returns the section with this name, in lower case.
    pub(crate) fn section(&self, folded: &str) -> Option<Section> {
        self.headers().find(|section| section.name().eq_ignore_ascii_case(folded))
    }

    /// Returns the key with this name, in lower case, that may stand in `section`.
    pub(crate) fn find(&self, section: Section, folded: &str) -> Option<Key> {
        let mut old = None;
        for (home, key) in self.keys().filter(|(_, key)| key.name == folded) {
            if home == section {
                return Some(key);
            }
            if section == Section::TOP && key.was_at_the_top {
                old = Some(key);
            }
        }
        old
    }

    /// Whether the oldest files have this key of `section` at the top.
    pub(crate) fn was_at_the_top(&self, section: Section, key: &str) -> bool {
        self.keys()
            .any(|(home, known)| home == section && known.name == key && known.was_at_the_top)
    }

    /// Explains why an unknown key is refused: its replacement, its proper section, or a key with a
    /// similar spelling.
    pub(crate) fn about_unknown_key(&self, section: Section, folded: &str) -> String {
        if section == Section::TOP && folded == "ports" {
            return "not known any more; port holds the one TCP port, from 1 to 65535".to_owned();
        }
        let mut homes = Vec::new();
        let mut here = Vec::new();
        for (home, key) in self.keys() {
            if home == section {
                here.push(key.name);
            } else if key.name == folded {
                homes.push(home.to_string());
            }
        }
        if !homes.is_empty() {
            return format!("belongs to {}", homes.join(" or "));
        }
        if let Some(near) = nearest(folded, here.iter().copied()) {
            return format!("not a known key; did you mean {near}?");
        }
        let mut all = self.keys();
        let elsewhere = all.find(|(_, key)| nearest(folded, [key.name].into_iter()).is_some());
        match elsewhere {
            Some((home, key)) => {
                format!("not a known key; did you mean {}, which belongs to {home}?", key.name)
            }
            None => format!("not a known key; {}", there_are(&here)),
        }
    }

    /// Explains the same in a file that has tables: the key may belong to one of them.
    pub(crate) fn about_unknown_beside_tables(&self, section: Section, folded: &str) -> String {
        if let Some(group) = self.group(folded) {
            return format!("not a key but a section, {}", group.header());
        }
        let homes = self.groups_with(folded, "");
        if homes.is_empty() {
            return self.about_unknown_key(section, folded);
        }
        format!("belongs to {}", homes.join(" or "))
    }

    /// Explains why a key is refused in a table of the group with this name.
    pub(crate) fn about_unknown_in_table(&self, name: &str, table: &Self, folded: &str) -> String {
        let group = self.group(name);
        let kinds = group.map(|group| group.kinds_with(folded)).unwrap_or_default();
        if let (Some(group), false) = (group, kinds.is_empty()) {
            return format!("belongs to {} = {} only", group.selector, kinds.join(" or "));
        }
        let in_file = format!("{folded}_file");
        if table.keys().any(|(_, key)| key.name == in_file) {
            return format!("not a known key; did you mean {in_file}?");
        }
        let homes = self.groups_with(folded, name);
        if !homes.is_empty() {
            return format!("belongs to {}", homes.join(" or "));
        }
        if self.find(Section::TOP, folded).is_some_and(|key| !key.was_at_the_top) {
            return format!("belongs to {}", Section::TOP);
        }
        // Such as aws_domain, which is the domain of a provider's section, or token for token_file.
        let part = table.keys().find(|(_, key)| {
            folded.ends_with(&format!("_{}", key.name))
                || key.name.starts_with(&format!("{folded}_"))
        });
        match (part, table.keys().next()) {
            (Some((_, key)), _) => format!("not a known key; did you mean {}?", key.name),
            (None, Some((home, _))) => table.about_unknown_key(home, folded),
            (None, None) => "not a known key".to_owned(),
        }
    }

    /// Returns the headers of the tables that may have a key with this name, in lower case, except
    /// those of one group.
    fn groups_with(&self, folded: &str, except: &str) -> Vec<String> {
        let groups = self.groups.iter().filter(|group| group.name != except && group.has(folded));
        groups.map(TableGroup::header).collect()
    }

    /// Returns the keys of all tables, each with the name of its group in front.
    pub(crate) fn table_keys(&self) -> impl Iterator<Item = String> {
        self.groups.iter().flat_map(|group| {
            let all: BTreeSet<_> = group.all_keys().map(|key| key.name).collect();
            all.into_iter().map(|key| format!("{}.{key}", group.name))
        })
    }

    /// Explains why an unknown section is refused. `with_tables` says whether the file has tables, which
    /// are then listed too.
    pub(crate) fn about_unknown_section(&self, folded: &str, with_tables: bool) -> String {
        let groups = self.groups.iter().map(|group| group.name);
        let names = self.headers().map(Section::name).chain(groups);
        if let Some(near) = nearest(folded, names) {
            let header = self.group(near).map_or_else(|| format!("[{near}]"), TableGroup::header);
            return format!("not a known section; did you mean {header}?");
        }
        let sections = self.headers().map(|section| section.to_string());
        let tables = self.groups.iter().filter(|_| with_tables).map(TableGroup::header);
        let known: Vec<String> = sections.chain(tables).collect();
        let known: Vec<&str> = known.iter().map(String::as_str).collect();
        format!("not a known section; {}", there_are(&known))
    }
}

/// Lists the known names, each once: `there are interval, timeout and ttl`. Kinds of checks share keys,
/// and a section may have its keys from several parts.
fn there_are(known: &[&str]) -> String {
    let mut seen = BTreeSet::new();
    let known: Vec<&str> = known.iter().copied().filter(|name| seen.insert(*name)).collect();
    match known.as_slice() {
        [first @ .., last] if !first.is_empty() => {
            format!("there are {} and {last}", first.join(", "))
        }
        _ => format!("there is {}", known.concat()),
    }
}

/// Returns the candidate with the spelling closest to `folded`, if a third of the letters or less
/// differ.
pub(crate) fn nearest<'a>(
    folded: &str,
    candidates: impl Iterator<Item = &'a str>,
) -> Option<&'a str> {
    candidates
        .filter(|name| folded.len() <= 2 * name.len())
        .map(|name| (strsim::damerau_levenshtein(folded, &name.to_ascii_lowercase()), name))
        .filter(|(distance, name)| *distance <= (name.len() / 3).max(1))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_names_are_listed_once() {
        for (known, want) in [
            (&["port", "host", "port", "path"][..], "there are port, host and path"),
            (&["port", "port"], "there is port"),
        ] {
            assert_eq!(there_are(known), want);
        }
    }

    #[test]
    fn only_names_with_a_similar_spelling_are_suggested() {
        let keys = ["interval", "failure_threshold", "min_peers_agree", "ttl", "timeout"];
        let cases = [
            ("intervall", Some("interval")),
            ("faliure_threshold", Some("failure_threshold")),
            ("min_members_agree", Some("min_peers_agree")),
            ("tt", Some("ttl")),
            ("colour", None),
            ("", None),
        ];
        for (written, want) in cases {
            assert_eq!(nearest(written, keys.into_iter()), want, "{written}");
        }
        assert_eq!(nearest(&"interval".repeat(10_000), keys.into_iter()), None);
    }
}
