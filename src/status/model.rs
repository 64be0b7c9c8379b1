//! The status of an agent: the object behind `GET /status`.
//!
//! The names of its fields are a contract: fields are added, never renamed. An older `goavail status`
//! skips the fields that a newer agent adds. A field that an older agent lacks has a default.

mod checks;
mod drains;
mod effects;
mod incidents;
mod limits;
mod reason;
mod returning;
mod standby;

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub(crate) use super::time::Time;
pub use crate::engine::event::Reason;
pub use checks::{CheckFailure, CheckStatus, CountedMode, PhaseTimes};
pub use drains::{Drained, WaitingDrain};
pub use effects::{EffectProgress, EffectStatus, ServerStatus};
pub use incidents::OpenIncidentStatus;
pub(crate) use limits::{Canary, Limits};
pub(crate) use reason::StatedReason;
pub use returning::Returning;
pub use standby::Standby;

/// The name of the only service of a file that names none, and of its zone.
pub(super) const DEFAULT: &str = "default";

/// Time without an iteration of the event loop after which `/healthz` fails. The loop has an iteration
/// at least once a second.
pub const MAX_SILENCE: Duration = Duration::from_secs(10);

/// The status of an agent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Status<T = Vec<Target>> {
    /// The time of this status, about a second ago at most while the event loop runs.
    pub at: Time,
    /// Seconds since the last iteration of the agent's event loop, at the time of the query. There is
    /// at least one a second.
    #[serde(default)]
    pub silence_s: f64,
    /// The agent as a whole.
    pub agent: Agent,
    /// The targets, in the configuration's order: those of the first service, of the next, …
    pub targets: T,
    /// The services, in the configuration's order.
    #[serde(default)]
    pub services: Vec<ServiceStatus>,
    /// The zones, in the configuration's order.
    #[serde(default)]
    pub zones: Vec<ZoneStatus>,
    /// The other agents; empty in single mode.
    pub peers: Vec<Peer>,
    /// The drains of addresses and services that are not in the configuration. They wait for them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waiting_drains: Vec<WaitingDrain>,
    /// The canaries, in the configuration's order.
    #[serde(default)]
    pub canaries: Vec<Canary>,
    /// The open incidents, the most severe first.
    #[serde(default)]
    pub incidents: Vec<OpenIncidentStatus>,
    /// The newest of `changes`.
    pub last_change: Option<Change>,
    /// The newest failure, whether or not it is over.
    pub last_error: Option<Failure>,
    /// The current failures, which are retried.
    #[serde(default)]
    pub failing: Vec<Failure>,
    /// The latest changes, the newest first; at most [`super::CHANGES_KEPT`].
    #[serde(default)]
    pub changes: Vec<Change>,
}

/// The agent as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Agent {
    /// The agent's name in the configuration.
    #[serde(default)]
    pub name: String,
    /// The program's version.
    pub version: String,
    /// The start of monitoring by this process.
    pub started_at: Time,
    /// Whether nothing is written at the provider.
    pub dry_run: bool,
    /// Whether the agent has peers.
    pub mode: Mode,
    /// The kind of probes: `ip` or `tcp`.
    pub r#type: String,
    /// The DNS provider's name for people: `Cloudflare`.
    pub provider: String,
    /// The name of the zone.
    pub zone: String,
    /// Whether the agent considers its own network the cause of its losses: they are no evidence, and
    /// nothing is withdrawn.
    pub isolated: bool,
    /// The cause of the isolation: `no canary answers`. `None` if the agent is not isolated.
    #[serde(default)]
    pub isolation_cause: Option<String>,
    /// The time at which the configuration in force was read.
    pub config_loaded_at: Time,
    /// The guards that are off, by the keys that turn them on.
    #[serde(default)]
    pub guards_off: Vec<String>,
}

/// Whether an agent has peers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// The agent decides alone.
    Single,
    /// The agent exchanges votes with peers.
    Cluster,
}

/// One service of the agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceStatus {
    /// Its name in the configuration; `default` if the configuration names no services.
    pub name: String,
    /// The name of its zone in the configuration.
    pub zone: String,
    /// The DNS provider's name for people.
    pub provider: String,
    /// The checks of its targets, in words.
    pub checks: Vec<String>,
    /// The owner names at which it is published.
    pub names: Vec<String>,
    /// The number of its targets with the verdict that they are in service, without standbys.
    pub in_service: usize,
    /// The number of its targets, without standbys.
    pub of: usize,
    /// The number of its standbys in service; absent without standbys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub standby_in: Option<usize>,
}

/// One zone of the agent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ZoneStatus {
    /// Its name in the configuration; `default` if the configuration names no zones.
    pub name: String,
    /// The DNS provider's name for people.
    pub provider: String,
    /// The name of the zone in DNS.
    pub domain: String,
    /// The newest failure that concerns the zone, whether or not it is over.
    pub last_error: Option<Failure>,
    /// Whether something in the zone fails at present, and is retried.
    pub failing: bool,
    /// The last change and those that are not visible, as name servers show them, the newest first;
    /// absent without `confirm`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub effects: Vec<EffectStatus>,
}

/// The name of the service of a target in the status of an agent that knows no services.
fn unnamed() -> String {
    DEFAULT.to_owned()
}

/// One target of the agent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Target {
    /// The target's address.
    pub address: IpAddr,
    /// The name of its service.
    #[serde(default = "unnamed")]
    pub service: String,
    /// The target's health, as seen by this agent.
    pub health: Health,
    /// The verdict: whether the target's records belong in the zone.
    pub in_service: bool,
    /// The reason why a change that its health calls for is not made; `None` if there is none.
    #[serde(default)]
    pub reason: Option<StatedReason>,
    /// The newest outcomes in a row that are alike; a count of 0 before the first.
    pub streak: Streak,
    /// The round-trip time of the newest reply, in milliseconds; `None` before the first.
    pub last_rtt_ms: Option<f64>,
    /// The share of lost probes in the last minute, 0 to 1; `None` if none was judged.
    pub loss_1m: Option<f64>,
    /// Seconds since a probe was last judged a reply or a loss; before the first, since the start of
    /// monitoring.
    #[serde(default)]
    pub evidence_age_s: Option<f64>,
    /// The time of the last change of `health`.
    pub since: Time,
    /// The time of the last change of `in_service`.
    #[serde(default)]
    pub in_service_since: Option<Time>,
    /// The time of the newest reply; `None` before the first.
    #[serde(default)]
    pub last_reply_at: Option<Time>,
    /// The number of replies after their probe's timeout, since the start. If it grows, `timeout` is too
    /// short.
    #[serde(default)]
    pub late: u64,
    /// Set if the target does not answer at `retry_interval` although it is healthy.
    #[serde(default)]
    pub limits: Option<Limits>,
    /// Set while the operator has drained the target.
    pub drained: Option<Drained>,
    /// Set if the target is a standby.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub standby: Option<Standby>,
    /// Set if the target is up again and is put back later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub returning: Option<Returning>,
    /// The records that may hold this address.
    pub records: Vec<RecordPresence>,
    /// The votes of the other vantage points.
    pub votes: Vec<Vote>,
    /// The checks, if the configuration chooses how the target is asked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<CheckStatus>,
    /// The checks that made it go down, if it is down, and there are several or they give reasons.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failed: Vec<CheckFailure>,
}

impl Status {
    /// Whether the agent's configuration names its services. Otherwise `default` is the only one.
    pub(crate) fn names_services(&self) -> bool {
        self.services.iter().any(|service| service.name != DEFAULT)
    }

    /// Returns a target for people: `SERVICE/ADDRESS`, or the address if services are not named.
    pub(super) fn name_of(&self, target: &Target) -> String {
        if self.names_services() {
            return format!("{}/{}", target.service, target.address);
        }
        target.address.to_string()
    }

    /// Returns the cause of the agent's isolation, if it is isolated, in lower case.
    pub(super) fn isolation(&self) -> Option<&str> {
        // An older agent reports no cause.
        let cause =
            self.agent.isolation_cause.as_deref().unwrap_or("its own network may be at fault");
        self.agent.isolated.then_some(cause)
    }

    /// Whether the agent's event loop does not run, so that this status is outdated.
    pub fn is_stale(&self) -> bool {
        self.silence_s >= MAX_SILENCE.as_secs_f64()
    }
}

impl Target {
    /// Returns the reason, if there is one and this version knows it.
    pub fn known_reason(&self) -> Option<Reason> {
        self.reason.as_ref()?.known()
    }

    /// Whether clients may be sent to the target, so that `GET /verdict/<ip>` returns 200.
    ///
    /// A record kept by the floor or by dry-run does not make a dead target alive: the verdict stands
    /// although it was not carried out. A standby that is up could serve, needed or not.
    pub fn serves(&self) -> bool {
        let kept = match self.known_reason() {
            Some(Reason::Floor | Reason::Drained) => true,
            Some(Reason::DryRun) => self.health == Health::Down,
            _ => false,
        };
        self.stands_ready() || self.in_service && !kept && self.drained.is_none()
    }
}

/// The health of a target, by the agent's own probes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// The last full run was one of replies.
    Up,
    /// The last full run was one of losses.
    Down,
    /// No full run since the start.
    AssumedUp,
    /// No probe was judged for a while. The verdict stands.
    Unknown,
}

impl Health {
    /// Returns the word for JSON and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
            Self::AssumedUp => "assumed_up",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for Health {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(self.as_str())
    }
}

/// The outcome of a probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The probe was answered in time.
    Reply,
    /// The probe was not answered in time.
    Loss,
}

/// A number of equal outcomes in a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Streak {
    /// The common outcome.
    pub outcome: Outcome,
    /// The number of outcomes.
    pub count: u64,
}

/// One record that may hold the target's address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordPresence {
    /// The owner name.
    pub name: String,
    /// `A` or `AAAA`.
    pub r#type: String,
    /// Whether the record was in the last listing; `None` without one.
    pub present: Option<bool>,
}

/// The vote of one vantage point on one target.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Vote {
    /// The peer that voted.
    pub peer: String,
    /// The health that it sees.
    pub health: Health,
    /// Seconds since the vote was received.
    pub age_s: f64,
}

/// Another agent of the cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peer {
    /// Its `host:port` for votes, as the configuration lists it.
    pub address: String,
    /// Whether its votes count.
    pub alive: bool,
    /// Whether it signs its votes.
    pub signed: bool,
    /// The time of its last message; `None` before the first.
    pub last_heard: Option<Time>,
    /// The services on which it has no vote, since it does not watch them or is a Go agent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub no_vote_on: Vec<String>,
}

/// A change to the zone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// The time at which the provider confirmed it.
    pub at: Time,
    /// The change in words: `withdrew 192.0.2.10 from www.example.com`.
    pub what: String,
    /// The evidence: losses, votes or the operator's command.
    #[serde(default)]
    pub evidence: String,
    /// The target, if it concerns one.
    #[serde(default)]
    pub target: Option<IpAddr>,
    /// The name of the service of that target. `None` without a target, and if the configuration
    /// names no services.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
}

/// A failure of the agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The time at which it last occurred.
    pub at: Time,
    /// The work that failed: `list the records of example.com`.
    pub what: String,
    /// The error, in the words of its source.
    #[serde(default)]
    pub error: String,
}

#[cfg(test)]
mod tests;
