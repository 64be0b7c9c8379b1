//! The section of the page about open incidents.

use std::fmt::Write as _;

use super::html::{text, time};
use crate::notify::Severity;
use crate::status::model::Status;

/// Maximum number of incidents that are listed.
const LISTED: usize = 50;

/// Writes the section, if an incident is open.
pub(super) fn section(out: &mut String, status: &Status) {
    if status.incidents.is_empty() {
        return;
    }
    out.push_str("<section id=\"incidents\">\n<h2>Open incidents</h2>\n<ul>\n");
    for incident in status.incidents.iter().take(LISTED) {
        let mood = match incident.severity {
            Severity::Critical => "bad",
            Severity::Warning => "warn",
            Severity::Info => "good",
        };
        let severity = incident.severity.word();
        let targets = match incident.targets {
            0 | 1 => String::new(),
            more => format!(" ({more} targets)"),
        };
        let _ = writeln!(
            out,
            "<li><span class=\"state {mood}\">{severity}</span> {}{targets} <small>{}</small></li>",
            text(&incident.key),
            time(incident.since, status.at),
        );
    }
    let more = status.incidents.len().saturating_sub(LISTED);
    if more > 0 {
        let _ = writeln!(out, "<li>and {more} more</li>");
    }
    out.push_str("</ul>\n</section>\n");
}
