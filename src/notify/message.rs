//! Text of a notice: one short line, however much it concerns.

use std::fmt::Display;
use std::time::{Duration, SystemTime};

use super::{
    IncidentProblem, NO_PART, Notice, NoticeEvidence, NoticeKind, NoticeMark, NoticeTarget,
};
use crate::text::one_line;

/// Maximum number of items that are named before the rest is counted.
const NAMED: usize = 3;

/// Maximum length in characters of a name or reason, and of a detail.
const LONGEST_WORD: usize = 80;
const LONGEST_DETAIL: usize = 300;

impl Notice {
    /// Returns the notice as one line of at most 2,000 characters: agent, event, addresses, reason,
    /// and time.
    pub fn text(&self) -> String {
        let mut parts = vec![self.event()];
        parts.extend(self.zone.as_ref().map(|zone| format!("zone {}", clean(zone, LONGEST_WORD))));
        parts.extend(self.reason.as_ref().map(|reason| clean(reason, LONGEST_WORD)));
        parts.extend(self.detail.as_ref().map(|detail| clean(detail, LONGEST_DETAIL)));
        parts.extend(self.evidence.parts(self.targets.len() > 1));
        parts.extend(
            self.advice.as_ref().map(|advice| format!("next: {}", clean(advice, LONGEST_DETAIL))),
        );
        let at = humantime::format_rfc3339_seconds(printable(self.at));
        format!("{}: {}; {at}", self.agent_in_words(), parts.join("; "))
    }

    /// Returns the name of the agent, with a word if the notice is no news or nothing was changed.
    pub(super) fn agent_in_words(&self) -> String {
        let agent = clean(&self.agent, LONGEST_WORD);
        let dry_run = if self.dry_run { " (dry-run)" } else { "" };
        let mark = match self.mark {
            NoticeMark::News => "",
            NoticeMark::Still => " (still open)",
            NoticeMark::Test => " (test)",
        };
        format!("{agent}{dry_run}{mark}")
    }

    /// Returns the reason, the detail and the evidence.
    pub(super) fn why(&self) -> String {
        let mut parts = Vec::new();
        parts.extend(self.reason.as_ref().map(|reason| match in_words(reason) {
            Some(words) => format!("{words} ({reason})"),
            None => clean(reason, LONGEST_WORD),
        }));
        parts.extend(self.detail.as_ref().map(|detail| clean(detail, LONGEST_DETAIL)));
        parts.extend(self.evidence.parts(self.targets.len() > 1));
        parts.join("; ")
    }

    /// Returns the name of the agent.
    pub(super) fn agent_by_name(&self) -> String {
        clean(&self.agent, LONGEST_WORD)
    }

    /// Returns the next step; empty if none is known.
    pub(super) fn advice_in_words(&self) -> String {
        self.advice.as_ref().map(|advice| clean(advice, LONGEST_DETAIL)).unwrap_or_default()
    }

    /// Returns the name of the zone; empty if zones are not named.
    pub(super) fn zone_in_words(&self) -> String {
        self.zone.as_ref().map(|zone| clean(zone, LONGEST_WORD)).unwrap_or_default()
    }

    /// Describes the event, with its addresses and names.
    pub(super) fn event(&self) -> String {
        let targets = self.targets_in_words();
        let is_about_targets = !self.targets.is_empty();
        match self.kind {
            NoticeKind::Withdrawn => self.change("withdrew", "would withdraw", "from"),
            NoticeKind::Restored => self.change("restored", "would restore", "to"),
            NoticeKind::Created => self.change("created", "would create", "at"),
            NoticeKind::Visible => format!("visible: the change of {targets}{}", self.at("at")),
            NoticeKind::NotVisible => {
                format!("not visible everywhere: the change of {targets}{}", self.at("at"))
            }
            NoticeKind::NameFailing => {
                format!("cannot look after {}; all other names are", listed(&self.names, "names"))
            }
            NoticeKind::NameBack => {
                format!("looks after {} again", listed(&self.names, "names"))
            }
            NoticeKind::Refused if self.is_kept_in() => {
                format!("keeps in DNS what should be out: {targets}{}", self.at("at"))
            }
            NoticeKind::Refused => format!("refused to change DNS for {targets}{}", self.at("at")),
            NoticeKind::RefusalOver => {
                format!("no longer refuses to change DNS for {targets}{}", self.at("at"))
            }
            NoticeKind::Unconfirmed if is_about_targets => {
                let at = self.at("at");
                format!("could not confirm a change of {targets}{at}; it may be in force or not")
            }
            NoticeKind::Failing if is_about_targets => {
                let at = self.at("at");
                format!("could not keep DNS in step for {targets}{at} and is trying again")
            }
            NoticeKind::Unknown => {
                let at = self.at("at");
                format!("cannot see {targets}: health unknown, and the verdict stands{at}")
            }
            NoticeKind::UnknownOver => format!("sees {targets} again{}", self.at("at")),
            NoticeKind::Drained => format!("drained {targets}: kept out{}", self.at("of")),
            NoticeKind::Undrained => {
                format!("undrained {targets}: its probes decide again{}", self.at("at"))
            }
            NoticeKind::CertificateEnds => {
                format!("the certificate of {targets} ends soon{}", self.at("at"))
            }
            NoticeKind::CertificateRenewed => {
                format!("the certificate of {targets} is renewed{}", self.at("at"))
            }
            NoticeKind::NoneLeft => self.about_services("nothing is left in service"),
            NoticeKind::SomeBack => self.about_services("something is in service again"),
            NoticeKind::Over => self.over(),
            kind => kind.about_the_agent().to_owned(),
        }
    }

    /// Whether the reason of a refusal only ever keeps something in DNS.
    fn is_kept_in(&self) -> bool {
        let problems = [IncidentProblem::Floor, IncidentProblem::MaxOut, IncidentProblem::Alike];
        problems.iter().any(|problem| self.reason.as_deref() == Some(problem.word()))
    }

    /// Describes a change of records, which is only imagined in dry-run.
    fn change(&self, done: &str, imagined: &str, preposition: &str) -> String {
        let verb = if self.dry_run { imagined } else { done };
        format!("{verb} {}{}", self.targets_in_words(), self.at(preposition))
    }

    /// Describes the end of an incident that no other kind of notice describes.
    fn over(&self) -> String {
        let (problem, place) = (self.incident.problem, &self.incident.place);
        match (self.targets.is_empty(), place.as_str()) {
            (false, _) => format!("over: {problem} of {}", self.targets_in_words()),
            (true, NO_PART) => format!("over: {problem}"),
            (true, place) => format!("over: {problem} of {}", clean(place, LONGEST_WORD)),
        }
    }

    /// Describes an event of a service: with its name, if services are named, and its names in DNS.
    fn about_services(&self, event: &str) -> String {
        let service = self.targets.first().and_then(|target| target.service.as_ref());
        let of = service.map(|name| format!(" of {}", clean(name, LONGEST_WORD)));
        format!("{event}{}{}", of.unwrap_or_default(), self.at("at"))
    }

    /// Lists the addresses concerned.
    fn targets_in_words(&self) -> String {
        listed(&self.targets, "addresses")
    }

    /// Lists the names concerned after a preposition; empty if there are none.
    fn at(&self, preposition: &str) -> String {
        if self.names.is_empty() {
            return String::new();
        }
        format!(" {preposition} {}", listed(&self.names, "names"))
    }
}

impl NoticeKind {
    /// Describes an event that concerns the agent or the provider as a whole.
    fn about_the_agent(self) -> &'static str {
        match self {
            Self::ZoneInactive => "the zone is not active, so changes to it may be seen by nobody",
            Self::ZoneActive => "the zone is active",
            Self::Unconfirmed => "could not confirm a change of DNS; it may be in force or not",
            Self::Failing => "the DNS provider cannot be asked and is tried again",
            Self::Isolated => "isolated: the own network may be the cause, so nothing is withdrawn",
            Self::IsolationOver => "no longer isolated, and losses are counted anew",
            Self::ReloadRefused => "refused the new configuration and keeps the old one",
            Self::ProviderRefused => {
                "the DNS provider refuses our requests, so nothing can be changed"
            }
            Self::ProviderBack => "the DNS provider accepts our requests again",
            Self::Stopped => "stopped by a failure, so nothing is watched from here",
            Self::Reloaded => "a new configuration is in force",
            Self::Withdrawn
            | Self::Restored
            | Self::Created
            | Self::Visible
            | Self::NotVisible
            | Self::NameFailing
            | Self::NameBack
            | Self::Refused
            | Self::RefusalOver
            | Self::Unknown
            | Self::UnknownOver
            | Self::Drained
            | Self::Undrained
            | Self::CertificateEnds
            | Self::CertificateRenewed
            | Self::NoneLeft
            | Self::SomeBack
            | Self::Over => self.word(),
        }
    }
}

impl NoticeEvidence {
    /// Describes the evidence, a phrase for each piece. For several addresses each number is a
    /// bound.
    fn parts(&self, several: bool) -> Vec<String> {
        let bound = if several { "at least " } else { "" };
        let mut parts = Vec::new();
        if let Some(losses) = self.losses {
            let outcome = if losses == 1 { "loss" } else { "losses" };
            parts.push(format!("{bound}{losses} {outcome} in a row"));
        }
        if let Some(replies) = self.replies {
            let outcome = if replies == 1 { "reply" } else { "replies" };
            parts.push(format!("{bound}{replies} {outcome} in a row"));
        }
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

/// Returns a target as one word.
pub(super) fn target_in_words(target: &NoticeTarget) -> String {
    clean(&target.to_string(), LONGEST_WORD)
}

/// Explains the word of a reason.
fn in_words(reason: &str) -> Option<&'static str> {
    Some(match reason {
        "floor" => "min_in_service is reached",
        "max_out" => "as many are out as may be",
        "no_quorum" => "too few agents agree",
        "contested" => "other agents see the contrary",
        "alike" => "all targets fail in the same way",
        "standby" => "a standby cannot come or go",
        "drained" => "by hand",
        "asked" => "it asked to be out",
        _ => return None,
    })
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
    let line = one_line(text, ' ').split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= longest {
        return line;
    }
    line.chars().take(longest - 1).chain(['…']).collect()
}

/// Formats a duration for people: `310 ms`, `2.4 s`, `1h 5m 3s`.
pub(super) fn span(duration: Duration) -> String {
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
