//! What is wrong with a configuration: one line for each thing, with its place.

use std::collections::HashMap;
use std::fmt;

use super::keys::Section;

/// How many problems are printed; a file that is no configuration at all has thousands.
const PRINTED: usize = 100;

/// The number of items that are named where the same is to be said of many.
const NAMED: usize = 3;

/// Where what was not found in any file comes from.
const ENVIRONMENT: &str = "environment";

/// One thing that is wrong, or that the operator should know: `file:line: key: what`.
///
/// It never holds a secret: of the value of a secret key it tells the length only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file as it was named, or `environment`.
    pub file: String,
    /// The line, counted from 1; `None` if it is about the file or about something missing.
    pub line: Option<usize>,
    /// The key with its section, `Cloudflare.ttl`, or the variable; `None` if it is about the file.
    pub key: Option<String>,
    /// The value, and what is allowed.
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

/// Everything that is wrong with a configuration. Never empty; nothing was taken over from it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct ConfigErrors {
    problems: Vec<Problem>,
}

impl ConfigErrors {
    /// A configuration that could not be looked at.
    pub(super) fn about_file(file: &str, what: impl Into<String>) -> Self {
        let file = file.to_owned();
        Self { problems: vec![Problem { file, line: None, key: None, what: what.into() }] }
    }

    /// A file whose reading broke off.
    pub(crate) fn unread(file: &std::path::Path, why: &str) -> Self {
        Self::about_file(&file.display().to_string(), why)
    }

    /// The problems in the order of the file, then what is missing, then the environment's.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }
}

/// One problem a line; after a hundred, how many more there are.
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

/// Where a key was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Spot {
    /// The file's line, from 1; `None` where nothing was written.
    pub(super) line: Option<usize>,
    /// The key with its section, or the variable.
    pub(super) key: String,
    /// Whether it is an environment variable.
    environment: bool,
}

impl Spot {
    /// A key in the file.
    pub(super) fn line(line: usize, key: &str) -> Self {
        Self { line: Some(line), key: key.to_owned(), environment: false }
    }

    /// A key that is not in the file.
    pub(super) fn missing(key: &str) -> Self {
        Self { line: None, key: key.to_owned(), environment: false }
    }

    /// An environment variable.
    pub(super) fn variable(name: &str) -> Self {
        Self { line: None, key: name.to_owned(), environment: true }
    }
}

/// Collects problems and warnings while a configuration is read.
pub(super) struct Report {
    file: String,
    problems: Vec<Problem>,
    warnings: Vec<Warning>,
}

/// Something that the operator should know.
struct Warning {
    problem: Problem,
    /// The item of a list that it is about.
    item: Option<String>,
}

impl Report {
    /// Nothing wrong so far with `file`.
    pub(super) fn new(file: &str) -> Self {
        Self { file: file.to_owned(), problems: Vec::new(), warnings: Vec::new() }
    }

    /// Something that is not allowed.
    pub(super) fn refuse(&mut self, spot: &Spot, what: impl Into<String>) {
        let problem = self.problem(spot, what.into());
        self.problems.push(problem);
    }

    /// A line of the file that is no TOML; `key` if it is known whose value it is.
    pub(super) fn syntax(&mut self, line: usize, key: Option<String>, message: &str) {
        let what = format!("not valid TOML: {message}");
        self.problems.push(Problem { file: self.file.clone(), line: Some(line), key, what });
    }

    /// Something that the operator should know.
    pub(super) fn warn(&mut self, spot: &Spot, what: impl Into<String>) {
        let problem = self.problem(spot, what.into());
        self.warnings.push(Warning { problem, item: None });
    }

    /// Something that the operator should know of one item of a list, and that may be so of many:
    /// `what` goes on after the item.
    pub(super) fn warn_of(&mut self, spot: &Spot, item: &str, what: impl Into<String>) {
        let problem = self.problem(spot, what.into());
        self.warnings.push(Warning { problem, item: Some(item.to_owned()) });
    }

    /// The warnings, in the order of the file. What is said of more than three items of a list is
    /// one warning, in the first one's place.
    pub(super) fn warnings(&mut self) -> Vec<String> {
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
                // Told with the first of them.
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

    /// Whether nothing was refused so far.
    pub(super) fn is_clean(&self) -> bool {
        self.problems.is_empty()
    }

    /// Forgets what is wrong elsewhere than in `section`.
    pub(super) fn keep_only(&mut self, section: Section) {
        let name = section.name();
        let within = |key: &String| {
            key.split('.').next().is_some_and(|first| first.eq_ignore_ascii_case(name))
        };
        self.problems.retain(|problem| problem.key.as_ref().is_some_and(within));
    }

    /// # Errors
    ///
    /// If anything was refused.
    pub(super) fn finish(mut self) -> Result<(), ConfigErrors> {
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

/// By line; what has none comes last, the environment's last of all.
fn in_order(problems: &mut [Problem]) {
    problems.sort_by_key(place);
}

fn place(problem: &Problem) -> (bool, bool, Option<usize>) {
    (problem.file == ENVIRONMENT, problem.line.is_none(), problem.line)
}
