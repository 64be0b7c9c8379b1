//! A notice in several lines, for channels that people read on a small screen in the middle of the
//! night: the severity and the event first, then the cause, the time, the next step, and the agent.

use std::time::SystemTime;

use super::incident::IncidentStatus;
use super::message::{printable, span, target_in_words};
use super::{Notice, NoticeMark};

/// A notice as a title and lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NoticeText {
    /// The severity, and the event with its addresses and names.
    pub(super) title: String,
    /// Lines with their labels.
    pub(super) lines: Vec<(&'static str, String)>,
}

impl Notice {
    /// Returns the notice as a title and lines.
    pub(super) fn rendering(&self) -> NoticeText {
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
        add("Look", self.where_to_look());
        add("Zone", self.zone_in_words());
        add("From", format!("{}, {}", self.agent_in_words(), time(self.at)));
        NoticeText { title: self.title(), lines }
    }

    /// Returns the command that says more about an incident while it is open.
    fn where_to_look(&self) -> String {
        let is_open = !matches!(self.status, IncidentStatus::Closed | IncidentStatus::Event);
        match &self.targets[..] {
            _ if !is_open || self.mark == NoticeMark::Test => String::new(),
            [target] => {
                format!("`goavail explain {}` on {}", target_in_words(target), self.agent_by_name())
            }
            _ => format!("`goavail status` on {}", self.agent_by_name()),
        }
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

impl NoticeText {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::tests::examples;

    #[test]
    fn the_page_about_channels_shows_a_notice_as_people_see_it() {
        let page = include_str!("../../docs/channels.md");
        for notice in examples() {
            let text = notice.rendering().text();
            assert!(page.contains(&text), "missing:\n{text}");
            assert!(page.contains(&notice.text()), "missing:\n{}", notice.text());
        }
    }

    #[test]
    fn the_first_words_say_how_urgent_it_is() {
        let [mut notice, over] = examples();
        assert!(notice.title().starts_with("critical: keeps in DNS"), "{}", notice.title());
        assert!(over.title().starts_with("over: no longer refuses"), "{}", over.title());
        notice.dry_run = true;
        assert!(notice.title().starts_with("critical, dry-run: "), "{}", notice.title());
        notice.status = IncidentStatus::Updated;
        assert!(notice.title().starts_with("critical, changed, dry-run: "), "{}", notice.title());
        notice.mark = NoticeMark::Still;
        assert!(notice.title().starts_with("still critical, dry-run: "), "{}", notice.title());
        notice.mark = NoticeMark::Test;
        assert!(notice.title().starts_with("TEST, critical, changed, "), "{}", notice.title());
    }
}
