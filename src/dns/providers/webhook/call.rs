//! One request to the webhook and its outcome.

use std::time::Duration;

use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap};
use reqwest::{Method, StatusCode, Url};
use serde_json::Value;

use super::section::WebhookConfig;
use crate::dns::ProviderCause;
use crate::dns::account::{Account, AccountMember, Paused};
use crate::http::body::{self, BodyError};
use crate::http::{SendError, page, retry_after};
use crate::text::excerpt;

/// The media type of the protocol, without its parameters.
const MEDIA_TYPE: &str = "application/external.dns.webhook+json";

/// The media type with the version of the protocol.
const MEDIA_TYPE_AND_VERSION: &str = "application/external.dns.webhook+json;version=1";

/// The reason why a request failed, split by its known effect.
#[derive(Debug, thiserror::Error)]
pub(super) enum RequestFailure {
    /// Another zone at the same webhook has to pause. Nothing was sent.
    #[error(transparent)]
    Paused(#[from] Paused),
    /// The connection could not be established. Nothing was sent.
    #[error("the request could not be sent")]
    NotSent(#[source] SendError),
    /// The request was sent, and no complete answer was received.
    #[error("the answer was lost")]
    Lost(#[source] SendError),
    /// The webhook, or something in front of it, answered with another status than a success.
    #[error("HTTP {status} with {text}")]
    Status {
        /// The status of the answer.
        status: StatusCode,
        /// A description of the body.
        text: String,
        /// Whether the body is a web page, which is not the webhook's.
        is_page: bool,
        /// The pause that the answer asks for.
        retry_after: Option<Duration>,
    },
    /// The answer is a success, and not of the protocol.
    #[error("HTTP {0} with {1}, which is not the protocol's answer")]
    Foreign(StatusCode, String),
}

/// A complete answer with a success.
#[derive(Debug)]
pub(super) struct WebhookAnswer {
    pub(super) status: StatusCode,
    /// The value of `Content-Type`.
    pub(super) media_type: Option<String>,
    pub(super) body: Vec<u8>,
}

impl WebhookAnswer {
    /// Checks that the answer is of a version of the protocol that is spoken here, and not of some
    /// other service. An answer that does not tell is accepted unless it `must_tell`.
    ///
    /// # Errors
    ///
    /// Fails with a description of the answer.
    pub(super) fn check_version(&self, must_tell: bool) -> Result<(), String> {
        let told = self.media_type.as_deref().unwrap_or_default();
        let (media_type, parameters) = told.split_once(';').unwrap_or((told, ""));
        let version = parameters.split(';').find_map(|parameter| {
            let (name, value) = parameter.split_once('=')?;
            name.trim().eq_ignore_ascii_case("version").then(|| value.trim().trim_matches('"'))
        });
        let is_ours = media_type.trim().eq_ignore_ascii_case(MEDIA_TYPE);
        if (is_ours && version == Some("1")) || (!is_ours && !must_tell) {
            return Ok(());
        }
        Err(if told.is_empty() { "no media type".to_owned() } else { excerpt(told) })
    }

    /// Describes the body.
    pub(super) fn in_words(&self) -> String {
        page::describe(&self.body, excerpt)
    }

    /// Whether the body is a web page, which no webhook sends.
    pub(super) fn is_page(&self) -> bool {
        is_page(&self.body)
    }
}

fn is_page(body: &[u8]) -> bool {
    page::is_html(&String::from_utf8_lossy(&body[..body.len().min(1024)]))
}

/// The webhook at one URL.
#[derive(Debug)]
pub(super) struct WebhookClient {
    http: reqwest::Client,
    base: Url,
    /// The pauses of all zones at this webhook.
    account: AccountMember,
}

impl WebhookClient {
    pub(super) fn new(config: &WebhookConfig, account: &Account) -> Result<Self, ProviderCause> {
        let base = Url::parse(&config.url)?;
        Ok(Self { http: crate::http::client()?, base, account: account.join() })
    }

    /// Whether both use the same webhook.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        self.base == other.base
    }

    /// Keeps the open connections of `before`, and its pauses.
    pub(super) fn inherit_from(&mut self, before: Self) {
        self.account.account().inherit_from(before.account.account());
        self.http = before.http;
    }

    /// Requests a path.
    pub(super) async fn get(&self, path: &str) -> Result<WebhookAnswer, RequestFailure> {
        self.ask(Method::GET, path, None).await
    }

    /// Sends a body to a path.
    pub(super) async fn post(
        &self,
        path: &str,
        body: &Value,
    ) -> Result<WebhookAnswer, RequestFailure> {
        self.ask(Method::POST, path, Some(body.to_string())).await
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<String>,
    ) -> Result<WebhookAnswer, RequestFailure> {
        self.account.check()?;
        let request = self.http.request(method.clone(), self.url(path));
        let mut request = request.header(ACCEPT, MEDIA_TYPE_AND_VERSION);
        if let Some(body) = body {
            request = request.header(CONTENT_TYPE, MEDIA_TYPE_AND_VERSION).body(body);
        }
        let response = request.send().await.map_err(sending_failed)?;
        let (status, headers) = (response.status(), response.headers().clone());
        let body = body::whole(response).await.map_err(|error| match error {
            BodyError::Lost(error) => RequestFailure::Lost(error),
            BodyError::TooLong => RequestFailure::Foreign(status, BodyError::TooLong.to_string()),
        })?;
        tracing::debug!(%method, path, status = status.as_u16(), "asked the webhook");
        self.interpret(status, &headers, body)
    }

    fn url(&self, path: &str) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().push(path);
        }
        url
    }

    /// Interprets a complete answer.
    fn interpret(
        &self,
        status: StatusCode,
        headers: &HeaderMap,
        body: Vec<u8>,
    ) -> Result<WebhookAnswer, RequestFailure> {
        let media_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let media_type = media_type.map(str::to_owned);
        let answer = WebhookAnswer { status, media_type, body };
        if status.is_success() {
            return Ok(answer);
        }
        let is_busy = status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error();
        let retry_after = retry_after::of(headers).filter(|_| is_busy);
        if let Some(pause) = retry_after {
            self.account.pause_for(pause);
        }
        let (text, is_page) = (answer.in_words(), answer.is_page());
        Err(RequestFailure::Status { status, text, is_page, retry_after })
    }
}

/// Determines whether a failed request may have reached the webhook.
fn sending_failed(error: reqwest::Error) -> RequestFailure {
    let error = SendError::from(error);
    if error.was_never_sent() {
        RequestFailure::NotSent(error)
    } else {
        RequestFailure::Lost(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_of_version_1_or_says_nothing() {
        let cases = [
            ("application/external.dns.webhook+json;version=1", true, true),
            ("Application/External.DNS.webhook+json; charset=utf-8; version=\"1\"", true, true),
            ("application/external.dns.webhook+json;version=2", false, false),
            ("application/external.dns.webhook+json", false, false),
            ("application/json", false, true),
            ("text/plain; version=1", false, true),
            ("", false, true),
        ];
        for (told, first, later) in cases {
            let media_type = Some(told.to_owned());
            let answer = WebhookAnswer { status: StatusCode::OK, media_type, body: vec![] };
            assert_eq!(answer.check_version(true).is_ok(), first, "{told}, at first");
            assert_eq!(answer.check_version(false).is_ok(), later, "{told}, later");
        }
    }
}
