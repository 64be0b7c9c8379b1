//! A notice in several lines, for channels that people read on a small screen in the middle of the
//! night: the severity and the event first, then why, since when, what to do, and from where.

use std::time::SystemTime;

use super::incident::IncidentStatus;
use super::message::{printable, span};
use super::{Notice, NoticeMark};

/// A notice as a title and lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rendering {
    /// The severity, and the event with its addresses and names.
    pub(super) title: String,
    /// Lines with their labels.
    pub(super) lines: Vec<(&'static str, String)>,
}

impl Notice {
    /// Returns the notice as a title and lines.
    pub(super) fn rendering(&self) -> Rendering {
        let mut lines = Vec::new();
        let mut add = |label, text: String| {
            if !text.is_empty() {
                lines.push((label, text));
            }
        };
        add("Why", self.why());
        if self.since < self.at && self.status != IncidentStatus::Event {
            let lasted = self.at.duration_since(self.since).unwrap_or_default();
            let word = if self.status == IncidentStatus::Closed { "it lasted " } else { "for " };
            add("Since", format!("{} ({word}{})", time(self.since), span(lasted)));
        }
        add("Do", self.advice_in_words());
        add("Zone", self.zone_in_words());
        add("From", format!("{}, {}", self.agent_in_words(), time(self.at)));
        Rendering { title: self.title(), lines }
    }

    /// Returns the severity and the event: `critical: refused to change DNS for 192.0.2.1 ...`.
    pub(super) fn title(&self) -> String {
        let test = if self.mark == NoticeMark::Test { "TEST, " } else { "" };
        let severity = self.severity;
        let tag = match (self.status, self.mark) {
            (IncidentStatus::Closed, _) => "over".to_owned(),
            (_, NoticeMark::Still) => format!("still {severity}"),
            (IncidentStatus::Updated, _) => format!("{severity}, changed"),
            _ => severity.to_string(),
        };
        let dry_run = if self.dry_run { ", dry-run" } else { "" };
        format!("{test}{tag}{dry_run}: {}", self.event())
    }
}

impl Rendering {
    /// Returns the lines, each with its label.
    pub(super) fn body(&self) -> String {
        let lines: Vec<String> =
            self.lines.iter().map(|(label, text)| format!("{label}: {text}")).collect();
        lines.join("\n")
    }

    /// Returns the title and the lines.
    pub(super) fn text(&self) -> String {
        format!("{}\n{}", self.title, self.body())
    }
}

/// Formats a time in UTC, to the second.
fn time(at: SystemTime) -> String {
    humantime::format_rfc3339_seconds(printable(at)).to_string()
}
