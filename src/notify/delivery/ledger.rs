//! The notices that are still due to a receiver that knows incidents by their keys.
//!
//! Only the last word about an incident matters to it, so the ledger keeps one notice for each key, and
//! keeps it until it is accepted: an end that is lost would leave a page open for ever.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

use super::{Backlog, ChannelContext, DeliveryPace, DueNotice, IncidentMemory, PostError};
use crate::backoff::Backoff;
use crate::notify::incident::IncidentStatus;
use crate::notify::reminders::Reminders;
use crate::notify::severity::Severity;
use crate::notify::{IncidentKey, Notice};
use crate::text::seconds;

/// Maximum time for which a notice is retried.
const OUTDATED_AFTER: Duration = Duration::from_hours(24);

/// Maximum number of notices that are owed, the newest first.
const MOST_OWED: usize = 20_000;

/// Time after which an incident of an earlier run, or of an agent that is gone, is opened again: its
/// page may never have been sent. One that is over by then is only closed.
const STANDS_FOR: Duration = Duration::from_mins(1);

/// The key of an incident, and whether it is one of a rehearsal: that one is no page of the real one.
type LedgerKey = (IncidentKey, bool);

/// The incidents at a receiver as they are, and as they should be.
pub(super) struct IncidentLedger {
    memory: IncidentMemory,
    pace: DeliveryPace,
    /// The last notice of each incident about which the receiver was not told yet.
    owed: BTreeMap<LedgerKey, OwedNotice>,
    /// The keys of these, in the order in which they are tried.
    order: VecDeque<LedgerKey>,
    /// The last accepted notice of each incident that is open at the receiver.
    open: BTreeMap<LedgerKey, Notice>,
    /// The incidents that may be open at the receiver, with the time at which they are opened again.
    standing: BTreeMap<LedgerKey, (Instant, Notice)>,
    /// The notices of the attempt that is being made.
    in_flight: Vec<(LedgerKey, Notice)>,
    backoff: Backoff,
    /// The time before which nothing is sent.
    not_before: Option<Instant>,
    /// The number of failed attempts since the last success.
    failures: u32,
    /// The time at which all incidents are repeated, if the receiver forgets them.
    repeat_at: Option<Instant>,
    reminders: Reminders,
}

/// A notice that the receiver has not accepted yet.
struct OwedNotice {
    notice: Notice,
    since: Instant,
}

impl IncidentLedger {
    /// Creates an empty ledger.
    pub(super) fn new(pace: DeliveryPace, memory: IncidentMemory) -> Self {
        Self {
            memory,
            pace,
            owed: BTreeMap::new(),
            order: VecDeque::new(),
            open: BTreeMap::new(),
            standing: BTreeMap::new(),
            in_flight: Vec::new(),
            backoff: Backoff::new(pace.first_wait, pace.repeat_every),
            not_before: None,
            failures: 0,
            repeat_at: None,
            reminders: Reminders::new(),
        }
    }

    /// Owes a notice, in the place of an earlier one about the same incident.
    fn owe(&mut self, key: LedgerKey, notice: Notice, context: &ChannelContext<'_>) {
        context.channel.follow(&notice);
        let owed = OwedNotice { notice, since: context.now };
        if self.owed.insert(key.clone(), owed).is_none() {
            self.order.push_back(key);
        }
        if self.order.len() > MOST_OWED
            && let Some(oldest) = self.order.pop_front()
            && let Some(gone) = self.owed.remove(&oldest)
        {
            context.counters.dropped(&gone.notice, "too many wait to be sent");
        }
    }

    /// Ends the incident of a rehearsal once the same one is real, or the other way round.
    fn end_counterpart(&mut self, notice: &Notice, context: &ChannelContext<'_>) {
        let key = (notice.incident.clone(), !notice.dry_run);
        self.standing.remove(&key);
        if let Some(before) = self.open.get(&key) {
            let over = closed(before, "dry_run was changed");
            self.owe(key, over, context);
        } else if self.owed.remove(&key).is_some() {
            self.order.retain(|waiting| *waiting != key);
        }
    }

    /// Follows an incident that may be open at the receiver already.
    fn stand(&mut self, key: LedgerKey, notice: Notice, context: &ChannelContext<'_>) {
        if self.open.contains_key(&key) || self.owed.contains_key(&key) {
            return;
        }
        if self.memory == IncidentMemory::Forgetful {
            // The next repetition has it.
            context.channel.follow(&notice);
            self.open.insert(key, notice);
            return;
        }
        self.standing.entry(key).or_insert((context.now + STANDS_FOR, notice));
    }

    /// Follows that another agent reports about an incident. At a receiver that keeps incidents what is owed
    /// is still sent: the other agent may not have been heard there.
    fn leave(&mut self, key: &LedgerKey, notice: &Notice, context: &ChannelContext<'_>) {
        self.standing.remove(key);
        self.open.remove(key);
        if self.memory == IncidentMemory::Forgetful {
            context.channel.follow(notice);
            self.owed.remove(key);
            self.order.retain(|waiting| waiting != key);
        }
    }

    /// Adds the notices that no event brings: incidents that stand for long enough, and reminders.
    fn add_due(&mut self, context: &ChannelContext<'_>) {
        let now = context.now;
        let due: Vec<LedgerKey> = self
            .standing
            .iter()
            .filter(|(_, (time, _))| *time <= now)
            .map(|(key, _)| key.clone())
            .collect();
        for key in due {
            if let Some((_, notice)) = self.standing.remove(&key) {
                self.owe(key, notice, context);
            }
        }
        for reminder in self.reminders.due(now) {
            let key = key(&reminder);
            if !self.owed.contains_key(&key) {
                self.owe(key, reminder, context);
            }
        }
    }

    /// Records that the receiver knows these notices.
    fn settle(&mut self, sent: Vec<(LedgerKey, Notice)>) {
        for (key, notice) in sent {
            // A later notice about the incident may have come in between.
            if self.owed.get(&key).is_some_and(|owed| owed.notice == notice) {
                self.owed.remove(&key);
                self.order.retain(|waiting| *waiting != key);
            }
            if notice.status == IncidentStatus::Closed {
                self.open.remove(&key);
            } else {
                self.open.insert(key, notice);
            }
        }
    }

    /// Gives up the notices of the last attempt.
    fn lose(&mut self, why: &str, context: &ChannelContext<'_>) {
        for (key, notice) in std::mem::take(&mut self.in_flight) {
            self.owed.remove(&key);
            self.order.retain(|waiting| *waiting != key);
            context.counters.failed(&notice, why);
        }
    }

    /// Follows a failure that may pass.
    fn put_off(&mut self, error: &PostError, context: &ChannelContext<'_>) {
        let why = error.to_string();
        let pause = error.pause().unwrap_or_default();
        let wait = self.backoff.next_jittered().max(pause).min(OUTDATED_AFTER);
        self.not_before = Some(context.now + wait);
        self.failures = self.failures.saturating_add(1);
        for (key, _) in &self.in_flight {
            // The failure may be the notice's own, so the others go first.
            if let Some(at) = self.order.iter().position(|waiting| waiting == key) {
                self.order.remove(at).into_iter().for_each(|key| self.order.push_back(key));
            }
        }
        let owed = self.in_flight.iter().filter_map(|(key, _)| self.owed.get(key));
        let is_outdated = owed.map(|owed| owed.since).max();
        if is_outdated.is_some_and(|since| context.now >= since + OUTDATED_AFTER) {
            self.lose(&why, context);
        }
        self.in_flight.clear();
        let channel = context.counters.channel();
        tracing::info!(channel, why, wait = seconds(wait), "notice not sent yet");
        if self.failures == self.pace.tries {
            context.counters.unaccepted(Some(&why));
        }
    }
}

impl Backlog for IncidentLedger {
    fn follow(&mut self, notice: Notice, context: &ChannelContext<'_>) {
        if notice.status == IncidentStatus::Event {
            return;
        }
        self.reminders.follow(&notice, context.now);
        if self.memory == IncidentMemory::Forgetful && self.repeat_at.is_none() {
            self.repeat_at = Some(context.now + self.pace.repeat_every);
        }
        let key = key(&notice);
        match notice.status {
            IncidentStatus::Standing => return self.stand(key, notice, context),
            IncidentStatus::Left => return self.leave(&key, &notice, context),
            _ => {}
        }
        self.standing.remove(&key);
        self.end_counterpart(&notice, context);
        self.owe(key, notice, context);
    }

    fn remind_after(&mut self, after: Option<Duration>) {
        self.reminders.set_after(after);
    }

    fn remove(&mut self, context: &ChannelContext<'_>) {
        self.standing.clear();
        for (key, notice) in self.open.clone() {
            let over = closed(&notice, "the channel was removed from the configuration");
            self.owe(key, over, context);
        }
        let never_told: Vec<LedgerKey> =
            self.owed.keys().filter(|key| !self.open.contains_key(*key)).cloned().collect();
        for key in never_told {
            let is_end =
                self.owed.get(&key).is_some_and(|it| it.notice.status == IncidentStatus::Closed);
            if !is_end && let Some(gone) = self.owed.remove(&key) {
                context.channel.follow(&closed(&gone.notice, "the channel was removed"));
                context.counters.dropped(&gone.notice, "the channel was removed");
            }
        }
        let owed = &self.owed;
        self.order.retain(|key| owed.contains_key(key));
    }

    fn close(&mut self, _now: Instant) {
        self.standing.clear();
        self.repeat_at = None;
        self.reminders = Reminders::new();
    }

    fn next_at(&self) -> Option<Instant> {
        let owed = self.order.front().and_then(|key| self.owed.get(key)).map(|owed| owed.since);
        let sent = owed.into_iter().chain(self.repeat_at).min();
        let sent = sent.map(|time| self.not_before.map_or(time, |pause| time.max(pause)));
        let stands = self.standing.values().map(|(time, _)| *time).min();
        sent.into_iter().chain(stands).chain(self.reminders.next()).min()
    }

    fn take(&mut self, context: &ChannelContext<'_>) -> Option<DueNotice> {
        self.add_due(context);
        if self.not_before.is_some_and(|time| context.now < time) {
            return None;
        }
        if self.memory == IncidentMemory::Forgetful {
            let is_due = self.repeat_at.is_some_and(|time| time <= context.now);
            if !is_due && self.owed.is_empty() {
                return None;
            }
            let owed = self.owed.iter().map(|(key, owed)| (key.clone(), owed.notice.clone()));
            self.in_flight = owed.collect();
            return Some(DueNotice::Repeat);
        }
        let key = self.order.front()?.clone();
        let notice = self.owed.get(&key)?.notice.clone();
        self.in_flight = vec![(key, notice.clone())];
        Some(DueNotice::Post(Box::new(notice)))
    }

    fn finish(&mut self, result: Result<(), PostError>, context: &ChannelContext<'_>) {
        self.not_before = None;
        self.repeat_at = self.repeat_at.map(|_| context.now + self.pace.repeat_every);
        match result {
            Ok(()) => {
                self.failures = 0;
                self.backoff.reset();
                let sent = std::mem::take(&mut self.in_flight);
                if sent.is_empty() {
                    context.counters.unaccepted(None);
                }
                for _ in &sent {
                    context.counters.delivered();
                }
                self.settle(sent);
            }
            Err(PostError::Refused(why)) if self.memory == IncidentMemory::ByKey => {
                self.lose(&why, context);
            }
            // The next repetition may be accepted.
            Err(PostError::Refused(why)) => {
                self.put_off(&PostError::Later { why, retry_after: None }, context);
            }
            Err(error) => self.put_off(&error, context),
        }
    }

    fn abandon(&mut self) -> Vec<Notice> {
        let mut owed = std::mem::take(&mut self.owed);
        let order = std::mem::take(&mut self.order);
        self.in_flight.clear();
        order.into_iter().filter_map(|key| owed.remove(&key)).map(|owed| owed.notice).collect()
    }
}

/// Returns the key of a notice in the ledger.
fn key(notice: &Notice) -> LedgerKey {
    (notice.incident.clone(), notice.dry_run)
}

/// Returns the end of an incident that goes on elsewhere.
fn closed(notice: &Notice, why: &str) -> Notice {
    let detail = Some(format!("no longer reported here: {why}"));
    let (status, severity) = (IncidentStatus::Closed, Severity::Info);
    Notice { status, severity, detail, advice: None, ..notice.clone() }
}

#[cfg(test)]
mod tests;
