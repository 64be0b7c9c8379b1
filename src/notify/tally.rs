//! What became of the notices, counted for each channel, and which channels do not take them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Notice;

/// What became of a notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Delivered,
    Failed,
    Dropped,
}

impl Outcome {
    const ALL: [Self; 3] = [Self::Delivered, Self::Failed, Self::Dropped];

    fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Failed => "failed",
            Self::Dropped => "dropped",
        }
    }
}

/// How often each outcome came, by channel and outcome.
pub type Counts = BTreeMap<[&'static str; 2], u64>;

/// Counts what becomes of notices. Clones count together.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    counts: Arc<Mutex<Counts>>,
    /// By channel, why its last notice was not delivered.
    failing: Arc<Mutex<BTreeMap<&'static str, String>>>,
}

impl Tally {
    /// The number of notices by channel and by what became of them: `delivered`, `failed` or
    /// `dropped`.
    pub fn counts(&self) -> Counts {
        lock(&self.counts).clone()
    }

    /// Each channel whose last notice could not be delivered, with the reason. No secret is in it.
    pub fn failing(&self) -> BTreeMap<&'static str, String> {
        lock(&self.failing).clone()
    }

    /// Counts on for other channels. Of the old ones, those of `same` are still in trouble if they
    /// were; what becomes of the others concerns nobody any more.
    pub(super) fn succeed(&self, same: &[&str]) -> Self {
        let mut failing = self.failing();
        failing.retain(|channel, _| same.contains(channel));
        Self { counts: Arc::clone(&self.counts), failing: Arc::new(Mutex::new(failing)) }
    }

    /// The account of one channel, which is there from now on, whatever comes of its notices.
    pub(super) fn account(&self, channel: &'static str) -> Account {
        let mut counts = lock(&self.counts);
        for outcome in Outcome::ALL {
            counts.entry([channel, outcome.as_str()]).or_default();
        }
        Account { channel, tally: self.clone() }
    }
}

/// What becomes of one channel's notices, counted and said.
#[derive(Debug)]
pub(super) struct Account {
    channel: &'static str,
    tally: Tally,
}

impl Account {
    /// The channel took one.
    pub(super) fn delivered(&self) {
        self.count(Outcome::Delivered);
        lock(&self.tally.failing).remove(self.channel);
    }

    /// The channel refused `notice`, or did not take it however often it was tried.
    pub(super) fn failed(&self, notice: &Notice, why: &str) {
        self.lost(notice, Outcome::Failed, why);
    }

    /// `notice` was given up before the channel could say anything of it.
    pub(super) fn dropped(&self, notice: &Notice, why: &str) {
        self.lost(notice, Outcome::Dropped, why);
    }

    /// Nothing can be delivered there at all.
    pub(super) fn unusable(&self, why: &str) {
        lock(&self.tally.failing).insert(self.channel, why.to_owned());
    }

    /// Says that a notice is lost, and which.
    fn lost(&self, notice: &Notice, outcome: Outcome, why: &str) {
        self.count(outcome);
        self.unusable(why);
        tracing::warn!(channel = self.channel, why, notice = notice.text(), "notice dropped");
    }

    fn count(&self, outcome: Outcome) {
        *lock(&self.tally.counts).entry([self.channel, outcome.as_str()]).or_default() += 1;
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
    fn a_reload_goes_on_counting_and_keeps_the_trouble_of_channels_that_stay() {
        let lost = notice(Withdrawn, &[1]);
        let before = Tally::default();
        let [slack, webhook] = ["slack", "webhook"].map(|channel| before.account(channel));
        slack.failed(&lost, "it answered 503");
        webhook.dropped(&lost, "its queue is full");
        for (name, same, want) in [
            ("both stay", &["slack", "webhook"][..], &["slack", "webhook"][..]),
            ("one goes", &["slack"], &["slack"]),
            ("both go", &[], &[]),
        ] {
            let after = before.succeed(same);
            let failing = after.failing();
            assert_eq!(failing.keys().copied().collect::<Vec<_>>(), want, "{name}");
            webhook.dropped(&lost, "late");
            assert_eq!(after.failing(), failing, "{name}: what the old ones say is old");
            after.account("slack").delivered();
            assert!(!after.failing().contains_key("slack"), "{name}");
        }
        let counts = before.counts();
        let count = |channel, outcome| counts.get(&[channel, outcome]).copied();
        assert_eq!(count("slack", "delivered"), Some(3), "clones count together");
        assert_eq!(count("slack", "failed"), Some(1));
        assert_eq!(count("slack", "dropped"), Some(0), "a channel has all its series");
        assert_eq!(count("webhook", "dropped"), Some(4));
    }
}
