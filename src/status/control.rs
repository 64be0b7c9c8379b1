//! The commands of the operator over the control socket, and the results.

use std::net::IpAddr;
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
    /// The requested operation.
    pub kind: CommandKind,
    /// The receiver of the result, which the operator expects within [`ANSWER_WITHIN`].
    pub reply: oneshot::Sender<CommandResult>,
}

/// The operation that a command requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CommandKind {
    /// Takes the target out and keeps it out.
    Drain(DrainRequest),
    /// Gives the target back to the agent.
    Undrain,
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
}

/// The reason why a command was refused. Nothing changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommandRefused {
    /// The address is not a target of this agent.
    #[error("{0} is not a target of this agent")]
    NotATarget(IpAddr),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_people_write_them_and_refused_with_what_is_allowed() {
        let cases = [
            ("two hours", "2h", Ok(7_200)),
            ("a sum", "1h 30m", Ok(5_400)),
            (
                "no such unit",
                "2x",
                Err("`2x` is not a number and a unit, such as 90s, 2h or 3days"),
            ),
            ("no unit", "2", Err("`2` is not a number and a unit")),
            ("nothing", "", Err("`` is not a number and a unit")),
            ("negative", "-2h", Err("`-2h` is not a number and a unit")),
            ("no time at all", "0s", Err("`0s` is out of range; 1s to 366days")),
            ("a lifetime", "80years", Err("`80years` is out of range")),
            ("overflow", "99999999999999999999s", Err("is not a number and a unit")),
        ];
        for (name, text, want) in cases {
            match (parse_duration(text), want) {
                (Ok(got), Ok(want)) => assert_eq!(got.as_secs(), want, "{name}"),
                (Err(got), Err(want)) => assert!(got.contains(want), "{name}: {got}"),
                (got, want) => panic!("{name}: {got:?}, not {want:?}"),
            }
        }
    }

    #[test]
    fn a_drain_is_read_from_json_and_written_back() {
        let drain = DrainRequest {
            lasting: Some(Duration::from_mins(90)),
            reason: Some("disk swap".into()),
            force: true,
        };
        let text = serde_json::to_string(&drain).unwrap();
        assert_eq!(text, r#"{"for":"1h 30m","reason":"disk swap","force":true}"#);
        assert_eq!(serde_json::from_str::<DrainRequest>(&text).unwrap(), drain);
        assert_eq!(serde_json::from_str::<DrainRequest>("{}").unwrap(), DrainRequest::default());
        for bad in [r#"{"for":"2x"}"#, r#"{"fro":"2h"}"#, r#"{"for":2}"#, "[1]", "null", ""] {
            assert!(serde_json::from_str::<DrainRequest>(bad).is_err(), "{bad}");
        }
        let long = format!(r#"{{"reason":"{}"}}"#, "x".repeat(REASON_CHARS + 1));
        assert!(serde_json::from_str::<DrainRequest>(&long).is_err());
    }
}
