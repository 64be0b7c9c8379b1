//! How long to wait before a provider is asked again.

use std::time::Duration;

use super::ProviderError;

/// The first wait, doubled with each failure in a row.
const FIRST: Duration = Duration::from_secs(1);

/// The longest wait, and the wait after a refusal.
const LONGEST: Duration = Duration::from_mins(1);

/// Failures in a row, and the waits that follow from them.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// The wait after one more failure: what the provider asked for, or 60 s after a refusal, else
    /// 1 s doubled up to 60 s and jittered by ± 50 %, so that several agents do not return in step.
    pub(super) fn next(&mut self, error: &ProviderError) -> Duration {
        let doubled = FIRST.saturating_mul(2_u32.saturating_pow(self.failures)).min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        match error {
            ProviderError::Refused { .. } => LONGEST,
            ProviderError::Unavailable { retry_after: Some(asked), .. } => *asked,
            _ => doubled.mul_f64(rand::random_range(0.5..1.5)),
        }
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
            let wait = backoff.next(&unavailable(None)).as_secs_f64();
            let doubled = f64::from(doubled);
            assert!(wait >= doubled * 0.5 && wait <= doubled * 1.5, "{wait} for {doubled}");
        }
    }

    #[test]
    fn many_failures_do_not_overflow() {
        let mut backoff = Backoff { failures: u32::MAX };
        assert!(backoff.next(&unavailable(None)) <= LONGEST * 2);
    }

    #[test]
    fn two_agents_do_not_wait_in_step() {
        let waits: Vec<_> = (0..8).map(|_| Backoff::default().next(&unavailable(None))).collect();
        assert!(waits.iter().any(|wait| *wait != waits[0]), "{waits:?}");
    }

    #[test]
    fn the_provider_may_say_how_long() {
        let asked = Some(Duration::from_secs(17));
        assert_eq!(Backoff::default().next(&unavailable(asked)), Duration::from_secs(17));
        let what = "list the records of example.com".into();
        let refused = ProviderError::Refused { provider: "P", what, source: "no".into() };
        assert_eq!(Backoff::default().next(&refused), LONGEST);
    }
}
