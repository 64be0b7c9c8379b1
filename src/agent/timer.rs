//! When the loop is woken up for what is due.

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

/// A timer of the kernel's.
///
/// Tokio's own would do. But setting it wakes the runtime up that sets it, and what lies more than
/// 64 ms ahead takes a wake-up more on its way through the wheel: for a handful of targets, half of
/// all that this program does.
#[derive(Debug)]
pub(super) struct Alarm {
    timer: AsyncFd<OwnedFd>,
    /// What it is set for; it has not yet rung for it.
    set_for: Option<Moment>,
}

impl Alarm {
    /// An alarm that is not set. Must be called inside a Tokio runtime.
    ///
    /// # Errors
    ///
    /// If this process may not open another descriptor.
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

    /// Completes at `wake`, which is `wait` from now, or sooner: for an earlier moment that it was
    /// set for and did not come to ring for.
    pub(super) async fn ring(&mut self, wake: Moment, wait: Duration) {
        if self.set_for.replace(wake) != Some(wake) {
            self.set(wait);
        }
        match self.timer.readable().await {
            // Setting it again is what makes it unreadable: it need not be read.
            Ok(mut ready) => ready.clear_ready(),
            // Only a runtime that ends says so.
            Err(_) => std::future::pending().await,
        }
        self.set_for = None;
    }

    fn set(&self, wait: Duration) {
        // Nothing at all would mean never.
        let wait = wait.max(Duration::from_nanos(1));
        let value = Timespec {
            tv_sec: i64::try_from(wait.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: wait.subsec_nanos().into(),
        };
        let once = Itimerspec { it_interval: Timespec::default(), it_value: value };
        let set = timerfd_settime(self.timer.get_ref(), TimerfdTimerFlags::empty(), &once);
        set.expect("a timer of our own can be set to any time");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    #[expect(clippy::disallowed_methods, reason = "what a timer does is told by the clock")]
    async fn it_rings_when_it_was_last_told_to() {
        let mut alarm = Alarm::new().unwrap();
        let began = std::time::Instant::now();
        let hour = Duration::from_hours(1);
        let broken_off = tokio::time::timeout(Duration::from_millis(5), alarm.ring(hour, hour));
        assert!(broken_off.await.is_err());
        for (wake, wait) in [(1, 0), (2, 20), (3, 0), (4, 20)] {
            alarm.ring(Duration::from_secs(wake), Duration::from_millis(wait)).await;
        }
        let took = began.elapsed();
        assert!((Duration::from_millis(45)..hour).contains(&took), "{took:?}");
    }
}
