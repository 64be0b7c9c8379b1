//! Telling people: one short message for each thing that an operator should know of, to Slack and
//! to a webhook.
//!
//! [`Notifier::send`] only puts a notice into a queue, so nothing that happens at Slack's end can
//! hold anything up here. Each channel has a queue and a task of its own: notices of one kind that
//! come within a second become one message, sending is retried a few times, and what cannot be
//! delivered is dropped with a log line that says what it was. The channels' URLs are secrets and
//! are never logged.
//!
//! # The notice as JSON
//!
//! What `webhook_url` is sent by `POST`, one object each; keys may be added, but none is renamed:
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
//!   "text": "sfo-1: withdrew 192.0.2.10 from www.example.com; 3 losses in a row; ..."
//! }
//! ```
//!
//! `kind` is one of the words of [`NoticeKind::word`]; `text` is what Slack would be sent.

mod channel;
mod delivery;
mod grouping;
mod message;
mod tally;

use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use secrecy::SecretString;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use crate::config::NotifyConfig;
use channel::Hook;
use tally::Account;

pub use delivery::Pace;
pub use tally::{Counts, Tally};

/// How many notices may wait to be looked at by one channel: more than the targets of the largest
/// agent, so that all of them may fall at once.
const QUEUE: usize = 16_384;

/// Something that an operator should know of.
#[derive(Debug, Clone, PartialEq)]
pub struct Notice {
    /// When it happened.
    pub at: SystemTime,
    /// The agent that tells it.
    pub agent: String,
    /// Whether that agent writes nothing at the provider.
    pub dry_run: bool,
    /// What happened.
    pub kind: NoticeKind,
    /// The addresses it is about; empty if it is about the agent.
    pub targets: Vec<IpAddr>,
    /// The owner names it is about.
    pub names: Vec<String>,
    /// Why, as one of the named reasons of a refusal: `floor`.
    pub reason: Option<String>,
    /// Why, in whatever words: an error with its causes. Without secrets.
    pub detail: Option<String>,
    /// What speaks for it.
    pub evidence: Evidence,
}

/// What a notice is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NoticeKind {
    /// The provider confirmed that addresses are out; in dry-run, they would be.
    Withdrawn,
    /// The provider confirmed that addresses are back; in dry-run, they would be.
    Restored,
    /// Addresses are at names now that held none, and nothing was remembered of them; in dry-run,
    /// they would be.
    Created,
    /// A name is left alone for trouble of its own; all others are looked after.
    NameFailing,
    /// That is over.
    NameBack,
    /// The provider says that the zone is not active, so that changes to it may be seen by nobody.
    ZoneInactive,
    /// It is active.
    ZoneActive,
    /// A guard keeps addresses as they are, for the notice's reason.
    Refused,
    /// That guard no longer does.
    RefusalOver,
    /// A change was sent and its answer was lost.
    Unconfirmed,
    /// A change cannot be made now and is tried again.
    Failing,
    /// No canary answers, or no target can be asked: this agent withdraws nothing.
    Isolated,
    /// A canary answers again, or a target can be asked again.
    IsolationOver,
    /// Addresses were not seen for over a minute, so that nobody knows how they are.
    Unknown,
    /// They are seen again.
    UnknownOver,
    /// A new configuration was bad; the old one stays.
    ReloadRefused,
    /// The provider refuses our credentials or our zone.
    ProviderRefused,
    /// The provider accepts our requests again.
    ProviderBack,
    /// An operator took addresses out.
    Drained,
    /// An operator gave addresses back.
    Undrained,
    /// The agent ends because something in it failed.
    Stopped,
}

/// What speaks for a notice. Of several addresses it holds for each one of them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Evidence {
    /// Losses in a row; of several addresses, the fewest.
    pub losses: Option<u32>,
    /// Replies in a row; of several addresses, the fewest.
    pub replies: Option<u32>,
    /// The vantage points that agreed, by name; of several addresses, about all of them.
    pub votes: Vec<String>,
    /// From the last reply to the notice; of several addresses, the shortest.
    pub since_last_reply: Option<Duration>,
    /// From the verdict to the provider's confirmation; of several addresses, the longest.
    pub took: Option<Duration>,
}

/// Where notices go. Must be made inside a Tokio runtime.
#[derive(Debug)]
pub struct Notifier {
    lines: Vec<Line>,
    tally: Tally,
    /// Told `true` when what is left is to be dropped.
    give_up: watch::Sender<bool>,
}

/// One channel's queue and the task behind it.
#[derive(Debug)]
struct Line {
    account: Account,
    queue: mpsc::Sender<Notice>,
    task: JoinHandle<()>,
}

impl Notifier {
    /// Opens the channels that are configured. One that cannot be used is named in an error line,
    /// and the others serve.
    pub fn start(config: &NotifyConfig) -> Self {
        Self::with_pace(config, Pace::default())
    }

    /// As [`Self::start`], at another pace than everybody's.
    pub fn with_pace(config: &NotifyConfig, pace: Pace) -> Self {
        Self::counting(config, pace, Tally::default())
    }

    /// Opens other channels after this one's. `same` are those that go where they went before.
    #[must_use]
    pub fn successor(&self, config: &NotifyConfig, same: &[&str]) -> Self {
        Self::counting(config, Pace::default(), self.tally.succeed(same))
    }

    /// What became of the notices.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    fn counting(config: &NotifyConfig, pace: Pace, tally: Tally) -> Self {
        let mut notifier = Self { lines: Vec::new(), tally, give_up: watch::Sender::new(false) };
        notifier.open("slack", config.slack.as_ref(), channel::slack_body, pace);
        notifier.open("webhook", config.webhook.as_ref(), channel::webhook_body, pace);
        notifier
    }

    fn open(
        &mut self,
        channel: &'static str,
        url: Option<&SecretString>,
        body: channel::Body,
        pace: Pace,
    ) {
        let Some(url) = url else { return };
        let account = self.tally.account(channel);
        match Hook::new(channel, url, body) {
            Ok(hook) => {
                let (queue, inbox) = mpsc::channel(QUEUE);
                let worker = delivery::work(
                    hook,
                    inbox,
                    self.give_up.subscribe(),
                    pace,
                    self.tally.account(channel),
                );
                self.lines.push(Line { account, queue, task: tokio::spawn(worker) });
            }
            Err(error) => {
                account.unusable(&error.to_string());
                tracing::error!(channel, %error, "no notices are sent there");
            }
        }
    }

    /// Hands a notice to every channel and returns at once. A channel whose queue is full loses it,
    /// and a log line says so.
    pub fn send(&self, notice: &Notice) {
        for line in &self.lines {
            if let Err(error) = line.queue.try_send(notice.clone()) {
                let why = match error {
                    mpsc::error::TrySendError::Full(_) => "its queue is full",
                    mpsc::error::TrySendError::Closed(_) => "its task has ended",
                };
                line.account.dropped(notice, why);
            }
        }
    }

    /// Lets the channels deliver what waits, for `limit` at most in all; what is left then is
    /// dropped with a log line each.
    pub async fn close(self, limit: Duration) {
        let mut tasks = Vec::new();
        for Line { queue, task, .. } in self.lines {
            drop(queue); // so that the task ends when it has sent what waits
            tasks.push(task);
        }
        let mut all = std::pin::pin!(futures_util::future::join_all(tasks));
        if tokio::time::timeout(limit, &mut all).await.is_err() {
            self.give_up.send_replace(true);
            all.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A notice of the agent sfo-1 about 192.0.2.n for each of `targets` at www.example.com.
    pub(super) fn notice(kind: NoticeKind, targets: &[u8]) -> Notice {
        let address = |n: &u8| IpAddr::from([192, 0, 2, *n]);
        Notice {
            at: SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000),
            agent: "sfo-1".into(),
            dry_run: false,
            kind,
            targets: targets.iter().map(address).collect(),
            names: vec!["www.example.com".into()],
            reason: None,
            detail: None,
            evidence: Evidence::default(),
        }
    }
}
