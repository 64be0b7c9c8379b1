//! What the head of an answer tells: how long to wait, and who sent it.

use std::time::{Duration, SystemTime};

use reqwest::header::{self, HeaderMap};

use super::refusal::LONGEST_WAIT;

/// How long the service wants to be left alone: seconds or a date (RFC 9110, section 10.2.3). A
/// date is held against the service's own clock, if it tells it.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let wanted = text(header::RETRY_AFTER)?;
    let date = |text: &str| httpdate::parse_http_date(text).ok();
    let seconds = wanted.parse().map(Duration::from_secs);
    let wait = seconds.ok().or_else(|| {
        let theirs = text(header::DATE).and_then(date).unwrap_or_else(our_clock);
        Some(date(wanted)?.duration_since(theirs).unwrap_or_default())
    })?;
    Some(wait.min(LONGEST_WAIT))
}

/// Who says to have sent an answer or to have passed it on (RFC 9110, sections 7.6.3 and 10.2.4).
pub(super) fn sender(headers: &HeaderMap) -> Option<String> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let via = text(header::VIA).map(|via| format!("it came by way of {via}"));
    via.or_else(|| text(header::SERVER).map(|server| format!("it was sent by {server}")))
}

pub(super) fn said_by(sender: Option<&str>) -> String {
    sender.map(|sender| format!("; {sender}")).unwrap_or_default()
}

#[expect(clippy::disallowed_methods, reason = "an HTTP date can only be held against a wall clock")]
fn our_clock() -> SystemTime {
    SystemTime::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let date = "Sun, 06 Nov 1994 08:49:37 GMT";
        let later = "Sun, 06 Nov 1994 08:50:07 GMT";
        let cases = [
            ("seconds", Some("17"), date, Some(17)),
            ("a date, by the service's clock", Some(later), date, Some(30)),
            ("a date that has passed", Some(date), later, Some(0)),
            ("more than anyone may mean", Some("99999999999"), date, Some(3600)),
            ("nonsense", Some("soon"), date, None),
            ("negative", Some("-1"), date, None),
            ("nothing", None, date, None),
        ];
        for (name, wanted, date, want) in cases {
            let mut headers = HeaderMap::new();
            headers.insert(header::DATE, date.parse().unwrap());
            headers.extend(wanted.map(|text| (header::RETRY_AFTER, text.parse().unwrap())));
            assert_eq!(retry_after(&headers), want.map(Duration::from_secs), "{name}");
        }
        let past: HeaderMap = [(header::RETRY_AFTER, date.parse().unwrap())].into_iter().collect();
        assert_eq!(retry_after(&past), Some(Duration::ZERO), "by our own clock");
    }
}
