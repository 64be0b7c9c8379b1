//! What an AWS error means to the caller: may it have changed something, and is asking again worth it?

use std::error::Error;
use std::time::Duration;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_route53::config::http::HttpResponse;
use aws_sdk_route53::error::{ProvideErrorMetadata, SdkError};
use hyper_util::client::legacy;

use super::PROVIDER;
use crate::dns::ProviderError;

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

/// The longest text of somebody else's that is passed on.
const LONGEST: usize = 400;

/// Where credentials are looked for, in this order, for an operator who has none.
const NO_CREDENTIALS: &str = "no AWS credentials: tried the environment (AWS_ACCESS_KEY_ID and \
    AWS_SECRET_ACCESS_KEY), the profile files (~/.aws), web identity (AWS_WEB_IDENTITY_TOKEN_FILE \
    and AWS_ROLE_ARN), the container's endpoint (AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or \
    _FULL_URI) and the instance's metadata service";

/// One printable line about what went wrong, without secrets.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Said(String);

impl Said {
    /// The first line of `text`, cut to size: the lines after it may quote what was signed.
    pub(super) fn new(text: &str) -> Self {
        let line = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("no reason");
        let printable = line.chars().map(|c| if c.is_control() { ' ' } else { c });
        Self(printable.take(LONGEST).collect())
    }

    /// An error and its causes, outermost first, none of them twice.
    fn chain(error: &(dyn Error + 'static)) -> Self {
        let mut said: Vec<String> = Vec::new();
        for cause in causes(error) {
            let text = cause.to_string();
            if !said.iter().any(|earlier| earlier.contains(&text)) {
                said.push(text);
            }
        }
        Self::new(&said.join(": "))
    }
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
    /// List and plan again.
    PlanAgain,
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
            Self::PlanAgain => ProviderError::Changed { provider, what, source },
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
            judge_answer(meta.code(), answer.raw(), asked).error(what, said)
        }
        SdkError::ResponseError(answer) if !answer.raw().status().is_success() => {
            let said = answered(None, None, answer.raw().status().as_u16());
            judge_answer(None, answer.raw(), asked).error(what, said)
        }
        _ if was_never_sent(error) => Next::Later(None).error(what, Said::chain(error)),
        _ => Next::unanswered(asked).error(what, Said::chain(error)),
    }
}

/// As [`judge`], for a batch that Route 53 examined and refused, with its reasons.
///
/// "Tried to delete" and "Tried to create" say that a set is not as it was listed; every other reason,
/// such as a CNAME of the same name, will be one the next time as well.
pub(super) fn judge_batch(reasons: &[String], what: String) -> ProviderError {
    let conflict = |reason: &String| reason.contains("Tried to ");
    let next = if reasons.is_empty() || reasons.iter().any(conflict) {
        Next::PlanAgain
    } else {
        Next::Mend
    };
    next.error(what, answered(Some("InvalidChangeBatch"), Some(&reasons.join("; ")), 400))
}

fn judge_credentials(error: &CredentialsError, what: String) -> ProviderError {
    match error {
        CredentialsError::CredentialsNotLoaded(_) => {
            Next::Mend.error(what, Said(NO_CREDENTIALS.to_owned()))
        }
        CredentialsError::InvalidConfiguration(_) => Next::Mend.error(what, Said::chain(error)),
        // Who hands out credentials was not there or not well; nothing was asked of Route 53.
        _ => Next::Later(None).error(what, Said::chain(error)),
    }
}

/// What follows from an answer that is a refusal of some kind.
fn judge_answer(code: Option<&str>, answer: &HttpResponse, asked: Asked) -> Next {
    let status = answer.status().as_u16();
    if code.is_some_and(|code| LATER.contains(&code)) || [408, 429].contains(&status) {
        return Next::Later(retry_after(answer));
    }
    match status {
        400..=499 => Next::Mend,
        // Inner failures, and gateways between that gave up: the change may have got through.
        500..=599 => match Next::unanswered(asked) {
            Next::Later(_) => Next::Later(retry_after(answer)),
            doubt => doubt,
        },
        _ => Next::unanswered(asked),
    }
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

fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
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
