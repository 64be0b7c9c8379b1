//! What an operator can order over the control socket, and what comes back.

use std::net::IpAddr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, de};
use tokio::sync::oneshot;

use super::model::{Reason, Time};

/// An order on its way to the driver.
///
/// Dropping `reply` without an answer tells the operator that the agent is stopping.
#[derive(Debug)]
pub struct Command {
    /// Whom it is about. Not yet known to be a target.
    pub target: IpAddr,
    /// What is to be done.
    pub order: Order,
    /// Where the answer goes, once it is settled; the operator waits [`super::ANSWER_WITHIN`].
    pub reply: oneshot::Sender<Answer>,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    /// Take it out and keep it out.
    Drain(Drain),
    /// Give it back to the agent.
    Undrain,
}

/// How a target is to be drained. Also the body of `POST /drain/<ip>`, or its query.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Drain {
    /// How long; `None` means until it is undrained. Written `2h` or `1h 30m`, at least 1 s and
    /// at most [`LONGEST`].
    #[serde(
        rename = "for",
        deserialize_with = "read_duration",
        serialize_with = "write_duration",
        skip_serializing_if = "Option::is_none"
    )]
    pub lasting: Option<Duration>,
    /// What the operator says about it; at most [`REASON_CHARS`] characters.
    #[serde(deserialize_with = "read_reason", skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Although the floor breaks.
    pub force: bool,
}

/// The longest time that can be given to a drain. Longer ones are without an end.
pub const LONGEST: Duration = Duration::from_hours(24 * 366);

/// How much an operator can say about a drain.
pub const REASON_CHARS: usize = 200;

/// What became of an order.
pub type Answer = Result<Done, Refused>;

/// It is done, or will be as soon as the provider can be reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {
    /// In words: `drained 192.0.2.10 until 2026-11-22 05:12:45`.
    pub message: String,
    /// When it ends by itself.
    #[serde(default)]
    pub until: Option<Time>,
    /// What the operator should know: that a restart would forget it, say.
    #[serde(default)]
    pub warnings: Vec<String>,
}

/// It was not done, and nothing changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The address is not watched here.
    #[error("{0} is not a target of this agent")]
    NotATarget(IpAddr),
    /// A guard spoke against it.
    #[error("{message}")]
    Guard {
        /// Which.
        reason: Reason,
        /// In words: how many addresses would be left, at which name, and what overrides it.
        message: String,
    },
    /// It could not be found out whether a guard speaks against it.
    #[error("{message}")]
    Unknown {
        /// In words: what could not be read, and why.
        message: String,
    },
}

/// Reads what an operator gives as a duration: `90s`, `2h`, `1h 30m`.
///
/// # Errors
///
/// In words, with the value and what is allowed.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
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
        let drain = Drain {
            lasting: Some(Duration::from_mins(90)),
            reason: Some("disk swap".into()),
            force: true,
        };
        let text = serde_json::to_string(&drain).unwrap();
        assert_eq!(text, r#"{"for":"1h 30m","reason":"disk swap","force":true}"#);
        assert_eq!(serde_json::from_str::<Drain>(&text).unwrap(), drain);
        assert_eq!(serde_json::from_str::<Drain>("{}").unwrap(), Drain::default());
        for bad in [r#"{"for":"2x"}"#, r#"{"fro":"2h"}"#, r#"{"for":2}"#, "[1]", "null", ""] {
            assert!(serde_json::from_str::<Drain>(bad).is_err(), "{bad}");
        }
        let long = format!(r#"{{"reason":"{}"}}"#, "x".repeat(REASON_CHARS + 1));
        assert!(serde_json::from_str::<Drain>(&long).is_err());
    }
}
