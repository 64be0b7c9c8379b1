//! How the API says no, and what that means for the caller.
//!
//! Source: the error tables of the Cloudflare API v4 reference and the codes seen in public bug
//! reports about each endpoint; the codes are kept here and nowhere else.

use std::fmt;
use std::time::Duration;

use serde::Deserialize;

/// Codes for credentials that are malformed, unknown, expired or not enough.
const DENIED: [i64; 12] =
    [6003, 6101, 6102, 6103, 6111, 9103, 9106, 9107, 9109, 9110, 10_000, 10_001];
/// Codes for a zone id that leads nowhere.
const NO_ZONE: [i64; 2] = [1001, 7003];
/// "The record already exists" and "An identical record already exists".
const EXISTS: [i64; 2] = [81_057, 81_058];
/// "Record does not exist" and "Invalid DNS record identifier".
const GONE: [i64; 2] = [81_044, 1032];
/// "No route for that URI", "Method not available" and the gateway's word for the latter.
const UNSUPPORTED: [i64; 3] = [7000, 7001, 10_405];

/// The longest text of the provider's that goes into a message, in characters.
const LONGEST: usize = 300;

/// The longest `Retry-After` that is believed; whoever asks for more has made a mistake.
pub(super) const LONGEST_WAIT: Duration = Duration::from_hours(1);

/// What a refusal is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Credentials or permissions.
    Denied,
    /// There is no zone by this id (any more).
    NoZone,
    /// Too many requests.
    Throttled,
    /// The record that was to be created is there already.
    Exists,
    /// The record that was to be deleted is gone already.
    Gone,
    /// The service does not know this kind of request.
    Unsupported,
    /// Anything else: a record that may not be so, a quota, a rule of the account.
    Rejected,
}

/// The API's own "no". Nothing was changed by the request that it answers.
#[derive(Debug)]
pub(super) struct Refusal {
    /// What it is about.
    pub(super) kind: Kind,
    /// The HTTP status.
    pub(super) status: u16,
    /// How long the provider wants to be left alone.
    pub(super) retry_after: Option<Duration>,
    /// Its own words, fit for one line of a log.
    pub(super) text: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "HTTP {}: {}", self.status, self.text)
    }
}

impl std::error::Error for Refusal {}

/// One entry of an answer's `errors`.
#[derive(Debug, Default, Deserialize)]
pub(super) struct ApiError {
    code: Option<i64>,
    message: Option<String>,
    error_chain: Option<Vec<ApiError>>,
}

/// What the refusal is about, told by its status and by all codes in it.
pub(super) fn classify(status: u16, errors: &[ApiError]) -> Kind {
    let mut codes = Vec::new();
    gather(errors, &mut codes);
    let about = |known: &[i64]| codes.iter().any(|code| known.contains(code));
    match status {
        429 => Kind::Throttled,
        401 | 403 => Kind::Denied,
        _ if about(&DENIED) => Kind::Denied,
        _ if about(&NO_ZONE) => Kind::NoZone,
        _ if about(&EXISTS) => Kind::Exists,
        _ if about(&GONE) => Kind::Gone,
        404 | 405 | 501 => Kind::Unsupported,
        _ if about(&UNSUPPORTED) => Kind::Unsupported,
        _ => Kind::Rejected,
    }
}

fn gather(errors: &[ApiError], codes: &mut Vec<i64>) {
    for error in errors {
        codes.extend(error.code);
        gather(error.error_chain.as_deref().unwrap_or_default(), codes);
    }
}

/// What the API said, all of it, in one printable line.
pub(super) fn words(errors: &[ApiError]) -> String {
    let mut said = Vec::new();
    say(errors, &mut said);
    if said.is_empty() { "no reason given".to_owned() } else { printable(&said.join("; ")) }
}

fn say(errors: &[ApiError], said: &mut Vec<String>) {
    for error in errors {
        let message = error.message.as_deref().unwrap_or("no message");
        said.push(match error.code {
            Some(code) => format!("{message} (code {code})"),
            None => message.to_owned(),
        });
        say(error.error_chain.as_deref().unwrap_or_default(), said);
    }
}

/// `text` as it can stand in one line of a log: no control characters, no runs of white space, and
/// not longer than anyone will read.
pub(super) fn printable(text: &str) -> String {
    let visible = |c: char| if c.is_control() { ' ' } else { c };
    // Only as much as can matter is looked at: an answer may be many megabytes.
    let head: String = text.chars().take(LONGEST * 4).map(visible).collect();
    let line = head.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{} ...", &line[..end]),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn errors(json: &str) -> Vec<ApiError> {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn a_refusal_is_told_by_its_status_and_its_codes() {
        let cases = [
            ("a token without access", 403, r#"[{"code":10000}]"#, Kind::Denied),
            (
                "a token that is no token",
                400,
                r#"[{"code":6003,"message":"Invalid request headers","error_chain":[{"code":6111}]}]"#,
                Kind::Denied,
            ),
            (
                "credentials in the chain only",
                400,
                r#"[{"error_chain":[{"code":9109}]}]"#,
                Kind::Denied,
            ),
            ("no body at all", 401, "[]", Kind::Denied),
            ("too many requests, whatever the code", 429, r#"[{"code":971}]"#, Kind::Throttled),
            ("a zone that is gone", 404, r#"[{"code":7003},{"code":7000}]"#, Kind::NoZone),
            ("an invalid zone id", 400, r#"[{"code":1001}]"#, Kind::NoZone),
            ("an identical record", 400, r#"[{"code":81058}]"#, Kind::Exists),
            ("the record exists", 400, r#"[{"code":81057}]"#, Kind::Exists),
            ("the record is gone", 404, r#"[{"code":81044}]"#, Kind::Gone),
            ("the record's id is unknown", 400, r#"[{"code":1032}]"#, Kind::Gone),
            ("no such route", 404, r#"[{"code":7000}]"#, Kind::Unsupported),
            ("method not allowed", 405, "[]", Kind::Unsupported),
            ("a CNAME is in the way", 400, r#"[{"code":81054}]"#, Kind::Rejected),
            ("a quota", 400, r#"[{"code":81045}]"#, Kind::Rejected),
            ("no code", 400, r#"[{"message":"no"}]"#, Kind::Rejected),
        ];
        for (name, status, json, want) in cases {
            assert_eq!(classify(status, &errors(json)), want, "{name}");
        }
    }

    #[test]
    fn the_apis_words_fit_into_one_line() {
        let cases = [
            (
                "each error with its code",
                r#"[{"code":1,"message":"a"},{"message":"b"}]"#,
                "a (code 1); b",
            ),
            (
                "the chain too",
                r#"[{"code":6003,"message":"a","error_chain":[{"code":6111,"message":"b"}]}]"#,
                "a (code 6003); b (code 6111)",
            ),
            ("nothing said", "[]", "no reason given"),
            ("no line breaks or escapes", r#"[{"message":"a\n\u001b[31m\tb"}]"#, "a [31m b"),
        ];
        for (name, json, want) in cases {
            assert_eq!(words(&errors(json)), want, "{name}");
        }
        let long = printable(&"ä".repeat(5_000_000));
        assert_eq!(long.chars().count(), LONGEST + " ...".len());
    }
}
