//! The timer that wakes the event loop.

use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::engine::Moment;

/// A timer of the kernel.
///
/// Tokio's own timer would do, but it costs more wake-ups: one of the runtime that sets it, and
/// another one on the way through the timer wheel for a time more than 64 ms ahead. With a handful of
/// targets they are half of the work of this program.
#[derive(Debug)]
pub(super) struct Timer {
    timer: AsyncFd<OwnedFd>,
    /// The time that the timer is set for, until it expires.
    set_for: Option<Moment>,
}

impl Timer {
    /// Returns a timer that is not set. Must be called inside a Tokio runtime.
    ///
    /// # Errors
    ///
    /// Fails if this process may not open another descriptor.
    pub(super) fn new() -> io::Result<Self> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let timer = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        #[expect(
            deprecated,
            reason = "its replacement is unsafe for types that lend what they own"
        )]
        let timer = AsyncFd::with_interest(timer, Interest::READABLE)?;
        Ok(Self { timer, set_for: None })
    }

    /// Waits until `wake`, which is `wait` from now. Returns sooner if the timer was set for an earlier
    /// time and that wait was cancelled.
    pub(super) async fn expire(&mut self, wake: Moment, wait: Duration) {
        if self.set_for.replace(wake) != Some(wake) {
            self.set(wait);
        }
        match self.timer.readable().await {
            // Setting the timer again makes it unreadable, so that it need not be read.
            Ok(mut ready) => ready.clear_ready(),
            // The runtime ends.
            Err(_) => std::future::pending().await,
        }
        self.set_for = None;
    }

    fn set(&self, wait: Duration) {
        // A wait of zero would disarm the timer.
        let wait = wait.max(Duration::from_nanos(1));
        let value = Timespec {
            tv_sec: i64::try_from(wait.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: wait.subsec_nanos().into(),
        };
        let once = Itimerspec { it_interval: Timespec::default(), it_value: value };
        let set = timerfd_settime(self.timer.get_ref(), TimerfdTimerFlags::empty(), &once);
        set.expect("a timer can be set to any time");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    #[expect(clippy::disallowed_methods, reason = "a timer is checked against the clock")]
    async fn it_expires_at_the_time_that_was_set_last() {
        let mut timer = Timer::new().unwrap();
        let started = std::time::Instant::now();
        let (start, hour) = (Moment::START, Duration::from_hours(1));
        let cancelled =
            tokio::time::timeout(Duration::from_millis(5), timer.expire(start + hour, hour));
        assert!(cancelled.await.is_err());
        for (wake, wait) in [(1, 0), (2, 20), (3, 0), (4, 20)] {
            timer.expire(start + Duration::from_secs(wake), Duration::from_millis(wait)).await;
        }
        let elapsed = started.elapsed();
        assert!((Duration::from_millis(45)..hour).contains(&elapsed), "{elapsed:?}");
    }
}
