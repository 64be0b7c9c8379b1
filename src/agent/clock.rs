//! The agent's clocks: its own, which never jumps, and the wall clock.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

use crate::engine::Moment;

/// The agent's own clock.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    started: Instant,
    /// Whether the kernel's timer may wake the event loop: it follows real time alone.
    real: bool,
}

impl Clock {
    /// Starts a clock on Tokio's time, which a test may pause.
    #[expect(clippy::disallowed_methods, reason = "the agent is where time enters")]
    pub(super) fn start() -> Self {
        Self { started: Instant::now(), real: false }
    }

    /// Starts a clock that never pauses. It costs less than half the wake-ups.
    pub(super) fn start_real() -> Self {
        Self { real: true, ..Self::start() }
    }

    /// Returns the time at which the clock started.
    pub(super) fn started(&self) -> Instant {
        self.started
    }

    /// Returns the time since the start.
    pub(super) fn now(&self) -> Moment {
        // Whole microseconds: the history keeps no more.
        let micros = self.started.elapsed().as_micros();
        Moment::after_start(Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX)))
    }

    /// Whether the kernel's timer may wake the event loop.
    pub(super) fn is_real(&self) -> bool {
        self.real
    }
}

/// Returns the time of the wall clock.
#[expect(
    clippy::disallowed_methods,
    reason = "state, notices and drains are dated by the wall clock"
)]
pub(super) fn wall() -> SystemTime {
    SystemTime::now()
}

/// Returns the time that the wall clock showed at `at`.
pub(super) fn wall_at(at: Instant) -> SystemTime {
    let wall = wall();
    wall.checked_sub(at.elapsed()).unwrap_or(wall)
}

/// Returns a time of the wall clock in whole seconds of Unix time.
pub(super) fn unix(wall: SystemTime) -> u64 {
    wall.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}
