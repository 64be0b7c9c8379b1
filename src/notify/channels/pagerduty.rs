//! Incidents at PagerDuty, by its Events API v2.
//!
//! A notice that belongs to no incident is not sent: it would be one that nothing ever resolves.

use std::sync::Arc;

use reqwest::StatusCode;
use serde_json::{Map, Value, json};

use super::fitting::{Unit, fitted, plain};
use super::hook::HookService;
use super::poster::{AnswerRules, text_at};
use super::secret::{Secret, SecretFile, SecretForm};
use super::server::{SERVER, ServerKey};
use super::{ChannelKeys, ChannelKind, ChannelSettings};
use crate::config::keys::Key;
use crate::config::section::SectionContext;
use crate::notify::delivery::IncidentMemory;
use crate::notify::message::printable;
use crate::notify::{IncidentStatus, NO_PART, Notice};

/// PagerDuty in the registry of channels.
pub(super) const KIND: ChannelKind = ChannelKind {
    word: "pagerduty",
    top: None,
    destination: "to PagerDuty",
    party: "PagerDuty",
    keys: &[Key::new("token_file"), Key::new(SERVER)],
    parse: |section, values| {
        Box::new(PagerDutyKeys {
            token_file: SecretFile::parse("token_file", section, values),
            server: ServerKey::parse(Some("https://events.pagerduty.com"), section, values),
        })
    },
};

/// Maximum length in characters of a summary.
const LONGEST_SUMMARY: usize = 1_024;

/// Maximum length in bytes of a key.
const LONGEST_KEY: usize = 255;

/// Maximum length in bytes of a detail. An event has 512 KB at most.
const LONGEST_DETAIL: usize = 8_192;

/// The length of an integration key.
const KEY_LENGTH: usize = 32;

/// The values of a channel to PagerDuty.
struct PagerDutyKeys {
    token_file: SecretFile,
    server: ServerKey,
}

impl ChannelKeys for PagerDutyKeys {
    fn build(&self, table: &mut SectionContext<'_>) -> Option<Arc<dyn ChannelSettings>> {
        let holding = "the integration key of a service (Events API v2)";
        let key = self.token_file.require(SecretForm::Token, holding, table);
        let url = self.server.below(&["v2", "enqueue"], true, table);
        let key = key?;
        let text = key.expose();
        if text.len() != KEY_LENGTH || !text.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            let at = self.token_file.at()?;
            let what = format!(
                "{} does not hold an integration key, which has {KEY_LENGTH} letters and digits",
                at.bare()
            );
            table.report.refuse(&at.spot, what);
            return None;
        }
        Some(Arc::new(PagerDuty { url: url?, key }))
    }
}

/// Returns a part of a key, unless the incident does not have it.
fn part(part: &str) -> Option<&str> {
    (part != NO_PART).then_some(part)
}

/// The service at PagerDuty.
#[derive(Debug, Clone, PartialEq)]
struct PagerDuty {
    url: Secret,
    /// The integration key, also called routing key.
    key: Secret,
}

impl AnswerRules for PagerDuty {
    fn is_own(&self, _: StatusCode, body: &[u8]) -> bool {
        text_at(body, "/status").is_some_and(|status| status == "success")
    }

    fn reason(&self, body: &[u8]) -> Option<String> {
        let reason = text_at(body, "/errors/0").or_else(|| text_at(body, "/message"))?;
        (!reason.contains(self.key.expose())).then_some(reason)
    }
}

impl HookService for PagerDuty {
    const MEMORY: IncidentMemory = IncidentMemory::ByKey;

    fn url(&self) -> &Secret {
        &self.url
    }

    fn body(&self, notice: &Notice) -> Value {
        // A rehearsal neither opens nor closes the page of a real incident.
        let rehearsal = if notice.dry_run { "dry-run:" } else { "" };
        let key = format!("{rehearsal}{}", notice.incident);
        let dedup_key = fitted(&key, LONGEST_KEY, Unit::Bytes, plain);
        let is_over = notice.status == IncidentStatus::Closed;
        let rendering = notice.rendering();
        let mut details = Map::new();
        for (label, text) in &rendering.lines {
            let text = fitted(text, LONGEST_DETAIL, Unit::Bytes, plain);
            details.insert(label.to_lowercase(), json!(text));
        }
        let place = part(&notice.incident.place).unwrap_or(&notice.agent);
        json!({
            "routing_key": self.key.expose(),
            "event_action": if is_over { "resolve" } else { "trigger" },
            "dedup_key": dedup_key,
            "client": "goavail",
            "payload": {
                "summary": fitted(&rendering.title, LONGEST_SUMMARY, Unit::Utf16, plain),
                "source": place,
                "severity": notice.severity.word(),
                "timestamp": humantime::format_rfc3339_millis(printable(notice.at)).to_string(),
                "component": part(&notice.incident.service),
                "group": part(&notice.incident.zone),
                "class": notice.incident.problem.word(),
                "custom_details": details,
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::NoticeKind::{Isolated, Restored, Withdrawn};
    use crate::notify::tests::{examples, hold_against_page, notice};

    fn pagerduty() -> PagerDuty {
        let url = Secret::new("https://events.pagerduty.com/v2/enqueue");
        PagerDuty { url, key: Secret::new("0123456789abcdef0123456789abcdef") }
    }

    #[test]
    fn an_incident_is_triggered_and_resolved_under_one_key() {
        let opened = pagerduty().body(&notice(Withdrawn, &[1]));
        let closed = pagerduty().body(&notice(Restored, &[1]));
        assert_eq!(
            (&opened["event_action"], &closed["event_action"]),
            (&json!("trigger"), &json!("resolve"))
        );
        assert_eq!(opened["dedup_key"], "goavail/main/www/192.0.2.1/withdrawn");
        assert_eq!(opened["dedup_key"], closed["dedup_key"]);
        let payload = &opened["payload"];
        let parts = ["severity", "source", "component", "group", "class"].map(|key| &payload[key]);
        assert_eq!(parts, ["warning", "192.0.2.1", "www", "main", "withdrawn"]);
    }

    #[test]
    fn the_longest_notice_fits_and_a_source_is_never_empty() {
        let mut long = notice(Isolated, &[]);
        long.names = vec!["x".repeat(5_000); 3];
        long.advice = Some("x".repeat(900_000));
        let body = pagerduty().body(&long);
        assert!(body["payload"]["summary"].as_str().unwrap().len() <= 1_024);
        assert!(body.to_string().len() < 512 * 1_024);
        assert!(!body["payload"]["source"].as_str().unwrap().is_empty());
    }

    #[test]
    fn an_answer_is_its_own_word_of_success() {
        let success = br#"{"status":"success","message":"Event processed","dedup_key":"a"}"#;
        let invalid = br#"{"status":"invalid event","message":"Event object is invalid","errors":["Length of 'routing_key' is incorrect"]}"#;
        let status = StatusCode::ACCEPTED;
        assert!(pagerduty().is_own(status, success));
        for body in [&invalid[..], b"<html>", b""] {
            assert!(!pagerduty().is_own(status, body));
        }
        assert_eq!(pagerduty().reason(invalid).unwrap(), "Length of 'routing_key' is incorrect");
        let repeated = br#"{"message":"no key 0123456789abcdef0123456789abcdef"}"#;
        assert_eq!(pagerduty().reason(repeated), None);
    }

    #[test]
    fn the_page_about_channels_has_an_event() {
        let mut body = pagerduty().body(&examples()[0]);
        body.as_object_mut().unwrap().remove("routing_key");
        hold_against_page("PagerDuty", &serde_json::to_string_pretty(&body).unwrap());
    }
}
