//! Problems of a configuration, one line for each, with its place.

use std::collections::HashMap;
use std::fmt;

use serde::Serialize;

/// Maximum number of problems printed; a file that is not a configuration at all has thousands.
const PRINTED: usize = 100;

/// Maximum number of items named individually in warnings with the same text.
const NAMED: usize = 3;

/// Source of the problems that are not in any file.
const ENVIRONMENT: &str = "environment";

/// A problem or a warning: `file:line: key: what`.
///
/// It never holds a secret: for the value of a secret key it contains only the length.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The file as it was named, or `environment`.
    pub file: String,
    /// The line, counted from 1; `None` for the file as a whole or for something missing.
    pub line: Option<usize>,
    /// The key with its section, as in `Cloudflare.ttl`, or the variable; `None` for the file as a
    /// whole.
    pub key: Option<String>,
    /// The value, and the allowed values.
    pub what: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.file)?;
        if let Some(line) = self.line {
            write!(out, ":{line}")?;
        }
        if let Some(key) = &self.key {
            write!(out, ": {key}")?;
        }
        write!(out, ": {}", self.what)
    }
}

/// All problems of a configuration. Never empty. The configuration has no effect.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct ConfigErrors {
    problems: Vec<Problem>,
}

impl ConfigErrors {
    /// Creates the problem of a configuration that could not be examined.
    pub(crate) fn about_file(file: &str, what: impl Into<String>) -> Self {
        let file = file.to_owned();
        Self { problems: vec![Problem { file, line: None, key: None, what: what.into() }] }
    }

    /// Creates the problem of a file that could not be read to its end.
    pub(crate) fn unread(file: &std::path::Path, why: &str) -> Self {
        Self::about_file(&file.display().to_string(), why)
    }

    /// Returns the problems: first in the order of the file, then missing keys, then the
    /// environment.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }
}

/// Prints one problem a line. After a hundred, only the number of the others follows.
impl fmt::Display for ConfigErrors {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().take(PRINTED).enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(out, "{separator}{problem}")?;
        }
        match self.problems.len().saturating_sub(PRINTED) {
            0 => Ok(()),
            more => write!(out, "\nand {more} more problems"),
        }
    }
}

/// The place of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Spot {
    /// The line in the file, from 1; `None` if the key was not written.
    pub(crate) line: Option<usize>,
    /// The key with its section, or the variable.
    pub(crate) key: String,
    /// Whether it is an environment variable.
    environment: bool,
}

impl Spot {
    /// Returns the place of a key in the file.
    pub(crate) fn line(line: usize, key: &str) -> Self {
        Self { line: Some(line), key: key.to_owned(), environment: false }
    }

    /// Returns the place of a key that is not in the file.
    pub(crate) fn missing(key: &str) -> Self {
        Self { line: None, key: key.to_owned(), environment: false }
    }

    /// Returns the place of an environment variable.
    pub(crate) fn variable(name: &str) -> Self {
        Self { line: None, key: name.to_owned(), environment: true }
    }
}

/// Collects problems and warnings while a configuration is read.
pub struct Report {
    file: String,
    problems: Vec<Problem>,
    warnings: Vec<Warning>,
}

/// A warning for the operator.
struct Warning {
    problem: Problem,
    /// The item of a list that the warning is about.
    item: Option<String>,
}

impl Report {
    /// Creates an empty report for `file`.
    pub(crate) fn new(file: &str) -> Self {
        Self { file: file.to_owned(), problems: Vec::new(), warnings: Vec::new() }
    }

    /// Adds a problem.
    pub(crate) fn refuse(&mut self, spot: &Spot, what: impl Into<String>) {
        let problem = self.problem(spot, what.into());
        // The environment is read for each zone, and is refused once.
        if !spot.environment || !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }

    /// Adds a problem that several services would report, once.
    pub(crate) fn refuse_once(&mut self, spot: &Spot, what: impl Into<String>) {
        let problem = self.problem(spot, what.into());
        if !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }

    /// Adds a line of the file that is not TOML, with its `key` if that is known.
    pub(crate) fn syntax(&mut self, line: usize, key: Option<String>, message: &str) {
        let what = format!("not valid TOML: {message}");
        self.problems.push(Problem { file: self.file.clone(), line: Some(line), key, what });
    }

    /// Adds a warning.
    pub(crate) fn warn(&mut self, spot: &Spot, what: impl Into<String>) {
        let problem = self.problem(spot, what.into());
        self.warnings.push(Warning { problem, item: None });
    }

    /// Adds a warning that several parts would report, once.
    pub(crate) fn warn_once(&mut self, spot: &Spot, what: impl Into<String>) {
        let problem = self.problem(spot, what.into());
        if !self.warnings.iter().any(|warning| warning.problem == problem) {
            self.warnings.push(Warning { problem, item: None });
        }
    }

    /// Adds a warning about one item of a list that may apply to many items: `what` continues the
    /// sentence after the item.
    pub(crate) fn warn_of(&mut self, spot: &Spot, item: &str, what: impl Into<String>) {
        let problem = self.problem(spot, what.into());
        self.warnings.push(Warning { problem, item: Some(item.to_owned()) });
    }

    /// Returns the warnings in the order of the file. The same warning about more than three items
    /// of a list is merged into the first one's place.
    pub(crate) fn warnings(&mut self) -> Vec<String> {
        self.warnings.sort_by_key(|warning| place(&warning.problem));
        let mut alike: HashMap<(&Option<String>, &str), Vec<&str>> = HashMap::new();
        for Warning { problem, item } in &self.warnings {
            let kind = (&problem.key, problem.what.as_str());
            alike.entry(kind).or_default().extend(item.as_deref());
        }
        let mut lines = Vec::new();
        for Warning { problem, item } in &self.warnings {
            let Some(item) = item else {
                lines.push(problem.to_string());
                continue;
            };
            let what = &problem.what;
            let what = match alike.get_mut(&(&problem.key, what.as_str())).map(std::mem::take) {
                Some(items) if items.len() > NAMED => {
                    let (named, more) = (items[..NAMED].join(", "), items.len() - NAMED);
                    format!("{named} and {more} more: each {what}")
                }
                // Merged into the first one.
                Some(items) if items.is_empty() => continue,
                Some(items) => {
                    alike.insert((&problem.key, &problem.what), items);
                    format!("{item} {what}")
                }
                None => continue,
            };
            lines.push(Problem { what, ..problem.clone() }.to_string());
        }
        lines
    }

    /// Whether there are no problems so far.
    pub(crate) fn is_clean(&self) -> bool {
        self.problems.is_empty()
    }

    /// Drops the problems outside the section with this name.
    pub(crate) fn keep_only(&mut self, name: &str) {
        self.problems.retain(|problem| {
            let section = problem.key.as_ref().and_then(|key| key.split('.').next());
            section.is_some_and(|section| section.eq_ignore_ascii_case(name))
        });
    }

    /// Ends the report.
    ///
    /// # Errors
    ///
    /// Fails if there is any problem.
    pub(crate) fn finish(mut self) -> Result<(), ConfigErrors> {
        if self.problems.is_empty() {
            return Ok(());
        }
        in_order(&mut self.problems);
        Err(ConfigErrors { problems: self.problems })
    }

    fn problem(&self, spot: &Spot, what: String) -> Problem {
        let file = if spot.environment { ENVIRONMENT } else { &self.file };
        Problem { file: file.to_owned(), line: spot.line, key: Some(spot.key.clone()), what }
    }
}

/// Sorts by line. Problems without a line come last, and those of the environment after them.
fn in_order(problems: &mut [Problem]) {
    problems.sort_by_key(place);
}

fn place(problem: &Problem) -> (bool, bool, Option<usize>) {
    (problem.file == ENVIRONMENT, problem.line.is_none(), problem.line)
}
