//! Messages to a chat of Telegram, by a bot.

use std::sync::Arc;
use std::time::Duration;

use reqwest::StatusCode;
use serde_json::{Value, json};

use super::fitting::{Unit, fitted};
use super::hook::HookService;
use super::poster::{AnswerRules, seconds_at, text_at};
use super::secret::{Secret, SecretFile, SecretForm};
use super::server::{SERVER, ServerKey};
use super::{ChannelKeys, ChannelKind, ChannelSettings};
use crate::config::field::Field;
use crate::config::keys::{Key, Section};
use crate::config::rule::integer;
use crate::config::section::SectionContext;
use crate::config::value;
use crate::notify::{Notice, Severity};

/// Telegram in the registry of channels.
pub(super) const KIND: ChannelKind = ChannelKind {
    word: "telegram",
    top: None,
    destination: "to Telegram",
    party: "Telegram",
    keys: &[Key::new("token_file"), Key::new("chat"), Key::new("thread"), Key::new(SERVER)],
    parse: |section, values| {
        Box::new(TelegramKeys {
            section,
            token_file: SecretFile::parse("token_file", section, values),
            chat: values.one(section, "chat", chat),
            thread: values.one(section, "thread", integer(1, i64::MAX)),
            server: ServerKey::parse(Some("https://api.telegram.org"), section, values),
        })
    },
};

/// Maximum length of a message.
const LONGEST_TEXT: usize = 4_096;

/// The values of a channel to Telegram.
struct TelegramKeys {
    section: Section,
    token_file: SecretFile,
    chat: Field<Chat>,
    thread: Field<i64>,
    server: ServerKey,
}

/// A chat, as Telegram identifies it.
#[derive(Debug, Clone, PartialEq)]
enum Chat {
    Number(i64),
    Channel(String),
}

/// Reads a chat: its number, or the name of a public channel.
fn chat(value: &value::Value) -> Result<Chat, String> {
    let text = match value {
        value::Value::Integer(number) => return Ok(Chat::Number(*number)),
        value::Value::Text(text) => text,
        _ => "",
    };
    match (text.parse(), text.strip_prefix('@')) {
        (Ok(number), _) => Ok(Chat::Number(number)),
        (_, Some(name)) if is_name(name) => Ok(Chat::Channel(text.to_owned())),
        _ => Err("the number of a chat, such as -1001234567890, or \"@name\" of a public channel"
            .to_owned()),
    }
}

/// Whether a text may be the name of a public channel.
fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

impl ChannelKeys for TelegramKeys {
    fn build(&self, table: &mut SectionContext<'_>) -> Option<Arc<dyn ChannelSettings>> {
        let token = self.token_file.require(SecretForm::Token, "the token of a bot", table);
        if self.chat.is_absent() {
            let spot = table.missing(self.section, "chat");
            table.report.refuse(&spot, "missing; the number of a chat, or \"@name\" of a channel");
        }
        let token = token?;
        if !is_token(token.expose()) {
            let at = self.token_file.at()?;
            let what = format!("{} does not hold a token such as 123456:ABC-DEF", at.bare());
            table.report.refuse(&at.spot, what);
            return None;
        }
        let bot = format!("bot{}", token.expose());
        let url = self.server.below(&[&bot, "sendMessage"], true, table)?;
        let (chat, thread) = (self.chat.value()?.clone(), self.thread.value().copied());
        Some(Arc::new(Telegram { url, chat, thread }))
    }
}

/// Whether a text has the form of a bot's token.
fn is_token(text: &str) -> bool {
    let Some((number, rest)) = text.split_once(':') else { return false };
    let is_plain = rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
    !number.is_empty()
        && number.bytes().all(|byte| byte.is_ascii_digit())
        && is_plain
        && !rest.is_empty()
}

/// The chat that receives notices.
#[derive(Debug, Clone, PartialEq)]
struct Telegram {
    url: Secret,
    chat: Chat,
    thread: Option<i64>,
}

impl AnswerRules for Telegram {
    fn is_own(&self, _: StatusCode, body: &[u8]) -> bool {
        serde_json::from_slice(body).is_ok_and(|body: Value| body["ok"] == true)
    }

    /// A group that became a supergroup has another number, which the answer tells.
    fn reason(&self, body: &[u8]) -> Option<String> {
        let reason = text_at(body, "/description");
        let moved: Option<Value> = serde_json::from_slice(body).ok();
        let moved = moved.as_ref().and_then(|body| body.pointer("/parameters/migrate_to_chat_id"));
        match moved.and_then(Value::as_i64) {
            Some(chat) => {
                let reason = reason.unwrap_or_default();
                Some(format!("chat = {chat} from now on: {reason}"))
            }
            None => reason,
        }
    }

    fn pause(&self, body: &[u8]) -> Option<Duration> {
        seconds_at(body, "/parameters/retry_after")
    }
}

impl HookService for Telegram {
    fn url(&self) -> &Secret {
        &self.url
    }

    /// Without `parse_mode` there is no markup. An event of no urgency makes no sound.
    fn body(&self, notice: &Notice) -> Value {
        let text = fitted(&notice.rendering().text(), LONGEST_TEXT, Unit::Utf16, escape);
        let chat = match &self.chat {
            Chat::Number(number) => json!(number),
            Chat::Channel(name) => json!(name),
        };
        let mut body = json!({
            "chat_id": chat,
            "text": text,
            "link_preview_options": { "is_disabled": true },
            "disable_notification": notice.severity == Severity::Info,
        });
        if let (Some(thread), Some(object)) = (self.thread, body.as_object_mut()) {
            object.insert("message_thread_id".to_owned(), json!(thread));
        }
        body
    }
}

/// Writes a character so that Telegram finds no mention: a word joiner, which has no width, follows `@`.
fn escape(letter: char, out: &mut String) {
    out.push(letter);
    if letter == '@' {
        out.push('\u{2060}');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::NoticeKind::Withdrawn;
    use crate::notify::tests::{CHATS, examples, hold_against_page, notice};

    #[test]
    fn a_message_is_plain_text_that_mentions_nobody_and_fits() {
        let url = Secret::new("https://api.telegram.org/bot1:x/sendMessage");
        let telegram = Telegram { url, chat: Chat::Number(-7), thread: Some(3) };
        let mut notice = notice(Withdrawn, &[1]);
        notice.detail = Some("@admin 😀 <b>".into());
        let body = telegram.body(&notice);
        assert_eq!((&body["chat_id"], &body["message_thread_id"]), (&json!(-7), &json!(3)));
        assert!(body.get("parse_mode").is_none());
        assert!(body["text"].as_str().unwrap().contains("@\u{2060}admin 😀 <b>"), "{body}");
        notice.advice = Some("😀@".repeat(9_000));
        let text = telegram.body(&notice)["text"].as_str().unwrap().to_owned();
        assert!(text.encode_utf16().count() <= 4_096);
    }

    #[test]
    fn a_chat_is_a_number_or_a_name() {
        let rows = [
            ("-100", Some(Chat::Number(-100))),
            ("@ops_team", Some(Chat::Channel("@ops_team".into()))),
            ("ops", None),
            ("@", None),
            ("", None),
        ];
        for (text, want) in rows {
            assert_eq!(chat(&value::Value::Text(text.to_owned())).ok(), want, "{text}");
        }
        assert_eq!(chat(&value::Value::Integer(-100)).ok(), Some(Chat::Number(-100)));
        assert_eq!(chat(&value::Value::Truth(true)).ok(), None);
        let tokens = [("1:a-B_9", true), ("1:", false), ("x:a", false), ("1:a/b", false)];
        for (token, want) in tokens {
            assert_eq!(is_token(token), want, "{token}");
        }
    }

    #[test]
    fn the_page_about_channels_has_a_message() {
        let url = Secret::new("https://api.telegram.org/bot1:x/sendMessage");
        let telegram = Telegram { url, chat: Chat::Number(-7), thread: None };
        let body = telegram.body(&examples()[0]);
        hold_against_page(CHATS, &body["text"].as_str().unwrap().replace('\u{2060}', ""));
    }

    #[test]
    fn a_group_that_has_another_number_now_is_named_by_it() {
        let url = Secret::new("https://api.telegram.org/bot1:x/sendMessage");
        let telegram = Telegram { url, chat: Chat::Number(-7), thread: None };
        let moved = br#"{"ok":false,"error_code":400,"description":"Bad Request: group chat was upgraded to a supergroup chat","parameters":{"migrate_to_chat_id":-1001234567890}}"#;
        let want = "chat = -1001234567890 from now on: Bad Request: group chat was upgraded to a \
                    supergroup chat";
        assert_eq!(telegram.reason(moved).unwrap(), want);
        let other = br#"{"ok":false,"description":"Unauthorized"}"#;
        assert_eq!(telegram.reason(other).unwrap(), "Unauthorized");
    }
}
