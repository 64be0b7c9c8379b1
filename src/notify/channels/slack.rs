//! Messages to a Slack channel, by an incoming webhook.

use std::sync::Arc;

use reqwest::{StatusCode, Url};
use serde_json::{Value, json};

use super::fitting::{Unit, fitted};
use super::hook::HookService;
use super::poster::AnswerRules;
use super::secret::{Secret, SecretFile, private_url};
use super::{ChannelKeys, ChannelKind, ChannelSettings, TopKey};
use crate::config::keys::Key;
use crate::config::section::SectionContext;
use crate::config::url::web;
use crate::config::value::as_text;
use crate::http::page::is_html;
use crate::notify::Notice;
use crate::text::disclosure::is_slack_path;

/// Slack in the registry of channels.
pub(super) const KIND: ChannelKind = ChannelKind {
    word: "slack",
    top: Some(TopKey {
        key: Key::new("slack_addr").secret(),
        rule: |value| match as_text(value).and_then(webhook_url) {
            Some(url) => Ok(url.into()),
            None => Err(ALLOWED.to_owned()),
        },
        settings: |url| Arc::new(Slack { url: url.into(), form: SlackForm::Line }),
    }),
    destination: "to Slack",
    party: "Slack",
    keys: &[Key::new("url_file")],
    parse: |section, values| {
        Box::new(SlackKeys { url_file: SecretFile::parse("url_file", section, values) })
    },
};

/// The URL that the path of a Slack webhook is appended to.
const SLACK: &str = "https://hooks.slack.com/services/";

/// The host of Slack's webhooks.
const HOST: &str = "hooks.slack.com";

/// Maximum length of a message; Slack recommends no more.
const LONGEST_TEXT: usize = 4_000;

/// Description of the webhooks of Slack.
const ALLOWED: &str =
    "the path of a Slack webhook, T…/B…/X…, or its whole URL, which begins with https://";

/// Reads a Slack webhook: its path, as in the old files, or a whole URL.
fn webhook_url(text: &str) -> Option<Url> {
    let path = text.strip_prefix('/').unwrap_or(text);
    if is_slack_path(path) {
        return web(&format!("{SLACK}{path}"));
    }
    private_url(text)
}

/// The values of a channel to Slack.
struct SlackKeys {
    url_file: SecretFile,
}

impl ChannelKeys for SlackKeys {
    fn build(&self, table: &mut SectionContext<'_>) -> Option<Arc<dyn ChannelSettings>> {
        let url = self.url_file.require_url(ALLOWED, webhook_url, table)?;
        Some(Arc::new(Slack { url, form: SlackForm::Lines }))
    }
}

/// The receiver at Slack.
#[derive(Debug, Clone, PartialEq)]
struct Slack {
    url: Secret,
    form: SlackForm,
}

/// The form of a message.
#[derive(Debug, Clone, Copy, PartialEq)]
enum SlackForm {
    /// One line, as `slack_addr` always had it.
    Line,
    /// A title and lines.
    Lines,
}

impl AnswerRules for Slack {
    /// Slack answers with the word `ok`. Other chats that take its messages have answers of their own.
    fn is_own(&self, _: StatusCode, body: &[u8]) -> bool {
        let text = String::from_utf8_lossy(body);
        let is_slack = Url::parse(self.url.expose()).is_ok_and(|url| url.host_str() == Some(HOST));
        if is_slack { text.trim() == "ok" } else { !is_html(&text) }
    }
}

impl HookService for Slack {
    fn url(&self) -> &Secret {
        &self.url
    }

    /// Source: `&`, `<` and `>` are escaped as Slack's page on formatting text asks.
    fn body(&self, notice: &Notice) -> Value {
        match self.form {
            SlackForm::Line => {
                json!({ "text": fitted(&notice.text(), LONGEST_TEXT, Unit::Utf16, escape) })
            }
            SlackForm::Lines => {
                let text = fitted(&notice.rendering().text(), LONGEST_TEXT, Unit::Utf16, escape);
                json!({ "text": text, "mrkdwn": false })
            }
        }
    }
}

/// Writes a character so that Slack shows it as it is.
fn escape(letter: char, out: &mut String) {
    match letter {
        '&' => out.push_str("&amp;"),
        '<' => out.push_str("&lt;"),
        '>' => out.push_str("&gt;"),
        letter => out.push(letter),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::NoticeKind::Withdrawn;
    use crate::notify::tests::{CHATS, examples, hold_against_page, notice};

    #[test]
    fn slack_gets_its_three_characters_escaped_and_no_markup_from_us() {
        let mut notice = notice(Withdrawn, &[1]);
        notice.detail = Some("<!channel> a & b".into());
        let text = "sfo-1: withdrew 192.0.2.1 from www.example.com; &lt;!channel&gt; a &amp; b; \
                    2001-09-09T01:46:40Z";
        let url = Secret::new("https://hooks.slack.com/services/T0/B0/x");
        let slack = Slack { url, form: SlackForm::Line };
        assert_eq!(slack.body(&notice), json!({ "text": text }));
        let body = Slack { form: SlackForm::Lines, ..slack }.body(&notice);
        let text = body["text"].as_str().unwrap();
        let want =
            "warning: withdrew 192.0.2.1 from www.example.com\nWhy: &lt;!channel&gt; a &amp; b\n";
        assert!(text.starts_with(want) && body["mrkdwn"] == false, "{body}");
    }

    #[test]
    fn the_page_about_channels_has_a_message() {
        let url = Secret::new("https://hooks.slack.com/services/T0/B0/x");
        let body = Slack { url, form: SlackForm::Lines }.body(&examples()[0]);
        hold_against_page(CHATS, body["text"].as_str().unwrap());
    }

    #[test]
    fn slack_itself_says_ok_and_what_speaks_its_language_may_say_more() {
        let rows: [(&str, &[u8], bool); 6] = [
            ("https://hooks.slack.com/services/T0/B0/x", b"ok", true),
            ("https://hooks.slack.com/services/T0/B0/x", b"ok\n", true),
            ("https://hooks.slack.com/services/T0/B0/x", b"", false),
            ("https://hooks.slack.com/services/T0/B0/x", b"no_service", false),
            ("https://chat.example.com/hooks/x", b"{\"success\":true}", true),
            ("https://chat.example.com/hooks/x", b"<html>log in</html>", false),
        ];
        for (url, body, want) in rows {
            let slack = Slack { url: Secret::new(url), form: SlackForm::Line };
            assert_eq!(slack.is_own(StatusCode::OK, body), want, "{url} {body:?}");
        }
    }
}
