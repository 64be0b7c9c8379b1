//! Notices as JSON, to any receiver.

use std::collections::{BTreeMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use reqwest::StatusCode;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::hook::HookService;
use super::poster::AnswerRules;
use super::secret::{Secret, SecretFile, SecretForm};
use super::{ChannelKeys, ChannelKind, ChannelSettings, TopKey};
use crate::config::keys::Key;
use crate::config::section::SectionContext;
use crate::config::url::{is_open, web};
use crate::config::value::as_text;
use crate::notify::message::printable;
use crate::notify::{Notice, NoticeEvidence, NoticeMark};

/// The receiver of JSON in the registry of channels.
pub(super) const KIND: ChannelKind = ChannelKind {
    word: "webhook",
    top: Some(TopKey {
        key: Key::new("webhook_url").secret(),
        rule: |value| match as_text(value).and_then(web) {
            Some(url) => Ok(url.into()),
            None => Err(ALLOWED.to_owned()),
        },
        settings: |url| Arc::new(JsonReceiver { url: url.into(), token: None }),
    }),
    destination: "to a webhook",
    party: "the webhook",
    keys: &[Key::new("url_file"), Key::new("token_file")],
    parse: |section, values| {
        Box::new(JsonReceiverKeys {
            url_file: SecretFile::parse("url_file", section, values),
            token_file: SecretFile::parse("token_file", section, values),
        })
    },
};

/// Description of the URLs that receive notices as JSON. Plain HTTP is allowed, because such a receiver
/// is often close by.
const ALLOWED: &str = "a URL that begins with https:// or http://";

/// The values of a channel to a receiver of JSON.
struct JsonReceiverKeys {
    url_file: SecretFile,
    token_file: SecretFile,
}

impl ChannelKeys for JsonReceiverKeys {
    fn build(&self, table: &mut SectionContext<'_>) -> Option<Arc<dyn ChannelSettings>> {
        let token = self.token_file.read(SecretForm::Token, table);
        let url = self.url_file.require_url(ALLOWED, web, table)?;
        if let (Some(at), Some(_)) = (self.token_file.at(), web(url.expose()).filter(is_open)) {
            let what = "a token is sent by https only, or to this machine itself";
            table.report.refuse(&at.spot, what);
        }
        let token = token.map(|token| Secret::new(format!("Bearer {}", token.expose())));
        Some(Arc::new(JsonReceiver { url, token }))
    }
}

/// The receiver of JSON.
#[derive(Debug, Clone, PartialEq)]
struct JsonReceiver {
    url: Secret,
    /// The value of the `Authorization` header.
    token: Option<Secret>,
}

impl AnswerRules for JsonReceiver {
    /// The answer of a receiver is not known.
    fn is_own(&self, _: StatusCode, _: &[u8]) -> bool {
        true
    }
}

impl HookService for JsonReceiver {
    fn url(&self) -> &Secret {
        &self.url
    }

    fn authorization(&self) -> Option<&Secret> {
        self.token.as_ref()
    }

    fn body(&self, notice: &Notice) -> Value {
        body(notice)
    }
}

/// Returns the notice as JSON, as documented in [`crate::notify`].
fn body(notice: &Notice) -> Value {
    #[derive(Serialize)]
    struct Shown<'a> {
        losses: Option<u32>,
        replies: Option<u32>,
        votes: &'a [String],
        since_last_reply_s: Option<f64>,
        took_s: Option<f64>,
    }
    let NoticeEvidence { losses, replies, votes, since_last_reply, took } = &notice.evidence;
    let evidence = Shown {
        losses: *losses,
        replies: *replies,
        votes,
        since_last_reply_s: since_last_reply.as_ref().map(Duration::as_secs_f64),
        took_s: took.as_ref().map(Duration::as_secs_f64),
    };
    let mut addresses: Vec<IpAddr> = Vec::with_capacity(notice.targets.len());
    let mut seen = HashSet::new();
    let mut services: BTreeMap<&str, Vec<IpAddr>> = BTreeMap::new();
    for target in &notice.targets {
        if seen.insert(target.address) {
            addresses.push(target.address);
        }
        if let Some(service) = &target.service {
            services.entry(service).or_default().push(target.address);
        }
    }
    let mut body = json!({
        "version": 1,
        "kind": notice.kind.word(),
        "at": humantime::format_rfc3339_millis(printable(notice.at)).to_string(),
        "agent": notice.agent,
        "dry_run": notice.dry_run,
        "targets": addresses,
        "names": notice.names,
        "reason": notice.reason,
        "detail": notice.detail,
        "evidence": evidence,
        "text": notice.text(),
    });
    if let Some(object) = body.as_object_mut() {
        add_incident(object, notice);
        if !services.is_empty() {
            object.insert("services".to_owned(), json!(services));
        }
        if let Some(zone) = &notice.zone {
            object.insert("zone".to_owned(), json!(zone));
        }
    }
    body
}

/// Adds the keys about the incident of a notice.
fn add_incident(object: &mut Map<String, Value>, notice: &Notice) {
    let since = humantime::format_rfc3339_millis(printable(notice.since)).to_string();
    object.insert("incident".to_owned(), json!(notice.incident.to_string()));
    object.insert("status".to_owned(), json!(notice.status.word()));
    object.insert("severity".to_owned(), json!(notice.severity.word()));
    object.insert("since".to_owned(), json!(since));
    object.insert("advice".to_owned(), json!(notice.advice));
    match notice.mark {
        NoticeMark::News => {}
        NoticeMark::Still => drop(object.insert("reminder".to_owned(), json!(true))),
        NoticeMark::Test => drop(object.insert("test".to_owned(), json!(true))),
    }
    if !notice.joined.is_empty() {
        let keys = std::iter::once(&notice.incident).chain(&notice.joined);
        let keys: Vec<String> = keys.map(ToString::to_string).collect();
        object.insert("incidents".to_owned(), json!(keys));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::NoticeKind::Withdrawn;
    use crate::notify::tests::{examples, hold_against_page, notice};

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
            "incident": "goavail/main/www/192.0.2.1/withdrawn",
            "status": "opened",
            "severity": "warning",
            "since": "2001-09-09T01:46:40.000Z",
            "advice": null,
        });
        assert_eq!(body(&notice), want);
    }

    #[test]
    fn the_services_and_the_zone_have_keys_of_their_own_if_they_are_named() {
        let mut notice = notice(Withdrawn, &[1, 2]);
        notice.targets.push(notice.targets[0].clone());
        for (target, service) in notice.targets.iter_mut().zip(["www", "www", "mx"]) {
            target.service = Some(service.into());
        }
        notice.zone = Some("main".into());
        let body = body(&notice);
        assert_eq!(body["targets"], json!(["192.0.2.1", "192.0.2.2"]), "each address once");
        let services = json!({ "mx": ["192.0.2.1"], "www": ["192.0.2.1", "192.0.2.2"] });
        assert_eq!((&body["services"], &body["zone"]), (&services, &json!("main")));
        let text = "sfo-1: withdrew www/192.0.2.1, www/192.0.2.2 and mx/192.0.2.1 from \
                    www.example.com; zone main; 2001-09-09T01:46:40Z";
        assert_eq!(body["text"], text);
    }

    #[test]
    fn the_page_about_channels_has_an_object() {
        let body = body(&examples()[0]);
        hold_against_page("the JSON of a webhook", &serde_json::to_string_pretty(&body).unwrap());
    }
}
