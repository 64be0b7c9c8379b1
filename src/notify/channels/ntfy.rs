//! Messages to a topic of ntfy.

use std::sync::Arc;

use reqwest::StatusCode;
use serde_json::{Value, json};

use super::fitting::{Unit, fitted, plain};
use super::hook::HookService;
use super::poster::{AnswerRules, text_at};
use super::secret::{Secret, SecretFile, SecretForm};
use super::server::{SERVER, ServerKey};
use super::{ChannelKeys, ChannelKind, ChannelSettings};
use crate::config::field::Field;
use crate::config::keys::{Key, Section};
use crate::config::rule::text;
use crate::config::section::SectionContext;
use crate::notify::{IncidentStatus, Notice, Severity};

/// ntfy in the registry of channels.
pub(super) const KIND: ChannelKind = ChannelKind {
    word: "ntfy",
    top: None,
    destination: "to ntfy",
    party: "ntfy",
    keys: &[Key::new("topic"), Key::new("topic_file"), Key::new("token_file"), Key::new(SERVER)],
    parse: |section, values| {
        Box::new(NtfyKeys {
            section,
            topic: values.one(section, "topic", text(TOPIC, topic)),
            topic_file: SecretFile::parse("topic_file", section, values),
            token_file: SecretFile::parse("token_file", section, values),
            server: ServerKey::parse(Some("https://ntfy.sh"), section, values),
        })
    },
};

/// Description of the topics of ntfy.
const TOPIC: &str = "a topic of 1 to 64 letters, digits, hyphens and underscores";

/// Maximum length in bytes of a message; ntfy makes a longer one an attachment.
const LONGEST_MESSAGE: usize = 4_096;

/// Maximum length in bytes of a title.
const LONGEST_TITLE: usize = 250;

/// The values of a channel to ntfy.
struct NtfyKeys {
    section: Section,
    topic: Field<String>,
    topic_file: SecretFile,
    token_file: SecretFile,
    server: ServerKey,
}

/// Reads a topic.
fn topic(text: &str) -> Option<String> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
    ((1..=64).contains(&text.len()) && is_plain).then(|| text.to_owned())
}

impl NtfyKeys {
    /// Returns the topic: of the file, or of its own file.
    fn topic(&self, table: &mut SectionContext<'_>) -> Option<Secret> {
        let in_file = self.topic_file.at();
        match (self.topic.present(), in_file) {
            (Some(_), Some(in_file)) => {
                table.report.refuse(&in_file.spot, "given together with topic; give one of them");
                None
            }
            (Some(at), None) => {
                if self.token_file.at().is_none() {
                    let what = "whoever knows the topic can read and write there, unless the server asks \
                                for a token; topic_file keeps it out of this file";
                    table.report.warn(&at.spot, what);
                }
                Some(Secret::new(at.value.clone()))
            }
            (None, Some(at)) => {
                let secret = self.topic_file.read(SecretForm::Token, table)?;
                if topic(secret.expose()).is_none() {
                    let what = format!("{} does not hold {TOPIC}", at.bare());
                    table.report.refuse(&at.spot, what);
                    return None;
                }
                Some(secret)
            }
            (None, None) => {
                if self.topic.is_absent() && self.topic_file.is_absent() {
                    let spot = table.missing(self.section, "topic");
                    let what = format!("missing; {TOPIC}, here or in a file named by topic_file");
                    table.report.refuse(&spot, what);
                }
                None
            }
        }
    }
}

impl ChannelKeys for NtfyKeys {
    fn build(&self, table: &mut SectionContext<'_>) -> Option<Arc<dyn ChannelSettings>> {
        let topic = self.topic(table);
        // A topic in a file of its own is a password too.
        let has_secret = self.token_file.at().is_some() || self.topic_file.at().is_some();
        let token = self.token_file.read(SecretForm::Token, table);
        let url = self.server.below(&[], has_secret, table);
        let token = token.map(|token| Secret::new(format!("Bearer {}", token.expose())));
        Some(Arc::new(Ntfy { url: url?, topic: topic?, token }))
    }
}

/// The topic that receives notices.
#[derive(Debug, Clone, PartialEq)]
struct Ntfy {
    url: Secret,
    topic: Secret,
    /// The value of the `Authorization` header.
    token: Option<Secret>,
}

impl AnswerRules for Ntfy {
    fn is_own(&self, _: StatusCode, body: &[u8]) -> bool {
        text_at(body, "/id").is_some() && text_at(body, "/topic").is_some()
    }

    fn reason(&self, body: &[u8]) -> Option<String> {
        text_at(body, "/error").filter(|reason| !reason.contains(self.topic.expose()))
    }
}

impl HookService for Ntfy {
    fn url(&self) -> &Secret {
        &self.url
    }

    fn authorization(&self) -> Option<&Secret> {
        self.token.as_ref()
    }

    fn body(&self, notice: &Notice) -> Value {
        let rendering = notice.rendering();
        let (priority, tag) = match (notice.status, notice.severity) {
            (IncidentStatus::Closed, _) => (3, "white_check_mark"),
            (_, Severity::Critical) => (5, "rotating_light"),
            (_, Severity::Warning) => (4, "warning"),
            (_, Severity::Info) => (2, "information_source"),
        };
        // A title that has to be cut is whole in the message.
        let is_short = rendering.title.len() <= LONGEST_TITLE;
        let message = if is_short { rendering.body() } else { rendering.text() };
        json!({
            "topic": self.topic.expose(),
            "title": fitted(&rendering.title, LONGEST_TITLE, Unit::Bytes, plain),
            "message": fitted(&message, LONGEST_MESSAGE, Unit::Bytes, plain),
            "priority": priority,
            "tags": [tag],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::NoticeKind::Withdrawn;
    use crate::notify::tests::{examples, hold_against_page, notice};

    fn ntfy() -> Ntfy {
        let url = Secret::new("https://ntfy.sh/");
        Ntfy { url, topic: Secret::new("secret-topic"), token: None }
    }

    #[test]
    fn a_message_has_a_priority_and_fits() {
        let mut notice = notice(Withdrawn, &[1]);
        let body = ntfy().body(&notice);
        assert_eq!(body["title"], "warning: withdrew 192.0.2.1 from www.example.com");
        assert_eq!((&body["priority"], &body["tags"]), (&json!(4), &json!(["warning"])));
        notice.names = vec!["ä".repeat(80); 3];
        notice.advice = Some("ä".repeat(9_000));
        let body = ntfy().body(&notice);
        let [title, message] = ["title", "message"].map(|key| body[key].as_str().unwrap());
        assert!(title.len() <= 250 && title.ends_with('…'), "{title}");
        assert!(message.len() <= 4_096 && message.contains(&notice.names[0][..20]), "{message}");
    }

    #[test]
    fn an_error_that_names_the_topic_is_not_repeated() {
        let error = br#"{"code":40301,"http":403,"error":"forbidden: secret-topic"}"#;
        assert_eq!(ntfy().reason(error), None);
        let error = br#"{"code":40301,"http":403,"error":"forbidden"}"#;
        assert_eq!(ntfy().reason(error).unwrap(), "forbidden");
        assert!(!format!("{:?}", ntfy()).contains("secret-topic"));
    }

    #[test]
    fn the_page_about_channels_has_a_message() {
        let mut body = ntfy().body(&examples()[0]);
        body.as_object_mut().unwrap().remove("topic");
        hold_against_page("ntfy", &serde_json::to_string_pretty(&body).unwrap());
    }
}
