//! How long to wait before a provider is asked again.

use std::time::Duration;

use super::ProviderError;

/// The first wait, doubled with each failure in a row.
const FIRST: Duration = Duration::from_secs(1);

/// The longest wait.
const LONGEST: Duration = Duration::from_mins(1);

/// The longest time that a provider is left alone because it asks for it: whoever asks for more can
/// hardly mean it, and a dead address must not stay in for longer.
const LONGEST_ASKED: Duration = Duration::from_hours(1);

/// Failures in a row, and the waits that follow from them.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
}

/// How long the provider is left alone after a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rest {
    /// Before the same thing is tried again.
    pub(super) wait: Duration,
    /// Before anything is tried, however urgent: what the provider asked for, else a second at
    /// most. Never longer than `wait`.
    pub(super) least: Duration,
}

impl Backoff {
    /// The rest after one more failure: 1 s doubled up to 60 s and jittered by ± 50 %, so that
    /// several agents do not return in step; never less than the provider asked for. A refusal is
    /// no exception: one that passes must not cost a minute of a failover.
    pub(super) fn next(&mut self, error: &ProviderError) -> Rest {
        let jittered = jittered(self.failures);
        self.failures = self.failures.saturating_add(1);
        // It may well ask for no time at all, and that again and again.
        let wait = jittered.max(asked_for(error));
        Rest { wait, least: asked_for(error).max(FIRST).min(wait) }
    }

    /// What was asked for is done: the next failure is the first one again.
    pub(super) fn reset(&mut self) {
        self.failures = 0;
    }
}

/// The wait after so many failures before this one.
pub(super) fn jittered(failures: u32) -> Duration {
    let doubled = FIRST.saturating_mul(2_u32.saturating_pow(failures)).min(LONGEST);
    doubled.mul_f64(rand::random_range(0.5..1.5))
}

/// For how long the provider wants to be left alone, within reason.
pub(super) fn asked_for(error: &ProviderError) -> Duration {
    match error {
        ProviderError::Unavailable { retry_after, .. } => {
            retry_after.unwrap_or_default().min(LONGEST_ASKED)
        }
        _ => Duration::ZERO,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unavailable(retry_after: Option<Duration>) -> ProviderError {
        let what = "list the records of example.com".into();
        ProviderError::Unavailable { provider: "P", what, retry_after, source: "busy".into() }
    }

    #[test]
    fn waits_double_up_to_a_minute_within_their_jitter() {
        let mut backoff = Backoff::default();
        for doubled in [1, 2, 4, 8, 16, 32, 60, 60, 60] {
            let wait = backoff.next(&unavailable(None)).wait.as_secs_f64();
            let doubled = f64::from(doubled);
            assert!(wait >= doubled * 0.5 && wait <= doubled * 1.5, "{wait} for {doubled}");
        }
        backoff.reset();
        assert!(
            backoff.next(&unavailable(None)).wait <= FIRST.mul_f64(1.5),
            "from the first again"
        );
    }

    #[test]
    fn many_failures_do_not_overflow() {
        let mut backoff = Backoff { failures: u32::MAX };
        assert!(backoff.next(&unavailable(None)).wait <= LONGEST * 2);
    }

    #[test]
    fn two_agents_do_not_wait_in_step() {
        let waits: Vec<_> = (0..8).map(|_| Backoff::default().next(&unavailable(None))).collect();
        assert!(waits.iter().any(|wait| *wait != waits[0]), "{waits:?}");
    }

    #[test]
    fn the_provider_may_say_how_long() {
        let asked = Duration::from_secs(17);
        let rest = Backoff::default().next(&unavailable(Some(asked)));
        assert_eq!(rest, Rest { wait: asked, least: asked });
    }

    #[test]
    fn a_refusal_waits_no_longer_than_any_other_failure() {
        let what = "list the records of example.com".into();
        let refused = ProviderError::Refused { provider: "P", what, source: "no".into() };
        let wait = Backoff::default().next(&refused).wait;
        assert!(wait <= FIRST.mul_f64(1.5), "{wait:?}");
    }

    #[test]
    fn asking_for_ever_does_not_silence_the_worker() {
        let rest = Backoff::default().next(&unavailable(Some(Duration::MAX)));
        assert_eq!(rest, Rest { wait: LONGEST_ASKED, least: LONGEST_ASKED });
    }

    #[test]
    fn asking_for_no_time_at_all_does_not_make_a_loop_without_rest() {
        let mut backoff = Backoff { failures: 3 };
        let rest = backoff.next(&unavailable(Some(Duration::ZERO)));
        assert!(rest.wait >= FIRST * 4, "{rest:?}");
        assert!(rest.least >= FIRST / 2, "{rest:?}");
    }
}
