//! The sender of an answer, from its head.

use reqwest::header::{self, HeaderMap};

/// Returns the server or the proxy that claims to have sent an answer or passed it on (RFC 9110,
/// sections 7.6.3 and 10.2.4).
pub(super) fn sender(headers: &HeaderMap) -> Option<String> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let via = text(header::VIA).map(|via| format!("it came by way of {via}"));
    via.or_else(|| text(header::SERVER).map(|server| format!("it was sent by {server}")))
}

/// Returns the suffix of a message that names the sender.
pub(super) fn sender_suffix(sender: Option<&str>) -> String {
    sender.map(|sender| format!("; {sender}")).unwrap_or_default()
}
