//! How the API says no, and what that means for the caller.
//!
//! Source: the error tables of the Cloudflare API v4 reference and the codes seen in public bug
//! reports about each endpoint; the codes are kept here and nowhere else.

use std::fmt;
use std::time::Duration;

use crate::text::visible;
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

/// "DNS record has 1 tags, exceeding the quota of 0" and what else may be wrong with tags.
const TAGS: std::ops::RangeInclusive<i64> = 9300..=9312;
/// A comment that is too long, or that holds what it may not.
const COMMENT: [i64; 2] = [9210, 9313];
/// "TTL must be between 60 and 86400 seconds, or 1 for Automatic".
const TTL: i64 = 9021;
/// "Target is not allowed for a proxied record", "This record type cannot be proxied" and "This DNS
/// record cannot be proxied".
const PROXIED: [i64; 3] = [9003, 9004, 9041];
/// The name, the content, the quota of records, and records that stand in the way.
const NOT_OPTIONAL: [i64; 6] = [9000, 9005, 81_045, 81_053, 81_054, 81_055];

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

/// The part of a record that a refusal is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum About {
    /// Its tags.
    Tags,
    /// Its comment.
    Comment,
    /// Its TTL.
    Ttl,
    /// That it is proxied.
    Proxied,
    /// What a record cannot be without, or nothing in it at all.
    NotOptional,
}

/// The API's own "no". Nothing was changed by the request that it answers.
#[derive(Debug)]
pub(super) struct Refusal {
    /// What it is about.
    pub(super) kind: Kind,
    /// The part of a record that it names, if it names one that is known here.
    pub(super) about: Option<About>,
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

/// The part of a record that the errors name: by their codes, else in their words. That a record
/// cannot be proxied is believed only by its code, since the remedy shows an address to the world.
pub(super) fn about(errors: &[ApiError]) -> Option<About> {
    let mut codes = Vec::new();
    gather(errors, &mut codes);
    let by_code = |code: &i64| match code {
        code if TAGS.contains(code) => Some(About::Tags),
        code if COMMENT.contains(code) => Some(About::Comment),
        code if *code == TTL => Some(About::Ttl),
        code if PROXIED.contains(code) => Some(About::Proxied),
        code if NOT_OPTIONAL.contains(code) => Some(About::NotOptional),
        _ => None,
    };
    let said = words(errors).to_lowercase();
    let said: Vec<_> = said.split(|c: char| !c.is_alphanumeric()).collect();
    let says = |known: &[&str]| said.iter().any(|word| known.contains(word));
    codes.iter().find_map(by_code).or_else(|| match () {
        () if says(&["tag", "tags"]) => Some(About::Tags),
        () if says(&["comment", "comments"]) => Some(About::Comment),
        () if says(&["ttl"]) => Some(About::Ttl),
        () => None,
    })
}

fn gather(errors: &[ApiError], codes: &mut Vec<i64>) {
    for error in errors {
        codes.extend(error.code);
        gather(error.error_chain.as_deref().unwrap_or_default(), codes);
    }
}

/// What the API said, all of it, as it said it; [`printable`] makes a line of that.
pub(super) fn words(errors: &[ApiError]) -> String {
    let mut said = Vec::new();
    say(errors, &mut said);
    if said.is_empty() { "no reason given".to_owned() } else { said.join("; ") }
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
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    // Only as much as can matter is looked at: an answer may be many megabytes.
    let head: String = text.chars().take(LONGEST * 4).map(plain).collect();
    let line = visible(&head).split_whitespace().collect::<Vec<_>>().join(" ");
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
                r#"[{"code":6003,"message":"Invalid headers","error_chain":[{"code":6111}]}]"#,
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
    fn a_refusal_names_the_part_of_a_record_that_it_is_about() {
        let chain = |code| {
            format!(
                r#"[{{"code":1004,"message":"DNS Validation Error","error_chain":[{{"code":{code}}}]}}]"#
            )
        };
        let cases = [
            ("tags over the quota", chain(9300), Some(About::Tags)),
            ("a comment", chain(9210), Some(About::Comment)),
            ("a comment that is too long", chain(9313), Some(About::Comment)),
            ("a TTL", chain(9021), Some(About::Ttl)),
            ("a private address that is proxied", chain(9003), Some(About::Proxied)),
            ("the code alone", r#"[{"code":9003}]"#.to_owned(), Some(About::Proxied)),
            ("a CNAME in the way", r#"[{"code":81054}]"#.to_owned(), Some(About::NotOptional)),
            (
                "a known code before words",
                r#"[{"code":9005,"message":"no tag"}]"#.to_owned(),
                Some(About::NotOptional),
            ),
            (
                "words",
                r#"[{"code":9999,"message":"Too many tags."}]"#.to_owned(),
                Some(About::Tags),
            ),
            ("words about proxying", r#"[{"code":9999,"message":"not proxied"}]"#.to_owned(), None),
            ("a word within another", r#"[{"code":9999,"message":"a stage"}]"#.to_owned(), None),
            ("nothing", "[]".to_owned(), None),
        ];
        for (name, json, want) in cases {
            assert_eq!(about(&errors(&json)), want, "{name}");
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
            assert_eq!(printable(&words(&errors(json))), want, "{name}");
        }
        let long = printable(&"ä".repeat(5_000_000));
        assert_eq!(long.chars().count(), LONGEST + " ...".len());
    }
}
