//! The description of a request, and its values in force.

use std::fmt::Write as _;

use super::RequestKeys;
use crate::config::in_force::ValueInForce;
use crate::probe::http::{BodyPattern, HttpMethod, HttpSettings, Verification};
use crate::text::disclosure;

/// Describes a request, as in `by https requests for https://www.example.com/ at each address`.
pub(super) fn in_words(settings: &HttpSettings) -> String {
    let scheme = if settings.tls.is_some() { "https" } else { "http" };
    let head = if settings.method == HttpMethod::Head { " HEAD" } else { "" };
    let mut words = format!("by {scheme}{head} requests for {} at each address", settings.url());
    _ = write!(words, ", wanted {}", settings.status);
    if let Some(text) = &settings.body.contains {
        _ = write!(words, " with {} in the body", quoted(text));
    }
    if let Some(text) = &settings.body.lacks {
        _ = write!(words, ", without {} in the body", quoted(text));
    }
    if let Some(pattern) = &settings.body.matches {
        _ = write!(words, ", the body matching {}", quoted(pattern.as_str()));
    }
    if !settings.drain_status.0.is_empty() {
        _ = write!(words, "; {} asks to be taken out", settings.drain_status);
    }
    match settings.tls.as_ref().map(|tls| tls.verification) {
        Some(Verification::Chain) => words.push_str("; any name in the certificate will do"),
        Some(Verification::Off) => words.push_str("; the certificate is not verified"),
        Some(Verification::Full) | None => {}
    }
    words
}

/// Returns a text of the file in a form that may be displayed.
fn quoted(text: &str) -> String {
    let shown = if disclosure::may_be_secret(text) {
        disclosure::hidden(text)
    } else {
        disclosure::shown(text)
    };
    format!("\"{shown}\"")
}

/// Returns the values in force of the keys that http and https have.
pub(super) fn values(keys: &RequestKeys, settings: &HttpSettings) -> Vec<ValueInForce> {
    let method = match keys.method.or(HttpMethod::Get) {
        HttpMethod::Get => "GET",
        HttpMethod::Head => "HEAD",
    };
    let mut values = vec![
        ValueInForce::new("port", settings.port.to_string(), keys.port.spot()),
        ValueInForce::new("host", settings.host.clone(), keys.host.spot()),
        ValueInForce::new("path", settings.path.clone(), keys.path.spot()),
        ValueInForce::new("method", method.to_owned(), keys.method.spot()),
        ValueInForce::new("status", settings.status.to_string(), keys.status.spot()),
        ValueInForce::new(
            "drain_status",
            settings.drain_status.to_string(),
            keys.drain_status.spot(),
        ),
    ];
    let pattern = keys.body_regex.value().map(BodyPattern::as_str);
    for (key, text, spot) in [
        ("body", keys.body.value().map(String::as_str), keys.body.spot()),
        ("body_not", keys.body_not.value().map(String::as_str), keys.body_not.spot()),
        ("body_regex", pattern, keys.body_regex.spot()),
    ] {
        let words = text.map_or_else(|| "none".to_owned(), quoted);
        values.push(ValueInForce::new(key, words, spot));
    }
    let most = settings.body.max.to_string();
    values.push(ValueInForce::new("max_body", most, keys.max_body.spot()));
    for (key, names, spot) in keys.headers.names() {
        let words = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        values.push(ValueInForce::new(key, words, spot));
    }
    values
}
