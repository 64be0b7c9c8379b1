//! The signs of life of the agent, and the decision by them.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use crate::heart::STALLED_AFTER;
use crate::text::brief;

/// Least time within which a probe must have been judged.
pub(crate) const LIVENESS_FLOOR: Duration = Duration::from_secs(10);

/// The signs of life, written by the event loop and read by the sender of heartbeats.
#[derive(Debug)]
pub(crate) struct Pulse {
    made: Instant,
    /// Milliseconds from `made` to the last iteration of the event loop.
    iteration: AtomicU64,
    /// Milliseconds from `made` to the last probe that was judged a reply or a loss.
    judged: AtomicU64,
    is_isolated: AtomicBool,
}

impl Pulse {
    /// Creates signs of life that are all fresh at `made`.
    pub(crate) fn new(made: Instant) -> Self {
        let (iteration, judged) = (AtomicU64::new(0), AtomicU64::new(0));
        Self { made, iteration, judged, is_isolated: AtomicBool::new(false) }
    }

    /// Records an iteration of the event loop.
    pub(crate) fn iteration(&self, now: Instant) {
        self.iteration.store(self.millis(now), Ordering::Relaxed);
    }

    /// Records a probe that was judged a reply or a loss.
    pub(crate) fn judged(&self, now: Instant) {
        self.judged.store(self.millis(now), Ordering::Relaxed);
    }

    /// Records whether the agent is isolated.
    pub(crate) fn set_isolated(&self, is_isolated: bool) {
        self.is_isolated.store(is_isolated, Ordering::Relaxed);
    }

    /// Decides whether the agent watches, or returns the reason why it does not. A probe must have been
    /// judged within `probes_within`.
    pub(super) fn judge(&self, now: Instant, probes_within: Duration) -> Result<(), String> {
        let silence = self.since(&self.iteration, now);
        if silence >= STALLED_AFTER {
            return Err(format!("the event loop has not run for {}", brief(silence)));
        }
        if self.is_isolated.load(Ordering::Relaxed) {
            return Err("isolated: the own network may be the cause of all losses".to_owned());
        }
        let unjudged = self.since(&self.judged, now);
        if unjudged > probes_within {
            return Err(format!("no probe came to a result for {}", brief(unjudged)));
        }
        Ok(())
    }

    fn millis(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.made).as_millis()).unwrap_or(u64::MAX)
    }

    fn since(&self, sign: &AtomicU64, now: Instant) -> Duration {
        Duration::from_millis(self.millis(now).saturating_sub(sign.load(Ordering::Relaxed)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "any time serves")]
    fn an_agent_watches_if_its_loop_turns_probes_are_judged_and_it_is_not_isolated() {
        let made = Instant::now();
        // `(name, last iteration, last result, isolated, reason)`, at 100 s
        let rows = [
            ("all is well", 99, 95, false, ""),
            ("the loop hangs", 90, 95, false, "the event loop has not run for 10"),
            ("isolated", 100, 99, true, "isolated"),
            ("no probe comes to a result", 100, 60, false, "no probe came to a result for 40"),
            ("all at once", 0, 0, true, "the event loop"),
        ];
        for (name, iteration, judged, is_isolated, want) in rows {
            let pulse = Pulse::new(made);
            pulse.iteration(made + Duration::from_secs(iteration));
            pulse.judged(made + Duration::from_secs(judged));
            pulse.set_isolated(is_isolated);
            let now = made + Duration::from_secs(100);
            let reason = pulse.judge(now, Duration::from_secs(30)).err().unwrap_or_default();
            assert!(
                reason.starts_with(want) && reason.is_empty() == want.is_empty(),
                "{name}: {reason}"
            );
        }
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "any time serves")]
    fn an_agent_that_starts_has_time_for_its_first_result() {
        let made = Instant::now();
        let pulse = Pulse::new(made);
        assert!(pulse.judge(made, Duration::from_secs(30)).is_ok());
        let later = made + Duration::from_secs(31);
        pulse.iteration(later);
        assert!(pulse.judge(later, Duration::from_secs(30)).is_err());
    }
}
