//! Retries: the wait after a failure, and the pause that a provider asks for.

use std::time::Duration;

use tokio::time::Instant;

use crate::backoff::{Backoff, jittered};
use crate::dns::ProviderError;
use crate::dns::account::LONGEST_PAUSE;
use crate::dns::clock::now;
use crate::engine::event::{DnsProblem, DnsProblemKind};

/// The wait after the first failure. It doubles with each consecutive failure.
const FIRST_WAIT: Duration = Duration::from_secs(1);

/// The maximum wait, without the jitter.
const LONGEST_WAIT: Duration = Duration::from_mins(1);

/// The state of retrying.
#[derive(Debug)]
pub(super) struct Retry {
    backoff: Backoff,
    last: Option<LastFailure>,
}

/// The last failure.
#[derive(Debug)]
pub(super) struct LastFailure {
    kind: DnsProblemKind,
    what: String,
    /// Whether the provider asked for the pause.
    is_pause: bool,
    /// No request is sent before this time.
    earliest: Instant,
    /// The same change is not attempted again before this time.
    until: Instant,
}

/// The waits after a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Waits {
    /// Time until the same change is attempted again.
    retry: Duration,
    /// Time until anything is attempted, however urgent: the pause that the provider asked for, or
    /// one second at most. Never longer than `retry`.
    any: Duration,
}

impl Retry {
    /// Creates the state of a reconciler that takes over from one with this failure.
    pub(super) fn after(last: Option<LastFailure>) -> Self {
        Self { backoff: Backoff::new(FIRST_WAIT, LONGEST_WAIT), last }
    }

    /// Returns the failure that the next reconciler has to respect: a pause that the provider asked
    /// for. A reload may have solved any other problem.
    pub(super) fn into_pause(self) -> Option<LastFailure> {
        self.last.filter(|last| last.is_pause)
    }

    /// Records a failure. Returns the problem to report, with the time until the retry.
    pub(super) fn failed(&mut self, error: &ProviderError) -> DnsProblem {
        let waits = self.next_waits(error);
        self.record(error, waits)
    }

    /// Records the failure of a listing in advance, which is not retried.
    pub(super) fn failed_in_advance(&mut self, error: &ProviderError) -> DnsProblem {
        let pause = pause(error);
        let problem = self.record(error, Waits { retry: pause, any: pause });
        DnsProblem { retry_in: None, ..problem }
    }

    /// Records that a desired state was reached: the next failure counts as the first one.
    pub(super) fn succeeded(&mut self) {
        self.backoff.reset();
    }

    /// Returns the time before which no request may be sent.
    pub(super) fn earliest(&self) -> Option<Instant> {
        self.last.as_ref().map(|last| last.earliest)
    }

    /// Whether no request may be sent now.
    pub(super) fn is_waiting(&self) -> bool {
        self.earliest().is_some_and(|earliest| now() < earliest)
    }

    /// Whether the provider asked for a pause that is not over.
    pub(super) fn is_paused_by_provider(&self) -> bool {
        self.last.as_ref().is_some_and(|last| last.is_pause && now() < last.earliest)
    }

    /// Returns the last failure as a problem to report, with the remaining time until the retry.
    pub(super) fn last_problem(&self) -> Option<DnsProblem> {
        let LastFailure { kind, what, until, .. } = self.last.as_ref()?;
        let retry_in = Some(until.saturating_duration_since(now())).filter(|wait| !wait.is_zero());
        Some(DnsProblem { kind: *kind, what: what.clone(), retry_in })
    }

    /// Returns the waits after one more failure: 1 s doubled up to 60 s and jittered by ± 50 %, so
    /// that several agents do not retry in step, and at least the pause that the provider asked for.
    /// A refusal is not an exception: a short one must not cost a minute of a failover.
    fn next_waits(&mut self, error: &ProviderError) -> Waits {
        // A provider may ask for a pause of zero repeatedly.
        let retry = self.backoff.next_jittered().max(pause(error));
        Waits { retry, any: pause(error).max(FIRST_WAIT).min(retry) }
    }

    fn record(&mut self, error: &ProviderError, waits: Waits) -> DnsProblem {
        let (kind, what) = (kind(error), crate::text::error_chain(error));
        self.last = Some(LastFailure {
            kind,
            what: what.clone(),
            is_pause: !pause(error).is_zero(),
            earliest: now() + waits.any,
            until: now() + waits.retry,
        });
        DnsProblem { kind, what, retry_in: Some(waits.retry) }
    }
}

/// Returns the wait after so many failures before this one.
pub(super) fn jittered_wait(failures: u32) -> Duration {
    jittered(Backoff::wait_after(failures, FIRST_WAIT, LONGEST_WAIT))
}

/// Returns the pause that the provider asks for, up to the maximum.
fn pause(error: &ProviderError) -> Duration {
    match error {
        ProviderError::Unavailable { retry_after, .. }
        | ProviderError::Unconfirmed { retry_after, .. } => {
            retry_after.unwrap_or_default().min(LONGEST_PAUSE)
        }
        _ => Duration::ZERO,
    }
}

fn kind(error: &ProviderError) -> DnsProblemKind {
    match error {
        ProviderError::Refused { .. } | ProviderError::Rejected { .. } => DnsProblemKind::Refused,
        ProviderError::Partly { rest, .. } => kind(rest),
        ProviderError::Unavailable { .. } => DnsProblemKind::Unavailable,
        ProviderError::Unconfirmed { .. } => DnsProblemKind::Unconfirmed,
        ProviderError::Changed { .. }
        | ProviderError::Already { .. }
        | ProviderError::Revoked { .. } => DnsProblemKind::Changed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unavailable(retry_after: Option<Duration>) -> ProviderError {
        let what = "list the records of example.com".into();
        ProviderError::Unavailable { provider: "P", what, retry_after, source: "busy".into() }
    }

    fn first_waits(error: &ProviderError) -> Waits {
        Retry::after(None).next_waits(error)
    }

    #[test]
    fn waits_double_up_to_a_minute_within_their_jitter() {
        let mut retry = Retry::after(None);
        for doubled in [1, 2, 4, 8, 16, 32, 60, 60, 60] {
            let wait = retry.next_waits(&unavailable(None)).retry.as_secs_f64();
            let doubled = f64::from(doubled);
            assert!(wait >= doubled * 0.5 && wait <= doubled * 1.5, "{wait} for {doubled}");
        }
        retry.succeeded();
        let wait = retry.next_waits(&unavailable(None)).retry;
        assert!(wait <= FIRST_WAIT.mul_f64(1.5), "from the first again");
    }

    #[test]
    fn two_agents_do_not_wait_in_step() {
        let waits: Vec<_> = (0..8).map(|_| first_waits(&unavailable(None))).collect();
        assert!(waits.iter().any(|wait| *wait != waits[0]), "{waits:?}");
    }

    #[test]
    fn the_provider_may_ask_for_a_pause() {
        let asked = Duration::from_secs(17);
        let waits = first_waits(&unavailable(Some(asked)));
        assert_eq!(waits, Waits { retry: asked, any: asked });
    }

    #[test]
    fn a_refusal_waits_no_longer_than_any_other_failure() {
        let what = "list the records of example.com".into();
        let refused = ProviderError::Refused { provider: "P", what, source: "no".into() };
        let wait = first_waits(&refused).retry;
        assert!(wait <= FIRST_WAIT.mul_f64(1.5), "{wait:?}");
    }

    #[test]
    fn an_endless_pause_is_cut_short() {
        let waits = first_waits(&unavailable(Some(Duration::MAX)));
        assert_eq!(waits, Waits { retry: LONGEST_PAUSE, any: LONGEST_PAUSE });
    }

    #[test]
    fn a_pause_of_zero_does_not_make_a_loop_without_waits() {
        let mut retry = Retry::after(None);
        for _ in 0..3 {
            retry.next_waits(&unavailable(None));
        }
        let waits = retry.next_waits(&unavailable(Some(Duration::ZERO)));
        assert!(waits.retry >= FIRST_WAIT * 4, "{waits:?}");
        assert!(waits.any >= FIRST_WAIT / 2, "{waits:?}");
    }
}
