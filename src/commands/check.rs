//! `goavail check`: the configuration in words, in full, or for machines.

use std::io;

use crate::cli::CheckOptions;
use crate::config::ConfigErrors;
use crate::settings::{CheckedFile, Config};
use crate::text::pretty_json;

/// Returns the text for stdout about `file`; `None` if there is none, because the file is refused
/// and the reasons go to stderr.
///
/// # Errors
///
/// Fails if the answer cannot be serialized, which would be a defect.
pub(crate) fn check(
    file: &str,
    checked: &Result<Config, ConfigErrors>,
    asked: &CheckOptions,
) -> io::Result<Option<String>> {
    Ok(match checked {
        Ok(config) if asked.json => Some(pretty_json(&CheckedFile::accepted(config))? + "\n"),
        Err(errors) if asked.json => Some(pretty_json(&CheckedFile::refused(file, errors))? + "\n"),
        Ok(config) if asked.expanded => Some(config.expanded()),
        Ok(config) => Some(config.in_words()),
        Err(_) => None,
    })
}
