//! Delivery to a webhook, of Slack or any other service: one POST of JSON for each notice.

use std::sync::{Mutex, PoisonError};

use reqwest::{Response, StatusCode, Url};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;

use crate::http::SendError;
use crate::http::retry_after;
use crate::notify::Notice;
use crate::notify::delivery::{Channel, PostError, Posting};
use crate::text::error_chain;

/// Converts a notice to the body that the receiver expects.
pub(crate) type NoticeBody = fn(&Notice) -> Value;

/// A URL that accepts notices. The URL is a secret.
pub(crate) struct Hook {
    name: &'static str,
    client: Mutex<reqwest::Client>,
    url: Url,
    body: NoticeBody,
}

/// The reason why a channel is unusable. It never contains the URL.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HookError {
    /// The configured text is not a URL for a POST.
    #[error("its URL does not begin with https:// or http://")]
    NotUrl,
    /// No HTTP client could be built.
    #[error("no HTTP client: {0}")]
    Client(String),
}

impl Hook {
    /// Creates a channel called `name` that posts to `url`.
    pub(crate) fn new(
        name: &'static str,
        url: &SecretString,
        body: NoticeBody,
    ) -> Result<Self, HookError> {
        let url = Url::parse(url.expose_secret()).map_err(|_| HookError::NotUrl)?;
        if !matches!(url.scheme(), "https" | "http") || !url.has_host() {
            return Err(HookError::NotUrl);
        }
        let client =
            crate::http::client().map_err(|error| HookError::Client(transport_error(error)))?;
        Ok(Self { name, client: Mutex::new(client), url, body })
    }

    /// Makes one attempt.
    async fn send(&self, notice: &Notice) -> Result<(), PostError> {
        let client = self.client.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let request = client.post(self.url.clone()).json(&(self.body)(notice));
        match request.send().await {
            Ok(answer) if answer.status().is_success() => Ok(()),
            Ok(answer) => Err(self.classify(answer).await),
            Err(error) => {
                let why = crate::text::error_chain(&SendError::from(error));
                Err(PostError::Later { why, retry_after: None })
            }
        }
    }

    /// Classifies an answer that is not a success.
    async fn classify(&self, mut answer: Response) -> PostError {
        let status = answer.status();
        let why = format!("it answered {status}");
        let busy = [StatusCode::TOO_MANY_REQUESTS, StatusCode::REQUEST_TIMEOUT];
        if status.is_server_error() || busy.contains(&status) {
            return PostError::Later { why, retry_after: retry_after::of(answer.headers()) };
        }
        let start = answer.chunk().await.ok().flatten().unwrap_or_default();
        match error_word(&start).filter(|word| !self.url.as_str().contains(word)) {
            Some(word) => PostError::Refused(format!("{why}: {word}")),
            None => PostError::Refused(why),
        }
    }
}

impl Channel for Hook {
    fn name(&self) -> &'static str {
        self.name
    }

    fn post<'a>(&'a self, notice: &'a Notice) -> Posting<'a> {
        Box::pin(self.send(notice))
    }

    fn renew(&self) {
        if let Ok(client) = crate::http::client() {
            *self.client.lock().unwrap_or_else(PoisonError::into_inner) = client;
        }
    }
}

/// Formats a transport error with its causes in one line, without the URL.
fn transport_error(error: reqwest::Error) -> String {
    error_chain(&error.without_url())
}

/// Returns Slack's one-word error, such as `channel_is_archived`. Anything else is not logged: the
/// error page of a web server often repeats the path, and the path is the secret.
fn error_word(body: &[u8]) -> Option<&str> {
    let word = std::str::from_utf8(body).ok()?.trim();
    let plain = word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    (plain && (1..=40).contains(&word.len())).then_some(word)
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn an_invalid_url_is_refused_without_repeating_it() {
        for url in ["T0/B0/secret", "ftp://secret.example.com/", "", "https://", "unix:/secret"] {
            let error = Hook::new("slack", &SecretString::from(url), |_| Value::Null).err();
            let text = error.expect(url).to_string();
            assert!(!text.contains("secret"), "{text}");
        }
    }
}
