//! Rate limit for log messages: each kind is logged at most once a minute.

use std::collections::BTreeMap;
use std::time::Duration;

/// Minimum time between two messages with the same key.
const INTERVAL: Duration = Duration::from_mins(1);

/// Maximum number of keys remembered. Strangers choose their addresses, so there must be a bound.
const MAX_KEYS: usize = 256;

/// The messages logged recently, by key, each with its time and the number suppressed since.
#[derive(Debug)]
pub(crate) struct LogLimiter<Key> {
    logged: BTreeMap<Key, (Duration, u64)>,
}

impl<Key> Default for LogLimiter<Key> {
    /// Returns a limiter that has logged nothing yet.
    fn default() -> Self {
        Self { logged: BTreeMap::new() }
    }
}

impl<Key: Ord> LogLimiter<Key> {
    /// Returns the number of messages suppressed since the last one if `key` may be logged at
    /// `now`, or else `None`.
    ///
    /// While too many keys are recent, new ones are not logged.
    pub(crate) fn allow(&mut self, now: Duration, key: Key) -> Option<u64> {
        if let Some((logged, suppressed)) = self.logged.get_mut(&key) {
            if is_old(now, *logged) {
                *logged = now;
                return Some(std::mem::take(suppressed));
            }
            *suppressed += 1;
            return None;
        }
        if self.logged.len() >= MAX_KEYS {
            self.logged.retain(|_, (logged, _)| !is_old(now, *logged));
        }
        if self.logged.len() >= MAX_KEYS {
            return None;
        }
        self.logged.insert(key, (now, 0));
        Some(0)
    }
}

/// Whether a message logged at `logged` suppresses no other at `now`.
fn is_old(now: Duration, logged: Duration) -> bool {
    now.saturating_sub(logged) >= INTERVAL
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_key_is_logged_once_a_minute_with_the_number_suppressed() {
        let mut limiter = LogLimiter::default();
        let cases = [(0, 'a', Some(0)), (1, 'a', None), (59, 'a', None), (59, 'b', Some(0))];
        for (at, key, want) in cases {
            assert_eq!(limiter.allow(Duration::from_secs(at), key), want, "{key} {at} s");
        }
        assert_eq!(limiter.allow(INTERVAL, 'a'), Some(2));
    }

    #[test]
    fn strangers_cannot_fill_the_memory() {
        let mut limiter = LogLimiter::default();
        let allowed = (0..100_000).filter(|&n| limiter.allow(Duration::ZERO, n).is_some());
        assert_eq!(allowed.count(), MAX_KEYS);
        assert!(limiter.allow(INTERVAL, 100_000).is_some(), "old keys make room");
        assert_eq!(limiter.logged.len(), 1);
    }
}
