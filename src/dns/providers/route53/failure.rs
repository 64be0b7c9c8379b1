//! The consequences of an AWS error: a possible change, and the use of a retry.

use std::error::Error;
use std::io;
use std::time::Duration;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_route53::config::http::HttpResponse;
use aws_sdk_route53::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::http::Headers;
use aws_smithy_types::error::ErrorMetadata;
use hyper_util::client::legacy;

use super::PROVIDER;
use super::credentials::{ProfileWithoutCredentials, TooSlow, metadata_is_silent, missing_profile};
use crate::dns::ProviderError;
use crate::dns::account::Paused;
use crate::http::retry_after::AnswerHeaders;
use crate::http::{page, retry_after};
use crate::text::{causes, one_line};

/// Error codes that allow a retry, with any HTTP status. Nothing changed.
///
/// Source: "Throttling errors" in the SDK reference guide, and the Route 53 API reference.
const LATER: [&str; 10] = [
    "Throttling",
    "ThrottlingException",
    "ThrottledException",
    "RequestThrottled",
    "RequestThrottledException",
    "TooManyRequestsException",
    "RequestLimitExceeded",
    "SlowDown",
    "PriorRequestNotComplete",
    "ServiceUnavailable",
];

/// Error codes that refuse the credentials themselves: expired, unknown, or not those of the
/// signature. Nothing changed.
///
/// Source: "Common Errors" in the API references of Route 53 and STS.
const CREDENTIALS_REFUSED: [&str; 16] = [
    "AuthFailure",
    "ExpiredToken",
    "ExpiredTokenException",
    "IncompleteSignature",
    "IncompleteSignatureException",
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "InvalidToken",
    "MissingAuthenticationToken",
    "MissingAuthenticationTokenException",
    "RequestExpired",
    "SignatureDoesNotMatch",
    "TokenRefreshRequired",
    "UnrecognizedClientException",
    "InvalidIdentityToken",
];

/// Maximum length of a foreign text in a message.
const LONGEST: usize = 400;

/// The sources of credentials, in this order, for an operator without any.
const NO_CREDENTIALS: &str = "no AWS credentials: tried the environment (AWS_ACCESS_KEY_ID and \
    AWS_SECRET_ACCESS_KEY), the profile files (~/.aws), web identity (AWS_WEB_IDENTITY_TOKEN_FILE \
    and AWS_ROLE_ARN), the container's endpoint (AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or \
    _FULL_URI) and the instance's metadata service";

/// The possible reasons for a silent metadata service.
const HOP_LIMIT: &str = "in a container on EC2 raise the instance's hop limit (aws ec2 \
    modify-instance-metadata-options --http-put-response-hop-limit 2); elsewhere give credentials \
    in one of the other places, or set AWS_EC2_METADATA_DISABLED=true";

/// A description of a failure as one printable line, without secrets.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct OneLine(String);

impl OneLine {
    /// Returns the first line of `text`, cut to size: the lines after it may quote the signed text.
    pub(super) fn new(text: &str) -> Self {
        let line = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("no reason");
        Self(one_line(line, ' ').chars().take(LONGEST).collect())
    }

    /// Formats an error and its causes, outermost first, without repetitions.
    fn chain(error: &(dyn Error + 'static)) -> Self {
        let mut message: Vec<String> = Vec::new();
        for text in causes(error).filter_map(own_message) {
            if !message.iter().any(|earlier| earlier.contains(&text)) {
                message.push(text);
            }
        }
        // Some messages contain line breaks.
        Self::new(&message.join(": ").split_whitespace().collect::<Vec<_>>().join(" "))
    }
}

/// Messages of layers of the SDK that have only a cause.
const EMPTY: [&str; 6] = [
    "service error",
    "dispatch failure",
    "io error",
    "failed to construct request",
    "unhandled error",
    "an error occurred while loading credentials",
];

/// Returns the message of one cause, if it has one: the SDK's layers have none, and an error
/// without a type is described here.
fn own_message(cause: &(dyn Error + 'static)) -> Option<String> {
    if let Some(meta) = cause.downcast_ref::<ErrorMetadata>() {
        let parts: Vec<&str> = meta.code().into_iter().chain(meta.message()).collect();
        return (!parts.is_empty()).then(|| parts.join(": "));
    }
    let text = cause.to_string();
    let says_nothing = EMPTY.contains(&text.as_str()) || text.starts_with("unhandled error (");
    // A debug representation is not a sentence; its causes describe it.
    let debugged = text.contains("Unhandled(") || text.contains("Error {");
    (!says_nothing && !debugged).then_some(text)
}

/// The certainty with which an answer refuses the credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RefusalCertainty {
    /// It refuses them explicitly.
    Certain,
    /// It denies access, and other credentials might be permitted.
    Possible,
}

/// Returns whether a request was refused because of its credentials.
pub(super) fn credentials_refused<E: ProvideErrorMetadata>(
    error: &SdkError<E, HttpResponse>,
) -> Option<RefusalCertainty> {
    let (code, answer) = match error {
        SdkError::ServiceError(answer) => (answer.err().meta().code(), answer.raw()),
        SdkError::ResponseError(answer) => (None, answer.raw()),
        _ => return None,
    };
    if code.is_some_and(|code| CREDENTIALS_REFUSED.contains(&code)) {
        return Some(RefusalCertainty::Certain);
    }
    let refused = [401, 403].contains(&answer.status().as_u16()) && foreign(code, answer).is_none();
    let later = code.is_some_and(|code| LATER.contains(&code));
    (refused && !later).then_some(RefusalCertainty::Possible)
}

/// Returns the pause that an answer asks for.
pub(super) fn requested_pause<E: ProvideErrorMetadata>(
    error: &SdkError<E, HttpResponse>,
) -> Option<Duration> {
    let answer = error.raw_response()?;
    let status = answer.status().as_u16();
    let is_later = error.code().is_some_and(|code| LATER.contains(&code));
    (is_later || status == 429 || status >= 500).then(|| retry_after(answer))?
}

/// Returns the code and the message of an answer that denies permission.
pub(super) fn not_allowed<E: ProvideErrorMetadata>(
    error: &SdkError<E, HttpResponse>,
) -> Option<String> {
    let SdkError::ServiceError(answer) = error else { return None };
    let (meta, status) = (answer.err().meta(), answer.raw().status().as_u16());
    let denied = ["AccessDenied", "AccessDeniedException"];
    let is_denied = meta.code().map_or(status == 403, |code| denied.contains(&code));
    is_denied.then(|| describe_answer(meta.code(), meta.message(), status).to_string())
}

/// Describes an error in one line.
pub(super) fn describe<E>(error: &SdkError<E, HttpResponse>) -> String
where
    E: ProvideErrorMetadata + Error + 'static,
{
    match error {
        SdkError::ServiceError(answer) => {
            let meta = answer.err().meta();
            describe_answer(meta.code(), meta.message(), answer.raw().status().as_u16())
        }
        _ => OneLine::chain(error),
    }
    .to_string()
}

/// The kind of a request: whether it leaves an uncertainty if its answer is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RequestKind {
    /// A request that changes nothing.
    Read,
    /// A request that may have changed something, unless the opposite is known.
    Write,
}

/// The caller's next step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    /// None, until a person solves the problem.
    Fix,
    /// A retry, after this time if it is known.
    Later(Option<Duration>),
    /// A check of whether the change was made, after this time if it is known.
    Verify(Option<Duration>),
}

impl Next {
    /// Returns the next step after an answer that was lost or not understood.
    fn unanswered(asked: RequestKind) -> Self {
        match asked {
            RequestKind::Read => Self::Later(None),
            RequestKind::Write => Self::Verify(None),
        }
    }

    fn error(self, what: String, message: OneLine) -> ProviderError {
        let (provider, source) = (PROVIDER, message.into());
        match self {
            Self::Fix => ProviderError::Refused { provider, what, source },
            Self::Later(retry_after) => {
                ProviderError::Unavailable { provider, what, retry_after, source }
            }
            Self::Verify(retry_after) => {
                ProviderError::Unconfirmed { provider, what, retry_after, source }
            }
        }
    }
}

/// Creates the error of a problem in the zone or the configuration that a person has to solve.
pub(super) fn refused(what: String, why: impl Error + Send + Sync + 'static) -> ProviderError {
    ProviderError::Refused { provider: PROVIDER, what, source: why.into() }
}

/// Creates the error of an answer to a read that cannot be complete.
pub(super) fn incomplete(what: String, why: &dyn Error) -> ProviderError {
    Next::Later(None).error(what, OneLine::new(&why.to_string()))
}

/// Converts `error`, the result of the request `what`, for the caller.
pub(super) fn convert_error<E>(
    error: &SdkError<E, HttpResponse>,
    asked: RequestKind,
    what: String,
) -> ProviderError
where
    E: ProvideErrorMetadata + Error + 'static,
{
    if let Some(credentials) = causes(error).find_map(|c| c.downcast_ref::<CredentialsError>()) {
        return convert_credentials_error(credentials, what);
    }
    if let Some(Paused(left)) = causes(error).find_map(|c| c.downcast_ref::<Paused>()) {
        return Next::Later(Some(*left)).error(what, OneLine::chain(error));
    }
    match error {
        SdkError::ServiceError(answer) => {
            let meta = answer.err().meta();
            let message =
                describe_answer(meta.code(), meta.message(), answer.raw().status().as_u16());
            let message = foreign(meta.code(), answer.raw()).unwrap_or(message);
            next_after_answer(meta.code(), answer.raw(), asked).error(what, message)
        }
        SdkError::ResponseError(answer) if !answer.raw().status().is_success() => {
            let message = describe_answer(None, None, answer.raw().status().as_u16());
            let message = foreign(None, answer.raw()).unwrap_or(message);
            next_after_answer(None, answer.raw(), asked).error(what, message)
        }
        _ if was_never_sent(error) => Next::Later(None).error(what, OneLine::chain(error)),
        _ => Next::unanswered(asked).error(what, OneLine::chain(error)),
    }
}

fn convert_credentials_error(error: &CredentialsError, what: String) -> ProviderError {
    let lacking =
        error.source().and_then(|source| source.downcast_ref::<ProfileWithoutCredentials>());
    let error = lacking.map_or(error, |lacking| &lacking.elsewhere);
    let (next, message) = classify_credentials(error);
    // The problem of the selected profile comes first: all that follows was tried instead.
    let profile = lacking.map(|lacking| lacking.profile.clone());
    match profile.or_else(|| missing_profile(error)) {
        Some(profile) => next.error(what, OneLine(format!("{profile}; {message}"))),
        None => next.error(what, message),
    }
}

fn classify_credentials(error: &CredentialsError) -> (Next, OneLine) {
    match error {
        CredentialsError::CredentialsNotLoaded(_) if metadata_is_silent(error) => {
            let silent = "the last of these does not answer";
            (Next::Later(None), OneLine(format!("{NO_CREDENTIALS}; {silent}: {HOP_LIMIT}")))
        }
        CredentialsError::CredentialsNotLoaded(_) => {
            (Next::Fix, OneLine(NO_CREDENTIALS.to_owned()))
        }
        CredentialsError::InvalidConfiguration(_) => (Next::Fix, OneLine::chain(error)),
        _ if causes(error).any(<dyn Error>::is::<TooSlow>) => {
            (Next::Later(None), OneLine(format!("{}: {HOP_LIMIT}", OneLine::chain(error))))
        }
        CredentialsError::ProviderError(_)
            if error.source().is_some_and(<dyn Error>::is::<io::Error>) =>
        {
            (Next::Later(None), OneLine(format!("{}: {}", unread_token(), OneLine::chain(error))))
        }
        // The source of credentials was not reachable or failed; nothing was sent to Route 53.
        _ => (Next::Later(None), OneLine::chain(error)),
    }
}

/// Describes the only file that the chain reads without naming it in its error.
fn unread_token() -> String {
    let variable = "AWS_WEB_IDENTITY_TOKEN_FILE";
    let path = std::env::var(variable).ok().filter(|path| !path.is_empty());
    let path = path
        .map_or_else(String::new, |path| format!(", {},", crate::text::disclosure::path(&path)));
    format!("the file that {variable} names{path} cannot be read")
}

/// Returns the next step after a refusal.
fn next_after_answer(code: Option<&str>, answer: &HttpResponse, asked: RequestKind) -> Next {
    let status = answer.status().as_u16();
    if code.is_some_and(|code| LATER.contains(&code)) || [408, 429].contains(&status) {
        return Next::Later(retry_after(answer));
    }
    match status {
        // An intermediary rejected it: a proxy, a filter, a captive portal. It did not reach Route
        // 53.
        400..=499 if foreign(code, answer).is_some() => Next::Later(None),
        400..=499 => Next::Fix,
        // An internal failure, or a gateway that gave up: the change may have been made.
        500..=599 => match asked {
            RequestKind::Read => Next::Later(retry_after(answer)),
            RequestKind::Write => Next::Verify(retry_after(answer)),
        },
        _ => Next::unanswered(asked),
    }
}

/// Describes an answer that is not from AWS: it has no error code, and no XML in its body.
fn foreign(code: Option<&str>, answer: &HttpResponse) -> Option<OneLine> {
    let body = String::from_utf8_lossy(answer.body().bytes().unwrap_or_default());
    let is_xml = body.trim_start().starts_with('<') && !page::is_html(&body);
    if code.is_some() || is_xml {
        return None;
    }
    let status = answer.status().as_u16();
    let what = match page::title(&body) {
        Some(title) => format!("a page titled \"{title}\""),
        None if page::is_html(&body) => "a page without a title".to_owned(),
        None if body.is_empty() => "an empty body".to_owned(),
        None => format!("the text: {}", OneLine::new(&body)),
    };
    Some(OneLine::new(&format!("HTTP status {status} with {what}, which is not AWS's answer")))
}

fn retry_after(answer: &HttpResponse) -> Option<Duration> {
    retry_after::of(answer.headers())
}

impl AnswerHeaders for Headers {
    fn text(&self, name: &str) -> Option<&str> {
        self.get(name)
    }
}

fn describe_answer(code: Option<&str>, message: Option<&str>, status: u16) -> OneLine {
    match (code, message) {
        (Some(code), Some(message)) => OneLine::new(&format!("{code}: {message}")),
        (Some(code), None) => OneLine::new(&format!("{code} (HTTP status {status})")),
        (None, _) => OneLine::new(&format!("HTTP status {status}")),
    }
}

/// Whether no connection was established, or the request could not be built.
fn was_never_sent(error: &(dyn Error + 'static)) -> bool {
    causes(error)
        .any(|cause| cause.downcast_ref::<legacy::Error>().is_some_and(legacy::Error::is_connect))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_foreign_message_becomes_one_printable_line() {
        let long = "x".repeat(LONGEST + 1);
        let cases = [
            ("the first line only", "denied\nthe canonical string was: token", "denied"),
            ("empty lines are none", "\n \n denied ", "denied"),
            ("no control characters", "a\u{7}b\tc", "a b c"),
            ("no reason is given", "", "no reason"),
            ("cut to size", &long, &long[..LONGEST]),
        ];
        for (name, text, want) in cases {
            assert_eq!(OneLine::new(text).to_string(), want, "{name}");
        }
    }
}
