//! Counters of notices by channel and outcome, and the channels that currently fail.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Notice;

/// The outcome of a notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum NoticeOutcome {
    Delivered,
    Failed,
    Dropped,
}

impl NoticeOutcome {
    const ALL: [Self; 3] = [Self::Delivered, Self::Failed, Self::Dropped];

    fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Failed => "failed",
            Self::Dropped => "dropped",
        }
    }
}

/// The number of notices by channel and outcome.
pub(crate) type Counts = BTreeMap<(Arc<str>, &'static str), u64>;

/// Counters of notices. Clones share the same counters.
#[derive(Debug, Clone, Default)]
pub struct NoticeCounters {
    counts: Arc<Mutex<Counts>>,
    /// The reason why the last notice was not delivered, by channel.
    failing: Arc<Mutex<BTreeMap<Arc<str>, String>>>,
}

impl NoticeCounters {
    /// Returns the number of notices by channel and outcome: `delivered`, `failed` or `dropped`.
    pub fn counts(&self) -> Counts {
        lock(&self.counts).clone()
    }

    /// Returns each channel that could not deliver its last notice, with the reason, which contains
    /// no secret.
    pub fn failing(&self) -> BTreeMap<Arc<str>, String> {
        lock(&self.failing).clone()
    }

    /// Drops the failures of all channels but these: they no longer matter.
    pub(super) fn keep_failing(&self, channels: &[&str]) {
        lock(&self.failing).retain(|channel, _| channels.contains(&&**channel));
    }

    /// Returns the counters of one channel, which are listed from now on even without notices.
    pub(super) fn channel(&self, channel: &Arc<str>) -> ChannelCounters {
        let mut counts = lock(&self.counts);
        for outcome in NoticeOutcome::ALL {
            counts.entry((Arc::clone(channel), outcome.as_str())).or_default();
        }
        lock(&self.failing).remove(channel);
        let (channel, is_retired) = (Arc::clone(channel), AtomicBool::new(false));
        ChannelCounters { channel, counters: self.clone(), is_retired }
    }
}

/// Counts and logs the outcome of one channel's notices.
#[derive(Debug)]
pub(super) struct ChannelCounters {
    channel: Arc<str>,
    counters: NoticeCounters,
    /// Whether another channel may have the same name, so that failures here are no longer its own.
    is_retired: AtomicBool,
}

impl ChannelCounters {
    /// Returns the name of the channel.
    pub(super) fn channel(&self) -> &str {
        &self.channel
    }

    /// Reports no further failures as those of the channel with this name.
    pub(super) fn retire(&self) {
        let failing = lock(&self.counters.failing);
        self.is_retired.store(true, Ordering::SeqCst);
        drop(failing);
    }

    /// Records a delivered notice.
    pub(super) fn delivered(&self) {
        self.count(NoticeOutcome::Delivered);
        self.unaccepted(None);
    }

    /// Records that the channel rejected `notice`, or did not accept it in any attempt.
    pub(super) fn failed(&self, notice: &Notice, why: &str) {
        self.lost(notice, NoticeOutcome::Failed, why);
    }

    /// Records that `notice` was dropped without an answer from the channel.
    pub(super) fn dropped(&self, notice: &Notice, why: &str) {
        self.lost(notice, NoticeOutcome::Dropped, why);
    }

    /// Records that nothing can be delivered to the channel at all.
    pub(super) fn unusable(&self, why: &str) {
        self.set_failing(Some(why));
    }

    /// Records whether the channel accepts notices again, which wait. A failure is logged when it begins.
    pub(super) fn unaccepted(&self, failure: Option<&str>) {
        let before = self.set_failing(failure);
        let channel = &*self.channel;
        match failure {
            Some(why) if before.is_none() => {
                tracing::warn!(channel, why, "channel accepts no notices; trying again");
            }
            None if before.is_some() => tracing::info!(channel, "channel accepts notices again"),
            _ => {}
        }
    }

    /// Records a heartbeat that was sent.
    pub(super) fn beat_sent(&self) {
        self.count(NoticeOutcome::Delivered);
        if self.set_failing(None).is_some() {
            tracing::info!("heartbeats are sent again");
        }
    }

    /// Records a heartbeat that the service did not accept. A failure is logged when it begins.
    pub(super) fn beat_failed(&self, why: &str) {
        self.count(NoticeOutcome::Failed);
        if self.set_failing(Some(why)).is_none() {
            tracing::warn!(why, "heartbeat not sent; trying again");
        }
    }

    /// Sets the reason why the channel fails. Returns the one before.
    fn set_failing(&self, why: Option<&str>) -> Option<String> {
        let mut failing = lock(&self.counters.failing);
        if self.is_retired.load(Ordering::SeqCst) {
            return None;
        }
        match why {
            Some(why) => failing.insert(Arc::clone(&self.channel), why.to_owned()),
            None => failing.remove(&self.channel),
        }
    }

    /// Counts and logs a lost notice.
    fn lost(&self, notice: &Notice, outcome: NoticeOutcome, why: &str) {
        self.count(outcome);
        self.set_failing(Some(why));
        tracing::warn!(channel = &*self.channel, why, notice = notice.text(), "notice dropped");
    }

    fn count(&self, outcome: NoticeOutcome) {
        let key = (Arc::clone(&self.channel), outcome.as_str());
        *lock(&self.counters.counts).entry(key).or_default() += 1;
    }
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::NoticeKind::Withdrawn;
    use crate::notify::tests::notice;

    #[test]
    fn a_reload_continues_the_counters_and_keeps_the_failures_of_channels_that_stay() {
        let lost = notice(Withdrawn, &[1]);
        let counters = NoticeCounters::default();
        let [slack, webhook] = ["slack", "webhook"].map(|it| counters.channel(&it.into()));
        slack.failed(&lost, "it answered 503");
        webhook.dropped(&lost, "its queue is full");
        assert_eq!(counters.failing().len(), 2);
        counters.keep_failing(&["slack", "webhook"]);
        assert_eq!(counters.failing().len(), 2, "both stay");
        webhook.retire();
        counters.keep_failing(&["slack"]);
        let successor = counters.channel(&"webhook".into());
        webhook.dropped(&lost, "late");
        let failing: Vec<_> = counters.failing().into_keys().collect();
        assert_eq!(failing, ["slack".into()], "what the old one says is old");
        webhook.delivered();
        successor.failed(&lost, "it answered 500");
        slack.delivered();
        let failing: Vec<_> = counters.failing().into_keys().collect();
        assert_eq!(failing, ["webhook".into()]);
        let counts = counters.counts();
        for (channel, outcome, want) in [
            ("slack", "delivered", 1),
            ("slack", "failed", 1),
            ("slack", "dropped", 0), // a channel has all its series
            ("webhook", "dropped", 2),
            ("webhook", "failed", 1),
        ] {
            assert_eq!(counts[&(channel.into(), outcome)], want, "{channel} {outcome}");
        }
    }
}
