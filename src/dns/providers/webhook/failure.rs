//! Failures of requests, as errors for the caller.

use std::time::Duration;

use reqwest::StatusCode;

use super::PROVIDER;
use super::call::RequestFailure;
use super::changes::EndpointEdit;
use super::listing::Malformed;
use crate::dns::account::Paused;
use crate::dns::{ProviderCause, ProviderError};
use crate::engine::plan::SetKey;

/// The reason why the records could not be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReadFailure {
    #[error(transparent)]
    Request(#[from] RequestFailure),
    /// The answer is a web page: of a proxy, a filter, a captive portal.
    #[error("it answered with {0}, which is not the protocol's answer")]
    Page(String),
    /// The answer is not a listing.
    #[error("{0}; it is {1}")]
    Malformed(#[source] Malformed, String),
    /// The answer is another service's, or of another version of the protocol.
    #[error(
        "it answers with {0}, not with application/external.dns.webhook+json;version=1: is `url` the \
         webhook's own port (8888, usually), and not that of its metrics and health (8080)?"
    )]
    OtherService(String),
    /// The negotiation was not answered with a filter.
    #[error("its answer to the negotiation is no domain filter: {0}")]
    NoFilter(String),
    /// No managed name matches the filter.
    #[error(
        "{0} is not among the names that it looks after ({1}): mend its domain filter, or `domain`"
    )]
    NotItsZone(String, String),
}

/// The caller's next step after an answer with an error status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum NextStep {
    /// None, until a person solves the problem.
    Refused,
    /// The content of the change is at fault.
    Rejected,
    /// The zone is listed and planned again.
    Changed,
    /// A retry: nothing was done.
    Later,
    /// A check of whether the change was made.
    Verify,
}

/// Returns the next step after an answer to a write with this status.
fn next_step(status: StatusCode, is_page: bool) -> NextStep {
    match status.as_u16() {
        500.. => NextStep::Verify,
        // A proxy rejected or redirected it.
        _ if is_page => NextStep::Later,
        300..=399 | 408 | 425 | 429 => NextStep::Later,
        409 | 412 => NextStep::Changed,
        400 | 402 | 410 | 411 | 413 | 414 | 422 => NextStep::Rejected,
        _ => NextStep::Refused,
    }
}

/// Converts the error of a failed read.
pub(super) fn read_failed(what: String, failure: ReadFailure) -> ProviderError {
    let provider = PROVIDER;
    let (is_refused, retry_after) = match &failure {
        ReadFailure::OtherService(_) | ReadFailure::NoFilter(_) | ReadFailure::NotItsZone(..) => {
            (true, None)
        }
        ReadFailure::Request(RequestFailure::Status { status, is_page, retry_after, .. }) => {
            let next = next_step(*status, *is_page);
            (matches!(next, NextStep::Refused | NextStep::Rejected), *retry_after)
        }
        ReadFailure::Request(RequestFailure::Paused(Paused(left))) => (false, Some(*left)),
        ReadFailure::Page(_) | ReadFailure::Malformed(..) | ReadFailure::Request(_) => {
            (false, None)
        }
    };
    let source = failure.into();
    if is_refused {
        ProviderError::Refused { provider, what, source }
    } else {
        ProviderError::Unavailable { provider, what, retry_after, source }
    }
}

/// Converts the error of a failed write. Of several sets, those that the answer names are to blame.
pub(super) fn write_failed(
    what: String,
    failure: RequestFailure,
    edits: &[EndpointEdit],
) -> ProviderError {
    let provider = PROVIDER;
    let (next, retry_after) = match &failure {
        RequestFailure::Paused(Paused(left)) => (NextStep::Later, Some(*left)),
        RequestFailure::NotSent(_) => (NextStep::Later, None),
        RequestFailure::Lost(_) | RequestFailure::Foreign(..) => (NextStep::Verify, None),
        RequestFailure::Status { status, is_page, retry_after, .. } => {
            (next_step(*status, *is_page), *retry_after)
        }
    };
    let culprits = culprits(&failure.to_string(), edits);
    let source: ProviderCause = failure.into();
    match next {
        NextStep::Refused => ProviderError::Refused { provider, what, source },
        NextStep::Rejected => ProviderError::Rejected { provider, what, culprits, source },
        NextStep::Changed => ProviderError::Changed { provider, what, source },
        NextStep::Later => ProviderError::Unavailable { provider, what, retry_after, source },
        NextStep::Verify => unconfirmed(what, retry_after, source),
    }
}

/// Returns the error of a change that may be in force or not.
pub(super) fn unconfirmed(
    what: String,
    retry_after: Option<Duration>,
    source: ProviderCause,
) -> ProviderError {
    ProviderError::Unconfirmed { provider: PROVIDER, what, retry_after, source }
}

/// Returns the sets with names that are in a text, unless all are.
fn culprits(text: &str, edits: &[EndpointEdit]) -> Vec<SetKey> {
    let text = text.to_ascii_lowercase();
    let mut named = Vec::new();
    for edit in edits {
        if is_named(&text, &edit.set.name) {
            named.push(edit.set.clone());
        }
    }
    if named.len() == edits.len() { Vec::new() } else { named }
}

/// Whether a text contains a name that is not a part of a longer one.
fn is_named(text: &str, name: &str) -> bool {
    text.match_indices(name).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + name.len()..].chars().next();
        ends_name(before) && before != Some('.') && ends_name(after)
    })
}

fn ends_name(c: Option<char>) -> bool {
    c.is_none_or(|c| !c.is_alphanumeric() && c != '-')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::plan::Family;

    #[test]
    fn a_status_tells_the_next_step() {
        let cases = [
            (301, NextStep::Later),
            (400, NextStep::Rejected),
            (401, NextStep::Refused),
            (403, NextStep::Refused),
            (404, NextStep::Refused),
            (405, NextStep::Refused),
            (406, NextStep::Refused),
            (408, NextStep::Later),
            (409, NextStep::Changed),
            (413, NextStep::Rejected),
            (415, NextStep::Refused),
            (418, NextStep::Refused),
            (422, NextStep::Rejected),
            (429, NextStep::Later),
            (500, NextStep::Verify),
            (503, NextStep::Verify),
            (999, NextStep::Verify),
        ];
        for (status, want) in cases {
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(next_step(status, false), want, "{status}");
            let of_page = if want == NextStep::Verify { want } else { NextStep::Later };
            assert_eq!(next_step(status, true), of_page, "{status} with a page");
        }
    }

    #[test]
    fn the_sets_that_an_answer_names_are_to_blame() {
        let edits = ["www.example.com", "example.com", "api.example.com"].map(|name| {
            let set = SetKey { name: name.to_owned(), family: Family::A };
            EndpointEdit { set, before: None, after: None }
        });
        let cases: [(&str, &[&str]); 5] = [
            ("bad request", &[]),
            ("WWW.example.com: too many records", &["www.example.com"]),
            ("record api.example.com. exists", &["api.example.com"]),
            ("no record example.com", &["example.com"]),
            ("www.example.com, example.com, api.example.com", &[]),
        ];
        for (text, want) in cases {
            let found: Vec<_> = culprits(text, &edits).into_iter().map(|set| set.name).collect();
            assert_eq!(found, want, "{text}");
        }
    }
}
