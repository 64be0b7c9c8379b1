//! Counters of notices by channel and outcome, and the channels that currently fail.

use std::collections::BTreeMap;
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
pub(crate) type Counts = BTreeMap<[&'static str; 2], u64>;

/// Counters of notices. Clones share the same counters.
#[derive(Debug, Clone, Default)]
pub struct NoticeCounters {
    counts: Arc<Mutex<Counts>>,
    /// The reason why the last notice was not delivered, by channel.
    failing: Arc<Mutex<BTreeMap<&'static str, String>>>,
}

impl NoticeCounters {
    /// Returns the number of notices by channel and outcome: `delivered`, `failed` or `dropped`.
    pub fn counts(&self) -> Counts {
        lock(&self.counts).clone()
    }

    /// Returns each channel that could not deliver its last notice, with the reason, which contains
    /// no secret.
    pub fn failing(&self) -> BTreeMap<&'static str, String> {
        lock(&self.failing).clone()
    }

    /// Continues the counters for a new set of channels. Failures of the channels in `same` are
    /// kept; those of the others no longer matter.
    pub(super) fn successor(&self, same: &[&str]) -> Self {
        let mut failing = self.failing();
        failing.retain(|channel, _| same.contains(channel));
        Self { counts: Arc::clone(&self.counts), failing: Arc::new(Mutex::new(failing)) }
    }

    /// Returns the counters of one channel, which are listed from now on even without notices.
    pub(super) fn channel(&self, channel: &'static str) -> ChannelCounters {
        let mut counts = lock(&self.counts);
        for outcome in NoticeOutcome::ALL {
            counts.entry([channel, outcome.as_str()]).or_default();
        }
        ChannelCounters { channel, counters: self.clone() }
    }
}

/// Counts and logs the outcome of one channel's notices.
#[derive(Debug)]
pub(super) struct ChannelCounters {
    channel: &'static str,
    counters: NoticeCounters,
}

impl ChannelCounters {
    /// Records a delivered notice.
    pub(super) fn delivered(&self) {
        self.count(NoticeOutcome::Delivered);
        lock(&self.counters.failing).remove(self.channel);
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
        lock(&self.counters.failing).insert(self.channel, why.to_owned());
    }

    /// Counts and logs a lost notice.
    fn lost(&self, notice: &Notice, outcome: NoticeOutcome, why: &str) {
        self.count(outcome);
        self.unusable(why);
        tracing::warn!(channel = self.channel, why, notice = notice.text(), "notice dropped");
    }

    fn count(&self, outcome: NoticeOutcome) {
        *lock(&self.counters.counts).entry([self.channel, outcome.as_str()]).or_default() += 1;
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
        let before = NoticeCounters::default();
        let [slack, webhook] = ["slack", "webhook"].map(|channel| before.channel(channel));
        slack.failed(&lost, "it answered 503");
        webhook.dropped(&lost, "its queue is full");
        for (name, same, want) in [
            ("both stay", &["slack", "webhook"][..], &["slack", "webhook"][..]),
            ("one goes", &["slack"], &["slack"]),
            ("both go", &[], &[]),
        ] {
            let after = before.successor(same);
            let failing = after.failing();
            assert_eq!(failing.keys().copied().collect::<Vec<_>>(), want, "{name}");
            webhook.dropped(&lost, "late");
            assert_eq!(after.failing(), failing, "{name}: what the old ones say is old");
            after.channel("slack").delivered();
            assert!(!after.failing().contains_key("slack"), "{name}");
        }
        let counts = before.counts();
        assert_eq!(counts[&["slack", "delivered"]], 3, "clones count together");
        assert_eq!(counts[&["slack", "failed"]], 1);
        assert_eq!(counts[&["slack", "dropped"]], 0, "a channel has all its series");
        assert_eq!(counts[&["webhook", "dropped"]], 4);
    }
}
