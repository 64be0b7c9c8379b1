//! The head of an answer: the requested pause, and the sender.

use std::time::Duration;

use reqwest::header::{self, HeaderMap};

use super::refusal::LONGEST_WAIT;

/// Returns the pause that the service asks for, up to the maximum.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let header = |name: &str| headers.get(name)?.to_str().ok();
    crate::http::retry_after::retry_after(header).map(|wait| wait.min(LONGEST_WAIT))
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_is_cut_to_the_maximum() {
        for (seconds, want) in [("17", 17), ("99999999999", LONGEST_WAIT.as_secs())] {
            let headers: HeaderMap =
                [(header::RETRY_AFTER, seconds.parse().unwrap())].into_iter().collect();
            assert_eq!(retry_after(&headers), Some(Duration::from_secs(want)));
        }
    }
}
