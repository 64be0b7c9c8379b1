//! Cards in a channel of Microsoft Teams, by a workflow ("When a Teams webhook request is received").
//!
//! The texts are runs of a `RichTextBlock`, in which Teams reads no Markdown, so that a name cannot be a
//! link or a mention.

use std::sync::Arc;

use serde_json::{Value, json};

use super::fitting::{Unit, fitted, plain};
use super::hook::HookService;
use super::poster::{AnswerRules, text_at};
use super::secret::{PRIVATE_URL, Secret, SecretFile, private_url};
use super::{ChannelKeys, ChannelKind, ChannelSettings};
use crate::config::keys::Key;
use crate::config::section::SectionContext;
use crate::notify::{IncidentStatus, Notice, Severity};

/// Teams in the registry of channels.
pub(super) const KIND: ChannelKind = ChannelKind {
    word: "teams",
    top: None,
    destination: "to Teams",
    party: "Teams",
    keys: &[Key::new("url_file")],
    parse: |section, values| {
        Box::new(TeamsKeys { url_file: SecretFile::parse("url_file", section, values) })
    },
};

/// Maximum length in bytes of the title and of each line. A message has 28 KB at most, and JSON writes
/// some bytes as six.
const LONGEST_TEXT: usize = 600;

/// The values of a channel to Teams.
struct TeamsKeys {
    url_file: SecretFile,
}

impl ChannelKeys for TeamsKeys {
    fn build(&self, table: &mut SectionContext<'_>) -> Option<Arc<dyn ChannelSettings>> {
        let url = self.url_file.require_url(PRIVATE_URL, private_url, table)?;
        Some(Arc::new(Teams { url }))
    }
}

/// The workflow that receives notices.
#[derive(Debug, Clone, PartialEq)]
struct Teams {
    url: Secret,
}

impl AnswerRules for Teams {
    fn reason(&self, body: &[u8]) -> Option<String> {
        text_at(body, "/error/code")
    }
}

impl HookService for Teams {
    fn url(&self) -> &Secret {
        &self.url
    }

    fn body(&self, notice: &Notice) -> Value {
        let rendering = notice.rendering();
        let mut blocks = vec![json!({
            "type": "RichTextBlock",
            "inlines": [{
                "type": "TextRun",
                "text": fitted(&rendering.title, LONGEST_TEXT, Unit::Bytes, plain),
                "weight": "Bolder",
                "size": "Medium",
                "color": colour(notice),
            }],
        })];
        for (label, text) in &rendering.lines {
            let text = fitted(text, LONGEST_TEXT, Unit::Bytes, plain);
            blocks.push(json!({
                "type": "RichTextBlock",
                "spacing": "Small",
                "inlines": [
                    { "type": "TextRun", "text": format!("{label}: "), "weight": "Bolder" },
                    { "type": "TextRun", "text": text },
                ],
            }));
        }
        json!({
            "type": "message",
            "attachments": [{
                "contentType": "application/vnd.microsoft.card.adaptive",
                "contentUrl": null,
                "content": {
                    "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
                    "type": "AdaptiveCard",
                    "version": "1.4",
                    "body": blocks,
                    "msteams": { "width": "full" },
                },
            }],
        })
    }
}

/// Returns the colour of a title, as Adaptive Cards name it.
fn colour(notice: &Notice) -> &'static str {
    match (notice.status, notice.severity) {
        (IncidentStatus::Closed, _) => "Good",
        (_, Severity::Critical) => "Attention",
        (_, Severity::Warning) => "Warning",
        (_, Severity::Info) => "Default",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::NoticeKind::Withdrawn;
    use crate::notify::tests::{CHATS, examples, hold_against_page, notice};

    #[test]
    fn no_text_is_where_markdown_is_read_and_the_longest_fits() {
        let mut notice = notice(Withdrawn, &[1]);
        notice.names = vec!["\u{1}[a](https://a.example) <at>all</at>".repeat(1_000); 3];
        notice.detail = Some("\"ä😀".repeat(9_000));
        notice.advice = Some("\u{1}".repeat(9_000));
        let body = Teams { url: Secret::new("https://a.example") }.body(&notice);
        assert!(body.to_string().len() < 28_000, "{}", body.to_string().len());
        let card = &body["attachments"][0]["content"];
        let blocks = card["body"].as_array().unwrap();
        assert!(blocks.iter().all(|block| block["type"] == "RichTextBlock"), "{card}");
        assert!(card["msteams"].get("entities").is_none());
    }

    #[test]
    fn the_page_about_channels_has_a_card() {
        let body = Teams { url: Secret::new("https://a.example") }.body(&examples()[0]);
        let blocks = body["attachments"][0]["content"]["body"].as_array().unwrap();
        let lines: Vec<String> = blocks
            .iter()
            .map(|block| {
                let runs = block["inlines"].as_array().unwrap().iter();
                runs.map(|run| run["text"].as_str().unwrap()).collect()
            })
            .collect();
        hold_against_page(CHATS, &lines.join("\n"));
    }
}
