//! Requests to a receiver, and the meaning of its answers.
//!
//! No redirect is followed: the notice, and the secrets in its request, are for the configured
//! receiver. The words of an answer are logged only where they repeat no secret.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::{RequestBuilder, Response, StatusCode, Url};
use serde_json::Value;

use super::secret::Secret;
use crate::http::SendError;
use crate::http::page::is_html;
use crate::http::retry_after;
use crate::notify::delivery::PostError;
use crate::text::{error_chain, one_line};

/// Maximum number of bytes of an answer that are read.
const LONGEST_ANSWER: usize = 64 * 1024;

/// Maximum length in characters of a reason that a service gives.
const LONGEST_REASON: usize = 160;

/// Minimum length of a part of a URL that may be a secret.
const SECRET_PART: usize = 6;

/// Answers that may be others later, besides the errors of a server.
const PASSING: [StatusCode; 4] = [
    StatusCode::TOO_MANY_REQUESTS,
    StatusCode::REQUEST_TIMEOUT,
    StatusCode::TOO_EARLY,
    StatusCode::PROXY_AUTHENTICATION_REQUIRED,
];

/// The meaning of a service's answers.
pub(crate) trait AnswerRules: Send + Sync + 'static {
    /// Whether an answer with a status of success comes from the service: a portal that asks people to
    /// log in, and a proxy, answer 200 too.
    fn is_own(&self, _status: StatusCode, body: &[u8]) -> bool {
        !is_html(&String::from_utf8_lossy(body))
    }

    /// Returns the reason for an answer that is not a success, in the words of the service.
    fn reason(&self, body: &[u8]) -> Option<String> {
        error_word(body).map(str::to_owned)
    }

    /// Returns the pause that the body of an answer asks for.
    fn pause(&self, _body: &[u8]) -> Option<Duration> {
        None
    }
}

/// Sends requests to one receiver.
pub(crate) struct Poster {
    client: Mutex<reqwest::Client>,
    url: Url,
    authorization: Option<Secret>,
    header: Option<HeaderValue>,
}

/// The reason why a channel is unusable. It never contains a secret.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ChannelError {
    /// The configured text is not a URL for a POST.
    #[error("its URL does not begin with https:// or http://")]
    NotUrl,
    /// The credentials cannot be sent in a header.
    #[error("its credentials do not fit into a header")]
    NotHeader,
    /// No client could be built.
    #[error("no client: {0}")]
    Client(String),
}

impl Poster {
    /// Prepares requests to `url` with this value of the `Authorization` header.
    pub(crate) fn new(url: &Secret, authorization: Option<&Secret>) -> Result<Self, ChannelError> {
        let url = Url::parse(url.expose()).map_err(|_| ChannelError::NotUrl)?;
        if !matches!(url.scheme(), "https" | "http") || !url.has_host() {
            return Err(ChannelError::NotUrl);
        }
        let mut header = None;
        if let Some(value) = authorization {
            let value = HeaderValue::from_str(value.expose());
            let mut value = value.map_err(|_| ChannelError::NotHeader)?;
            value.set_sensitive(true);
            header = Some(value);
        }
        let client = crate::http::client()
            .map_err(|error| ChannelError::Client(error_chain(&error.without_url())))?;
        let authorization = authorization.cloned();
        Ok(Self { client: Mutex::new(client), url, authorization, header })
    }

    /// Rebuilds the client after a panic.
    pub(crate) fn renew(&self) {
        if let Ok(client) = crate::http::client() {
            *self.client.lock().unwrap_or_else(PoisonError::into_inner) = client;
        }
    }

    /// Posts `body`, and judges the answer.
    pub(crate) async fn post(
        &self,
        body: Value,
        answers: &dyn AnswerRules,
    ) -> Result<(), PostError> {
        self.send(self.client().post(self.url.clone()).json(&body), answers).await
    }

    /// Posts a text to `url`, and judges the answer.
    pub(crate) async fn post_text(
        &self,
        url: Url,
        text: String,
        answers: &dyn AnswerRules,
    ) -> Result<(), PostError> {
        let request = self.client().post(url).header(CONTENT_TYPE, "text/plain; charset=utf-8");
        self.send(request.body(text), answers).await
    }

    /// Requests `url`, and judges the answer.
    pub(crate) async fn get(&self, url: Url, answers: &dyn AnswerRules) -> Result<(), PostError> {
        self.send(self.client().get(url), answers).await
    }

    /// Returns the client.
    fn client(&self) -> reqwest::Client {
        self.client.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Sends a request, and judges its answer.
    async fn send(
        &self,
        request: RequestBuilder,
        answers: &dyn AnswerRules,
    ) -> Result<(), PostError> {
        let request = match &self.header {
            Some(value) => request.header(AUTHORIZATION, value.clone()),
            None => request,
        };
        let mut answer = match request.send().await {
            Ok(answer) => answer,
            Err(error) => return Err(unanswered(&SendError::from(error))),
        };
        let body = start_of(&mut answer).await;
        let status = answer.status();
        if !status.is_success() {
            return Err(self.failure(&answer, &body, answers));
        }
        if !answers.is_own(status, &body) {
            let what =
                if is_html(&String::from_utf8_lossy(&body)) { "a web page" } else { "a body" };
            let why = format!("it answered {status} with {what} that is not from the service");
            return Err(later(why));
        }
        Ok(())
    }

    /// Classifies an answer that is not a success.
    fn failure(&self, answer: &Response, body: &[u8], answers: &dyn AnswerRules) -> PostError {
        let status = answer.status();
        let mut why = format!("it answered {status}");
        if status.is_redirection() {
            return later(format!("{why}, which leads elsewhere and is not followed"));
        }
        let reason = answers.reason(body).map(|reason| shortened(&reason));
        if let Some(reason) = reason.filter(|reason| !self.has_secret(reason)) {
            why = format!("{why}: {reason}");
        }
        // What stands between, such as a proxy or a portal, answers with pages.
        let is_foreign = is_html(&String::from_utf8_lossy(body));
        if status.is_server_error() || PASSING.contains(&status) || is_foreign {
            let retry_after = retry_after::of(answer.headers()).max(answers.pause(body));
            return PostError::Later { why, retry_after };
        }
        PostError::Refused(why)
    }

    /// Whether a text contains a part of the URL or of the credentials that may be a secret.
    fn has_secret(&self, text: &str) -> bool {
        let after_host = [self.url.path(), self.url.query().unwrap_or_default()].join("/");
        let credentials = self.authorization.as_ref().map_or("", Secret::expose);
        let mut parts = after_host.split(['/', '=', '&', ':']).chain(credentials.split(' '));
        parts.any(|part| part.len() >= SECRET_PART && text.contains(part))
    }
}

/// Returns the failure of a request that got no answer.
fn unanswered(error: &SendError) -> PostError {
    let why = error_chain(error);
    if error.was_never_sent() { PostError::Unreachable(why) } else { later(why) }
}

/// Returns a failure that may pass.
fn later(why: String) -> PostError {
    PostError::Later { why, retry_after: None }
}

/// Returns the first bytes of the body, as far as they arrive.
async fn start_of(answer: &mut Response) -> Vec<u8> {
    let mut body = Vec::new();
    while let Ok(Some(chunk)) = answer.chunk().await {
        body.extend_from_slice(&chunk);
        if body.len() >= LONGEST_ANSWER {
            break;
        }
    }
    body
}

/// Returns a reason on one line, cut to [`LONGEST_REASON`].
fn shortened(reason: &str) -> String {
    one_line(reason, ' ').chars().take(LONGEST_REASON).collect::<String>().trim().to_owned()
}

/// Returns a one-word error, such as Slack's `channel_is_archived`. Anything else is not logged: the
/// error page of a web server often repeats the path, and the path is the secret.
fn error_word(body: &[u8]) -> Option<&str> {
    let word = std::str::from_utf8(body).ok()?.trim();
    let plain = word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    (plain && (1..=40).contains(&word.len())).then_some(word)
}

/// Returns the text at `pointer` in a body of JSON.
pub(crate) fn text_at(body: &[u8], pointer: &str) -> Option<String> {
    let body: Value = serde_json::from_slice(body).ok()?;
    body.pointer(pointer)?.as_str().map(str::to_owned)
}

/// Returns the number of seconds at `pointer` in a body of JSON.
pub(super) fn seconds_at(body: &[u8], pointer: &str) -> Option<Duration> {
    let body: Value = serde_json::from_slice(body).ok()?;
    Duration::try_from_secs_f64(body.pointer(pointer)?.as_f64()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A service without rules of its own.
    struct Plain;

    impl AnswerRules for Plain {}

    #[test]
    fn only_a_single_plain_word_of_an_answer_is_worth_logging() {
        let cases: [(&str, &[u8], Option<&str>); 5] = [
            ("Slack's words are", b"channel_is_archived\n", Some("channel_is_archived")),
            ("a page that repeats the path is not", b"Cannot POST /services/T0/B0/xyz", None),
            ("nothing is not", b" ", None),
            ("a long run is not", &[b'a'; 41], None),
            ("bytes are not", &[0xff, 0xfe], None),
        ];
        for (name, body, want) in cases {
            assert_eq!(error_word(body), want, "{name}");
        }
    }

    #[test]
    fn a_web_page_is_no_answer_of_a_service() {
        let rows: [(&[u8], bool); 4] =
            [(b"ok", true), (b"", true), (b"<!DOCTYPE html><p>", false), (b" <html>", false)];
        for (body, want) in rows {
            assert_eq!(Plain.is_own(StatusCode::OK, body), want);
        }
    }

    #[test]
    fn a_reason_that_repeats_a_secret_is_known_by_any_part_of_it() {
        let url = Secret::new("https://a.example/bot123456:SeCrEt-x/send?key=quiet1");
        let poster = Poster::new(&url, Some(&Secret::new("Bearer tk_abcdefg"))).unwrap();
        let rows = [
            ("no rights to send", false),
            ("Unauthorized for SeCrEt-x", true),
            ("bot123456 is gone", true),
            ("bad key quiet1", true),
            ("who is tk_abcdefg?", true),
        ];
        for (text, want) in rows {
            assert_eq!(poster.has_secret(text), want, "{text}");
        }
    }

    #[test]
    fn an_invalid_url_is_refused_without_repeating_it() {
        for url in ["T0/B0/secret", "ftp://secret.example.com/", "", "https://", "unix:/secret"] {
            let error = Poster::new(&Secret::new(url), None).err();
            let text = error.expect(url).to_string();
            assert!(!text.contains("secret"), "{text}");
        }
        let error = Poster::new(&Secret::new("https://a.example"), Some(&Secret::new("a\nsecret")));
        assert!(!error.err().unwrap().to_string().contains("secret"));
    }
}
