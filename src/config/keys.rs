//! The names allowed in a configuration file, and suggestions for unknown ones.

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
}

impl Key {
    /// Returns a key with this name.
    pub(crate) const fn new(name: &'static str) -> Self {
        Self { name, is_secret: false, was_at_the_top: false }
    }

    /// Returns the same key, with a value that is never displayed.
    pub(crate) const fn secret(self) -> Self {
        Self { is_secret: true, ..self }
    }

    /// Returns the same key, which the oldest files have at the top.
    pub(crate) const fn once_at_the_top(self) -> Self {
        Self { was_at_the_top: true, ..self }
    }
}

/// The sections and keys that a file may have.
#[derive(Debug, Clone, Default)]
pub(crate) struct Schema {
    sections: Vec<(Section, &'static [Key])>,
}

impl Schema {
    /// Adds the keys of a section. Several parts of the program may have keys above the first one.
    pub(crate) fn add(&mut self, section: Section, keys: &'static [Key]) {
        self.sections.push((section, keys));
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
        if let Some(near) = nearest(folded, here.into_iter()) {
            return format!("not a known key; did you mean {near}?");
        }
        let mut all = self.keys();
        let elsewhere = all.find(|(_, key)| nearest(folded, [key.name].into_iter()).is_some());
        match elsewhere {
            Some((home, key)) => {
                format!("not a known key; did you mean {}, which belongs to {home}?", key.name)
            }
            None => "not a known key".to_owned(),
        }
    }

    /// Explains why an unknown section is refused.
    pub(crate) fn about_unknown_section(&self, folded: &str) -> String {
        if let Some(near) = nearest(folded, self.headers().map(Section::name)) {
            return format!("not a known section; did you mean [{near}]?");
        }
        let known: Vec<String> = self.headers().map(|section| section.to_string()).collect();
        match known.as_slice() {
            [first @ .., last] if !first.is_empty() => {
                format!("not a known section; there are {} and {last}", first.join(", "))
            }
            _ => format!("not a known section; there is {}", known.join("")),
        }
    }
}

/// Returns the candidate with the spelling closest to `folded`, if a third of the letters or less
/// differ.
fn nearest<'a>(folded: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
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
