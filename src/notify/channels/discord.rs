//! Messages to a Discord channel, by a webhook.
//!
//! Source: Discord's page on webhooks ("Execute Webhook") and on rate limits.

use std::sync::Arc;
use std::time::Duration;

use reqwest::StatusCode;
use serde_json::{Value, json};

use super::fitting::{Unit, fitted};
use super::hook::HookService;
use super::poster::{AnswerRules, seconds_at, text_at};
use super::secret::{PRIVATE_URL, Secret, SecretFile, private_url};
use super::{ChannelKeys, ChannelKind, ChannelSettings};
use crate::config::keys::Key;
use crate::config::section::SectionContext;
use crate::notify::{IncidentStatus, Notice, Severity};

/// Discord in the registry of channels.
pub(super) const KIND: ChannelKind = ChannelKind {
    word: "discord",
    top: None,
    destination: "to Discord",
    party: "Discord",
    keys: &[Key::new("url_file")],
    parse: |section, values| {
        Box::new(DiscordKeys { url_file: SecretFile::parse("url_file", section, values) })
    },
};

/// Maximum length of the text of a message.
const LONGEST_CONTENT: usize = 2_000;

/// Maximum length of the description below it. Discord allows 4,096, and 6,000 in all.
const LONGEST_DESCRIPTION: usize = 3_500;

/// The values of a channel to Discord.
struct DiscordKeys {
    url_file: SecretFile,
}

impl ChannelKeys for DiscordKeys {
    fn build(&self, table: &mut SectionContext<'_>) -> Option<Arc<dyn ChannelSettings>> {
        let url = self.url_file.require_url(PRIVATE_URL, private_url, table)?;
        Some(Arc::new(Discord { url }))
    }
}

/// The receiver at Discord.
#[derive(Debug, Clone, PartialEq)]
struct Discord {
    url: Secret,
}

impl AnswerRules for Discord {
    /// Without `wait` the answer has no body; with it, the body is the message.
    fn is_own(&self, status: StatusCode, body: &[u8]) -> bool {
        status == StatusCode::NO_CONTENT || text_at(body, "/id").is_some()
    }

    fn reason(&self, body: &[u8]) -> Option<String> {
        text_at(body, "/message")
    }

    fn pause(&self, body: &[u8]) -> Option<Duration> {
        seconds_at(body, "/retry_after")
    }
}

impl HookService for Discord {
    fn url(&self) -> &Secret {
        &self.url
    }

    /// The message mentions nobody, with any text.
    fn body(&self, notice: &Notice) -> Value {
        let rendering = notice.rendering();
        let description = fitted(&rendering.body(), LONGEST_DESCRIPTION, Unit::Utf16, escape);
        json!({
            "content": fitted(&rendering.title, LONGEST_CONTENT, Unit::Utf16, escape),
            "embeds": [{ "description": description, "color": colour(notice) }],
            "allowed_mentions": { "parse": [] },
        })
    }
}

/// Writes a character so that Discord's Markdown leaves it as it is.
fn escape(letter: char, out: &mut String) {
    if "\\*_~`|<>[]()#@".contains(letter) {
        out.push('\\');
    }
    out.push(letter);
}

/// Returns the colour beside a notice, as Discord numbers it.
fn colour(notice: &Notice) -> u32 {
    match (notice.status, notice.severity) {
        (IncidentStatus::Closed, _) => 0x002e_b67d,
        (_, Severity::Critical) => 0x00d7_263d,
        (_, Severity::Warning) => 0x00f4_9d37,
        (_, Severity::Info) => 0x0080_8080,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::NoticeKind::Withdrawn;
    use crate::notify::tests::{CHATS, examples, hold_against_page, notice};

    fn discord() -> Discord {
        Discord { url: Secret::new("https://discord.com/api/webhooks/1/x") }
    }

    #[test]
    fn nobody_is_mentioned_and_nothing_is_markup() {
        let mut notice = notice(Withdrawn, &[1]);
        notice.names = vec!["_dmarc.example.com".into()];
        notice.detail = Some("@everyone <@&1> [here](https://a.example) **b** `c`".into());
        let body = discord().body(&notice);
        assert_eq!(body["allowed_mentions"], json!({ "parse": [] }));
        let title = "warning: withdrew 192.0.2.1 from \\_dmarc.example.com";
        assert_eq!(body["content"], title);
        let description = body["embeds"][0]["description"].as_str().unwrap();
        let want = "Why: \\@everyone \\<\\@&1\\> \\[here\\]\\(https://a.example\\) \\*\\*b\\*\\* \\`c\\`\n";
        assert!(description.starts_with(want), "{description}");
    }

    #[test]
    fn the_longest_notice_fits() {
        let mut notice = notice(Withdrawn, &[1]);
        notice.names = vec!["_".repeat(5_000); 3];
        notice.detail = Some("😀*".repeat(5_000));
        notice.advice = Some("*".repeat(9_000));
        let body = discord().body(&notice);
        let content = body["content"].as_str().unwrap().encode_utf16().count();
        let description = body["embeds"][0]["description"].as_str().unwrap();
        let description = description.encode_utf16().count();
        assert!(content <= 2_000 && content + description <= 6_000, "{content} {description}");
    }

    #[test]
    fn an_answer_is_a_message_or_nothing() {
        let rows: [(u16, &[u8], bool); 4] = [
            (204, b"", true),
            (200, b"{\"id\":\"1\"}", true),
            (200, b"<html>log in</html>", false),
            (200, b"", false),
        ];
        for (status, body, want) in rows {
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(discord().is_own(status, body), want, "{status}");
        }
        let limited = b"{\"message\":\"You are being rate limited.\",\"retry_after\":0.5}";
        assert_eq!(discord().pause(limited), Some(Duration::from_millis(500)));
        assert_eq!(discord().reason(limited).unwrap(), "You are being rate limited.");
    }

    #[test]
    fn the_page_about_channels_has_a_message() {
        let body = discord().body(&examples()[0]);
        let texts = [&body["content"], &body["embeds"][0]["description"]];
        let shown = texts.map(|text| text.as_str().unwrap().replace('\\', "")).join("\n");
        hold_against_page(CHATS, &shown);
    }
}
