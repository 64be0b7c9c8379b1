//! Delivery to a webhook, of Slack or any other service: one POST for each notice.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use reqwest::{Response, StatusCode, Url};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;
use serde_json::{Value, json};

use super::delivery::{Channel, PostError};
use super::message::printable;
use super::{Evidence, Notice};
use crate::http::SendError;
use crate::http::retry_after::retry_after;

/// Converts a notice to the body that the receiver expects.
pub(super) type Body = fn(&Notice) -> Value;

/// A URL that accepts notices. The URL is a secret.
pub(super) struct Hook {
    name: &'static str,
    client: Mutex<reqwest::Client>,
    url: Url,
    body: Body,
}

/// The reason why a channel is unusable. It never contains the URL.
#[derive(Debug, thiserror::Error)]
pub(super) enum HookError {
    /// The configured text is not a URL for a POST.
    #[error("its URL does not begin with https:// or http://")]
    NotUrl,
    /// No HTTP client could be built.
    #[error("no HTTP client: {0}")]
    Client(String),
}

impl Hook {
    /// Creates a channel called `name` that posts to `url`.
    pub(super) fn new(
        name: &'static str,
        url: &SecretString,
        body: Body,
    ) -> Result<Self, HookError> {
        let url = Url::parse(url.expose_secret()).map_err(|_| HookError::NotUrl)?;
        if !matches!(url.scheme(), "https" | "http") || !url.has_host() {
            return Err(HookError::NotUrl);
        }
        let client =
            crate::http::client().map_err(|error| HookError::Client(transport_error(error)))?;
        Ok(Self { name, client: Mutex::new(client), url, body })
    }

    /// Classifies an answer that is not a success.
    async fn classify(&self, mut answer: Response) -> PostError {
        let status = answer.status();
        let why = format!("it answered {status}");
        let busy = [StatusCode::TOO_MANY_REQUESTS, StatusCode::REQUEST_TIMEOUT];
        if status.is_server_error() || busy.contains(&status) {
            let header = |name: &str| answer.headers().get(name)?.to_str().ok();
            return PostError::Later { why, retry_after: retry_after(header) };
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

    async fn post(&self, notice: &Notice) -> Result<(), PostError> {
        let client = self.client.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let request = client.post(self.url.clone()).json(&(self.body)(notice));
        match request.send().await {
            Ok(answer) if answer.status().is_success() => Ok(()),
            Ok(answer) => Err(self.classify(answer).await),
            Err(error) => {
                let why = crate::chain(&SendError::from(error));
                Err(PostError::Later { why, retry_after: None })
            }
        }
    }

    fn renew(&self) {
        if let Ok(client) = crate::http::client() {
            *self.client.lock().unwrap_or_else(PoisonError::into_inner) = client;
        }
    }
}

/// Formats a transport error with its causes in one line, without the URL.
fn transport_error(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut line = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(error) = cause {
        line = format!("{line}: {error}");
        cause = error.source();
    }
    line
}

/// Returns Slack's one-word error, such as `channel_is_archived`. Anything else is not logged: the
/// error page of a web server often repeats the path, and the path is the secret.
fn error_word(body: &[u8]) -> Option<&str> {
    let word = std::str::from_utf8(body).ok()?.trim();
    let plain = word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    (plain && (1..=40).contains(&word.len())).then_some(word)
}

/// Returns the body for Slack's incoming webhooks.
///
/// Source: `&`, `<` and `>` are escaped as Slack's page on formatting text asks.
pub(super) fn slack_body(notice: &Notice) -> Value {
    let text = notice.text().replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    json!({ "text": text })
}

/// Returns the notice as JSON, as documented in [`crate::notify`].
pub(super) fn webhook_body(notice: &Notice) -> Value {
    #[derive(Serialize)]
    struct Shown<'a> {
        losses: Option<u32>,
        replies: Option<u32>,
        votes: &'a [String],
        since_last_reply_s: Option<f64>,
        took_s: Option<f64>,
    }
    let Evidence { losses, replies, votes, since_last_reply, took } = &notice.evidence;
    let evidence = Shown {
        losses: *losses,
        replies: *replies,
        votes,
        since_last_reply_s: since_last_reply.as_ref().map(Duration::as_secs_f64),
        took_s: took.as_ref().map(Duration::as_secs_f64),
    };
    json!({
        "version": 1,
        "kind": notice.kind.word(),
        "at": humantime::format_rfc3339_millis(printable(notice.at)).to_string(),
        "agent": notice.agent,
        "dry_run": notice.dry_run,
        "targets": notice.targets,
        "names": notice.names,
        "reason": notice.reason,
        "detail": notice.detail,
        "evidence": evidence,
        "text": notice.text(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::NoticeKind::Withdrawn;
    use crate::notify::tests::notice;

    #[test]
    fn slack_gets_its_three_characters_escaped_and_no_markup_from_us() {
        let mut notice = notice(Withdrawn, &[1]);
        notice.detail = Some("<!channel> a & b".into());
        let text = "sfo-1: withdrew 192.0.2.1 from www.example.com; &lt;!channel&gt; a &amp; b; \
                    2001-09-09T01:46:40Z";
        assert_eq!(slack_body(&notice), json!({ "text": text }));
    }

    #[test]
    fn the_json_form_is_as_documented() {
        let mut notice = notice(Withdrawn, &[1]);
        notice.dry_run = true;
        notice.reason = Some("dry_run".into());
        notice.evidence.losses = Some(3);
        notice.evidence.votes = vec!["eu-1".into()];
        notice.evidence.since_last_reply = Some(Duration::from_millis(2_500));
        let want = json!({
            "version": 1,
            "kind": "withdrawn",
            "at": "2001-09-09T01:46:40.000Z",
            "agent": "sfo-1",
            "dry_run": true,
            "targets": ["192.0.2.1"],
            "names": ["www.example.com"],
            "reason": "dry_run",
            "detail": null,
            "evidence": {
                "losses": 3, "replies": null, "votes": ["eu-1"], "since_last_reply_s": 2.5,
                "took_s": null
            },
            "text": notice.text(),
        });
        assert_eq!(webhook_body(&notice), want);
    }

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
    fn what_is_not_a_url_is_refused_without_repeating_it() {
        for url in ["T0/B0/secret", "ftp://secret.example.com/", "", "https://", "unix:/secret"] {
            let error = Hook::new("slack", &SecretString::from(url), slack_body).err();
            let text = error.expect(url).to_string();
            assert!(!text.contains("secret"), "{text}");
        }
    }
}
