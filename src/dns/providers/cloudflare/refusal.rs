//! Refusals of the API, and their consequences for the caller.
//!
//! Source: the error tables of the Cloudflare API v4 reference and the codes seen in public bug
//! reports about each endpoint; the codes are kept here and nowhere else.

use std::fmt;
use std::time::Duration;

use serde::Deserialize;

/// Codes for credentials that are malformed, unknown, expired or insufficient.
const DENIED: [i64; 12] =
    [6003, 6101, 6102, 6103, 6111, 9103, 9106, 9107, 9109, 9110, 10_000, 10_001];
/// Codes for an unknown zone id.
const NO_ZONE: [i64; 2] = [1001, 7003];
/// "The record already exists" and "An identical record already exists".
const EXISTS: [i64; 2] = [81_057, 81_058];
/// "Record does not exist" and "Invalid DNS record identifier".
const GONE: [i64; 2] = [81_044, 1032];
/// "No route for that URI", "Method not available" and the gateway's code for the latter.
const UNSUPPORTED: [i64; 3] = [7000, 7001, 10_405];

/// "DNS record has 1 tags, exceeding the quota of 0" and other problems of tags.
const TAGS: std::ops::RangeInclusive<i64> = 9300..=9312;
/// A comment that is too long or contains an invalid character.
const COMMENT: [i64; 2] = [9210, 9313];
/// "TTL must be between 60 and 86400 seconds, or 1 for Automatic".
const TTL: i64 = 9021;
/// "Target is not allowed for a proxied record", "This record type cannot be proxied" and "This DNS
/// record cannot be proxied".
const PROXIED: [i64; 3] = [9003, 9004, 9041];
/// The name, the content, the quota of records, and conflicting records.
const NOT_OPTIONAL: [i64; 6] = [9000, 9005, 81_045, 81_053, 81_054, 81_055];

/// The kind of a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RefusalKind {
    /// Credentials or permissions.
    Denied,
    /// There is no zone with this id.
    NoZone,
    /// Too many requests.
    Throttled,
    /// The record to create exists already.
    Exists,
    /// The record to delete is gone already.
    Gone,
    /// The service does not support this kind of request.
    Unsupported,
    /// Anything else: an invalid record, a quota, a rule of the account.
    Rejected,
}

/// The part of a record that caused a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum About {
    /// The tags of the record.
    Tags,
    /// The comment of the record.
    Comment,
    /// The TTL of the record.
    Ttl,
    /// The proxied flag of the record.
    Proxied,
    /// A mandatory part of the record, or none of its parts.
    NotOptional,
}

/// A refusal by the API. The request had no effect.
#[derive(Debug)]
pub(super) struct ApiRefusal {
    /// The kind of the refusal.
    pub(super) kind: RefusalKind,
    /// The part of a record that it names, if that part is known here.
    pub(super) about: Option<About>,
    /// The HTTP status of the answer.
    pub(super) status: u16,
    /// The pause that the provider asks for.
    pub(super) retry_after: Option<Duration>,
    /// The API's message, as one line for a log.
    pub(super) text: String,
}

impl fmt::Display for ApiRefusal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "HTTP {}: {}", self.status, self.text)
    }
}

impl std::error::Error for ApiRefusal {}

/// One entry of the `errors` of an answer.
#[derive(Debug, Default, Deserialize)]
pub(super) struct ApiError {
    code: Option<i64>,
    message: Option<String>,
    error_chain: Option<Vec<ApiError>>,
}

/// Returns the kind of a refusal, by its status and all codes in it.
pub(super) fn classify(status: u16, errors: &[ApiError]) -> RefusalKind {
    let mut codes = Vec::new();
    collect_codes(errors, &mut codes);
    match status {
        429 => RefusalKind::Throttled,
        401 | 403 => RefusalKind::Denied,
        _ if has_any(&codes, &DENIED) => RefusalKind::Denied,
        _ if has_any(&codes, &NO_ZONE) => RefusalKind::NoZone,
        _ if has_any(&codes, &EXISTS) => RefusalKind::Exists,
        _ if has_any(&codes, &GONE) => RefusalKind::Gone,
        404 | 405 | 501 => RefusalKind::Unsupported,
        _ if has_any(&codes, &UNSUPPORTED) => RefusalKind::Unsupported,
        _ => RefusalKind::Rejected,
    }
}

/// Returns the part of a record that the errors name: by their codes, or else by their words. A
/// proxied record is recognized by its code alone, because the remedy publishes an address.
pub(super) fn about(errors: &[ApiError]) -> Option<About> {
    let mut codes = Vec::new();
    collect_codes(errors, &mut codes);
    if let Some(about) = codes.iter().find_map(|code| about_code(*code)) {
        return Some(about);
    }
    let text = words(errors).to_lowercase();
    let text_words: Vec<_> = text.split(|c: char| !c.is_alphanumeric()).collect();
    if has_any(&text_words, &["tag", "tags"]) {
        Some(About::Tags)
    } else if has_any(&text_words, &["comment", "comments"]) {
        Some(About::Comment)
    } else {
        has_any(&text_words, &["ttl"]).then_some(About::Ttl)
    }
}

/// Returns the part of a record that an error code names.
fn about_code(code: i64) -> Option<About> {
    match code {
        _ if TAGS.contains(&code) => Some(About::Tags),
        _ if COMMENT.contains(&code) => Some(About::Comment),
        TTL => Some(About::Ttl),
        _ if PROXIED.contains(&code) => Some(About::Proxied),
        _ if NOT_OPTIONAL.contains(&code) => Some(About::NotOptional),
        _ => None,
    }
}

/// Whether one of `items` is a known one.
fn has_any<T: PartialEq>(items: &[T], known: &[T]) -> bool {
    items.iter().any(|item| known.contains(item))
}

fn collect_codes(errors: &[ApiError], codes: &mut Vec<i64>) {
    for error in errors {
        codes.extend(error.code);
        collect_codes(error.error_chain.as_deref().unwrap_or_default(), codes);
    }
}

/// Returns the complete message of the API, unmodified; [`crate::text::excerpt`] converts it to a line.
pub(super) fn words(errors: &[ApiError]) -> String {
    let mut messages = Vec::new();
    collect_messages(errors, &mut messages);
    if messages.is_empty() { "no reason given".to_owned() } else { messages.join("; ") }
}

fn collect_messages(errors: &[ApiError], messages: &mut Vec<String>) {
    for error in errors {
        let message = error.message.as_deref().unwrap_or("no message");
        messages.push(match error.code {
            Some(code) => format!("{message} (code {code})"),
            None => message.to_owned(),
        });
        collect_messages(error.error_chain.as_deref().unwrap_or_default(), messages);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::excerpt;

    fn errors(json: &str) -> Vec<ApiError> {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn a_refusal_is_classified_by_its_status_and_its_codes() {
        let cases = [
            ("a token without access", 403, r#"[{"code":10000}]"#, RefusalKind::Denied),
            (
                "a token that is no token",
                400,
                r#"[{"code":6003,"message":"Invalid headers","error_chain":[{"code":6111}]}]"#,
                RefusalKind::Denied,
            ),
            (
                "credentials in the chain only",
                400,
                r#"[{"error_chain":[{"code":9109}]}]"#,
                RefusalKind::Denied,
            ),
            ("no body at all", 401, "[]", RefusalKind::Denied),
            (
                "too many requests, whatever the code",
                429,
                r#"[{"code":971}]"#,
                RefusalKind::Throttled,
            ),
            ("a zone that is gone", 404, r#"[{"code":7003},{"code":7000}]"#, RefusalKind::NoZone),
            ("an invalid zone id", 400, r#"[{"code":1001}]"#, RefusalKind::NoZone),
            ("an identical record", 400, r#"[{"code":81058}]"#, RefusalKind::Exists),
            ("the record exists", 400, r#"[{"code":81057}]"#, RefusalKind::Exists),
            ("the record is gone", 404, r#"[{"code":81044}]"#, RefusalKind::Gone),
            ("the record's id is unknown", 400, r#"[{"code":1032}]"#, RefusalKind::Gone),
            ("no such route", 404, r#"[{"code":7000}]"#, RefusalKind::Unsupported),
            ("method not allowed", 405, "[]", RefusalKind::Unsupported),
            ("a CNAME is in the way", 400, r#"[{"code":81054}]"#, RefusalKind::Rejected),
            ("a quota", 400, r#"[{"code":81045}]"#, RefusalKind::Rejected),
            ("no code", 400, r#"[{"message":"no"}]"#, RefusalKind::Rejected),
        ];
        for (name, status, json, want) in cases {
            assert_eq!(classify(status, &errors(json)), want, "{name}");
        }
    }

    /// Returns an error with another one of this code in its chain.
    fn chain(code: i64) -> String {
        format!(
            r#"[{{"code":1004,"message":"DNS Validation Error","error_chain":[{{"code":{code}}}]}}]"#
        )
    }

    #[test]
    fn a_refusal_names_the_part_of_a_record_that_it_is_about() {
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
            ("no message", "[]", "no reason given"),
            ("no line breaks or escapes", r#"[{"message":"a\n\u001b[31m\tb"}]"#, "a [31m b"),
        ];
        for (name, json, want) in cases {
            assert_eq!(excerpt(&words(&errors(json))), want, "{name}");
        }
        let long = excerpt(&"ä".repeat(5_000_000));
        assert_eq!(long.chars().count(), 300 + " ...".len());
    }
}
