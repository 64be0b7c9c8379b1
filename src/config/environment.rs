//! Settings from the environment: secrets, and URLs.
//!
//! A variable set to an empty text counts as not set, since shells and container tools leave it
//! that way. A relative path in a `…_FILE` variable starts at the agent's working directory.

use std::path::Path;

use secrecy::SecretString;

use super::field::not_allowed;
use super::problem::{Report, Spot};
use super::{Env, rule};
use crate::file;
use crate::text::disclosure::{self, hidden};

/// Maximum length of a secret read from a file, in bytes.
const LONGEST_SECRET: u64 = 64 * 1024;

/// Result of looking up a set of variables.
pub(crate) enum Found<T> {
    /// None of them is set.
    Nothing,
    /// One of them was refused.
    Refused,
    /// The variable that is set, and its value.
    This(String, T),
}

/// The environment while it is read.
pub(crate) struct Environment<'a> {
    /// Lookup of a variable.
    pub(crate) env: Env<'a>,
    /// Report that receives the problems.
    pub(crate) report: &'a mut Report,
}

impl Environment<'_> {
    /// Returns the value of one of two names for the same variable.
    pub(crate) fn either(&mut self, first: &str, second: &str) -> Found<String> {
        match (self.printable(first), self.printable(second)) {
            (Found::Refused, _) | (_, Found::Refused) => Found::Refused,
            (found, Found::Nothing) | (Found::Nothing, found) => found,
            (Found::This(one, mine), Found::This(other, theirs)) => {
                if mine == theirs {
                    return Found::This(one, mine);
                }
                let what = format!("not what {one} says; set one of them");
                self.report.refuse(&Spot::variable(&other), what);
                Found::Refused
            }
        }
    }

    /// Returns a secret for an HTTP header: visible ASCII characters only. A trailing line end, as
    /// left by `$(cat …)` in other tools, is removed.
    pub(crate) fn printable(&mut self, variable: &str) -> Found<String> {
        let (variable, secret) = match self.secret(variable) {
            Found::This(variable, secret) => {
                (variable, secret.trim_matches(['\n', '\r']).to_owned())
            }
            other => return other,
        };
        if !rule::fits_a_header(&secret) {
            let what = not_allowed(&hidden(&secret), rule::VISIBLE);
            self.report.refuse(&Spot::variable(&variable), what);
            return Found::Refused;
        }
        Found::This(variable, secret)
    }

    /// Returns a secret from its variable, or from the file named by `…_FILE`.
    pub(crate) fn secret(&mut self, variable: &str) -> Found<String> {
        let in_file = format!("{variable}_FILE");
        let [value, path] =
            [variable, &in_file].map(|name| (self.env)(name).filter(|text| !text.is_empty()));
        match (value, path) {
            (None, None) => Found::Nothing,
            (Some(secret), None) => Found::This(variable.to_owned(), secret),
            (None, Some(path)) => self.read_file(in_file, &path),
            (Some(_), Some(_)) => {
                let what = format!("set together with {variable}; set one of them");
                self.report.refuse(&Spot::variable(&in_file), what);
                Found::Refused
            }
        }
    }

    /// Reads a secret from a file, without the line end that editors leave.
    fn read_file(&mut self, variable: String, path: &str) -> Found<String> {
        match text_in_file(Path::new(path), &disclosure::path(path)) {
            Ok(secret) => Found::This(variable, secret),
            Err(what) => {
                self.report.refuse(&Spot::variable(&variable), what);
                Found::Refused
            }
        }
    }
}

/// Returns the token in a file, for an HTTP header: one line of visible ASCII characters. `shown` is
/// the path in a form that may be displayed.
///
/// # Errors
///
/// Returns a sentence that names the file, and holds none of its content.
pub(crate) fn token_in_file(path: &Path, shown: &str) -> Result<String, String> {
    let token = one_line_in_file(path, shown, "the token")?;
    if !rule::fits_a_header(&token) {
        return Err(format!("{shown} holds {}", not_allowed(&hidden(&token), rule::VISIBLE)));
    }
    // As in the files of other tools.
    let name = token.split_once('=').map(|(name, _)| name.to_ascii_lowercase());
    if name.is_some_and(|name| name.contains("token")) {
        return Err(format!("{shown} holds a name and a value; the token alone is allowed"));
    }
    Ok(token)
}

/// Returns the one line of text in a file, without the line end that editors leave. `shown` is the path
/// in a form that may be displayed.
///
/// # Errors
///
/// Returns a sentence that names the file, and holds none of its content.
pub(crate) fn line_in_file(path: &Path, shown: &str) -> Result<String, String> {
    one_line_in_file(path, shown, "the secret")
}

/// Returns the only line in a file. `secret` is the name of the content.
fn one_line_in_file(path: &Path, shown: &str, secret: &str) -> Result<String, String> {
    let text = text_in_file(path, shown)?;
    match text.lines().count() {
        0 | 1 => Ok(text),
        lines => Err(format!("{shown} holds {lines} lines; {secret} alone is allowed")),
    }
}

/// Returns the text of a file without the line end that editors leave. It is never empty.
fn text_in_file(path: &Path, shown: &str) -> Result<String, String> {
    let text = file::read_text(path, LONGEST_SECRET).map_err(|why| format!("{shown}: {why}"))?;
    let secret = text.trim_end_matches(['\n', '\r']);
    if secret.is_empty() { Err(format!("{shown} is empty")) } else { Ok(secret.to_owned()) }
}

/// Wraps a key as the agent keeps it.
pub(crate) fn secret(text: &str) -> SecretString {
    text.to_owned().into()
}
