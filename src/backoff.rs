//! Exponential backoff, for all retries.

use std::time::Duration;

/// Waits that double with each consecutive failure, up to a maximum.
#[derive(Debug, Clone)]
pub(crate) struct Backoff {
    first: Duration,
    longest: Duration,
    failures: u32,
}

impl Backoff {
    /// Creates a backoff that begins with `first` and grows up to `longest`.
    pub(crate) const fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest, failures: 0 }
    }

    /// Returns the wait after a further failure, without jitter.
    pub(crate) fn next_wait(&mut self) -> Duration {
        let wait = Self::wait_after(self.failures, self.first, self.longest);
        self.failures = self.failures.saturating_add(1);
        wait
    }

    /// Returns the wait after a further failure with a jitter of ± 50 %, so that several agents do
    /// not retry in step.
    pub(crate) fn next_jittered(&mut self) -> Duration {
        jittered(self.next_wait())
    }

    /// Whether the last attempt failed.
    pub(crate) fn is_active(&self) -> bool {
        self.failures > 0
    }

    /// Starts again with the first wait.
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }

    /// Returns the wait after a failure with so many consecutive failures before it.
    pub(crate) fn wait_after(failures: u32, first: Duration, longest: Duration) -> Duration {
        first.saturating_mul(2_u32.saturating_pow(failures)).min(longest)
    }
}

/// Returns a random duration between half of `wait` and one and a half of it.
pub(crate) fn jittered(wait: Duration) -> Duration {
    wait.mul_f64(jitter())
}

/// Returns a random factor of ± 50 % for a wait.
pub(crate) fn jitter() -> f64 {
    rand::random_range(0.5..1.5)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Duration = Duration::from_secs(1);
    const LONGEST: Duration = Duration::from_mins(1);

    #[test]
    fn waits_double_up_to_the_longest_and_begin_again_after_a_reset() {
        let mut backoff = Backoff::new(FIRST, LONGEST);
        for seconds in [1, 2, 4, 8, 16, 32, 60, 60] {
            assert_eq!(backoff.next_wait().as_secs(), seconds);
        }
        assert!(backoff.is_active());
        backoff.reset();
        assert!(!backoff.is_active());
        assert_eq!(backoff.next_wait(), FIRST);
    }

    #[test]
    fn jitter_is_half_of_the_wait_either_way() {
        let waits: Vec<_> =
            (0..100).map(|_| Backoff::new(FIRST, LONGEST).next_jittered()).collect();
        assert!(waits.iter().all(|wait| (0.5..1.5).contains(&wait.as_secs_f64())), "{waits:?}");
        assert!(waits.iter().any(|wait| *wait != waits[0]), "{waits:?}");
    }

    #[test]
    fn many_failures_do_not_overflow() {
        assert_eq!(Backoff::wait_after(u32::MAX, FIRST, LONGEST), LONGEST);
    }
}
