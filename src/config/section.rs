//! Sections of the file. Each part of the program owns its section, next to its code.

use std::collections::HashSet;
use std::hash::Hash;
use std::path::{Path, PathBuf};

use super::Env;
use super::document::Document;
use super::environment::{self, Environment};
use super::field::{At, Field, FieldReader, not_allowed};
use super::keys::{Key, Section};
use super::problem::{Report, Spot};
use crate::file;

/// A line of the description by `goavail check`: its label, and the description.
pub(crate) type Described = (&'static str, String);

/// A section of the file: its keys, and everything about them. It holds the values of the section,
/// each validated alone.
pub(crate) trait ConfigSection: Sized {
    /// The settings that the section comes to.
    type Settings;

    /// The header of the section.
    const SECTION: Section;

    /// The keys of the section, in the order of its documentation.
    const KEYS: &'static [Key];

    /// Takes the values of the section out of the file.
    fn parse(values: &mut FieldReader<'_>) -> Self;

    /// Builds the settings, with the values validated together. A refused value is replaced by its
    /// default so that all problems are found; the settings are then discarded.
    fn build(&self, context: &mut SectionContext<'_>) -> Self::Settings;

    /// Warns about accepted values that may do harm.
    fn advise(&self, _settings: &Self::Settings, _context: &mut SectionContext<'_>) {}

    /// Describes the settings without secrets and without URLs, a line for each part.
    fn describe(_settings: &Self::Settings) -> Vec<Described> {
        Vec::new()
    }

    /// Returns the guards that are off, by the name of the key that turns each on.
    fn guards_off(_settings: &Self::Settings) -> Vec<&'static str> {
        Vec::new()
    }
}

/// The surroundings in which a section is built.
pub(crate) struct SectionContext<'a> {
    /// The file. Relative paths start at its directory.
    pub(crate) path: &'a Path,
    /// Whether nothing is to be written at the provider.
    pub(crate) dry_run: bool,
    /// The sections that the command line might have selected instead of this one.
    pub(crate) alternatives: Vec<Section>,
    /// Lookup of an environment variable.
    pub(crate) env: Env<'a>,
    /// The rest of the document: the sections that it has.
    pub(crate) document: &'a Document,
    /// Report that receives the problems.
    pub(crate) report: &'a mut Report,
}

impl SectionContext<'_> {
    /// Returns the place at which a missing key is reported.
    pub(crate) fn missing(&self, section: Section, key: &str) -> Spot {
        self.document.missing(section, key)
    }

    /// Returns the surroundings of a table that is a document of its own, such as one of `[[service]]`.
    pub(crate) fn of_table<'b>(&'b mut self, document: &'b Document) -> SectionContext<'b> {
        SectionContext {
            path: self.path,
            dry_run: self.dry_run,
            alternatives: Vec::new(),
            env: self.env,
            document,
            report: self.report,
        }
    }

    /// Returns the secrets and settings of the environment.
    pub(crate) fn environment(&mut self) -> Environment<'_> {
        Environment { env: self.env, report: self.report }
    }

    /// Resolves a path in the file relative to the file's directory.
    pub(crate) fn resolve(&self, path: &Path) -> PathBuf {
        self.path.parent().map_or_else(|| path.to_owned(), |folder| folder.join(path))
    }

    /// Resolves the path of a file that has a secret, as [`Self::resolve`] does. Warns if every user of
    /// the machine may read it.
    pub(crate) fn secret_file<T>(&mut self, at: &At<T>, path: &Path) -> PathBuf {
        let path = self.resolve(path);
        if file::is_readable_by_all(&path) {
            let what =
                "may be read by every user of this machine; chmod 600 is enough for the agent";
            self.report.warn(&at.spot, format!("{} {what}", at.bare()));
        }
        path
    }

    /// Returns the token in a file that a key names. Warns if every user of the machine may read it.
    pub(crate) fn token_file(&mut self, at: &At<PathBuf>) -> Option<String> {
        let path = self.secret_file(at, &at.value);
        match environment::token_in_file(&path, at.bare()) {
            Ok(token) => Some(token),
            Err(what) => {
                self.report.refuse(&at.spot, what);
                None
            }
        }
    }

    /// Returns the items without duplicates, in their order.
    pub(crate) fn distinct<T: Clone + Eq + Hash>(&mut self, items: &[At<T>]) -> Vec<T> {
        let mut seen = HashSet::new();
        let mut distinct = Vec::with_capacity(items.len());
        for item in items {
            if seen.insert(&item.value) {
                distinct.push(item.value.clone());
            } else {
                self.report.warn_of(&item.spot, &item.shown, "is listed twice");
            }
        }
        distinct
    }

    /// Refuses a list that is missing or empty. `items` describes one item of it.
    pub(crate) fn require_items<T>(
        &mut self,
        list: &Field<Vec<At<T>>>,
        section: Section,
        key: &str,
        items: &str,
    ) {
        if list.is_absent() {
            let spot = self.missing(section, key);
            self.report.refuse(&spot, format!("missing; a list with at least {items}"));
        } else if let Some(at) = list.present().filter(|at| at.value.is_empty()) {
            let what = not_allowed(&at.shown, &format!("a list with at least {items}"));
            self.report.refuse(&at.spot, what);
        }
    }
}

/// Reading of sections in tests.
#[cfg(test)]
pub(crate) mod testing {
    use std::path::Path;

    use super::SectionContext;
    use crate::config::document;
    use crate::config::field::FieldReader;
    use crate::config::keys::Schema;
    use crate::config::problem::Report;

    /// Reads `text` with the keys of `schema`, parses a section of it, and builds and checks that
    /// with `build`. Returns the warnings and the settings, or the problems.
    pub(crate) fn read<S, B>(
        text: &str,
        schema: Schema,
        parse: impl FnOnce(&mut FieldReader<'_>) -> S,
        build: impl FnOnce(&S, &mut SectionContext<'_>) -> B,
    ) -> Result<(Vec<String>, B), String> {
        let mut report = Report::new("x");
        let document = document::read(text, schema, &mut report);
        let mut values = FieldReader { document, report: &mut report };
        let parsed = parse(&mut values);
        let document = values.document;
        let mut context = SectionContext {
            path: Path::new("x"),
            dry_run: true,
            alternatives: Vec::new(),
            env: &|_| None,
            document: &document,
            report: &mut report,
        };
        let settings = build(&parsed, &mut context);
        let warnings = report.warnings();
        report.finish().map_err(|errors| errors.to_string())?;
        Ok((warnings, settings))
    }
}
