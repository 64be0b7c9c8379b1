//! The messages that people have still to be told.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use super::{Backlog, ChannelContext, DeliveryPace, DueNotice, PostError};
use crate::backoff::Backoff;
use crate::notify::Notice;
use crate::notify::grouping::NoticeQueue;
use crate::notify::incident::IncidentStatus;
use crate::notify::reminders::Reminders;
use crate::text::seconds;

/// Maximum time for which a message waits for a channel that cannot be reached, or that asks for a
/// pause. It would be outdated after that.
const OUTDATED_AFTER: Duration = Duration::from_hours(1);

/// The messages that were received and are not delivered yet.
pub(super) struct MessageBacklog {
    pace: DeliveryPace,
    /// The notices that later ones may still join.
    waiting: NoticeQueue,
    /// The time from which those are sent.
    window_ends: Option<Instant>,
    /// The messages that are being sent, oldest first.
    unsent: VecDeque<HeldMessage>,
    /// The number of attempts that the oldest message may still fail in.
    tries_left: u32,
    backoff: Backoff,
    /// The time before which nothing is sent.
    not_before: Option<Instant>,
    /// The number of failed attempts since the last success.
    failures: u32,
    reminders: Reminders,
    is_closed: bool,
}

/// A message that is being sent.
struct HeldMessage {
    notice: Notice,
    since: Instant,
}

impl MessageBacklog {
    /// Creates an empty backlog.
    pub(super) fn new(pace: DeliveryPace) -> Self {
        Self {
            pace,
            waiting: NoticeQueue::new(pace.window),
            window_ends: None,
            unsent: VecDeque::new(),
            tries_left: pace.tries,
            backoff: Backoff::new(pace.first_wait, pace.repeat_every),
            not_before: None,
            failures: 0,
            reminders: Reminders::new(),
            is_closed: false,
        }
    }

    /// Adds a notice to those that wait, which may be too many.
    fn admit(&mut self, notice: Notice, context: &ChannelContext<'_>) {
        self.window_ends.get_or_insert(context.now + self.pace.window);
        if let Some(gone) = self.waiting.add(notice) {
            context.counters.dropped(&gone, "too many wait to be sent");
        }
    }

    /// Begins with the next message.
    fn advance(&mut self) -> Option<Notice> {
        self.tries_left = self.pace.tries;
        self.backoff.reset();
        self.unsent.pop_front().map(|held| held.notice)
    }

    /// Follows a failure that may pass.
    fn put_off(&mut self, error: &PostError, context: &ChannelContext<'_>) {
        let pause = error.pause();
        self.failures = self.failures.saturating_add(1);
        // An agent that is ending has no hour to wait.
        let is_answered = matches!(error, PostError::Later { .. });
        let is_counted = pause.is_none() && (is_answered || self.is_closed);
        self.tries_left = self.tries_left.saturating_sub(u32::from(is_counted));
        let wait = self.backoff.next_jittered().max(pause.unwrap_or_default()).min(OUTDATED_AFTER);
        let why = error.to_string();
        let outdated_at = self.unsent.front().map(|held| held.since + OUTDATED_AFTER);
        let is_outdated = outdated_at.is_none_or(|time| context.now + wait >= time);
        if self.tries_left == 0 || is_outdated {
            // The next message waits as long as the channel asks for.
            self.not_before = pause.map(|_| context.now + wait);
            if let Some(notice) = self.advance() {
                context.counters.failed(&notice, &why);
            }
            return;
        }
        self.not_before = Some(context.now + wait);
        let channel = context.counters.channel();
        tracing::info!(channel, why, wait = seconds(wait), "notice not sent yet");
        if self.failures == self.pace.tries {
            context.counters.unaccepted(Some(&why));
        }
    }
}

impl Backlog for MessageBacklog {
    fn follow(&mut self, notice: Notice, context: &ChannelContext<'_>) {
        // Another agent has sent the message, and reminds of it.
        let is_end = matches!(notice.status, IncidentStatus::Closed | IncidentStatus::Left);
        if !notice.quiet || is_end {
            self.reminders.follow(&notice, context.now);
        }
        let is_message = !matches!(notice.status, IncidentStatus::Standing | IncidentStatus::Left);
        if !notice.quiet && is_message {
            self.admit(notice, context);
        }
    }

    fn remind_after(&mut self, after: Option<Duration>) {
        self.reminders.set_after(after);
    }

    fn close(&mut self, now: Instant) {
        self.is_closed = true;
        self.window_ends = self.window_ends.map(|_| now);
    }

    fn next_at(&self) -> Option<Instant> {
        let next = match self.unsent.front() {
            Some(held) => Some(held.since),
            None => self.window_ends,
        };
        let next = next.map(|time| self.not_before.map_or(time, |pause| time.max(pause)));
        let reminder = self.reminders.next().filter(|_| !self.is_closed);
        next.into_iter().chain(reminder).min()
    }

    fn take(&mut self, context: &ChannelContext<'_>) -> Option<DueNotice> {
        let now = context.now;
        if !self.is_closed {
            for reminder in self.reminders.due(now) {
                self.admit(reminder, context);
            }
        }
        if self.not_before.is_some_and(|time| now < time) {
            return None;
        }
        if self.unsent.is_empty() && self.window_ends.is_some_and(|time| time <= now) {
            self.window_ends = None;
            let taken = self.waiting.take().into_iter();
            self.unsent = taken.map(|notice| HeldMessage { notice, since: now }).collect();
        }
        self.unsent.front().map(|held| DueNotice::Post(Box::new(held.notice.clone())))
    }

    fn finish(&mut self, result: Result<(), PostError>, context: &ChannelContext<'_>) {
        self.not_before = None;
        match result {
            Ok(()) => {
                self.failures = 0;
                self.advance();
                context.counters.delivered();
                tracing::debug!(channel = context.counters.channel(), "notice sent");
            }
            Err(PostError::Refused(why)) => {
                if let Some(notice) = self.advance() {
                    context.counters.failed(&notice, &why);
                }
            }
            Err(error) => self.put_off(&error, context),
        }
    }

    fn abandon(&mut self) -> Vec<Notice> {
        self.window_ends = None;
        let unsent = std::mem::take(&mut self.unsent).into_iter().map(|held| held.notice);
        unsent.chain(self.waiting.take()).collect()
    }
}
