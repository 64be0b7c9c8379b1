//! Clock of the cluster part, with detection of suspension.
//!
//! When a suspended process (SIGSTOP, a paused virtual machine, a machine that swaps) resumes, its
//! sockets are full of messages sent during the suspension. Some of them are long untrue, and all
//! of them look new. Input from peers is therefore ignored for [`STALE_AFTER_RESUME`] after a
//! suspension of more than [`SUSPENDED_AFTER`].

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

/// Interval at which the observing task calls [`ClusterClock::beat`].
pub(crate) const BEAT: Duration = Duration::from_millis(500);

/// Maximum gap between two beats that a busy machine explains; a larger one is a suspension.
pub(crate) const SUSPENDED_AFTER: Duration = Duration::from_secs(3);

/// Time after a suspension during which stale messages may still be read from the sockets.
pub(crate) const STALE_AFTER_RESUME: Duration = Duration::from_secs(1);

/// Monotonic time since the start of the cluster part, and the wall clock.
///
/// Invariant: beats are more than [`SUSPENDED_AFTER`] apart only if this process was suspended,
/// because one task beats every [`BEAT`] and does nothing slow.
#[derive(Debug)]
pub struct ClusterClock {
    start: Instant,
    suspension: Mutex<SuspensionDetector>,
    /// Time of the event loop's last iteration, in milliseconds after the start; 0 if none was
    /// recorded.
    last_iteration: AtomicU64,
}

impl ClusterClock {
    /// Creates a clock that starts at 0.
    pub fn start() -> Self {
        Self {
            start: instant(),
            suspension: Mutex::new(SuspensionDetector::new(unix_millis())),
            last_iteration: AtomicU64::new(0),
        }
    }

    /// Returns the monotonic time since the start.
    pub fn now(&self) -> Duration {
        instant().saturating_duration_since(self.start)
    }

    /// Returns the instant for which [`now`](Self::now) returns `at`, for timers.
    pub fn instant(&self, at: Duration) -> Instant {
        self.start + at
    }

    /// Returns the time of an instant, or 0 if it lies before the start.
    pub fn at(&self, instant: Instant) -> Duration {
        instant.saturating_duration_since(self.start)
    }

    /// Records an iteration of the event loop. Once one was recorded, votes are sent only while
    /// the loop keeps iterating.
    pub fn record_iteration(&self) {
        let millis = u64::try_from(self.now().as_millis()).unwrap_or(u64::MAX);
        self.last_iteration.store(millis.max(1), Ordering::Relaxed);
    }

    /// Whether the event loop is stalled.
    pub fn loop_is_stalled(&self) -> bool {
        let last_iteration = self.last_iteration.load(Ordering::Relaxed);
        last_iteration > 0
            && self.now() >= Duration::from_millis(last_iteration) + crate::heart::STALLED_AFTER
    }

    /// Returns the time this process last resumed after a suspension. The age of earlier evidence
    /// is unknown, because the clock may have been suspended too.
    pub fn resumed_at(&self) -> Option<Duration> {
        let suspension = self.suspension.lock().unwrap_or_else(PoisonError::into_inner);
        suspension.resumed_at
    }

    /// Records that the process runs. Returns the length of the suspension if it was suspended
    /// before.
    pub fn beat(&self) -> Option<Duration> {
        let mut suspension = self.suspension.lock().unwrap_or_else(PoisonError::into_inner);
        suspension.beat(self.now(), unix_millis())
    }

    /// Whether input received now was also sent recently. Checks for a suspension itself, since
    /// other tasks may run before the one that beats.
    pub fn input_is_current(&self) -> bool {
        let suspension = self.suspension.lock().unwrap_or_else(PoisonError::into_inner);
        suspension.input_is_current(self.now(), unix_millis())
    }
}

/// Returns the wall clock in milliseconds of Unix time, or 0 before 1970.
pub fn unix_millis() -> u64 {
    #[expect(clippy::disallowed_methods, reason = "a signature carries the wall clock's time")]
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

#[expect(clippy::disallowed_methods, reason = "this border has timers of its own")]
fn instant() -> Instant {
    Instant::now()
}

/// Time of the last beat by both clocks. Both are needed because a monotonic clock does not run
/// while a virtual machine is suspended.
#[derive(Debug)]
struct SuspensionDetector {
    last: Duration,
    last_millis: u64,
    resumed_at: Option<Duration>,
}

impl SuspensionDetector {
    fn new(millis: u64) -> Self {
        Self { last: Duration::ZERO, last_millis: millis, resumed_at: None }
    }

    fn gap(&self, now: Duration, millis: u64) -> Duration {
        let by_wall = Duration::from_millis(millis.saturating_sub(self.last_millis));
        now.saturating_sub(self.last).max(by_wall)
    }

    fn beat(&mut self, now: Duration, millis: u64) -> Option<Duration> {
        let gap = self.gap(now, millis);
        (self.last, self.last_millis) = (now, millis);
        if gap <= SUSPENDED_AFTER {
            return None;
        }
        self.resumed_at = Some(now);
        Some(gap)
    }

    fn input_is_current(&self, now: Duration, millis: u64) -> bool {
        let stale = self
            .resumed_at
            .is_some_and(|resumed_at| now.saturating_sub(resumed_at) < STALE_AFTER_RESUME);
        self.gap(now, millis) <= SUSPENDED_AFTER && !stale
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn a_suspension_is_noticed_by_either_clock_and_input_is_current_a_second_later() {
        let cases = [
            ("a busy machine", 3000, 3000, None),
            ("stopped, both clocks run on", 20_000, 20_000, Some(20_000)),
            ("suspended, the monotonic clock stood still too", 500, 20_500, Some(20_500)),
            ("the wall clock was set back", 500, 0, None),
        ];
        for (name, monotonic, wall, want) in cases {
            let mut suspension = SuspensionDetector::new(1_000_000);
            let (now, millis) = (ms(monotonic), 1_000_000 + wall);
            assert_eq!(
                suspension.input_is_current(now, millis),
                want.is_none(),
                "{name}, before the beat"
            );
            assert_eq!(suspension.beat(now, millis), want.map(ms), "{name}");
            assert_eq!(
                suspension.input_is_current(now + ms(999), millis + 999),
                want.is_none(),
                "{name}"
            );
            assert!(
                suspension.input_is_current(now + ms(1000), millis + 1000),
                "{name}, a second later"
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn it_counts_from_its_start() {
        let clock = ClusterClock::start();
        tokio::time::advance(ms(1500)).await;
        assert_eq!(clock.now(), ms(1500));
        assert_eq!(clock.beat(), None);
        tokio::time::advance(ms(9000)).await;
        assert!(!clock.input_is_current());
        assert_eq!(clock.beat(), Some(ms(9000)));
    }
}
