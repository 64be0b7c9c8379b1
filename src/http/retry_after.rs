//! The `Retry-After` header.

use std::time::{Duration, SystemTime};

use reqwest::header::HeaderMap;

/// The headers of an answer, whichever HTTP client received it.
pub(crate) trait AnswerHeaders {
    /// Returns the value of a header by its name in lower case, or `None` if it is absent or no
    /// text.
    fn text(&self, name: &str) -> Option<&str>;
}

impl AnswerHeaders for HeaderMap {
    fn text(&self, name: &str) -> Option<&str> {
        self.get(name)?.to_str().ok()
    }
}

/// Returns the pause that a server asks for in an answer with these headers.
///
/// The value is a number of seconds or a date (RFC 9110, section 10.2.3). A date is compared with the
/// server's own clock, if the answer has a `Date`; a date in the past is a pause of zero. Any other
/// value counts as absent.
pub(crate) fn of(headers: &impl AnswerHeaders) -> Option<Duration> {
    let value = headers.text("retry-after")?.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let until = parse_date(value)?;
    let now = headers.text("date").and_then(parse_date).unwrap_or_else(wall_clock);
    Some(until.duration_since(now).unwrap_or_default())
}

fn parse_date(text: &str) -> Option<SystemTime> {
    httpdate::parse_http_date(text.trim()).ok()
}

#[expect(
    clippy::disallowed_methods,
    reason = "an HTTP date can only be compared with a wall clock"
)]
fn wall_clock() -> SystemTime {
    SystemTime::now()
}

#[cfg(test)]
mod tests {
    use reqwest::header::{DATE, RETRY_AFTER};

    use super::*;

    #[test]
    fn the_value_is_seconds_or_a_date() {
        let date = "Sun, 06 Nov 1994 08:49:37 GMT";
        let later = "Sun, 06 Nov 1994 08:50:07 GMT";
        let cases = [
            ("seconds", Some("17"), Some(date), Some(17)),
            ("spaces around", Some(" 17 "), None, Some(17)),
            ("a date, by the server's clock", Some(later), Some(date), Some(30)),
            ("a date in the past", Some(date), Some(later), Some(0)),
            ("a date in the past, by our clock", Some(date), None, Some(0)),
            ("very long", Some("99999999999"), Some(date), Some(99_999_999_999)),
            ("nonsense", Some("soon"), Some(date), None),
            ("negative", Some("-1"), Some(date), None),
            ("no value", None, Some(date), None),
        ];
        for (name, value, date, want) in cases {
            let mut headers = HeaderMap::new();
            for (header, value) in [(RETRY_AFTER, value), (DATE, date)] {
                headers.extend(value.map(|value| (header, value.parse().unwrap())));
            }
            assert_eq!(of(&headers), want.map(Duration::from_secs), "{name}");
        }
    }
}
