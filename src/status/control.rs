//! The commands of the operator over the control socket, and the results.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, de};
use tokio::sync::oneshot;

use super::model::{Reason, Time};

/// Maximum time until a command is answered: time to list the zone, and a margin.
pub const ANSWER_WITHIN: Duration = Duration::from_secs(15);

/// A command on its way to the event loop.
///
/// If `reply` is dropped without a result, the operator learns that the agent is stopping.
#[derive(Debug)]
pub struct OperatorCommand {
    /// The address of the command. It may not be a target.
    pub target: IpAddr,
    /// The name of the service; `None` for every service that has the address.
    pub service: Option<String>,
    /// The requested operation.
    pub kind: CommandKind,
    /// The receiver of the result, which the operator expects within [`ANSWER_WITHIN`].
    pub reply: oneshot::Sender<CommandResult>,
}

/// The target of a command, as the operator names it: `ADDRESS` for every service that has the address,
/// or `SERVICE/ADDRESS`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandTarget {
    /// The name of the service; `None` for all.
    pub service: Option<String>,
    /// The address in question.
    pub address: IpAddr,
}

impl FromStr for CommandTarget {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (service, address) = match text.split_once('/') {
            Some((service, address)) => (Some(service_name(service)?), address),
            None => (None, text),
        };
        let address = address
            .parse()
            .map_err(|_| "invalid address: write ADDRESS or SERVICE/ADDRESS".to_owned())?;
        Ok(Self { service, address })
    }
}

impl fmt::Display for CommandTarget {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(service) = &self.service {
            write!(out, "{service}/")?;
        }
        self.address.fmt(out)
    }
}

/// Reads the name of a service on the command line.
///
/// # Errors
///
/// Returns a description of allowed names.
pub(crate) fn service_name(text: &str) -> Result<String, String> {
    let is_plain = text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if text.is_empty() || text.len() > LONGEST_NAME || !is_plain {
        return Err("invalid name: a service has a name of a-z, 0-9 and -".to_owned());
    }
    Ok(text.to_owned())
}

/// Maximum length of the name of a service, in characters.
const LONGEST_NAME: usize = 63;

/// The operation that a command requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CommandKind {
    /// Takes the target out and keeps it out.
    Drain(DrainRequest),
    /// Gives the target back to the agent.
    Undrain,
    /// Gives the target back to the agent, and ends its wait if it has to wait to be put back.
    UndrainNow,
    /// Ends the wait of a target to be put back.
    Return,
}

/// The options of an undrain: the body of `POST /undrain/<ip>`, or its query.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct UndrainRequest {
    /// Whether to end the wait too, if the target has to wait to be put back.
    pub now: bool,
}

impl UndrainRequest {
    /// Returns the operation that this requests.
    pub(super) fn kind(self) -> CommandKind {
        if self.now { CommandKind::UndrainNow } else { CommandKind::Undrain }
    }
}

/// The options of a drain: the body of `POST /drain/<ip>`, or its query.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DrainRequest {
    /// The duration of the drain, written `2h` or `1h 30m`, from 1 s to [`LONGEST`]; `None` means until
    /// it is undrained.
    #[serde(
        rename = "for",
        deserialize_with = "read_duration",
        serialize_with = "write_duration",
        skip_serializing_if = "Option::is_none"
    )]
    pub lasting: Option<Duration>,
    /// The operator's reason, with at most [`REASON_CHARS`] characters.
    #[serde(deserialize_with = "read_reason", skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Whether to skip the check of the floor.
    pub force: bool,
}

/// Maximum duration of a drain with an end.
pub(crate) const LONGEST: Duration = Duration::from_hours(24 * 366);

/// Maximum length of a drain's reason, in characters.
pub(crate) const REASON_CHARS: usize = 200;

/// The result of a command.
pub(crate) type CommandResult = Result<CommandDone, CommandRefused>;

/// The answer to a command that was carried out; DNS follows as soon as the provider can be reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandDone {
    /// The result in words: `drained 192.0.2.10 until 2026-11-22 05:12:45`.
    pub message: String,
    /// The time at which the drain expires.
    #[serde(default)]
    pub until: Option<Time>,
    /// Warnings for the operator, for example that a restart would forget the drain.
    #[serde(default)]
    pub warnings: Vec<String>,
    /// The names of the services of the targets; empty if the configuration names no services.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub services: Vec<String>,
}

/// The reason why a command was refused. Nothing changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommandRefused {
    /// The address is not a target of this agent.
    #[error("{0} is not a target of this agent")]
    NotATarget(IpAddr),
    /// The address is not a target of the service.
    #[error("{address} is not a target of the service {service}")]
    NotInService {
        /// The address of the command.
        address: IpAddr,
        /// The name of the service.
        service: String,
    },
    /// The agent has no service of that name.
    #[error("this agent has no service called {name}; there is {known}")]
    NoService {
        /// The name in the command.
        name: String,
        /// The names of some services, or of all.
        known: String,
    },
    /// A guard forbids it.
    #[error("{message}")]
    Guard {
        /// The guard's reason.
        reason: Reason,
        /// The consequence, the name in question, and the way to override the guard.
        message: String,
    },
    /// The guard could not be checked.
    #[error("{message}")]
    Unknown {
        /// The obstacle, with its cause.
        message: String,
    },
}

/// The body of a response to a command that was not carried out.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ErrorBody {
    /// One word for programs: a reason, or `not_a_target`, `bad_request`, `timeout` …
    pub(super) error: String,
    /// The error for people.
    pub(super) message: String,
}

/// Parses a duration of the operator: `90s`, `2h`, `1h 30m`.
///
/// # Errors
///
/// Fails if the text is no duration or out of range; the error names the value and the allowed ones.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    let allowed = "a number and a unit, such as 90s, 2h or 3days";
    let duration =
        humantime::parse_duration(text).map_err(|_| format!("`{text}` is not {allowed}"))?;
    if duration < Duration::from_secs(1) || duration > LONGEST {
        return Err(format!("`{text}` is out of range; 1s to 366days, or none for no end"));
    }
    Ok(duration)
}

fn read_duration<'de, D: Deserializer<'de>>(source: D) -> Result<Option<Duration>, D::Error> {
    let text = Option::<String>::deserialize(source)?;
    text.map(|text| parse_duration(&text)).transpose().map_err(de::Error::custom)
}

#[expect(clippy::ref_option, reason = "serde hands over a reference to the field")]
fn write_duration<S: serde::Serializer>(
    duration: &Option<Duration>,
    out: S,
) -> Result<S::Ok, S::Error> {
    duration.map(|lasting| humantime::format_duration(lasting).to_string()).serialize(out)
}

fn read_reason<'de, D: Deserializer<'de>>(source: D) -> Result<Option<String>, D::Error> {
    let text = Option::<String>::deserialize(source)?;
    match text {
        Some(text) if text.chars().count() > REASON_CHARS => {
            Err(de::Error::custom(format!("a reason has at most {REASON_CHARS} characters")))
        }
        text => Ok(text.filter(|text| !text.trim().is_empty())),
    }
}

/// Reads the path and query of an order with any content. For the fuzzer.
pub(crate) fn read_any(text: &str) {
    let (path, query) = text.split_once('?').unwrap_or((text, ""));
    let _ = path.parse::<CommandTarget>();
    let Ok(uri) = format!("/drain?{query}").parse() else { return };
    let _ = axum::extract::Query::<DrainRequest>::try_from_uri(&uri);
    let _ = axum::extract::Query::<UndrainRequest>::try_from_uri(&uri);
}

#[cfg(test)]
mod tests;
