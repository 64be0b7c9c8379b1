//! `headers` and `header_files`: tables with the names of headers. No value is ever displayed.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::rules::{header_name, header_value};
use crate::config::field::{At, Field, FieldReader, List, not_allowed};
use crate::config::problem::{Report, Spot};
use crate::config::rule;
use crate::config::value::{Value, WrittenEntry, WrittenValue, as_text};
use crate::file;
use crate::probe::http::RequestHeader;
use crate::settings::checks::{CheckContext, HOME};
use crate::text::disclosure;

/// A header with the source of its value.
#[derive(Clone, PartialEq)]
struct NamedHeader<T> {
    name: String,
    value: T,
}

/// The values of both keys.
pub(super) struct HeaderKeys {
    /// The headers with their values.
    given: List<NamedHeader<String>>,
    /// The headers with the files that have their values.
    in_files: List<NamedHeader<PathBuf>>,
}

impl HeaderKeys {
    /// Takes the values out of a table.
    pub(super) fn parse(values: &mut FieldReader<'_>) -> Self {
        Self {
            given: values.field(HOME, "headers", |report, written| {
                let such_as = "a table of headers, such as { Accept = \"text/html\" }";
                table(report, written, such_as, |value| {
                    let text = as_text(value).ok_or("a text, in quotes")?;
                    Ok(header_value(text)?.to_owned())
                })
            }),
            in_files: values.field(HOME, "header_files", |report, written| {
                let such_as = "a table of headers with the paths of files, such as \
                               { Authorization = \"/etc/goavail/token\" }";
                table(report, written, such_as, rule::path)
            }),
        }
    }

    /// Refuses headers that are given twice, and files that cannot be sent.
    pub(super) fn validate(&self, check: &mut CheckContext<'_, '_>) {
        let mut seen = HashMap::new();
        let given = self.given.items().iter().map(|at| (&at.value.name, &at.spot));
        let in_files = self.in_files.items().iter().map(|at| (&at.value.name, &at.spot));
        for (name, spot) in given.chain(in_files) {
            let first = seen.entry(name.to_ascii_lowercase()).or_insert(spot);
            if *first != spot {
                let line = first.line.unwrap_or_default();
                check.refuse(spot, format!("already given in line {line}"));
            }
        }
        for at in self.in_files.items() {
            let path = check.file.secret_file(at, &at.value.value);
            if let Err(what) = value_in_file(&path, at.bare()) {
                check.refuse(&at.spot, what);
            }
        }
    }

    /// Warns about credentials that anybody on the way can read.
    pub(super) fn warn_of_open_secrets(&self, check: &mut CheckContext<'_, '_>) {
        let given = self.given.items().iter().map(|at| (&at.value.name, &at.spot));
        let in_files = self.in_files.items().iter().map(|at| (&at.value.name, &at.spot));
        for (name, spot) in given.chain(in_files) {
            let folded = name.to_ascii_lowercase();
            if ["authorization", "cookie", "token", "key", "secret"]
                .iter()
                .any(|it| folded.contains(it))
            {
                check
                    .file
                    .report
                    .warn(spot, "is sent without encryption; type = \"https\" encrypts it");
            }
        }
    }

    /// Returns the headers, in the order of the file.
    pub(super) fn headers(&self, check: &mut CheckContext<'_, '_>) -> Vec<RequestHeader> {
        let mut headers = Vec::new();
        for at in self.given.items() {
            match RequestHeader::with_value(&at.value.name, &at.value.value) {
                Ok(header) => headers.push(header),
                Err(why) => check.refuse(&at.spot, why),
            }
        }
        for at in self.in_files.items() {
            let path = check.file.resolve(&at.value.value);
            match RequestHeader::from_file(&at.value.name, path) {
                Ok(header) => headers.push(header),
                Err(why) => check.refuse(&at.spot, why),
            }
        }
        headers
    }

    /// Returns the names of the headers of each key with the place of the key, for display.
    pub(super) fn names(&self) -> [(&'static str, Vec<&str>, Option<&Spot>); 2] {
        let given = self.given.items().iter().map(|at| at.value.name.as_str()).collect();
        let in_files = self.in_files.items().iter().map(|at| at.value.name.as_str()).collect();
        [("headers", given, self.given.spot()), ("header_files", in_files, self.in_files.spot())]
    }
}

/// Reads a table of headers with values that follow `rule`.
fn table<T>(
    report: &mut Report,
    written: WrittenValue,
    such_as: &str,
    rule: impl Fn(&Value) -> Result<T, String>,
) -> List<NamedHeader<T>> {
    let WrittenValue { spot, shown, value } = written;
    let Value::Table(entries) = value else {
        report.refuse(&spot, not_allowed(&shown, such_as));
        return Field::Refused;
    };
    let (mut headers, mut is_good) = (Vec::new(), true);
    for WrittenEntry { name, value: WrittenValue { spot, shown, value } } in entries {
        if let Err(why) = header_name(&name) {
            report.refuse(&spot, not_allowed(&disclosure::name(&name), &why));
            is_good = false;
        }
        match rule(&value) {
            Ok(value) => headers.push(At { spot, shown, value: NamedHeader { name, value } }),
            Err(allowed) => {
                report.refuse(&spot, not_allowed(&shown, &allowed));
                is_good = false;
            }
        }
    }
    if is_good { Field::Given(At { spot, shown, value: headers }) } else { Field::Refused }
}

/// Checks the value of a header in a file: one line, as it is sent.
fn value_in_file(path: &Path, shown: &str) -> Result<(), String> {
    const LARGEST: u64 = 64 * 1024;
    let text = file::read_text(path, LARGEST).map_err(|why| format!("{shown}: {why}"))?;
    let line = text.trim_end_matches(['\n', '\r']);
    if line.is_empty() {
        return Err(format!("{shown} is empty"));
    }
    header_value(line).map(drop).map_err(|allowed| {
        format!("{shown} holds {}", not_allowed(&disclosure::hidden(line), allowed))
    })
}
