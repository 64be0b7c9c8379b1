//! The sender of an answer, from its head.

use reqwest::header::{self, HeaderMap, HeaderName};

/// Returns the server or the proxy that claims to have sent an answer or passed it on (RFC 9110,
/// sections 7.6.3 and 10.2.4).
pub(super) fn sender(headers: &HeaderMap) -> Option<String> {
    if let Some(via) = text(headers, header::VIA) {
        return Some(format!("it came by way of {via}"));
    }
    text(headers, header::SERVER).map(|server| format!("it was sent by {server}"))
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

/// Returns the suffix of a message that names the sender.
pub(super) fn sender_suffix(sender: Option<&str>) -> String {
    sender.map(|sender| format!("; {sender}")).unwrap_or_default()
}
