//! One request to the API and its outcome.

use std::time::Duration;

use reqwest::header::{self, HeaderMap, HeaderValue};
use reqwest::{Method, Response, StatusCode, Url};
use secrecy::ExposeSecret;
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};

use super::SetupError;
use super::head::{sender, sender_suffix};
use super::refusal::{self, ApiError, ApiRefusal};
use super::{CloudflareConfig, CloudflareCredentials};
use crate::dns::account::{Account, AccountMember, Paused};
use crate::http::body::{self, BodyError};
use crate::http::{SendError, page, retry_after};
use crate::text::excerpt;

/// The reason why a request failed, split by its known effect.
#[derive(Debug, thiserror::Error)]
pub(super) enum CallError {
    /// There are no credentials. Nothing was sent.
    #[error(
        "there are no credentials; set CF_API_TOKEN, or CF_API_KEY and CF_API_EMAIL, \
         or the same names with _FILE"
    )]
    NoCredentials,
    /// Another zone with the same credentials has to pause. Nothing was sent.
    #[error(transparent)]
    Paused(#[from] Paused),
    /// The connection could not be established. Nothing was sent.
    #[error("the request could not be sent")]
    NotSent(#[source] SendError),
    /// The request was sent, and no complete answer was received.
    #[error("the answer was lost")]
    Lost(#[source] SendError),
    /// A complete answer was received, and it is not from the API.
    #[error("HTTP {status} with {page}, which is not the API's answer{}", sender_suffix(.sender.as_deref()))]
    Foreign {
        status: u16,
        /// A description of the answer.
        page: String,
        /// The server or proxy that claims to have sent it or passed it on, if there is one.
        sender: Option<String>,
    },
    /// The service failed, either before or after it carried out the request.
    #[error("HTTP {status}: {text}")]
    ServerError { status: u16, text: String, retry_after: Option<Duration> },
    /// The API refused the request, and nothing changed.
    #[error(transparent)]
    Refused(#[from] ApiRefusal),
}

/// The envelope of every answer of the API.
#[derive(Debug, Deserialize)]
pub(super) struct Envelope<T> {
    success: bool,
    errors: Option<Vec<ApiError>>,
    /// The requested data.
    pub(super) result: Option<T>,
    /// The position of a page in a longer listing.
    pub(super) result_info: Option<ResultInfo>,
}

/// The position of a page in a longer listing.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(super) struct ResultInfo {
    /// The number of the page, from 1.
    pub(super) page: u64,
    /// The number of entries on all pages.
    pub(super) total_count: u64,
}

/// A request: a method, the path below the API's URL, a query, a body.
#[derive(Debug)]
pub(super) struct Ask<'a> {
    pub(super) method: Method,
    pub(super) path: &'a [&'a str],
    pub(super) query: &'a [(&'a str, &'a str)],
    pub(super) body: Option<serde_json::Value>,
}

impl<'a> Ask<'a> {
    /// Creates a request that reads.
    pub(super) fn get(path: &'a [&'a str], query: &'a [(&'a str, &'a str)]) -> Self {
        Self { method: Method::GET, path, query, body: None }
    }

    /// Creates a request that writes.
    pub(super) fn write(
        method: Method,
        path: &'a [&'a str],
        body: Option<serde_json::Value>,
    ) -> Self {
        Self { method, path, query: &[], body }
    }
}

/// The API at one URL, with one set of credentials.
#[derive(Debug)]
pub(super) struct Api {
    http: reqwest::Client,
    base: Url,
    /// The headers with the credentials, marked sensitive; `None` without credentials.
    headers: Option<HeaderMap>,
    /// The secret, which is removed from every text, even if the service repeats it.
    secret: Option<secrecy::SecretString>,
    /// The pauses of all zones with these credentials.
    account: AccountMember,
}

impl Api {
    pub(super) fn new(config: &CloudflareConfig, account: &Account) -> Result<Self, SetupError> {
        let base = Url::parse(&config.api_url).ok().filter(|url| !url.cannot_be_a_base());
        let secret = match &config.credentials {
            None => None,
            Some(CloudflareCredentials::Token(secret)) => Some(secret.clone()),
            Some(CloudflareCredentials::GlobalKey { key, .. }) => Some(key.clone()),
        };
        Ok(Self {
            http: crate::http::client().map_err(SetupError::Http)?,
            base: base.ok_or(SetupError::Url)?,
            headers: config.credentials.as_ref().map(headers).transpose()?,
            secret,
            account: account.join(),
        })
    }

    /// Whether both use the same service with the same credentials.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        self.base == other.base && self.headers == other.headers
    }

    /// Keeps the open connections of `before`, and its pauses.
    pub(super) fn inherit_from(&mut self, before: Self) {
        self.account.account().inherit_from(before.account.account());
        self.http = before.http;
    }

    /// Sends one request. Returns the API's complete answer if it is a success.
    pub(super) async fn ask<T: DeserializeOwned>(
        &self,
        ask: Ask<'_>,
    ) -> Result<Envelope<T>, CallError> {
        let headers = self.headers.clone().ok_or(CallError::NoCredentials)?;
        self.account.check()?;
        let (method, mut url) = (ask.method.clone(), self.url(ask.path));
        if !ask.query.is_empty() {
            url.query_pairs_mut().extend_pairs(ask.query);
        }
        let mut request = self.http.request(ask.method, url).headers(headers);
        if let Some(body) = &ask.body {
            request = request.json(body);
        }
        let response = request.send().await.map_err(sending_failed)?;
        let status = response.status();
        let retry_after = retry_after::of(response.headers());
        let is_busy = status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error();
        if let Some(pause) = retry_after.filter(|_| is_busy) {
            self.account.pause_for(pause);
        }
        let sender = sender(response.headers());
        let body = whole_body(response).await?;
        let path = ask.path.join("/");
        tracing::debug!(%method, path, status = status.as_u16(), "asked Cloudflare");
        self.interpret(status, retry_after, sender, &body)
    }

    fn url(&self, path: &[&str]) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        url
    }

    /// Interprets a complete answer.
    ///
    ///
    /// Only the API's own format is a refusal. Any other page is from an intermediary: a proxy, a
    /// filter, a captive portal, an overloaded edge.
    fn interpret<T: DeserializeOwned>(
        &self,
        status: StatusCode,
        retry_after: Option<Duration>,
        sender: Option<String>,
        body: &[u8],
    ) -> Result<Envelope<T>, CallError> {
        let code = status.as_u16();
        if status.is_success()
            && let Ok(envelope) = serde_json::from_slice::<Envelope<T>>(body)
            && envelope.success
        {
            return Ok(envelope);
        }
        let envelope = serde_json::from_slice::<Envelope<IgnoredAny>>(body).ok();
        let refusal = envelope.filter(|envelope| !envelope.success);
        let no = refusal.and_then(|envelope| envelope.errors);
        let text = match &no {
            Some(errors) => self.line(&refusal::words(errors)),
            None => page::describe(body, |text| self.line(text)),
        };
        if status.is_server_error() && status != StatusCode::NOT_IMPLEMENTED {
            return Err(CallError::ServerError { status: code, text, retry_after });
        }
        match no {
            Some(errors) => {
                let (kind, about) = (refusal::classify(code, &errors), refusal::about(&errors));
                Err(ApiRefusal { kind, about, status: code, retry_after, text }.into())
            }
            None if status == StatusCode::TOO_MANY_REQUESTS => {
                let kind = refusal::RefusalKind::Throttled;
                Err(ApiRefusal { kind, about: None, status: code, retry_after, text }.into())
            }
            None => {
                let proxy = crate::http::proxy_of(&self.base);
                let proxy = proxy.map(|proxy| format!("it was requested through {proxy}"));
                let both = [proxy, sender].into_iter().flatten().collect::<Vec<_>>().join(", ");
                let sender = (!both.is_empty()).then(|| self.line(&both));
                Err(CallError::Foreign { status: code, page: text, sender })
            }
        }
    }

    /// Returns `text` as one line without the secret, which is removed before the text is cut: the
    /// cut could leave half of it.
    fn line(&self, text: &str) -> String {
        match self.secret.as_ref().map(ExposeSecret::expose_secret) {
            Some(secret) if !secret.is_empty() => excerpt(&text.replace(secret, "[redacted]")),
            _ => excerpt(text),
        }
    }
}

fn headers(credentials: &CloudflareCredentials) -> Result<HeaderMap, SetupError> {
    let mut headers = HeaderMap::new();
    match credentials {
        CloudflareCredentials::Token(token) => {
            let bearer = sensitive(&format!("Bearer {}", token.expose_secret()))?;
            headers.insert(header::AUTHORIZATION, bearer);
        }
        CloudflareCredentials::GlobalKey { key, email } => {
            headers.insert("x-auth-key", sensitive(key.expose_secret())?);
            headers.insert("x-auth-email", sensitive(email)?);
        }
    }
    Ok(headers)
}

/// Returns a header value that is never logged.
fn sensitive(text: &str) -> Result<HeaderValue, SetupError> {
    let mut value = HeaderValue::from_str(text).map_err(|_| SetupError::Credentials)?;
    value.set_sensitive(true);
    Ok(value)
}

/// Determines whether a failed request may have reached the service.
fn sending_failed(error: reqwest::Error) -> CallError {
    let error = SendError::from(error);
    if error.was_never_sent() { CallError::NotSent(error) } else { CallError::Lost(error) }
}

/// Returns the body if it is complete and not too long.
async fn whole_body(response: Response) -> Result<Vec<u8>, CallError> {
    let status = response.status().as_u16();
    body::whole(response).await.map_err(|error| match error {
        BodyError::Lost(error) => CallError::Lost(error),
        BodyError::TooLong => {
            CallError::Foreign { status, page: BodyError::TooLong.to_string(), sender: None }
        }
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn api(token: &str) -> Api {
        let config = CloudflareConfig {
            zone: "example.com".to_owned(),
            names: Vec::new(),
            proxied: false,
            ttl: 1,
            own_settings: BTreeMap::new(),
            api_url: "http://127.0.0.1:9/client/v4".to_owned(),
            credentials: Some(CloudflareCredentials::Token(token.into())),
            token_file: None,
        };
        Api::new(&config, &Account::default()).unwrap()
    }

    fn interpret(status: u16, body: &str) -> Result<Envelope<Vec<u8>>, CallError> {
        api("s3cret").interpret(StatusCode::from_u16(status).unwrap(), None, None, body.as_bytes())
    }

    #[test]
    fn an_answer_is_interpreted_or_described() {
        let cases = [
            ("success", 200, r#"{"success":true,"errors":[],"result":[1]}"#, "ok"),
            ("no errors key", 200, r#"{"success":true,"result":[1]}"#, "ok"),
            ("success:false with 200", 200, r#"{"success":false,"errors":[]}"#, "refused"),
            ("no success key", 200, r#"{"result":[1]}"#, "garbage"),
            ("a result of another shape", 200, r#"{"success":true,"result":{"a":1}}"#, "garbage"),
            ("an empty body", 200, "", "garbage"),
            ("HTML", 200, "<html>hello</html>", "garbage"),
            ("success:true beside an error status", 400, r#"{"success":true}"#, "garbage"),
            ("a redirect", 302, "", "garbage"),
            ("401 without a body", 401, "", "garbage"),
            ("403 in HTML", 403, "<html>", "garbage"),
            ("403 in JSON that is not the API's", 403, r#"{"message":"blocked"}"#, "garbage"),
            ("403 in the API's words", 403, r#"{"success":false,"errors":[]}"#, "refused"),
            ("404 in HTML", 404, "<html>", "garbage"),
            ("405 in HTML", 405, "<html>", "garbage"),
            ("407", 407, "", "garbage"),
            ("429 in HTML", 429, "<html>", "refused"),
            ("501", 501, "", "garbage"),
            ("success:false without errors", 400, r#"{"success":false}"#, "garbage"),
            ("502 in HTML", 502, "<html>", "server error"),
            (
                "500 in the API's words",
                500,
                r#"{"success":false,"errors":[{"code":1}]}"#,
                "server error",
            ),
        ];
        for (name, status, body, want) in cases {
            let got = match interpret(status, body) {
                Ok(_) => "ok",
                Err(CallError::Refused(_)) => "refused",
                Err(CallError::Foreign { .. }) => "garbage",
                Err(CallError::ServerError { .. }) => "server error",
                Err(_) => "other",
            };
            assert_eq!(got, want, "{name}");
        }
    }

    #[test]
    fn no_text_repeats_the_secret_even_if_the_service_does() {
        let bodies = [
            (200, "<html>Authorization: Bearer s3cret</html>"),
            (502, "<html>s3cret</html>"),
            (403, r#"{"success":false,"errors":[{"code":1,"message":"bad token s3cret"}]}"#),
        ];
        for (status, body) in bodies {
            let error = interpret(status, body).unwrap_err();
            let shown = format!("{error} {error:?}");
            assert!(!shown.contains("s3cret") && shown.contains("[redacted]"), "{shown}");
        }
        let cut =
            format!(r#"{{"success":false,"errors":[{{"message":"{}s3cret"}}]}}"#, "x".repeat(297));
        let error = interpret(400, &cut).unwrap_err().to_string();
        assert!(error.ends_with("x[re ..."), "redacted before it is cut: {error}");
        assert!(!format!("{:?}", api("s3cret")).contains("s3cret"));
    }

    #[test]
    fn credentials_that_no_header_can_hold_are_refused_without_being_shown() {
        let error = headers(&CloudflareCredentials::Token("two\nlines".into())).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("lines"));
    }
}
