//! The kinds of notices, and the incident that each belongs to.

use serde::{Deserialize, Serialize};

use super::{IncidentProblem, IncidentStatus};

/// The kind of a notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoticeKind {
    /// The provider confirmed that addresses are withdrawn; in dry-run, they would be.
    Withdrawn,
    /// The provider confirmed that addresses are restored; in dry-run, they would be.
    Restored,
    /// Addresses were added at names that had none, without a record in memory; in dry-run, they
    /// would be.
    Created,
    /// All name servers of the zone show a change.
    Visible,
    /// A name server does not show a change for too long.
    NotVisible,
    /// A name is suspended because of a problem of its own; all other names are maintained.
    NameFailing,
    /// The suspended name is maintained again.
    NameBack,
    /// The provider reports that the zone is not active, so changes to it may be invisible.
    ZoneInactive,
    /// The zone is active again.
    ZoneActive,
    /// A guard keeps addresses as they are, for the notice's reason.
    Refused,
    /// That guard has ended.
    RefusalOver,
    /// A change was sent and its answer was lost.
    Unconfirmed,
    /// A change cannot be made now and will be retried.
    Failing,
    /// No canary answers, or no target can be asked: this agent withdraws nothing.
    Isolated,
    /// A canary answers again, or a target can be asked again.
    IsolationOver,
    /// There was no evidence about addresses for over a minute, so their health is unknown.
    Unknown,
    /// There is evidence about them again.
    UnknownOver,
    /// A new configuration was rejected; the old one remains in force.
    ReloadRefused,
    /// The provider rejects our credentials or our zone.
    ProviderRefused,
    /// The provider accepts our requests again.
    ProviderBack,
    /// An operator drained addresses.
    Drained,
    /// An operator undrained addresses.
    Undrained,
    /// The agent stops because of an internal failure.
    Stopped,
    /// A certificate of a target ends soon.
    CertificateEnds,
    /// That certificate was renewed.
    CertificateRenewed,
    /// No target of a service is in service.
    NoneLeft,
    /// A target of that service is in service again.
    SomeBack,
    /// A new configuration is in force, after another was rejected.
    Reloaded,
    /// An incident is over for another reason than the usual one: it ended while the agent was down, or
    /// the configuration has its subject no more.
    Over,
}

impl NoticeKind {
    /// Returns the kind in one word, as in the JSON form. These words never change.
    pub fn word(self) -> &'static str {
        match self {
            Self::Withdrawn => "withdrawn",
            Self::Restored => "restored",
            Self::Created => "created",
            Self::Visible => "visible",
            Self::NotVisible => "not_visible",
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
            Self::CertificateEnds => "certificate_ends",
            Self::CertificateRenewed => "certificate_renewed",
            Self::NoneLeft => "none_left",
            Self::SomeBack => "some_back",
            Self::Reloaded => "reloaded",
            Self::Over => "over",
        }
    }

    /// All kinds, in the order of their variants.
    pub const ALL: [Self; 29] = [
        Self::Withdrawn,
        Self::Restored,
        Self::Created,
        Self::Visible,
        Self::NotVisible,
        Self::NameFailing,
        Self::NameBack,
        Self::ZoneInactive,
        Self::ZoneActive,
        Self::Refused,
        Self::RefusalOver,
        Self::Unconfirmed,
        Self::Failing,
        Self::Isolated,
        Self::IsolationOver,
        Self::Unknown,
        Self::UnknownOver,
        Self::ReloadRefused,
        Self::ProviderRefused,
        Self::ProviderBack,
        Self::Drained,
        Self::Undrained,
        Self::Stopped,
        Self::CertificateEnds,
        Self::CertificateRenewed,
        Self::NoneLeft,
        Self::SomeBack,
        Self::Reloaded,
        Self::Over,
    ];

    /// Returns the problem of the incident that a notice of this kind belongs to. `reason` is the
    /// reason of a refusal, or of a withdrawal that an operator or the target asked for.
    pub fn problem(self, reason: Option<&str>) -> IncidentProblem {
        match self {
            Self::Withdrawn if reason == Some("drained") => IncidentProblem::Drained,
            Self::Withdrawn if reason == Some("asked") => IncidentProblem::Asked,
            Self::Withdrawn | Self::Restored | Self::Over => IncidentProblem::Withdrawn,
            Self::Created => IncidentProblem::Created,
            Self::Visible => IncidentProblem::Visible,
            Self::NotVisible => IncidentProblem::NotVisible,
            Self::NameFailing | Self::NameBack => IncidentProblem::NameFailing,
            Self::ZoneInactive | Self::ZoneActive => IncidentProblem::ZoneInactive,
            Self::Refused | Self::RefusalOver => match reason {
                Some("max_out") => IncidentProblem::MaxOut,
                Some("no_quorum") => IncidentProblem::NoQuorum,
                Some("contested") => IncidentProblem::Contested,
                Some("alike") => IncidentProblem::Alike,
                Some("standby") => IncidentProblem::Standby,
                _ => IncidentProblem::Floor,
            },
            Self::Unconfirmed | Self::Failing | Self::ProviderRefused | Self::ProviderBack => {
                IncidentProblem::Provider
            }
            Self::Isolated | Self::IsolationOver => IncidentProblem::Isolated,
            Self::Unknown | Self::UnknownOver => IncidentProblem::Unknown,
            Self::ReloadRefused | Self::Reloaded => IncidentProblem::Reload,
            Self::Drained | Self::Undrained => IncidentProblem::Drained,
            Self::Stopped => IncidentProblem::Stopped,
            Self::CertificateEnds | Self::CertificateRenewed => IncidentProblem::Certificate,
            Self::NoneLeft | Self::SomeBack => IncidentProblem::NoneLeft,
        }
    }

    /// Returns the place of a notice of this kind in the course of its incident, as far as the kind
    /// alone decides it.
    pub fn status(self) -> IncidentStatus {
        match self {
            Self::Withdrawn
            | Self::NotVisible
            | Self::NameFailing
            | Self::ZoneInactive
            | Self::Refused
            | Self::Unconfirmed
            | Self::Failing
            | Self::Isolated
            | Self::Unknown
            | Self::ReloadRefused
            | Self::ProviderRefused
            | Self::Drained
            | Self::Stopped
            | Self::CertificateEnds
            | Self::NoneLeft => IncidentStatus::Opened,
            Self::Created | Self::Visible => IncidentStatus::Event,
            Self::Restored
            | Self::NameBack
            | Self::ZoneActive
            | Self::RefusalOver
            | Self::IsolationOver
            | Self::UnknownOver
            | Self::ProviderBack
            | Self::Undrained
            | Self::CertificateRenewed
            | Self::SomeBack
            | Self::Reloaded
            | Self::Over => IncidentStatus::Closed,
        }
    }
}
