//! Alerts at an Alertmanager of Prometheus.
//!
//! An Alertmanager forgets an alert that is not repeated, and all of them at a restart. So each minute it
//! receives all open incidents again, each until four minutes later, and for five minutes those that are
//! over. If this agent dies, its alerts end by themselves. The labels are the same on every agent of a
//! cluster, so that the agents make one alert.

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use serde_json::{Map, Value, json};

use super::fitting::{Unit, fitted, plain};
use super::poster::{AnswerRules, ChannelError, Poster, text_at};
use super::secret::{Secret, SecretFile, SecretForm};
use super::server::{SERVER, ServerKey};
use super::{ChannelKeys, ChannelKind, ChannelSettings};
use crate::config::keys::Key;
use crate::config::section::SectionContext;
use crate::notify::delivery::{Channel, IncidentMemory, PostError, Posting};
use crate::notify::message::printable;
use crate::notify::{IncidentKey, IncidentStatus, NO_PART, Notice};

/// Alertmanager in the registry of channels.
pub(super) const KIND: ChannelKind = ChannelKind {
    word: "alertmanager",
    top: None,
    destination: "to Alertmanager",
    party: "Alertmanager",
    keys: &[Key::new(SERVER), Key::new("token_file")],
    parse: |section, values| {
        Box::new(AlertmanagerKeys {
            server: ServerKey::parse(None, section, values),
            token_file: SecretFile::parse("token_file", section, values),
        })
    },
};

/// Time from a request until the alerts in it end, unless they are sent again.
const HOLDS_FOR: Duration = Duration::from_mins(4);

/// Time for which an alert that is over is sent again.
const OVER_FOR: Duration = Duration::from_mins(5);

/// Maximum length in bytes of an annotation.
const LONGEST_ANNOTATION: usize = 8_192;

/// Maximum number of alerts that are over and still sent.
const MOST_OVER: usize = 10_000;

/// The values of a channel to Alertmanager.
struct AlertmanagerKeys {
    server: ServerKey,
    token_file: SecretFile,
}

impl ChannelKeys for AlertmanagerKeys {
    fn build(&self, table: &mut SectionContext<'_>) -> Option<Arc<dyn ChannelSettings>> {
        let has_token = self.token_file.at().is_some();
        let token = self.token_file.read(SecretForm::Token, table);
        let url = self.server.below(&["api", "v2", "alerts"], has_token, table)?;
        let token = token.map(|token| Secret::new(format!("Bearer {}", token.expose())));
        Some(Arc::new(Alertmanager { url, token }))
    }
}

/// The server that receives alerts.
#[derive(Debug, Clone, PartialEq)]
struct Alertmanager {
    url: Secret,
    /// The value of the `Authorization` header.
    token: Option<Secret>,
}

impl AnswerRules for Alertmanager {
    fn reason(&self, body: &[u8]) -> Option<String> {
        text_at(body, "/message").or_else(|| serde_json::from_slice(body).ok())
    }
}

impl ChannelSettings for Alertmanager {
    fn open(&self) -> Result<Box<dyn Channel>, ChannelError> {
        let poster = Poster::new(&self.url, self.token.as_ref())?;
        let (settings, alerts) = (self.clone(), Mutex::default());
        Ok(Box::new(AlertChannel { settings, poster, alerts }))
    }

    fn url(&self) -> Option<&Secret> {
        Some(&self.url)
    }

    fn is_same_as(&self, other: &dyn ChannelSettings) -> bool {
        let other: &dyn Any = other;
        other.downcast_ref::<Self>() == Some(self)
    }
}

/// A channel to an Alertmanager.
struct AlertChannel {
    settings: Alertmanager,
    poster: Poster,
    alerts: Mutex<Alerts>,
}

/// The alerts that the Alertmanager has to know.
#[derive(Debug, Default)]
struct Alerts {
    /// The last notice of each incident that is open.
    open: BTreeMap<IncidentKey, Notice>,
    /// The alerts that are over, with the time of their end.
    over: Vec<(Value, SystemTime)>,
}

impl Alerts {
    /// Follows a notice. If the labels of an alert change, it is over and another one begins.
    fn follow(&mut self, notice: &Notice, now: SystemTime) {
        let before = self.open.remove(&notice.incident);
        if notice.status == IncidentStatus::Left {
            // The other agent repeats it, also if this one has seen its end.
            let key = notice.incident.to_string();
            self.over.retain(|(alert, _)| alert["labels"]["incident"] != key.as_str());
            return;
        }
        if notice.status == IncidentStatus::Closed {
            // An incident that was opened by an agent that is gone has the labels of its worst.
            let before = before.as_ref().unwrap_or(notice);
            self.end(before, notice, now);
            return;
        }
        if let Some(before) = before.filter(|before| labels(before) != labels(notice)) {
            self.end(&before, notice, now);
        }
        let key = labels(notice);
        self.over.retain(|(alert, _)| alert["labels"] != key);
        self.open.insert(notice.incident.clone(), notice.clone());
    }

    /// Ends the alert of a notice; `last` has the words of its end.
    fn end(&mut self, before: &Notice, last: &Notice, now: SystemTime) {
        let mut alert = alert(last, &labels(before), now);
        alert["startsAt"] = json!(time(before.since.min(now)));
        self.over.push((alert, now));
        let too_many = self.over.len().saturating_sub(MOST_OVER);
        self.over.drain(..too_many);
    }

    /// Returns the alerts to send at this time.
    fn current(&mut self, now: SystemTime) -> Vec<Value> {
        self.over.retain(|(_, at)| now.duration_since(*at).is_ok_and(|age| age <= OVER_FOR));
        let open = self.open.values();
        let open = open.map(|notice| alert(notice, &labels(notice), now + HOLDS_FOR));
        open.chain(self.over.iter().map(|(alert, _)| alert.clone())).collect()
    }
}

impl AlertChannel {
    fn alerts(&self) -> MutexGuard<'_, Alerts> {
        self.alerts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends all alerts.
    async fn send(&self) -> Result<(), PostError> {
        let alerts = self.alerts().current(wall());
        if alerts.is_empty() {
            return Ok(());
        }
        self.poster.post(Value::Array(alerts), &self.settings).await
    }
}

impl Channel for AlertChannel {
    fn memory(&self) -> IncidentMemory {
        IncidentMemory::Forgetful
    }

    fn post<'a>(&'a self, notice: &'a Notice) -> Posting<'a> {
        self.follow(notice);
        Box::pin(self.send())
    }

    fn follow(&self, notice: &Notice) {
        self.alerts().follow(notice, wall());
    }

    fn repeat(&self) -> Posting<'_> {
        Box::pin(self.send())
    }

    fn renew(&self) {
        self.poster.renew();
    }
}

/// Returns the labels of the alert of a notice: nothing in them differs between agents, or changes
/// while the incident lasts, but for the severity.
fn labels(notice: &Notice) -> Value {
    let IncidentKey { zone, service, place, problem } = &notice.incident;
    let mut labels = Map::new();
    labels.insert("alertname".to_owned(), json!(format!("goavail_{problem}")));
    labels.insert("severity".to_owned(), json!(notice.worst.word()));
    labels.insert("incident".to_owned(), json!(notice.incident.to_string()));
    if notice.dry_run {
        labels.insert("dry_run".to_owned(), json!("true"));
    }
    for (label, part) in [("zone", zone), ("service", service), ("target", place)] {
        if part != NO_PART {
            labels.insert(label.to_owned(), json!(part));
        }
    }
    Value::Object(labels)
}

/// Returns the alert of a notice, which ends at `until`.
fn alert(notice: &Notice, labels: &Value, until: SystemTime) -> Value {
    let rendering = notice.rendering();
    json!({
        "labels": labels,
        "annotations": {
            "summary": fitted(&rendering.title, LONGEST_ANNOTATION, Unit::Bytes, plain),
            "description": fitted(&rendering.body(), LONGEST_ANNOTATION, Unit::Bytes, plain),
        },
        "startsAt": time(notice.since.min(until)),
        "endsAt": time(until),
    })
}

/// Formats a time as Alertmanager reads it.
fn time(at: SystemTime) -> String {
    humantime::format_rfc3339_millis(printable(at)).to_string()
}

#[expect(clippy::disallowed_methods, reason = "alerts end at a time of the wall clock")]
fn wall() -> SystemTime {
    SystemTime::now()
}

#[cfg(test)]
mod tests;
