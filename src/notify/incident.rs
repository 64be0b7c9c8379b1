//! The incident that a notice belongs to: its key, its problem, its status and its severity.
//!
//! # The key
//!
//! `goavail/<zone>/<service>/<place>/<problem>` is the same on every agent of a cluster and in every run, so
//! that a receiver which knows keys makes one page of the notices of three agents. A part that an
//! incident does not have is [`NO_PART`], which is no name of a zone or a service.
//!
//! | the incident concerns | zone | service | place |
//! |---|---|---|---|
//! | a target | its zone | its service | its address |
//! | many targets of a service, or the service itself | its zone | the service | `_` |
//! | an owner name | its zone | `_` | the name |
//! | a zone or its provider | the zone | `_` | `_` |
//! | one agent alone | `_` | `_` | the name of the agent |
//!
//! A problem that each agent has by itself (with a provider, a zone, an owner name, or the evidence about a
//! target) has the agent behind its place: `_@sfo-1`. The name of an agent is in no other key. A key has at most 255 bytes, since receivers accept no more.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::severity::Severity;

use crate::text::one_line;

/// The part of a key for something that the incident does not have.
pub const NO_PART: &str = "_";

/// Maximum length in bytes of a part of a key. Longer ones are cut, with a hash of the whole.
const LONGEST_PART: usize = 72;

/// Maximum length in bytes of the name of an agent behind a place.
const LONGEST_AGENT: usize = 40;

/// The key of an incident.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct IncidentKey {
    /// The zone, or [`NO_PART`].
    pub zone: String,
    /// The service, or [`NO_PART`].
    pub service: String,
    /// The address, the owner name or the agent, or [`NO_PART`].
    pub place: String,
    /// The problem itself.
    pub problem: IncidentProblem,
}

impl IncidentKey {
    /// Returns the key of a problem. `None` stands for a part that it does not have.
    pub fn new(
        zone: Option<&str>,
        service: Option<&str>,
        place: Option<&str>,
        problem: IncidentProblem,
    ) -> Self {
        let [zone, service, place] = [zone, service, place].map(part);
        Self { zone, service, place, problem }
    }

    /// Returns the key of a problem of one agent alone.
    pub fn of_agent(agent: &str, problem: IncidentProblem) -> Self {
        Self::new(None, None, Some(agent), problem)
    }

    /// Returns the key of the same problem of the whole service.
    #[must_use]
    pub fn of_service(&self) -> Self {
        let agent = self.place.find('@').map_or("", |at| &self.place[at..]);
        Self { place: format!("{NO_PART}{agent}"), ..self.clone() }
    }

    /// Returns the key of the same problem as one agent has it.
    #[must_use]
    pub fn at_agent(self, agent: &str) -> Self {
        let place = format!("{}@{}", self.without_agent().place, cut(agent, LONGEST_AGENT));
        Self { place, ..self }
    }

    /// Returns the key without the agent that has the problem.
    #[must_use]
    pub fn without_agent(&self) -> Self {
        let place = self.place.split('@').next().unwrap_or(NO_PART).to_owned();
        Self { place, ..self.clone() }
    }

    /// Whether this is the key of many targets, or of the service itself.
    pub fn is_of_many(&self) -> bool {
        self.without_agent().place == NO_PART
    }
}

impl fmt::Display for IncidentKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { zone, service, place, problem } = self;
        write!(out, "goavail/{zone}/{service}/{place}/{problem}")
    }
}

/// Returns a name as a part of a key: without slashes, spaces and control characters, and not too long.
fn part(name: Option<&str>) -> String {
    cut(name.unwrap_or_default(), LONGEST_PART)
}

/// Returns a name as a part of a key of at most `longest` bytes.
fn cut(name: &str, longest: usize) -> String {
    let mut part = one_line(name, '_').replace(['/', ' '], "_");
    if part.len() > longest {
        let hash = format!("~{:016x}", fnv(name.as_bytes()));
        let cut = part.floor_char_boundary(longest - hash.len());
        part.truncate(cut);
        part += &hash;
    }
    if part.is_empty() { NO_PART.to_owned() } else { part }
}

/// FNV-1a, 64 bits: offset basis `cbf29ce484222325`, prime `100000001b3`.
fn fnv(bytes: &[u8]) -> u64 {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for byte in bytes {
        hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    hash
}

/// The problem of an incident.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IncidentProblem {
    /// A target is out of DNS for its health.
    Withdrawn,
    /// A target is out of DNS because it asked for that.
    Asked,
    /// A target is out of DNS by an operator's order.
    Drained,
    /// A standby is in DNS.
    StandbyIn,
    /// No target of a service is in service.
    NoneLeft,
    /// A dead target stays in DNS because too few would be left.
    Floor,
    /// A dead target stays in DNS because as many are out as may be.
    MaxOut,
    /// A change is not made because too few peers agree.
    NoQuorum,
    /// A change is not made because peers see the contrary.
    Contested,
    /// Nothing is withdrawn because all targets of the service fail alike.
    Alike,
    /// A standby is needed and does not answer, or has to stay.
    Standby,
    /// There is no evidence about a target.
    Unknown,
    /// A name server does not show a change.
    NotVisible,
    /// A certificate ends soon.
    Certificate,
    /// The provider of a zone refuses, fails, or leaves a change in doubt.
    Provider,
    /// One owner name cannot be maintained.
    NameFailing,
    /// The zone is not active.
    ZoneInactive,
    /// The agent considers its own network the cause of its losses.
    Isolated,
    /// A new configuration was rejected.
    Reload,
    /// The agent stopped because of an internal failure.
    Stopped,
    /// An address was added at a name that held none. It has no end.
    Created,
    /// The name servers show a change. It has no end.
    Visible,
}

impl IncidentProblem {
    /// All problems, in the order of their variants.
    pub const ALL: [Self; 22] = [
        Self::Withdrawn,
        Self::Asked,
        Self::Drained,
        Self::StandbyIn,
        Self::NoneLeft,
        Self::Floor,
        Self::MaxOut,
        Self::NoQuorum,
        Self::Contested,
        Self::Alike,
        Self::Standby,
        Self::Unknown,
        Self::NotVisible,
        Self::Certificate,
        Self::Provider,
        Self::NameFailing,
        Self::ZoneInactive,
        Self::Isolated,
        Self::Reload,
        Self::Stopped,
        Self::Created,
        Self::Visible,
    ];

    /// Returns the last part of the key. These words never change.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Withdrawn => "withdrawn",
            Self::Asked => "asked",
            Self::Drained => "drained",
            Self::StandbyIn => "standby_in",
            Self::NoneLeft => "none_left",
            Self::Floor => "floor",
            Self::MaxOut => "max_out",
            Self::NoQuorum => "no_quorum",
            Self::Contested => "contested",
            Self::Alike => "alike",
            Self::Standby => "standby",
            Self::Unknown => "unknown",
            Self::NotVisible => "not_visible",
            Self::Certificate => "certificate",
            Self::Provider => "provider",
            Self::NameFailing => "name_failing",
            Self::ZoneInactive => "zone_inactive",
            Self::Isolated => "isolated",
            Self::Reload => "reload",
            Self::Stopped => "stopped",
            Self::Created => "created",
            Self::Visible => "visible",
        }
    }

    /// Returns the severity of the problem, if nothing makes it worse or better.
    pub const fn severity(self) -> Severity {
        match self {
            Self::NoneLeft
            | Self::Floor
            | Self::MaxOut
            | Self::NoQuorum
            | Self::Contested
            | Self::Alike
            | Self::NotVisible
            | Self::Provider
            | Self::Isolated
            | Self::Stopped => Severity::Critical,
            Self::Withdrawn
            | Self::StandbyIn
            | Self::Standby
            | Self::Unknown
            | Self::Certificate
            | Self::NameFailing
            | Self::ZoneInactive
            | Self::Created => Severity::Warning,
            Self::Asked | Self::Drained | Self::Reload | Self::Visible => Severity::Info,
        }
    }
}

impl fmt::Display for IncidentProblem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(self.word())
    }
}

/// The place of a notice in the course of its incident.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum IncidentStatus {
    /// The incident begins with this notice.
    Opened,
    /// The incident was opened before, and something about it changed.
    Updated,
    /// The incident ends with this notice.
    Closed,
    /// The event has no end, such as an address that was created: nothing is open after it.
    Event,
    /// The incident was opened by an earlier run, or by an agent that is gone, and is now this agent's.
    /// It is nothing new, so it is no message. Channels that repeat open incidents start to repeat it.
    Standing,
    /// Another agent reports about the incident from now on. It is no message and no end. Channels that
    /// repeat open incidents stop to repeat it.
    Left,
}

impl IncidentStatus {
    /// Returns the status in one word, as in the JSON form.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Updated => "updated",
            Self::Closed => "closed",
            Self::Event => "event",
            Self::Standing => "standing",
            Self::Left => "left",
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_key_has_a_placeholder_for_each_part_that_is_absent() {
        let address = Some("2001:db8::10");
        let rows = [
            (
                IncidentKey::new(Some("main"), Some("www"), address, IncidentProblem::Withdrawn),
                "goavail/main/www/2001:db8::10/withdrawn",
            ),
            (
                IncidentKey::new(Some("main"), Some("www"), address, IncidentProblem::Floor)
                    .of_service(),
                "goavail/main/www/_/floor",
            ),
            (
                IncidentKey::new(Some("main"), None, None, IncidentProblem::Provider),
                "goavail/main/_/_/provider",
            ),
            (
                IncidentKey::of_agent("sfo-1", IncidentProblem::Isolated),
                "goavail/_/_/sfo-1/isolated",
            ),
            (
                IncidentKey::of_agent("a b/c\n", IncidentProblem::Stopped),
                "goavail/_/_/a_b_c_/stopped",
            ),
            (IncidentKey::of_agent("", IncidentProblem::Stopped), "goavail/_/_/_/stopped"),
        ];
        for (key, want) in rows {
            assert_eq!(key.to_string(), want);
        }
    }

    #[test]
    fn words_are_those_of_the_state_file_too() {
        for problem in IncidentProblem::ALL {
            assert_eq!(serde_json::to_value(problem).unwrap(), problem.word());
        }
    }

    proptest! {
        #[test]
        fn any_key_is_one_line_of_five_parts_and_at_most_255_bytes(
            zone in ".{0,300}", service in ".{0,300}", place in ".{0,300}", nth in 0usize..22,
        ) {
            let problem = IncidentProblem::ALL[nth];
            let key = IncidentKey::new(Some(&zone), Some(&service), Some(&place), problem);
            let text = key.to_string();
            prop_assert!(text.len() <= 255, "{}", text.len());
            prop_assert_eq!(text.split('/').count(), 5, "{}", text);
            prop_assert!(!text.chars().any(char::is_control));
            let longer = place.clone() + "x";
            let other = IncidentKey::new(Some(&zone), Some(&service), Some(&longer), problem);
            prop_assert_ne!(key.to_string(), other.to_string());
        }
    }
}
