//! What an AWS error means to the caller: may it have changed something, and is asking again worth it?

use std::error::Error;
use std::io;
use std::time::Duration;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_route53::config::http::HttpResponse;
use aws_sdk_route53::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_types::error::ErrorMetadata;
use hyper_util::client::legacy;

use super::PROVIDER;
use super::credentials::{Lacking, TooSlow, metadata_is_silent, missing_profile};
use crate::dns::ProviderError;
use crate::http::page;
use crate::text::visible;

/// Error codes that say "later", whatever their HTTP status. Nothing changed.
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

/// Error codes that say no to the credentials themselves: ended, unknown, or not what it was signed
/// with. Nothing changed.
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

/// The longest text of somebody else's that is passed on.
const LONGEST: usize = 400;

/// Where credentials are looked for, in this order, for an operator who has none.
const NO_CREDENTIALS: &str = "no AWS credentials: tried the environment (AWS_ACCESS_KEY_ID and \
    AWS_SECRET_ACCESS_KEY), the profile files (~/.aws), web identity (AWS_WEB_IDENTITY_TOKEN_FILE \
    and AWS_ROLE_ARN), the container's endpoint (AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or \
    _FULL_URI) and the instance's metadata service";

/// What a silent metadata service may mean.
const HOP_LIMIT: &str = "in a container on EC2 raise the instance's hop limit (aws ec2 \
    modify-instance-metadata-options --http-put-response-hop-limit 2); elsewhere give credentials \
    in one of the other places, or set AWS_EC2_METADATA_DISABLED=true";

/// One printable line about what went wrong, without secrets.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Said(String);

impl Said {
    /// The first line of `text`, cut to size: the lines after it may quote what was signed.
    pub(super) fn new(text: &str) -> Self {
        let line = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("no reason");
        let line = visible(line);
        let printable = line.chars().map(|c| if c.is_control() { ' ' } else { c });
        Self(printable.take(LONGEST).collect())
    }

    /// An error and its causes, outermost first, none of them twice.
    fn chain(error: &(dyn Error + 'static)) -> Self {
        let mut said: Vec<String> = Vec::new();
        for text in causes(error).filter_map(words) {
            if !said.iter().any(|earlier| earlier.contains(&text)) {
                said.push(text);
            }
        }
        // Some break the line in the middle of what they say.
        Self::new(&said.join(": ").split_whitespace().collect::<Vec<_>>().join(" "))
    }
}

/// What layers of the SDK say that have only a cause.
const EMPTY: [&str; 6] = [
    "service error",
    "dispatch failure",
    "io error",
    "failed to construct request",
    "unhandled error",
    "an error occurred while loading credentials",
];

/// What one cause says, if it says anything: the SDK's layers do not, and an error that it has no type
/// for is put into words here.
fn words(cause: &(dyn Error + 'static)) -> Option<String> {
    if let Some(meta) = cause.downcast_ref::<ErrorMetadata>() {
        let parts: Vec<&str> = meta.code().into_iter().chain(meta.message()).collect();
        return (!parts.is_empty()).then(|| parts.join(": "));
    }
    let text = cause.to_string();
    let says_nothing = EMPTY.contains(&text.as_str()) || text.starts_with("unhandled error (");
    // A value as the debugger shows it is no sentence; its causes say it.
    let debugged = text.contains("Unhandled(") || text.contains("Error {");
    (!says_nothing && !debugged).then_some(text)
}

/// How an answer puts the credentials in doubt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Doubt {
    /// It says that they are refused.
    Certain,
    /// It says no, and others might be allowed to.
    Possible,
}

/// Whether a request was refused for its credentials.
pub(super) fn doubt<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> Option<Doubt> {
    let (code, answer) = match error {
        SdkError::ServiceError(answer) => (answer.err().meta().code(), answer.raw()),
        SdkError::ResponseError(answer) => (None, answer.raw()),
        _ => return None,
    };
    if code.is_some_and(|code| CREDENTIALS_REFUSED.contains(&code)) {
        return Some(Doubt::Certain);
    }
    let refused = [401, 403].contains(&answer.status().as_u16()) && foreign(code, answer).is_none();
    let later = code.is_some_and(|code| LATER.contains(&code));
    (refused && !later).then_some(Doubt::Possible)
}

/// The word for an answer that refuses permission, and what it says.
pub(super) fn not_allowed<E: ProvideErrorMetadata>(
    error: &SdkError<E, HttpResponse>,
) -> Option<String> {
    let SdkError::ServiceError(answer) = error else { return None };
    let (meta, status) = (answer.err().meta(), answer.raw().status().as_u16());
    let denied = ["AccessDenied", "AccessDeniedException"];
    let is_denied = meta.code().map_or(status == 403, |code| denied.contains(&code));
    is_denied.then(|| answered(meta.code(), meta.message(), status).to_string())
}

/// What came of asking, in one line.
pub(super) fn in_words<E>(error: &SdkError<E, HttpResponse>) -> String
where
    E: ProvideErrorMetadata + Error + 'static,
{
    match error {
        SdkError::ServiceError(answer) => {
            let meta = answer.err().meta();
            answered(meta.code(), meta.message(), answer.raw().status().as_u16())
        }
        _ => Said::chain(error),
    }
    .to_string()
}

/// What was asked of Route 53: whether an answer that was lost leaves a doubt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    /// Nothing can have changed.
    ToRead,
    /// Something may have changed unless we know better.
    ToWrite,
}

/// What the caller may do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    /// Nothing until somebody mends it.
    Mend,
    /// Ask again, after this long if it is known.
    Later(Option<Duration>),
    /// Find out first whether it was done.
    FindOut,
}

impl Next {
    /// What follows from an answer that never came, or made no sense.
    fn unanswered(asked: Asked) -> Self {
        match asked {
            Asked::ToRead => Self::Later(None),
            Asked::ToWrite => Self::FindOut,
        }
    }

    fn error(self, what: String, said: Said) -> ProviderError {
        let (provider, source) = (PROVIDER, said.into());
        match self {
            Self::Mend => ProviderError::Refused { provider, what, source },
            Self::Later(retry_after) => {
                ProviderError::Unavailable { provider, what, retry_after, source }
            }
            Self::FindOut => ProviderError::Unconfirmed { provider, what, source },
        }
    }
}

/// Nothing is to be had until somebody mends the zone or the configuration.
pub(super) fn refused(what: String, why: impl Error + Send + Sync + 'static) -> ProviderError {
    ProviderError::Refused { provider: PROVIDER, what, source: why.into() }
}

/// An answer came that cannot be the whole truth; of a read, so nothing changed.
pub(super) fn garbled(what: String, why: &dyn Error) -> ProviderError {
    Next::Later(None).error(what, Said::new(&why.to_string()))
}

/// The caller's view of `error`, which came of asking Route 53 `what`.
pub(super) fn judge<E>(
    error: &SdkError<E, HttpResponse>,
    asked: Asked,
    what: String,
) -> ProviderError
where
    E: ProvideErrorMetadata + Error + 'static,
{
    if let Some(credentials) = causes(error).find_map(|c| c.downcast_ref::<CredentialsError>()) {
        return judge_credentials(credentials, what);
    }
    match error {
        SdkError::ServiceError(answer) => {
            let meta = answer.err().meta();
            let said = answered(meta.code(), meta.message(), answer.raw().status().as_u16());
            let said = foreign(meta.code(), answer.raw()).unwrap_or(said);
            judge_answer(meta.code(), answer.raw(), asked).error(what, said)
        }
        SdkError::ResponseError(answer) if !answer.raw().status().is_success() => {
            let said = answered(None, None, answer.raw().status().as_u16());
            let said = foreign(None, answer.raw()).unwrap_or(said);
            judge_answer(None, answer.raw(), asked).error(what, said)
        }
        _ if was_never_sent(error) => Next::Later(None).error(what, Said::chain(error)),
        _ => Next::unanswered(asked).error(what, Said::chain(error)),
    }
}

fn judge_credentials(error: &CredentialsError, what: String) -> ProviderError {
    let lacking = error.source().and_then(|source| source.downcast_ref::<Lacking>());
    let error = lacking.map_or(error, |lacking| &lacking.elsewhere);
    let (next, said) = weigh_credentials(error);
    // What was asked for by name comes first: all that follows was tried in its place.
    let profile = lacking.map(|lacking| lacking.profile.clone());
    match profile.or_else(|| missing_profile(error)) {
        Some(profile) => next.error(what, Said(format!("{profile}; {said}"))),
        None => next.error(what, said),
    }
}

fn weigh_credentials(error: &CredentialsError) -> (Next, Said) {
    match error {
        CredentialsError::CredentialsNotLoaded(_) if metadata_is_silent(error) => {
            let silent = "the last of these does not answer";
            (Next::Later(None), Said(format!("{NO_CREDENTIALS}; {silent}: {HOP_LIMIT}")))
        }
        CredentialsError::CredentialsNotLoaded(_) => (Next::Mend, Said(NO_CREDENTIALS.to_owned())),
        CredentialsError::InvalidConfiguration(_) => (Next::Mend, Said::chain(error)),
        _ if causes(error).any(<dyn Error>::is::<TooSlow>) => {
            (Next::Later(None), Said(format!("{}: {HOP_LIMIT}", Said::chain(error))))
        }
        CredentialsError::ProviderError(_)
            if error.source().is_some_and(<dyn Error>::is::<io::Error>) =>
        {
            (Next::Later(None), Said(format!("{}: {}", unread_token(), Said::chain(error))))
        }
        // Who hands out credentials was not there or not well; nothing was asked of Route 53.
        _ => (Next::Later(None), Said::chain(error)),
    }
}

/// The one file that the chain reads and does not name when it cannot.
fn unread_token() -> String {
    let variable = "AWS_WEB_IDENTITY_TOKEN_FILE";
    let path = std::env::var(variable).ok().filter(|path| !path.is_empty());
    let path =
        path.map_or_else(String::new, |path| format!(", {},", crate::config::path_as_shown(&path)));
    format!("the file that {variable} names{path} cannot be read")
}

/// What follows from an answer that is a refusal of some kind.
fn judge_answer(code: Option<&str>, answer: &HttpResponse, asked: Asked) -> Next {
    let status = answer.status().as_u16();
    if code.is_some_and(|code| LATER.contains(&code)) || [408, 429].contains(&status) {
        return Next::Later(retry_after(answer));
    }
    match status {
        // Something on the way turned it down: a proxy, a filter, a portal. It did not get through.
        400..=499 if foreign(code, answer).is_some() => Next::Later(None),
        400..=499 => Next::Mend,
        // Inner failures, and gateways between that gave up: the change may have got through.
        500..=599 => match Next::unanswered(asked) {
            Next::Later(_) => Next::Later(retry_after(answer)),
            doubt => doubt,
        },
        _ => Next::unanswered(asked),
    }
}

/// What an answer says that is not AWS's own: it has no code of an error, and no XML in its body.
fn foreign(code: Option<&str>, answer: &HttpResponse) -> Option<Said> {
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
        None => format!("the text: {}", Said::new(&body)),
    };
    Some(Said::new(&format!("HTTP status {status} with {what}, which is not AWS's answer")))
}

fn retry_after(answer: &HttpResponse) -> Option<Duration> {
    answer.headers().get("retry-after")?.trim().parse().ok().map(Duration::from_secs)
}

fn answered(code: Option<&str>, message: Option<&str>, status: u16) -> Said {
    match (code, message) {
        (Some(code), Some(message)) => Said::new(&format!("{code}: {message}")),
        (Some(code), None) => Said::new(&format!("{code} (HTTP status {status})")),
        (None, _) => Said::new(&format!("HTTP status {status}")),
    }
}

/// Whether no connection came up, or the request was not even put together.
fn was_never_sent(error: &(dyn Error + 'static)) -> bool {
    causes(error)
        .any(|cause| cause.downcast_ref::<legacy::Error>().is_some_and(legacy::Error::is_connect))
}

pub(super) fn causes<'a>(
    error: &'a (dyn Error + 'static),
) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error: &&'a (dyn Error + 'static)| (*error).source())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_say_becomes_one_printable_line() {
        let long = "x".repeat(LONGEST + 1);
        let cases = [
            ("the first line only", "denied\nthe canonical string was: token", "denied"),
            ("empty lines are none", "\n \n denied ", "denied"),
            ("no control characters", "a\u{7}b\tc", "a b c"),
            ("no reason is said", "", "no reason"),
            ("cut to size", &long, &long[..LONGEST]),
        ];
        for (name, text, want) in cases {
            assert_eq!(Said::new(text).to_string(), want, "{name}");
        }
    }
}
