//! Notifications to systemd, if it started us: `Type=notify-reload` and `WatchdogSec=`.
//!
//! Without systemd, that is without `NOTIFY_SOCKET`, each of these does nothing. A message that
//! cannot be delivered at once is logged and otherwise ignored: the agent does not depend on its
//! unit, and its loop must not block.

use std::fmt::Write as _;
use std::io;
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use sd_notify::NotifyState;
use tracing::warn;

/// Notifies that the agent is ready and monitoring; also marks the end of a reload.
pub fn ready() {
    notify(&[NotifyState::Ready]);
}

/// Notifies that a reload begins. [`ready`] must follow, even if the new configuration is rejected.
pub fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => notify(&[NotifyState::Reloading, now]),
        Err(error) => warn!(%error, "cannot read the clock for the reload notification to systemd"),
    }
}

/// Notifies that the agent stops on purpose.
pub fn stopping() {
    notify(&[NotifyState::Stopping]);
}

/// Notifies systemd's watchdog from the event loop, twice within `WatchdogSec=`.
#[derive(Debug, Default)]
pub struct Watchdog {
    /// Absent if the watchdog is off.
    every: Option<Duration>,
    notified_at: Duration,
}

impl Watchdog {
    /// Returns a watchdog with the interval that systemd asks for.
    pub fn new() -> Self {
        let every = sd_notify::watchdog_enabled().map(|within| within / 2);
        Self { every, notified_at: Duration::ZERO }
    }

    /// Notifies that the loop is running, if that is due. Must be called from the loop itself; `now` is
    /// the time since the start.
    pub fn iteration(&mut self, now: Duration) {
        if self.every.is_some_and(|every| now >= self.notified_at + every) {
            self.notified_at = now;
            notify(&[NotifyState::Watchdog]);
        }
    }
}

fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = send(states) {
        warn!(%error, "cannot notify systemd");
    }
}

/// Like [`sd_notify::notify`], but never blocks; that one waits while systemd's queue is full.
fn send(states: &[NotifyState<'_>]) -> io::Result<()> {
    let Some(path) = std::env::var_os("NOTIFY_SOCKET") else { return Ok(()) };
    let mut message = String::new();
    for state in states {
        let _ = writeln!(message, "{state}");
    }
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    socket.connect(path)?;
    socket.send(message.as_bytes()).map(drop)
}
