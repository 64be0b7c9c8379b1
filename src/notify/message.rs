//! Text of a notice: one short line, however much it concerns.

use std::fmt::Display;
use std::time::{Duration, SystemTime};

use super::{Evidence, Notice, NoticeKind};
use crate::text::visible;

/// Maximum number of items that are named before the rest is counted.
const NAMED: usize = 3;

/// Maximum length in characters of a name or reason, and of a detail.
const LONGEST_WORD: usize = 80;
const LONGEST_DETAIL: usize = 300;

impl NoticeKind {
    /// Returns the kind in one word, as in the JSON form. These words never change.
    pub fn word(self) -> &'static str {
        match self {
            Self::Withdrawn => "withdrawn",
            Self::Restored => "restored",
            Self::Created => "created",
            Self::NameFailing => "name_failing",
            Self::NameBack => "name_back",
            Self::ZoneInactive => "zone_inactive",
            Self::ZoneActive => "zone_active",
            Self::Refused => "refused",
            Self::RefusalOver => "refusal_over",
            Self::Unconfirmed => "unconfirmed",
            Self::Failing => "failing",
            Self::Isolated => "isolated",
            Self::IsolationOver => "isolation_over",
            Self::Unknown => "unknown",
            Self::UnknownOver => "unknown_over",
            Self::ReloadRefused => "reload_refused",
            Self::ProviderRefused => "provider_refused",
            Self::ProviderBack => "provider_back",
            Self::Drained => "drained",
            Self::Undrained => "undrained",
            Self::Stopped => "stopped",
        }
    }
}

impl Notice {
    /// Returns the notice as one line of at most 2,000 characters: agent, event, addresses, reason,
    /// and time.
    pub fn text(&self) -> String {
        let mut parts = vec![self.what()];
        parts.extend(self.reason.as_ref().map(|reason| clean(reason, LONGEST_WORD)));
        parts.extend(self.detail.as_ref().map(|detail| clean(detail, LONGEST_DETAIL)));
        parts.extend(self.evidence.parts(self.targets.len() > 1));
        let agent = clean(&self.agent, LONGEST_WORD);
        let dry_run = if self.dry_run { " (dry-run)" } else { "" };
        let at = humantime::format_rfc3339_seconds(printable(self.at));
        format!("{agent}{dry_run}: {}; {at}", parts.join("; "))
    }

    /// Describes the event, with its addresses and names.
    fn what(&self) -> String {
        let who = listed(&self.targets, "addresses");
        let at = |word: &str| match self.names.as_slice() {
            [] => String::new(),
            names => format!(" {word} {}", listed(names, "names")),
        };
        match (self.kind, self.dry_run) {
            (NoticeKind::Withdrawn, false) => format!("withdrew {who}{}", at("from")),
            (NoticeKind::Withdrawn, true) => format!("would withdraw {who}{}", at("from")),
            (NoticeKind::Restored, false) => format!("restored {who}{}", at("to")),
            (NoticeKind::Restored, true) => format!("would restore {who}{}", at("to")),
            (NoticeKind::Created, false) => format!("created {who}{}", at("at")),
            (NoticeKind::Created, true) => format!("would create {who}{}", at("at")),
            (NoticeKind::NameFailing, _) => {
                format!("cannot look after {}; all other names are", listed(&self.names, "names"))
            }
            (NoticeKind::NameBack, _) => {
                format!("looks after {} again", listed(&self.names, "names"))
            }
            (NoticeKind::ZoneInactive, _) => {
                "the zone is not active, so changes to it may be seen by nobody".to_owned()
            }
            (NoticeKind::ZoneActive, _) => "the zone is active".to_owned(),
            (NoticeKind::Refused, _) => format!("refused to change DNS for {who}{}", at("at")),
            (NoticeKind::RefusalOver, _) => {
                format!("no longer refuses to change DNS for {who}{}", at("at"))
            }
            (NoticeKind::Unconfirmed, _) if self.targets.is_empty() => {
                "could not confirm a change of DNS; it may be in force or not".to_owned()
            }
            (NoticeKind::Failing, _) if self.targets.is_empty() => {
                "the DNS provider cannot be asked and is tried again".to_owned()
            }
            (NoticeKind::Unconfirmed, _) => {
                format!(
                    "could not confirm a change of {who}{}; it may be in force or not",
                    at("at")
                )
            }
            (NoticeKind::Failing, _) => {
                format!("could not keep DNS in step for {who}{} and is trying again", at("at"))
            }
            (NoticeKind::Isolated, _) => {
                "isolated: the own network may be the cause, so nothing is withdrawn".to_owned()
            }
            (NoticeKind::IsolationOver, _) => {
                "no longer isolated, and losses are counted anew".to_owned()
            }
            (NoticeKind::Unknown, _) => {
                format!("cannot see {who}: health unknown, and the verdict stands{}", at("at"))
            }
            (NoticeKind::UnknownOver, _) => format!("sees {who} again{}", at("at")),
            (NoticeKind::ReloadRefused, _) => {
                "refused the new configuration and keeps the old one".to_owned()
            }
            (NoticeKind::ProviderRefused, _) => {
                "the DNS provider refuses our requests, so nothing can be changed".to_owned()
            }
            (NoticeKind::ProviderBack, _) => {
                "the DNS provider accepts our requests again".to_owned()
            }
            (NoticeKind::Drained, _) => format!("drained {who}: kept out{}", at("of")),
            (NoticeKind::Undrained, _) => {
                format!("undrained {who}: its probes decide again{}", at("at"))
            }
            (NoticeKind::Stopped, _) => {
                "stopped by a failure, so nothing is watched from here".to_owned()
            }
        }
    }
}

impl Evidence {
    /// Describes the evidence, a phrase for each piece. For several addresses each number is a
    /// bound.
    fn parts(&self, several: bool) -> Vec<String> {
        let bound = if several { "at least " } else { "" };
        let run = |count: u32, one: &str, more: &str| {
            let outcome = if count == 1 { one } else { more };
            format!("{bound}{count} {outcome} in a row")
        };
        let mut parts = Vec::new();
        parts.extend(self.losses.map(|count| run(count, "loss", "losses")));
        parts.extend(self.replies.map(|count| run(count, "reply", "replies")));
        let since = self.since_last_reply.map(span);
        parts.extend(since.map(|since| format!("last reply {bound}{since} before")));
        if !self.votes.is_empty() {
            parts.push(format!("agreed by {}", listed(&self.votes, "vantage points")));
        }
        let most = if several { "at most " } else { "" };
        parts.extend(self.took.map(span).map(|took| format!("took {most}{took}")));
        parts
    }
}

/// Formats a list as `a`, `a and b`, `a, b and c`, or for more than [`NAMED`] items as `100
/// addresses (a, b, c and 97 more)`.
fn listed(things: &[impl Display], kind: &str) -> String {
    let named: Vec<String> =
        things.iter().take(NAMED).map(|thing| clean(&thing.to_string(), LONGEST_WORD)).collect();
    match (named.as_slice(), things.len()) {
        ([], _) => format!("no {kind}"),
        ([one], _) => one.clone(),
        ([start @ .., last], all) if all <= NAMED => format!("{} and {last}", start.join(", ")),
        (_, all) => format!("{all} {kind} ({} and {} more)", named.join(", "), all - NAMED),
    }
}

/// Returns `text` on one line, without control characters, and no longer than `longest` characters.
fn clean(text: &str, longest: usize) -> String {
    let text = visible(text);
    let spaced: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let line = spaced.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= longest {
        return line;
    }
    line.chars().take(longest - 1).chain(['…']).collect()
}

/// Formats a duration for people: `310 ms`, `2.4 s`, `1h 5m 3s`.
fn span(duration: Duration) -> String {
    match duration {
        short if short < Duration::from_secs(1) => format!("{} ms", short.as_millis()),
        middling if middling < Duration::from_mins(1) => {
            let tenths = middling.as_millis() / 100;
            format!("{}.{} s", tenths / 10, tenths % 10)
        }
        long => humantime::format_duration(Duration::from_secs(long.as_secs())).to_string(),
    }
}

/// Returns the same time, or the nearest one that RFC 3339 can represent: a clock may have any
/// setting.
pub(super) fn printable(at: SystemTime) -> SystemTime {
    let last = SystemTime::UNIX_EPOCH + Duration::from_secs(253_402_300_799); // the end of 9999
    at.clamp(SystemTime::UNIX_EPOCH, last)
}

#[cfg(test)]
mod tests;
