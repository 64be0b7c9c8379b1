//! Rules for each kind of value: numbers, durations, texts, paths.
//!
//! A rule reads a value, or returns a description of the allowed values.

use std::path::PathBuf;
use std::time::Duration;

use super::value::{Value, as_text};
use crate::text::{disclosure, is_invisible, seconds};

/// Reads an integer from `least` to `most`.
pub(crate) fn integer<T: TryFrom<i64>>(
    least: i64,
    most: i64,
) -> impl Fn(&Value) -> Result<T, String> {
    move |value| {
        let number = match value {
            Value::Integer(number) if (least..=most).contains(number) => T::try_from(*number).ok(),
            _ => None,
        };
        number.ok_or_else(|| format!("an integer from {least} to {most}"))
    }
}

/// Reads a port to listen on.
pub(crate) fn port(value: &Value) -> Result<u16, String> {
    integer(1, i64::from(u16::MAX))(value)
}

/// Reads `true` or `false`.
pub(crate) fn truth(value: &Value) -> Result<bool, String> {
    match value {
        Value::Truth(truth) => Ok(*truth),
        _ => Err("true or false".to_owned()),
    }
}

/// Reads a duration from `least` to `most`: a number of seconds, or a text such as `250ms`.
pub(crate) fn duration(
    least: Duration,
    most: Duration,
) -> impl Fn(&Value) -> Result<Duration, String> {
    move |value| {
        let read = match value {
            Value::Integer(seconds) => u64::try_from(*seconds).ok().map(Duration::from_secs),
            Value::Float(seconds) => Duration::try_from_secs_f64(*seconds).ok(),
            Value::Text(text) => humantime::parse_duration(text).ok(),
            Value::Truth(_) | Value::List(_) | Value::Table(_) | Value::Other => None,
        };
        read.filter(|duration| (least..=most).contains(duration)).ok_or_else(|| {
            let (least, most) = (seconds(least), seconds(most));
            format!("from {least} to {most}, as a number of seconds or a text such as \"250ms\"")
        })
    }
}

/// Reads a text that `read` can interpret; otherwise the values are those that `allowed` describes.
pub(crate) fn text<T>(
    allowed: &'static str,
    read: impl Fn(&str) -> Option<T>,
) -> impl Fn(&Value) -> Result<T, String> {
    move |value| as_text(value).and_then(&read).ok_or_else(|| allowed.to_owned())
}

/// Reads the name of this agent.
pub(crate) fn name(value: &Value) -> Result<String, String> {
    text("a name of 1 to 255 characters without control or invisible characters", |name| {
        let fits = (1..=255).contains(&name.chars().count());
        let plain =
            !name.contains(|c: char| c.is_control() || is_invisible(c)) && !name.trim().is_empty();
        // The URL of a webhook, typed here by mistake, would be in every notice.
        let no_url = !name.contains("://") && !disclosure::is_slack_path(name);
        (fits && plain && no_url).then(|| name.to_owned())
    })(value)
}

/// Description of the names that a service, a zone or a check may have.
pub(crate) const LABEL: &str = "a name of 1 to 63 lower-case letters, digits and hyphens";

/// Reads the name of a service: a label as in DNS, in lower case.
pub(crate) fn label(value: &Value) -> Result<String, String> {
    text(LABEL, |name| is_label(name).then(|| name.to_owned()))(value)
}

/// Whether a text may be the name of a service, a zone or a check.
pub(crate) fn is_label(name: &str) -> bool {
    let fits = (1..=63).contains(&name.len());
    fits && name.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-')
}

/// Reads a path. Whether the file exists is not checked.
pub(crate) fn path(value: &Value) -> Result<PathBuf, String> {
    text("the path of a file, in quotes", |path| {
        // A URL here is a secret in the wrong place: anybody in possession of a webhook's URL can
        // post there.
        let fits = !path.is_empty() && !path.contains('\0') && !path.contains("://");
        fits.then(|| PathBuf::from(path))
    })(value)
}

/// Description of the characters allowed in an HTTP header.
pub(crate) const VISIBLE: &str = "visible ASCII characters without blanks";

/// Whether a secret can be sent in an HTTP header: visible ASCII characters, and at least one.
pub(crate) fn fits_a_header(secret: &str) -> bool {
    !secret.is_empty() && secret.bytes().all(|byte| byte.is_ascii_graphic())
}
