//! Notices to people: a short message for each event that concerns the operator, to Slack and to a
//! webhook.
//!
//! [`Notifier::send`] only queues a notice, so trouble at Slack cannot block anything here. Each
//! channel has its own queue and task. Notices of one kind that arrive within a second are merged
//! into one message. Sending is retried a few times, and a notice that cannot be delivered is
//! dropped with a log line that describes it. The channels' URLs are secrets and are never logged.
//!
//! # The notice as JSON
//!
//! `webhook_url` receives each notice by `POST`, as one object. Keys may be added, but none is
//! renamed:
//!
//! ```json
//! {
//!   "version": 1,
//!   "kind": "withdrawn",
//!   "at": "2026-11-22T03:04:05.678Z",
//!   "agent": "sfo-1",
//!   "dry_run": false,
//!   "targets": ["192.0.2.10"],
//!   "names": ["www.example.com"],
//!   "reason": null,
//!   "detail": null,
//!   "evidence": {
//!     "losses": 3, "replies": null, "votes": ["eu-1"], "since_last_reply_s": 2.4, "took_s": 0.31
//!   },
//!   "text": "sfo-1: withdrew 192.0.2.10 from www.example.com; 3 losses in a row; ...",
//!   "incident": "goavail/default/default/192.0.2.10/withdrawn",
//!   "status": "opened",
//!   "severity": "warning",
//!   "since": "2026-11-22T03:04:05.678Z",
//!   "advice": "..."
//! }
//! ```
//!
//! `incident` is an [`IncidentKey`], `status` a word of [`IncidentStatus`], `severity` one of
//! [`Severity`]; `advice` may be null. `"reminder": true` says that nothing new happened, and `"test":
//! true` that nothing happened at all. If a message was merged from notices of several incidents,
//! `"incidents"` has all of their keys.
//!
//! `kind` is one of the words of [`NoticeKind::word`]; `text` is the text for Slack. If the
//! configuration names its services, `"services": {"www": ["192.0.2.10"]}` has the addresses of each
//! service concerned, and `"zone": "main"` the zone of a notice about one.

mod advice;
mod channels;
mod counters;
mod delivery;
mod grouping;
pub(crate) mod heartbeat;
mod incident;
mod kind;
mod message;
mod notifier;
mod receiver;
mod reminders;
mod rendering;
mod route;
mod section;
mod severity;
mod tables;
pub(crate) mod trial;

use std::fmt;
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

pub(crate) use channels::{CHANNELS, ChannelKind};
pub(crate) use counters::NoticeCounters;
pub use delivery::DeliveryPace;
pub(crate) use grouping::NoticeQueue;
pub use incident::{IncidentKey, IncidentProblem, IncidentStatus, NO_PART};
pub use kind::NoticeKind;
pub use notifier::Notifier;
pub(crate) use section::NoticesSection;
pub use section::NotifyConfig;
pub use severity::Severity;
pub(crate) use tables::{GROUP, ParsedChannel, ServiceZones, group};

/// An event that concerns the operator.
#[derive(Debug, Clone, PartialEq)]
pub struct Notice {
    /// The time of the event.
    pub at: SystemTime,
    /// The name of the reporting agent.
    pub agent: String,
    /// Whether that agent writes nothing at the provider.
    pub dry_run: bool,
    /// The kind of the event.
    pub kind: NoticeKind,
    /// The targets concerned; empty if the notice is about the agent.
    pub targets: Vec<NoticeTarget>,
    /// The name of the zone of a notice about one. `None` if zones are not named.
    pub zone: Option<String>,
    /// The owner names concerned.
    pub names: Vec<String>,
    /// The named reason of a refusal, such as `floor`.
    pub reason: Option<String>,
    /// The cause in free text: an error with its causes. Without secrets.
    pub detail: Option<String>,
    /// The evidence for the notice.
    pub evidence: NoticeEvidence,
    /// The key of the incident that the notice belongs to.
    pub incident: IncidentKey,
    /// The keys of other incidents, if this notice was merged from several for a channel without
    /// incidents.
    pub joined: Vec<IncidentKey>,
    /// The place of this notice in the course of the incident.
    pub status: IncidentStatus,
    /// Whether the notice is only for channels that know incidents, because another agent has sent the
    /// message.
    pub quiet: bool,
    /// The severity of this notice. The end of an incident is [`Severity::Info`].
    pub severity: Severity,
    /// The highest severity that the incident had so far. A channel for severe incidents compares with
    /// this one, so that it gets the end of what it got the beginning of.
    pub worst: Severity,
    /// The time at which the incident was opened.
    pub since: SystemTime,
    /// The next step for a person, where one is known.
    pub advice: Option<String>,
    /// The nature of the notice: news, a reminder or a test.
    pub mark: NoticeMark,
}

/// A target in a notice.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NoticeTarget {
    /// The name of its service; `None` if services are not named.
    pub service: Option<String>,
    /// The address of the target.
    pub address: IpAddr,
}

impl From<IpAddr> for NoticeTarget {
    fn from(address: IpAddr) -> Self {
        Self { service: None, address }
    }
}

impl fmt::Display for NoticeTarget {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(service) = &self.service {
            write!(out, "{service}/")?;
        }
        self.address.fmt(out)
    }
}

/// The evidence for a notice. For several addresses, it holds for each of them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NoticeEvidence {
    /// Consecutive losses; for several addresses, the fewest.
    pub losses: Option<u32>,
    /// Consecutive replies; for several addresses, the fewest.
    pub replies: Option<u32>,
    /// The vantage points that agreed, by name; for several addresses, those that agreed about all
    /// of them.
    pub votes: Vec<String>,
    /// Time from the last reply to the notice; for several addresses, the shortest.
    pub since_last_reply: Option<Duration>,
    /// Time from the verdict to the provider's confirmation; for several addresses, the longest.
    pub took: Option<Duration>,
}

/// The nature of a notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum NoticeMark {
    /// It is news.
    #[default]
    News,
    /// It says again that an incident is still open.
    Still,
    /// It tests a channel: nothing happened.
    Test,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A dead address that stays in DNS, and twelve minutes later the end of that.
    pub(super) fn examples() -> [Notice; 2] {
        let mut opened = notice(NoticeKind::Refused, &[]);
        let address = IpAddr::from([203, 0, 113, 11]);
        opened.targets = vec![NoticeTarget { service: Some("www".into()), address }];
        opened.at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_316_645);
        opened.since = opened.at;
        opened.incident = IncidentKey::new(
            Some("main"),
            Some("www"),
            Some(&address.to_string()),
            IncidentProblem::Floor,
        );
        opened.reason = Some("floor".into());
        opened.detail = Some("web: connect 0.4 ms, then 503 (wanted 200-299)".into());
        opened.evidence.losses = Some(3);
        opened.evidence.since_last_reply = Some(Duration::from_secs(2));
        opened.evidence.votes = vec!["eu-1".into()];
        (opened.severity, opened.worst) = (Severity::Critical, Severity::Critical);
        opened.advice = IncidentProblem::Floor.advice().map(str::to_owned);
        let mut over = opened.clone();
        over.at += Duration::from_secs(723);
        (over.kind, over.status) = (NoticeKind::RefusalOver, NoticeKind::RefusalOver.status());
        (over.detail, over.advice, over.severity) = (None, None, Severity::Info);
        over.evidence = NoticeEvidence::default();
        [opened, over]
    }

    /// The channels that show a notice alike.
    pub(super) const CHATS: &str = "Slack, Discord, Teams and Telegram";

    /// Holds a notice as a channel sends it against its section of the page about channels.
    pub(super) fn hold_against_page(channel: &str, shown: &str) {
        let page = include_str!("../docs/channels.md");
        let section = page.split(&format!("\n### In {channel}\n")).nth(1).unwrap_or("");
        let fence = section.split("```").nth(1).unwrap_or("");
        let (_, block) = fence.split_once('\n').unwrap_or_default();
        assert_eq!(block.trim_end(), shown.trim_end(), "{channel}:\n{shown}");
    }

    /// Returns a notice of the agent sfo-1 about 192.0.2.n for each of `targets` at
    /// www.example.com.
    pub(super) fn notice(kind: NoticeKind, targets: &[u8]) -> Notice {
        Notice {
            at: SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000),
            agent: "sfo-1".into(),
            dry_run: false,
            kind,
            targets: targets.iter().map(|n| IpAddr::from([192, 0, 2, *n]).into()).collect(),
            zone: None,
            names: vec!["www.example.com".into()],
            reason: None,
            detail: None,
            evidence: NoticeEvidence::default(),
            incident: IncidentKey::new(
                Some("main"),
                Some("www"),
                targets.first().map(|n| format!("192.0.2.{n}")).as_deref(),
                kind.problem(None),
            ),
            joined: vec![],
            status: kind.status(),
            quiet: false,
            severity: Severity::Warning,
            worst: Severity::Warning,
            since: SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000),
            advice: None,
            mark: NoticeMark::News,
        }
    }
}
